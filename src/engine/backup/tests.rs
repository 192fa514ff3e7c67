//! Backups of strangers: whoever knows a recipient can make a file that its key opens. Paths that lead elsewhere, links, sums
//! and sizes that lie, files that unpack to more than fits, databases that are none.

mod etcd;

use std::io::Write as _;

use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::error::Trouble;
use super::files::{Files, Gathered};
use super::folder::newest;
use super::manifest::{DATABASE, check};
use super::read::{read, walk};
use super::unpack::unpack;
use crate::archive::{Identities, hex};

/// What is in a forged backup, part by part.
struct Forged {
    key: age::x25519::Identity,
    manifest: Value,
    parts: Vec<(String, EntryType, Vec<u8>)>,
    after: Vec<u8>,
}

fn database(sql: &str) -> Vec<u8> {
    let made = Connection::open_in_memory().unwrap();
    made.execute_batch(sql).unwrap();
    made.serialize("main").unwrap().to_vec()
}

fn sound() -> Vec<u8> {
    database(
        "CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER, deleted INTEGER,
            create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
         INSERT INTO kine(name, deleted) VALUES ('/registry/pods/a/b', 0);",
    )
}

fn line(path: &str, bytes: &[u8]) -> Value {
    json!({"path": path, "size": bytes.len(), "mode": 0o600, "sha256": hex(&Sha256::digest(bytes)).as_str()})
}

impl Forged {
    /// One that is well, with this database.
    fn new(database: &[u8]) -> Forged {
        let token = b"K10::server:t\n";
        let manifest = json!({
            "kind": "NodeBackup", "format_version": "1.0", "kwo": "0.1.0", "node": "n",
            "time": "2026-11-30T00:00:00Z", "data_dir": "/var/lib/rancher/k3s",
            "database": {"kind": "sqlite", "written": null},
            "files": [line(DATABASE, database), line("data/server/token", token)], "left_out": [],
        });
        let part = |path: &str, bytes: &[u8]| (path.to_owned(), EntryType::Regular, bytes.to_vec());
        let parts = vec![part(DATABASE, database), part("data/server/token", token)];
        Forged { key: age::x25519::Identity::generate(), manifest, parts, after: Vec::new() }
    }

