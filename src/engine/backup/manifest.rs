//! What a backup says of itself. It stands in front of everything else, so that a reader knows what has to come, and how long
//! it is, before it reads that.

use jiff::{SignedDuration, Timestamp};
use kwo_planner::plain::counted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits;

/// The version of the form of a backup with a database of SQLite in it.
pub const FORMAT_VERSION: &str = "1.0";
/// The same where k3s keeps its objects in etcd. A kwo that does not know this form says so.
pub(super) const ETCD_VERSION: &str = "2.0";
/// What it is called.
pub(super) const KIND: &str = "NodeBackup";
/// The path of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// The kinds of datastores.
pub(super) const SQLITE: &str = "sqlite";
pub(super) const ETCD: &str = "etcd";
/// What the path of the snapshot begins with.
const ETCD_TOP: &str = "etcd/";
/// The path of the database.
pub(super) const DATABASE: &str = "data/server/db/state.db";
/// The path of the snapshot of etcd. It lies beside the data of k3s: it goes into etcd, and not into a folder.
pub const SNAPSHOT: &str = "etcd/snapshot";
/// What a path begins with: the data of k3s, `/etc/rancher`, the snapshot, `/etc/systemd/system`.
pub(super) const TOPS: [&str; 4] = ["data", "etc", "etcd", "unit"];

/// What a backup says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Manifest {
    /// What it is called.
    pub kind: String,
    /// The version of its form.
    pub format_version: String,
    /// The version of kwo that made it.
    pub kwo: String,
    /// The name of the node.
    pub node: String,
    /// When it was made.
    pub time: Timestamp,
    /// The folder of the data of k3s on the node.
    pub data_dir: String,
    /// The database.
    pub database: Database,
    /// The files, in the order in which they follow; the database is one of them.
    pub files: Vec<KeptFile>,
    /// The files of the node that k3s' API server is told to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
}

/// The database in a backup.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Database {
    /// What kind of datastore it is: `sqlite` or `etcd`.
    pub kind: String,
    /// When k3s wrote to it last, by the time of its files. Of etcd it is not known.
    #[schemars(with = "Option<String>")]
    pub written: Option<Timestamp>,
    /// The snapshot of etcd that is in the backup, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// The file that tells k3s to join another server, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joins: Option<String>,
}

/// A snapshot of etcd that k3s made. How long it is and its sum stand beside its path.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Snapshot {
    /// What k3s called it.
    pub name: String,
    /// When k3s made it.
    #[schemars(with = "String")]
    pub time: Timestamp,
}

/// A file in a backup.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct KeptFile {
    /// Its path in the backup.
    pub path: String,
    /// How long it is, in bytes.
    pub size: u64,
    /// Its mode.
    pub mode: u32,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// Something that is not in a backup.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct LeftOut {
    /// What.
    pub path: String,
    /// Why, as a sentence without a full stop.
    pub why: String,
}

/// How long a running k3s writes nothing, at most. It renews its leases every few seconds.
const SILENT: SignedDuration = SignedDuration::from_hours(1);
/// How old a snapshot of etcd may be. k3s makes one every 12 hours.
const OLD: SignedDuration = SignedDuration::from_hours(13);
/// How far a snapshot may be ahead of the backup: k3s rounds its time.
pub(super) const AHEAD: SignedDuration = SignedDuration::from_mins(1);
/// Why there are no objects.
const NO_SNAPSHOT: &str = "k3s has no snapshot of etcd that is whole, so no object is in the backup; it makes one every 12 \
                           hours, unless its configuration says otherwise";
/// Why a file is missing that the API server is told to read.
const UNREAD: &str = "k3s tells the API server to read this file, and the API server does not start without it; keep it in \
                      /etc/rancher/k3s, which a backup holds";

/// What k3s needs beside its objects, and what happens without it.
const NEEDED: [(&str, &str); 3] = [
    (
        "data/server/token",
        "no other node joins without the token, and k3s starts from the backup only with it",
    ),
    (
        "data/server/cred/",
        "k3s makes new credentials, and cannot read secrets that it encrypted with the old ones",
    ),
    (
        "data/server/tls/",
        "k3s makes new certificate authorities, and every kubeconfig and node has to be made again",
    ),
];

