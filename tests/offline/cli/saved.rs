//! Saved plans: who may have made them, what an edited one is worth, and which files are replaced by them.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kwo_planner::plan::Plan;
use kwo_planner::saved::SavedPlan;

use crate::cli::transcript;

const TARGET: [&str; 2] = ["--target", "dir:sandbox"];

/// A folder with a roster and a plan of it.
fn planned() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let roster = "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {owners: [a@example.com]}, bob: {}}\n";
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    let said = plan(folder.path(), &["--out", "plan.json"]);
    assert!(said.contains("`kwo apply --plan plan.json --target dir:sandbox` does exactly this"), "{said}");
    folder
}

fn plan(folder: &Path, more: &[&str]) -> String {
    transcript(folder, &[&["plan"][..], &TARGET, more].concat())
}

fn apply(folder: &Path, more: &[&str]) -> String {
    transcript(folder, &[&["apply", "--yes"][..], &TARGET, more].concat())
}

fn read(folder: &Path) -> SavedPlan {
    serde_json::from_str(&std::fs::read_to_string(folder.join("plan.json")).unwrap()).unwrap()
}

#[test]
fn the_command_for_a_saved_plan_says_all_that_was_typed() {
    let folder = planned();
    let options =
        "--kubeconfig ../kc --context a --as jane --age-identity k.txt --roster-id r --take-over-roster";
    let words: Vec<&str> = options.split(' ').collect();
    let said = plan(folder.path(), &[&["--out=-h.json", "--adopt=alice"][..], &words].concat());
    let command = format!("`kwo apply --plan=-h.json --target dir:sandbox {options}` does");
    assert!(said.replace("='-h.json'", "=-h.json").contains(&command), "{said}");
}

/// Saves a plan as a stranger would: the digest fits.
fn forge(folder: &Path, edit: impl FnOnce(&mut Plan)) {
    let mut saved = read(folder);
    edit(&mut saved.plan);
    saved.plan = saved.plan.sealed();
    std::fs::write(folder.join("forged.json"), serde_json::to_string(&saved).unwrap()).unwrap();
}

/// Takes out what bounds a tenant.
fn unbound(plan: &mut Plan) {
    let bounds = ["Validating", "NetworkPolicy", "ResourceQuota", "LimitRange"];
    plan.steps.retain(|step| !bounds.iter().any(|kind| step.id.kind.starts_with(kind)));
    plan.steps.iter_mut().for_each(|step| Arc::make_mut(step).needs = Arc::default());
}

fn untouched(folder: &Path) -> bool {
    !folder.join("sandbox/cluster").exists() && !folder.join("sandbox/namespaces").exists()
}

#[test]
fn who_made_a_plan_applies_it_whatever_the_roster_says_by_now() {
    let folder = planned();
    let saved = read(folder.path());
    assert!(saved.saved.unwrap().seals.person.is_some());
    std::fs::remove_file(folder.path().join("roster.yaml")).unwrap();
    let said = apply(folder.path(), &["--plan", "plan.json"]);
    assert!(said.contains("In agreement") && said.contains("exit 0"), "{said}");
    assert!(!said.contains("left over:") && said.contains("0 left over"), "{said}");
    // What is done already is no fault.
    let said = apply(folder.path(), &["--plan", "plan.json"]);
    assert!(said.contains("is as the plan wants it already") && said.contains("exit 0"), "{said}");
}

#[test]
fn nobody_vouches_for_a_plan_that_was_edited() {
    let folder = planned();
    forge(folder.path(), unbound);
    let said = apply(folder.path(), &["--plan", "forged.json"]);
    assert!(said.contains("kwo cannot trust the plan forged.json") && said.contains("exit 1"), "{said}");
    // Beside the roster all of it is planned anew.
    let said = apply(folder.path(), &["roster.yaml", "--plan", "forged.json"]);
    assert!(said.contains("stale: kube:NetworkPolicy/") && said.contains("exit 3"), "{said}");
    forge(folder.path(), |plan| {
        let mut more = (*plan.steps[0]).clone();
        more.id = "kube:ClusterRoleBinding/kwo-admin-mallory\n::error::x".parse().unwrap();
        plan.steps.push(Arc::new(more));
    });
    let said = apply(folder.path(), &["roster.yaml", "--plan", "forged.json"]);
    assert!(said.contains("asks for kube:ClusterRoleBinding/kwo-admin-mallory\\n::error::x, but"), "{said}");
    assert!(said.contains("exit 1") && !said.contains("\n::error::"), "{said}");
    assert!(untouched(folder.path()));
    // Neither is one that says nothing of who made it.
    let mut bare = read(folder.path());
    bare.saved = None;
    std::fs::write(folder.path().join("bare.json"), serde_json::to_string(&bare).unwrap()).unwrap();
    let said = apply(folder.path(), &["--plan", "bare.json"]);
    assert!(said.contains("bare.json has no roster in it"), "{said}");
    assert!(said.contains("`kwo apply roster.yaml --plan bare.json --target dir:sandbox`"), "{said}");
    // Which is right, and needs nobody's word.
    let said = apply(folder.path(), &["roster.yaml", "--plan", "bare.json"]);
    assert!(said.contains("In agreement") && said.contains("exit 0"), "{said}");
}

