//! What is in an archive, who can read it, and what can be told by it.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;
use sha2::{Digest as _, Sha256};

use super::sample::{SENTINEL, builder, key, keys, names, noise, objects};
use crate::archive::bare::hex;
use crate::archive::{ArchiveEntry, ArchiveError, Identities, ObjectKey, Receipt, Verified, open, sum};

fn paths(verified: &Verified) -> Vec<&str> {
    verified.index().parts.iter().map(|part| part.path.as_str()).collect()
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/archives");
    let [one, two, other] = ["1", "2", "3"].map(|name| key(folder.path(), name));
    let made = builder().finish(&out, &[one.recipient.clone(), two.recipient.clone()]).unwrap();
    assert_eq!(names(&out), ["alice-20261129T120000Z.kwoarc"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(made.file()), mode(&out), mode(out.parent().unwrap())), (0o600, 0o700, 0o700));
    let bytes = fs::read(made.file()).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("alice"));
    assert_eq!(*made.sha256(), hex(&Sha256::digest(&bytes)));
    for key in [&one, &two] {
        let opened = open(made.file(), &keys(key)).unwrap();
        assert_eq!((opened.index(), opened.sha256()), (made.index(), made.sha256()));
        assert_eq!((opened.tenant().as_str(), opened.is_encrypted()), ("alice", true));
    }
    for (keys, why) in
        [(keys(&other), "none of the keys given opens it"), (Identities::none(), "no key was given")]
    {
        let error = open(made.file(), &keys).unwrap_err();
        assert!(matches!(error, ArchiveError::Sealed { .. }) && error.to_string().contains(why), "{error}");
    }
    assert!(made.index().left_out.is_empty());
    assert_eq!(
        paths(&made),
        [
            "kube/_cluster/Namespace/alice.yaml",
            "kube/alice/Deployment.apps/web.yaml",
            "kube/alice/ReplicaSet.apps/web-1.yaml",
            &format!("kube/alice/RoleBinding.rbac.authorization.k8s.io/kwo:{}.yaml", "x".repeat(200)),
            "kube/alice/Secret/db.yaml",
            "systems/node/registries.yaml",
            "systems/registry/users",
        ]
    );
    // A second one of the same moment takes nobody's place.
    let again = builder().finish(&out, &[one.recipient]).unwrap();
    assert!(again.file().ends_with("alice-20261129T120000Z-2.kwoarc"));
}

#[test]
fn without_recipients_there_are_no_secrets_in_it_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let made = builder().finish(&folder.path().join("out"), &[]).unwrap();
    let left_out: Vec<&str> = made.index().left_out.iter().map(|left| left.path.as_str()).collect();
    assert_eq!(left_out, ["kube/alice/Secret/db.yaml", "systems/node/registries.yaml"]);
    assert!(made.index().left_out[0].why.contains("nobody is named"));
    assert!(!made.is_encrypted() && made.holds_part("systems/registry/users"));
    let plain = zstd::stream::decode_all(fs::File::open(made.file()).unwrap()).unwrap();
    let plain = String::from_utf8_lossy(&plain);
    assert!(plain.contains("replicas: 2") && !plain.contains(SENTINEL));
    assert_eq!(open(made.file(), &Identities::none()).unwrap().index(), made.index());
}

#[test]
fn what_it_holds_is_found_and_held_against_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key");
    let made = builder().finish(&folder.path().join("out"), &[key.recipient]).unwrap();
    let id = |text: &str| text.parse::<ResourceId>().unwrap();
    assert!(made.holds(&id("kube:Deployment/alice/other")).is_none());
    assert!(made.holds(&id("kube:Deployment/bob/web")).is_none());
    let entry = made.holds(&id("kube:Deployment/alice/web")).unwrap();
    let live = objects().remove(2);
    entry.covers(&live).unwrap();
    let later = live.with("/metadata/resourceVersion", Tree::from("99"));
    entry.covers(&later.with("/status/replicas", Tree::from("7"))).unwrap();
    assert!(
        entry
            .covers(&later.with("/spec/replicas", Tree::from("7")))
            .unwrap_err()
            .contains("was changed after")
    );
    assert!(
        entry
            .covers(&live.with("/metadata/uid", Tree::from("9")))
            .unwrap_err()
            .contains("again after kwo archived it")
    );
    assert!(entry.covers(&objects()[0]).unwrap_err().contains("another object"));
    // The controller that made it would make it again.
    let made_by: Vec<&str> = made.index().parts.iter().filter_map(|part| part.made_by.as_deref()).collect();
    assert_eq!(made_by, ["Deployment/web"]);
}

