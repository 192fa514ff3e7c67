//! The registry: its objects on a real API server, and its users at a real registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testkit::apiserver::kubectl_ok;
use testkit::peers::registry::{Registry, User};
use testkit::run::get;

use crate::platform::node::Node;

const ROSTER: &str = "registry:\n  hosts: [registry.example.com, a.b-c.example.com, a-b.c.example.com]\n  users:\n    \
ci: {password: {generate: 32}}\n    people: {password: {env: REGISTRY_PASSWORD}}\n";
const PASSWORD: (&str, &str) = ("REGISTRY_PASSWORD", "the-password-of-people");

fn data(key: &str) -> String {
    let secret = get("secret", "kube-system", "registry-auth");
    let text = secret["data"][key].as_str().unwrap_or_else(|| panic!("no {key}")).to_owned();
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

#[test]
fn a_registry_stands_and_its_users_can_push() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PASSWORD]).expect(0);
    // What the API server fills in is no difference, and the hashes are known again.
    node.settled(&[PASSWORD]);
    let plan = node.kwo(&["plan", "-o", "json"], &[PASSWORD]).expect(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    for left in plan["leftovers"].as_array().unwrap() {
        assert!(!left["id"].as_str().unwrap().contains("/registry"), "{left}");
    }
    // Garbage collection comes to a registry that runs already, and goes again.
    node.bench.write(&format!("{ROSTER}  garbageCollection: {{day: monday}}\n"));
    node.apply(&[], &[PASSWORD]).expect(0);
    node.settled(&[PASSWORD]);
    let spec = &get("deployment", "kube-system", "registry")["spec"];
    assert_eq!(spec["strategy"]["rollingUpdate"], serde_json::json!({"maxSurge": 0, "maxUnavailable": 1}));
    node.bench.write(ROSTER);
    let plan = node.kwo(&["plan"], &[PASSWORD]).expect(0).out;
    assert!(plan.contains("registry /spec/template/spec/containers/0/command"), "{plan}");
    let ingresses = kubectl_ok(&["get", "ingress", "-n", "kube-system", "-o", "name"]);
    for host in ["registry.example.com", "a.b-c.example.com", "a-b.c.example.com"] {
        assert!(ingresses.contains(&format!("/registry-{host}\n")), "{ingresses}");
    }
    let pod = &get("deployment", "kube-system", "registry")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let values = get("helmchartconfig", "kube-system", "traefik")["spec"]["valuesContent"].clone();
    assert!(values.as_str().unwrap().contains("respondingTimeouts.readTimeout=1800s"), "{values}");

    let (folder, made) = (tempfile::tempdir().unwrap(), data("password-ci"));
    assert_eq!((data("username-ci").as_str(), made.len()), ("ci", 32));
    let file = folder.path().join("htpasswd");
    std::fs::write(&file, data("htpasswd")).unwrap();
    let Some(registry) = Registry::start(&file) else { return };
    let status = |name, password| registry.ask(User { name, password }, "GET", "/v2/", b"").status();
    assert_eq!(
        (status("ci", made.as_str()), status("people", PASSWORD.1), status("ci", "wrong")),
        (200, 200, 401)
    );
    let ci = User { name: "ci", password: &made };
    registry.push(ci, "alice/web", "v1", b"a layer");
    assert_eq!(registry.ask(ci, "GET", "/v2/alice/web/manifests/v1", b"").status(), 200);

    // Another password for one user: the other keeps the one that was made.
    let other = [(PASSWORD.0, "another-password")];
    let plan = node.kwo(&["plan"], &other).expect(0);
    assert!(
        plan.out.contains(
            "~ /data/htpasswd: changed (htpasswd of ci (/data/password-ci), people (env REGISTRY_PASSWORD))"
        ),
        "{}",
        plan.out
    );
    node.apply(&[], &other).expect(0);
    node.settled(&other);
    std::fs::write(&file, data("htpasswd")).unwrap();
    let Some(registry) = Registry::start(&file) else { return };
    let status = |name, password| registry.ask(User { name, password }, "GET", "/v2/", b"").status();
    assert_eq!(data("password-ci"), made);
    let answers =
        (status("ci", made.as_str()), status("people", "another-password"), status("people", PASSWORD.1));
    assert_eq!(answers, (200, 200, 401));
}

#[test]
fn a_password_of_which_bcrypt_sees_only_a_part_holds_the_users() {
    let Some(node) = Node::new(ROSTER) else { return };
    let (enough, too_long) = ("x".repeat(72), "x".repeat(73));
    let held = node.apply(&[], &[(PASSWORD.0, &too_long)]).expect(5);
    let why = "the secret env REGISTRY_PASSWORD cannot be used: the password there is longer than 72 bytes, and a registry";
    assert!(held.out.contains(why) && !held.out.contains(&enough), "{}", held.out);
    node.apply(&[], &[(PASSWORD.0, &enough)]).expect(0);
}

#[test]
fn an_htpasswd_that_somebody_changed_is_put_right() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PASSWORD]).expect(0);
    let patch = serde_json::json!({"stringData": {"htpasswd": "intruder:$2y$05$x\n"}}).to_string();
    kubectl_ok(&["patch", "secret", "registry-auth", "-n", "kube-system", "--type=merge", "-p", &patch]);
    let plan = node.kwo(&["plan", "--detailed-exitcode"], &[PASSWORD]).expect(2);
    let who = "people (env REGISTRY_PASSWORD)), drift: written by `kubectl-patch` at ";
    assert!(plan.out.contains(who), "{}", plan.out);
    node.apply(&[], &[PASSWORD]).expect(0);
    node.settled(&[PASSWORD]);
    assert!(!data("htpasswd").contains("intruder"));
}

