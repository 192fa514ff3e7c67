//! How much an unattended run may change by itself. kwo refuses a plan beyond a limit as a whole, because a roster
//! that looks like a mistake is a question for a person.

use crate::plain::counted;
use std::collections::BTreeSet;
use std::fmt;

use crate::change::Step;
use crate::domains::Roster;
use crate::plan::Plan;
use crate::settings::Limits;
use crate::tree::SmolStr;

/// Shares of fewer things than this say nothing.
const FEWEST: usize = 10;

/// Which limit it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Limit {
    /// Too much of what is there would be revised.
    Revise,
    /// Tenants that were there are in the roster no more.
    Drop,
    /// Too many tenants would be touched.
    Tenants,
}

/// A limit that a run goes beyond.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Excess {
    /// Which.
    pub limit: Limit,
    /// How far, as a sentence without a full stop.
    pub why: String,
}

impl fmt::Display for Excess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Excess { limit: _, why } = self;
        out.write_str(why)
    }
}

/// The tenants that the roster before had.
#[must_use]
pub fn tenants(roster: &Roster) -> BTreeSet<SmolStr> {
    roster.tenants().keys().map(|name| name.text().clone()).collect()
}

/// The tenants of the cluster whose namespaces the plan finds left over.
#[must_use]
pub fn left_over(plan: &Plan) -> BTreeSet<SmolStr> {
    let tenants = plan.leftovers.iter().filter(|left| left.pointer.is_none()).map(|left| left.tenant.clone());
    tenants.filter(|tenant| !tenant.is_empty()).collect()
}

/// Everything that a plan goes beyond. `before` are the tenants that were applied last, or else those that the cluster
/// knows.
#[must_use]
pub fn check(
    limits: Option<&Limits>,
    plan: &Plan,
    before: &BTreeSet<SmolStr>,
    now: &BTreeSet<SmolStr>,
) -> Vec<Excess> {
    let share = |set: Option<u8>| usize::from(set.unwrap_or(Limits::SHARE));
    let beyond = |part: usize, whole: usize, share: usize| whole >= FEWEST && part * 100 > whole * share;
    let mut found = Vec::new();
    let mut excess = |limit, why| found.push(Excess { limit, why });

    let gone: Vec<&str> = before.difference(now).map(SmolStr::as_str).collect();
    let most = share(limits.and_then(|limits| limits.drop).map(|drop| drop.value.number()));
    if now.is_empty() && !gone.is_empty() {
        excess(
            Limit::Drop,
            format!("the roster has no tenants any more; it had {}: {}", gone.len(), list(&gone)),
        );
    } else if beyond(gone.len(), before.len(), most) {
        let of = before.len();
        excess(
            Limit::Drop,
            format!(
                "{} of {} no longer in the roster: {}; the limit is {most} %",
                gone.len(),
                counted(of, "tenant is", "tenants are"),
                list(&gone)
            ),
        );
    }

    let revised = plan.steps.iter().filter(|step| step.revises()).count();
    let there = plan.settled + plan.steps.iter().filter(|step| !step.creates()).count();
    let most = share(limits.and_then(|limits| limits.revise).map(|revise| revise.value.number()));
    if beyond(revised, there, most) {
        excess(
            Limit::Revise,
            format!(
                "{revised} of {} would be revised; the limit is {most} %",
                counted(there, "object", "objects")
            ),
        );
    }

    let touched: BTreeSet<&str> =
        plan.steps.iter().map(|step| tenant(step)).filter(|tenant| !tenant.is_empty()).collect();
    let most = limits.and_then(|limits| limits.tenants).map(|most| most.value.number());
    if let Some(most) = most.filter(|most| touched.len() > usize::try_from(*most).unwrap_or(usize::MAX)) {
        let names: Vec<&str> = touched.iter().copied().collect();
        excess(
            Limit::Tenants,
            format!(
                "{} would be touched: {}; the limit is {most}",
                counted(names.len(), "tenant", "tenants"),
                list(&names)
            ),
        );
    }
    found
}

