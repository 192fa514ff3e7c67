//! What somebody else changed: which steps only put that right, what it was in words, and a plan that leaves it as it is.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use crate::change::{Cause, Change, Held, Hold, Step};
use crate::keeper;
use crate::plain::one_line;
use crate::plan::Plan;
use crate::resource::{Desired, ResourceId};
use crate::tree::Tree;
use crate::units::moment;

/// What somebody else did to an object. Its text says all of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Drifted(pub Vec<Touched>);

/// What somebody else did to one field of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Touched {
    /// The field; empty where the object was deleted.
    pub field: String,
    /// Who did it, where the system knows.
    pub by: Option<SmolStr>,
    what: String,
}

impl fmt::Display for Drifted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, touched) in self.0.iter().enumerate() {
            out.write_str(if at == 0 { "" } else { "; " })?;
            out.write_str(&touched.what)?;
        }
        Ok(())
    }
}

/// What this step puts right of what somebody else did; nothing where it does something else. `was` is what everything agreed
/// with when the last run ended, where it did: what is missing of it was taken away by somebody.
#[must_use]
pub fn drift(step: &Step, was: Option<&Desired>) -> Option<Drifted> {
    let was = was.and_then(|was| was.get(&step.id)).map(|resource| &resource.body);
    let touched: Vec<Touched> = step.changes.iter().filter_map(|change| one(change, was)).collect();
    (!touched.is_empty()).then_some(Drifted(touched))
}

fn one(change: &Change, was: Option<&Tree>) -> Option<Touched> {
    let of = |field: &str, what: String| Touched { field: field.to_owned(), by: None, what };
    match change {
        Change::Create => was.map(|_| of("", "it was deleted".to_owned())),
        // Which roster keeps the cluster is written anew wherever it is missing.
        Change::Extend { pointer, .. } if keeper::is_about(pointer) => None,
        Change::Extend { pointer, value, .. } => {
            let there = match pointer.strip_suffix("/-") {
                Some(list) => was?.at(list).is_some_and(|list| list.items().contains(value)),
                None => was?.at(pointer).is_some(),
            };
            there.then(|| of(pointer, format!("{pointer} was taken out")))
        }
        Change::Revise { pointer, from, to, cause, .. } => match cause {
            Cause::Drift { manager, when } => {
                let when = when.as_ref().map(|when| format!(" at {}", moment(when))).unwrap_or_default();
                let (to, from) = (shown(to), shown(from));
                let what = format!("{pointer} was changed from {to} to {from} by `{manager}`{when}");
                Some(Touched { by: Some(manager.clone()), ..of(pointer, what) })
            }
            Cause::Unrecorded => {
                let was = was?.at(pointer).filter(|was| *was != from)?;
                Some(of(pointer, format!("{pointer} was changed from {} to {}", shown(was), shown(from))))
            }
            Cause::RosterChanged | Cause::Anew { .. } | Cause::Passed => None,
        },
    }
}

/// A value for people, on one line and not too long.
fn shown(value: &Tree) -> String {
    const LONG: usize = 120;
    let text = value.as_text().filter(|text| !text.is_empty());
    let text =
        text.map_or_else(|| one_line(&value.to_string()).into_owned(), |text| one_line(text).into_owned());
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The plan without the steps that put right what somebody else did: they are held, and what needs them waits.
#[must_use]
pub fn withhold(plan: Plan, was: Option<&Desired>) -> Plan {
    let mut gone: BTreeSet<ResourceId> = BTreeSet::new();
    let mut held = plan.held;
    let mut steps = Vec::with_capacity(plan.steps.len());
    // Every step comes after those that it needs.
    for step in plan.steps {
        let waits = step.needs.iter().find(|need| gone.contains(need)).cloned();
        let hold = match (drift(&step, was), waits) {
            (Some(what), _) => Hold::Drift { what: format_smolstr!("{what}") },
            (None, Some(id)) => Hold::WaitsOn { id },
            (None, None) => {
                steps.push(following(step, &gone));
                continue;
            }
        };
        gone.insert(step.id.clone());
        let Step { id, tenant, because, .. } = Arc::unwrap_or_clone(step);
        held.push(Held { id, tenant, hold, because });
    }
    held.sort_by(|a, b| a.id.cmp(&b.id));
    Plan { steps, held, ..plan }.sealed()
}

/// The step without what it would follow and is not done.
fn following(mut step: Arc<Step>, gone: &BTreeSet<ResourceId>) -> Arc<Step> {
    if step.follows.iter().any(|id| gone.contains(id)) {
        let kept = step.follows.iter().filter(|id| !gone.contains(id)).cloned().collect();
        Arc::make_mut(&mut step).follows = kept;
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::compile;
    use crate::domains::parse;
    use crate::observed::{Observed, Sighting};
    use crate::plan::{Adopt, Provenance, plan};

    use crate::roster::{SourceFile, Sources};

    fn wanted(tenants: &str) -> Desired {
        let text = format!("{{apiVersion: kwo/v1, kind: Roster, tenants: {tenants}}}");
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        compile(&roster).unwrap()
    }

    fn nothing(desired: &Desired) -> Observed {
        desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect()
    }

    #[test]
    fn what_a_new_roster_asks_for_besides_is_no_drift() {
        let (one, two) = (wanted("{alice: }"), wanted("{alice: {quota: {pods: 7}}, bob: }"));
        let first = plan(&one, &nothing(&one), &Adopt::Nothing, Provenance::default());
        let mut world = nothing(&two);
        world.merge(crate::after::after(&first, &nothing(&one)));
        // Somebody deletes one object; at the same time the roster gets a tenant and changes a quota.
        let gone = one.resources().iter().find(|resource| resource.id.to_string().contains("LimitRange"));
        let gone = gone.unwrap().id.clone();
        world.merge(std::iter::once((gone.clone(), Sighting::Absent)).collect());
        let whole = plan(&two, &world, &Adopt::Nothing, Provenance::default());
        let drifted: Vec<&ResourceId> = whole
            .steps
            .iter()
            .filter(|step| drift(step, Some(&one)).is_some())
            .map(|step| &step.id)
            .collect();
        assert_eq!(drifted, [&gone]);
        let kept = withhold(whole, Some(&one));
        assert!(kept.steps.iter().any(|step| step.revises()));
        assert!(kept.steps.iter().any(|step| step.tenant == "bob"));
    }

    #[test]
    fn what_was_deleted_is_held_and_so_is_what_needs_it() {
        let desired = wanted("{alice: }");
        let absent = nothing(&desired);
        let whole = plan(&desired, &absent, &Adopt::Nothing, Provenance::default());
        assert_eq!(withhold(whole.clone(), None), whole, "a first run has no drift");
        let count = whole.steps.len();
        let kept = withhold(whole, Some(&desired));
        assert_eq!((kept.steps.len(), kept.held.len()), (0, count));
        assert!(kept.is_intact() && kept.holds());
        let said = kept.held[0].hold.to_string();
        assert_eq!(said, "somebody else changed it, and kwo leaves it as it is: it was deleted");
    }
}
