//! What somebody else changed: which steps only put that right, what it was in words, and a plan that leaves it as it is.

use std::collections::BTreeSet;

use crate::change::{Cause, Change, Held, Hold, Step};
use crate::plan::Plan;
use crate::resource::ResourceId;

/// What this step puts right of what somebody else did, in words; nothing where it does something else. Where the last
/// run ended with everything as this same roster wants it, whatever is missing now was taken away by somebody.
#[must_use]
pub fn drift(step: &Step, was_in_agreement: bool) -> Option<String> {
    let told: Vec<String> = step.changes.iter().filter_map(|change| one(change, was_in_agreement)).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn one(change: &Change, was_in_agreement: bool) -> Option<String> {
    match change {
        Change::Create => was_in_agreement.then(|| "it was deleted".to_owned()),
        Change::Extend { pointer, .. } => was_in_agreement.then(|| format!("{pointer} was taken out")),
        Change::Revise { pointer, from, to, cause, .. } => match cause {
            Cause::Drift { manager, when } => {
                let when = when.as_ref().map(|when| format!(" at {when}")).unwrap_or_default();
                Some(format!("{pointer} was changed from {to} to {from} by `{manager}`{when}"))
            }
            Cause::Unrecorded if was_in_agreement => {
                Some(format!("{pointer} was changed from {to} to {from}"))
            }
            Cause::Unrecorded | Cause::RosterChanged | Cause::Anew { .. } | Cause::Passed => None,
        },
    }
}

/// The plan without the steps that put right what somebody else did: they are held, and what needs them waits.
#[must_use]
pub fn withhold(plan: Plan, was_in_agreement: bool) -> Plan {
    let mut gone: BTreeSet<ResourceId> = BTreeSet::new();
    let mut held = plan.held;
    let mut steps = Vec::with_capacity(plan.steps.len());
    // Every step comes after those that it needs.
    for mut step in plan.steps {
        let waits = step.needs.iter().find(|need| gone.contains(need)).cloned();
        let hold = match (drift(&step, was_in_agreement), waits) {
            (Some(what), _) => Hold::Drift { what: what.into() },
            (None, Some(id)) => Hold::WaitsOn { id },
            (None, None) => {
                step.follows.retain(|id| !gone.contains(id));
                steps.push(step);
                continue;
            }
        };
        gone.insert(step.id.clone());
        held.push(Held { id: step.id, tenant: step.tenant, hold, because: step.because });
    }
    held.sort_by(|a, b| a.id.cmp(&b.id));
    Plan { steps, held, ..plan }.sealed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::compile;
    use crate::observed::{Observed, Sighting};
    use crate::plan::{Adopt, Provenance, plan};
    use crate::roster::{SourceFile, Sources, parse};

    #[test]
    fn what_was_deleted_is_held_and_so_is_what_needs_it() {
        let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: }}".to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let desired = compile(&roster).unwrap();
        let absent: Observed =
            desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
        let whole = plan(&desired, &absent, &Adopt::Nothing, Provenance::default());
        assert_eq!(withhold(whole.clone(), false), whole, "a first run has no drift");
        let count = whole.steps.len();
        let kept = withhold(whole, true);
        assert_eq!((kept.steps.len(), kept.held.len()), (0, count));
        assert!(kept.is_intact() && kept.holds());
        let said = kept.held[0].hold.to_string();
        assert_eq!(said, "somebody else changed it, and it is left as it is: it was deleted");
    }
}
