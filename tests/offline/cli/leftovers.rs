//! What is left over in a directory of manifests: never called agreement, and ended by the commands that are shown.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cli::transcript;

fn write(folder: &Path, roster: &str) {
    let text = format!("apiVersion: kwo/v1\nkind: Roster\n{roster}\n");
    std::fs::write(folder.join("roster.yaml"), text).unwrap();
}

fn plan(folder: &Path) -> Value {
    let text = transcript(folder, &["plan", "--target", "dir:d", "-o", "json"]);
    let from = text.find('\n').unwrap() + 1;
    serde_json::from_str(&text[from..text.find("---- stderr").unwrap()]).unwrap()
}

/// As a person pastes it, with an editor that takes out all lines about mallory.
fn paste(folder: &Path, line: &str) {
    let line = line.replace("FOLDER", &folder.to_string_lossy());
    let editor = folder.join("editor");
    std::fs::write(&editor, "sed -i /mallory/d \"$1\"\n").unwrap();
    let editor = format!("sh {}", editor.display());
    let status = Command::new("sh").args(["-c", &line]).env("EDITOR", editor).status().unwrap();
    assert!(status.success(), "{line}");
}

#[test]
fn every_command_ends_what_it_stands_at() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stay = "stay: {owners: [bob@example.com]}";
    write(
        folder,
        "operators: {viktor: {identity: viktor@example.com, role: admin}}\n\
         tenants:\n  gone: {namespaces: [gone-a, gone-b], owners: [alice@example.com]}\n  stay: {owners: [bob@example.com, carol@example.com]}",
    );
    let apply = &["apply", "--target", "dir:d", "--yes"];
    assert!(transcript(folder, apply).contains("In agreement"));
    write(folder, &format!("tenants:\n  {stay}"));
    // Somebody writes a subject of their own into what is still wanted.
    let file = folder.join("d/namespaces/stay/rolebinding-bob-admin.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mallory = "- {apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory@example.com}\n";
    std::fs::write(&file, text.replace("subjects:\n", &format!("subjects:\n{mallory}"))).unwrap();
    let said = transcript(folder, apply);
    assert!(said.contains("Converged, but 1") && said.contains("grants are left: "), "{said}");
    assert!(!said.contains("In agreement") && said.ends_with("---- exit 0 ----\n"), "{said}");
    for command in ["plan", "apply"] {
        let said = transcript(folder, &[command, "--target", "dir:d", "--fail-on", "leftover-access"]);
        assert!(said.ends_with("---- exit 5 ----\n"), "{said}");
        assert_eq!(said.matches("delete").count(), 0, "{said}");
    }
    let markdown = transcript(folder, &["plan", "--target", "dir:d", "-o", "markdown"]);
    assert!(markdown.contains("**Not in agreement**") && !markdown.contains("Nothing to do"), "{markdown}");
    let left = plan(folder);
    let left = left["leftovers"].as_array().unwrap();
    let access = left.iter().filter(|left| left["grants"].is_string()).count();
    assert!(left.len() > access && access > 8, "{left:#?}");
    // First the rights alone, then the rest; what goes with its namespace has no command of its own to be pasted.
    for left in left.iter().filter_map(|left| left["rights_command"].as_str()) {
        paste(folder, left);
    }
    let now = plan(folder);
    let inside = |left: &&Value| left["within"].is_string() && left["grants"].is_string();
    assert_eq!(now["leftovers"].as_array().unwrap().iter().filter(inside).count(), 0, "{now:#}");
    for left in left.iter().filter(|left| left["within"].is_null()) {
        paste(folder, left["command"].as_str().unwrap());
    }
    assert_eq!(plan(folder)["leftovers"].as_array().unwrap().len(), 0);
    assert!(transcript(folder, apply).contains("In agreement: nothing to do"));
}

