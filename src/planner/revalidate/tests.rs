//! What of a saved plan is still so, and what is another now.

use super::*;
use crate::domains::compile;
use crate::domains::parse;
use crate::observed::{Present, Version};

use crate::roster::{SourceFile, Sources};

#[test]
fn what_ceased_to_work_makes_no_plan_stale() {
    let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {a: }}".to_owned();
    let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
    let desired = compile(&roster).unwrap();
    let nothing: Observed = desired.resources().iter().map(|r| (r.id.clone(), Sighting::Absent)).collect();
    let saved = plan(&desired, &nothing, &Adopt::Nothing, Provenance::default());
    let mut world = crate::after::after(&saved, &nothing);
    let id: ResourceId = "kube:Namespace/a".parse().unwrap();
    world.failing.insert(id.clone(), "no such host".into());
    let now = plan(&desired, &world, &Adopt::Nothing, Provenance::default());
    assert_eq!(now.held.iter().map(|held| &held.id).collect::<Vec<_>>(), [&id]);
    // One that made it, and one from when it worked.
    let well = Plan { held: Vec::new(), ..now.clone() };
    for (saved, settled) in [(&saved, saved.steps.len()), (&well, 0)] {
        let revalidated = revalidate(saved, now.clone(), &desired, Demand::Whole);
        assert_eq!((revalidated.stale, revalidated.settled.len()), (Vec::new(), settled));
    }
}

#[test]
fn a_certificate_whose_day_has_come_makes_no_plan_stale() {
    let text = "{apiVersion: kwo/v1, kind: Roster, cluster: {acme: {email: ops@example.com, issuer: cert-manager}}, \
                tenants: {a: {domains: [a.example.com]}, b: {domains: [b.example.com]}}}";
    let roster =
        parse(Sources::new(vec![SourceFile { name: String::new(), text: text.to_owned() }])).unwrap();
    let desired = compile(&roster).unwrap();
    let nothing: Observed = desired.resources().iter().map(|r| (r.id.clone(), Sighting::Absent)).collect();
    let id: ResourceId = "kube:Certificate/b/kwo-domains".parse().unwrap();
    let until = |day: &str| {
        let mut world = nothing.clone();
        world.blocked.insert(id.clone(), day.into());
        plan(&desired, &world, &Adopt::Nothing, Provenance::default())
    };
    let saved = until("on 2026-12-03");
    assert_eq!(saved.held.iter().map(|held| &held.id).collect::<Vec<_>>(), [&id]);
    let free = plan(&desired, &nothing, &Adopt::Nothing, Provenance::default());
    for demand in [Demand::Whole, Demand::Steps] {
        // The day comes, and another day is said meanwhile. Neither is made, for the plan says that it is not.
        let revalidated = revalidate(&saved, free.clone(), &desired, demand);
        assert_eq!((revalidated.stale, revalidated.beyond.as_slice()), (Vec::new(), &[id.clone()][..]));
        assert!(revalidated.plan.steps.iter().all(|step| step.id != id));
        assert_eq!(revalidate(&saved, until("on 2026-12-04"), &desired, demand).stale, Vec::new());
        // What it makes, and what has no room now, is told.
        let stale = revalidate(&free, until("on 2026-12-03"), &desired, demand).stale;
        assert_eq!(stale, [(id.clone(), "on 2026-12-03".to_owned())]);
    }
    // A plan out of which the step was cut says nothing of it.
    let cut = Plan { held: Vec::new(), ..saved };
    assert_eq!(revalidate(&cut, free, &desired, Demand::Whole).stale.len(), 1);
}

#[test]
fn what_kubernetes_was_quicker_to_make_is_added_to() {
    let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {a: {imagePullSecrets: [mine]}}}".to_owned();
    let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
    let desired = compile(&roster).unwrap();
    let nothing: Observed = desired.resources().iter().map(|r| (r.id.clone(), Sighting::Absent)).collect();
    let whole = plan(&desired, &nothing, &Adopt::Nothing, Provenance::default());
    let step = |name: &str| {
        let id = format!("kube:ServiceAccount/a/{name}").parse().unwrap();
        whole.steps.iter().find(|step| step.id == id).unwrap()
    };
    let found = |body: &str| {
        let body = serde_json::from_str(body).unwrap();
        let version = Version("u/1".into());
        Sighting::Present(Present { body, version, owners: Arc::new([]), deleting: None })
    };
    let body = |secrets: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"ServiceAccount","metadata":{{"name":"default","namespace":"a"}}{secrets}}}"#
        )
    };
    for (secrets, pointer) in
        [("", "/imagePullSecrets"), (r#","imagePullSecrets":[{"name":"theirs"}]"#, "/imagePullSecrets/-")]
    {
        let Again::Same(now) = again(step("default"), found(&body(secrets))) else { panic!("another step") };
        assert!(now.adopts && !now.creates() && now.seen.is_some());
        assert!(now.changes.iter().any(|change| change.pointer() == Some(pointer)), "{now:?}");
    }
    // One of that name that is somebody's is not.
    let deployer = again(step("deployer"), found(&body("").replace("default", "deployer")));
    assert!(matches!(deployer, Again::Stale { .. }), "{deployer:?}");
}