#[test]
fn the_node_may_pull_and_its_file_holds_the_password_that_was_made() {
    // Beside a mirror with a password of its own.
    let roster = format!(
        "{ROSTER}  mirrors: {{docker.io: {{endpoints: [https://m.example.com:5000]}}}}\n  \
         logins: {{'m.example.com:5000': {{username: robot$kwo, password: {{env: MIRROR}}}}}}\n"
    );
    let secrets = [PASSWORD, ("MIRROR", "the-password-of-the-mirror")];
    let Some(node) = Node::new(&roster) else { return };
    let root = node.bench.path("root");
    std::fs::create_dir(&root).unwrap();
    let at = ["--node", "--root", root.to_str().unwrap()];
    let said = node.apply(&at, &secrets).expect(0);
    let file = std::fs::read_to_string(root.join("etc/rancher/k3s/registries.yaml")).unwrap();
    let file: serde_json::Value = serde_yaml::from_str(&file).unwrap();
    for host in ["registry.example.com", "a.b-c.example.com"] {
        assert_eq!(file["configs"][host]["auth"]["username"], "ci");
        assert_eq!(file["configs"][host]["auth"]["password"], data("password-ci"));
    }
    assert_eq!(file["mirrors"]["docker.io"]["endpoint"][0], "https://m.example.com:5000");
    let login = &file["configs"]["m.example.com:5000"]["auth"];
    assert_eq!(
        (login["username"].as_str(), login["password"].as_str()),
        (Some("robot$kwo"), Some(secrets[1].1))
    );
    let said = format!("{}{}", said.out, said.err);
    assert!(!said.contains(&data("password-ci")) && !said.contains(secrets[1].1), "{said}");
    node.kwo(&[&["plan", "--detailed-exitcode"][..], &at].concat(), &secrets).expect(0);
}

#[test]
fn whether_it_stands_and_who_may_use_it_is_shown() {
    let Some(node) = Node::new(ROSTER) else { return };
    let line = "kube:Service/kube-system/registry: ";
    let status = node.kwo(&["registry", "status"], &[PASSWORD]).expect(1);
    assert!(status.out.contains(&format!("{line}not there; `kwo apply` makes it\n")), "{}", status.out);
    let early = node.kwo(&["registry", "credentials", "--show-password"], &[PASSWORD]).expect(1);
    let missing = "ci\n  password  missing (kube kube-system/registry-auth/password-ci): there is no key password-ci in a \
                   Secret registry-auth of kube-system\n";
    assert!(early.out.starts_with(missing), "{}", early.out);
    node.apply(&[], &[PASSWORD]).expect(0);
    // The objects are there; no host of a test leads anywhere.
    let status = node.kwo(&["registry", "status", "-o", "json"], &[PASSWORD]).expect(1);
    let json: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    testkit::schemas::fits("registry-status", &json);
    let parts = json["parts"].as_array().unwrap();
    let well = |subject: &str| {
        let of = |part: &&serde_json::Value| part["subject"].as_str().unwrap().contains(subject);
        parts.iter().find(of).unwrap_or_else(|| panic!("{subject}: {json}"))["well"].as_bool().unwrap()
    };
    assert!(well("kube:Service/kube-system/registry") && !well("/v2/") && json["well"] == false, "{json}");
    let status = node.kwo(&["registry", "status"], &[PASSWORD]).expect(1);
    for kind in ["Deployment", "Service", "Secret", "PersistentVolumeClaim"] {
        let there = status.out.lines().any(|line| line.contains(kind) && line.ends_with(": there"));
        assert!(there, "{kind}: {}", status.out);
    }
    assert!(status.out.contains("kube:Ingress/kube-system/registry-registry.example.com: there\n"));
    assert!(status.out.contains("https://registry.example.com/v2/: no answer from "), "{}", status.out);
    let credentials = |more: &[&str]| {
        let ran = node.kwo(&[&["registry", "credentials"], more].concat(), &[PASSWORD]).expect(0);
        assert!(ran.err.is_empty(), "{}", ran.err);
        ran.out
    };
    let quiet = credentials(&[]);
    assert!(quiet.contains(
        "ci\n  password  from kube kube-system/registry-auth/password-ci; --show-password prints it\n"
    ));
    assert!(quiet.contains("  log in    docker login registry.example.com -u people\n"), "{quiet}");
    let loud = credentials(&["--show-password"]);
    for (user, password) in [("ci", data("password-ci").as_str()), ("people", PASSWORD.1)] {
        assert!(loud.contains(&format!("{user}\n  password  {password}\n")));
        assert!(!quiet.contains(password) && !status.out.contains(password));
    }
}

#[test]
fn a_registry_that_leaves_the_roster_is_told_with_its_passwords() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PASSWORD]).expect(0);
    node.bench.write("");
    let plan = node.kwo(&["plan"], &[]).expect(0);
    for left in [
        "Deployment/kube-system/registry",
        "Secret/kube-system/registry-auth",
        "ConfigMap/kube-system/kwo-config",
    ] {
        assert!(plan.out.contains(&format!("  ? kube:{left}\n")), "{left}: {}", plan.out);
    }
    // It is as it was: nothing but names is read for that.
    assert_eq!(data("username-ci"), "ci");
}
