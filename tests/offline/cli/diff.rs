//! `kwo diff`: two rosters told apart, from files and from the revisions of a real repository of git.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::{snapshot, transcript, transcript_with};

const BEFORE: &str = "apiVersion: kwo/v1
kind: Roster
include: [tenants/*.yaml]
tenants:
  alice: {owners: [alice@example.com], quota: {pods: 20}}
";

const AFTER: &str = "apiVersion: kwo/v1
kind: Roster
include: [tenants/*.yaml]
tenants:
  alice: {owners: [alice@example.com, anna@example.com], quota: {pods: 10}}
  carol: {owners: [carol@example.com]}
";

const BOB: &str = "tenants:\n  bob: {owners: [bob@example.com]}\n";

/// Git in this folder, with settings of its own alone.
fn git(folder: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", folder)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")])
        .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A repository: `v1` has alice and bob, `main` has alice and carol, and bob is gone.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    git(path, &["init", "--quiet"]);
    write(path, "roster.yaml", BEFORE);
    write(path, "tenants/bob.yaml", BOB);
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "-m", "one"]);
    git(path, &["tag", "v1"]);
    git(path, &["branch", "side"]);
    write(path, "roster.yaml", AFTER);
    write(path, "tenants/bob.yaml", "tenants: {}\n");
    git(path, &["commit", "--quiet", "-am", "two"]);
    folder
}

/// With git to be found.
fn run(folder: &Path, args: &[&str]) -> String {
    transcript_with(folder, args, &[("PATH", &std::env::var("PATH").unwrap())])
}

#[test]
fn two_revisions_and_two_files_read_as_written() {
    let folder = repository();
    let path = folder.path();
    write(path, "before.yaml", &BEFORE.replace("include: [tenants/*.yaml]\n", ""));
    write(path, "after.yaml", &AFTER.replace("include: [tenants/*.yaml]\n", ""));
    write(path, "broken.yaml", "apiVersion: kwo/v1\nkind: Roster\ntenant: {}\n");
    let mut text = String::new();
    for args in [
        &["diff", "v1", "HEAD"][..],
        &["diff", "v1..main", "--summary"],
        &["diff", "before.yaml", "after.yaml", "--tenant", "alice"],
        &["diff", "v1", "main", "-o", "markdown"],
        &["diff", "main", "--detailed-exitcode"],
        &["diff", "v1", "--exit-code", "--summary"],
        &["diff", "mian", "HEAD"],
        &["diff", "v1:nothing.yaml", "HEAD"],
        &["diff", "broken.yaml", "before.yaml"],
    ] {
        text.push_str(&run(path, args));
        text.push('\n');
    }
    snapshot("diff", &text);
}

#[test]
fn every_way_to_name_the_two_comes_to_the_same() {
    let folder = repository();
    let path = folder.path();
    let json = |folder: &Path, args: &[&str]| {
        let said = run(folder, &[args, &["-o", "json"]].concat());
        let (_, rest) = said.split_once('\n').unwrap();
        let json = rest.split("---- stderr").next().unwrap();
        serde_json::from_str::<serde_json::Value>(json).unwrap_or_else(|error| panic!("{error}: {said}"))
    };
    let first = json(path, &["diff", "v1", "main"]);
    assert_eq!((&first["kind"], &first["from"]["roster"]), (&"Diff".into(), &"v1:roster.yaml".into()));
    assert!(first["to"]["commit"].as_str().unwrap().len() == 40, "{first}");
    let ids = |diff: &serde_json::Value, part: &str| -> Vec<String> {
        diff[part].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(ids(&first, "steps").contains(&"kube:Namespace/carol".to_owned()), "{first}");
    assert!(ids(&first, "leftovers").contains(&"kube:Namespace/bob".to_owned()), "{first}");
    let below = path.join("tenants");
    for (folder, args) in [
        (path, &["diff", "v1..main"][..]),
        (path, &["diff", "v1.."]),
        (path, &["diff", "side...main"]),
        (path, &["diff", "v1"]),
        (path, &["diff", "HEAD~1", "roster.yaml"]),
        (path, &["diff", "v1:roster.yaml", "main:./roster.yaml"]),
        (&below, &["diff", "v1", "HEAD", "-f", "../roster.yaml"]),
        (&below, &["diff", "v1:roster.yaml", "../roster.yaml"]),
    ] {
        let other = json(folder, args);
        assert_eq!(ids(&other, "steps"), ids(&first, "steps"), "{args:?}");
        assert_eq!(ids(&other, "leftovers"), ids(&first, "leftovers"), "{args:?}");
    }
    // The other way round: what is new becomes what is left over.
    assert!(
        ids(&json(path, &["diff", "main..v1"]), "leftovers").contains(&"kube:Namespace/carol".to_owned())
    );
    // A second work tree and a bare clone are repositories, too.
    git(path, &["worktree", "add", "--quiet", "--detach", "tree", "main"]);
    git(path, &["clone", "--quiet", "--bare", ".", "bare"]);
    for folder in ["tree", "bare"] {
        assert_eq!(ids(&json(&path.join(folder), &["diff", "v1", "HEAD"]), "steps"), ids(&first, "steps"));
    }
}

#[test]
fn a_roster_does_not_differ_from_itself() {
    let folder = tempfile::tempdir().unwrap();
    let examples = std::fs::read_dir("examples").unwrap().map(|entry| entry.unwrap().path());
    let examples = examples.filter(|path| path.is_file() && !path.ends_with("kwo.yaml"));
    for example in examples.chain(["roster.example.yaml".into()]) {
        let example = std::fs::canonicalize(example).unwrap();
        let example = example.to_str().unwrap();
        let said = transcript(folder.path(), &["diff", example, example, "--exit-code"]);
        assert!(said.contains("No differences.") && said.ends_with("---- exit 0 ----\n"), "{said}");
    }
}

#[test]
fn a_restart_that_a_file_of_the_node_asks_for_is_part_of_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let node = |hosts: &str| {
        format!(
            "apiVersion: kwo/v1\nkind: Roster\ncluster: {{api: {{hosts: [{hosts}]}}, node: {{name: node-1}}}}\n"
        )
    };
    write(folder.path(), "before.yaml", &node("api.example.com"));
    write(folder.path(), "after.yaml", &node("api.example.com, b.example.com"));
    let said = transcript(folder.path(), &["diff", "before.yaml", "after.yaml"]);
    assert!(said.contains("disruptive: k3s is restarted") && said.contains("0 held"), "{said}");
}

#[test]
fn nothing_that_the_settings_of_a_repository_name_is_run() {
    let folder = repository();
    let path = folder.path();
    // As git leaves a clone that lacks files: it would fetch them, by a program that the settings name.
    let object = |args: &[&str]| {
        let told = Command::new("git").args(args).current_dir(path).output().unwrap();
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    };
    let blob = object(&["rev-parse", "v1:roster.yaml"]);
    std::fs::remove_file(path.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let ran = path.join("ran");
    for (key, value) in [
        ("remote.origin.url", format!("ext::touch {}", ran.display())),
        ("remote.origin.promisor", "true".to_owned()),
        ("extensions.partialClone", "origin".to_owned()),
        ("core.repositoryformatversion", "1".to_owned()),
        ("protocol.allow", "always".to_owned()),
        ("protocol.ext.allow", "always".to_owned()),
        ("core.fsmonitor", format!("touch {}", ran.display())),
        ("core.sshCommand", format!("touch {}", ran.display())),
    ] {
        git(path, &["config", key, &value]);
    }
    let said = run(path, &["diff", "v1", "main"]);
    assert!(said.contains("`v1` cannot be read") && said.ends_with("---- exit 1 ----\n"), "{said}");
    assert!(!ran.exists(), "a program of the repository was run: {said}");
}

#[test]
fn what_is_too_much_in_a_commit_is_refused() {
    let folder = repository();
    let path = folder.path();
    write(path, "roster.yaml", &format!("{AFTER}# {}\n", "x".repeat(9 << 20)));
    git(path, &["commit", "--quiet", "-am", "long"]);
    let said = run(path, &["diff", "v1", "HEAD"]);
    assert!(said.contains("HEAD:roster.yaml") && said.ends_with("---- exit 1 ----\n"), "{said}");
    git(path, &["rm", "--quiet", "roster.yaml"]);
    std::os::unix::fs::symlink("tenants/bob.yaml", path.join("roster.yaml")).unwrap();
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "-m", "link"]);
    let said = run(path, &["diff", "v1", "HEAD"]);
    assert!(said.contains("there is no file roster.yaml in `HEAD`"), "{said}");
}
