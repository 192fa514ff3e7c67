//! Secrets: they arrive where they belong, nothing else ever holds them, and what is missing holds its object only.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;
use testkit::run::get;

use crate::platform::node::Node;

const SENTINEL: &str = "Zentinel-4711-Zentinel";

fn roster(reference: &str) -> String {
    format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\ndns:\n  resolvers:\n    letsencrypt-desec: {{provider: desec, \
credentials: {{DESEC_TOKEN: {reference}}}}}\ntenants:\n  beside: {{}}\n"
    )
}

fn stored(secret: &str, key: &str) -> Value {
    get("secret", "kube-system", secret)["data"][key].clone()
}

/// In base64, as the API has it.
const STORED: &str = "WmVudGluZWwtNDcxMS1aZW50aW5lbA==";

#[test]
fn a_secret_is_written_and_stands_in_nothing_that_is_said_or_saved() {
    let Some(node) = Node::new(&roster("{env: DESEC_TOKEN}")) else { return };
    let with = [("DESEC_TOKEN", SENTINEL)];
    let saved = node.bench.path("plan.json");
    let saved = saved.to_str().unwrap();
    let mut said = Vec::new();
    for format in ["text", "json", "yaml", "markdown"] {
        said.push(node.kwo(&["plan", "--full", "-vv", "-o", format], &with));
    }
    said.push(node.kwo(&["plan", "--out", saved], &with));
    said.push(node.apply(&["-vv", "--full"], &with).expect(0));
    assert_eq!(stored("dns-credentials", "DESEC_TOKEN"), STORED);
    node.settled(&with);
    // Another value: the plan says that it changed, and not from what to what.
    let other = [("DESEC_TOKEN", "Zentinel-0815-Zentinel")];
    said.push(node.kwo(&["plan", "-vv"], &other).expect(0));
    assert!(said.last().unwrap().out.contains("/data/DESEC_TOKEN: changed (env DESEC_TOKEN)"));
    said.push(node.kwo(&["plan", "-o", "json", "--out", saved], &other).expect(0));
    said.push(node.kwo(&["render"], &with));
    said.push(node.kwo(&["explain", "kube:Secret/kube-system/dns-credentials"], &with));
    // The saved plan is for that value and for no other.
    said.push(node.kwo(&["apply", "--yes", "-vv", "--lock-timeout=2m", "--plan", saved], &with).expect(3));
    assert_eq!(stored("dns-credentials", "DESEC_TOKEN"), STORED);
    said.push(node.kwo(&["apply", "--yes", "-vv", "--lock-timeout=2m", "--plan", saved], &other).expect(0));
    assert_ne!(stored("dns-credentials", "DESEC_TOKEN"), STORED);
    node.settled(&other);
    let file = std::fs::read_to_string(saved).unwrap();
    let fingerprint = stored("kwo-fingerprint", "key");
    for text in said.iter().flat_map(|ran| [&ran.out, &ran.err]).chain([&file]) {
        for secret in ["Zentinel", "WmVudGluZWwt", fingerprint.as_str().unwrap()] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn a_missing_secret_holds_what_needs_it_and_nothing_else() {
    let Some(node) = Node::new(&roster("{file: /nowhere/token}")) else { return };
    let ran = node.apply(&[], &[]).expect(5);
    let held = "the secret file /nowhere/token cannot be used: there is no file /nowhere/token";
    assert!(ran.out.contains(held), "{}", ran.out);
    assert!(ran.out.contains("waits on kube:Secret/kube-system/dns-credentials"), "{}", ran.out);
    get("namespace", "", "beside");
    get("configmap", "kube-system", "kwo-dns-providers");
}

#[test]
fn what_was_generated_is_never_changed_again() {
    let Some(node) = Node::new(&roster("{generate: 40}")) else { return };
    node.apply(&[], &[]).expect(0);
    let (token, key) = (stored("dns-credentials", "DESEC_TOKEN"), stored("kwo-fingerprint", "key"));
    assert!(token.as_str().unwrap().len() >= 52, "{token}");
    node.settled(&[]);
    node.bench.write(&roster("{generate: 64}"));
    node.apply(&[], &[]).expect(0);
    assert_eq!((stored("dns-credentials", "DESEC_TOKEN"), stored("kwo-fingerprint", "key")), (token, key));
}

#[test]
fn a_secret_of_the_cluster_a_credential_and_an_age_file_are_found() {
    let Some(node) = Node::new(&roster("{kube: kube-system/elsewhere/token}")) else { return };
    node.foreign(&format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: elsewhere, namespace: kube-system}}\nstringData: {{token: {SENTINEL}}}\n"
    ));
    node.apply(&[], &[]).expect(0);
    assert_eq!(stored("dns-credentials", "DESEC_TOKEN"), STORED);
    let list = node.kwo(&["dns", "list"], &[]).expect(0).out;
    assert!(list.contains("DESEC_TOKEN (kube kube-system/elsewhere/token): found\n"), "{list}");

    let credentials = node.bench.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(credentials.join("desec"), format!("{SENTINEL}\n")).unwrap();
    node.bench.write(&roster("{credential: desec}"));
    node.settled(&[("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())]);

    let (identity, sealed) = (node.bench.path("age.key"), node.bench.path("desec.age"));
    let keygen = node.kwo(&["secrets", "keygen", identity.to_str().unwrap()], &[]).expect(0);
    let mut encrypt =
        node.bench.command(&["secrets", "encrypt", "-r", keygen.out.trim(), "--out", "desec.age"]);
    let mut encrypt = encrypt.stdin(Stdio::piped()).spawn().unwrap();
    encrypt.stdin.take().unwrap().write_all(SENTINEL.as_bytes()).unwrap();
    assert!(encrypt.wait().unwrap().success());
    let text = std::fs::read_to_string(&sealed).unwrap();
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && !text.contains(SENTINEL), "{text}");
    node.bench.write(&roster("{age: desec.age}"));
    node.settled(&[("KWO_AGE_IDENTITY", identity.to_str().unwrap())]);
    std::fs::remove_file(&identity).unwrap();
    node.kwo(&["secrets", "keygen", identity.to_str().unwrap()], &[]).expect(0);
    let plan = node.kwo(&["plan"], &[("KWO_AGE_IDENTITY", identity.to_str().unwrap())]).expect(5);
    assert!(plan.out.contains("the secret age desec.age cannot be used: "), "{}", plan.out);
}
