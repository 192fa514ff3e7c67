//! `kwo offboard` of a directory, which needs no cluster: files move away and come back to the byte. And nothing that plans or
//! applies knows the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::{transcript, transcript_with};

const BOTH: &str = "apiVersion: kwo/v1
kind: Roster
tenants:
  alice: {owners: [alice@example.com, bob@example.com]}
  shop: {owners: [bob@example.com]}
";

const CUT: [&str; 9] = [
    "offboard",
    "alice",
    "--target",
    "dir:out",
    "--stage",
    "cut",
    "--yes",
    "--confirm",
    "offboard alice (1 namespace)",
];

/// The hidden files that `kubectl apply -R`, or a controller of a git repository, would apply.
fn hidden_manifests(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let (top, mut folders) = (folder, vec![folder.join("out")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false
                    if name.contains("/.")
                        && [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)) =>
                {
                    found.push(name);
                }
                false => {}
            }
        }
    }
    found
}

/// Every file that is applied with the directory.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.join("out")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap().to_string_lossy().starts_with('.') {
                true => {}
                false if path.is_dir() => folders.push(path),
                false => drop(found.insert(path.clone(), std::fs::read_to_string(&path).unwrap())),
            }
        }
    }
    found
}

fn applied(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), text).unwrap();
    let said = transcript(folder.path(), &["apply", "--target", "dir:out", "--yes"]);
    assert!(said.contains("exit 0"), "{said}");
    folder
}

#[test]
fn files_go_and_come_back_to_the_byte() {
    let folder = applied(BOTH);
    let path = folder.path();
    // A person's comment is not in any record, and comes back as well.
    let theirs = path.join("out/namespaces/alice/rolebinding-alice-admin.yaml");
    let text = std::fs::read_to_string(&theirs).unwrap();
    std::fs::write(&theirs, format!("# agreed with Alice\n{text}")).unwrap();
    let before = files(path);
    let said = transcript(path, &["offboard", "alice", "--target", "dir:out"]);
    for expected in ["bob@example.com stays admin of shop", "roster.yaml:4:3: alice:", "Nothing was changed"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(files(path), before);
    let said = transcript(path, &CUT);
    assert!(said.contains("exit 0"), "{said}");
    let gone: Vec<String> = before
        .keys()
        .filter(|file| !file.exists())
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        gone,
        [
            "clusterrolebinding-kwo-navigation%3Aalice%3Aalice.yaml",
            "clusterrolebinding-kwo-navigation%3Aalice%3Abob.yaml",
            "rolebinding-alice-admin.yaml",
            "rolebinding-bob-admin.yaml",
            "rolebinding-deployer-binding.yaml",
            "serviceaccount-deployer.yaml"
        ],
        "{said}"
    );
    let rest: BTreeMap<_, _> = before.iter().filter(|(file, _)| file.exists()).collect();
    assert_eq!(rest, files(path).iter().collect(), "what stays is as it was");
    assert_eq!(hidden_manifests(path), [""; 0], "nobody who applies the directory brings back what was cut");
    // An older kwo called its record otherwise.
    let record = path.join("out/.kwo.offboard-tenant-alice");
    let older = record.with_extension("offboard-tenant-alice.json");
    let undo =
        ["offboard", "alice", "--target", "dir:out", "--undo", "--yes", "--confirm", "undo alice (6 cuts)"];
    std::fs::write(&older, "{}").unwrap();
    let said = transcript(path, &undo);
    assert!(said.contains("are two records of one offboarding") && said.contains("exit 1"), "{said}");
    // A run was killed between the two names.
    std::fs::copy(&record, &older).unwrap();
    let said = transcript(path, &undo);
    assert!(said.contains("exit 0"), "{said}");
    assert_eq!(files(path), before);
    assert_eq!(hidden_manifests(path), [""; 0], "the record has its new name");
    let said = transcript(path, &["plan", "--target", "dir:out", "--detailed-exitcode"]);
    assert!(said.contains("exit 0"), "{said}");
    std::fs::rename(&record, &older).unwrap();
    let said = transcript(path, &undo);
    assert!(said.contains("There is nothing to take back"), "{said}");
}

