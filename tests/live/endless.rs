//! Tokens that never end, where they are asked for and where the scripts left them; the rights it takes, and what
//! `kwo status` tells of tokens.

use std::fs;
use std::os::unix::fs::symlink;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kwo_planner::units::moment;
use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::{Bench, Ran, account, get, held, narrow, steps};

use crate::account::printed;
use crate::endings::paste;
use crate::keeper::{FOLDER, Node, age, forged, silent, token};

/// What the shell scripts leave of this tenant: the token that never ends, and both files with it.
fn as_the_scripts_leave_it(node: &Node) -> [String; 2] {
    let name = &node.name;
    kubectl_ok(&["create", "namespace", name]);
    kubectl_ok(&["create", "serviceaccount", "deployer", "-n", name]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "deployer-token", "namespace": name,
            "annotations": {"kubernetes.io/service-account.name": "deployer"}}});
    fs::write(node.bench.path("secret.json"), secret.to_string()).unwrap();
    kubectl_ok(&["apply", "-f", node.bench.path("secret.json").to_str().unwrap()]);
    kubectl_ok(&[
        "wait",
        "secret/deployer-token",
        "-n",
        name,
        "--for=jsonpath={.data.token}",
        "--timeout=60s",
    ]);
    let secret = get("secret", name, "deployer-token");
    let bytes = |key: &str| {
        String::from_utf8(STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()).unwrap()
    };
    let used: Value =
        serde_json::from_str(&kubectl_ok(&["config", "view", "--raw", "--minify", "-o", "json"])).unwrap();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {},
        "clusters": [{"name": "k3s-web-orchestrator", "cluster": {
            "server": used["clusters"][0]["cluster"]["server"],
            "certificate-authority-data": secret["data"]["ca.crt"]}}],
        "contexts": [{"name": format!("{name}@k3s-web-orchestrator"), "context": {
            "cluster": "k3s-web-orchestrator", "namespace": name, "user": format!("{name}-deployer")}}],
        "users": [{"name": format!("{name}-deployer"), "user": {"token": bytes("token")}}],
        "current-context": format!("{name}@k3s-web-orchestrator"),
    });
    [serde_yaml::to_string(&config).unwrap(), config.to_string()]
}

const SCRIPTS: &str = "{name: k3s-web-orchestrator, kubeconfigs: {lifetime: 30m}}";

#[test]
fn of_what_the_scripts_laid_every_copy_is_replaced_once_it_is_taken_over() {
    let Some(node) = Node::new(SCRIPTS, "{}") else { return };
    let laid = as_the_scripts_leave_it(&node);
    // A rotation rewrote the YAML and left the JSON behind.
    let stale = laid[1].replace(&token(&laid[1]), &forged(&token(&laid[1]), |_| {}).replace('a', "b"));
    node.put([&laid[0], &stale]);
    let plan = node.bench.plan(&["--node", "--root", node.path("").to_str().unwrap()]);
    assert!(held(&plan).contains(&node.id()), "{plan:#}");
    let plan = node.kwo("plan", &[]).expect(5);
    assert!(plan.out.contains("kwo writes both files again, and copies the old ones to"), "{}", plan.out);
    node.apply(&[]).expect(5);
    assert_eq!(node.files(), [laid[0].clone(), stale.clone()], "nothing is touched unless it is asked for");

    let adopt = format!("--adopt={}", node.name);
    let plan = node.kwo("plan", &[&adopt]).expect(0);
    for line in [
        "(taken over: it exists without kwo's mark)\n",
        "~ /copies: YAML and JSON, which differ → YAML and JSON, alike (no record of who wrote it)\n",
        "~ /token: never ends → good (no record of who wrote it)\n",
    ] {
        assert!(plan.out.contains(line), "{line}: {}", plan.out);
    }
    let ran = node.apply(&["-vv", &adopt]).expect(0);
    silent(&plan, &[&token(&laid[0])]);
    silent(&ran, &[&token(&laid[0])]);
    let files = node.files();
    assert!(files.iter().all(|text| !text.contains(&token(&laid[0])) && !text.contains(&token(&stale))));
    assert_eq!(token(&files[0]), token(&files[1]));
    for old in [&laid[0], &stale] {
        assert!(node.archived().contains(old), "it is in no archive");
    }
    node.kubectl("json", &["get", "pods"]).unwrap();
    node.settled();
    // The token that never ends is the tenant's own: kwo was not asked for it and does not touch it.
    kubectl_ok(&["get", "secret", "deployer-token", "-n", &node.name]);
}

