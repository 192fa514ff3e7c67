//! A node of k3s below a folder: its database in the form of kine, its token, and what else a backup holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::{Connection, params};
use testkit::run::Ran;

/// Secrets that may be nowhere in the clear: in the database, and in the files beside it.
pub(crate) const SENTINELS: [&str; 2] = ["sentinel-in-the-database-7f3a", "sentinel-in-the-token-91c2"];
/// Where k3s keeps its data.
pub(crate) const DATA: &str = "root/var/lib/rancher/k3s";

/// As kine makes it (v0.17.5).
const SCHEMA: &str = "
CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER, deleted INTEGER,
    create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
CREATE INDEX kine_name_index ON kine (name);
CREATE INDEX kine_name_id_index ON kine (name,id);
CREATE INDEX kine_id_deleted_index ON kine (id,deleted);
CREATE INDEX kine_prev_revision_index ON kine (prev_revision);
CREATE UNIQUE INDEX kine_name_prev_revision_uindex ON kine (name, prev_revision);
CREATE INDEX kine_id_compact_rev_key_with_prev_revision_index ON kine(id, name, prev_revision)
    WHERE name != 'compact_rev_key' AND prev_revision != 0;";

/// A node, a folder for its backups, and a key.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) recipient: String,
}

impl World {
    /// With a database of these many objects of this size beside those that there always are.
    pub(crate) fn new(many: usize, size: usize) -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World { folder, recipient: String::new() };
        let made = world.kwo(&["secrets", "keygen", "age.key"]).expect(0).out;
        world.recipient = made.lines().find(|line| line.starts_with("age1")).unwrap().to_owned();
        world.put("root/etc/hostname", "node-1\n");
        world.put("root/etc/rancher/k3s/config.yaml", "tls-san: [api.example.com]\n");
        world.put(&format!("{DATA}/server/token"), &format!("K10ab::server:{}\n", SENTINELS[1]));
        world.put(&format!("{DATA}/server/cred/passwd"), "p\n");
        world.put(&format!("{DATA}/server/tls/server-ca.key"), "k\n");
        let database = world.database();
        database.execute_batch(SCHEMA).unwrap();
        let secret = format!("k8s\0{}", SENTINELS[0]);
        for (name, value) in [
            ("/registry/minions/node-1", "k8s\0..kubelet..v1.37.1+k3s1\x12.."),
            ("/registry/secrets/shop/db", secret.as_str()),
            ("/registry/services/specs/shop/web", "k8s\0"),
            ("/registry/helm.cattle.io/helmcharts/kube-system/traefik", "{}"),
        ] {
            write(&database, name, value.as_bytes());
        }
        let mut noise = Noise(7);
        database.execute_batch("BEGIN").unwrap();
        for at in 0..many {
            write(&database, &format!("/registry/configmaps/shop/c{at}"), &noise.bytes(size));
        }
        database.execute_batch("COMMIT").unwrap();
        // A row that is gone is no object.
        let gone = "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value) \
                    VALUES('/registry/secrets/shop/gone', 0, 1, 0, 0, 0, x'00')";
        database.execute(gone, []).unwrap();
        world
    }

    /// The database, as k3s has it open.
    pub(crate) fn database(&self) -> Connection {
        let file = self.path(&format!("{DATA}/server/db/state.db"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let database = Connection::open(file).unwrap();
        database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
        database.pragma_update(None, "journal_mode", "WAL").unwrap();
        database.pragma_update(None, "synchronous", "NORMAL").unwrap();
        database
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The program, about to be run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(args).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn kwo(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// What makes a backup.
    pub(crate) fn making<'w>(&'w self, more: &[&'w str]) -> Vec<&'w str> {
        let recipient = self.recipient.as_str();
        [&["node", "backup", "--recipient", recipient, "--to", "backups", "--root", "root"], more].concat()
    }

    /// Makes a backup.
    pub(crate) fn backup(&self, more: &[&str]) -> Ran {
        self.kwo(&self.making(more))
    }

    /// Looks at one.
    pub(crate) fn check(&self, file: &Path, more: &[&str]) -> Ran {
        let file = file.to_str().unwrap();
        self.kwo(&[&["node", "restore", file, "--check", "--identity", "age.key"], more].concat())
    }

    /// The names of all that is in the folder of the backups but the lock, in order.
    pub(crate) fn there(&self) -> Vec<String> {
        let listed = fs::read_dir(self.path("backups")).into_iter().flatten();
        let mut names: Vec<String> =
            listed.map(|found| found.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.ends_with(".lock"));
        names.sort();
        names
    }

    /// The backups, the oldest first.
    pub(crate) fn backups(&self) -> Vec<PathBuf> {
        let names = self.there().into_iter().filter(|name| name.ends_with(".age") && !name.starts_with('.'));
        names.map(|name| self.path("backups").join(name)).collect()
    }

    /// Is a secret in the clear anywhere below the world, but on the node itself?
    #[track_caller]
    pub(crate) fn keeps_its_secrets(&self) {
        let mut folders = vec![self.folder.path().to_owned()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for found in fs::read_dir(folder).unwrap() {
                let path = found.unwrap().path();
                if path.is_dir() {
                    if path != self.path("root") {
                        folders.push(path);
                    }
                    continue;
                }
                assert!(!has_a_secret(&fs::read(&path).unwrap()), "{}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 0);
    }
}

/// What a run said, as one that reads it cares.
pub(crate) trait Says {
    /// Did it say this?
    fn says(&self, part: &str) -> &Self;
}

impl Says for Ran {
    #[track_caller]
    fn says(&self, part: &str) -> &Ran {
        assert!(self.out.contains(part) || self.err.contains(part), "{part:?} in {}{}", self.out, self.err);
        self
    }
}

/// Is one of the secrets in it?
pub(crate) fn has_a_secret(bytes: &[u8]) -> bool {
    SENTINELS.iter().any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()))
}

/// Creates an object.
pub(crate) fn write(database: &Connection, name: &str, value: &[u8]) {
    let sql = "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value) \
               VALUES(?1, 1, 0, 0, 0, 0, ?2, x'')";
    database.prepare(sql).unwrap().execute(params![name, value]).unwrap();
}

/// Bytes that nothing packs.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn bytes(&mut self, many: usize) -> Vec<u8> {
        let next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_le_bytes()
        };
        let mut bytes: Vec<u8> = std::iter::repeat_with(next).take(many.div_ceil(8)).flatten().collect();
        bytes.truncate(many);
        bytes
    }
}
