//! The same of backups with a snapshot of etcd, and which snapshot is taken from a folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::etcd::Token;
use super::super::etcd::tests::snapshot;
use super::super::manifest::SNAPSHOT;
use super::super::snapshots::{Folder, Picked, pick};
use super::{Change, EntryType, Forged, line, read, sound};

const TOKEN: &[u8] = b"K10::server:t\n";
/// Of the token `t`.
const KEY: &str = "/bootstrap/e3b98a4da31a";

/// A backup that is well, with this snapshot.
fn forged(bytes: &[u8]) -> Forged {
    let mut one = Forged::new(&sound());
    one.manifest["format_version"] = "2.0".into();
    one.manifest["database"] = json!({
        "kind": "etcd", "written": null,
        "snapshot": {"name": "etcd-snapshot-n-1795996800", "time": "2026-11-29T23:00:00Z"},
    });
    one.manifest["files"] = json!([line("data/server/token", TOKEN), line(SNAPSHOT, bytes)]);
    one.parts.remove(0);
    one.parts.push((SNAPSHOT.to_owned(), EntryType::Regular, bytes.to_vec()));
    one
}

fn missing(one: &Forged) -> Vec<(String, String)> {
    let (bytes, keys) = one.bytes();
    let missing = read(&bytes[..], bytes.len() as u64, &keys).unwrap().missing();
    missing.into_iter().skip(2).map(|left| (left.path, left.why)).collect()
}

#[test]
fn a_backup_with_a_snapshot_is_read() {
    let (bytes, keys) = forged(&snapshot(KEY.as_bytes())).bytes();
    let checked = read(&bytes[..], bytes.len() as u64, &keys).unwrap();
    assert_eq!((checked.facts, checked.token), (None, Token::Own));
    assert_eq!((checked.manifest.beside(), checked.manifest.snapshot_size()), (1, Some(4096 + 32)));
    let foreign = missing(&forged(&snapshot(b"x")));
    assert!(foreign.len() == 1 && foreign[0].1.contains("not of this cluster"), "{foreign:?}");
}

/// A snapshot that is old, from a time to come, of another token, or not there is missing.
#[test]
fn objects_that_are_of_no_use_are_missing() {
    let told = |time: &str, said: &str| {
        let mut one = forged(&snapshot(KEY.as_bytes()));
        one.manifest["database"]["snapshot"]["time"] = time.into();
        let found = missing(&one);
        assert_eq!(found.len(), usize::from(!said.is_empty()), "{time}: {found:?}");
        assert!(found.iter().all(|(path, why)| path == SNAPSHOT && why.contains(said)), "{time}: {found:?}");
    };
    told("2026-11-29T11:00:00Z", "");
    told("2026-11-29T10:59:59Z", "k3s made this snapshot 13 hours before the backup");
    told("2026-11-27T00:00:00Z", "72 hours before");
    told("2026-11-30T00:01:00Z", "");
    told("2026-11-30T00:01:01Z", "still to come");
    let other = missing(&forged(&snapshot(b"/bootstrap/0123456789ab")));
    assert!(other.len() == 1 && other[0].1.contains("another token"), "{other:?}");
    let mut none = forged(&snapshot(b""));
    none.manifest["database"]["snapshot"] = Value::Null;
    none.manifest["files"].as_array_mut().unwrap().pop();
    none.parts.pop();
    let none = missing(&none);
    assert!(none.len() == 1 && none[0].1.contains("no object is in the backup"), "{none:?}");
}

