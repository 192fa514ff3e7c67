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

/// So many names, with commas.
fn names(of: usize, count: usize) -> String {
    (0..count).fold(String::new(), |mut all, at| {
        let _ = write!(all, "{}x{of},", name(at));
        all
    })
}

/// Shapes that ask for much with little, or that make one thing very long.
fn shapes() -> Vec<(&'static str, String)> {
    let people = format!("owners: [{}]", names(0, 45));
    vec![
        ("tenants", many("tenants: {", 10_000, "}\n", |at| format!("{},", name(at)))),
        ("tenants, and more", many("tenants: {", 20_000, "}\n", |at| format!("{},", name(at)))),
        ("tiers", many("tiers: {", 10_000, "}\n", |at| format!("{},", name(at)))),
        ("quotas", many("tenants: {", 10_000, "}\n", |at| format!("{}: {{quota: {{pods: 3}}}},", name(at)))),
        (
            "own quotas",
            many("tenants: {", 10_000, "}\n", |at| format!("{}: {{quota: {{pods: {at}}}}},", name(at))),
        ),
        (
            "unknown tiers",
            many("tiers: {a}\ntenants: {", 10_000, "}\n", |at| format!("{}: {{tier: b{at}}},", name(at))),
        ),
        ("tiers of one tenant each", {
            let tiers = many("tiers: {", 3_500, "}\n", |at| format!("{},", name(at)));
            let tenant = |at| format!("{}: {{tier: {}}},", name(at), name(at));
            many(&format!("{tiers}tenants: {{"), 3_500, "}\n", tenant)
        }),
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
        ("places of people", {
            let head = format!("tenants: {{a: {{namespaces: [{}], members: [", names(0, 1_999));
            many(&format!("{head}{{identity: a, access: viewer, namespaces: ["), LENGTH, "]}]}}\n", |at| {
                format!("{}x0,", name(at % 1_999))
            })
        }),
        (
            "users of a registry",
            many("registry: {hosts: [a.example.com, b.example.com], users: {", 10_000, "}}\n", |at| {
                format!("{}: {{password: {{generate: 32}}}},", name(at))
            }),
        ),
        ("shared hosts", {
            let others = |of: usize| {
                (0..150).filter(|at| *at != of).fold(String::new(), |all, at| all + &name(at) + "x,")
            };
            let tenant = |at| {
                format!(
                    " {}x: {{domains: [{{host: a.example.com, sharedWith: [{}]}}]}}\n",
                    name(at),
                    others(at)
                )
            };
            many("tenants:\n", 150, "", tenant)
        }),
        ("scopes", {
            let scopes = "Terminating,".repeat(4_000);
            let head = format!("tenants: {{a: {{quota: {{scoped: {{a: {{scopes: [{scopes}], hard: {{");
            many(&head, LENGTH, "}}}}}}\n", |at| format!("requests.a/{}: 1,", name(at)))
        }),
        ("a long line", format!("tenants: {{a: {{owners: [{}]}}}}\n", "x".repeat(LENGTH))),
        ("unknown aliases", many("tenants: [", LENGTH, "]\n", |_| "*b,".to_owned())),
        ("one key", "a: 1\n".repeat(LENGTH / 5)),
        ("brackets", "[".repeat(LENGTH)),
    ]
}

