//! What a backup says of itself. It stands in front of everything else, so that a reader knows what has to come, and how long
//! it is, before it reads that.

use jiff::{SignedDuration, Timestamp};
use kwo_planner::plain::counted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits;

/// The version of the form.
pub const FORMAT_VERSION: &str = "1.0";
/// What it is called.
pub(super) const KIND: &str = "NodeBackup";
/// The path of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// The path of the database.
pub(super) const DATABASE: &str = "data/server/db/state.db";
/// What a path begins with: the data of k3s, `/etc/rancher`, `/etc/systemd/system`.
pub(super) const TOPS: [&str; 3] = ["data", "etc", "unit"];

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
    /// What kind of datastore it is: `sqlite`.
    pub kind: String,
    /// When k3s wrote to it last, by the time of its files.
    #[schemars(with = "Option<String>")]
    pub written: Option<Timestamp>,
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
        missing
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
        let (mut together, mut database, mut before) = (0_u64, false, None);
        for KeptFile { path, size, mode, sha256 } in &self.files {
            check(path).map_err(|why| format!("{}: {why}", shown(path)))?;
            if before.is_some_and(|before: &String| before >= path) {
                return Err(format!("{} is in it twice, or stands elsewhere", shown(path)));
            }
            before = Some(path);
            let most = if path == DATABASE { limits::DATABASE } else { limits::FILE };
            if *size > most {
                return Err(format!("{} is longer than {most} bytes", shown(path)));
            }
            if sha256.len() != 64 || *mode > 0o777 {
                return Err(format!("{} has a sum or a mode that is none", shown(path)));
            }
            match path == DATABASE {
                true => database = true,
                false => together = together.saturating_add(*size),
            }
        }
        if together > limits::TOGETHER {
            return Err(format!("its files are longer than {} bytes", limits::TOGETHER));
        }
        if !database || self.database.kind != "sqlite" {
            return Err("no database of SQLite is in it".to_owned());
        }
        Ok(())
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
