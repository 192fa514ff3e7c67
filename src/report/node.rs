//! What a backup of the node holds, and what it lacks: as text, and for programs. Nothing by which a secret could be found: a
//! backup has sums of its files, and no report has.

use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use kwo_engine::backup::{Checked, DATA_DIR, Facts, KindCount, LeftOut, Made, SNAPSHOT, Snapshot};
use kwo_planner::plain::{OneLine, counted, one_line, shell_word};
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::units::{moment, size};
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::style::{CREATE, HOLD, LEFT, STRONG};

/// How many kinds are told; the JSON form has all.
const MOST: usize = 12;

/// A backup, as programs read it.
#[derive(Debug, Serialize, JsonSchema)]
struct Contents {
    /// The file.
    file: String,
    /// How long it is, in bytes.
    size: u64,
    /// SHA-256 of it.
    sha256: String,
    /// The name of the node.
    node: String,
    /// When it was made.
    #[schemars(with = "String")]
    made: Timestamp,
    /// The version of kwo that made it.
    kwo: String,
    /// What kind of datastore it is of.
    datastore: String,
    /// When k3s wrote to the datastore last, at that time.
    #[schemars(with = "Option<String>")]
    written: Option<Timestamp>,
    /// What is in the database. Nothing for a snapshot of etcd, which kwo does not look into.
    database: Option<Facts>,
    /// The snapshot of etcd that is in it.
    snapshot: Option<Snapshot>,
    /// How long the snapshot is, in bytes.
    snapshot_size: Option<u64>,
    /// The file that tells k3s to join another server; it restores no snapshot of etcd before `server` is out of that.
    joins: Option<String>,
    /// How many files there are beside the database or the snapshot.
    files: usize,
    /// What a restore needs and the backup lacks.
    missing: Vec<LeftOut>,
    /// What is not in it, and why.
    left_out: Vec<LeftOut>,
}

/// What `kwo node backup` made.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BackedUp {
    format_version: &'static str,
    #[serde(flatten)]
    contents: Contents,
    /// Older backups that were removed.
    removed: Vec<String>,
    /// How many whole backups of this node are in the folder now.
    kept: usize,
}

/// What `kwo node restore` found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Restorable {
    format_version: &'static str,
    #[serde(flatten)]
    contents: Contents,
    /// Where its files were written to, if they were.
    restored_to: Option<String>,
    /// The commands that put them in place on the node.
    commands: Vec<String>,
    /// The folder that has to be moved away on the other servers of an etcd before they join this one again.
    others: Option<String>,
    #[serde(skip)]
    age: Option<SignedDuration>,
}

impl Contents {
    fn new(file: &Path, checked: &Checked) -> Contents {
        let Checked { manifest, facts, sha256, size, .. } = checked;
        Contents {
            file: file.display().to_string(),
            size: *size,
            sha256: sha256.clone(),
            node: manifest.node.clone(),
            made: manifest.time,
            kwo: manifest.kwo.clone(),
            datastore: manifest.database.kind.clone(),
            written: manifest.database.written,
            database: facts.clone(),
            snapshot: manifest.database.snapshot.clone(),
            snapshot_size: manifest.snapshot_size(),
            joins: manifest.database.joins.clone(),
            files: manifest.beside(),
            missing: checked.missing(),
            left_out: manifest.left_out.clone(),
        }
    }