#[test]
fn a_token_that_never_ends_is_taken_over_with_only_the_marks_added() {
    let Some(node) = Node::new(SCRIPTS, "{longLivedToken: true}") else { return };
    let laid = as_the_scripts_leave_it(&node);
    node.put(laid.each_ref().map(String::as_str));
    let before = get("secret", &node.name, "deployer-token");
    let root = node.path("");
    let plan = node.bench.plan(&["--adopt", "--node", "--root", root.to_str().unwrap()]);
    let secret = format!("kube:Secret/{}/deployer-token", node.name);
    let ours = [node.id(), secret];
    assert!(ours.iter().all(|id| steps(&plan).contains(id)), "{plan:#}");
    for step in
        plan["steps"].as_array().unwrap().iter().filter(|step| ours.iter().any(|id| step["id"] == **id))
    {
        for change in step["changes"].as_array().unwrap() {
            assert_eq!(change["action"], "extend", "{step:#}");
            assert!(change["pointer"].as_str().unwrap().starts_with("/metadata/labels"), "{step:#}");
        }
    }
    let ran = node.apply(&["-vv", "--full", &format!("--adopt={}", node.name)]).expect(0);
    silent(&ran, &[&token(&laid[0])]);
    assert!(!ran.out.contains(before["data"]["token"].as_str().unwrap()));
    assert_eq!(node.files(), laid);
    assert!(node.archived().is_empty());
    assert_eq!(get("secret", &node.name, "deployer-token")["data"], before["data"]);
    node.settled();
}

#[test]
fn a_token_that_never_ends_is_made_where_it_is_asked_for_and_followed_when_it_changes() {
    let Some(node) = Node::new("{kubeconfigs: }", "{longLivedToken: true}") else { return };
    let ran = node.apply(&["-vv", "--full"]).expect(0);
    let secret = || {
        let secret = get("secret", &node.name, "deployer-token");
        String::from_utf8(STANDARD.decode(secret["data"]["token"].as_str().unwrap()).unwrap()).unwrap()
    };
    let first = secret();
    assert_eq!(node.files().map(|text| token(&text)), [first.clone(), first.clone()]);
    node.kubectl("json", &["get", "pods"]).unwrap();
    let gains =
        format!("+ whoever has the token in the Secret deployer-token of {} becomes its service", node.name);
    assert!(ran.out.contains(&gains), "{}", ran.out);
    node.settled();
    let plan = node.kwo("plan", &["--full", "-o", "json"]).expect(0);
    for ran in [&ran, &plan] {
        silent(ran, &[&first]);
        assert!(!ran.out.contains(&STANDARD.encode(&first)) && !ran.err.contains(&STANDARD.encode(&first)));
    }
    // Its owner rotates it as Kubernetes says: the Secret goes and comes again.
    kubectl_ok(&["delete", "secret", "deployer-token", "-n", &node.name]);
    let ran = node.apply(&[]).expect(0);
    assert!(
        ran.out.contains("~ /token: is a different one → that of the Secret deployer-token"),
        "{}",
        ran.out
    );
    assert_ne!(secret(), first);
    assert_eq!(node.files().map(|text| token(&text)), [secret(), secret()]);
    node.settled();
    // And the roster asks for one that ends.
    node.roster("{kubeconfigs: }", "{}");
    let ran = node.apply(&[]).expect(0);
    assert!(ran.out.contains("~ /token: never ends → good"), "{}", ran.out);
    assert!(ran.out.contains(&format!("? kube:Secret/{}/deployer-token", node.name)), "{}", ran.out);
    node.settled();
}

