//! kwo under other accounts than an admin's: with just what `kwo rbac` prints, and as somebody else by `--as`.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::apiserver::{audit_log, kubectl, kubectl_ok, unique};
use testkit::run::{Bench, Ran, account, held, steps};

/// Makes the account of this name, in a namespace of its own, with what `kwo rbac` prints for it.
pub(crate) fn printed(bench: &Bench, name: &str, purpose: &str) {
    let account = ["--for", purpose, "--account", name, "--namespace", name, "--leftovers"];
    let manifests = bench.kwo(&[&["rbac"], &account[..]].concat()).expect(0).out;
    let file = bench.path("rbac.yaml");
    std::fs::write(&file, manifests).unwrap();
    kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
}

/// A service account in a namespace of its own: those of `kube-system` would pass the guard anyway.
pub(crate) fn service_account(name: &str) -> String {
    kubectl_ok(&["create", "namespace", name]);
    kubectl_ok(&["create", "serviceaccount", name, "-n", name]);
    format!("--serviceaccount={name}:{name}")
}

/// A roster with everything that kwo can give.
fn everything(name: &str) -> String {
    format!(
        "tenants:\n  {name}:\n    owners: [{name}@example.com, group:{name}-g]\n    members:\n      \
- {{identity: {name}-d@example.com, access: deployer}}\n      - {{identity: {name}-v@example.com, access: viewer}}\n\
operators:\n  {name}-a: {{identity: {name}-a@example.com, role: admin}}\n  \
{name}-p: {{identity: {name}-p@example.com, role: power-user}}\n"
    )
}

