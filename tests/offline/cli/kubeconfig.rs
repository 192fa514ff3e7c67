//! `kwo kubeconfig` without a cluster: what it prints for people, and what it refuses before it asks anybody.

use std::path::Path;

use crate::cli::{snapshot, transcript};

const ROSTER: &str =
    "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {namespaces: [alice-prod, alice-dev, no, 012]}}\n";
const OIDC: &str = "cluster:\n  name: prod\n  api: {hosts: [\"fd00::1\"]}\n  \
oidc: {issuer: https://login.example.com/, client: kwo, scopes: [openid, email, groups]}\n";

/// A folder with a roster and an admin's kubeconfig, whose certificate authority is a file beside it.
fn folder(cluster: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("roster.yaml", &format!("{ROSTER}{cluster}"));
    write("ca.pem", "-----BEGIN CERTIFICATE-----\nbm90IHJlYWxseQ==\n-----END CERTIFICATE-----\n");
    // Whoever logs in with the admin's kubeconfig leaves a trace.
    write("login", &format!("#!/bin/sh\n: > {}\n", folder.path().join("ran").display()));
    testkit::programs::runnable(&folder.path().join("login"));
    write("admin", &admin(folder.path(), "certificate-authority: ca.pem"));
    folder
}

fn admin(folder: &Path, how: &str) -> String {
    let login = folder.join("login");
    let login = login.display();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n\
clusters: [{{name: a, cluster: {{server: 'https://127.0.0.1:6443', tls-server-name: inside, {how}}}}}]\n\
users: [{{name: a, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {login}, \
env: [{{name: X, value: hunter2}}]}}}}}}]\n"
    )
}

fn kwo(folder: &Path, args: &[&str]) -> String {
    transcript(folder, &[&["kubeconfig", "--kubeconfig", "admin"], args].concat())
}

#[test]
fn people_get_one_without_credentials() {
    let with = folder(OIDC);
    let mut text = kwo(with.path(), &["--oidc"]);
    text += &kwo(with.path(), &["--oidc", "alice-prod", "-o", "json"]);
    // What other readers of YAML would take for something else.
    text += &kwo(with.path(), &["--oidc", "no"]);
    text += &kwo(with.path(), &["--oidc", "012"]);
    // Where the roster names no host, it is the server of the kubeconfig in use, by the name of its certificate.
    let inside = folder(&OIDC.replace("  api: {hosts: [\"fd00::1\"]}\n", ""));
    text += &kwo(inside.path(), &["--oidc"]);
    snapshot("kubeconfig", &text);
    assert!(!text.contains("hunter2"), "{text}");
    for folder in [&with, &inside] {
        assert!(!folder.path().join("ran").exists());
    }
    // A token takes a login, so the trace is one.
    kwo(with.path(), &["alice-prod"]);
    assert!(with.path().join("ran").exists());
}

#[test]
fn what_cannot_be_is_told() {
    let folder = folder("");
    let mut text = String::new();
    for args in [
        &["roster.yaml", "--oidc"][..],
        &["alice"],
        &[],
        &["alice-prod", "--oidc"],
        &["alice-prod", "--oidc", "--duration", "1h"],
        &["alice-prod", "--duration", "5m"],
        &["alice-prod", "--as-group", "x"],
    ] {
        text += &kwo(folder.path(), args);
    }
    std::fs::write(folder.path().join("admin"), admin(folder.path(), "insecure-skip-tls-verify: true"))
        .unwrap();
    text += &kwo(folder.path(), &["alice-prod"]);
    std::fs::write(folder.path().join("roster.yaml"), format!("{ROSTER}{OIDC}")).unwrap();
    std::fs::write(folder.path().join("admin"), admin(folder.path(), "certificate-authority: ca.pem"))
        .unwrap();
    std::os::unix::fs::symlink("roster.yaml", folder.path().join("link")).unwrap();
    text += &kwo(folder.path(), &["--oidc", "--out", "link"]);
    snapshot("kubeconfig_refused", &text);
    let roster = std::fs::read_to_string(folder.path().join("roster.yaml")).unwrap();
    assert_eq!(roster, format!("{ROSTER}{OIDC}"));
}

#[test]
fn an_empty_current_context_is_none_and_the_next_file_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("roster.yaml", ROSTER);
    write(
        "first",
        "apiVersion: v1\nkind: Config\ncurrent-context: \"\"\nclusters: []\ncontexts: []\nusers: []\n",
    );
    write(
        "second",
        "apiVersion: v1\nkind: Config\ncurrent-context: b\ncontexts: [{name: b, context: {cluster: b, user: b}}]\n\
clusters: [{name: b, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: b, user: {}}]\n",
    );
    for files in ["first:second", "missing:first:second", "second:first"] {
        let text = crate::cli::transcript_with(
            folder.path(),
            &["plan", "--api-wait", "0s"],
            &[("KUBECONFIG", files)],
        );
        assert!(text.contains("http://127.0.0.1:1") && !text.contains("current context"), "{files}: {text}");
    }
}
