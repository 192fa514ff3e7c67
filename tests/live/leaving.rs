//! Somebody leaves: the access is cut, the API server says so, and the undo brings back what was there.

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::gate::{self, Point};
use testkit::run::{Bench, Ran};

use crate::keeper::Node;

/// A tenant with something of every kind that a cut ends, beside one that shares an owner with it.
fn roster(name: &str, with: bool) -> String {
    let leaving = format!(
        "  {name}:\n    namespaces: [{name}-a, {name}-b]\n    owners: [{name}@example.com, both-{name}@example.com, group:{name}-team]\n    \
         members: [{{identity: v-{name}@example.com, access: viewer}}]\n    longLivedToken: true\n"
    );
    let leaving = if with { leaving } else { String::new() };
    format!("tenants:\n{leaving}  {name}-stay: {{owners: [both-{name}@example.com]}}\n")
}

pub(crate) fn cut(bench: &Bench, who: &[&str], sentence: &str) -> Ran {
    let args = [&["offboard"], who, &["--stage", "cut", "--yes", "--lock-timeout=2m", "--confirm", sentence]];
    bench.kwo(&args.concat())
}

pub(crate) fn can(user: &[&str], verb: &str, what: &str, namespace: &str) -> bool {
    let args = [&["auth", "can-i", verb, what, "-n", namespace], user].concat();
    kubectl(&args).status.success()
}

/// All that is in these namespaces and in the bindings of the cluster, without what each write changes.
#[track_caller]
pub(crate) fn leaves(namespaces: &[&str]) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let kinds =
        "rolebindings,roles,serviceaccounts,resourcequotas,limitranges,networkpolicies,secrets,configmaps";
    for namespace in namespaces {
        let text = kubectl_ok(&["get", kinds, "-n", namespace, "-o", "json"]);
        let list: Value = serde_json::from_str(&text).unwrap();
        for item in list["items"].as_array().unwrap() {
            let name = format!("{namespace}/{}/{}", item["kind"], item["metadata"]["name"]);
            let mut item = item.clone();
            for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
                item["metadata"].as_object_mut().unwrap().remove(field);
            }
            // What a controller fills in, and no roster asks for.
            item.as_object_mut().unwrap().retain(|key, _| key != "status" && key != "data");
            if let Some(notes) = item["metadata"]["annotations"].as_object_mut() {
                notes.remove("kubernetes.io/service-account.uid");
            }
            all.insert(name, item);
        }
    }
    all
}

