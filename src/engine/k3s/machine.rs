//! Looks at a machine: what it is, what runs on it, and what there is of k3s. Writes nothing.

use std::collections::BTreeMap;
use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::geteuid;
use smol_str::{SmolStr, format_smolstr};
use tokio::process::Command;
use tokio::time::timeout;

use super::ready;
use super::release::sum_in;
use super::service::Service;
use super::units;
use crate::backup;
use crate::failure::{Exit, Failure};
use crate::file_lock::FileLock;
use crate::providers::{Astray, followed, in_root};
use crate::regular;
use kwo_planner::k3s::{DROP_IN, Facts, Here, Joins, KUBECONFIG, PROGRAM, Program, Record, UNIT, Unit};
use kwo_planner::roster::K3sVersion;

/// What kwo notes while it installs k3s.
pub(super) const RECORD: &str = "var/lib/kwo/node/k3s.json";
/// Who has this locked installs.
const LOCK: &str = "var/lib/kwo/node/k3s.lock";
/// Where a program of k3s may be.
const PROGRAMS: [&str; 3] = [PROGRAM, "usr/bin/k3s", "opt/bin/k3s"];
/// Where a unit of k3s may be; the first one counts.
const UNITS: [&str; 7] = [
    UNIT,
    "etc/systemd/system/k3s-agent.service",
    "usr/local/lib/systemd/system/k3s.service",
    "usr/lib/systemd/system/k3s.service",
    "lib/systemd/system/k3s.service",
    "usr/local/lib/systemd/system/k3s-agent.service",
    "usr/lib/systemd/system/k3s-agent.service",
];
/// No text of a machine is longer.
const LONGEST: u64 = 1 << 20;
/// How long a program may take to tell its version.
const TELLS: Duration = Duration::from_secs(20);

/// A machine, by the folder above its files.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) root: PathBuf,
    /// It is the one that runs.
    pub(super) live: bool,
    /// Where k3s keeps its data, from the root.
    pub(super) data: PathBuf,
    pub(super) said_name: Option<String>,
    /// What makes k3s a part of another cluster.
    joins: Vec<Joins>,
}

/// Another run that installs, if there is one. Otherwise none begins while this lives.
///
/// # Errors
/// When there is one, or nobody can tell.
pub fn busy(root: &Path) -> Result<FileLock, Failure> {
    let cannot = |error: Astray| {
        let hint = format!("kwo needs a file of its own there: move away what is at /{LOCK} below that root");
        let failure = Failure::new(format!("cannot lock /{LOCK} below {}", root.display()));
        failure.because(&error).hint_for(&error.io(), hint)
    };
    let path = in_root(root, Path::new(LOCK), Some(0o755)).map_err(cannot)?;
    let file = regular::open_lock(&path).map_err(|error| cannot(error.into()))?;
    match FileLock::take(file) {
        Ok(lock) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure {
            exit: Exit::Locked,
            ..Failure::new("another `kwo node install`, `upgrade` or `cleanup` runs")
        }
        .hint("wait until it has ended; one that was killed is in nobody's way")),
        Err(TryLockError::Error(error)) => Err(cannot(error.into())),
    }
}

impl Machine {
    /// The one below this root.
    ///
    /// # Errors
    /// When there is none, or k3s' configuration cannot be read.
    pub fn new(root: &Path) -> Result<Machine, Failure> {
        let machine = backup::Machine::at(root, None)?;
        let told = machine.told().and_then(|(name, data)| Ok((name, data, machine.joins()?)));
        let (said_name, data, joins) = told.map_err(|error| backup::unconfigured(&error))?;
        let root = machine.root;
        let live = root == Path::new("/");
        Ok(Machine { root, live, data, said_name, joins })
    }

    /// The one below this root, for what kwo notes there alone: k3s' configuration is not read.
    pub(super) fn bare(root: &Path) -> Machine {
        Machine {
            root: root.to_owned(),
            live: false,
            data: PathBuf::new(),
            said_name: None,
            joins: Vec::new(),
        }
    }