#[test]
fn a_token_of_another_account_under_that_name_is_left_alone() {
    let Some(node) = Node::new("{}", "{longLivedToken: true}") else { return };
    kubectl_ok(&["create", "namespace", &node.name]);
    kubectl_ok(&["create", "serviceaccount", "other", "-n", &node.name]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "deployer-token", "namespace": node.name,
            "annotations": {"kubernetes.io/service-account.name": "other"}}});
    fs::write(node.bench.path("secret.json"), secret.to_string()).unwrap();
    kubectl_ok(&["apply", "-f", node.bench.path("secret.json").to_str().unwrap()]);
    let plan = node.kwo("plan", &[&format!("--adopt={}", node.name)]).expect(5);
    let why = "service-account.name cannot be changed once it exists: it is \"other\", and the roster wants \"deployer\"";
    assert!(plan.out.contains(why), "{}", plan.out);
}

#[test]
fn it_takes_the_rights_that_are_printed_for_it_and_no_fewer() {
    let Some(mut node) = Node::new("{}", "{}") else { return };
    let plain = unique("kwo-plain");
    printed(&node.bench, &plain, "apply");
    let kubeconfig = account(&plain, &plain, &node.bench.path(""));
    node.bench = node.bench.with_kubeconfig(&kubeconfig);
    node.roster("{kubeconfigs: }", "{}");
    let ran = node.apply(&[]).expect(1);
    let no = format!(
        "no token for the service account {}/deployer; kwo needs the right to `create` serviceaccounts/token: ",
        node.name
    );
    assert!(ran.err.contains(&no) && ran.err.contains("cannot create resource"), "{}", ran.err);
    assert!(!node.path(FOLDER).exists());

    printed(&node.bench, &plain, "apply");
    node.apply(&[]).expect(0);
    node.settled();
    node.roster("{kubeconfigs: }", "{longLivedToken: true}");
    printed(&node.bench, &plain, "apply");
    node.apply(&[]).expect(0);
    node.settled();
    let seen: Value = serde_json::from_str(&node.bench.kwo(&["status", "-o", "json"]).expect(0).out).unwrap();
    assert!(seen["tokens"]["long_lived"]["found"].is_array(), "{seen:#}");
}

/// The line of a table that begins with these two words; others of the cluster decide how wide its columns are.
fn row<'t>(text: &'t str, first: &str, second: &str) -> Option<&'t str> {
    text.lines().find(|line| {
        let mut words = line.split_whitespace();
        words.any(|word| word == first) && words.next() == Some(second)
    })
}

#[test]
fn status_tells_how_long_tokens_are_good_and_how_old_those_are_that_never_end() {
    let Some(node) = Node::new("{kubeconfigs: {lifetime: 30m}}", "{}") else { return };
    let status = || {
        let [text, json] =
            ["text", "json"].map(|format| node.kwo("status", &["-vv", "-o", format]).expect(0));
        if node.file("yaml").exists() {
            for ran in [&text, &json] {
                silent(ran, &[&token(&node.files()[0])]);
            }
        }
        let seen: Value = serde_json::from_str(&json.out).unwrap();
        let line = row(&text.out, &node.name, "kubeconfig");
        (line.unwrap_or_else(|| panic!("{}", text.out)).to_owned(), seen, text.out.clone())
    };
    assert!(status().0.ends_with("is not there"), "{}", status().0);
    node.apply(&[]).expect(0);
    let (line, seen, _) = status();
    let own = &seen["tokens"]["kubeconfigs"][0];
    assert_eq!(
        (&own["namespace"], &own["token"]["found"]["state"]),
        (&json!(node.name), &json!("good")),
        "{own:#}"
    );
    let time = |key: &str| own["token"]["found"][key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(time("ends").duration_since(time("made")).as_mins(), 30);
    assert!(line.ends_with(&format!("good until {}", moment(time("ends")))), "{line}");
    age(&node, -1500, 300);
    assert!(status().0.ends_with("; the next run renews it"), "{}", status().0);
    age(&node, -5000, -300);
    let (line, seen, _) = status();
    assert!(
        line.contains("  ended at ")
            && seen["tokens"]["kubeconfigs"][0]["token"]["found"]["state"] == "ended",
        "{line}"
    );

    node.roster("{kubeconfigs: }", "{longLivedToken: true}");
    node.apply(&[]).expect(0);
    let (line, seen, text) = status();
    assert!(line.ends_with("has a token that never ends"), "{line}");
    let line = row(&text, &node.name, "Secret").unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("Secret deployer-token  never ends, 0 days old (made 20"), "{line}");
    let all = seen["tokens"]["long_lived"]["found"].as_array().unwrap();
    let own = all.iter().find(|have| have["namespace"] == node.name.as_str()).unwrap();
    let made = get("secret", &node.name, "deployer-token")["metadata"]["creationTimestamp"].clone();
    assert_eq!(own, &json!({"namespace": node.name, "secret": "deployer-token", "made": made, "days": 0}));
}