#[test]
fn a_cut_ends_all_access_of_a_tenant_and_its_undo_brings_all_of_it_back() {
    let name = unique("leaves");
    let Some(bench) = Bench::new(&roster(&name, true)) else { return };
    bench.apply(&[]).expect(0);
    let (first, stay) = (format!("{name}-a"), format!("{name}-stay"));
    let owner = format!("--as={name}@example.com");
    let token = kubectl_ok(&["create", "token", "deployer", "-n", &first]).trim().to_owned();
    let with_token = |token: &str| {
        let token = format!("--token={token}");
        // The test's own certificate would log in before the token.
        let server = kubectl_ok(&["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}"]);
        kubectl_plain(&[
            "--kubeconfig=/dev/null",
            "--insecure-skip-tls-verify",
            &format!("--server={}", server.trim()),
            &token,
            "auth",
            "whoami",
        ])
    };
    assert!(with_token(&token).status.success(), "{:?}", with_token(&token));
    assert!(can(&[&owner], "get", "secrets", &first));
    let spaces = [first.as_str(), &format!("{name}-b"), stay.as_str()].map(str::to_owned);
    let spaces: Vec<&str> = spaces.iter().map(String::as_str).collect();
    let before = leaves(&spaces);

    // Looking changes nothing, and says who stays why and what would bring it back.
    let page = bench.kwo(&["offboard", &name]).expect(0);
    for said in [
        format!("both-{name}@example.com stays admin of {stay}"),
        "because roster.yaml:9".to_owned(),
        format!("roster.yaml:4:3: {name}:"),
        format!("kube:ServiceAccount/{first}/deployer"),
    ] {
        assert!(page.out.contains(&said), "{said}: {}", page.out);
    }
    assert_eq!(leaves(&spaces), before);

    bench.write(&roster(&name, false));
    bench.apply(&[]).expect(0);
    let sentence = format!("offboard {name} (2 namespaces)");
    let ran = cut(&bench, &[&name], &sentence).expect(0);
    assert!(ran.out.contains("0 of them still say yes"), "{}{}", ran.out, ran.err);
    for (user, namespace) in
        [(vec![owner.as_str()], &first), (vec!["--as=x", &format!("--as-group={name}-team")], &first)]
    {
        assert!(!can(&user, "get", "pods", namespace), "{user:?}");
    }
    // The API server knows a token that was good again for ten seconds without looking.
    let gone = (0..40).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(500));
        !with_token(&token).status.success()
    });
    assert!(gone, "the token of an account that is gone");
    assert!(can(&[&format!("--as=both-{name}@example.com")], "get", "secrets", &stay));
    let here = |all: &BTreeMap<String, Value>| -> BTreeMap<String, Value> {
        all.iter()
            .filter(|(key, _)| key.starts_with(&stay))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    assert_eq!(here(&leaves(&spaces)), here(&before), "nothing of another tenant changes");
    // The plan has nothing more to say of access, and a second cut has nothing to do.
    let plan = bench.plan(&[]);
    let grants = |left: &&Value| left["id"].as_str().unwrap().contains(&name) && left["grants"].is_string();
    let left: Vec<&Value> = plan["leftovers"].as_array().unwrap().iter().filter(grants).collect();
    assert!(left.is_empty(), "{left:#?}");
    let again = cut(&bench, &[&name], &sentence).expect(0);
    assert!(again.err.contains("There is nothing to cut"), "{}", again.err);
    let proof = bench.kwo(&["offboard", &name, "--certificate"]).expect(0).out;
    assert!(proof.contains("all of them with no") || proof.contains("of them with no"), "{proof}");
    assert!(proof.contains(&format!("stays admin of {stay}")), "{proof}");
    let events = kubectl_ok(&["get", "events", "-n", &first, "-o", "jsonpath={.items[*].reason}"]);
    assert!(events.contains("AccessCut"), "{events}");

    let count = proof.lines().filter(|line| line.starts_with("- 2")).count();
    bench.write(&roster(&name, true));
    let undo = [
        "offboard",
        &name,
        "--undo",
        "--yes",
        "--lock-timeout=2m",
        "--confirm",
        &format!("undo {name} ({count} cuts)"),
    ];
    bench.kwo(&undo).expect(0);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(leaves(&spaces), before);
    assert!(can(&[&owner], "get", "secrets", &first));
}

/// Without the kubeconfig of the tests.
fn kubectl_plain(args: &[&str]) -> std::process::Output {
    let program = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("apiserver/kubectl");
    std::process::Command::new(program).args(args).env_clear().env("HOME", "/nonexistent").output().unwrap()
}

