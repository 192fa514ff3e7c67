//! What kwo is built from: under which licences, from where, and what of it is there more than once. It is what cargo-deny
//! checks besides advisories, for which it fetches a database; installing it takes longer than this whole file of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than to be named.
const LICENCES: [&str; 11] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// What must not come in by a feature of something else, and why.
const BANNED: [(&str, &str); 8] = [
    ("aws-lc-rs", "ring is the one provider of rustls, and with two it panics"),
    ("aws-lc-sys", "ring is the one provider of rustls, and with two it panics"),
    ("libyml", "RUSTSEC-2025-0067"),
    ("native-tls", "a second TLS stack"),
    ("openssl-sys", "a second TLS stack"),
    ("rsa", "RUSTSEC-2023-0071"),
    ("serde_yml", "RUSTSEC-2025-0068"),
    ("webpki-roots", "the roots are those that the system trusts"),
];

/// What is there more than once, and who holds the older one. Strike out what is there once again.
const TWICE: [(&str, &[&str]); 6] = [
    (
        "age is on the generation of RustCrypto before",
        &[
            "block-buffer",
            "chacha20",
            "cipher",
            "cpufeatures",
            "crypto-common",
            "digest",
            "hmac",
            "inout",
            "rand",
            "rand_core",
            "sha2",
        ],
    ),
    (
        "age speaks many languages by way of fluent",
        &["rustc-hash", "self_cell", "thiserror", "thiserror-impl"],
    ),
    ("age and k8s-openapi on the one hand, kube on the other", &["base64"]),
    ("ring, and what has not moved on yet", &["getrandom", "r-efi", "windows-sys"]),
    ("derives, and what only tests use", &["syn"]),
    ("cel's parser, and what reads schemas in tests", &["bit-set", "bit-vec"]),
];

/// Every package of the lock file, whatever the machine.
fn packages() -> Vec<Value> {
    let args = ["metadata", "--locked", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(packages) = metadata["packages"].take() else { panic!("no packages") };
    assert!(packages.len() > 200, "only {} packages", packages.len());
    packages
}

/// Does this expression of SPDX leave a licence that is allowed? `AND` binds closer than `OR`.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let (mut depth, mut any, mut all, mut inner) = (0, false, true, Vec::new());
    let judge = |words: &[&str]| match words {
        ["(", rest @ .., ")"] => is_allowed(&rest.join(" ")),
        words => LICENCES.contains(&words.join(" ").as_str()),
    };
    for word in expression.split_whitespace().chain(["OR"]) {
        match word {
            "AND" | "OR" if depth == 0 => {
                all &= judge(&inner);
                inner.clear();
                if word == "OR" {
                    any |= all;
                    all = true;
                }
                continue;
            }
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        inner.push(word);
    }
    any
}

#[test]
fn every_package_may_be_used_and_comes_from_the_one_registry() {
    for (expression, allowed) in [
        ("MIT", true),
        ("GPL-2.0-only", false),
        ("GPL-2.0-only OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND GPL-2.0-only", false),
        ("(GPL-2.0-only OR MIT) AND ISC", true),
        ("(GPL-2.0-only) AND ISC OR MIT AND MPL-2.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0 WITH Classpath-exception-2.0", false),
    ] {
        assert_eq!(is_allowed(expression), allowed, "{expression}");
    }
    let packages = packages();
    let mut registries = BTreeSet::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence), "{name} is under `{licence}`: may kwo be given away with it?");
        if let Some(reason) = BANNED.iter().find(|(banned, _)| *banned == name).map(|(_, reason)| reason) {
            panic!("{name} has come in: {reason}");
        }
        registries.extend(package["source"].as_str());
    }
    let one = registries.len() == 1 && registries.iter().all(|source| source.starts_with("registry+"));
    assert!(one, "{registries:?}");
}

#[test]
fn what_is_there_more_than_once_is_known_with_its_reason() {
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for package in &packages() {
        *versions.entry(package["name"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let found: BTreeSet<&str> =
        versions.iter().filter(|(_, count)| **count > 1).map(|(name, _)| name.as_str()).collect();
    let known: BTreeSet<&str> = TWICE.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    assert_eq!(found, known, "who holds the other version, and can it be had once?");
}

/// What cargo-binstall takes from a tarball is there: `.ci/package` names the folder.
#[test]
fn cargo_binstall_finds_the_program_in_the_tarball() {
    let read = |file: &str| std::fs::read_to_string(testkit::places::root().join(file)).unwrap();
    let manifest = read("Cargo.toml");
    let said = manifest.lines().find_map(|line| line.strip_prefix("bin-dir = ")).unwrap();
    let folder =
        said.trim_matches('"').replace("{ version }", "$version").replace("{ target-arch }", "${1%%-*}");
    let folder = folder.strip_suffix("/{ bin }").unwrap();
    assert!(read(".ci/package").contains(&format!("local name=\"{folder}\"")), "{folder}");
}