#[test]
fn with_what_is_printed_for_it_it_plans_completely_and_applies_completely() {
    let (name, plain) = (unique("printed"), unique("kwo-plain"));
    let Some(bench) = Bench::new(&everything(&name)) else { return };
    printed(&bench, &plain, "plan");
    let kubeconfig = account(&plain, &plain, &bench.path(""));
    let bench = bench.with_kubeconfig(&kubeconfig);

    let plan = bench.plan(&[]);
    assert_eq!(held(&plan), Vec::<String>::new(), "{plan:#}");
    assert!(steps(&plan).len() > 15, "{plan:#}");
    assert!(!plan["provenance"]["target"].as_str().unwrap().starts_with("server "), "{plan:#}");
    used_is_what_the_role_gives(&plain);
    let ran = bench.kwo(&["apply", "--yes"]).expect(1);
    assert!(
        ran.err.contains("cannot take the lock") && ran.err.contains("the Lease kube-system/kwo"),
        "{}",
        ran.err
    );
    assert!(!kubectl(&["get", "namespace", &name]).status.success());

    printed(&bench, &plain, "apply");
    let ran = bench.apply(&[]).expect(0);
    assert!(ran.converged(), "{}", ran.err);
    // The guard is there by now; what it guards can still be changed.
    bench.write(&everything(&name).replace("owners:", "quota: {pods: 7}\n    owners:"));
    kubectl_ok(&["patch", "role", "tenant-deployer", "-n", &name, "--type=merge", "-p", r#"{"rules":[]}"#]);
    let ran = bench.apply(&[]).expect(0);
    assert!(ran.out.contains("0 to create, 1 to extend, 1 to revise"), "{}", ran.out);
    assert!(ran.converged(), "{}", ran.err);
}

/// What the account asked for, by the log of the API server, is what was printed, and no less.
fn used_is_what_the_role_gives(account: &str) {
    let Some(log) = audit_log() else { return };
    let user = format!("system:serviceaccount:{account}:{account}");
    let log = std::fs::read_to_string(log).unwrap();
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let used: BTreeSet<(String, String)> = events
        .filter(|event| event["user"]["username"] == *user)
        .map(|event| (text(&event["verb"]), text(&event["objectRef"]["resource"])))
        .collect();
    let role: Value =
        serde_json::from_str(&kubectl_ok(&["get", "clusterrole", account, "-o", "json"])).unwrap();
    let list = |value: &Value| value.as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    let given: BTreeSet<(String, String)> = role["rules"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| {
            let verbs = list(&rule["verbs"]);
            list(&rule["resources"])
                .into_iter()
                .flat_map(move |resource| verbs.clone().into_iter().map(move |verb| (verb, resource.clone())))
        })
        .collect();
    assert_eq!(used, given);
}

#[test]
fn as_somebody_else_it_sees_what_that_user_sees() {
    let name = unique("as");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [{name}@example.com]}}\n")) else {
        return;
    };
    let role = unique("kwo-looks");
    printed(&bench, &role, "plan");
    let (user, group) = (format!("{name}-user"), format!("{name}-group"));
    let ran = bench.kwo(&["plan", "--as", &user]).expect(5);
    // One right is missing for all kinds, and is told once.
    let no = format!("is forbidden: User \"{user}\" cannot list resource \"");
    assert_eq!(ran.out.matches(&no).count(), 1, "{}", ran.out);
    assert!(ran.out.contains("list resourcequotas, "), "{}", ran.out);
    assert!(ran.out.contains("0 to create"), "{}", ran.out);
    assert!(
        ran.out.contains("\n! kwo does not know which roster keeps it, because it could not look"),
        "{}",
        ran.out
    );
    let ran = bench.kwo(&["status", "--as", &user]);
    assert!(ran.out.contains("! kwo does not know which roster keeps it"), "{}", ran.out);
    let ran = bench.kwo(&["apply", "--yes", "--as", &user]).expect(1);
    assert!(ran.err.contains("cannot get resource \"leases\""), "{}", ran.err);
    // Who may write, and not see whose the cluster is, writes nothing.
    let writes = unique("writes");
    let all = ["--resource=namespaces,leases.coordination.k8s.io", "--verb=get,list,create,patch"];
    kubectl_ok(&[&["create", "clusterrole", &writes], &all[..]].concat());
    kubectl_ok(&[
        "create",
        "clusterrolebinding",
        &writes,
        &format!("--clusterrole={writes}"),
        &format!("--user={writes}"),
    ]);
    let ran = bench.kwo(&["apply", "--yes", "--lock-timeout=2m", "--as", &writes]).expect(5);
    for said in [
        "may be kept by another roster",
        "cannot list resource \"clusterroles\"",
        "kwo rbac roster.yaml --for apply",
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    assert!(!kubectl(&["get", "namespace", &name]).status.success());

    kubectl_ok(&[
        "create",
        "clusterrolebinding",
        &group,
        &format!("--clusterrole={role}"),
        &format!("--group={group}"),
    ]);
    let both = ["--as", &user, "--as-group", "nobody", "--as-group", &group];
    let plan = bench.plan(&both);
    assert_eq!(held(&plan), Vec::<String>::new(), "{plan:#}");
    assert!(steps(&plan).contains(&format!("kube:Namespace/{name}")), "{plan:#}");
    let mut command = bench.command(&["plan", "--detailed-exitcode"]);
    let ran = Ran::of(&command.env("KWO_AS", &user).env("KWO_AS_GROUP", &group).output().unwrap());
    ran.expect(2);
    let role = format!("--clusterrole={role}");
    kubectl_ok(&["create", "clusterrolebinding", &user, &role, &format!("--user={user}")]);
    bench.kwo(&["plan", "--detailed-exitcode", "--as", &user]).expect(2);

    // Who may not impersonate is told so, and by whom.
    let subject = service_account(&name);
    kubectl_ok(&["create", "clusterrolebinding", &name, &role, &subject]);
    let kubeconfig = account(&name, &name, &bench.path(""));
    let ran = bench.with_kubeconfig(&kubeconfig).kwo(&["plan", "--as", &user]).expect(5);
    let no = format!("User \"system:serviceaccount:{name}:{name}\" cannot impersonate");
    assert!(ran.out.contains(&no), "{}", ran.out);
}