    /// Is it the one that runs?
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// A file of it, by the path that leads to it from here.
    pub(super) fn shown(&self, file: &str) -> String {
        self.root.join(file.trim_start_matches('/')).display().to_string()
    }

    /// What it is, and what there is on it.
    ///
    /// # Errors
    /// When something of k3s is there and cannot be read.
    pub async fn look(&self) -> Result<Facts, Failure> {
        let os = ["etc/os-release", "usr/lib/os-release"].iter().find_map(|file| self.text(file));
        let release = |key: &str| {
            let value = os.as_ref()?.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            value.map(|value| SmolStr::from(value.trim_matches(['"', '\''])))
        };
        Ok(Facts {
            live: self.live,
            root: if self.live { SmolStr::default() } else { format_smolstr!("{}", self.root.display()) },
            may_write: !self.live || geteuid().is_root(),
            machine: rustix::system::uname().machine().to_string_lossy().into(),
            os: release("PRETTY_NAME").or(release("ID")).zip(release("ID")),
            systemd: self.root.join("run/systemd/system").is_dir(),
            selinux: self.text("sys/fs/selinux/enforce").is_some_and(|text| text.trim() == "1"),
            memory: self.memory(),
            data: self.space(&self.data),
            programs: self.space(&Path::new("/").join(PROGRAM).with_file_name("")),
            ports: self.ports(),
            cgroup: self
                .text("sys/fs/cgroup/cgroup.controllers")
                .map(|text| text.split_whitespace().map(SmolStr::from).collect()),
            now: Timestamp::now().as_second(),
            elsewhere: None,
            host: self.host().into(),
            said_name: self.said_name.as_deref().map(SmolStr::from),
            joins: self.joins.clone(),
            others: units::of_others(&self.root),
            running: self.running(),
            here: self.here().await?,
        })
    }

    /// What kwo noted when it began to install k3s.
    pub(super) fn record(&self) -> Result<Option<Record>, Failure> {
        let found = self.found(RECORD).map_err(|error| unread(&self.root.join(RECORD), &error))?;
        let Some(text) = found.map(|path| regular::text(&path)) else { return Ok(None) };
        let record = text.map_err(serde_json::Error::io).and_then(|text| serde_json::from_str(&text));
        record.map(Some).map_err(|error| {
            Failure::new(format!("cannot read {}", self.shown(RECORD))).because(&error).hint(
                "kwo notes there what it installs; if you remove it, kwo leaves a k3s that is there as it is",
            )
        })
    }

    /// Which of the files that an installation writes are no longer as they were.
    pub(super) async fn changed_since(&self, seen: &Here) -> Result<Vec<String>, Failure> {
        let now = self.here().await?;
        let files = [
            (PROGRAM, now.program != seen.program),
            (UNIT, now.unit != seen.unit || now.masked != seen.masked),
            (DROP_IN, now.drop_in != seen.drop_in),
        ];
        let changed = files.iter().filter(|(_, changed)| *changed);
        Ok(changed.map(|(file, _)| format!("{} is not as kwo saw it", self.shown(file))).collect())
    }