#[test]
fn what_a_plan_file_says_is_never_printed_as_it_stands() {
    let folder = planned();
    let evil = "\n::error::x\u{1b}[31m\u{202e}";
    for (edit, roster) in [
        (
            Box::new(|plan: &mut Plan| plan.provenance.roster = evil.into()) as Box<dyn FnOnce(&mut Plan)>,
            false,
        ),
        (Box::new(|plan: &mut Plan| plan.provenance.target = evil.into()), false),
        (Box::new(|plan: &mut Plan| plan.provenance.address = evil.into()), true),
        (Box::new(|plan: &mut Plan| plan.format_version = format!("9{evil}").into()), true),
        (Box::new(|plan: &mut Plan| Arc::make_mut(&mut plan.steps[0]).because.line = evil.into()), true),
        (Box::new(|plan: &mut Plan| Arc::make_mut(&mut plan.steps[0]).tenant = evil.into()), true),
        (Box::new(|plan: &mut Plan| Arc::make_mut(&mut plan.steps[0]).disrupts = Some(evil.into())), true),
    ] {
        forge(folder.path(), edit);
        let beside = ["roster.yaml"];
        let said =
            apply(folder.path(), &[&beside[..usize::from(roster)], &["--plan", "forged.json"]].concat());
        assert!(!said.contains("\n::error") && !said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }
    let text = std::fs::read_to_string(folder.path().join("plan.json")).unwrap();
    let text = text.replacen("\"create\"", "\"\\n::error::x\"", 1);
    std::fs::write(folder.path().join("forged.json"), &text).unwrap();
    let said = apply(folder.path(), &["--plan", "forged.json"]);
    assert!(said.contains("is not a saved plan") && !said.contains("\n::error"), "{said}");
    // What is no plan of this command is told from one that was cut short, and from one of another command.
    for (text, expected) in [
        (String::new(), "it is empty"),
        (text[..text.len() / 2].to_owned(), "it was cut short"),
        ("{\"kind\": \"NodeUpgradePlan\"}".to_owned(), "`kwo node upgrade --plan forged.json` does it"),
        ("{\"kind\": \"\\n::error::\"}".to_owned(), "is not a saved plan of `kwo plan`"),
    ] {
        std::fs::write(folder.path().join("forged.json"), text).unwrap();
        let said = apply(folder.path(), &["--plan", "forged.json"]);
        assert!(said.contains(expected) && !said.contains("\n::error"), "{said}");
    }
    let said = apply(folder.path(), &["--plan", "nowhere.json"]);
    assert!(said.contains("`kwo plan --out FILE` saves one"), "{said}");
}

#[test]
fn others_apply_what_somebody_they_know_has_signed() {
    let folder = planned();
    let make = |name: &str| {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name])
            .current_dir(folder.path())
            .status();
        assert!(made.unwrap().success());
        std::fs::read_to_string(folder.path().join(format!("{name}.pub"))).unwrap()
    };
    let (alice, mallory) = (make("alice"), make("mallory"));
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("signers", &format!("alice@example.com namespaces=\"kwo-plan\" {alice}"));
    write("others", &format!("mallory@example.com {mallory}"));
    write("for-commits", &format!("alice@example.com namespaces=\"git\" {alice}"));
    let signed = ["--plan", "plan.json", "--signers"];
    let with = |signers: &'static str| apply(folder.path(), &[&signed[..], &[signers]].concat());
    assert!(with("signers").contains("cannot read plan.json.sig"));
    // Both are written, or neither.
    let before = std::fs::read(folder.path().join("plan.json")).ok();
    write("plan.json.sig", "mine\n");
    let said = plan(folder.path(), &["--out", "plan.json", "--sign", "alice"]);
    assert!(said.contains("plan.json.sig is there already") && said.contains("exit 1"), "{said}");
    assert_eq!(std::fs::read(folder.path().join("plan.json")).ok(), before, "{said}");
    std::fs::remove_file(folder.path().join("plan.json.sig")).unwrap();
    let said = plan(folder.path(), &["--out", "plan.json", "--sign", "alice"]);
    assert!(said.contains("the signature is in plan.json.sig"), "{said}");
    for signers in ["others", "for-commits"] {
        let said = with(signers);
        assert!(
            said.contains(&format!("nobody in {signers} signed plan.json")) && said.contains("exit 1"),
            "{said}"
        );
    }
    forge(folder.path(), unbound);
    let (honest, forged) = (folder.path().join("plan.json"), folder.path().join("forged.json"));
    let text = std::fs::read(&honest).unwrap();
    std::fs::copy(&forged, &honest).unwrap();
    let said = with("signers");
    assert!(said.contains("nobody in signers signed plan.json") && said.contains("exit 1"), "{said}");
    assert!(untouched(folder.path()));
    std::fs::write(&honest, text).unwrap();
    // On another machine no seal is known, and the signature is enough.
    std::fs::remove_dir_all(folder.path().join(".local")).unwrap();
    let said = apply(folder.path(), &["--plan", "plan.json"]);
    assert!(said.contains("kwo cannot trust the plan plan.json"), "{said}");
    let said = with("signers");
    assert!(said.contains("the plan was signed by alice@example.com") && said.contains("exit 0"), "{said}");
}

