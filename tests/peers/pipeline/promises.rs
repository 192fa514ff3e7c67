//! What `kwo ci` is held to: access that is verified after a merge, and a policy that holds for a request and for a merge
//! before anything is written.

use testkit::apiserver::{kubectl, kubectl_ok, unique};

use crate::pipeline::cluster::Scene;

#[test]
fn access_is_verified_after_a_merge() {
    let (name, other) = (unique("promised"), unique("other"));
    let roster = format!(
        "tenants:\n  {name}: {{owners: [{name}@example.com]}}\n  {other}: {{owners: [{other}@example.com]}}\n"
    );
    let Some(scene) = Scene::with(&roster, &["--verify-access"]) else { return };
    let all = |ran: &crate::pipeline::stage::Ran| format!("{}{}", ran.out, ran.err);
    // Without the option nobody is asked.
    let ran = scene.merged(1, &[]).expect(0);
    assert!(!all(&ran).contains("kwo asked the API server"), "{}", all(&ran));
    let ran = scene.merged(1, &["--verify-access"]).expect(0);
    assert!(all(&ran).contains("Everybody in the roster may do what it promises"), "{}", all(&ran));
    // A right of others in another tenant is a difference, and the pipeline fails.
    let user = format!("--user={name}@example.com");
    kubectl_ok(&["create", "rolebinding", "odd", "-n", &other, "--clusterrole=view", &user]);
    let ran = scene.merged(1, &["--verify-access"]).expect(5);
    let said = format!("{name}@example.com may get pods in {other}, but the roster gives no such right");
    assert!(all(&ran).contains("Access differs") && all(&ran).contains(&said), "{}", all(&ran));
    kubectl_ok(&["delete", "rolebinding", "odd", "-n", &other]);
    scene.merged(1, &["--verify-access"]).expect(0);
}

#[test]
fn access_that_cannot_be_verified_fails_the_pipeline() {
    let name = unique("unverified");
    let Some(scene) = Scene::new(&format!("tenants:\n  {name}: {{owners: [{name}@example.com]}}\n")) else {
        return;
    };
    // The account may apply, and not ask.
    let ran = scene.merged(1, &["--verify-access"]).expect(5);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("Access could not be verified"), "{said}");
    assert!(kubectl(&["get", "namespace", &name]).status.success());
}

#[test]
fn a_policy_refuses_a_request_and_a_merge_before_any_write() {
    let name = unique("ruled");
    let tenant = |zone: &str, policy: &str| {
        format!("tenants:\n  {name}: {{owners: [{name}@example.com], domains: [{name}.{zone}]}}\n{policy}")
    };
    let against = tenant("example.org", "policy: {hostZones: [example.com]}\n");
    let Some(scene) = Scene::new(&against) else { return };
    let broken = format!("hostZones: kube:Namespace/{name}: the host {name}.example.org");
    let there = || kubectl(&["get", "namespace", &name]).status.success();
    let ran = scene.request().expect(5);
    assert!(format!("{}{}", ran.out, ran.err).contains(&broken), "{}{}", ran.out, ran.err);
    let comment = scene.forge.comments().pop().unwrap();
    assert!(comment.contains("hostZones") && comment.contains(&format!("{name}.example.org")), "{comment}");
    // The plan that the request saved does not carry it over the merge either.
    for more in [&[][..], &["--plan-file", "plan.json"]] {
        let ran = scene.merged(1, more).expect(5);
        assert!(ran.err.contains("the plan is against the policy; nothing was changed"), "{}", ran.err);
        assert!(ran.err.contains(&broken) && !there(), "{}", ran.err);
    }
    // The policy of the settings holds as well, and the roster knows nothing of it.
    scene.stage.write(&tenant("example.org", ""));
    let settings = scene.stage.path("kwo.yaml");
    let text = "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /srv/r.git}\npolicy: {hostZones: [example.com]}\n";
    std::fs::write(&settings, text).unwrap();
    let settings = ["--settings", settings.to_str().unwrap()];
    scene.requested(&settings).expect(5);
    let ran = scene.merged(1, &settings).expect(5);
    assert!(ran.err.contains("the rule stands in the settings, ") && !there(), "{}", ran.err);
    // What keeps it is applied.
    scene.stage.write(&tenant("example.com", ""));
    scene.requested(&settings).expect(0);
    scene.merged(1, &settings).expect(0);
    assert!(there());
}