    fn text(&self, age: Option<SignedDuration>) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(out, "  {name:<9} {}", OneLine(value));
        };
        let k3s = self.database.as_ref().and_then(|database| database.k3s.as_ref());
        let k3s = k3s.map(|version| format!(", k3s {version}")).unwrap_or_default();
        line("node", &format!("{}{k3s}", self.node));
        let age = age.map(|age| format!(", {} ago", span(age))).unwrap_or_default();
        line("made", &format!("{}{age}, by kwo {}", moment(self.made), self.kwo));
        if let Some(written) = self.written {
            line("written", &format!("last by k3s at {}", moment(written)));
        }
        if let Some(Snapshot { name, time }) = &self.snapshot {
            line("snapshot", &format!("{name}, made by k3s at {}", moment(*time)));
        }
        line("holds", &self.holds());
        line("beside", &counted(self.files, "file", "files"));
        line("size", &size(self.size));
        line("sha256", &self.sha256);
        out + &self.many() + &self.lacks()
    }

    fn holds(&self) -> String {
        match (&self.database, self.snapshot_size) {
            (Some(Facts { objects, kinds, revision, .. }), _) => {
                let of = counted(kinds.len(), "kind", "kinds");
                format!("{} of {of}, at revision {revision}", counted(*objects, "object", "objects"))
            }
            (None, Some(bytes)) => format!("a snapshot of etcd, {} long", size(bytes)),
            (None, None) => "no objects".to_owned(),
        }
    }

    /// The kinds that there are most of.
    fn many(&self) -> String {
        let mut kinds: Vec<&KindCount> = self.database.iter().flat_map(|database| &database.kinds).collect();
        kinds.sort_by(|one, other| other.objects.cmp(&one.objects).then(one.name.cmp(&other.name)));
        let mut out = String::new();
        let width = kinds.first().map(|kind| kind.objects.to_string().len()).unwrap_or_default();
        for KindCount { name, objects } in kinds.iter().take(MOST) {
            let _ = writeln!(out, "    {objects:>width$}  {}", OneLine(name));
        }
        if let Some(more) = kinds.len().checked_sub(MOST).filter(|more| *more > 0) {
            let _ = writeln!(out, "    and {} more; -o json has all", counted(more, "kind", "kinds"));
        }
        out
    }

    fn lacks(&self) -> String {
        let mut out = String::new();
        for (title, mark, list) in [
            ("missing", format!("{HOLD}!{HOLD:#}"), &self.missing),
            ("not in the backup", format!("{LEFT}?{LEFT:#}"), &self.left_out),
        ] {
            for (at, LeftOut { path, why }) in list.iter().enumerate() {
                let before = if at == 0 { format!("\n{title}\n") } else { String::new() };
                let _ = writeln!(out, "{before}  {mark} {}: {}", OneLine(path), OneLine(why));
            }
        }
        out
    }
}

impl BackedUp {
    /// This one.
    #[must_use]
    pub fn new(made: &Made) -> BackedUp {
        BackedUp {
            format_version: FORMAT_VERSION,
            contents: Contents::new(&made.file, &made.checked),
            removed: made.removed.iter().map(|file| file.display().to_string()).collect(),
            kept: made.kept,
        }
    }

    /// Does it have all that a restore needs?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.contents.missing.is_empty()
    }
}

impl Restorable {
    /// This one, at this time.
    #[must_use]
    pub fn new(file: &Path, checked: &Checked, to: Option<&Path>, now: Timestamp) -> Restorable {
        let age = now.duration_since(checked.manifest.time);
        Restorable {
            format_version: FORMAT_VERSION,
            contents: Contents::new(file, checked),
            restored_to: to.map(|folder| folder.display().to_string()),
            commands: to.map(|folder| commands(folder, checked, now)).unwrap_or_default(),
            others: checked.manifest.snapshot_size().map(|_| format!("{}/server/db", data(checked))),
            age: (!age.is_negative()).then_some(age),
        }
    }

    /// Does it have all that a restore needs?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.contents.missing.is_empty()
    }
}

impl Report for BackedUp {
    const KIND: Option<&'static str> = Some("NodeBackup");

    type Json<'a> = &'a BackedUp;

    fn text(&self) -> String {
        let mut out = format!("{STRONG}Backed up{STRONG:#} into {}\n", one_line(&self.contents.file));
        out.push_str(&self.contents.text(None));
        let removed = match self.removed.len() {
            0 => String::new(),
            some => format!("; removed {}", counted(some, "older one", "older ones")),
        };
        let read = match self.is_whole() {
            true => "It was read back.",
            false => {
                "It was read back, but it lacks what a restore needs: its name says so, and kwo never removes it."
            }
        };
        let _ = writeln!(
            out,
            "\n{read} The folder holds {} of this node{removed}.",
            counted(self.kept, "whole backup", "whole backups")
        );
        out
    }

    fn json(&self) -> &BackedUp {
        self
    }
}

impl Report for Restorable {
    const KIND: Option<&'static str> = Some("NodeRestore");

    type Json<'a> = &'a Restorable;

    fn text(&self) -> String {
        let mut out = format!("{STRONG}Backup{STRONG:#} {}\n", one_line(&self.contents.file));
        out.push_str(&self.contents.text(self.age));
        let whole = if self.is_whole() { "" } else { ", but it lacks what a restore needs" };
        let found = match (&self.contents.database, &self.contents.snapshot) {
            (Some(_), _) => ", and SQLite finds nothing wrong",
            (None, Some(_)) => ", and so does the sum that etcd put into the snapshot",
            (None, None) => "",
        };
        let _ = writeln!(out, "\n{CREATE}sound{CREATE:#}: every sum fits{found}{whole}");
        if let Some(to) = &self.restored_to {
            let _ = writeln!(
                out,
                "Its files are in {}, in the clear. Nothing on this machine uses them yet.\n\
                 The key says who can read a backup, and not who made it: use one only from a place that you trust.",
                one_line(to)
            );
            out.push_str(&self.before());
            out.push_str(match self.commands.is_empty() {
                true => "No object is in it, so nothing puts it in place: k3s would start with an empty cluster.\n",
                false => {
                    "On the node, with this folder at the same path, as root, one after the other as long as none fails:\n\n"
                }
            });
        }
        for command in &self.commands {
            let _ = writeln!(out, "  {command}");
        }
        out + &self.others()
    }

