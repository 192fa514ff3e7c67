//! Who may do what, asked of the API server itself: every level of access, in its own namespace, in another's, in
//! the whole cluster, for Secrets. And that nobody takes down what isolates it.

use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::Bench;

#[test]
fn the_matrix_of_rights_is_as_promised() {
    let (name, other, tag) = (unique("rights"), unique("others"), unique("op"));
    let Some(bench) = Bench::new(&format!(
        "tenants:\n  {name}:\n    owners: [{tag}-owner@example.com, group:{tag}-team]\n    members:\n      \
- {{identity: {tag}-deployer@example.com, access: deployer}}\n      - {{identity: {tag}-viewer@example.com, access: viewer}}\n  \
{other}: {{}}\noperators:\n  {tag}-admin: {{identity: {tag}-admin@example.com, role: admin}}\n  \
{tag}-power: {{identity: {tag}-power@example.com, role: power-user}}\n"
    )) else {
        return;
    };
    bench.apply(&[]).expect(0);
    let may = |who: &str, verb: &str, what: &str, namespace: &str| {
        let user = format!("{tag}-{who}@example.com");
        let mut args = match who {
            "team" => vec!["auth", "can-i", verb, what, "--as=somebody", "--as-group"],
            _ => vec!["auth", "can-i", verb, what, "--as"],
        };
        let group = format!("{tag}-team");
        args.push(if who == "team" { &group } else { &user });
        match namespace {
            "" => args.push("--all-namespaces"),
            namespace => args.extend(["-n", namespace]),
        }
        kubectl(&args).status.success()
    };
    let own = name.as_str();
    let away = other.as_str();
    // verb, resource, where: owner, team, deployer, viewer, power-user, admin, stranger
    let matrix: [(&str, &str, &str, [bool; 7]); 24] = [
        ("create", "deployments.apps", own, [true, true, true, false, false, true, false]),
        ("delete", "pods", own, [true, true, true, false, false, true, false]),
        ("create", "pods/exec", own, [true, true, true, false, false, true, false]),
        ("get", "pods", own, [true, true, true, true, true, true, false]),
        ("get", "pods/log", own, [true, true, true, true, true, true, false]),
        ("get", "secrets", own, [true, true, true, false, false, true, false]),
        ("get", "configmaps", own, [true, true, true, true, false, true, false]),
        (
            "create",
            "rolebindings.rbac.authorization.k8s.io",
            own,
            [true, true, false, false, false, true, false],
        ),
        ("update", "resourcequotas", own, [false, false, false, false, false, true, false]),
        ("update", "limitranges", own, [false, false, false, false, false, true, false]),
        ("delete", "namespaces", own, [false, false, false, false, false, true, false]),
        ("patch", "namespaces", own, [false, false, false, false, false, true, false]),
        ("get", "pods", away, [false, false, false, false, true, true, false]),
        ("get", "secrets", away, [false, false, false, false, false, true, false]),
        ("create", "deployments.apps", away, [false, false, false, false, false, true, false]),
        (
            "create",
            "rolebindings.rbac.authorization.k8s.io",
            away,
            [false, false, false, false, false, true, false],
        ),
        ("list", "namespaces", "", [true, true, true, true, true, true, false]),
        ("list", "nodes", "", [true, true, true, true, true, true, false]),
        ("list", "pods", "", [false, false, false, false, true, true, false]),
        ("list", "secrets", "", [false, false, false, false, false, true, false]),
        ("list", "configmaps", "", [false, false, false, false, false, true, false]),
        ("create", "pods/exec", "", [false, false, false, false, false, true, false]),
        ("list", "deployments.apps", "", [false, false, false, false, true, true, false]),
        (
            "create",
            "clusterrolebindings.rbac.authorization.k8s.io",
            "",
            [false, false, false, false, false, true, false],
        ),
    ];
    let people = ["owner", "team", "deployer", "viewer", "power", "admin", "stranger"];
    let mut wrong = Vec::new();
    for (verb, what, place, expected) in matrix {
        for (who, expected) in people.into_iter().zip(expected) {
            if may(who, verb, what, place) != expected {
                wrong.push(format!("{who} {verb} {what} in `{place}`: expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `docs/reference/objects.md` says of the pipeline's account what it may do.
#[test]
fn a_pipeline_may_do_what_is_promised_and_nothing_outside() {
    let name = unique("pipeline");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n")) else { return };
    bench.apply(&[]).expect(0);
    let account = format!("--as=system:serviceaccount:{name}:deployer");
    let may = |verb: &str, what: &str, place: &[&str]| {
        kubectl(&[&["auth", "can-i", verb, what, &account], place].concat()).status.success()
    };
    let promised = [
        ("create", "deployments.apps"),
        ("create", "statefulsets.apps"),
        ("create", "cronjobs.batch"),
        ("list", "pods"),
        ("get", "pods/log"),
        ("create", "pods/exec"),
        ("create", "pods/portforward"),
        ("create", "services"),
        ("create", "ingresses.networking.k8s.io"),
        ("create", "secrets"),
        ("create", "configmaps"),
        ("create", "persistentvolumeclaims"),
    ];
    for (verb, what) in promised {
        assert!(may(verb, what, &["-n", &name]), "{verb} {what}");
        assert!(!may(verb, what, &["-n", "default"]), "{verb} {what} elsewhere");
    }
    for what in ["nodes", "namespaces", "pods"] {
        assert!(!may("list", what, &["--all-namespaces"]), "{what}");
    }
}

#[test]
fn an_owner_cannot_take_down_what_isolates_it_nor_forge_the_mark() {
    let name = unique("guarded");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [{name}@example.com]}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    let owner = format!("--as={name}@example.com");
    let policy = format!("{name}-isolation");
    let delete =
        ["delete", "networkpolicy", policy.as_str(), "-n", name.as_str(), owner.as_str(), "--dry-run=server"];
    // A new policy is in force a moment after it is made.
    let mut refused = kubectl(&delete);
    for _ in 0..100 {
        if !refused.status.success() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        refused = kubectl(&delete);
    }
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("managed by kwo"), "{said}");
    let as_owner = |args: &[&str]| {
        let output = kubectl(&[args, &["-n", name.as_str(), owner.as_str()]].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let edit = r#"[{"op":"replace","path":"/spec/ingress","value":[{}]}]"#;
    for denied in [
        &["patch", "networkpolicy", policy.as_str(), "--type=json", "-p", edit][..],
        &["delete", "rolebinding", "deployer-binding"],
        &["label", "networkpolicy", policy.as_str(), "app.kubernetes.io/managed-by-"],
        &["label", "networkpolicy", policy.as_str(), "kwo.dev/managed-"],
        &["label", "networkpolicy", policy.as_str(), "kwo.dev/managed=false", "--overwrite"],
        &["label", "serviceaccount", "default", "kwo.dev/managed=true"],
        &["label", "serviceaccount", "default", "kwo.dev/managed=false"],
        &["label", "serviceaccount", "default", "app.kubernetes.io/managed-by=kwo"],
    ] {
        let (done, said) = as_owner(denied);
        // Of several policies that refuse, the API server names one.
        let named = ["managed by kwo", "kwo-inside", "kwo-tiers"].iter().any(|name| said.contains(name));
        assert!(!done && named, "{denied:?}: {said}");
    }
    // What is its own it may do as it likes.
    for allowed in [
        &["create", "configmap", "mine", "--from-literal=a=b"][..],
        &["label", "serviceaccount", "default", "mine=yes"],
        &["create", "rolebinding", "mine", "--clusterrole=view", "--user=friend@example.com"],
    ] {
        let (done, said) = as_owner(allowed);
        assert!(done, "{allowed:?}: {said}");
    }
    // An admin and the control plane pass: the namespace goes away as a whole.
    kubectl_ok(&["delete", "namespace", &name, "--timeout=60s"]);
}