fn tenant(step: &Step) -> &str {
    step.tenant.as_str()
}

/// The first few of many names.
fn list(names: &[&str]) -> String {
    const FEW: usize = 5;
    match names.len().checked_sub(FEW) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..FEW].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::compile;
    use crate::domains::parse;
    use crate::observed::Observed;
    use crate::plan::{Adopt, Provenance, plan};

    use crate::roster::{SourceFile, Sources};
    use crate::settings;

    fn roster(names: usize, quota: usize) -> Roster {
        let tenants: Vec<String> =
            (0..names).map(|at| format!("t{at}: {{quota: {{pods: {quota}}}}}")).collect();
        let text = format!("{{apiVersion: kwo/v1, kind: Roster, tenants: {{{}}}}}", tenants.join(", "));
        parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap()
    }

    /// The plan from one roster's world to another roster.
    fn change(from: &Roster, to: &Roster) -> Plan {
        let nothing = |roster: &Roster| -> Observed {
            let desired = compile(roster).unwrap();
            let absent = |resource: &crate::resource::Resource| {
                (resource.id.clone(), crate::observed::Sighting::Absent)
            };
            desired.resources().iter().map(absent).collect()
        };
        let first = plan(&compile(from).unwrap(), &nothing(from), &Adopt::Nothing, Provenance::default());
        let mut world = nothing(to);
        world.merge(crate::after::after(&first, &nothing(from)));
        plan(&compile(to).unwrap(), &world, &Adopt::Nothing, Provenance::default())
    }

    fn limits(text: &str) -> Option<Limits> {
        let text = format!("apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: /a}}\nlimits: {text}\n");
        settings::parse(SourceFile { name: String::new(), text }).unwrap().limits
    }

    fn said(from: &Roster, to: &Roster, text: &str) -> Vec<String> {
        let plan = change(from, to);
        check(limits(text).as_ref(), &plan, &tenants(from), &tenants(to))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_roster_that_lost_its_tenants_is_refused() {
        let (three, none) = (roster(3, 5), roster(0, 5));
        assert_eq!(said(&three, &none, "{}"), ["the roster has no tenants any more; it had 3: t0, t1, t2"]);
        assert_eq!(left_over(&change(&three, &none)), tenants(&three));
        assert!(said(&none, &three, "{}").is_empty());
        assert!(said(&three, &roster(1, 5), "{}").is_empty(), "a share of three says nothing");
        let [lost] = &*said(&roster(12, 5), &roster(8, 5), "{}") else { panic!("one excess") };
        assert_eq!(lost, "4 of 12 tenants are no longer in the roster: t10, t11, t8, t9; the limit is 30 %");
        assert!(said(&roster(12, 5), &roster(8, 5), "{drop: 34}").is_empty());
        assert!(said(&roster(12, 5), &roster(9, 5), "{}").is_empty());
    }

    #[test]
    fn a_plan_that_revises_much_or_touches_many_is_refused() {
        let (few, more) = (roster(12, 5), roster(12, 6));
        let plan = change(&few, &more);
        let there = plan.settled + plan.steps.len();
        assert_eq!(plan.steps.len(), 12);
        let share = 12 * 100 / there;
        assert!(said(&few, &more, &format!("{{revise: {}}}", share + 1)).is_empty());
        let [revised] = &*said(&few, &more, &format!("{{revise: {}}}", share - 1)) else {
            panic!("one excess")
        };
        assert!(revised.starts_with(&format!("12 of {there} objects would be revised; ")), "{revised}");
        assert!(said(&few, &more, "{tenants: 12}").is_empty());
        let [touched] = &*said(&few, &more, "{tenants: 11}") else { panic!("one excess") };
        assert_eq!(touched, "12 tenants would be touched: t0, t1, t10, t11, t2 and 7 more; the limit is 11");
    }
}
