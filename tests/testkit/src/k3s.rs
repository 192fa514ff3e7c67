//! A node of k3s below a folder, played: its database in the form of kine, which any test may write as k3s does, or snapshots in
//! the form of etcd, its token, and what else a backup holds. No k3s is started.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

/// Secrets that may be nowhere in the clear: in the database, and in the files beside it.
pub const SENTINELS: [&str; 2] = ["sentinel-in-the-database-7f3a", "sentinel-in-the-token-91c2"];
/// Where k3s keeps its data.
pub const DATA: &str = "var/lib/rancher/k3s";

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

/// Puts a node below a folder. Its database has these many objects of this size beside those that there always are.
pub fn play(root: &Path, many: usize, size: usize) {
    files(root);
    let database = database(root);
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
}

/// Puts what a backup holds beside the database.
pub fn files(root: &Path) {
    put(root, "etc/rancher/k3s/config.yaml", "tls-san: [api.example.com]\n");
    put(root, &format!("{DATA}/server/token"), &format!("K10ab::server:{}\n", SENTINELS[1]));
    put(root, &format!("{DATA}/server/cred/passwd"), "p\n");
    put(root, &format!("{DATA}/server/tls/server-ca.key"), "k\n");
}

/// Makes it a node that keeps its objects in etcd: its log is there, and the folder of the snapshots, which is given.
pub fn on_etcd(root: &Path) -> PathBuf {
    let db = root.join(DATA).join("server/db");
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(db.join(file));
    }
    fs::create_dir_all(db.join("etcd/member/wal")).unwrap();
    fs::create_dir_all(db.join("snapshots")).unwrap();
    db.join("snapshots")
}

/// A snapshot in the form of etcd (v3.7.0) with this in it: the first page of a database of bbolt, and its sum behind it all.
#[must_use]
pub fn snapshot(content: &[u8]) -> Vec<u8> {
    foreign(&[bootstrap().as_bytes(), b"\0", content].concat())
}

/// Where k3s keeps the certificates of the cluster, encrypted by the token.
#[must_use]
pub fn bootstrap() -> String {
    let sum: String = Sha256::digest(SENTINELS[1]).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/bootstrap/{}", &sum[..12])
}

/// The same without what k3s encrypted by its token.
#[must_use]
pub fn foreign(content: &[u8]) -> Vec<u8> {
    let mut meta = [0xED0C_DAED_u32, 2, 4096, 0].map(u32::to_le_bytes).concat();
    meta.resize(56, 0);
    let fnv = meta
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mut bytes = [&[0; 16], &meta[..], &fnv.to_le_bytes()].concat();
    bytes.resize(2 * 4096, 0);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

/// The database, as k3s has it open.
#[must_use]
pub fn database(root: &Path) -> Connection {
    let file = root.join(DATA).join("server/db/state.db");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let database = Connection::open(file).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.pragma_update(None, "synchronous", "NORMAL").unwrap();
    database
}

/// Creates an object.
pub fn write(database: &Connection, name: &str, value: &[u8]) {
    let sql = "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value) \
               VALUES(?1, 1, 0, 0, 0, 0, ?2, x'')";
    database.prepare(sql).unwrap().execute(params![name, value]).unwrap();
}

/// Is one of the secrets in it?
#[must_use]
pub fn has_a_secret(bytes: &[u8]) -> bool {
    SENTINELS.iter().any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()))
}

fn put(root: &Path, name: &str, text: &str) {
    let path: PathBuf = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Bytes that nothing packs.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, many: usize) -> Vec<u8> {
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
