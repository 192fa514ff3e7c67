//! Somebody leaves, and not everything is as it should be: two at once, an object that does not go away, a user and a group
//! of one name, an account with no more rights than kwo prints for it. What the tests of offboarding share is here.

use std::process::Stdio;
use std::sync::{Mutex, mpsc};

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::gate::{Gate, Point};
use testkit::run::{Bench, LONGER_THAN_THE_LOCK, Ran, account as account_of};

/// No run of these waits in vain for another one.
const WAIT: [&str; 2] = ["--yes", "--lock-timeout=2m"];

pub(crate) fn offboard(bench: &Bench, args: &[&str]) -> Ran {
    bench.kwo(&[&["offboard"], args, opened_by(bench, args), &WAIT].concat())
}

/// Who destroys has the key of the archive, where there is one.
pub(crate) fn opened_by(bench: &Bench, args: &[&str]) -> &'static [&'static str] {
    let key = args.contains(&"destroy") && bench.path("age.key").exists();
    if key { &["--identity", "age.key"] } else { &[] }
}

pub(crate) fn status(bench: &Bench, name: &str) -> Value {
    let ran = bench.kwo(&["offboard", name, "--status", "-o", "json"]).expect(0);
    serde_json::from_str(&ran.out).unwrap()
}

/// The sentence that a run would have typed.
pub(crate) fn sentence(bench: &Bench, args: &[&str]) -> String {
    let ran = offboard(bench, &[args, &["--confirm", "?"]].concat());
    let found = ran.err.split("kwo expects `").nth(1);
    found.unwrap_or_else(|| panic!("{}{}", ran.out, ran.err)).split('`').next().unwrap().to_owned()
}

#[test]
fn two_at_once_are_one_and_the_other_is_told() {
    let name = unique("twice");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{name}@example.com]}}}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    let (tell, begun) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let gate = Gate::open(move |number, at, _| {
        if (number, at) == (1, Point::Before) {
            tell.send(()).unwrap();
            let _ = wait.lock().unwrap().recv();
        }
        true
    });
    let typed = format!("offboard {name} (1 namespace)");
    let cut = ["offboard", &name, "--stage", "cut", "--yes", "--confirm", &typed];
    let mut first = bench.command(&[&cut[..], &["--lock-timeout=2m"]].concat());
    first.env("KWO_KUBECONFIG", gate.kubeconfig()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let first = first.spawn().unwrap();
    begun.recv_timeout(LONGER_THAN_THE_LOCK).unwrap();
    let ran = bench.kwo(&cut).expect(4);
    assert!(ran.err.contains("another run is at work"), "{}", ran.err);
    for stage in [&["--undo"][..], &["--stage", "archive"], &["--stage", "destroy"]] {
        bench.kwo(&[&["offboard", &name, "--yes", "--confirm=x"], stage].concat()).expect(4);
    }
    go_on.send(()).unwrap();
    Ran::of(&first.wait_with_output().unwrap()).expect(0);
    assert_eq!(status(&bench, &name)["cuts"].as_array().unwrap().len(), 4);
}

