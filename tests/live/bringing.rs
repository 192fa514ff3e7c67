//! What comes back by an undo or an import is checked against the policy, as a plan is.

use std::fs;

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::Bench;

use crate::departed::{offboard, sentence, status};

#[test]
fn an_undo_gives_nothing_that_no_plan_may_give() {
    let (name, role) = (unique("ruled"), unique("wild"));
    let roster = |policy: &str| format!("tenants: {{{name}: {{owners: [{name}@example.com]}}}}\n{policy}");
    let Some(bench) = Bench::new(&roster("")) else { return };
    bench.apply(&[]).expect(0);
    kubectl_ok(&["create", "clusterrole", &role, "--verb=*", "--resource=pods"]);
    let role_of = format!("--clusterrole={role}");
    kubectl_ok(&["create", "rolebinding", "theirs", "-n", &name, &role_of, "--user=guest@example.com"]);
    let who = [name.as_str(), "--with-foreign"];
    let typed = sentence(&bench, &[&who[..], &["--stage", "cut"]].concat());
    offboard(&bench, &[&who[..], &["--stage", "cut", "--confirm", &typed]].concat()).expect(0);
    let count = status(&bench, &name)["cuts"].as_array().unwrap().len();
    let typed = format!("undo {name} ({count} cuts)");
    let undo =
        |more: &[&str]| offboard(&bench, &[&[name.as_str(), "--undo", "--confirm", &typed], more].concat());
    let said = format!("noWildcardVerbs: kube:RoleBinding/{name}/theirs");
    bench.write(&roster("policy: {noWildcardVerbs: true}\n"));
    let ran = undo(&[]).expect(5);
    assert!(ran.err.contains("the undo is against the policy; nothing was changed"), "{}", ran.err);
    assert!(ran.err.contains(&said) && ran.err.contains("the rule stands in the roster"), "{}", ran.err);
    // The same in settings that the roster knows nothing of.
    bench.write(&roster(""));
    let settings = bench.path("kwo.yaml");
    let text = "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /srv/r.git}\npolicy: {noWildcardVerbs: true}\n";
    fs::write(&settings, text).unwrap();
    let ran = undo(&["--settings", settings.to_str().unwrap()]).expect(5);
    assert!(ran.err.contains(&said) && ran.err.contains("the rule stands in the settings"), "{}", ran.err);
    assert!(!kubectl(&["get", "rolebinding", "theirs", "-n", &name]).status.success());
    // What the roster wants by itself is no matter of the undo.
    undo(&[]).expect(0);
    kubectl_ok(&["get", "rolebinding", "theirs", "-n", &name]);
    kubectl(&["delete", "clusterrole", &role]);
}

#[test]
fn an_import_makes_nothing_that_no_plan_may_make() {
    let name = unique("imported");
    let roster = |policy: &str, with: bool| {
        let leaving =
            if with { format!("  {name}: {{owners: [{name}@example.com]}}\n") } else { String::new() };
        format!("cluster: {{retain: 0s}}\ntenants:\n{leaving}  {name}-stay: {{}}\n{policy}")
    };
    let Some(bench) = Bench::new(&roster("", true)) else { return };
    bench.apply(&[]).expect(0);
    // A role of the tenant's own, which comes with the archive.
    kubectl_ok(&["create", "role", "own", "-n", &name, "--verb=*", "--resource=pods"]);
    kubectl_ok(&["create", "rolebinding", "own", "-n", &name, "--role=own", "--serviceaccount=default:x"]);
    bench.write(&roster("", false));
    bench.apply(&[]).expect(0);
    offboard(&bench, &[&name, "--stage", "archive", "--out", "kept", "--confirm=x"]).expect(0);
    let record: Value = status(&bench, &name);
    let file = record["archive"]["file"].as_str().unwrap();
    kubectl_ok(&["delete", "namespace", &name]);
    let import = |more: &[&str]| {
        bench.kwo(&[&["archive", "import", file, "--yes", "--lock-timeout=2m"], more].concat())
    };
    bench.write(&roster("policy: {noWildcardVerbs: true}\n", false));
    let ran = import(&["--file", "roster.yaml"]).expect(5);
    assert!(ran.err.contains("the import is against the policy; nothing was changed"), "{}", ran.err);
    assert!(ran.err.contains(&format!("noWildcardVerbs: kube:RoleBinding/{name}/own")), "{}", ran.err);
    assert!(!kubectl(&["get", "namespace", &name]).status.success());
    bench.write(&roster("", false));
    import(&[]);
    kubectl_ok(&["get", "rolebinding", "own", "-n", &name]);
}
