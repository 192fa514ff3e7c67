//! `kwo registry` without a cluster: which answers are those of a registry, and what needs no cluster. The rest is in
//! `tests/peers/platform/registry.rs`.

use std::time::Duration;

use kwo_engine::probe::{answers, lets_in};
use testkit::loopback::{Loopback, Reply};

use crate::cli::{address, snapshot, transcript, transcript_with};

/// What is said of a host that answers like this.
async fn said(status: Option<u16>) -> Result<u16, String> {
    let server = Loopback::start(move |asked| match status {
        Some(status) if asked.path == "/v2/" => Reply::Answer(status, "", "{}".to_owned()),
        _ => Reply::Drop,
    });
    let api = address(&server);
    answers(&api, Duration::from_secs(5)).await.map_err(|why| why.replace(&api, "API"))
}

#[tokio::test]
async fn a_registry_answers_or_asks_for_a_password() {
    assert_eq!(said(Some(200)).await, Ok(200));
    assert_eq!(said(Some(401)).await, Ok(401));
    let other = "API answers, and not as a registry (404): does an Ingress lead to it?";
    assert_eq!(said(Some(404)).await, Err(other.to_owned()));
    let down = "API answers, and not as a registry that is ready (503)";
    assert_eq!(said(Some(503)).await, Err(down.to_owned()));
    assert!(said(None).await.unwrap_err().starts_with("no answer from API: "));
}

/// One instance answers who reads and another one who writes, and either may be late to know that somebody left.
#[tokio::test]
async fn who_is_let_in_by_one_instance_of_two_is_let_in() {
    for (reads, writes, wanted) in [
        (401, 401, Ok(false)),
        (200, 401, Ok(true)),
        (401, 200, Ok(true)),
        (401, 405, Err("API answers, and not as a registry that is ready (405)".to_owned())),
        (503, 401, Err("API answers, and not as a registry that is ready (503)".to_owned())),
    ] {
        let server = Loopback::start(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/v2/") => Reply::Answer(reads, "", "{}".to_owned()),
            ("POST", "/v2/") => Reply::Answer(writes, "", "{}".to_owned()),
            _ => Reply::Drop,
        });
        let (api, password) = (address(&server), b"x".to_vec().into());
        let answer = lets_in(&api, "ci", &password, Duration::from_secs(5)).await;
        assert_eq!(answer.map_err(|why| why.replace(&api, "API")), wanted, "{reads} {writes}");
    }
}

#[test]
fn a_password_is_printed_only_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let roster = "apiVersion: kwo/v1\nkind: Roster\nregistry:\n  hosts: [registry.example.com]\n  users:\n    ci: \
                  {password: {env: CI}}\n    people: {password: {env: PEOPLE}}\n";
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    let run = |args: &[&str]| transcript_with(folder.path(), args, &[("CI", "Zentinel-4711")]);
    let mut text = run(&["registry", "credentials"]);
    assert!(!text.contains("Zentinel"), "{text}");
    text.push_str(&run(&["registry", "credentials", "--show-password"]));
    // What kwo did not make it does not change; none of this gets as far as a cluster.
    for user in [&["rotate"][..], &["rotate", "ci"], &["rotate", "nobody"]] {
        text.push_str(&run(&[&["registry"], user].concat()));
    }
    let two = "apiVersion: kwo/v1\nkind: Roster\nregistry:\n  hosts: [registry.example.com]\n  users:\n    ci: \
               {password: {generate: 32}}\n    people: {password: {generate: 32}}\n";
    std::fs::write(folder.path().join("roster.yaml"), two).unwrap();
    text.push_str(&run(&["registry", "rotate"]));
    // Who may only pull is told as such.
    let pulls = roster.replace("{env: PEOPLE}", "{env: PEOPLE}, access: pull");
    std::fs::write(folder.path().join("roster.yaml"), pulls).unwrap();
    text.push_str(&run(&["registry", "credentials"]));
    // As `kwo import` draws it up.
    let taken = "apiVersion: kwo/v1\nkind: Roster\nregistry:\n  hosts: [registry.example.com]\n  users:\n    docker: \
                 {password: {kube: kube-system/registry-auth/password}}\n";
    std::fs::write(folder.path().join("roster.yaml"), taken).unwrap();
    text.push_str(&run(&["registry", "rotate"]));
    std::fs::write(folder.path().join("roster.yaml"), "apiVersion: kwo/v1\nkind: Roster\n").unwrap();
    text.push_str(&run(&["registry", "credentials"]));
    text.push_str(&run(&["registry", "status"]));
    snapshot("registry", &text);
}

/// A directory is in agreement without Secrets, and a plan names what does not work like that.
#[test]
fn what_does_not_work_without_a_secret_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let roster = "apiVersion: kwo/v1\nkind: Roster\ncluster: {name: one}\nregistry:\n  hosts: [registry.example.com]\n  \
                  users: {docker: {password: {generate: 32}}}\n";
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    transcript(folder.path(), &["apply", "--yes", "--target", "dir:out"]);
    let said = transcript(folder.path(), &["plan", "--target", "dir:out"]);
    let told = "kube:Secret/kube-system/registry-auth: not looked at: a directory of manifests takes no secrets; \
                kube:Deployment/kube-system/registry does not work without it";
    assert!(said.contains("No changes.") && said.contains(told), "{said}");
    // Nobody needs the key of fingerprints.
    let alone =
        "kube:Secret/kube-system/kwo-fingerprint: not looked at: a directory of manifests takes no secrets\n";
    assert!(said.contains(alone), "{said}");
}