#[test]
fn killed_at_any_write_the_next_run_goes_on_and_the_undo_is_whole() {
    let name = unique("cutkill");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{name}@example.com]}}}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    let before = leaves(&[&name]);
    let sentence = format!("offboard {name} (1 namespace)");
    let status = || -> Value {
        serde_json::from_str(&bench.kwo(&["offboard", &name, "--status", "-o", "json"]).expect(0).out)
            .unwrap()
    };
    let killed = |args: &[&str], (write, point): (usize, Point)| {
        gate::kill(write, point, |kubeconfig| {
            let more = ["--yes", "--lock-timeout=2m", "--lock-duration=1s"];
            let mut run = bench.command(&[&["offboard", &name], args, &more].concat());
            run.env("KWO_KUBECONFIG", kubeconfig);
            run
        });
    };
    // The record, the mark, four cuts, and the record again; then the record, the four of them back, and the record.
    let cuts =
        [(1, Point::Before), (1, Point::After), (2, Point::After), (4, Point::After), (7, Point::Before)];
    let backs =
        [(1, Point::After), (2, Point::After), (3, Point::After), (5, Point::After), (6, Point::Before)];
    for (at, back) in cuts.into_iter().zip(backs) {
        killed(&["--stage", "cut", "--confirm", &sentence], at);
        cut(&bench, &[&name], &sentence).expect(0);
        let record = status();
        let all = record["cuts"].as_array().unwrap();
        assert_eq!(all.len(), 4, "{record:#}");
        assert!(all.iter().all(|entry| entry["made"].is_string()), "{record:#}");
        let undo = format!("undo {name} (4 cuts)");
        killed(&["--undo", "--confirm", &undo], back);
        bench.kwo(&["offboard", &name, "--undo", "--yes", "--confirm", &undo, "--lock-timeout=2m"]).expect(0);
        bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
        assert_eq!(leaves(&[&name]), before, "{at:?} {back:?}");
    }
}

#[test]
fn nobody_is_cut_by_a_slip() {
    let name = unique("slip");
    let Some(bench) = Bench::new(&roster(&name, true)) else { return };
    bench.apply(&[]).expect(0);
    let spaces = [format!("{name}-a"), format!("{name}-b")];
    let spaces: Vec<&str> = spaces.iter().map(String::as_str).collect();
    let before = leaves(&spaces);
    let refused = |args: &[&str], variables: &[(&str, &str)], said: &str| {
        let mut command = bench.command(&[&["offboard"], args].concat());
        let ran = Ran::of(&command.envs(variables.iter().copied()).output().unwrap());
        assert!(ran.code == 64 || ran.code == 1, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    };
    let sentence = format!("offboard {name} (2 namespaces)");
    let whole = [name.as_str(), "--stage", "cut", "--yes", "--confirm", &sentence, "--lock-timeout=2m"];
    refused(&whole, &[("CI", "true")], "a pipeline may not offboard anybody");
    refused(&whole, &[("CI", "woodpecker")], "a pipeline may not offboard anybody");
    refused(&[&name, "--stage", "cut", "--lock-timeout=2m"], &[], "there is nobody to ask");
    refused(
        &[&name, "--stage", "cut", "--yes", "--lock-timeout=2m", "--confirm", "offboard alice (1 namespace)"],
        &[],
        "kwo expects `offboard",
    );
    refused(&[&name, "--stage", "cut", "--yes"], &[], "--confirm");
    refused(
        &["nobody-of-this-name", "--stage", "cut", "--lock-timeout=2m"],
        &[],
        "nothing is there of nobody-of-this-name",
    );
    refused(&["--stage", "cut"], &[], "required");
    refused(&[&name, "--undo", "--lock-timeout=2m"], &[], "nothing was ever cut");
    // An admin of the whole cluster, by whatever binding, is named or spared.
    kubectl_ok(&[
        "create",
        "clusterrolebinding",
        &name,
        "--clusterrole=cluster-admin",
        &format!("--user={name}@example.com"),
    ]);
    refused(&whole, &[], &format!("--admin {name}@example.com"));
    kubectl_ok(&["delete", "clusterrolebinding", &name]);
    assert_eq!(leaves(&spaces), before);
}

#[test]
fn a_binding_of_others_is_cut_by_leave_and_comes_back_as_it_was() {
    let name = unique("theirs");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [{name}@example.com]}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    kubectl_ok(&[
        "create",
        "rolebinding",
        "by-hand",
        "-n",
        &name,
        "--clusterrole=edit",
        "--user=guest@example.com",
    ]);
    kubectl_ok(&["create", "serviceaccount", "robot", "-n", &name]);
    kubectl_ok(&[
        "create",
        "clusterrolebinding",
        &name,
        "--clusterrole=view",
        &format!("--serviceaccount={name}:robot"),
        "--serviceaccount=default:elsewhere",
    ]);
    let before = leaves(&[&name]);
    let sentence = format!("offboard {name} (1 namespace)");
    let page = bench.kwo(&["offboard", &name]).expect(0);
    assert!(
        page.out.contains("--with-foreign") && page.out.contains(&format!("kube:RoleBinding/{name}/by-hand")),
        "{}",
        page.out
    );
    let ran = cut(&bench, &[&name], &sentence).expect(5);
    assert!(
        ran.err.contains(&format!("still   system:serviceaccount:{name}:robot may get pods in {name}")),
        "{}",
        ran.err
    );
    cut(&bench, &[&name, "--with-foreign"], &sentence).expect(0);
    assert!(!can(&["--as=guest@example.com"], "get", "pods", &name));
    let rest = kubectl_ok(&["get", "clusterrolebinding", &name, "-o", "jsonpath={.subjects[*].name}"]);
    assert_eq!(rest.trim(), "elsewhere");
    let record: Value =
        serde_json::from_str(&bench.kwo(&["offboard", &name, "--status", "-o", "json"]).expect(0).out)
            .unwrap();
    let undo = format!("undo {name} ({} cuts)", record["cuts"].as_array().unwrap().len());
    let undo = ["offboard", &name, "--undo", "--yes", "--lock-timeout=2m", "--confirm", &undo];
    // The account has a right in the whole cluster, which comes back by name only.
    let robot = format!("system:serviceaccount:{name}:robot");
    let ran = bench.kwo(&undo).expect(64);
    assert!(ran.err.contains(&format!("`--admin {robot}`")), "{}", ran.err);
    bench.kwo(&[&undo[..], &["--admin", &robot]].concat()).expect(0);
    assert_eq!(leaves(&[&name]), before);
    let mut back = kubectl_ok(&["get", "clusterrolebinding", &name, "-o", "jsonpath={.subjects[*].name}"])
        .split_whitespace()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    back.sort();
    assert_eq!(back, ["elsewhere", "robot"]);
    kubectl_ok(&["delete", "clusterrolebinding", &name]);
}