const LIES: [(Change, &str); 15] = [
    // A kwo that knows SQLite alone refuses this form.
    (|one| one.manifest["format_version"] = "1.0".into(), "no backup of its form has a datastore `etcd`"),
    (|one| one.manifest["format_version"] = "3.0".into(), "which another version of kwo reads"),
    (|one| one.manifest["database"]["kind"] = "sqlite".into(), "etcd/snapshot is of another kind"),
    (|one| one.manifest["database"]["kind"] = "nats\u{1b}".into(), "is of another kind of datastore"),
    (
        |one| one.manifest["database"]["snapshot"] = Value::Null,
        "what it says of a snapshot of etcd is not what is in it",
    ),
    (
        |one| drop(one.manifest["files"].as_array_mut().unwrap().pop()),
        "what it says of a snapshot of etcd is not what is in it",
    ),
    (|one| one.manifest["files"][0]["path"] = "data/server/db/state.db".into(), "of another kind"),
    (|one| one.manifest["files"][1]["path"] = "etcd/other".into(), "etcd/other is of another kind"),
    (
        |one| one.manifest["database"]["snapshot"]["name"] = "a\nb".into(),
        "the name of its snapshot: k3s gives",
    ),
    (
        |one| one.manifest["database"]["snapshot"]["name"] = "../x".into(),
        "the name of its snapshot: k3s gives",
    ),
    (|one| one.manifest["database"]["snapshot"]["name"] = "x".repeat(256).into(), "it is empty or too long"),
    (|one| one.manifest["database"]["joins"] = "/".repeat(5000).into(), "has no path of a file"),
    (|one| one.manifest["database"]["joins"] = "x; rm".into(), "has no path of a file"),
    (|one| one.manifest["files"][1]["size"] = (1_u64 << 33).into(), "is longer than 8589934591 bytes"),
    (|one| one.parts[1].1 = EntryType::Symlink, "is a symbolic link"),
];

#[test]
fn a_backup_that_lies_about_a_snapshot_is_refused() {
    for (change, said) in LIES {
        let mut one = forged(&snapshot(b""));
        change(&mut one);
        let refused = one.refused();
        assert!(refused.contains(said), "{refused:?} instead of {said:?}");
    }
    // What it says of itself fits, and the snapshot is none.
    let mut flipped = snapshot(&[1; 9000]);
    flipped[5000] ^= 1;
    for bytes in [flipped, snapshot(b"")[..4096].to_vec(), vec![0; 544], Vec::new()] {
        let refused = forged(&bytes).refused();
        assert!(refused.contains("the snapshot of etcd in it is not whole"), "{refused}");
    }
}

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

fn named(hours: i64) -> String {
    format!("etcd-snapshot-n-{}", now().as_second() - hours * 3600)
}

fn picked(folder: &Path) -> Picked {
    let folder = Folder { named: "/s".into(), path: Some(folder.to_owned()) };
    pick(&folder, now(), None, &|| false).unwrap()
}

/// The name of the one that was taken, and what was told of others.
fn taken(folder: &Path) -> (Option<String>, Vec<(String, String)>) {
    let picked = picked(folder);
    let told = picked.left_out.into_iter().map(|left| (left.path, left.why)).collect();
    (picked.taken.map(|taken| taken.snapshot.name), told)
}

#[test]
fn the_newest_whole_snapshot_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert_eq!(taken(folder.path()), (None, vec![]));
    let whole = snapshot(&[9; 10_000]);
    for hours in [2, 14, 26] {
        fs::write(path(&named(hours)), &whole).unwrap();
    }
    assert_eq!(taken(folder.path()), (Some(named(2)), vec![]));
    // Its name says when it was made, whenever it was copied here. Of another name nobody can tell.
    fs::write(path("by-hand"), &whole).unwrap();
    let (name, told) = taken(folder.path());
    assert_eq!(name, Some(named(2)));
    assert!(told.len() == 1 && told[0].1.starts_with("its name does not end with the time"), "{told:?}");
    fs::remove_file(path("by-hand")).unwrap();
    // One that k3s is writing, and all that is no snapshot.
    fs::write(path(&format!("{}.part", named(0))), &whole).unwrap();
    fs::write(path(&format!("{}.zip", named(0))), &whole).unwrap();
    fs::write(path(&format!("a\nb-{}", now().as_second())), &whole).unwrap();
    fs::create_dir(path(&named(1))).unwrap();
    symlink(named(2), path("etcd-snapshot-link-1796039000")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path("etcd-snapshot-pipe-1796039000"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let (name, mut told) = taken(folder.path());
    assert_eq!(name, Some(named(2)));
    told.sort();
    let whys: Vec<&str> = told.iter().map(|(_, why)| why.as_str()).collect();
    assert_eq!(told.len(), 5, "{told:?}");
    for part in ["no such name", "no regular file", "symbolic link", "has packed it"] {
        assert!(whys.iter().any(|why| why.contains(part)), "{part}: {told:?}");
    }
    assert!(told.iter().all(|(path, _)| path.starts_with("/s/") && !path.contains('\n')), "{told:?}");
}

#[test]
fn a_snapshot_that_is_broken_is_told_and_the_next_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = snapshot(&[9; 10_000]);
    let mut flipped = whole.clone();
    flipped[6000] ^= 1;
    fs::write(path(&named(1)), &whole[..whole.len() - 100]).unwrap();
    fs::write(path(&named(2)), flipped).unwrap();
    fs::write(path(&named(3)), "").unwrap();
    fs::write(path(&named(4)), &whole).unwrap();
    let (name, told) = taken(folder.path());
    assert_eq!(name, Some(named(4)));
    let broken = [1, 2, 3].map(|hours| format!("/s/{}", named(hours)));
    assert_eq!(told.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), broken, "{told:?}");
    assert!(told.iter().all(|(_, why)| why.starts_with("it is not whole: ")), "{told:?}");
    fs::remove_file(path(&named(4))).unwrap();
    assert!(taken(folder.path()).0.is_none());
}

