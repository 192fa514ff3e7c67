//! Objects in a system that several clusters share: whose they are, and that nobody takes them from another cluster.

use std::sync::Arc;

use kwo_planner::change::Hold;
use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::observed::{CLUSTER_LABEL, MARK, Observed, Present, Sighting, Version};
use kwo_planner::plan::{Adopt, Provenance, plan};

use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::tree::{Tree, join};

#[test]
fn what_another_cluster_keeps_is_not_taken_over() {
    let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: }}".to_owned();
    let roster = parse(Sources::new(vec![SourceFile { name: "r".to_owned(), text }])).unwrap();
    let desired = compile(&roster).unwrap();
    let id = "kube:Namespace/alice".parse().unwrap();
    let own = desired.get(&id).unwrap().body.clone();
    for marked in [false, true] {
        let mark = if marked { Tree::from(MARK.1) } else { Tree::from("false") };
        let body = own.with(&join("/metadata/labels", MARK.0), mark);
        let body = body.with(&join("/metadata/labels", CLUSTER_LABEL), Tree::from("5f1c\u{1b}[1m"));
        let version = Version("1".into());
        let present = Present { body, version, owners: Arc::new([]), deleting: None };
        let observed = Observed::from_iter([(id.clone(), Sighting::Present(present))]);
        let plan = plan(&desired, &observed, &Adopt::Everything, Provenance::default());
        assert!(plan.steps.iter().all(|step| step.id != id));
        let held = plan.held.iter().find(|held| held.id == id).unwrap();
        let Hold::Refused { why } = &held.hold else { panic!("{held:?}") };
        assert!(why.starts_with("belongs to another cluster: ") && why.contains("5f1c"), "{why}");
        assert!(!why.contains('\u{1b}'), "{why}");
    }
}
