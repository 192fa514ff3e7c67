//! `kwo archive` without a cluster: what it says of a file, with the key and without.

use std::fs;
use std::path::Path;

use kwo_engine::archive::{Builder, Meta, Recipient, RosterLine, Verified};

use crate::cli::transcript;

const SECRET: &str = "c2VudGluZWwtaHVudGVyMg==";

/// An archive in this folder, for these people.
pub(super) fn archive(folder: &Path, recipients: &[Recipient]) -> Verified {
    let mut builder = Builder::new(Meta {
        tenant: "alice".into(),
        cluster: "0e6ec6b4-2b8d-4d44-b8e0-6c6d4a4f0d6c".into(),
        time: "2026-11-29T12:00:00Z".parse().unwrap(),
        roster: vec![RosterLine {
            file: "roster.yaml".into(),
            line: 12,
            text: "  alice: {tier: standard}".into(),
        }],
        history: Vec::new(),
    });
    let secret = format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"db","namespace":"alice"}},"data":{{"p":"{SECRET}"}}}}"#
    );
    for object in [
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"alice","labels":{"kwo.dev/managed":"true","kwo.dev/tenant":"alice"}}}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"alice"},"data":{"a":"1"}}"#,
        r#"{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"web-1","namespace":"alice",
            "ownerReferences":[{"kind":"Deployment","name":"web","controller":true}]}}"#,
        &secret,
    ] {
        builder.object(&serde_json::from_str(object).unwrap()).unwrap();
    }
    builder.finish(&folder.join("archives"), recipients).unwrap()
}

pub(super) const FILE: &str = "archives/alice-20261129T120000Z.kwoarc";

#[test]
fn an_encrypted_archive_is_read_with_its_key_and_known_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let kwo = |args: &[&str]| transcript(folder.path(), args);
    let made = kwo(&["secrets", "keygen", "key.txt"]);
    let recipient: Recipient = made.lines().find(|line| line.starts_with("age1")).unwrap().parse().unwrap();
    kwo(&["secrets", "keygen", "other.txt"]);
    let archive = archive(folder.path(), &[recipient]);
    let digest = archive.sha256().as_str();

    let said =
        kwo(&["archive", "verify", FILE, "--identity", "key.txt", "--sha256", &format!("sha256:{digest}")]);
    assert!(said.contains("It is whole.") && said.contains("4 objects") && said.contains("exit 0"), "{said}");
    let said = kwo(&["archive", "verify", FILE, "--sha256", digest]);
    assert!(said.contains("kwo did not read what is in it") && said.contains("exit 0"), "{said}");
    let said = kwo(&["archive", "verify", FILE]);
    assert!(said.contains("no key was given that opens it") && said.contains("exit 1"), "{said}");
    let said = kwo(&["archive", "verify", FILE, "--identity", "other.txt"]);
    assert!(said.contains("none of the keys given opens it") && said.contains("exit 1"), "{said}");
    let said = kwo(&["archive", "verify", FILE, "--sha256", &"0".repeat(64)]);
    assert!(said.contains("has the digest") && said.contains("exit 1"), "{said}");
    let said = kwo(&["archive", "verify", FILE, "--sha256", "12"]);
    assert!(said.contains("expected 64 hexadecimal digits") && said.contains("exit 64"), "{said}");

    let said = kwo(&["archive", "list", FILE, "--identity", "key.txt"]);
    for part in
        ["kube/alice/Secret/db.yaml", "(made by Deployment/web)", "roster.yaml:12:   alice: {tier: standard}"]
    {
        assert!(said.contains(part), "{said}");
    }
    let said = kwo(&["archive", "list", FILE, "--identity", "key.txt", "-o", "json"]);
    let json = &said[said.find('{').unwrap()..=said.rfind('}').unwrap()];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["kind"], &json["format_version"]), (&"Archive".into(), &"1.0".into()));
    assert_eq!((&json["tenant"], &json["sha256"]), (&"alice".into(), &digest.into()));
    // Nothing by which a short secret could be found.
    let secret = json["parts"].as_array().unwrap().iter().find(|part| part["secret"] == true).unwrap();
    assert!(secret["path"] == "kube/alice/Secret/db.yaml" && secret.get("sha256").is_none(), "{secret}");

    // A bit that changed.
    let path = folder.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let said = kwo(&["archive", "verify", FILE, "--identity", "key.txt"]);
    assert!(said.contains("is damaged, or somebody changed it") && said.contains("exit 1"), "{said}");
    let said = kwo(&["archive", "list", "key.txt"]);
    assert!(said.contains("is no archive of kwo: it begins like another kind of file"), "{said}");
    let said = kwo(&["archive", "list", "nowhere"]);
    assert!(said.contains("cannot read nowhere") && said.contains("exit 1"), "{said}");
    let said = kwo(&["archive", "list", FILE, "--identity", FILE]);
    assert!(said.contains("exit 1"), "{said}");
}

#[test]
fn an_archive_comes_into_a_directory_as_a_plan_that_was_shown() {
    let folder = tempfile::tempdir().unwrap();
    let kwo = |args: &[&str]| transcript(folder.path(), args);
    archive(folder.path(), &[]);
    let said = kwo(&["archive", "list", FILE]);
    assert!(
        said.contains("not in the archive") && said.contains("kube/alice/Secret/db.yaml: it holds secrets"),
        "{said}"
    );
    let import = ["archive", "import", FILE, "--target", "dir:d"];
    let said = kwo(&import);
    assert!(said.contains("kwo cannot ask for confirmation") && said.contains("exit 64"), "{said}");
    // It is for the tenant, and no label says so.
    assert!(said.contains("tenant alice: 1 new namespace") && !said.contains("\nthe cluster\n"), "{said}");
    assert!(!folder.path().join("d/cluster").exists());
    let said = kwo(&[&import[..], &["--yes"]].concat());
    let reason = format!("{FILE}:1:1: kube/alice/ConfigMap/settings.yaml");
    for part in [
        reason.as_str(),
        "left to the cluster",
        "ReplicaSet.apps alice/web-1: Deployment/web makes it",
        "2 done",
        "exit 0",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let file = folder.path().join("d/namespaces/alice/configmap-settings.yaml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("'1'", "'2'").replace("\"1\"", "\"2\""))
        .unwrap();
    let said = kwo(&[&import[..], &["--yes"]].concat());
    assert!(
        said.contains("differs at /data/a; an import changes nothing") && said.contains("exit 5"),
        "{said}"
    );
    assert!(!said.contains(SECRET));
}