    /// What there is of k3s.
    async fn here(&self) -> Result<Here, Failure> {
        let there = |file: &str| match self.found(file) {
            Ok(found) => Ok(found),
            Err(error) => Err(unread(&self.root.join(file), &error)),
        };
        let mut here = Here { record: self.record()?, ..Here::default() };
        for file in PROGRAMS {
            // A link is somebody else's: kwo makes none.
            if self.is_link(file) {
                here.program = Some(Program { path: file.into(), sha256: "".into(), version: None });
                break;
            }
            let Some(path) = there(file)? else { continue };
            let sha256: SmolStr = sum_in(&path).map_err(|error| unread(&path, &error.into()))?.into();
            let noted = here.record.as_ref().filter(|record| record.sha256 == sha256);
            let version = match noted {
                Some(record) => Some(record.version.clone()),
                // What is in an image does not run here.
                None if self.live && loose(file, &path, true).is_none() => tells(&path).await.ok(),
                None => None,
            };
            here.loose.extend(loose(file, &path, true));
            here.program = Some(Program { path: file.into(), sha256, version });
            break;
        }
        for file in UNITS {
            if self.found_anyhow(file).is_none() {
                continue;
            }
            let text = self.text(file);
            // systemd takes an empty file like a link to `/dev/null`.
            here.masked = backup::is_masked(&self.root, file) || text.as_deref() == Some("");
            let text = text.unwrap_or_default().into();
            here.loose.extend(self.found(file).ok().flatten().and_then(|path| loose(file, &path, false)));
            here.unit = Some(Unit { path: file.into(), text });
            break;
        }
        // Its installer gives a unit another name if it is told to.
        here.unit = here.unit.or_else(|| units::of_k3s(&self.root));
        here.data = self.has_data();
        let drop_in = there(DROP_IN)?;
        here.loose.extend(drop_in.as_ref().and_then(|path| loose(DROP_IN, path, false)));
        here.drop_in = drop_in.and_then(|_| self.text(DROP_IN)).map(SmolStr::from);
        let missing = [
            (PROGRAM, here.program.is_none()),
            (UNIT, here.unit.is_none()),
            (DROP_IN, here.drop_in.is_none()),
        ];
        let missing = missing.into_iter().filter(|(_, missing)| *missing);
        here.loose.extend(missing.filter_map(|(file, _)| self.loose_above(file)));
        here.images = self.images();
        if self.live && here.unit.is_some() {
            let state = Service.state().await;
            (here.enabled, here.active) = state.map_err(|why| Failure {
                causes: vec![why],
                ..Failure::new("cannot find out whether k3s runs")
            })?;
        }
        if let (Some(record), true) = (&here.record, here.active) {
            here.ready = ready::is_ready(&self.root.join(KUBECONFIG), &record.node, None).await.is_ok();
        }
        Ok(here)
    }

    /// A file below the root; nothing where there is none.
    fn found(&self, file: &str) -> Result<Option<PathBuf>, Astray> {
        let nothing =
            |error: &io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        match in_root(&self.root, Path::new(file), None) {
            Ok(path) => match path.symlink_metadata() {
                Ok(_) => Ok(Some(path)),
                Err(error) if nothing(&error) => Ok(None),
                Err(error) => Err(error.into()),
            },
            Err(Astray::Io(error)) if nothing(&error) => Ok(None),
            Err(astray) => Err(astray),
        }
    }

    /// Is this file itself a link, in folders that are none?
    fn is_link(&self, file: &str) -> bool {
        let folder = Path::new(file).parent().and_then(Path::to_str);
        let folder = folder.and_then(|folder| self.found(folder).ok().flatten());
        let file = folder.zip(Path::new(file).file_name()).map(|(folder, name)| folder.join(name));
        file.is_some_and(|file| fs::symlink_metadata(file).is_ok_and(|found| found.is_symlink()))
    }

    /// The same where a link counts as well: a unit may be one.
    fn found_anyhow(&self, file: &str) -> Option<()> {
        match self.found(file) {
            Ok(found) => found.map(drop),
            // Whatever it is, it is there.
            Err(Astray::Link(_)) => Some(()),
            Err(Astray::Io(_)) => None,
        }
    }