impl Manifest {
    /// What is missing that a restore needs, and what happens without it.
    #[must_use]
    pub fn missing(&self) -> Vec<LeftOut> {
        let there = |path: &str| match path.ends_with('/') {
            true => self.files.iter().any(|file| file.path.starts_with(path)),
            false => self.files.iter().any(|file| file.path == path && file.size > 0),
        };
        let one = |path: &str, why: &str| LeftOut { path: path.to_owned(), why: why.to_owned() };
        let mut missing: Vec<LeftOut> =
            NEEDED.iter().filter(|(path, _)| !there(path)).map(|(path, why)| one(path, why)).collect();
        missing.extend(self.needed.iter().filter(|path| !self.has(path)).map(|path| one(path, UNREAD)));
        if let Some(silent) = self.silent() {
            let ago = counted(silent.as_hours().unsigned_abs(), "hour", "hours");
            let why = format!(
                "k3s wrote to this database last {ago} before the backup; if k3s ran, it has its objects elsewhere"
            );
            missing.push(one(DATABASE, &why));
        }
        missing.extend(self.stale().map(|why| one(SNAPSHOT, &why)));
        missing
    }

    /// How many files there are beside what has the objects.
    #[must_use]
    pub fn beside(&self) -> usize {
        self.files.iter().filter(|file| !matches!(file.path.as_str(), DATABASE | SNAPSHOT)).count()
    }

    /// How long the snapshot of etcd is, if there is one.
    #[must_use]
    pub fn snapshot_size(&self) -> Option<u64> {
        self.files.iter().find(|file| file.path == SNAPSHOT).map(|file| file.size)
    }

    /// Are its objects in a snapshot of etcd?
    #[must_use]
    pub fn is_etcd(&self) -> bool {
        self.database.kind == ETCD
    }

    /// Why the snapshot of etcd is not as new as it should be, or none is there.
    fn stale(&self) -> Option<String> {
        if !self.is_etcd() {
            return None;
        }
        let Some(snapshot) = &self.database.snapshot else { return Some(NO_SNAPSHOT.to_owned()) };
        let age = self.time.duration_since(snapshot.time);
        if age > OLD {
            let ago = counted(age.as_hours().unsigned_abs(), "hour", "hours");
            return Some(format!(
                "k3s made this snapshot {ago} before the backup, and what was written since is not in it; k3s makes one every 12 \
                 hours, unless its configuration says otherwise"
            ));
        }
        (age < -AHEAD).then(|| {
            "its time was still to come when the backup was made, so kwo cannot tell how old it is; a clock was wrong".to_owned()
        })
    }

    /// How long k3s had written nothing, if that is so long that it perhaps uses another database.
    fn silent(&self) -> Option<SignedDuration> {
        Some(self.time.duration_since(self.database.written?)).filter(|age| *age > SILENT)
    }

