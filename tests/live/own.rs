//! What a cluster gives to its own parts is no difference and in no picture, as no plan tells of it: right after an apply the
//! roster and the cluster give the same.

use std::process::Command;

use serde_json::{Value, json};
use testkit::apiserver::another;

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\ncluster: {name: own}\ntenants:\n  shop: {owners: [alice@example.com, \
'group:crew'], members: [{identity: vera@example.com, access: viewer}]}\noperators:\n  root: {identity: root@example.com, role: admin}\n";

/// What runs beside the tenants, as a chart makes it, and somebody who should be in the roster.
const BESIDE: &str = r#"
{"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}},
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "prometheus"},
 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
 "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring"}]},
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "dns", "namespace": "kube-system"},
 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
 "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]}]}"#;

#[test]
fn right_after_an_apply_nothing_is_different() {
    let Some(server) = another(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    let kwo = |args: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_kwo"))
            .args(args)
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .env("KWO_KUBECONFIG", &server.kubeconfig)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&ran.stdout), text(&ran.stderr), ran.status.code().unwrap())
    };
    let make = |text: &str| {
        let file = folder.path().join("objects.json");
        std::fs::write(&file, text).unwrap();
        let made = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(&server.kubeconfig)
            .args(["apply", "-f"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let (out, err, code) = kwo(&["apply", "--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    make(BESIDE);
    let (out, err, code) = kwo(&["access", "diff", "--detailed-exitcode"]);
    assert!(code == 0 && out.contains("No differences."), "{code}: {out}{err}");
    let drawn = |args: &[&str]| -> Value {
        let (out, err, code) = kwo(&[&["access", "graph", "-o", "json"], args].concat());
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let who = |graph: &Value| -> Vec<String> {
        let people = graph["people"].as_array().unwrap().iter();
        people.map(|person| person["who"].as_str().unwrap().to_owned()).collect()
    };
    let people = who(&drawn(&[]));
    let wanted = [
        "alice@example.com",
        "root@example.com",
        "serviceaccount:shop/deployer",
        "vera@example.com",
        "group:crew",
    ];
    assert_eq!(people, wanted);
    let all = who(&drawn(&["--all"]));
    for part in ["serviceaccount:monitoring/prometheus", "serviceaccount:kube-system/coredns"] {
        assert!(all.iter().any(|who| who == part) && !people.iter().any(|who| who == part), "{all:#?}");
    }
    assert!(all.iter().any(|who| who == "group:system:masters"), "{all:#?}");

    // What a plan tells of is a difference: people anywhere, and what runs beside the tenants where it gets in with one.
    let bound = |name: &str, namespace: &str, subject: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [subject]})
        .to_string()
    };
    make(&bound(
        "inside",
        "shop",
        json!({"kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring"}),
    ));
    let (out, _, code) = kwo(&["access", "diff", "--detailed-exitcode"]);
    assert!(code == 2 && out.contains("service account monitoring/prometheus is viewer of shop"), "{out}");
    make(&bound(
        "person",
        "kube-system",
        json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}),
    ));
    let (out, _, code) = kwo(&["access", "diff", "--detailed-exitcode"]);
    assert!(code == 2 && out.contains("eve is viewer of kube-system"), "{out}");
}
