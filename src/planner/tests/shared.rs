//! Objects in a system that several clusters share: whose they are, and that nobody takes them from another cluster.

use std::sync::Arc;

use kwo_planner::after::after;
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

#[test]
fn no_policy_leads_to_a_role_that_is_not_kwos() {
    let vault = "{address: 'https://vault.example.com', login: {token: {env: T}}, people: oidc, deployers: kubernetes, \
                 layout: per-namespace}";
    let text = format!(
        "{{apiVersion: kwo/v1, kind: Roster, systems: {{vault: {vault}}}, tenants: {{prod: {{owners: [a]}}}}}}"
    );
    let roster = parse(Sources::new(vec![SourceFile { name: "r".to_owned(), text }])).unwrap();
    let desired = compile(&roster).unwrap();
    let [role, policy, group] =
        ["SecretsRole/kubernetes/prod-deployer", "Policy/kwo-prod-owner", "Group/kwo-prod-owner"]
            .map(|id| format!("vault:{id}").parse().unwrap());
    let lines = desired.get(&policy).unwrap().body.at("/policy").unwrap().to_string();
    assert_eq!(lines.matches("required_parameters").count(), 2, "{lines}");
    let none: Observed =
        desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
    let planned = |observed: &Observed| plan(&desired, observed, &Adopt::Nothing, Provenance::default());
    let done = after(&planned(&none), &none);
    assert_eq!((planned(&done).steps.len(), planned(&done).held.len()), (0, 0));
    assert_eq!(planned(&done).settled, desired.resources().len());
    let Some(Sighting::Present(kwos)) = done.get(&role) else { panic!("{role}") };
    let theirs = Present { body: kwos.body.with("/metadata/labels", Tree::map::<&str>([])), ..kwos.clone() };
    let unread = Sighting::Unknown { why: "denied".into() };
    for (world, is_there) in [(&none, false), (&done, true)] {
        for seen in [Sighting::Present(theirs.clone()), unread.clone()] {
            let mut world = world.clone();
            world.insert(role.clone(), seen);
            let plan = planned(&world);
            for id in [&role, &policy, &group] {
                assert!(plan.steps.iter().all(|step| step.id != *id), "{id}");
                let held = plan.held.iter().find(|held| held.id == *id).unwrap();
                assert_eq!(matches!(held.hold, Hold::Refused { .. }), is_there && *id != role, "{held:?}");
            }
        }
    }
}