#[test]
fn one_stale_step_and_nothing_is_done() {
    let folder = planned();
    apply(folder.path(), &["--plan", "plan.json"]);
    let roster = folder.path().join("roster.yaml");
    let text = std::fs::read_to_string(&roster).unwrap();
    let more = text.replace("bob: {}", "bob: {quota: {pods: 5}}").replace("com]}", "com], quota: {pods: 5}}");
    std::fs::write(&roster, more).unwrap();
    plan(folder.path(), &["--out", "plan.json"]);
    let quota = |tenant: &str| {
        let found = Command::new("grep")
            .args(["-rl", &format!("name: {tenant}-quota"), "sandbox"])
            .current_dir(folder.path())
            .output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        folder.path().join(found.lines().next().unwrap())
    };
    let before = std::fs::read_to_string(quota("bob")).unwrap();
    let alice = std::fs::read_to_string(quota("alice")).unwrap();
    std::fs::write(
        quota("alice"),
        alice.replace("pods: '20'", "pods: '6'").replace("pods: \"20\"", "pods: \"6\""),
    )
    .unwrap();
    assert_ne!(std::fs::read_to_string(quota("alice")).unwrap(), alice, "{alice}");
    for beside in [&[][..], &["roster.yaml"]] {
        let said = apply(folder.path(), &[beside, &["--plan", "plan.json", "-o", "json"]].concat());
        assert!(said.contains("stale: kube:ResourceQuota/alice/alice-quota: would now be"), "{said}");
        assert!(said.contains("\"in_agreement\": false") && said.contains("exit 3"), "{said}");
        assert!(!said.contains("kubectl delete"), "{said}");
        assert_eq!(std::fs::read_to_string(quota("bob")).unwrap(), before);
    }
}

#[test]
fn only_a_saved_plan_is_replaced() {
    let folder = planned();
    let roster = std::fs::read_to_string(folder.path().join("roster.yaml")).unwrap();
    let said = plan(folder.path(), &["--out", "roster.yaml"]);
    assert!(
        said.contains("roster.yaml is there already, and is not a saved plan; nothing was written"),
        "{said}"
    );
    assert!(said.contains("exit 1"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.path().join("roster.yaml")).unwrap(), roster);
    std::os::unix::fs::symlink("roster.yaml", folder.path().join("link")).unwrap();
    for command in [&["init", "link"][..], &["init", "plan.json"], &["secrets", "keygen", "plan.json"]] {
        let said = transcript(folder.path(), command);
        assert!(said.contains("nothing was written") && said.contains("exit 1"), "{said}");
    }
    let said = plan(folder.path(), &["--out", "link"]);
    assert!(said.contains("link is a symbolic link"), "{said}");
    assert!(plan(folder.path(), &["--out", "plan.json"]).contains("saved to plan.json"));
    let said = plan(folder.path(), &["--out", "-"]);
    let from = said.find('\n').unwrap() + 1;
    let printed = &said[from..said.find("---- stderr").unwrap()];
    let saved: SavedPlan = serde_json::from_str(printed).unwrap();
    assert!(saved.saved.is_some() && said.contains("to create"), "{said}");
    assert!(transcript(folder.path(), &["init", "-"]).contains("kind: Roster"));
}