/// A list in a roster: what it is, what stands before it and after it, and its entries by number.
type List = (&'static str, &'static str, &'static str, fn(usize) -> String);

/// Lists that stand in every namespace: the end of the roster that has a list of a tier, or of the tenant itself.
const LISTS: [List; 14] = [
    ("Secrets of a tier", "tiers: {s: {imagePullSecrets: [", "]}}\n", |at| format!("{},", name(at))),
    ("annotations of a tier", "tiers: {s: {annotations: {", "}}}\n", |at| format!("a{at}: b,")),
    ("amounts of a tier", "tiers: {s: {quota: {hard: {", "}}}}\n", |at| format!("count/{}.b: 9,", name(at))),
    ("totals of a tier", "tiers: {s: {quota: {per: tenant, hard: {", "}}}}\n", |at| {
        format!("count/{}.b: 9999,", name(at))
    }),
    ("limits of a tier", "tiers: {s: {limits: {max: {", "}}}}\n", |at| format!("x.y/{}: 1,", name(at))),
    ("registries of a tier", "tiers: {s: {images: {registries: [", "]}}}\n", |at| {
        format!("{}.b/c,", name(at))
    }),
    ("priorities of a tier", "tiers: {s: {priorityClasses: [", "]}}\n", |at| format!("{},", name(at))),
    ("classes of a tier", "tiers: {s: {storageClasses: [", "]}}\n", |at| format!("{},", name(at))),
    (
        "amounts of some pods",
        "tiers: {s: {quota: {scoped: {a: {scopes: [Terminating], hard: {",
        "}}}}}}\n",
        |at| format!("requests.a/{}: 9,", name(at)),
    ),
    (
        "totals of some pods",
        "tiers: {s: {quota: {per: tenant, scoped: {a: {scopes: [Terminating], hard: {",
        "}}}}}}\n",
        |at| format!("requests.a/{}: 9999,", name(at)),
    ),
    (
        "classes of some pods",
        "tiers: {s: {quota: {scoped: {a: {hard: {pods: 1}, scopeSelector: {matchExpressions: \
     [{scopeName: PriorityClass, operator: In, values: [",
        "]}]}}}}}}\n",
        |at| format!("{},", name(at)),
    ),
    ("networks", "tiers: {s}\ncluster: {network: {nodes: [", "]}}\n", |at| {
        format!("8.{}.{}.0/24,", at / 250 % 250, at % 250)
    }),
    ("reach", "tiers: {s}\ncluster: {network: {reach: [", "]}}\n", |at| {
        format!("{{cidr: 10.{}.{}.0/24}},", at / 250 % 250, at % 250)
    }),
    ("hosts of the API", "tiers: {s}\ncluster: {kubeconfigs: , api: {hosts: [", "]}}\n", |at| {
        format!("{}.example,", name(at))
    }),
];

/// And those of a tenant.
const OWN: [List; 7] = [
    ("labels", "labels: {", "}", |at| format!("a{at}: b,")),
    ("annotations", "annotations: {", "}", |at| format!("a{at}: b,")),
    ("Secrets", "imagePullSecrets: [", "]", |at| format!("{},", name(at))),
    ("hosts", "domains: [", "]", |at| format!("{}.example.com,", name(at))),
    ("amounts", "quota: {hard: {", "}}", |at| format!("count/{}.b: 9,", name(at))),
    ("totals", "quota: {per: tenant, hard: {", "}}", |at| format!("count/{}.b: 9999,", name(at))),
    ("shares", "quota: {per: tenant, pods: 9}, shares: {", "}", |at| format!("{}x0: 2,", name(at))),
];

/// What tenants say besides, so that they cannot have all of their tier's.
const MORE: [&str; 5] =
    ["", ", quota: {pods: 4}", ", imagePullSecrets: [z]", ", parked: true", ", quota: {per: tenant, cpu: 9}"];

/// Every such list for the namespaces of one tenant, as long as it can be and so short that it is taken, and for many
/// tenants.
fn products() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let spaces = |count: usize| format!("namespaces: [{}]", names(0, count));
    let sizes = [(40_000, 1_900), (100, 950), (3_000, 60)];
    for (turn, (what, head, tail, one)) in LISTS.into_iter().enumerate() {
        for (length, count) in sizes {
            let list = many(head, length, &" ".repeat(LENGTH / 3), one).trim_end().to_owned() + tail;
            let tenant = format!("tenants: {{a: {{tier: s, {}}}}}\n", spaces(count));
            all.push((format!("{length} {what}, {count} namespaces"), format!("{list}{tenant}")));
        }
        let more = MORE[turn % MORE.len()];
        let list = many(head, 100, "", one) + tail;
        let text =
            many(&format!("{list}tenants:\n"), 950, "", |at| format!(" {}: {{tier: s{more}}}\n", name(at)));
        all.push((format!("{what}, tenants{more}"), text));
    }
    for (what, head, tail, one) in OWN {
        for (length, count) in sizes {
            let head = format!("tenants: {{a: {{{}, {head}", spaces(count));
            let text = many(&head, length, &format!("{tail}}}}}\n"), one);
            all.push((format!("{length} {what}, {count} namespaces"), text));
        }
    }
    all
}

#[test]
fn a_roster_of_98_kilobytes_is_judged_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let shapes = shapes().into_iter().map(|(what, text)| (what.to_owned(), text));
    for (what, text) in shapes.chain(products()) {
        assert!(text.len() <= LENGTH + 40, "{what}: {}", text.len());
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

/// What `kwo validate` says of a tenant with so many labels and namespaces.
fn labelled(labels: usize, namespaces: usize) -> String {
    let labels = (0..labels).fold(String::new(), |all, at| all + &format!("a{at}: b,"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.yaml");
    let text = format!(
        "apiVersion: kwo/v1\nkind: Roster\ntenants:\n  a: {{labels: {{{labels}}}, namespaces: [{}]}}\n",
        names(0, namespaces)
    );
    std::fs::write(&path, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kwo")).arg("validate").arg(&path).env_clear().output();
    String::from_utf8_lossy(&output.unwrap().stderr).into_owned()
}

#[test]
fn a_long_list_in_very_many_namespaces_is_refused_where_it_stands() {
    assert!(labelled(200, 1_000).contains("is valid"));
    let said = labelled(201, 1_000);
    assert!(
        said.contains("over 200000 words in all namespaces") && said.contains("roster.yaml:4:3"),
        "{said}"
    );
}
