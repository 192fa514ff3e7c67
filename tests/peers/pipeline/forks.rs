//! The code of a fork gets no credential: not the cluster's, not the forge's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::loopback::{Loopback, Reply};

use crate::pipeline::forge::Forge;
use crate::pipeline::stage::{SYSTEMS, Stage, System, and};

/// A cluster that counts who comes.
fn cluster() -> (Loopback, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let server = Loopback::start(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Answer(403, "", r#"{"kind": "Status", "message": "no"}"#.to_owned())
    });
    (server, count)
}

#[test]
fn a_request_from_a_fork_is_checked_and_nothing_else() {
    for (system, kind) in SYSTEMS {
        let stage = Stage::new("tenants: {mallory: {owners: [mallory@example.com]}}\n");
        let forge = Forge::start(kind, "mallory/rosters");
        let (server, visits) = cluster();
        let kubeconfig = std::fs::read_to_string(&server.kubeconfig).unwrap();
        let more = [("KWO_KUBECONFIG_DATA", kubeconfig.as_str())];
        let variables = and(stage.request(system, &forge, "mallory/rosters"), &more);
        let ran = stage.kwo(&["ci", "--plan-file=plan.json"], &variables).expect(0);
        assert!(ran.err.contains("the request comes from a fork ("), "{}", ran.err);
        assert!(
            ran.err.contains("kwo checks only the roster, without the credentials of the cluster"),
            "{}",
            ran.err
        );
        assert!(ran.err.contains("roster.yaml is valid"), "{}", ran.err);
        assert_eq!(visits.load(Ordering::SeqCst), 0);
        assert!(!stage.path("plan.json").exists() && forge.comments().is_empty());
        let asked = forge.asked();
        match system {
            // It does not say where a request comes from, so the forge is asked; of the fork's nothing is sent along.
            System::Woodpecker => {
                assert_eq!(asked.len(), 1);
                assert!(asked[0].method == "GET" && asked[0].body.is_empty());
            }
            _ => assert_eq!(asked.len(), 0),
        }
        // What is wrong in it is said all the same.
        stage.write("tenants: {mallory: {owner: x}}\n");
        stage.kwo(&["ci"], &variables).expect(1);
        assert_eq!(visits.load(Ordering::SeqCst), 0);

        // The same request from the repository itself does lead to the cluster.
        let forge = Forge::start(kind, "group/rosters");
        stage.write("tenants: {alice: {}}\n");
        let variables = and(stage.request(system, &forge, "group/rosters"), &more);
        stage.kwo(&["ci"], &variables).expect(5);
        assert!(visits.load(Ordering::SeqCst) > 0, "{system:?}");
    }
}