    /// Is a file of the node in it, or what is in a folder?
    fn has(&self, path: &str) -> bool {
        let below = |folder: &str, top: &str| {
            path.strip_prefix(folder)?.strip_prefix('/').map(|rest| format!("{top}/{rest}"))
        };
        let kept = below(self.data_dir.trim_end_matches('/'), "data")
            .or_else(|| below("/etc/rancher", "etc"))
            .or_else(|| below("/etc/systemd/system", "unit"));
        let is = |file: &KeptFile, kept: &str| {
            file.path.strip_prefix(kept).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        kept.is_some_and(|kept| self.files.iter().any(|file| is(file, &kept)))
    }

    /// Can that be what kwo writes? Nothing of what comes is read before this is asked.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.files.len() > limits::FILES + 1 {
            return Err(format!("it has more than {}", counted(limits::FILES, "file", "files")));
        }
        let named = |path: &String| path.starts_with('/') && path.len() <= limits::DATA_DIR;
        if self.needed.len() > limits::NEEDED || !self.needed.iter().all(named) {
            let most = counted(limits::NEEDED, "file", "files");
            return Err(format!("k3s is told to read more than {most}, or one without a path"));
        }
        let dir = &self.data_dir;
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        let below =
            dir.strip_prefix('/').is_some_and(|rest| rest.trim_end_matches('/').split('/').all(plain));
        if !below || dir.len() > limits::DATA_DIR || dir.contains(char::is_control) {
            return Err(format!("{} is no folder for the data of k3s", shown(dir)));
        }
        let objects = if self.is_etcd() { SNAPSHOT } else { DATABASE };
        let (mut together, mut database, mut before) = (0_u64, false, None);
        for KeptFile { path, size, mode, sha256 } in &self.files {
            check(path).map_err(|why| format!("{}: {why}", shown(path)))?;
            if before.is_some_and(|before: &String| before >= path) {
                return Err(format!("{} is in it twice, or stands elsewhere", shown(path)));
            }
            before = Some(path);
            if path != objects && (path == DATABASE || path.starts_with(ETCD_TOP)) {
                return Err(format!("{} is of another kind of datastore", shown(path)));
            }
            let most = match path == objects {
                true if self.is_etcd() => limits::SNAPSHOT,
                true => limits::DATABASE,
                false => limits::FILE,
            };
            if *size > most {
                return Err(format!("{} is longer than {most} bytes", shown(path)));
            }
            if sha256.len() != 64 || *mode > 0o777 {
                return Err(format!("{} has a sum or a mode that is none", shown(path)));
            }
            match path == objects {
                true => database = true,
                false => together = together.saturating_add(*size),
            }
        }
        if together > limits::TOGETHER {
            return Err(format!("its files are longer than {} bytes", limits::TOGETHER));
        }
        self.check_objects(database)
    }

    /// Is what it says of its datastore what is in it?
    fn check_objects(&self, there: bool) -> Result<(), String> {
        let Database { kind, snapshot, joins, .. } = &self.database;
        let of_version = if self.is_etcd() { ETCD_VERSION } else { FORMAT_VERSION };
        if major(&self.format_version) != major(of_version) {
            return Err(format!("no backup of its form has a datastore `{}`", shown(kind)));
        }
        if !self.is_etcd() {
            return match there && kind == SQLITE && snapshot.is_none() {
                true => Ok(()),
                false => Err("no database of SQLite is in it".to_owned()),
            };
        }
        if snapshot.is_some() != there {
            return Err("what it says of a snapshot of etcd is not what is in it".to_owned());
        }
        if let Some(Snapshot { name, .. }) = snapshot {
            check_name(name).map_err(|why| format!("the name of its snapshot: {why}"))?;
        }
        match joins.as_ref().is_none_or(|file| file.starts_with('/') && file.len() <= limits::DATA_DIR) {
            true => Ok(()),
            false => Err("the file that tells k3s to join another server has no path of a file".to_owned()),
        }
    }
}

/// The part of a version that says whether the form can be read.
pub(super) fn major(version: &str) -> Option<&str> {
    version.split_once('.').map(|(major, _)| major)
}

/// Can a snapshot of k3s have this name?
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > limits::NAME {
        return Err("it is empty or too long");
    }
    match name.starts_with('.') || name.contains(|char: char| char.is_control() || matches!(char, '/' | '\\'))
    {
        true => Err("k3s gives no such name to a snapshot"),
        false => Ok(()),
    }
}

/// May a file lie there? A path never leads out of the folder that somebody unpacks it in.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if path.len() > limits::PATH {
        return Err("the path is too long");
    }
    if path.contains(|char: char| char.is_control() || char == '\\') {
        return Err("the path has characters that no path of a backup has");
    }
    let mut parts = path.split('/');
    if !parts.next().is_some_and(|top| TOPS.contains(&top)) {
        return Err("nothing in a backup lies there");
    }
    let mut below = parts.peekable();
    if below.peek().is_none() || below.any(|part| matches!(part, "" | "." | "..")) {
        return Err("the path leads elsewhere");
    }
    Ok(())
}

/// A path of strangers in a message.
pub(super) fn shown(path: &str) -> String {
    let short: String = path.chars().take(200).collect();
    kwo_planner::plain::one_line(&short).into_owned()
}