    /// The bytes of it, and the key.
    fn bytes(&self) -> (Vec<u8>, Identities) {
        let mut tar = Vec::new();
        let said = serde_json::to_vec(&self.manifest).unwrap();
        let first = ("manifest.json".to_owned(), EntryType::Regular, said);
        for (path, kind, bytes) in std::iter::once(&first).chain(&self.parts) {
            let mut header = tar::Header::new_gnu();
            // Not by the door of the crate, which refuses what an attacker writes.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            header.set_cksum();
            tar.extend_from_slice(header.as_bytes());
            tar.extend_from_slice(bytes);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.extend_from_slice(&[0; 1024]);
        tar.extend_from_slice(&self.after);
        self.sealed(&zstd::encode_all(&tar[..], 1).unwrap())
    }

    fn sealed(&self, packed: &[u8]) -> (Vec<u8>, Identities) {
        let whom = self.key.to_public();
        let encryptor =
            age::Encryptor::with_recipients(std::iter::once(&whom as &dyn age::Recipient)).unwrap();
        let mut sealed = encryptor.wrap_output(Vec::new()).unwrap();
        sealed.write_all(packed).unwrap();
        let key: age::x25519::Identity = {
            use age::secrecy::ExposeSecret as _;
            self.key.to_string().expose_secret().parse().unwrap()
        };
        (sealed.finish().unwrap(), Identities(vec![Box::new(key)]))
    }

    /// What is said of it.
    fn refused(&self) -> String {
        let (bytes, keys) = self.bytes();
        let trouble = read(&bytes[..], bytes.len() as u64, &keys).unwrap_err();
        let text = match trouble {
            Trouble::NotOne(why) | Trouble::Damaged(why) | Trouble::Database(why) => why,
            other => format!("{other:?}"),
        };
        assert!(!text.contains(|char: char| char.is_control()), "{text:?}");
        text
    }
}

#[test]
fn a_backup_that_is_well_is_read() {
    let (bytes, keys) = Forged::new(&sound()).bytes();
    let checked = read(&bytes[..], bytes.len() as u64, &keys).unwrap();
    let facts = checked.facts.as_ref().unwrap();
    assert_eq!((facts.objects, facts.revision), (1, 1));
    assert_eq!(checked.sha256, hex(&Sha256::digest(&bytes)).as_str());
    let missing: Vec<String> = checked.manifest.missing().into_iter().map(|left| left.path).collect();
    assert_eq!(missing, ["data/server/cred/", "data/server/tls/"]);
}

/// What the API server is told to read is in the backup, or is missing; and so are the objects where nobody wrote for long.
#[test]
fn what_k3s_does_not_start_without_is_missing() {
    let mut one = Forged::new(&sound());
    one.manifest["needed"] = json!([
        "/etc/passwd",
        "/etc/rancher",
        "/var/lib/rancher/k3s/server/tok",
        "/var/lib/rancher/k3s/server/token"
    ]);
    one.manifest["database"]["written"] = "2026-11-29T22:59:00Z".into();
    let (bytes, keys) = one.bytes();
    let missing = read(&bytes[..], bytes.len() as u64, &keys).unwrap().manifest.missing();
    let paths: Vec<&str> = missing.iter().skip(2).map(|left| left.path.as_str()).collect();
    assert_eq!(paths, ["/etc/passwd", "/etc/rancher", "/var/lib/rancher/k3s/server/tok", DATABASE]);
    one.manifest["needed"] = vec!["/x"; 1001].into();
    assert!(one.refused().contains("told to read more than"));
}

type Change = fn(&mut Forged);

/// What an attacker changes, and what is said then.
const LIES: [(Change, &str); 27] = [
    (|one| one.manifest["data_dir"] = "-rf".into(), "is no folder for the data of k3s"),
    (|one| one.manifest["data_dir"] = "/".into(), "is no folder for the data of k3s"),
    (|one| one.manifest["data_dir"] = "/var/../etc".into(), "is no folder for the data of k3s"),
    (|one| one.manifest["data_dir"] = "/var/a\nb".into(), "is no folder for the data of k3s"),
    (|one| one.manifest["files"][1]["path"] = "data/../../etc/passwd".into(), "the path leads elsewhere"),
    (|one| one.manifest["files"][1]["path"] = "/etc/passwd".into(), "nothing in a backup lies there"),
    (|one| one.manifest["files"][1]["path"] = "other/x".into(), "nothing in a backup lies there"),
    (
        |one| one.manifest["files"][1]["path"] = "data/a\u{1b}[31m".into(),
        "characters that no path of a backup has",
    ),
    (|one| one.manifest["files"][1]["path"] = "a".repeat(5000).into(), "the path is too long"),
    (|one| one.manifest["files"][1]["path"] = DATABASE.into(), "is in it twice, or stands elsewhere"),
    (|one| one.manifest["files"][1]["size"] = 3.into(), "has another size than its manifest.json says"),
    (|one| one.manifest["files"][0]["size"] = (1_u64 << 41).into(), "is longer than 1073741824 bytes"),
    (|one| one.manifest["files"][1]["size"] = (1_u64 << 31).into(), "is longer than 16777216 bytes"),
    (|one| one.manifest["files"][1]["mode"] = 0o4755.into(), "a mode that is none"),
    (|one| one.manifest["files"][1]["sha256"] = "0".repeat(64).into(), "its sum is another"),
    (|one| one.manifest["files"][0]["sha256"] = "0".repeat(64).into(), "its sum is another"),
    (|one| drop(one.manifest["files"].as_array_mut().unwrap().remove(0)), "no database of SQLite is in it"),
    (|one| one.manifest["format_version"] = "2.0".into(), "no backup of its form has a datastore `sqlite`"),
    (|one| one.manifest["format_version"] = "3.0".into(), "which another version of kwo reads"),
    (|one| one.manifest["kind"] = "Archive".into(), "of something else"),
    (|one| one.manifest["time"] = "hunter2".into(), "its manifest.json cannot be read at line 1"),
    (|one| drop(one.parts.pop()), "it ends before data/server/token"),
    (
        |one| one.parts[1].0 = "../../etc/passwd".into(),
        "../../etc/passwd is where its manifest.json has data/server/token",
    ),
    (|one| one.parts[1].1 = EntryType::Symlink, "is a symbolic link, and a backup holds files alone"),
    (|one| one.parts[1].1 = EntryType::Link, "is a hard link"),
    (
        |one| one.parts.push(("data/x".into(), EntryType::Regular, Vec::new())),
        "does not say that data/x is in it",
    ),
    (|one| one.after = vec![0; 200_000], "something comes after its end"),
];

#[test]
fn a_backup_that_lies_is_refused() {
    for (change, said) in LIES {
        let mut one = Forged::new(&sound());
        change(&mut one);
        let refused = one.refused();
        assert!(refused.contains(said), "{refused:?} instead of {said:?}");
    }
}

#[test]
fn a_database_that_is_none_is_refused() {
    let table = "id, name, created, deleted, create_revision, prev_revision, lease, value, old_value";
    for (bytes, said) in [
        (b"no database".to_vec(), "database"),
        (Vec::new(), "its database is empty"),
        (database("CREATE TABLE other (id INTEGER)"), "no table `kine`"),
        (
            database(
                "CREATE VIEW kine AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS id FROM c",
            ),
            "`kine` in it is neither a table nor an index",
        ),
        (database(&format!("CREATE VIRTUAL TABLE kine USING fts5({table})")), "neither a table nor an index"),
        (
            database(&format!("CREATE TABLE kine ({table}); CREATE VIRTUAL TABLE r USING rtree(id, x, y)")),
            "neither a table nor an index",
        ),
        (
            database(&format!(
                "CREATE TABLE kine ({table}); CREATE TRIGGER t AFTER INSERT ON kine BEGIN SELECT 1; END"
            )),
            "`t` in it is neither a table nor an index",
        ),
        (database(&format!("CREATE TABLE kine ({table})")), "is empty"),
        (
            database(&format!("CREATE TABLE kine ({table}, cHeCk (length(hex(name)) < 9))")),
            "`kine` in it has expressions that kine does not make",
        ),
        (
            database(&format!("CREATE TABLE kine ({table}, more AS (hex(name)))")),
            "`kine` in it has expressions",
        ),
        (
            database(&format!("CREATE TABLE kine ({table}); CREATE INDEX i ON kine (hex(name))")),
            "`i` in it has expressions",
        ),
        (
            database(&format!(
                "CREATE TABLE kine ({table}); CREATE INDEX i ON kine (id) WHERE hex(name) > 1"
            )),
            "`i` in it has expressions",
        ),
        (
            database(&format!(
                "CREATE TABLE kine ({table}); CREATE INDEX i ON kine (id) WHERE name != 'compact_rev_key' AND id != 0"
            )),
            "is empty",
        ),
        (
            database(
                "CREATE TABLE kine (id INTEGER, name TEXT GENERATED ALWAYS AS (printf('%.*c', id, 'x')))",
            ),
            "no column `name`",
        ),
    ] {
        let refused = Forged::new(&bytes).refused();
        assert!(refused.contains(said), "{refused:?} instead of {said:?}");
    }
    // The head of the page that the table begins with.
    let mut damaged = sound();
    damaged[4096..4196].fill(0xAB);
    assert!(!Forged::new(&damaged).refused().is_empty());
}

#[test]
fn what_unpacks_to_more_than_fits_is_refused_before_it_does() {
    let one = Forged::new(&sound());
    let refused = |packed: &[u8]| {
        let (bytes, keys) = one.sealed(packed);
        format!("{:?}", read(&bytes[..], bytes.len() as u64, &keys).unwrap_err())
    };
    // A manifest of a tebibyte, by its head. Nothing of that has to come.
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..13].copy_from_slice(b"manifest.json");
    header.set_size(1 << 40);
    header.set_cksum();
    assert!(refused(&zstd::encode_all(&header.as_bytes()[..], 1).unwrap()).contains("is longer than"));
    // A window that takes gigabytes of memory: the head of a frame with the biggest one.
    let window = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA8, 0x01, 0x00, 0x00];
    assert!(refused(&window).contains("Damaged") || refused(&window).contains("NotOne"));
    assert!(refused(b"no zstd at all").contains("NotOne") || refused(b"no zstd at all").contains("Damaged"));
    // A head of an encrypted file that does not end.
    let endless = std::io::Read::chain(&b"age-encryption.org/v1\n"[..], std::io::repeat(b'a'));
    assert!(walk(endless, &Identities::none(), &mut |_, _| Ok(())).is_err());
}

