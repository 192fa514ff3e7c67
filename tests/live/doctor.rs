//! `kwo doctor` against a real API server: each check that only a cluster can fail fails, and passes once its command has
//! run. And no Secret of the cluster is in a support bundle.

use std::fs;
use std::io::Read as _;

use serde_json::Value;
use testkit::apiserver::{kubeconfig, kubectl_ok, unique};
use testkit::run::{Bench, narrow};

const SENTINEL: &str = "sentinel-5ecre7";

/// The checks by their names.
fn checks(bench: &Bench, args: &[&str]) -> Value {
    let ran = bench.kwo(&[&["doctor", "-o", "json", "--settings", "none.yaml"], args].concat());
    let json: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    let checks = json["checks"].as_array().unwrap();
    checks.iter().map(|check| (check["name"].as_str().unwrap().to_owned(), check.clone())).collect()
}

#[track_caller]
fn outcome(checks: &Value, name: &str, outcome: &str) {
    assert_eq!(checks[name]["outcome"], outcome, "{:#}", checks[name]);
}

fn roster(name: &str, hosts: &str) -> String {
    format!(
        "cluster: {{api: {{hosts: [{hosts}]}}}}\ntenants: {{{name}: {{owners: [{name}@example.com], domains: [{name}.example.com]}}}}\n"
    )
}

#[test]
fn a_cluster_that_kwo_keeps_is_well_and_what_goes_wrong_is_found() {
    let name = unique("doctor");
    // What is one for the whole cluster is changed, so no other test runs meanwhile.
    let Some(bench) = Bench::with(&roster(&name, "127.0.0.1"), true) else { return };
    let before = checks(&bench, &[]);
    outcome(&before, "agreement", "warning");
    outcome(&before, "tenants", "warning");
    bench.apply(&[]).expect(0);
    let well = checks(&bench, &[]);
    for topic in [
        "roster",
        "server",
        "clock",
        "version",
        "rights-to-plan",
        "rights-to-apply",
        "lock",
        "guard",
        "tenants",
        "tls-san",
        "api-certificate",
    ] {
        outcome(&well, topic, "ok");
    }
    // The server of the tests has no nodes, and nothing that would enforce a policy.
    outcome(&well, "nodes", "failed");
    outcome(&well, "network-policies", "cannot-tell");

    let policies =
        kubectl_ok(&["get", "validatingadmissionpolicies", "-o", "name", "-l", "kwo.dev/managed=true"]);
    kubectl_ok(&["delete", policies.lines().next().unwrap()]);
    let hurt = checks(&bench, &[]);
    outcome(&hurt, "guard", "failed");
    assert!(hurt["guard"]["found"].as_str().unwrap().contains("is missing"), "{:#}", hurt["guard"]);
    let command = shlex::split(hurt["guard"]["todo"]["command"].as_str().unwrap()).unwrap();
    assert_eq!(command[..2], ["kwo", "apply"]);
    bench.apply(&command[2..].iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    outcome(&checks(&bench, &[]), "guard", "ok");

    // A run that was killed.
    let held = r#"{"spec":{"holderIdentity":"somebody","leaseDurationSeconds":1,"renewTime":"2026-01-01T00:00:00.000000Z","acquireTime":"2025-12-31T00:00:00.000000Z"}}"#;
    kubectl_ok(&["patch", "lease", "kwo", "-n", "kube-system", "--type=merge", "-p", held]);
    let stale = checks(&bench, &[]);
    outcome(&stale, "lock", "warning");
    let found = stale["lock"]["found"].as_str().unwrap();
    assert!(found.contains("somebody took it at 2025-12-31 00:00:00 UTC"), "{found}");
    bench.apply(&[]).expect(0);
    outcome(&checks(&bench, &[]), "lock", "ok");

    bench.write(&roster(&name, "api.invalid, 127.0.0.1"));
    let names = checks(&bench, &[]);
    outcome(&names, "tls-san", "failed");
    assert!(names["tls-san"]["found"].as_str().unwrap().contains("api.invalid"), "{:#}", names["tls-san"]);
    outcome(&names, "api-dns", "failed");
}

#[test]
fn an_account_hears_which_rights_it_lacks() {
    let name = unique("doctor");
    let Some(bench) = Bench::new(&roster(&name, "127.0.0.1")) else { return };
    let rights = bench.kwo(&["rbac", "--for", "plan", "-o", "json"]).expect(0);
    let manifests: Value = serde_json::from_str(&rights.out).unwrap();
    let of =
        |kind: &str| manifests["items"].as_array().unwrap().iter().find(|item| item["kind"] == kind).cloned();
    let rules = of("ClusterRole").unwrap()["rules"].to_string();
    let folder = bench.path("");
    let (enough, few) = (
        narrow(&unique("enough"), &rules, &folder),
        narrow(
            &unique("few"),
            r#"[{apiGroups: [""], resources: [namespaces], verbs: [get, list]}]"#,
            &folder,
        ),
    );
    let bench = bench.with_kubeconfig(&enough);
    let found = checks(&bench, &[]);
    outcome(&found, "rights-to-plan", "ok");
    outcome(&found, "rights-to-apply", "warning");
    let bench = bench.with_kubeconfig(&few);
    let found = checks(&bench, &[]);
    outcome(&found, "rights-to-plan", "failed");
    let missing = found["rights-to-plan"]["found"].as_str().unwrap();
    assert!(missing.contains("list "), "{missing}");
    assert_eq!(found["rights-to-plan"]["todo"]["command"], "kwo rbac --for plan");
}

#[test]
fn no_secret_of_the_cluster_is_in_a_bundle() {
    let name = unique("doctor");
    let Some(bench) = Bench::new(&roster(&name, "127.0.0.1")) else { return };
    bench.apply(&[]).expect(0);
    kubectl_ok(&[
        "create",
        "secret",
        "generic",
        "theirs",
        "-n",
        &name,
        &format!("--from-literal=password={SENTINEL}"),
    ]);
    kubectl_ok(&[
        "create",
        "configmap",
        "theirs",
        "-n",
        &name,
        &format!("--from-literal=password={SENTINEL}"),
    ]);
    let ran = bench.kwo(&["doctor", "--settings", "none.yaml", "--bundle", "bundle"]);
    let mut archive =
        tar::Archive::new(zstd::Decoder::new(fs::File::open(bench.path("bundle")).unwrap()).unwrap());
    let mut all = String::new();
    for entry in archive.entries().unwrap() {
        entry.unwrap().read_to_string(&mut all).unwrap();
    }
    assert!(all.contains(&name), "{}{}", ran.out, ran.err);
    // The private key of the admin is in the kubeconfig.
    let kubeconfig = fs::read_to_string(kubeconfig().unwrap()).unwrap();
    let config: Value = serde_yaml::from_str(&kubeconfig).unwrap();
    let secrets = ["client-key-data", "token"].map(|field| config["users"][0]["user"][field].as_str());
    for secret in secrets.into_iter().flatten().chain([SENTINEL]) {
        assert!(!all.contains(secret), "{all}");
    }
}