#[test]
fn of_a_file_with_other_objects_in_it_only_the_part_goes_and_comes_back_to_the_byte() {
    let folder = applied(BOTH);
    let path = folder.path();
    let inside = path.join("out/namespaces/alice");
    let read = |name: &str| std::fs::read_to_string(inside.join(name)).unwrap();
    let theirs =
        "# of somebody else\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: alice}\n";
    let all = format!(
        "{}--- # two\n{theirs}---\n{}",
        read("rolebinding-alice-admin.yaml"),
        read("rolebinding-bob-admin.yaml")
    );
    std::fs::remove_file(inside.join("rolebinding-bob-admin.yaml")).unwrap();
    std::fs::remove_file(inside.join("rolebinding-alice-admin.yaml")).unwrap();
    std::fs::write(inside.join("all.yaml"), &all).unwrap();
    let before = files(path);
    let said = transcript(path, &CUT);
    assert!(said.contains("exit 0"), "{said}");
    assert_eq!(read("all.yaml"), format!("--- # two\n{theirs}"), "{said}");
    assert_eq!(hidden_manifests(path), [""; 0]);
    let undo =
        ["offboard", "alice", "--target", "dir:out", "--undo", "--yes", "--confirm", "undo alice (6 cuts)"];
    let said = transcript(path, &undo);
    assert!(said.contains("exit 0"), "{said}");
    assert_eq!(files(path), before);
}

