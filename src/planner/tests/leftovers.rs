//! What others add inside what kwo wrote: where it is theirs, and where it is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use std::sync::Arc;

use kwo_planner::domains::{compile, parse};
use kwo_planner::observed::{Observed, Present, Sighting, Version};
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::tree::Tree;

const ROSTER: &str = "{apiVersion: kwo/v1, kind: Roster, registry: {hosts: [r.example.com]}, \
    systems: {vault: {address: 'https://vault.example.com', login: {token: {env: T}}, people: oidc, k8sUsers: secret/platform}}, \
    tenants: {alice: {owners: [a], domains: [www.example.com]}}}";

/// The plan where this one is there as the roster wants it, but for what is done to it.
fn with(id: &str, edit: impl Fn(Tree) -> Tree) -> Plan {
    let roster =
        parse(Sources::new(vec![SourceFile { name: "r".to_owned(), text: ROSTER.to_owned() }])).unwrap();
    let desired = compile(&roster).unwrap();
    let id = desired
        .resources()
        .iter()
        .map(|resource| &resource.id)
        .find(|known| known.to_string() == id)
        .unwrap();
    let body = edit(desired.get(id).unwrap().body.clone());
    let present = Present { body, version: Version("1".into()), owners: Arc::new([]), deleting: None };
    let observed = Observed::from_iter([(id.clone(), Sighting::Present(present))]);
    plan(&desired, &observed, &Adopt::Nothing, Provenance::default())
}

/// What is told of this one: the fields that are left over, where nothing is done to it.
fn left(id: &str, edit: impl Fn(Tree) -> Tree) -> Vec<String> {
    let plan = with(id, edit);
    assert!(plan.steps.iter().all(|step| step.id.to_string() != id), "{:?}", plan.steps);
    assert!(plan.held.iter().all(|held| held.id.to_string() != id), "{:?}", plan.held);
    let fields = plan.leftovers.iter().filter(|left| left.id.to_string() == id);
    fields.map(|left| left.pointer.as_ref().unwrap().to_string()).collect()
}

#[test]
fn what_others_add_to_an_entry_of_a_keyed_list_is_theirs() {
    let left = left("kube:Deployment/kube-system/registry", |body| {
        let text = body.to_string();
        let more = text.replace(r#""drop":["ALL"]"#, r#""drop":["ALL","NET_RAW"]"#);
        assert_ne!(more, text);
        serde_json::from_str(&more).unwrap()
    });
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_others_add_to_a_set_in_a_map_is_told() {
    let left = left("vault:UserList/secret/platform", |body| {
        let more = Tree::list(["www.example.com", "x.example.com"].map(Tree::from));
        let other = Tree::map([("role", Tree::from("admin"))]);
        body.with("/users/alice/domains", more).with("/users/other", other)
    });
    assert_eq!(left, ["/users/alice/domains/1", "/users/other"]);
}
