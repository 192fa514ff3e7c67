//! How many new certificates a certificate authority issues for a registered domain in a week. What is asked for beyond that
//! fails, for everybody who has a name below the domain. So a run holds the rest, in the order of the roster.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plain::counted;
use kwo_planner::plan::Plan;
use kwo_planner::resource::{Desired, Reason, Resource, ResourceId};
use kwo_planner::roster::Span;
use kwo_planner::tree::Tree;
use smol_str::SmolStr;

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The new certificates of a plan that a week has no room for, and when it has. A certificate that is there is renewed and
/// changed as before: the authorities do not count a renewal.
#[must_use]
pub fn over(
    plan: &Plan,
    desired: &Desired,
    observed: &Observed,
    now: Timestamp,
) -> BTreeMap<ResourceId, SmolStr> {
    let mut held = BTreeMap::new();
    let Some(limit) = desired.certificates_a_week().and_then(|limit| usize::try_from(limit).ok()) else {
        return held;
    };
    let made = plan.steps.iter().filter(|step| is_certificate(&step.id) && step.creates());
    let mut new: Vec<&Resource> = made.filter_map(|step| desired.get(&step.id)).collect();
    if new.is_empty() {
        return held;
    }
    new.sort_by_key(|resource| (place(resource), &resource.id));
    let mut weeks = used(observed, now);
    for Resource { id, body, .. } in new {
        let domains = domains(body);
        let full = |domain: &&SmolStr| weeks.get(*domain).is_some_and(|week| week.made.len() >= limit);
        let full: Vec<SmolStr> = domains.iter().filter(full).cloned().collect();
        if full.is_empty() {
            for domain in domains {
                weeks.entry(domain).or_default().made.push(now);
            }
            continue;
        }
        // Of several the one that takes longest.
        let free = full.iter().filter_map(|domain| Some((weeks.get_mut(domain)?.next(limit), domain)));
        let Some((at, domain)) = free.max() else { continue };
        let what = counted(limit, "new certificate", "new certificates");
        held.insert(
            id.clone(),
            smol_str::format_smolstr!(
                "{domain} gets {what} in 7 days at most (`cluster.acme.weekly`); there is room for this one on {} (UTC)",
                at.strftime("%F")
            ),
        );
    }
    held
}

/// What a registered domain got in seven days, and how many of the new ones wait for room.
#[derive(Default)]
struct Week {
    made: Vec<Timestamp>,
    waiting: usize,
}

impl Week {
    /// When there is room for one more, behind those that wait already. Whoever gets in takes the room for a week.
    fn next(&mut self, limit: usize) -> Timestamp {
        self.made.sort();
        // After a limit was lowered there may be more than it allows.
        let late = self.made.len().saturating_sub(limit);
        let round = self.made.get(late..).filter(|round| !round.is_empty());
        let first = round.map_or(Timestamp::MIN, |round| round[self.waiting % round.len()]);
        let rounds = round.map_or(0, |round| self.waiting / round.len());
        self.waiting += 1;
        let rounds = i32::try_from(rounds).unwrap_or(i32::MAX).saturating_add(1);
        first.checked_add(WEEK.saturating_mul(rounds)).unwrap_or(Timestamp::MAX)
    }
}

/// When kwo's certificates of the last seven days were made, by the registered domains that they are for. One that was
/// deleted since is not known any more.
fn used(observed: &Observed, now: Timestamp) -> BTreeMap<SmolStr, Week> {
    let mut weeks: BTreeMap<SmolStr, Week> = BTreeMap::new();
    let certificates = observed.iter().filter(|(id, _)| is_certificate(id));
    for (_, sighting) in certificates {
        let Sighting::Present(present) = sighting else { continue };
        let made = present.body.at("/metadata/creationTimestamp").and_then(Tree::as_text);
        let Some(made) = made.and_then(|made| made.parse::<Timestamp>().ok()) else { continue };
        if !present.is_marked() || now.duration_since(made) >= WEEK {
            continue;
        }
        for domain in domains(&present.body) {
            weeks.entry(domain).or_default().made.push(made);
        }
    }
    weeks
}