    /// A short text below the root.
    pub(super) fn text(&self, file: &str) -> Option<String> {
        let path = match in_root(&self.root, Path::new(file), None) {
            Ok(path) => path,
            // As `/etc/os-release` is.
            Err(Astray::Link(_)) => followed(&self.root, Path::new(file)).ok()?,
            Err(_) => return None,
        };
        let mut text = Vec::new();
        regular::open(&path).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// Has a k3s run here? Images that wait for it are no sign of that.
    fn has_data(&self) -> bool {
        let below = |path: &str| self.data_file(path).is_some_and(|path| path.symlink_metadata().is_ok());
        let agent = self.data_file("agent/x").and_then(|path| fs::read_dir(path.parent()?).ok());
        let agent = agent.into_iter().flatten().flatten().any(|found| found.file_name() != "images");
        agent
            || below("server")
            || [KUBECONFIG, "etc/rancher/node/password"].iter().any(|file| self.found_anyhow(file).is_some())
    }

    /// The files of images that wait for k3s, with their sums.
    fn images(&self) -> BTreeMap<SmolStr, SmolStr> {
        let listed = self.data_file("agent/images/x").and_then(|path| fs::read_dir(path.parent()?).ok());
        let mut images = BTreeMap::new();
        for found in listed.into_iter().flatten().flatten() {
            let Some(name) = found.file_name().to_str().map(SmolStr::from) else { continue };
            if name.starts_with("k3s-airgap-images-")
                && let Ok(sum) = sum_in(&found.path())
            {
                images.insert(name, sum.into());
            }
        }
        images
    }

    /// The folder that a file will be made in, if somebody else than root may change it: they could put another one in its place.
    fn loose_above(&self, file: &str) -> Option<SmolStr> {
        let mut folder = file;
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            // A folder may be a link within the root, and the file comes to where that leads.
            let inner = in_root(&self.root, &Path::new(folder).join("x"), None);
            match inner.as_deref().map(Path::parent) {
                Ok(Some(path)) if path.exists() => return fixed(path).is_none().then(|| folder.into()),
                // What leads elsewhere keeps the file from being made.
                Err(Astray::Link(_)) => return None,
                _ => {}
            }
        }
        None
    }

    /// A file of k3s' data, as it is reached.
    fn data_file(&self, path: &str) -> Option<PathBuf> {
        let whole = self.data.join(path);
        in_root(&self.root, whole.strip_prefix("/").unwrap_or(&whole), None).ok()
    }
}

/// What lets somebody else than root change a file, from the root: its folder or itself. It is itself, too, where it is a program
/// that cannot be run. Whoever makes an image may be somebody else, and what they make is theirs until root has it.
fn loose(file: &str, path: &Path, runs: bool) -> Option<SmolStr> {
    if path.parent().is_none_or(|folder| fixed(folder).is_none()) {
        return Some(file.rsplit_once('/').map_or("", |(folder, _)| folder).into());
    }
    let fits = fixed(path).is_some_and(|found| found.is_file() && (!runs || found.mode() & 0o100 != 0));
    (!fits).then(|| file.into())
}

/// What is there, if nobody but root and whoever runs kwo may change it.
fn fixed(path: &Path) -> Option<fs::Metadata> {
    let own = |found: &fs::Metadata| [0, geteuid().as_raw()].contains(&found.uid());
    fs::symlink_metadata(path).ok().filter(|found| own(found) && found.mode() & 0o022 == 0)
}

/// The version that a program of k3s tells.
pub(super) async fn tells(program: &Path) -> Result<K3sVersion, String> {
    let mut command = Command::new(program);
    command.arg("--version").env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").kill_on_drop(true);
    let output = timeout(TELLS, command.stdin(std::process::Stdio::null()).output()).await;
    let output = output.map_err(|_| format!("it does not tell its version within {} s", TELLS.as_secs()))?;
    let output = output.map_err(|error| format!("it cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.strip_prefix("k3s version ").and_then(|rest| rest.split_whitespace().next());
    version.and_then(|version| version.parse().ok()).ok_or_else(|| "it does not tell its version".to_owned())
}

fn unread(file: &Path, error: &Astray) -> Failure {
    let failure = Failure::new(format!("cannot read {}", file.display())).because(error);
    failure.hint_for(
        &error.io(),
        "it is not what k3s or kwo puts there: move it away, or mend the link on the way to it",
    )
}