/// Two clusters may write into one folder.
#[test]
fn the_newest_snapshot_of_this_token_is_taken_before_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let write = |hours: i64, content: &str| {
        fs::write(folder.path().join(named(hours)), snapshot(content.as_bytes())).unwrap();
    };
    let taken = |hours: i64| {
        let folder = Folder { named: "/s".into(), path: Some(folder.path().to_owned()) };
        let picked = pick(&folder, now(), Some(TOKEN), &|| false).unwrap();
        assert_eq!(picked.taken.map(|taken| taken.snapshot.name), Some(named(hours)));
        picked.left_out.into_iter().map(|left| left.why).collect::<Vec<String>>()
    };
    write(2, "nothing");
    assert_eq!(taken(2), [""; 0]);
    write(1, "/bootstrap/0123456789ab");
    assert_eq!(taken(1), ["it is not of this cluster: no certificates of k3s are in it"]);
    write(5, KEY);
    let told = taken(5);
    assert!(told.len() == 2 && told.contains(&"k3s made it with another token".to_owned()), "{told:?}");
}

/// One from the future counts only where there is no other, so that it does not keep newer ones out for years.
#[test]
fn a_snapshot_from_the_future_is_the_last_choice() {
    let folder = tempfile::tempdir().unwrap();
    let whole = snapshot(b"");
    fs::write(folder.path().join(named(-5)), &whole).unwrap();
    assert_eq!(taken(folder.path()).0, Some(named(-5)));
    fs::write(folder.path().join(named(30)), &whole).unwrap();
    assert_eq!(taken(folder.path()).0, Some(named(30)));
}

/// k3s takes a snapshot away while it is read: the open file stays what it was. One that is written meanwhile is seen later.
#[test]
fn a_snapshot_that_k3s_takes_away_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = (folder.path().join(named(1)), snapshot(&[3; 300_000]));
    fs::write(&path, &whole).unwrap();
    let taken = picked(folder.path()).taken.unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another one").unwrap();
    let objects = super::super::objects::Objects::Taken(Box::new(taken));
    let written = |objects: &super::super::objects::Objects| {
        let mut header = tar::Header::new_gnu();
        header.set_size(whole.len() as u64);
        let mut tar = tar::Builder::new(Vec::new());
        objects.append(&mut tar, header).map(|()| tar.into_inner().unwrap())
    };
    assert_eq!(written(&objects).unwrap()[512..512 + whole.len()], whole);
    // Somebody writes into the very file.
    fs::write(&path, &whole).unwrap();
    let taken = picked(folder.path()).taken.unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(5000).unwrap();
    let objects = super::super::objects::Objects::Taken(Box::new(taken));
    let why = written(&objects).map(|bytes| bytes.len()).unwrap_err().to_string();
    assert!(why.contains("changed while it was read"), "{why}");
}

#[test]
fn a_folder_of_ten_thousand_files_is_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let whole = snapshot(b"");
    for at in 0..5000 {
        fs::write(folder.path().join(named(100 + at)), &whole).unwrap();
        fs::write(folder.path().join(format!("{}.zip", named(at))), "").unwrap();
    }
    let (name, told) = taken(folder.path());
    assert_eq!(name, Some(named(100)));
    assert_eq!(told.len(), 21, "{told:?}");
    assert_eq!(told[20], ("/s".to_owned(), "4980 more files in it are not taken, either".to_owned()));
    let told =
        pick(&Folder { named: "/s".into(), path: Some(folder.path().to_owned()) }, now(), None, &|| true);
    assert!(told.is_err());
}