/// The registered domains of the names of a Certificate: what somebody buys, such as `example.com` or `example.co.uk`.
fn domains(certificate: &Tree) -> BTreeSet<SmolStr> {
    let names = certificate.at("/spec/dnsNames").map(Tree::items).unwrap_or_default();
    let registered = |name: &SmolStr| {
        let name = name.to_ascii_lowercase();
        let plain = name.strip_prefix("*.").unwrap_or(&name).trim_end_matches('.');
        SmolStr::from(psl::domain_str(plain).unwrap_or(plain))
    };
    names.iter().filter_map(Tree::as_text).map(registered).collect()
}

fn is_certificate(id: &ResourceId) -> bool {
    id.known_kind() == Some(Kind::Certificate)
}

/// Where the roster asks for it.
fn place(resource: &Resource) -> Option<Span> {
    match resource.because {
        Reason::Roster(span) => Some(span),
        Reason::BuiltInTier { .. } | Reason::Always | Reason::Kubernetes => None,
    }
}

#[cfg(test)]
mod tests {
    use kwo_planner::after::after;
    use kwo_planner::domains::{compile, parse};
    use kwo_planner::observed::Present;
    use kwo_planner::plan::{Adopt, Provenance, plan};
    use kwo_planner::roster::{SourceFile, Sources};

    use super::*;

    const NOW: &str = "2026-11-29T12:00:00Z";

    fn desired(acme: &str, tenants: &str) -> Desired {
        let text = format!(
            "{{apiVersion: kwo/v1, kind: Roster, cluster: {{acme: {{email: ops@example.com, issuer: cert-manager, {acme}}}}}, \
             tenants: {{{tenants}}}}}"
        );
        compile(&parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap()).unwrap()
    }

    /// Nothing is there.
    fn nothing(desired: &Desired) -> Observed {
        desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect()
    }

    /// The world in which these certificates were made at these times.
    fn there(desired: &Desired, made: &[(&str, &str)]) -> Observed {
        let empty = nothing(desired);
        let mut world = after(&plan(desired, &empty, &Adopt::Nothing, Provenance::default()), &empty);
        for resource in desired.resources().iter().filter(|resource| is_certificate(&resource.id)) {
            let made = made.iter().find(|(namespace, _)| resource.id.scope == *namespace);
            let seen = match (world.get(&resource.id), made) {
                (Some(Sighting::Present(present)), Some((_, at))) => {
                    let body =
                        present.body.with("/metadata/creationTimestamp", Tree::from(SmolStr::from(*at)));
                    Sighting::Present(Present { body, ..present.clone() })
                }
                _ => Sighting::Absent,
            };
            world.insert(resource.id.clone(), seen);
        }
        world
    }

