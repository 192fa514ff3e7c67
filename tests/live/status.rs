//! `kwo status` of a real cluster: quotas as its own controllers count them, and what an account may not see.

use kwo_engine::sync::{Checkpoint, Short};
use serde_json::{Value, json};
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, narrow};
use testkit::schemas::fits;

fn status(bench: &Bench) -> Value {
    let ran = bench.kwo(&["status", "-o", "json"]).expect(0);
    let status = serde_json::from_str(&ran.out).unwrap();
    fits("status", &status);
    status
}

fn pod(bench: &Bench, namespace: &str, name: &str, label: &str) {
    let manifest = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": label}},
        "spec": {"securityContext": {"runAsNonRoot": true, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "c", "image": "i:1", "securityContext": {"allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]}}}]}});
    let file = bench.path("pod.json");
    std::fs::write(&file, manifest.to_string()).unwrap();
    // The account that pods run as by default is made by a controller, a moment after the namespace.
    for _ in 0..50 {
        let output = kubectl(&["apply", "-f", file.to_str().unwrap()]);
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return;
        }
        assert!(errors.contains("serviceaccount"), "{errors}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("the pod {name} cannot be made");
}

#[test]
fn tenants_are_those_of_the_roster_and_the_fullest_comes_first() {
    let (full, empty, user) = (unique("full"), unique("aa-empty"), unique("user"));
    let text = format!(
        "tenants:\n  {empty}: {{parked: true}}\n  {full}:\n    quota: {{pods: 3}}\n    owners: [{user}@example.com]\n"
    );
    let Some(bench) = Bench::new(&text) else { return };
    let nowhere = status(&bench);
    assert_eq!(nowhere["tenants"][0]["namespaces"][0]["phase"], json!({"found": null}));
    bench.apply(&[]).expect(0);
    for name in ["one", "two"] {
        pod(&bench, &full, name, "web");
    }
    let seen = status(&bench);
    let tenants = seen["tenants"].as_array().unwrap();
    let names: Vec<&str> = tenants.iter().map(|tenant| tenant["name"].as_str().unwrap()).collect();
    assert_eq!(names, [full.as_str(), empty.as_str()]);
    assert_eq!((&tenants[0]["parked"], &tenants[1]["parked"]), (&json!(false), &json!(true)));
    let namespace = &tenants[0]["namespaces"][0];
    assert_eq!(namespace["phase"], json!({"found": "Active"}));
    let quotas = namespace["quotas"]["found"].as_array().unwrap();
    // The quota of the system's priority classes comes before it.
    let uses =
        quotas.iter().map(|quota| quota["uses"].as_array().unwrap()).max_by_key(|uses| uses.len()).unwrap();
    assert_eq!(uses[0], json!({"resource": "pods", "used": "2", "hard": "3", "percent": 66}));
    let percents: Vec<i64> = uses.iter().filter_map(|have| have["percent"].as_i64()).collect();
    assert!(percents.is_sorted_by(|one, next| one >= next), "{percents:?}");
    assert!(seen["last_run"]["found"]["heard"].is_string(), "{seen:#}");
    assert!(seen["server"]["version"]["found"].as_str().unwrap().starts_with("v1."), "{seen:#}");
    assert_eq!((&seen["disks"], &seen["backup"], &seen["k3s"]), (&Value::Null, &Value::Null, &Value::Null));

    let shown = bench.kwo(&["status"]).expect(0).out;
    let line = |start: &str| {
        let line = shown.lines().find(|line| line.trim_start().starts_with(start));
        line.unwrap_or_else(|| panic!("no line {start}: {shown}")).to_owned()
    };
    assert!(line("tenants ").ends_with(" 2, 1 of them parked"), "{shown}");
    assert!(line(&full).contains("  pods 2/3 66 %"), "{shown}");
    assert!(line(&empty).contains("(parked)"), "{shown}");
    assert!(shown.lines().all(|line| line == line.trim_end()), "{shown}");
    for asked in ["disk", "backup", "k3s"] {
        assert!(line(asked).contains("not looked at; --node on the node does"), "{shown}");
    }
}

#[test]
fn what_runs_in_kube_system_is_seen_and_so_is_what_is_missing() {
    let text = "cluster: {acme: {email: ops@example.com}}\n\
        dns: {resolvers: {letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: T}}}}}\n\
        registry: {hosts: [registry.example.com]}\n";
    let Some(bench) = Bench::new(text) else { return };
    let (node, traefik) = (unique("node"), unique("traefik"));
    let file = bench.path("node.json");
    let manifest = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}});
    std::fs::write(&file, manifest.to_string()).unwrap();
    kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
    pod(&bench, "kube-system", &traefik, "traefik");
    let patch = |kind: &str, name: &str, status: &Value| {
        let patch = json!({"status": status}).to_string();
        kubectl_ok(&[
            "patch",
            kind,
            name,
            "-n",
            "kube-system",
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ]);
    };
    patch("node", &node, &json!({"conditions": [{"type": "Ready", "status": "False"}]}));
    let container = json!({"name": "c", "image": "i:1", "imageID": "", "ready": true, "restartCount": 4});
    patch("pod", &traefik, &json!({"phase": "Running", "containerStatuses": [container]}));
    let shown = bench.kwo(&["status"]).expect(0).out;
    assert!(shown.contains(&format!("{traefik} Running, 1 of 1 ready, restarts: 4")), "{shown}");
    assert!(shown.lines().any(|line| line.contains(&node) && line.ends_with(" not Ready")), "{shown}");
    patch("node", &node, &json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    let shown = bench.kwo(&["status"]).expect(0).out;
    let line = shown.lines().find(|line| line.contains(&node)).unwrap();
    assert!(line.ends_with(" Ready, does not say: DiskPressure, MemoryPressure, PIDPressure"), "{line}");
    let conditions = json!([
        {"type": "Ready", "status": "True"},
        {"type": "DiskPressure", "status": "True"},
        {"type": "MemoryPressure", "status": "False"},
        {"type": "PIDPressure", "status": "Unknown"},
    ]);
    patch("node", &node, &json!({"conditions": conditions}));
    let shown = bench.kwo(&["status"]).expect(0).out;
    let line = shown.lines().find(|line| line.contains(&node)).unwrap();
    assert!(line.ends_with(" Ready, DiskPressure, does not say: PIDPressure"), "{line}");

    let missing = status(&bench);
    assert_eq!(missing["resolvers"][0]["name"], "letsencrypt");
    assert_eq!(missing["resolvers"][1]["credentials"], json!({"found": {"CF_DNS_API_TOKEN": false}}));
    assert_eq!(missing["registry"]["replicas"], json!({"found": null}));
    let nodes = missing["nodes"]["found"].as_array().unwrap();
    assert!(
        nodes.iter().any(|have| have["name"] == node.as_str()
            && have["ready"] == true
            && have["disk_pressure"] == true
            && have["memory_pressure"] == false
            && have["pid_pressure"].is_null()),
        "{nodes:?}"
    );
    kubectl_ok(&[
        "create",
        "secret",
        "generic",
        "dns-credentials",
        "-n",
        "kube-system",
        "--from-literal=CF_DNS_API_TOKEN=geheim",
    ]);
    let there = bench.kwo(&["status", "-o", "json", "-vv"]).expect(0);
    kubectl_ok(&["delete", "secret", "dns-credentials", "-n", "kube-system"]);
    kubectl_ok(&["delete", "node", &node]);
    kubectl_ok(&["delete", "pod", &traefik, "-n", "kube-system", "--grace-period=0", "--force"]);
    assert!(there.out.contains("\"CF_DNS_API_TOKEN\": true"), "{}", there.out);
    // `geheim`, and as the Secret has it.
    for said in [&there.out, &there.err] {
        assert!(!said.contains("geheim") && !said.contains("Z2VoZWlt"), "{said}");
    }
}

#[test]
fn the_last_run_of_sync_is_told_from_what_it_left_in_the_cluster() {
    let Some(bench) = Bench::new("") else { return };
    let note = ["configmap", "kwo-sync", "-n", "kube-system"];
    let none = bench.kwo(&["status"]).expect(0).out;
    let run = |number: u64, told: &str| Short {
        host: "node-1".to_owned(),
        number,
        digest: "d".to_owned(),
        began: "2026-11-21T17:02:12Z".to_owned(),
        commit: "5c1de0a7f2b4".to_owned(),
        told: told.to_owned(),
    };
    let checkpoint = Checkpoint {
        history: vec![run(11, "converged; 3 done"), run(12, "1 held; one line\nand\u{1b}[2Janother")],
        ..Checkpoint::default()
    };
    let text = format!("--from-literal=sync.json={}", serde_json::to_string(&checkpoint).unwrap());
    kubectl_ok(&[&["create"][..], &note, &[&text]].concat());
    let (seen, shown) = (status(&bench), bench.kwo(&["status"]).expect(0).out);
    let broken = ["--type=merge", "-p", r#"{"data":{"sync.json":"{"}}"#];
    kubectl_ok(&[&["patch"][..], &note, &broken].concat());
    let odd = bench.kwo(&["status"]).expect(0).out;
    kubectl_ok(&[&["delete"][..], &note].concat());
    assert!(none.contains("last sync   there was none\n"), "{none}");
    assert_eq!(seen["last_sync"]["found"]["number"], 12);
    let line = "last sync   began at 2026-11-21 17:02:12 UTC on node-1 (entry 12), 5c1de0a7f2b4: 1 held; one line and [2Janother\n";
    assert!(shown.contains(line), "{shown}");
    assert!(odd.contains("last sync   could not look: ") && odd.contains("cannot be read"), "{odd}");
}

#[test]
fn what_an_account_may_not_see_is_not_said_to_be_absent() {
    let (tenant, name) = (unique("unmade"), unique("half-blind"));
    let text = format!("registry: {{hosts: [registry.example.com]}}\ntenants: {{{tenant}: }}\n");
    let Some(bench) = Bench::new(&text) else { return };
    let account =
        narrow(&name, "[{apiGroups: [\"\"], resources: [namespaces], verbs: [list]}]", &bench.path(""));
    let bench = bench.with_kubeconfig(&account);
    let seen = status(&bench);
    let namespace = &seen["tenants"][0]["namespaces"][0];
    assert!(namespace["phase"]["found"].is_null() && namespace["phase"].get("found").is_some(), "{seen:#}");
    for answer in [
        &seen["nodes"],
        &seen["traefik"],
        &seen["last_run"],
        &seen["last_sync"],
        &seen["departed"],
        &seen["tokens"]["long_lived"],
        &seen["registry"]["replicas"],
        &seen["registry"]["old_passwords"],
        &namespace["quotas"],
    ] {
        let why = answer["could_not_look"].as_str().unwrap_or_default();
        assert!(why.contains("is forbidden") && why.contains(&name), "{answer}");
    }
    assert!(seen["server"]["version"]["found"].is_string(), "{seen:#}");
    let shown = bench.kwo(&["status"]).expect(0).out;
    assert!(shown.matches("could not look: ").count() == 8, "{shown}");
}
