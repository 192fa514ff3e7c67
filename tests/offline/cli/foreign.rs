//! Access that is not kwo's, in a directory of manifests: told in every form, and no reason to fail unless that is asked
//! for.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cli::transcript;

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {owners: [alice@example.com]}}\n";

/// A folder with this roster, which was applied to the directory `d` in it.
fn applied(roster: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    kwo(folder.path(), &["apply", "--yes"]);
    folder
}

fn kwo(folder: &Path, args: &[&str]) -> String {
    transcript(folder, &[args, &["--target", "dir:d"]].concat())
}

const BINDING: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: colleague, namespace: alice}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory@example.com}
";

const POLICY: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-all, namespace: alice}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}
";

#[test]
fn a_network_policy_that_opens_what_is_closed_is_told_unless_the_tier_lets_the_tenant_write_it() {
    let roster = |word: &str| {
        format!(
            "apiVersion: kwo/v1\nkind: Roster\ntiers: {{t: {{networkPolicies: {word}}}}}\ntenants: {{alice: {{tier: t}}}}\n"
        )
    };
    let folder = applied(&roster("deny"));
    let folder = folder.path();
    let run = |args: &[&str]| kwo(folder, args);
    std::fs::write(folder.join("d/theirs.yaml"), POLICY).unwrap();
    let shown = run(&["plan"]);
    let said = "not kwo's, opens the network\n  * all others may reach all pods of alice\n      by kube:NetworkPolicy/alice/allow-all; kwo does not remove it; to look at it: cat FOLDER/d/theirs.yaml\n";
    assert!(shown.contains(said) && shown.ends_with("---- exit 0 ----\n"), "{shown}");
    assert!(shown.contains(" unchanged, 1 way through the network not kwo's\n"), "{shown}");
    let page = run(&["plan", "-o", "markdown"]);
    let block = "**Not kwo's, opens the network**\n\n```diff\n* all others may reach all pods of alice, by kube:NetworkPolicy/alice/allow-all\n```\n";
    assert!(page.contains(block) && !page.contains("gives access"), "{page}");
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let strict = run(&[command, &["--fail-on", "foreign-access"]].concat());
        assert!(strict.ends_with("---- exit 5 ----\n"), "{strict}");
    }
    // A file that cannot be read may hold one.
    std::fs::write(folder.join("d/broken.yaml"), "kind: NetworkPolicy\n: [\n").unwrap();
    assert!(run(&["plan"]).contains("kwo does not know what others gave: kwo cannot read broken.yaml: "));
    std::fs::remove_file(folder.join("d/broken.yaml")).unwrap();

    std::fs::write(folder.join("roster.yaml"), roster("allow")).unwrap();
    run(&["apply", "--yes"]);
    let allowed = run(&["plan", "--fail-on", "foreign-access"]);
    assert!(allowed.ends_with("---- exit 0 ----\n") && !allowed.contains("opens the network"), "{allowed}");
    assert!(allowed.contains(" unchanged, 1 network policy of a tenant's own\n"), "{allowed}");
    assert!(run(&["plan", "-o", "json"]).contains("\"own_policies\": 1,"));
}