    /// The namespaces whose certificates are held, and the day of each.
    fn held(desired: &Desired, world: &Observed) -> Vec<(String, String)> {
        let plan = plan(desired, world, &Adopt::Nothing, Provenance::default());
        let over = over(&plan, desired, world, NOW.parse().unwrap());
        let day = |why: &SmolStr| why.rsplit_once(" on ").unwrap().1.trim_end_matches(" (UTC)").to_owned();
        over.iter().map(|(id, why)| (id.scope.to_string(), day(why))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
    }

    const FIVE: &str = "zoe: {domains: [zoe.example.co.uk]}, bob: {domains: [bob.example.co.uk]}, \
        eve: {domains: [eve.example.co.uk]}, ann: {domains: [ann.example.co.uk]}, \
        max: {domains: [max.example.com, max.example.org]}";

    #[test]
    fn what_is_beyond_the_week_is_held_in_the_order_of_the_roster() {
        let desired = desired("weekly: 2", FIVE);
        let world = nothing(&desired);
        // The two that come first in the roster are made now, which takes a week; `co.uk` is nobody's domain.
        assert_eq!(held(&desired, &world), pairs(&[("ann", "2026-12-06"), ("eve", "2026-12-06")]));
        let plan = plan(&desired, &world, &Adopt::Nothing, Provenance::default());
        let over = over(&plan, &desired, &world, NOW.parse().unwrap());
        let why = over.values().next().unwrap();
        assert_eq!(
            why,
            "example.co.uk gets 2 new certificates in 7 days at most (`cluster.acme.weekly`); there is room for this one on \
             2026-12-06 (UTC)"
        );
    }

    #[test]
    fn each_waits_for_the_next_that_is_seven_days_old() {
        let roster = desired("weekly: 3", FIVE);
        let times = [("zoe", "2026-11-26T08:00:00Z"), ("bob", "2026-11-28T08:00:00Z")];
        // One more has room, and is there for a week from now; the next one comes when that of zoe is a week old.
        assert_eq!(held(&roster, &there(&roster, &times)), pairs(&[("ann", "2026-12-03")]));
        let full = desired("weekly: 2", FIVE);
        assert_eq!(
            held(&full, &there(&full, &times)),
            pairs(&[("ann", "2026-12-05"), ("eve", "2026-12-03")])
        );
        // A lower limit waits until enough are old, and whoever comes after those waits a week more.
        let one = desired("weekly: 1", FIVE);
        assert_eq!(held(&one, &there(&one, &times)), pairs(&[("ann", "2026-12-12"), ("eve", "2026-12-05")]));
        // To the second.
        let old = [("zoe", "2026-11-22T12:00:01Z"), ("bob", "2026-11-22T12:00:00Z")];
        assert_eq!(held(&full, &there(&full, &old)), pairs(&[("ann", "2026-11-29")]));
    }

    #[test]
    fn what_is_left_over_counts_and_what_is_others_does_not() {
        let tenants = format!("{FIVE}, gone: {{domains: [gone.example.co.uk]}}");
        let world = there(&desired("weekly: 3", &tenants), &[("gone", "2026-11-29T11:00:00Z")]);
        let roster = desired("weekly: 3", FIVE);
        assert_eq!(held(&roster, &world), pairs(&[("ann", "2026-12-06"), ("eve", "2026-12-06")]));
        let id: ResourceId = "kube:Certificate/gone/kwo-domains".parse().unwrap();
        let mut world = world;
        let Some(Sighting::Present(present)) = world.get(&id).cloned() else { panic!("it is gone") };
        let body = present.body.with("/metadata/labels", Tree::map::<SmolStr>([]));
        world.insert(id, Sighting::Present(Present { body, ..present }));
        assert_eq!(held(&roster, &world), pairs(&[("ann", "2026-12-06")]));
    }

    #[test]
    fn what_is_held_for_another_reason_takes_no_room() {
        let roster = desired("weekly: 2", FIVE);
        let mut world = nothing(&roster);
        for tenant in ["zoe", "bob"] {
            let id = format!("kube:Namespace/{tenant}").parse().unwrap();
            world.insert(id, Sighting::Unknown { why: "nobody answered".into() });
        }
        assert_eq!(held(&roster, &world), []);
    }

    #[test]
    fn what_is_there_is_never_held_and_nobody_counts_in_staging() {
        let roster = desired("weekly: 1", FIVE);
        let all = ["zoe", "bob", "eve", "ann", "max"].map(|name| (name, "2026-11-29T11:00:00Z"));
        let changed = FIVE.replace("[zoe.", "[www.zoe.example.co.uk, zoe.");
        let wanted = desired("weekly: 1", &changed);
        assert_eq!(held(&wanted, &there(&roster, &all)), []);
        let free = |acme: &str| {
            let tenants: Vec<String> =
                (0..60).map(|at| format!("t{at}: {{domains: [t{at}.example.com]}}")).collect();
            let roster = desired(acme, &tenants.join(", "));
            held(&roster, &nothing(&roster)).len()
        };
        assert_eq!(
            (free("staging: false"), free("staging: true"), free("staging: true, weekly: 50")),
            (20, 0, 10)
        );
    }
}