#[test]
fn another_roster_is_refused_and_a_moved_one_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (place, roster) in [
        ("one", "tenants: {alice: }"),
        ("two", "tenants: {bob: }"),
        ("named", "cluster: {name: prod}\ntenants: {alice: }"),
        ("moved", "cluster: {name: prod}\ntenants: {alice: }"),
        ("other", "cluster: {name: test}\ntenants: {alice: }"),
    ] {
        std::fs::create_dir(folder.join(place)).unwrap();
        write(&folder.join(place), roster);
    }
    let run = |command: &str, place: &str, more: &[&str]| {
        let roster = format!("{place}/roster.yaml");
        transcript(folder, &[&[command, &roster, "--target", "dir:d"], more].concat())
    };
    let refused = |command: &str, place: &str, more: &[&str], keeper: &str| {
        let said = run(command, place, more);
        assert!(said.ends_with("---- exit 5 ----\n") && said.contains(keeper), "{said}");
        assert!(
            said.contains("--take-over-roster") && !said.contains("rm -f") && !said.contains("agreement"),
            "{said}"
        );
    };
    let passes = |command: &str, place: &str, more: &[&str]| {
        let said = run(command, place, more);
        assert!(said.ends_with("---- exit 0 ----\n"), "{said}");
        said
    };
    passes("plan", "one", &[]);
    passes("apply", "one", &["--yes"]);
    assert!(passes("plan", "one", &[]).contains("\nkept by the roster FOLDER/one/roster.yaml\n"));
    for command in ["plan", "apply"] {
        refused(
            command,
            "two",
            &["--full"],
            "d is kept by the roster FOLDER/one/roster.yaml, and this is another roster",
        );
    }
    // Named where it is, it can be moved; a name of another cluster is another roster, wherever it is.
    passes("apply", "named", &["--yes", "--take-over-roster"]);
    assert!(passes("apply", "moved", &["--yes"]).contains("In agreement"));
    refused("apply", "other", &["--yes"], "is kept by the roster of the cluster `prod`");
    refused("plan", "two", &[], "is kept by the roster of the cluster `prod`");
    passes("plan", "two", &["--roster-id", "prod"]);
    passes("apply", "other", &["--yes", "--take-over-roster"]);
    refused("plan", "moved", &[], "is kept by the roster of the cluster `test`");
    // Who takes over and has no name leaves none to the one before.
    passes("apply", "two", &["--yes", "--take-over-roster"]);
    passes("plan", "two", &[]);
    refused("plan", "other", &[], "is kept by the roster FOLDER/two/roster.yaml");
    // Named from the first, so that nothing is known of a place: a roster without a name is another one.
    let named =
        |args: &[&str]| transcript(folder, &[&["apply", "--target", "dir:e", "--yes"], args].concat());
    assert!(named(&["named/roster.yaml"]).ends_with("---- exit 0 ----\n"));
    let said = named(&["two/roster.yaml"]);
    assert!(
        said.contains("is kept by the roster of the cluster `prod`") && said.ends_with("---- exit 5 ----\n"),
        "{said}"
    );
}