#[test]
fn a_receipt_is_for_one_file_and_holds_nothing_that_finds_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key");
    let made = builder().finish(&folder.path().join("out"), std::slice::from_ref(&key.recipient)).unwrap();
    let text = serde_json::to_string(&made.receipt()).unwrap();
    let receipt: Receipt = serde_json::from_str(&text).unwrap();
    assert_eq!(receipt, made.receipt());
    assert!(matches!(receipt.check(made.file(), &Identities::none()), Err(ArchiveError::Sealed { .. })));
    let keys = keys(&key);
    let verified = receipt.check(made.file(), &keys).unwrap();
    assert_eq!((verified.sha256(), verified.size()), (made.sha256(), made.size()));
    let secret = ObjectKey::of(&objects()[1]).unwrap();
    let full = made.holds_object(&secret).unwrap().digest.clone().unwrap();
    let part = made.index().parts.iter().find(|part| part.path.contains("Secret")).unwrap();
    assert!(!text.contains(full.as_str()) && !text.contains(part.sha256.as_ref().unwrap().as_str()));
    let entries = |from: &Verified| from.holds_object(&secret).map(ArchiveEntry::sum).unwrap();
    assert_eq!(entries(&verified), entries(&made));
    assert!(!text.contains("roster.yaml") && text.len() / made.index().parts.len() < 400, "{text}");
    // Nobody wrote to it since.
    verified.holds_object(&secret).unwrap().covers(&objects()[1]).unwrap();
    assert!(verified.holds(&"kube:Deployment/alice/web".parse().unwrap()).unwrap().digest.is_some());
    let mut bytes = fs::read(made.file()).unwrap();
    bytes.push(0);
    fs::write(made.file(), bytes).unwrap();
    assert!(matches!(receipt.check(made.file(), &keys), Err(ArchiveError::Another { .. })));
    assert_ne!(sum(made.file()).unwrap(), *made.sha256());
}

/// Whoever can write to a record can write a receipt.
#[test]
fn a_receipt_of_somebody_else_says_nothing_of_what_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let made = builder().finish(&folder.path().join("out"), &[]).unwrap();
    let forged = |change: &dyn Fn(&mut serde_json::Value)| -> Receipt {
        let mut receipt = serde_json::to_value(made.receipt()).unwrap();
        change(&mut receipt);
        serde_json::from_value(receipt).unwrap()
    };
    // An object that was made after the archive.
    let late = forged(&|receipt| {
        let mut part = receipt["archive"]["parts"][0].clone();
        part["object"]["name"] = "late".into();
        part["path"] = "kube/alice/ConfigMap/late.yaml".into();
        receipt["archive"]["parts"].as_array_mut().unwrap().push(part);
        receipt["archive"]["tenant"] = "bob".into();
    });
    let verified = late.check(made.file(), &Identities::none()).unwrap();
    assert_eq!((verified.index(), verified.tenant().as_str()), (made.index(), "alice"));
    // Another file, with the digest that it has.
    let other = folder.path().join("other");
    fs::write(&other, "true").unwrap();
    let digest = sum(&other).unwrap();
    for (size, encrypted) in [(4, false), (4, true), (u64::MAX, false)] {
        let receipt = forged(&|receipt| {
            receipt["sha256"] = digest.as_str().into();
            receipt["size"] = size.into();
            receipt["encrypted"] = encrypted.into();
        });
        let refused = receipt.check(&other, &Identities::none());
        assert!(matches!(refused, Err(ArchiveError::NotOne { .. })), "{refused:?}");
    }
    // Nothing is read that has no end.
    let refused = late.check(Path::new("/dev/zero"), &Identities::none()).unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("no regular file"), "{why}");
    let long = fs::File::create(&other).unwrap();
    long.set_len(1 << 36).unwrap();
    assert!(matches!(late.check(&other, &Identities::none()), Err(ArchiveError::Another { .. })));
}

#[test]
fn the_data_of_a_volume_goes_in_by_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = builder();
    let data = noise(20 * 1024 * 1024);
    builder.volume("alice", "data", Cursor::new(data.clone())).unwrap();
    builder.volume("alice", "empty", Cursor::new(Vec::new())).unwrap();
    let made = builder.finish(&folder.path().join("out"), &[]).unwrap();
    let volumes: Vec<&str> = paths(&made).into_iter().filter(|path| path.starts_with("volumes/")).collect();
    let expected =
        ["volumes/alice/data.tar.00000", "volumes/alice/data.tar.00001", "volumes/alice/empty.tar.00000"];
    assert_eq!(volumes, expected);
    assert!(made.holds_volume("alice", "data") && !made.holds_volume("alice", "dat"));
    // Others' tools read it, too.
    let script = "zstd -dc \"$0\" 2>/dev/null | tar --touch -xf - -C \"$1\" && cat \"$1\"/volumes/alice/data.tar.* > \"$1\"/whole";
    let has = Command::new("sh").args(["-c", "command -v zstd tar"]).output().unwrap().status.success();
    if has {
        let into = folder.path().join("into");
        fs::create_dir(&into).unwrap();
        assert!(
            Command::new("sh").args(["-c", script]).arg(made.file()).arg(&into).status().unwrap().success()
        );
        assert!(fs::read(into.join("whole")).unwrap() == data);
        assert!(into.join("manifest.json").is_file());
    }
}