#[test]
fn what_does_not_go_away_is_told_with_what_holds_it_and_another_of_the_same_name_stays() {
    let name = unique("holds");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{name}@example.com]}}}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    let binding = format!("{name}-admin");
    let finalizers = |list: &str| {
        let patch = format!(r#"{{"metadata":{{"finalizers":{list}}}}}"#);
        kubectl_ok(&["patch", "rolebinding", &binding, "-n", &name, "--type=merge", "-p", &patch]);
    };
    finalizers(r#"["example.com/holds"]"#);
    let typed = format!("offboard {name} (1 namespace)");
    let cut = [name.as_str(), "--stage", "cut", "--confirm", &typed];
    let ran = offboard(&bench, &cut).expect(1);
    assert!(ran.err.contains("still in force") && ran.err.contains("example.com/holds"), "{}", ran.err);
    finalizers("null");
    offboard(&bench, &cut).expect(0);
    let record = status(&bench, &name);
    assert!(record["cuts"].as_array().unwrap().iter().all(|entry| entry["made"].is_string()), "{record:#}");
    // Somebody else has the name by now.
    kubectl_ok(&[
        "create",
        "rolebinding",
        &binding,
        "-n",
        &name,
        "--clusterrole=view",
        "--user=other@example.com",
    ]);
    let count = record["cuts"].as_array().unwrap().len();
    let typed = format!("undo {name} ({count} cuts)");
    let ran = offboard(&bench, &[&name, "--undo", "--confirm", &typed]).expect(1);
    assert!(ran.err.contains("somebody made another one of this name"), "{}", ran.err);
    kubectl_ok(&["delete", "rolebinding", &binding, "-n", &name]);
    offboard(&bench, &[&name, "--undo", "--confirm", &typed]).expect(0);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn who_is_cut_is_the_user_or_the_group_that_was_named_and_an_admin_by_any_role_is_spared() {
    let name = unique("same");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{name}, 'group:{name}']}}}}\n"))
    else {
        return;
    };
    bench.apply(&[]).expect(0);
    let can = |user: &[&str]| {
        kubectl(&[&["auth", "can-i", "get", "pods", "-n", &name], user].concat()).status.success()
    };
    let (user, group) = (format!("--as={name}"), format!("--as-group={name}"));
    let typed = sentence(&bench, &["--person", &name, "--stage", "cut"]);
    offboard(&bench, &["--person", &name, "--stage", "cut", "--confirm", &typed]).expect(0);
    assert!(!can(&[&user]) && can(&["--as=somebody", &group]));
    let who = format!("group:{name}");
    let typed = sentence(&bench, &["--person", &who, "--stage", "cut"]);
    offboard(&bench, &["--person", &who, "--stage", "cut", "--confirm", &typed]).expect(0);
    assert!(!can(&["--as=somebody", &group]));
    // A user can be called like a group, in a binding that is not kwo's.
    let odd = format!("user:group:{name}");
    for (kind, who) in [("user", format!("group:{name}")), ("group", name.clone())] {
        kubectl_ok(&[
            "create",
            "rolebinding",
            kind,
            "-n",
            &name,
            "--clusterrole=view",
            &format!("--{kind}={who}"),
        ]);
    }
    let literal = format!("--as=group:{name}");
    let typed = sentence(&bench, &["--person", &odd, "--everywhere", "--stage", "cut"]);
    offboard(&bench, &["--person", &odd, "--everywhere", "--stage", "cut", "--confirm", &typed]).expect(0);
    assert!(!can(&[&literal]) && can(&["--as=somebody", &group]), "the group keeps what it has");
    let undo = format!("undo --person {odd} (1 cut)");
    offboard(&bench, &["--person", &odd, "--undo", "--confirm", &undo]).expect(0);
    assert!(can(&[&literal]));
    let typed = sentence(&bench, &["--person", &who, "--everywhere", "--stage", "cut"]);
    offboard(&bench, &["--person", &who, "--everywhere", "--stage", "cut", "--confirm", &typed]).expect(0);
    assert!(can(&[&literal]) && !can(&["--as=somebody", &group]), "and so does the user");
    let told = bench.kwo(&["access", "of", &odd]).expect(0);
    assert!(told.out.contains(&name), "{}", told.out);
    for system in ["system:authenticated", "group:system:masters", "system:kube-scheduler"] {
        let ran = offboard(&bench, &["--person", system, "--everywhere", "--stage", "cut", "--confirm=x"]);
        assert_eq!(ran.code, 64, "{}", ran.err);
    }
    for odd in ["../../x", "Alice Smith", "a/b", "-"] {
        let ran = bench.kwo(&["offboard", "--status", "--", odd]);
        assert_eq!(ran.code, 64, "{odd}: {}", ran.err);
    }
    // One who may do everything by a role that is not called so, in a binding that is not kwo's.
    let boss = format!("boss-{name}");
    kubectl_ok(&["create", "clusterrole", &boss, "--verb=*", "--resource=*.*"]);
    kubectl_ok(&["create", "clusterrolebinding", &boss, "--clusterrole", &boss, "--user", &boss]);
    kubectl_ok(&["create", "rolebinding", "theirs", "-n", &name, "--clusterrole=view", "--user", &boss]);
    let typed = format!("offboard {name} (1 namespace)");
    let cut = [name.as_str(), "--with-foreign", "--stage", "cut", "--confirm", &typed];
    let ran = offboard(&bench, &cut).expect(64);
    assert!(ran.err.contains(&format!("{boss} is an admin of the whole cluster")), "{}", ran.err);
    for kind in ["clusterrole", "clusterrolebinding"] {
        kubectl_ok(&["delete", kind, &boss]);
    }
}

