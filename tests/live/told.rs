//! What kwo says of somebody who leaves, after each stage: it is true, and the command that it names next works.

use std::path::PathBuf;

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, Ran};

use crate::departed::{offboard, sentence, status};

/// Those whom `kwo status` lists as gone.
fn left(bench: &Bench) -> Vec<String> {
    let seen: Value = serde_json::from_str(&bench.kwo(&["status", "-o", "json"]).expect(0).out).unwrap();
    let found = seen["departed"]["found"].as_array().unwrap();
    found.iter().map(|one| one["who"].as_str().unwrap().to_owned()).collect()
}

/// The first command of a text that begins so, as it would be pasted.
fn pasted(text: &str, begin: &str) -> Vec<String> {
    let mut quoted = text.split('`').skip(1).step_by(2);
    let found =
        quoted.find(|command| command.starts_with(begin)).unwrap_or_else(|| panic!("{begin}: {text}"));
    found.split_whitespace().skip(1).map(str::to_owned).collect()
}

#[test]
fn after_each_stage_what_is_said_is_true_and_leads_on() {
    let name = unique("told");
    let roster = |with: bool| {
        let leaving =
            if with { format!("  {name}: {{owners: [{name}@example.com]}}\n") } else { String::new() };
        format!(
            "cluster: {{retain: 0s}}\ntenants:\n{leaving}  {name}-stay: {{owners: [s-{name}@example.com]}}\n"
        )
    };
    let Some(bench) = Bench::new(&roster(true)) else { return };
    bench.apply(&[]).expect(0);
    let key = bench.kwo(&["secrets", "keygen", "age.key"]).expect(0);
    let archive = |who: &str| {
        let args = [who, "--stage", "archive", "--recipient", key.out.trim(), "--out", "kept", "--confirm=x"];
        offboard(&bench, &args).expect(0)
    };
    let (look, proof) = (
        || bench.kwo(&["offboard", &name]).expect(0).err,
        |who: &str| bench.kwo(&["offboard", who, "--certificate"]).expect(0).out,
    );
    let cut = || {
        let typed = sentence(&bench, &[&name, "--stage", "cut"]);
        offboard(&bench, &[&name, "--stage", "cut", "--confirm", &typed]).expect(0)
    };
    let said = look();
    assert!(said.contains("--stage cut` ends the access."), "{said}");
    // Nothing is cut of who is only archived.
    let stay = format!("{name}-stay");
    archive(&stay);
    let page = proof(&stay);
    assert!(page.contains("the access is not cut") && !page.contains("directory"), "{page}");

    cut();
    assert!(left(&bench).contains(&name));
    let count = status(&bench, &name)["cuts"].as_array().unwrap().len();
    let undo = format!("undo {name} ({count} cuts)");
    offboard(&bench, &[&name, "--undo", "--confirm", &undo]).expect(0);
    let page = proof(&name);
    assert!(page.contains("the cut was taken back") && !page.contains("directory"), "{page}");
    assert!(!left(&bench).contains(&name), "who is back has not left");

    bench.write(&roster(false));
    bench.apply(&[]).expect(0);
    cut();
    let said = look();
    assert!(said.contains("The access is cut.") && said.contains("--stage archive --recipient"), "{said}");
    assert!(!said.contains("--stage cut` ends the access"), "{said}");
    archive(&name);
    let said = look();
    assert!(said.contains("--stage destroy --identity FILE`"), "{said}");

    // The archive is no longer where it was written.
    let old = PathBuf::from(status(&bench, &name)["archive"]["file"].as_str().unwrap());
    let now = bench.path("elsewhere.kwoarc");
    std::fs::rename(&old, &now).unwrap();
    let place = ["--archive", now.to_str().unwrap()];
    let typed = sentence(&bench, &[&[&name, "--stage", "destroy"][..], &place].concat());
    offboard(&bench, &[&[&name, "--stage", "destroy", "--confirm", &typed][..], &place].concat()).expect(0);
    assert!(left(&bench).contains(&name));
    let shown = bench.kwo(&["offboard", &name, "--status"]).expect(0).out;
    assert!(!shown.contains("--undo") && shown.contains("`kwo archive import"), "{shown}");
    let ran = offboard(&bench, &[&name, "--undo", "--confirm", &undo]).expect(1);
    assert!(!ran.err.contains(old.to_str().unwrap()), "{}", ran.err);
    let import = pasted(&ran.err, "kwo archive import");
    assert!(import.contains(&now.to_str().unwrap().to_owned()), "{import:?}");
    let import: Vec<&str> =
        import.iter().map(|word| if word == "FILE" { "age.key" } else { word.as_str() }).collect();
    bench.kwo(&[&import[..], &["--yes", "--lock-timeout=2m"]].concat()).expect(0);
    bench.write(&roster(true));
    bench.apply(&[]).expect(0);
    assert!(!left(&bench).contains(&name), "who is back has not left");
}

#[test]
fn of_who_has_only_what_others_gave_the_command_that_works_is_named() {
    let name = unique("mallory");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{}}}}\n")) else { return };
    bench.apply(&[]).expect(0);
    let user = format!("--user={name}");
    kubectl_ok(&["create", "rolebinding", "theirs", "-n", &name, "--clusterrole=admin", &user]);
    let can = || kubectl(&["auth", "can-i", "get", "pods", "-n", &name, "--as", &name]).status.success();
    let look = bench.kwo(&["offboard", "--person", &name]).expect(0).err;
    let cut = |more: &[&str]| {
        bench.kwo(&[&["offboard", "--person", &name, "--stage", "cut", "--lock-timeout=2m"], more].concat())
    };
    let ran: Ran = cut(&[]).expect(5);
    assert!(ran.err.contains("There is nothing to cut") && can(), "{}", ran.err);
    for said in [look, ran.err] {
        let command = pasted(&said, "kwo offboard");
        assert!(command.contains(&"--everywhere".to_owned()), "{said}");
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = bench.kwo(&[&command[..], &["--lock-timeout=2m", "--yes", "--confirm=?"]].concat());
        if !can() {
            continue;
        }
        let typed = ran.err.split("kwo expects `").nth(1).unwrap().split('`').next().unwrap().to_owned();
        bench.kwo(&[&command[..], &["--lock-timeout=2m", "--yes", "--confirm", &typed]].concat()).expect(0);
        assert!(!can());
    }
    let said = bench.kwo(&["offboard", "--person", &name]).expect(0).err;
    assert!(said.contains("--certificate` prints the proof"), "{said}");
    let shown = bench.kwo(&["status"]).expect(0).out;
    let line = shown.lines().find(|line| line.contains(&format!("--person {name}"))).unwrap();
    assert!(!line.contains("archive"), "{line}");
}
