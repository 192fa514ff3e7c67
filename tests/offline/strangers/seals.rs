//! A saved plan that somebody edited after it was sealed: whatever was done to the file, its seal no longer fits, or it
//! means the same.

use kwo_engine::saved::{Keys, Seal};
use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::{Adopt, Provenance, plan};

use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::saved::{Saved, SavedPlan};
use proptest::prelude::*;
use proptest::sample::Index;
use testkit::drawn::{edit, places};

/// A plan as `kwo plan --out` saves it.
fn saved(keys: &Keys) -> SavedPlan {
    let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: {owners: [a@example.com]}}}".to_owned();
    let roster = parse(Sources::new(vec![SourceFile { name: "roster.yaml".into(), text }])).unwrap();
    let desired = compile(&roster).unwrap();
    let nothing: Observed =
        desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
    let plan = plan(&desired, &nothing, &Adopt::Nothing, Provenance::default());
    let mut saved =
        SavedPlan { plan, saved: Some(Saved::of(roster.sources())), hits: None, overcommitted: None };
    let seals = keys.seals(&saved);
    saved.saved.as_mut().unwrap().seals = seals;
    saved
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sealed_plan_that_was_edited_is_refused_or_means_the_same(
        at in any::<Index>(),
        how in any::<u8>(),
        other in 0_usize..50,
    ) {
        let keys = Keys::of(vec![7; 32]);
        let honest = saved(&keys);
        prop_assert_eq!(keys.check(&honest), Some(Seal::Person));
        let mut document = serde_json::to_value(&honest).unwrap();
        let mut all = Vec::new();
        places(&document, "", &mut all);
        edit(document.pointer_mut(at.get::<String>(&all)).unwrap(), how, other);
        let Ok(edited) = serde_json::from_value::<SavedPlan>(document) else { return Ok(()) };
        // Whoever edits it can make the digest fit.
        let edited = SavedPlan { plan: edited.plan.sealed(), ..edited };
        if keys.check(&edited).is_some() {
            prop_assert_eq!(edited.sealable(), honest.sealable());
        }
    }
}