#[test]
fn nothing_is_written_of_a_backup_that_lies() {
    let folder = tempfile::tempdir().unwrap();
    let (file, to) = (folder.path().join("b.tar.zst.age"), folder.path().join("to"));
    let mut one = Forged::new(&sound());
    one.manifest["files"][1]["sha256"] = "0".repeat(64).into();
    let (bytes, keys) = one.bytes();
    std::fs::write(&file, bytes).unwrap();
    assert!(unpack(&file, &keys, &to).is_err());
    assert!(!to.exists());
    let (bytes, keys) = Forged::new(&sound()).bytes();
    std::fs::write(&file, bytes).unwrap();
    unpack(&file, &keys, &to).unwrap();
    assert_eq!(std::fs::read(to.join("data/server/token")).unwrap(), b"K10::server:t\n");
    assert!(!to.join("NOT-WHOLE").exists());
    // Not a second time into the same folder.
    assert!(unpack(&file, &keys, &to).is_err());
}

#[test]
fn no_path_leads_out() {
    for (path, good) in [
        ("data/server/token", true),
        ("etc/k3s/config.yaml", true),
        ("unit/k3s.service", true),
        ("data", false),
        ("data/", false),
        ("data//a", false),
        ("data/./a", false),
        ("data/..", false),
        ("data/../x", false),
        ("/data/a", false),
        ("../data/a", false),
        ("manifest.json", false),
        ("data\\a", false),
        ("data/a\0", false),
        ("", false),
    ] {
        assert_eq!(check(path).is_ok(), good, "{path:?}");
    }
}