#[test]
fn the_kubeconfigs_on_the_node_go_to_the_archive_and_new_ones_come_with_the_undo() {
    let Some(node) = Node::new("{kubeconfigs: {lifetime: 30m}}", "{}") else { return };
    node.apply(&[]).expect(0);
    let root = node.path("");
    let root = root.to_str().unwrap();
    let sentence = format!("offboard {} (1 namespace)", node.name);
    let cut = [
        "offboard",
        &node.name,
        "--node",
        "--root",
        root,
        "--stage",
        "cut",
        "--yes",
        "--lock-timeout=2m",
        "--confirm",
        &sentence,
    ];
    let old = node.files();
    node.bench.kwo(&cut).expect(0);
    assert!(!node.file("yaml").exists() && !node.file("json").exists());
    assert_eq!(node.archived().len(), 2);
    let record: Value = serde_json::from_str(
        &node.bench.kwo(&["offboard", &node.name, "--status", "-o", "json"]).expect(0).out,
    )
    .unwrap();
    let token = crate::keeper::token(&old[0]);
    assert!(!record.to_string().contains(&token), "no record has a token");
    let undo = format!("undo {} ({} cuts)", node.name, record["cuts"].as_array().unwrap().len());
    node.bench
        .kwo(&[
            "offboard",
            &node.name,
            "--node",
            "--root",
            root,
            "--undo",
            "--yes",
            "--lock-timeout=2m",
            "--confirm",
            &undo,
        ])
        .expect(0);
    node.settled();
    node.kubectl("yaml", &["get", "pods"]).unwrap();
}
