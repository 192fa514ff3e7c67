//! What a roster of 98 KB costs, whatever it says: `kwo validate` gets no more than so much memory and has to be done with
//! it. How long it takes is measured by hand, and stands in `docs/explanation/strangers.md`.

use std::fmt::Write as _;
use std::process::Command;

/// The length of a roster that nobody looks at twice.
const LENGTH: usize = 98 << 10;

/// What the program may have, in KiB.
const MEMORY: usize = 100 << 10;

/// Names that are as short as they can be.
fn name(mut at: usize) -> String {
    let mut name = String::new();
    loop {
        // None of them is reserved: those begin with other letters.
        name.push(char::from(b'a' + u8::try_from(at % 10).unwrap()));
        at /= 10;
        if at == 0 {
            return name;
        }
    }
}

/// As many of these as fit, and no more than so many.
fn many(head: &str, most: usize, tail: &str, mut one: impl FnMut(usize) -> String) -> String {
    let mut text = head.to_owned();
    for at in 0..most {
        let next = one(at);
        if text.len() + next.len() + tail.len() > LENGTH {
            break;
        }
        text += &next;
    }
    text + tail
}

/// Shapes that ask for much with little, or that make one thing very long.
fn shapes() -> Vec<(&'static str, String)> {
    let names = |of: usize, count: usize| {
        (0..count).fold(String::new(), |mut all, at| {
            let _ = write!(all, "{}x{of},", name(at));
            all
        })
    };
    let people = format!("owners: [{}]", names(0, 45));
    vec![
        ("tenants", many("tenants: {", 10_000, "}\n", |at| format!("{},", name(at)))),
        ("tenants, and more", many("tenants: {", 20_000, "}\n", |at| format!("{},", name(at)))),
        ("tiers", many("tiers: {", 10_000, "}\n", |at| format!("{},", name(at)))),
        ("quotas", many("tenants: {", 10_000, "}\n", |at| format!("{}: {{quota: {{pods: 3}}}},", name(at)))),
        (
            "unknown tiers",
            many("tiers: {a}\ntenants: {", 10_000, "}\n", |at| format!("{}: {{tier: b{at}}},", name(at))),
        ),
        (
            "namespaces",
            many("tenants: {", 5, "}\n", |at| {
                format!("{}: {{namespaces: [{}]}},", name(at), names(at, 1_999))
            }),
        ),
        (
            "people",
            many("tenants:\n", 25, "", |at| {
                format!("  {}: {{namespaces: [{}], {people}}}\n", name(at), names(at, 44))
            }),
        ),
        ("people, and more", {
            let tenant = |at| format!("  {}: {{namespaces: [{}], {people}}}\n", name(at), names(at, 44));
            many("tenants:\n", 10_000, "", tenant)
        }),
        ("a long line", format!("tenants: {{a: {{owners: [{}]}}}}\n", "x".repeat(LENGTH))),
        ("unknown aliases", many("tenants: [", LENGTH, "]\n", |_| "*b,".to_owned())),
        ("one key", "a: 1\n".repeat(LENGTH / 5)),
        ("brackets", "[".repeat(LENGTH)),
    ]
}

#[test]
fn a_roster_of_98_kilobytes_is_judged_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    for (what, text) in shapes() {
        let path = folder.path().join("roster.yaml");
        std::fs::write(&path, format!("apiVersion: kwo/v1\nkind: Roster\n{text}")).unwrap();
        let limited = format!("ulimit -d {MEMORY}; exec \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &limited, "sh", env!("CARGO_BIN_EXE_kwo"), "validate"])
            .arg(&path)
            .env_clear()
            // A machine with many processors has a stack for each.
            .env("TOKIO_WORKER_THREADS", "2")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let judged = said.contains("is valid") || said.contains("error[") && output.status.code() == Some(1);
        assert!(judged, "{what}: {:?} {said}", output.status);
    }
}