/// Changes the record of who keeps a directory, by the lines of its file.
fn record(folder: &Path, change: impl Fn(&str) -> Option<String>) {
    let file = folder.join("d/cluster/clusterrole-kwo-navigation.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.lines().filter_map(change).map(|line| line + "\n").collect::<String>())
        .unwrap();
}

#[test]
fn plan_and_apply_agree_on_who_keeps_a_directory() {
    for head in ["cluster: {name: prod}\n", ""] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, &format!("{head}tenants: {{alice: , bob: }}"));
        let run = |args: &[&str]| transcript(folder, &[args, &["--target", "dir:d"]].concat());
        let passes = |args: &[&str]| {
            let said = run(args);
            assert!(said.ends_with("---- exit 0 ----\n"), "{said}");
            said
        };
        let lost = || record(folder, |line| (!line.contains("kwo.dev/roster")).then(|| line.to_owned()));
        let kept = || {
            let file = folder.join("d/cluster/clusterrole-kwo-navigation.yaml");
            std::fs::read_to_string(file).unwrap().contains("kwo.dev/roster-")
        };
        // On a new directory and on one that lost it, a saved plan writes it as well.
        for _ in 0..2 {
            passes(&["plan", "--out", "p.json"]);
            passes(&["apply", "roster.yaml", "--plan", "p.json", "--yes"]);
            assert!(kept());
            assert!(passes(&["plan"]).contains("0 to create, 0 to extend, 0 to revise"));
            lost();
            assert!(passes(&["plan"]).contains("0 to create, 1 to extend, 0 to revise"));
        }
        // While it is lost, a roster with none of the tenants is another one; one with some of them is told of the rest.
        let another = |tenants: &str| {
            write(folder, &format!("cluster: {{name: other}}\ntenants: {{{tenants}}}"));
        };
        another("zoe: ");
        for args in [&["plan"][..], &["apply", "--yes"]] {
            let said = run(args);
            assert!(
                said.contains("has the tenants `alice`, `bob`, this roster names none")
                    && said.ends_with("---- exit 5 ----\n"),
                "{said}"
            );
            assert!(
                said.contains("is it the directory that you mean?") && !said.contains("--kubeconfig"),
                "{said}"
            );
        }
        another("alice: , zoe: ");
        assert!(
            passes(&["plan"])
                .contains("\n! nothing there says which roster keeps it, and it has the tenant `bob`")
        );
        // What stands there and cannot be read is not missing.
        record(folder, |line| (!line.starts_with("kind:")).then(|| format!("{line}\n\t: [")));
        assert!(run(&["plan"]).contains("\n! kwo does not know which roster keeps it"));
        let said = run(&["apply", "--yes"]);
        assert!(
            said.contains("d may be kept by another roster") && said.ends_with("---- exit 5 ----\n"),
            "{said}"
        );
        assert!(!folder.join("d/cluster/namespace-zoe.yaml").exists());
    }
}

#[test]
fn what_others_add_inside_an_object_of_kwos_is_no_agreement() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(
        folder,
        "registry: {hosts: [r.example.com], users: {ci: {password: {generate: 32}}}}\ncluster: {acme: {email: ops@example.com}}\ntenants: {alice: }",
    );
    let said = transcript(folder, &["apply", "--target", "dir:d", "--yes"]);
    assert!(!said.contains("does what others added to it"), "{said}");
    let before = plan(folder)["leftovers"].as_array().unwrap().len();
    let change = |file: &str, from: &str, to: &str| {
        let file = folder.join("d").join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    };
    change(
        "namespaces/kube-system/ingress-registry-r.example.com.yaml",
        "      paths:\n",
        "      paths:\n      - {path: /v2, pathType: Prefix, backend: {service: {name: evil, port: {number: 80}}}}\n",
    );
    change(
        "namespaces/kube-system/deployment-registry.yaml",
        "      containers:\n",
        "      hostNetwork: true\n      containers:\n      - {name: second, image: x}\n",
    );
    change(
        "cluster/clusterrole-kwo-navigation.yaml",
        "kind:",
        "aggregationRule: {clusterRoleSelectors: [{matchLabels: {x: y}}]}\nkind:",
    );
    let now = plan(folder);
    let left: Vec<&str> =
        now["leftovers"].as_array().unwrap().iter().filter_map(|left| left["pointer"].as_str()).collect();
    for pointer in [
        "/spec/rules/0/http/paths/0",
        "/spec/template/spec/containers/0",
        "/spec/template/spec/hostNetwork",
        "/aggregationRule",
    ] {
        assert!(left.contains(&pointer), "{left:?}");
    }
    assert_eq!(left.len(), before + 4, "{left:?}");
    let said = transcript(folder, &["plan", "--target", "dir:d"]);
    assert!(
        said.contains("Not in agreement")
            && said.contains("does what others added to it")
            && said.contains("aggregationRule gathers"),
        "{said}"
    );
}
