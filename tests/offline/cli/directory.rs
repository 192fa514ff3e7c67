//! A directory in which others have files of their own: what can be read is seen, and what cannot is never taken for absent.

use std::fs;
use std::path::Path;

use crate::cli::transcript;

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\ntenants: {a: }\n";
const THEIRS: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";

fn plan(folder: &Path) -> String {
    transcript(folder, &["plan", "--target", "dir:d"])
}

fn folder(file: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    fs::write(folder.path().join("d").join(file), text).unwrap();
    folder
}

#[test]
fn what_can_be_read_of_a_file_is_seen() {
    let broken = format!("{THEIRS}---\nkey: [unclosed\n");
    let json = |name: &str| {
        format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {{\"name\": \"{name}\"}}}}\n"
        )
    };
    for (file, text) in [("n.yaml", broken), ("n.json", json("b") + &json("a"))] {
        let folder = folder(file, &text);
        let said = plan(folder.path());
        assert!(said.contains(&format!("it is in {file}; kwo looks for it in")), "{said}");
        assert!(said.ends_with("---- exit 5 ----\n") && !said.contains("+ kube:Namespace/a"), "{said}");
    }
}

#[test]
fn what_may_stand_in_a_file_that_cannot_be_read_is_held() {
    let template = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {{ .Values.name }}\n";
    for (text, line) in
        [(template, "line 4"), ("kind: Namespace\n---\nkind: Namespace\nkey: [unclosed\n", "line 4")]
    {
        let folder = folder("n.yaml", text);
        let said = plan(folder.path());
        assert!(said.contains(&format!("n.yaml: {line}")), "{said}");
        assert!(said.ends_with("---- exit 5 ----\n") && !said.contains("+ kube:Namespace/a"), "{said}");
        assert!(!said.contains("In agreement"), "{said}");
        fs::rename(folder.path().join("d/n.yaml"), folder.path().join("n.yaml")).unwrap();
        let said = plan(folder.path());
        assert!(said.contains("+ kube:Namespace/a") && said.ends_with("---- exit 0 ----\n"), "{said}");
    }
}

#[test]
fn bindings_in_a_file_that_cannot_be_read_are_not_called_none() {
    let folder = folder("later.txt", "");
    let folder = folder.path();
    assert!(transcript(folder, &["apply", "--target", "dir:d", "--yes"]).contains("In agreement"));
    fs::write(folder.join("d/values.yaml"), "a: {b: 1}\n").unwrap();
    fs::write(folder.join("d/pods.yaml"), "kind: Pod\nname: {{ a }}\n").unwrap();
    let said = plan(folder);
    assert!(
        !said.contains("cannot be read") && said.contains("0 to create") && said.contains(" 0 held"),
        "{said}"
    );
    fs::write(folder.join("d/pods.yaml"), "kind: RoleBinding\nname: {{ a }}\n").unwrap();
    let said = plan(folder);
    assert!(said.contains("kwo does not know what others gave: kwo cannot read pods.yaml: "), "{said}");
}

fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_told_at_once_and_never_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = |args: &[&str]| transcript(folder.path(), args);
    fs::write(path("roster.yaml"), ROSTER).unwrap();
    let apply = ["apply", "--target", "dir:d", "--yes"];
    assert!(run(&apply).ends_with("---- exit 0 ----\n"));

    let object = "d/namespaces/a/resourcequota-a-quota.yaml";
    pipe(&path(object));
    fs::remove_file(path("d/namespaces/a/limitrange-a-limits.yaml")).unwrap();
    for said in [plan(folder.path()), run(&apply)] {
        let why = "resourcequota-a-quota.yaml: it is a named pipe, where a regular file is expected";
        assert!(said.contains(why) && said.ends_with("---- exit 5 ----\n"), "{said}");
    }
    // Nothing else waits for it, and nothing takes its place.
    assert!(path("d/namespaces/a/limitrange-a-limits.yaml").is_file());
    assert!(!fs::symlink_metadata(path(object)).unwrap().is_file());

    fs::remove_file(path(object)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path(object)).unwrap();
    let said = plan(folder.path());
    assert!(said.contains("it is a socket, where a regular file is expected"), "{said}");
    fs::remove_file(path(object)).unwrap();

    pipe(&path("d/.kwo.lock"));
    let said = run(&apply);
    assert!(said.contains("cannot lock d/.kwo.lock: it is a named pipe"), "{said}");
    assert!(!path(object).exists());
}

#[test]
fn a_pipe_that_lies_where_a_file_is_named_is_not_waited_for_either() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    pipe(&folder.path().join("pipe"));
    for args in [
        &["plan", "--kubeconfig", "pipe"][..],
        &["apply", "pipe", "--target", "dir:d", "--yes"],
        &["sync", "--settings", "pipe"],
        &["plan", "pipe", "--target", "dir:d"],
    ] {
        let said = transcript(folder.path(), args);
        assert!(
            said.contains("it is a named pipe, where") || said.contains("is not a regular file"),
            "{args:?}: {said}"
        );
    }
}