#[test]
fn where_the_source_cannot_be_told_it_is_taken_for_a_fork() {
    let stage = Stage::new("tenants: {alice: {}}\n");
    let (server, visits) = cluster();
    let config = [("KWO_KUBECONFIG", server.kubeconfig.to_str().unwrap())];
    for (system, kind) in SYSTEMS.into_iter().filter(|(system, _)| *system == System::Woodpecker) {
        let forge = Forge::start(kind, "group/rosters");
        let lost = [("CI_REPO", "group/unknown")];
        let variables = and(and(stage.request(system, &forge, "group/rosters"), &lost), &config);
        let ran = stage.kwo(&["ci"], &variables).expect(0);
        let why = "kwo cannot tell whether the request comes from a fork: ";
        assert!(ran.err.contains(why) && ran.err.contains("404"), "{}", ran.err);
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_neither_a_request_nor_the_default_branch_is_only_checked() {
    for (system, kind) in SYSTEMS {
        let stage = Stage::new("tenants: {alice: {}}\n");
        let forge = Forge::start(kind, "group/rosters");
        let ran = stage.kwo(&["ci", "--target=dir:sandbox"], &stage.push(system, &forge, "topic")).expect(0);
        assert!(ran.err.contains("this is the branch `topic`, which is not `main`: "), "{}", ran.err);
        assert!(!stage.path("sandbox").exists() && forge.asked().is_empty());
    }
}

/// A token of the pipeline, which a fork wants to see.
const LURE: &str = "s3cr3t-of-the-pipeline";

#[test]
fn a_fork_is_shown_nothing_of_the_machine_that_checks_it() {
    use std::os::unix::fs::symlink;
    let (system, kind) = SYSTEMS[1];
    let include = |what: &str| format!("include: ['{what}']\ntenants: {{mallory: {{}}}}\n");
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("t.yaml"), format!("{LURE}: x\n")).unwrap();
    let attempts: &[(&str, &str)] = &[
        ("t.yaml", "/proc/self/environ"),
        ("t.yaml", "/proc/self/fd/0"),
        ("t.yaml", "/dev/zero"),
        ("t.yaml", "/dev/stdin"),
        ("t.yaml", outside.path().to_str().unwrap()),
        ("t.yaml", "event.json"),
        ("t.yaml", "nowhere"),
    ];
    for (name, leads) in attempts {
        let stage = Stage::new(&include(name));
        let forge = Forge::start(kind, "mallory/rosters");
        let variables = and(stage.request(system, &forge, "mallory/rosters"), &[("WANTED", LURE)]);
        symlink(leads, stage.path(name)).unwrap();
        let look = |args: &[&str]| {
            let ran = stage.kwo(args, &variables).expect(1);
            let all = format!("{}{}{}", ran.out, ran.err, stage.read("summary.md"));
            assert!(all.contains("is a link") && !all.contains(LURE), "{leads}: {all}");
        };
        look(&["ci"]);
        look(&["validate"]);
        look(&["validate", "-o", "json"]);
        look(&["plan", "--target=dir:world"]);
        // The same by a pattern, by a folder, and in place of the roster itself.
        stage.write(&include("t*.yaml"));
        look(&["ci"]);
        std::fs::create_dir(stage.path("deep")).unwrap();
        symlink(leads, stage.path("deep/x.yaml")).unwrap();
        stage.write(&include("**/x.yaml"));
        look(&["ci"]);
        std::fs::remove_file(stage.path("roster.yaml")).unwrap();
        symlink(leads, stage.path("roster.yaml")).unwrap();
        look(&["ci"]);
        look(&["validate"]);
    }
    // Through a folder that is a link, named, guessed and on the way to the roster.
    let stage = Stage::new(&include("out/t.yaml"));
    let forge = Forge::start(kind, "mallory/rosters");
    let variables = and(stage.request(system, &forge, "mallory/rosters"), &[("WANTED", LURE)]);
    symlink(outside.path(), stage.path("out")).unwrap();
    for pattern in ["out/t.yaml", "out/*.yaml", "o*/t.yaml", "*/t.yaml", "[o]ut/*", "./out/t.yaml"] {
        stage.write(&include(pattern));
        let ran = stage.kwo(&["ci"], &variables).expect(1);
        assert!(ran.err.contains("is a link") && !format!("{ran:?}").contains(LURE), "{pattern}: {ran:?}");
    }
    stage.write(&include("**/t.yaml"));
    stage.kwo(&["ci"], &variables).expect(1);
    std::fs::write(outside.path().join("roster.yaml"), format!("{LURE}: x\n")).unwrap();
    for roster in ["out/roster.yaml", stage.path("out/roster.yaml").to_str().unwrap()] {
        let ran = stage.kwo(&["ci", roster], &variables).expect(1);
        assert!(!format!("{ran:?}").contains(LURE), "{ran:?}");
    }
    for pattern in ["../x", "a/../../x", "/proc/self/environ", "~/x", ".git/config", "a/.GIT/x"] {
        stage.write(&include(pattern));
        let ran = stage.kwo(&["ci"], &variables).expect(1);
        assert!(ran.err.contains("bad-include"), "{ran:?}");
    }
}

#[test]
fn what_is_no_file_is_not_read() {
    let (system, kind) = SYSTEMS[1];
    let stage = Stage::new("include: [pipe.yaml]\n");
    let forge = Forge::start(kind, "mallory/rosters");
    let variables = stage.request(system, &forge, "mallory/rosters");
    rustix::fs::mkfifoat(rustix::fs::CWD, stage.path("pipe.yaml"), rustix::fs::Mode::RUSR).unwrap();
    let ran = stage.kwo(&["ci"], &variables).expect(1);
    assert!(ran.err.contains("pipe.yaml is not a regular file"), "{}", ran.err);
    std::fs::remove_file(stage.path("roster.yaml")).unwrap();
    std::fs::rename(stage.path("pipe.yaml"), stage.path("roster.yaml")).unwrap();
    let ran = stage.kwo(&["validate"], &variables).expect(1);
    assert!(ran.err.contains("is not a regular file"), "{}", ran.err);
    let ran = stage.kwo(&["validate", "."], &variables).expect(1);
    assert!(ran.err.contains("is not a regular file"), "{}", ran.err);
}

#[test]
fn of_a_file_that_is_no_part_of_a_roster_nothing_is_shown() {
    let (system, kind) = SYSTEMS[1];
    let stage = Stage::new("include: [t.yaml]\n");
    let forge = Forge::start(kind, "mallory/rosters");
    let variables = stage.request(system, &forge, "mallory/rosters");
    for text in [
        format!("{LURE}\n"),
        format!("KEY={LURE}\nOTHER: [\n"),
        format!("KEY: {LURE}\n"),
        format!("{LURE}: {{}}\n"),
        format!("- {LURE}\n"),
        format!("# {LURE}\n"),
        format!("\u{202e}{LURE}\n"),
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{LURE}\n-----END OPENSSH PRIVATE KEY-----\n"),
        format!("[remote \"origin\"]\n\turl = https://x:{LURE}@example.com\n"),
        format!("apiVersion: v1\nkind: Config\nusers: [{{token: {LURE}}}]\n"),
        format!("{{\"apiVersion\": \"v1\", \"users\": [{{\"token\": \"{LURE}\"}}]}}"),
        format!("registry: {LURE}\n"),
        format!("tenants: {LURE}\n"),
        format!("tenants: {{}}\nTOKEN: {LURE}\n"),
        format!("tenants: *{LURE}\nx: !{LURE} y\n"),
        format!("A=1\0B={LURE}\0"),
        format!("\"{LURE}\n"),
        format!("a: b: {LURE}\n"),
        format!("%YAML {LURE}\n"),
    ] {
        std::fs::write(stage.path("t.yaml"), &text).unwrap();
        for args in [&["ci"][..], &["validate"], &["validate", "-o", "json"]] {
            let ran = stage.kwo(args, &variables).expect(1);
            let all = format!("{}{}{}", ran.out, ran.err, stage.read("summary.md"));
            assert!(all.contains("t.yaml is not part of a roster"), "{text:?}: {all}");
            assert!(!all.contains(LURE), "{text:?}: {all}");
        }
    }
    // What is meant as a part is told what is wrong with it.
    for (text, said) in [
        ("tenants:\n  alice:\n    tier small\n", "tier small"),
        ("tenents:\n  alice:\n", "did you mean `tenants`"),
        ("apiVersion: kwo/v2\ntenants:\n", "kwo/v2"),
        ("", "the file is empty"),
    ] {
        std::fs::write(stage.path("t.yaml"), text).unwrap();
        let ran = stage.kwo(&["validate"], &variables).expect(1);
        assert!(ran.err.contains(said), "{text:?}: {}", ran.err);
    }
}

#[test]
fn a_link_that_comes_and_goes_is_never_followed() {
    use std::os::unix::fs::symlink;
    let stage = Stage::new("include: ['a/*.yaml']\n");
    let (real, lure) = (stage.path("a"), stage.path("b"));
    std::fs::create_dir(&real).unwrap();
    std::fs::write(real.join("t.yaml"), "tenants: {alice: {}}\n").unwrap();
    std::fs::create_dir(&lure).unwrap();
    let outside = stage.path("outside.yaml");
    std::fs::write(&outside, format!("tenants: {{{LURE}: {{}}}}\n")).unwrap();
    symlink(&outside, lure.join("t.yaml")).unwrap();
    let ended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while ended.load(Ordering::SeqCst) == 0 {
                let _ = rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &real,
                    rustix::fs::CWD,
                    &lure,
                    rustix::fs::RenameFlags::EXCHANGE,
                );
            }
        });
        for _ in 0..2000 {
            let text = match kwo_engine::source::load(&stage.path("roster.yaml")) {
                Ok(roster) => format!("{:?}", roster.tenants().keys()),
                Err(refused) => kwo::report::diagnostic::text(&refused),
            };
            assert!(!text.contains(LURE), "{text}");
        }
        ended.store(1, Ordering::SeqCst);
    });
}

#[test]
fn a_reference_to_a_secret_is_not_followed_for_a_fork() {
    let (system, kind) = SYSTEMS[1];
    let stage = Stage::new("");
    let forge = Forge::start(kind, "mallory/rosters");
    std::fs::write(stage.path("lure"), LURE).unwrap();
    let file = stage.path("lure").display().to_string();
    stage.write(&format!(
        "dns: {{resolvers: {{one: {{provider: cloudflare, secrets: {{CF_DNS_API_TOKEN: {{file: {file}}}}}}}}}}}\n"
    ));
    let variables = and(stage.request(system, &forge, "mallory/rosters"), &[("WANTED", LURE)]);
    let ran = stage.kwo(&["ci"], &variables);
    assert!(!format!("{ran:?}{}", stage.read("summary.md")).contains(LURE), "{ran:?}");
}
