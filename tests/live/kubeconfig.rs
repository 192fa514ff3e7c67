//! `kwo kubeconfig` for pipelines: what it prints is used with kubectl, and its token is nowhere else.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, Ran, account};

/// Two tenants that stand.
fn two() -> Option<(Bench, String, String)> {
    let (name, other) = (unique("ci"), unique("ci"));
    let bench = Bench::new(&format!("tenants: {{{name}: {{}}, {other}: {{}}}}\n"))?;
    bench.apply(&[]).expect(0);
    Some((bench, name, other))
}

fn read(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn token(kubeconfig: &Value) -> &str {
    kubeconfig["users"][0]["user"]["token"].as_str().unwrap()
}

/// What a token says of itself.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn it_works_in_its_namespace_and_nowhere_else() {
    let Some((bench, name, other)) = two() else { return };
    let ran = bench.kwo(&["kubeconfig", &name, "--duration", "30m", "-vv"]).expect(0);
    let config = read(&ran.out);
    assert_eq!(config["current-context"], format!("{name}@kubernetes"));
    assert_eq!(config["users"][0]["name"], format!("{name}-deployer"));
    assert!(ran.err.contains(&format!("/namespaces/{name}/serviceaccounts/deployer/token")), "{}", ran.err);
    assert!(!ran.err.contains(token(&config)), "the token is in what -vv says");
    assert!(!ran.err.contains(token(&config).split('.').nth(2).unwrap()), "a part of it is");

    let file = bench.path("printed");
    std::fs::write(&file, &ran.out).unwrap();
    let with = |args: &[&str]| kubectl(&[&["--kubeconfig", file.to_str().unwrap()], args].concat());
    let own = with(&["get", "pods"]);
    assert!(own.status.success(), "{}", String::from_utf8_lossy(&own.stderr));
    let refused = with(&["get", "pods", "-n", &other]);
    let said = String::from_utf8_lossy(&refused.stderr);
    let who = format!("User \"system:serviceaccount:{name}:deployer\" cannot list resource \"pods\"");
    assert!(!refused.status.success() && said.contains(&who), "{said}");

    // Scripts look for it in one line.
    assert!(ran.out.contains(&format!("    token: {}\n", token(&config))), "it is folded");
    let claims = claims(token(&config));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 1800, "{claims:#}");
    let until = ran.err.lines().find_map(|line| line.strip_prefix("its token is good until ")).unwrap();
    let (day, clock) = until.strip_suffix(" UTC").unwrap().split_once(' ').unwrap();
    let until: jiff::Timestamp = format!("{day}T{clock}Z").parse().unwrap();
    assert_eq!(until.as_second(), claims["exp"].as_i64().unwrap());
}

#[test]
fn a_file_is_private_and_replaced_and_says_the_same_as_json_on_one_line() {
    let Some((bench, name, _)) = two() else { return };
    let mut yaml = read(&bench.kwo(&["kubeconfig", &name]).expect(0).out);
    let (folder, file) = (bench.path("keys/ci"), bench.path("keys/ci/config"));
    let write = || bench.kwo(&["kubeconfig", &name, "-o", "json", "--out", file.to_str().unwrap()]).expect(0);
    let ran = write();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let mut json: Value = serde_json::from_str(&text).unwrap();
    assert!(ran.out.is_empty() && !ran.err.contains(token(&json)), "{}{}", ran.out, ran.err);
    assert_ne!(token(&json), token(&yaml), "each run has a token of its own");
    for config in [&mut json, &mut yaml] {
        config["users"][0]["user"]["token"] = "a token".into();
    }
    assert_eq!(json, yaml);
    write();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), text, "the old file is still there");
}

#[test]
fn the_roster_says_where_the_server_is_from_outside() {
    let Some((bench, name, _)) = two() else { return };
    let inside = read(&bench.kwo(&["kubeconfig", &name]).expect(0).out);
    bench.write(&format!(
        "cluster: {{name: prod, api: {{hosts: [api.example.com, other.example.com], port: 7443}}}}\n\
tenants: {{{name}: {{}}}}\n"
    ));
    let config = read(&bench.kwo(&["kubeconfig", &name]).expect(0).out);
    let (cluster, before) = (&config["clusters"][0]["cluster"], &inside["clusters"][0]["cluster"]);
    assert_eq!(cluster["server"], "https://api.example.com:7443");
    assert_eq!(cluster["certificate-authority-data"], before["certificate-authority-data"]);
    assert_eq!(config["current-context"], format!("{name}@prod"));
    let context = &config["contexts"][0]["context"];
    assert_eq!(
        *context,
        serde_json::json!({"cluster": "prod", "namespace": name, "user": format!("{name}-deployer")})
    );
}

#[test]
fn what_is_not_there_is_refused_with_what_to_do() {
    let name = unique("ci");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{}}}}\n")) else { return };
    let ran = bench.kwo(&["kubeconfig", "kube-system"]).expect(1);
    assert!(ran.err.contains("no tenant of the roster has the namespace `kube-system`"), "{}", ran.err);
    assert!(ran.err.contains(&format!("its namespaces are: {name}")) && ran.out.is_empty(), "{}", ran.err);
    let ran = bench.kwo(&["kubeconfig", &name]).expect(1);
    assert!(ran.err.contains("not found") && ran.err.contains("`kwo apply --kubeconfig "), "{}", ran.err);
}

#[test]
fn the_role_of_the_manual_is_enough_for_one_namespace() {
    let Some((bench, name, other)) = two() else { return };
    let page = std::fs::read_to_string("docs/reference/rights.md").unwrap();
    let block = page.split("```yaml\n").find(|block| block.contains("name: kwo-kubeconfig")).unwrap();
    let role = block.split("```").next().unwrap().replace("alice-prod", &name);
    let file = bench.path("role.yaml");
    std::fs::write(&file, role).unwrap();
    kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
    let asks = unique("asks");
    kubectl_ok(&["create", "namespace", &asks]);
    kubectl_ok(&["create", "serviceaccount", &asks, "-n", &asks]);
    let subject = format!("--serviceaccount={asks}:{asks}");
    kubectl_ok(&["create", "rolebinding", &asks, "-n", &name, "--role=kwo-kubeconfig", &subject]);
    let narrow = account(&asks, &asks, &bench.path(""));
    let kwo = |namespace: &str| {
        let mut command = bench.command(&["kubeconfig", namespace]);
        Ran::of(&command.env("KWO_KUBECONFIG", &narrow).output().unwrap())
    };
    // What judges tenants judges this account too, once it is in force.
    kubectl_ok(&["create", "rolebinding", "probe", "-n", &name, "--clusterrole=admin", "--user=probe"]);
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let outside =
            ["create", "service", "externalname", "probe", "--external-name=localhost", "-n", &name];
        let tried = kubectl(&[&outside[..], &["--dry-run=server", "--as=probe"]].concat());
        if String::from_utf8_lossy(&tried.stderr).contains("kwo-inside") {
            break;
        }
        assert!(Instant::now() < end, "kwo-inside is not in force");
        std::thread::sleep(Duration::from_millis(200));
    }
    kwo(&name).expect(0);
    let ran = kwo(&other).expect(1);
    assert!(ran.err.contains("cannot create resource \"serviceaccounts/token\""), "{}", ran.err);
}
