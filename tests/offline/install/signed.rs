//! Who vouches for a saved plan of a node, and that nothing of a file counts or is printed as it stands that nobody vouches for.

use std::fs;
use std::process::Command;

use super::world::{VERSION, World, program};
use crate::backup::world::Says as _;

const OTHER: &str = "v1.36.0+k3s1";

fn saved() -> World {
    let world = World::new();
    world.release(OTHER, &program(OTHER));
    world.install(&["--version", VERSION, "--out", "plan.json"]).expect(0);
    world
}

/// It is refused, and the machine is as it was.
fn refused(world: &World, said: &str) {
    let before = world.machine();
    let ran = world.install(&["--plan", "plan.json", "--yes"]).expect(1);
    ran.says(said);
    assert!(!ran.err.contains('\u{1b}') && !ran.out.contains('\u{1b}'), "{}", ran.err);
    assert_eq!(world.machine(), before);
}

#[test]
fn a_file_that_somebody_edited_is_refused() {
    let world = saved();
    let good = world.text("plan.json");
    let other = "https://attacker.example.com/k3s";
    for (from, to) in [
        (VERSION, OTHER),
        (world.url.as_str(), other),
        ("\"ignored\": []", "\"ignored\": [\"memory\"]"),
        ("\"what\": \"create\"", "\"what\": \"unchanged\""),
        ("\"person\": \"", "\"person\": \"00"),
    ] {
        let edited = good.replace(from, to);
        assert_ne!(edited, good, "{from}");
        world.put("plan.json", &edited);
        refused(&world, "kwo cannot trust the plan plan.json");
    }
    // A plan without a seal, and one by the key of somebody else.
    let seal = good.rfind("\"seals\"").unwrap();
    world.put("plan.json", &format!("{}\"seals\": {{}}\n}}\n", &good[..seal]));
    refused(&world, "kwo cannot trust the plan plan.json");
    world.put("plan.json", &good);
    fs::remove_file(world.path(".local/state/kwo/plan.key")).unwrap();
    refused(&world, "kwo seals a plan for the user who made it, on the same machine");
}

#[test]
fn what_is_no_plan_is_said_and_not_shown_as_it_stands() {
    let world = saved();
    let good = world.text("plan.json");
    for (text, said) in [
        ("{}".to_owned(), "plan.json is not a saved plan of `kwo node install`"),
        ("x".to_owned(), "plan.json is not a saved plan of `kwo node install`"),
        ("\n".to_owned(), "it is empty"),
        (good[..good.len() / 2].to_owned(), "it was cut short"),
        (
            "{\"format_version\": \"1.0\", \"digest\": \"00\"}".to_owned(),
            "plan.json is a saved plan of `kwo plan`",
        ),
        (good.replacen('{', "{\"\\u001b[31mrun\": \"rm\",", 1), "unknown field"),
        (
            good.replace("\"format_version\": \"1\"", "\"format_version\": \"\\u001b[2J9\""),
            "this kwo reads 1",
        ),
        (
            good.replace("NodeInstallPlan", "NodeUpgradePlan"),
            "plan.json is a saved plan of `kwo node upgrade`",
        ),
        (
            good.replace("\"host\": \"node-1\"", "\"host\": \"\\u001b[31mnode-2\\n::error::\""),
            "the plan was made for",
        ),
    ] {
        assert_ne!(text, good);
        world.put("plan.json", &text);
        refused(&world, said);
    }
    fs::remove_file(world.path("plan.json")).unwrap();
    refused(&world, "cannot read the plan plan.json");
    // Only such a plan is replaced by a new one.
    world.put("roster.txt", "tenants: {}\n");
    world.install(&["--out", "roster.txt"]).expect(1).says("is not a saved plan of a node");
    world.install(&["--out", "plan.json"]).expect(0);
    world.install(&["--out", "plan.json"]).expect(0);
}

#[test]
fn a_signature_is_for_everybody_who_knows_the_signers() {
    let world = saved();
    let keygen = |args: &[&str]| {
        let mut command = Command::new("ssh-keygen");
        assert!(command.args(args).current_dir(world.path("")).output().unwrap().status.success());
    };
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f", "alice"]);
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f", "mallory"]);
    let allows =
        |who: &str, what: &str| format!("alice@example.com namespaces=\"{what}\" {}", world.text(who));
    world.put("signers", &allows("alice.pub", "kwo-node-plan"));
    world.put("others", &allows("mallory.pub", "kwo-node-plan"));
    // Whoever may sign plans for a cluster may not say by that who is root on a machine.
    world.put("plans", &allows("alice.pub", "kwo-plan"));
    world.install(&["--version", VERSION, "--out", "plan.json", "--sign", "alice"]).expect(0);
    // The key of the seal is gone, as on the machine of somebody else.
    fs::remove_file(world.path(".local/state/kwo/plan.key")).unwrap();
    let with = |signers: &str| world.install(&["--plan", "plan.json", "--yes", "--signers", signers]);
    with("others").expect(1).says("nobody in others signed plan.json");
    with("plans")
        .expect(1)
        .says("nobody in plans signed plan.json")
        .says("namespace kwo-node-plan; `kwo node install --out FILE --sign KEY` makes one");
    with("nobody").expect(1).says("`--signers` takes a file with a line for each signer");
    fs::rename(world.path("plan.json.sig"), world.path("kept.sig")).unwrap();
    with("signers")
        .expect(1)
        .says("`kwo node install --out FILE --sign KEY` leaves the signature in FILE.sig");
    fs::rename(world.path("kept.sig"), world.path("plan.json.sig")).unwrap();
    let good = world.text("plan.json");
    world.put("plan.json", &good.replace(VERSION, OTHER));
    with("signers").expect(1).says("nobody in signers signed plan.json");
    world.put("plan.json", &good);
    with("signers").expect(0).says("the plan was signed by alice@example.com");
    assert_eq!(world.text("root/usr/local/bin/k3s"), program(VERSION));
}

#[test]
fn what_the_plan_says_is_not_typed_beside_it() {
    let world = saved();
    for words in [
        &["--version", VERSION][..],
        &["--channel", "stable"],
        &["--mirror", "https://example.com"],
        &["--airgap", "air"],
        &["--ignore", "memory"],
        &["roster.yaml"],
        &["-f", "roster.yaml"],
        &["--out", "other.json"],
    ] {
        let ran = world.install(&[&["--plan", "plan.json", "--yes"], words].concat()).expect(64);
        assert!(ran.err.contains("--plan"), "{}", ran.err);
    }
    for words in [&["--sign", "key"][..], &["--signers", "signers"]] {
        world.install(words).expect(64);
    }
    world.install(&["--out", "-", "-o", "json"]).expect(64).says("standard output takes only one");
    let ran = world.install(&["--version", VERSION, "--out", "-"]).expect(0);
    assert!(ran.out.starts_with("{\n  \"kind\": \"NodeInstallPlan\""), "{}", ran.out);
    assert!(ran.err.contains("Install k3s v1.37.1+k3s1 on node-1"), "{}", ran.err);
}