#[test]
fn a_token_that_changed_meanwhile_is_seen() {
    let bytes = |text: &str| zeroize::Zeroizing::new(text.as_bytes().to_vec());
    let mut files = Files::default();
    assert!(files.has(None) && !files.has(Some(&bytes("old"))));
    files.files.push(Gathered { path: "data/server/token".to_owned(), mode: 0o600, bytes: bytes("new") });
    assert!(files.has(Some(&bytes("new"))));
    assert!(!files.has(Some(&bytes("old"))) && !files.has(None));
}

#[test]
fn the_newest_backup_is_known_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let now: jiff::Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let found = || newest(folder.path(), None, now).unwrap().made.map(|time| time.to_string());
    assert!(newest(&folder.path().join("none"), None, now).is_err());
    put("kwo-node-n-20300101T000000Z.tar.zst.age", "");
    put("kwo-node-n-20300101T000000Z.tar.zst", "x");
    put(".kwo-node-n:abc.part", "x");
    put("kwo-node-n-2030010XT000000Z.tar.zst.age", "x");
    std::fs::create_dir(folder.path().join("kwo-node-n-20310101T000000Z.tar.zst.age")).unwrap();
    assert_eq!(found(), None);
    put("kwo-node-b-node-20261130T020000Z.tar.zst.age", "x");
    put("kwo-node-a-20261129T020000Z.tar.zst.age", "x");
    // One that lacks something counts for nothing.
    put("kwo-node-a-20261130T110000Z-lacking.tar.zst.age", "x");
    assert_eq!(found().as_deref(), Some("2026-11-30T02:00:00Z"));
    assert_eq!(newest(folder.path(), None, now).unwrap().ahead, None);
    // Neither does one of a clock that was wrong. Some hours are no such clock.
    put("kwo-node-a-20261202T020000Z.tar.zst.age", "x");
    assert_eq!(found().as_deref(), Some("2026-11-30T02:00:00Z"));
    let ahead = newest(folder.path(), None, now).unwrap().ahead.map(|time| time.to_string());
    assert_eq!(ahead.as_deref(), Some("2026-12-02T02:00:00Z"));
    put("kwo-node-a-20261130T140000Z.tar.zst.age", "x");
    assert_eq!(found().as_deref(), Some("2026-11-30T14:00:00Z"));
}