#[test]
fn of_a_binding_with_others_in_it_a_persons_entry_goes_and_comes_back_to_the_byte() {
    let folder = applied(BOTH);
    let path = folder.path();
    let file = path.join("out/namespaces/alice/rolebinding-bob-admin.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let more =
        "# agreed with Eve\n- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: eve@example.com\n";
    let at = text.find("subjects:\n").unwrap() + "subjects:\n".len();
    std::fs::write(&file, format!("{}{more}{}", &text[..at], &text[at..])).unwrap();
    let before = files(path);
    let who = ["offboard", "--person", "eve@example.com", "--target", "dir:out"];
    let run = |more: &[&str]| transcript(path, &[&who[..], &["--yes"], more].concat());
    let said = run(&["--stage", "cut", "--confirm", "offboard --person eve@example.com (1 cut)"]);
    assert!(said.contains("exit 0"), "{said}");
    let after = std::fs::read_to_string(&file).unwrap();
    assert!(!after.contains("  name: eve@example.com\n") && after.contains("bob@example.com"), "{after}");
    let said = run(&["--undo", "--confirm", "undo --person eve@example.com (1 cut)"]);
    assert!(said.contains("exit 0"), "{said}");
    assert_eq!(files(path), before);
}

#[test]
fn a_record_that_cannot_be_read_is_no_empty_one() {
    let folder = applied(BOTH);
    let path = folder.path();
    let before = files(path);
    for (text, said) in [
        ("{", "cannot be read"),
        (r#"{"format_version":"2.0"}"#, "which this kwo does not know"),
        (
            r#"{"format_version":"1.0","leaving":{"tenant":"alice"},"target":"/elsewhere","stages":[],"cuts":[],"retain_seconds":0}"#,
            "of another cluster or directory",
        ),
    ] {
        std::fs::write(path.join("out/.kwo.offboard-tenant-alice"), text).unwrap();
        let transcript = transcript(path, &CUT);
        assert!(transcript.contains("exit 1") && transcript.contains(said), "{said}: {transcript}");
        assert_eq!(files(path), before);
    }
}

#[test]
fn that_nothing_is_left_over_is_no_mistake() {
    let folder = applied(BOTH);
    let path = folder.path();
    for (args, said) in [
        (&["--leftovers", "--access"][..], "Nothing is left over that gives anybody a right.\n"),
        (&["--leftovers"], "Nothing is left over.\n"),
    ] {
        let found = transcript(path, &[&["offboard", "--target", "dir:out"], args].concat());
        assert!(found.contains("exit 0") && found.contains(said), "{found}");
        let found =
            transcript(path, &[&["offboard", "--target", "dir:out", "--stage", "cut"], args].concat());
        assert!(found.contains("exit 0") && found.contains("There is nothing to cut"), "{found}");
    }
}

/// What is left over also bounds and isolates, and whoever pastes the command has to know.
#[test]
fn to_cut_what_is_left_over_is_more_than_access() {
    let folder = applied(BOTH);
    let path = folder.path();
    std::fs::write(path.join("roster.yaml"), "apiVersion: kwo/v1\nkind: Roster\ntenants: {}\n").unwrap();
    let look = |args: &[&str]| {
        transcript(path, &[&["offboard", "--target", "dir:out", "--leftovers"], args].concat())
    };
    assert!(look(&[]).contains("--stage cut` takes out all that is listed, also what bounds or isolates"));
    let access = look(&["--access"]);
    assert!(access.contains("--stage cut` ends the access"), "{access}");
}

#[test]
fn an_option_for_somebody_else_is_refused_and_not_passed_over() {
    let folder = applied(BOTH);
    for (args, said) in [
        (&["alice", "--everywhere"][..], "--everywhere is for --person NAME"),
        (&["alice", "--access"], "--access is for --leftovers"),
        (&["--person", "bob@example.com", "--with-foreign"], "--with-foreign is for a tenant"),
        (&["--leftovers", "--with-foreign"], "--with-foreign is for a tenant"),
    ] {
        let found = transcript(folder.path(), &[&["offboard", "--target", "dir:out"], args].concat());
        assert!(found.contains("exit 64") && found.contains(said), "{args:?}: {found}");
    }
}

#[test]
fn a_pipeline_offboards_nobody() {
    let folder = applied(BOTH);
    let before = files(folder.path());
    for variables in [("CI", "true"), ("CI", "1"), ("INVOCATION_ID", "0123")] {
        let said = transcript_with(folder.path(), &CUT, &[variables]);
        assert!(said.contains("exit 64") && said.contains("a person has to type it"), "{said}");
    }
    assert_eq!(files(folder.path()), before);
}

/// Whoever plans, applies, syncs, listens, watches or runs in a pipeline has no way to end anything.
#[test]
fn only_the_command_that_a_person_types_knows_the_way() {
    let mut naming = Vec::new();
    let mut folders = vec![Path::new("src").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let names = ["offboard::", "Cutter", "open_to_leave"].iter().any(|name| text.contains(name));
            if names && path.extension().is_some_and(|of| of == "rs") {
                naming.push(path.display().to_string());
            }
        }
    }
    naming.retain(|path| {
        !["src/planner/offboard/", "src/engine/offboard/"].iter().any(|room| path.starts_with(room))
    });
    naming.sort();
    let own = [
        "src/cli/command.rs",
        "src/cli/mod.rs",
        // It makes objects, and asks which of them a rule forbids.
        "src/commands/import_archive.rs",
        "src/commands/offboard/host.rs",
        "src/commands/offboard/last.rs",
        "src/commands/offboard/mod.rs",
        "src/commands/offboard/next.rs",
        "src/commands/offboard/registry.rs",
        "src/commands/offboard/typed.rs",
        "src/commands/offboard/undo.rs",
        "src/commands/run.rs",
        // It prints the form of what the command prints.
        "src/commands/schema.rs",
        "src/engine/providers/cutter.rs",
        "src/engine/providers/dir/cutter.rs",
        "src/engine/providers/dir/parts.rs",
        "src/engine/providers/dns/cutter.rs",
        "src/engine/providers/kube/cutter.rs",
        "src/engine/providers/kube/users.rs",
        "src/engine/providers/mod.rs",
        "src/engine/providers/node/cutter.rs",
        "src/engine/providers/node/entries.rs",
        "src/engine/providers/vault/cutter.rs",
        // What the Secret of the registry's users becomes; `users.rs` above is alone in asking for it.
        "src/engine/secrets/offboarded.rs",
        "src/engine/target.rs",
        "src/report/offboard.rs",
        "src/report/offboard_json.rs",
    ];
    assert_eq!(naming, own);
}
