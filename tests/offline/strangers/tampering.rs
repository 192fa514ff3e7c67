//! A saved plan that somebody edited, beside the roster that it was made from: whatever was done to the file, it is
//! refused, or what is done is what the roster comes to.
#![expect(clippy::unwrap_used, reason = "the plans are ours")]

use std::sync::Arc;
use std::sync::LazyLock;

use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::observed::{Observed, Present, Sighting, Version};
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::revalidate::{Demand, Revalidated, revalidate};

use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::tree::Tree;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use testkit::drawn::{edit, places};

const ROSTER: &str = "
apiVersion: kwo/v1
kind: Roster
tenants:
  alice: {owners: [a@example.com, v@example.com]}
  bob: {owners: [b@example.com], quota: {pods: 7}}
operators:
  carol: {identity: c@example.com, role: power-user}
";

fn wanted() -> Desired {
    let text = ROSTER.to_owned();
    compile(&parse(Sources::new(vec![SourceFile { name: "roster.yaml".into(), text }])).unwrap()).unwrap()
}

/// Most is missing, some is there already, some has drifted, somebody else's is there, something is left over.
fn seen(desired: &Desired) -> Observed {
    let mut observed: Observed =
        desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
    let present = |body: Tree| {
        Sighting::Present(Present { body, version: Version("7".into()), owners: [].into(), deleting: None })
    };
    let body = |id: &str| desired.get(&id.parse().unwrap()).unwrap().body.clone();
    let mut put = |id: &str, body: Tree| {
        observed.merge([(id.parse::<ResourceId>().unwrap(), present(body))].into_iter().collect());
    };
    let quota = "kube:ResourceQuota/bob/bob-quota";
    put(quota, body(quota).with("/spec/hard/pods", Tree::from("9")));
    put("kube:Namespace/bob", body("kube:Namespace/bob"));
    put("kube:Namespace/alice", Tree::map([("metadata", Tree::map([("name", Tree::from("alice"))]))]));
    put("kube:Namespace/mallory", body("kube:Namespace/bob"));
    observed
}

fn honest() -> (Plan, Desired) {
    static MADE: LazyLock<(Plan, Desired)> = LazyLock::new(made);
    MADE.clone()
}

fn made() -> (Plan, Desired) {
    let desired = wanted();
    let plan = plan(&desired, &seen(&desired), &Adopt::Nothing, Provenance::default());
    assert!(!plan.steps.is_empty() && !plan.held.is_empty() && !plan.leftovers.is_empty());
    assert!(plan.steps.iter().any(|step| !step.needs.is_empty()));
    (plan, desired)
}

/// The parts of a plan that are words about it, or are never taken from a file.
fn means_nothing(place: &str) -> bool {
    const ENDS: [&str; 6] = ["seen", "exceeded_by_use", "manager", "when", "why", "tightens"];
    const TOPS: [&str; 5] = ["provenance", "format_version", "settled", "digest", "leftovers"];
    let mut parts = place.split('/').skip(1);
    let top = parts.next().unwrap_or_default();
    TOPS.contains(&top) || place.rsplit('/').next().is_some_and(|last| ENDS.contains(&last))
}

/// What a plan says, without what may differ.
fn meaning(plan: &Plan) -> Value {
    fn strip(value: &mut Value, here: &str) {
        match value {
            Value::Object(map) => {
                map.retain(|key, _| !means_nothing(&format!("{here}/{key}")));
                map.iter_mut().for_each(|(key, value)| strip(value, &format!("{here}/{key}")));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| strip(value, &format!("{here}/0"))),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(plan).unwrap();
    strip(&mut value, "");
    for key in ["steps", "held"] {
        // The order is the one that is planned anew.
        let list = value[key].as_array_mut().unwrap();
        list.sort_by_key(ToString::to_string);
        if key == "held" {
            list.dedup();
        }
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_plan_is_refused_or_means_the_same(
        edits in proptest::collection::vec((any::<Index>(), any::<u8>(), 0_usize..50), 1..3),
    ) {
        let (plan, desired) = honest();
        let mut document = serde_json::to_value(&plan).unwrap();
        for (at, how, other) in edits {
            let mut all = Vec::new();
            places(&document, "", &mut all);
            edit(document.pointer_mut(at.get::<String>(&all)).unwrap(), how, other);
        }
        let Ok(edited) = serde_json::from_value::<Plan>(document) else { return Ok(()) };
        // Whoever edits it can make the digest fit.
        let edited = edited.sealed();
        let Revalidated { plan: done, stale, settled: _, beyond: _, strangers } =
            revalidate(&edited, plan.clone(), &desired, Demand::Whole);
        if stale.is_empty() && strangers.is_empty() {
            prop_assert_eq!(&done, &plan, "something else is done");
            let (said, held) = (meaning(&edited), meaning(&plan));
            prop_assert_eq!(&said["steps"], &held["steps"], "it was taken for the same");
            let held_back = |value: &Value| value["held"].as_array().cloned().unwrap();
            prop_assert!(held_back(&held).iter().all(|held| held_back(&said).contains(held)), "a hold was cut out");
        }
    }
}

/// The attacks that were seen: what bounds a tenant is cut out, with everything that needed it.
#[test]
fn a_plan_without_its_bounds_is_refused() {
    let (plan, desired) = honest();
    let kinds = ["ValidatingAdmissionPolicy", "NetworkPolicy", "ResourceQuota", "LimitRange"];
    let bounds = |id: &ResourceId| kinds.iter().any(|kind| id.kind.starts_with(kind));
    let mut forged = plan.clone();
    forged.steps.retain(|step| !bounds(&step.id));
    forged.steps.iter_mut().for_each(|step| Arc::make_mut(step).needs = Arc::default());
    let revalidated = revalidate(&forged.sealed(), plan.clone(), &desired, Demand::Whole);
    assert!(revalidated.stale.iter().any(|(id, _)| bounds(id)), "{:#?}", revalidated.stale);
    let mut forged = plan.clone();
    forged.leftovers.clear();
    let revalidated = revalidate(&forged.sealed(), plan.clone(), &desired, Demand::Whole);
    assert_eq!(revalidated.stale.len(), plan.leftovers.len());
    let mut forged = plan.clone();
    forged.held.clear();
    let revalidated = revalidate(&forged.sealed(), plan.clone(), &desired, Demand::Whole);
    assert_eq!(revalidated.stale.len(), plan.held.len());
    // What it was made for more by a stranger.
    let mut forged = plan.clone();
    let mut more = (*forged.steps[0]).clone();
    more.id = "kube:ClusterRoleBinding/kwo-admin-mallory".parse().unwrap();
    forged.steps.push(Arc::new(more));
    let revalidated = revalidate(&forged.sealed(), plan, &desired, Demand::Whole);
    assert_eq!(revalidated.strangers.len(), 1);
}