    fn json(&self) -> &Restorable {
        self
    }
}

impl Restorable {
    /// What a person has to know before the commands of etcd.
    fn before(&self) -> String {
        if self.others.is_none() || self.commands.is_empty() {
            return String::new();
        }
        let mut out = "\n- If the cluster has more servers, stop k3s on each of them before the first command.\n\
             - `k3s server` here reads /etc/rancher/k3s only. If the unit of k3s gives it options, such as `--node-ip`, add them to \
             that command, all but `--server`.\n"
            .to_owned();
        if let Some(file) = &self.contents.joins {
            let _ = writeln!(
                out,
                "- {} told k3s to join another server. Take that out right before `k3s server`: k3s restores no snapshot until then.",
                one_line(file)
            );
        }
        out.push('\n');
        out
    }

    /// What is to be done after the commands: etcd is perhaps on other servers, too.
    fn others(&self) -> String {
        let Some(db) = self.others.as_ref().filter(|_| self.restored_to.is_some()) else {
            return String::new();
        };
        let (db, before) = (shell_word(db), shell_word(&format!("{db}.before")).into_owned());
        format!(
            "\nThen, on each other server: `server` in the configuration of k3s has to name this one. A server without it makes a new, \
             empty cluster. With it, this makes it join:\n\n  mv -T {db} {before} && systemctl start k3s\n"
        )
    }
}

/// What puts the files in place. What is there is moved away or kept beside it; the folder alone is deleted, at the end. Without
/// objects there are none.
fn commands(folder: &Path, checked: &Checked, now: Timestamp) -> Vec<String> {
    if checked.facts.is_none() && checked.manifest.snapshot_size().is_none() {
        return Vec::new();
    }
    let folder = folder.display().to_string();
    let put = |top: &str, to: &str| {
        // Not `-a`: that would give the mode of these folders to those that are there.
        format!("cp -r --backup=numbered {} {}", shell_word(&format!("{folder}/{top}/.")), shell_word(to))
    };
    let data = data(checked);
    let server = format!("{data}/server");
    let before = format!("{server}.before-{}", now.strftime("%Y%m%dT%H%M%SZ"));
    let has = |top: &str| checked.manifest.files.iter().any(|file| file.path.starts_with(top));
    let mut commands = vec![
        "systemctl stop k3s".to_owned(),
        format!("test ! -e {0} || mv -T {0} {1}", shell_word(&server), shell_word(&before)),
        format!("mkdir -p {} /etc/rancher", shell_word(&data)),
        // The log of an old database beside the new one would damage that.
        format!("test ! -e {} && {}", shell_word(&server), put("data", &format!("{data}/"))),
    ];
    if has("etc/") {
        commands.push(put("etc", "/etc/rancher/"));
    }
    if has("unit/") {
        commands.push(put("unit", "/etc/systemd/system/"));
        commands.push("systemctl daemon-reload".to_owned());
    }
    if checked.manifest.database.snapshot.is_some() {
        // It takes the certificates from the snapshot, and ends by itself.
        let path = format!("--cluster-reset-restore-path={folder}/{SNAPSHOT}");
        let data = match data == DATA_DIR {
            true => String::new(),
            false => format!("{} ", shell_word(&format!("--data-dir={data}"))),
        };
        let reset = format!("k3s server {data}--cluster-reset --etcd-s3=false {}", shell_word(&path));
        // One line: without its objects k3s would start with an empty cluster, and the folder has to stay.
        commands.push(format!("{reset} && systemctl start k3s && rm -r {}", shell_word(&folder)));
        return commands;
    }
    commands.push("systemctl start k3s".to_owned());
    // The token and all Secrets are in it.
    commands.push(format!("rm -r {}", shell_word(&folder)));
    commands
}

/// The folder of the data of k3s.
fn data(checked: &Checked) -> String {
    checked.manifest.data_dir.trim_end_matches('/').to_owned()
}

/// A time span in the biggest unit that says something.
fn span(age: SignedDuration) -> String {
    let minutes = age.as_mins().unsigned_abs();
    match minutes {
        0 => "less than a minute".to_owned(),
        1..120 => counted(minutes, "minute", "minutes"),
        120..2880 => counted(minutes / 60, "hour", "hours"),
        _ => counted(minutes / 1440, "day", "days"),
    }
}