/// Whoever reads the directory for the cluster takes hidden files and linked ones, too.
#[test]
fn a_binding_in_a_hidden_or_linked_file_is_told_and_a_link_that_leads_elsewhere_is_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = applied(ROSTER);
    let folder = folder.path();
    let run = |args: &[&str]| kwo(folder, args);
    let strict = || run(&["plan", "--fail-on", "foreign-access"]);
    let told = |why: &str| {
        let said = strict();
        assert!(said.contains(why) && said.ends_with("---- exit 5 ----\n"), "{said}");
    };
    let gives = "mallory@example.com is admin";
    for place in ["d/.theirs.yaml", "d/.hidden/deeper/theirs.yaml"] {
        std::fs::create_dir_all(folder.join(place).parent().unwrap()).unwrap();
        std::fs::write(folder.join(place), BINDING).unwrap();
        told(gives);
        std::fs::remove_file(folder.join(place)).unwrap();
    }
    // What no reader would find by its name, but by the link.
    std::fs::write(folder.join("d/theirs.txt"), BINDING).unwrap();
    symlink("theirs.txt", folder.join("d/linked.yaml")).unwrap();
    told(gives);
    std::fs::remove_file(folder.join("d/theirs.txt")).unwrap();
    assert!(strict().ends_with("---- exit 0 ----\n"), "it leads to nothing: {}", strict());
    std::fs::write(folder.join("secret"), "password: hunter2: x\n").unwrap();
    std::fs::remove_file(folder.join("d/linked.yaml")).unwrap();
    symlink("../secret", folder.join("d/linked.yaml")).unwrap();
    told("kwo does not look into linked.yaml: it is a symbolic link that leads out of the directory");
    assert!(!strict().contains("hunter2"));
    std::fs::remove_file(folder.join("d/linked.yaml")).unwrap();
    // git's own files are none of the cluster's.
    std::fs::create_dir(folder.join("d/.git")).unwrap();
    std::fs::write(folder.join("d/.git/theirs.yaml"), BINDING).unwrap();
    assert!(strict().ends_with("---- exit 0 ----\n"), "{}", strict());
    // A link brings them back to whoever follows it.
    for (to, link) in [(".git/theirs.yaml", "d/linked.yaml"), (".git", "d/linked")] {
        symlink(to, folder.join(link)).unwrap();
        told("it is a symbolic link into `.git`, or into what was cut");
        std::fs::remove_file(folder.join(link)).unwrap();
    }
    let deep = folder.join("d").join(vec!["x"; 17].join("/"));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("theirs.yaml"), BINDING).unwrap();
    told("it lies in more than 16 folders");
    std::fs::remove_dir_all(folder.join("d/x")).unwrap();
    // What is called like kwo's own files is none of them.
    std::fs::create_dir_all(folder.join("d/.kwo.offboard-x")).unwrap();
    for place in ["d/.kwo-x.yaml", "d/.kwo.offboard-x.json", "d/.kwo.offboard-x/y.yaml"] {
        std::fs::write(folder.join(place), BINDING).unwrap();
        told(gives);
        std::fs::remove_file(folder.join(place)).unwrap();
    }
    symlink("../secret", folder.join("d/.kwo.offboard-y.yaml")).unwrap();
    told("kwo does not look into .kwo.offboard-y.yaml: it is a symbolic link that leads out");
    std::fs::remove_file(folder.join("d/.kwo.offboard-y.yaml")).unwrap();
    std::fs::create_dir_all(folder.join("d/.kwo.cut/x")).unwrap();
    std::fs::write(folder.join("d/.kwo.cut/x/y.yaml"), BINDING).unwrap();
    told(
        "kwo does not look into .kwo.cut/x/y.yaml: it lies in what was cut, and whoever applies the directory takes it",
    );
    std::fs::remove_file(folder.join("d/.kwo.cut/x/y.yaml")).unwrap();
    // A folder elsewhere is not looked into, and what is wanted is made all the same.
    symlink("/etc", folder.join("d/elsewhere")).unwrap();
    told("kwo does not look into elsewhere");
    std::fs::remove_file(folder.join("d/namespaces/alice/resourcequota-alice-quota.yaml")).unwrap();
    assert!(run(&["apply", "--yes"]).contains("1 done"), "{}", run(&["plan"]));
}

#[test]
fn it_is_told_in_every_form_and_fails_only_where_that_is_asked_for() {
    let folder = applied(ROSTER);
    let folder = folder.path();
    let run = |args: &[&str]| kwo(folder, args);
    let strict = ["--fail-on", "leftover-access,foreign-access"];
    assert!(run(&[&["plan"][..], &strict].concat()).ends_with("---- exit 0 ----\n"));
    std::fs::write(folder.join("d/theirs.yaml"), BINDING).unwrap();
    let shown = run(&["plan"]);
    let said = "not kwo's, gives access\n  * mallory@example.com is admin of alice\n      by kube:RoleBinding/alice/colleague; kwo does not remove it; to look at it: cat FOLDER/d/theirs.yaml\n";
    assert!(shown.contains(said) && shown.ends_with("---- exit 0 ----\n"), "{shown}");
    assert!(
        shown.contains(" unchanged, 1 right not kwo's\n") && !shown.contains("Not in agreement"),
        "{shown}"
    );
    let applied = run(&["apply", "--yes"]);
    assert!(applied.contains(said) && applied.contains("In agreement: nothing to do"), "{applied}");
    for command in ["plan", "apply"] {
        let said = run(&[&[command][..], &strict].concat());
        assert!(said.ends_with("---- exit 5 ----\n"), "{said}");
    }
    let page = run(&["plan", "-o", "markdown"]);
    let block = "**Not kwo's, gives access**\n\n```diff\n* mallory@example.com is admin of alice, by kube:RoleBinding/alice/colleague\n```\n";
    assert!(page.contains(block), "{page}");
    for (command, yes) in [("plan", &[][..]), ("apply", &["--yes"])] {
        let text = run(&[&[command, "-o", "json"][..], yes].concat());
        let text = &text[text.find('\n').unwrap()..text.find("---- stderr").unwrap()];
        let json: Value = serde_json::from_str(text).unwrap();
        let [found] = json["foreign_access"].as_array().unwrap().as_slice() else { panic!("{json:#}") };
        assert_eq!((&found["tenant"], &found["role"]), (&"alice".into(), &"ClusterRole/admin".into()));
        let look = found["command"].as_str().unwrap().replace("FOLDER", &folder.to_string_lossy());
        let output = Command::new("sh").args(["-c", &look]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), BINDING);
    }
    // Where something is done, the last word is of it, too.
    std::fs::write(
        folder.join("roster.yaml"),
        format!("{ROSTER}operators: {{v: {{identity: v@example.com, role: admin}}}}\n"),
    )
    .unwrap();
    let applied = run(&["apply", "--yes"]);
    let (_, errors) = applied.split_once("---- stderr ----").unwrap();
    let end = "* 1 right is not kwo's: mallory@example.com is admin of alice; `kwo plan --target dir:d` shows how to look at it\n";
    assert!(errors.contains("In agreement: ") && errors.contains(end), "{errors}");
}