#[test]
fn the_rights_that_are_printed_for_it_are_enough_and_no_more_than_it_takes() {
    let name = unique("rights");
    let roster = |with: bool| {
        let leaving =
            format!("  {name}: {{owners: [{name}@example.com, 'group:{name}'], longLivedToken: true}}\n");
        let leaving = if with { leaving } else { String::new() };
        format!("cluster: {{retain: 0s}}\ntenants:\n{leaving}  {name}-stay: {{owners: [s@example.com]}}\n")
    };
    let Some(bench) = Bench::new(&roster(true)) else { return };
    bench.apply(&[]).expect(0);
    kubectl_ok(&[
        "create",
        "rolebinding",
        "theirs",
        "-n",
        &name,
        "--clusterrole=edit",
        "--user=x@example.com",
    ]);
    let account = format!("off-{name}");
    let printed =
        bench.kwo(&["rbac", "--for=offboard", "--namespace=kube-system", "--account", &account]).expect(0);
    std::fs::write(bench.path("rights.yaml"), &printed.out).unwrap();
    kubectl_ok(&["apply", "-f", bench.path("rights.yaml").to_str().unwrap()]);
    let kubeconfig = account_of(&account, "kube-system", &bench.path(""));
    let who = format!("--as=system:serviceaccount:kube-system:{account}");
    for denied in
        [["create", "namespaces"], ["delete", "resourcequotas"], ["create", "pods"], ["get", "pods"]]
    {
        let asked = [&["auth", "can-i"], &denied[..], &["-n", &name, &who]].concat();
        assert!(!kubectl(&asked).status.success(), "{denied:?}");
    }
    let bench = bench.with_kubeconfig(&kubeconfig);
    let cut = |code| {
        let typed = sentence(&bench, &[&name, "--with-foreign", "--stage", "cut"]);
        offboard(&bench, &[&name, "--with-foreign", "--stage", "cut", "--confirm", &typed]).expect(code)
    };
    cut(0);
    let count = status(&bench, &name)["cuts"].as_array().unwrap().len();
    offboard(&bench, &[&name, "--undo", "--confirm", &format!("undo {name} ({count} cuts)")]).expect(0);
    bench.write(&roster(false));
    cut(0);
    let key = bench.kwo(&["secrets", "keygen", "age.key"]).expect(0);
    offboard(
        &bench,
        &[&name, "--stage", "archive", "--recipient", key.out.trim(), "--out", "kept", "--confirm=x"],
    )
    .expect(0);
    let typed = sentence(&bench, &[&name, "--stage", "destroy"]);
    offboard(&bench, &[&name, "--stage", "destroy", "--confirm", &typed]).expect(0);
    assert!(!kubectl(&["get", "namespace", &name]).status.success());
    kubectl_ok(&["delete", "-f", bench.path("rights.yaml").to_str().unwrap()]);
}