#[test]
fn status_tells_since_when_k3s_runs_on_this_machine() {
    let Some(node) = Node::new("{}", "{}") else { return };
    let bin = node.bench.path("bin");
    fs::create_dir(&bin).unwrap();
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offline/node/systemctl");
    symlink(program, bin.join("systemctl")).unwrap();
    fs::write(bin.join("since"), "Thu 2026-01-01 08:00:00 UTC\n").unwrap();
    let status = |state: &str, format: &str| {
        fs::write(bin.join("state"), state).unwrap();
        let mut command = node.bench.command(&["status", "--node", "-o", format]);
        Ran::of(&command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).output().unwrap())
            .expect(0)
            .out
    };
    let text = status("active\n", "text");
    assert!(text.contains("\nk3s         runs since 2026-01-01 08:00:00 UTC\n"), "{text}");
    let text = status("inactive\n", "text");
    assert!(text.contains("\nk3s         does not run\n"), "{text}");
    let seen: Value = serde_json::from_str(&status("active\n", "json")).unwrap();
    assert_eq!(seen["k3s"], json!({"found": "2026-01-01T08:00:00Z"}));
    // Another root has no services.
    let seen: Value = serde_json::from_str(&node.kwo("status", &["-o", "json"]).expect(0).out).unwrap();
    assert_eq!(seen["k3s"], Value::Null);
}

#[test]
fn a_token_that_never_ends_is_left_access_also_where_nobody_looks_for_secrets() {
    let name = unique("endless");
    let roster = |more: &str| format!("tenants:\n  {name}: {{owners: [o@example.com]{more}}}\n");
    let Some(bench) = Bench::new(&roster(", longLivedToken: true")) else { return };
    let ours = |plan: &Value| -> Vec<Value> {
        let left = plan["leftovers"].as_array().unwrap().iter();
        left.filter(|left| left["id"].as_str().unwrap().contains(&format!("/{name}/"))).cloned().collect()
    };
    bench.apply(&[]).expect(0);
    assert_eq!(ours(&bench.plan(&[])), Vec::<Value>::new());
    // The roster has nothing but tenants in it, so Secrets are looked for only because the account says so.
    bench.write(&roster(""));
    let secret = format!("kube:Secret/{name}/deployer-token");
    let account = format!("kube:ServiceAccount/{name}/deployer");
    let left = ours(&bench.plan(&[]));
    let grants = |id: &str, left: &[Value]| -> Option<String> {
        left.iter().find(|left| left["id"] == id).expect(id)["grants"].as_str().map(str::to_owned)
    };
    assert!(grants(&secret, &left).unwrap().contains("without an end"), "{left:#?}");
    assert_eq!(grants(&account, &left), None, "it is told once: {left:#?}");
    // Whoever may not list Secrets does not know whether it is still there.
    let blind = narrow(
        &unique("blind"),
        "[{apiGroups: ['*'], resources: ['namespaces', 'resourcequotas', 'limitranges', 'serviceaccounts', 'roles', \
         'rolebindings', 'clusterroles', 'clusterrolebindings', 'networkpolicies', 'validatingadmissionpolicies', \
         'validatingadmissionpolicybindings'], verbs: [get, list]}]",
        bench.path("").as_path(),
    );
    let unseen = ours(&bench.plan(&["--kubeconfig", blind.to_str().unwrap()]));
    assert!(grants(&account, &unseen).unwrap().contains("may still be its service account"), "{unseen:#?}");
    // Each command ends what it stands at.
    for id in [&secret, &account] {
        let left = ours(&bench.plan(&[]));
        let command =
            left.iter().find(|left| left["id"] == **id).unwrap()["command"].as_str().unwrap().to_owned();
        paste(&command);
        let still: Vec<Value> =
            ours(&bench.plan(&[])).into_iter().filter(|left| left["grants"].is_string()).collect();
        assert!(still.is_empty(), "{still:#?}");
    }
    assert_eq!(ours(&bench.plan(&[])), Vec::<Value>::new());
}
