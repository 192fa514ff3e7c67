//! Where k3s keeps what on a machine, by what is said to it: its data, and what kind of datastore it has.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use kwo_planner::k3s::Joins;
use kwo_planner::plain::{one_line, utf8};
use serde_json::Value;

use super::error::BackupError;
use super::said::{self, CONFIG_FILE, NODE_NAME, SNAPSHOT_DIR, Said, words};
use super::snapshots::Folder;
use crate::failure::Failure;
use crate::providers::{Astray, followed, hostname, hostname_in, in_root, machine_folder};
use crate::regular;

/// Where k3s keeps its data, if nothing else is said.
pub const DATA_DIR: &str = "/var/lib/rancher/k3s";
/// Its configuration.
pub(super) const CONFIG: &str = "etc/rancher";
/// Where its unit is, and the variables of that.
pub(super) const UNITS: &str = "etc/systemd/system";
/// The unit, its drop-ins, and its variables.
pub(super) const UNIT: [&str; 3] = ["k3s.service", "k3s.service.d", "k3s.service.env"];
/// Where its unit reads more variables.
const VARIABLES: [&str; 2] = ["etc/default/k3s", "etc/sysconfig/k3s"];
/// How long a configuration may be.
const LONGEST: u64 = 1024 * 1024;

/// A machine on which k3s may be.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The folder above its files.
    pub root: PathBuf,
    /// Where k3s keeps its data, if somebody said so.
    pub data_dir: Option<PathBuf>,
}

/// A server of k3s whose objects can be backed up.
pub(super) struct Server {
    /// The name of the node.
    pub(super) node: String,
    /// Where its data is, as the machine has it.
    pub(super) named: PathBuf,
    /// The folder `server` in it, as it is reached.
    pub(super) folder: PathBuf,
    /// What keeps its objects.
    pub(super) store: Store,
    /// The file that tells it to join another server.
    pub(super) joins: Option<String>,
    /// Where something is said to k3s that no backup keeps.
    pub(super) elsewhere: Vec<PathBuf>,
    /// The files that its API server does not start without.
    pub(super) needed: Vec<String>,
}

/// What k3s keeps its objects in.
pub(super) enum Store {
    /// The database.
    Sqlite(PathBuf),
    /// Embedded etcd.
    Etcd {
        /// Its folder.
        path: PathBuf,
        /// Where k3s puts snapshots of it.
        snapshots: Folder,
    },
}

impl Machine {
    /// The one below this root.
    ///
    /// # Errors
    /// When the root is no folder, or the path of the data is none that the machine has.
    pub fn at(root: &Path, data_dir: Option<&Path>) -> Result<Machine, Failure> {
        let named = one_line(&root.to_string_lossy()).into_owned();
        let cannot = || Failure::new(format!("cannot use {named} as the root of the node"));
        let hint = "`--root` names the folder above the files of a machine or of an image";
        let found = root.canonicalize().map_err(|error| cannot().because(&error).hint_for(&error, hint))?;
        if !found.is_dir() {
            return Err(cannot().because(&io::Error::other("it is no folder")).hint(hint));
        }
        if let Some(data) = data_dir.filter(|data| !data.is_absolute()) {
            let data = one_line(&data.to_string_lossy()).into_owned();
            let what = format!("`--data-dir {data}` does not begin with /");
            return Err(Failure::usage(what).hint(format!(
                "give the path that the machine has for it, such as `--data-dir {DATA_DIR}`"
            )));
        }
        Ok(Machine { root: found, data_dir: data_dir.map(Path::to_owned) })
    }

    /// What somebody said to k3s: the name of its node, and where its data is.
    ///
    /// # Errors
    /// When its configuration cannot be read.
    pub fn told(&self) -> Result<(Option<String>, PathBuf), BackupError> {
        let said = self.said()?;
        let data = self.data_dir.clone().or_else(|| said.text(&said::DATA_DIR).map(PathBuf::from));
        Ok((said.text(&NODE_NAME), data.unwrap_or_else(|| DATA_DIR.into())))
    }

    /// What of its configuration makes k3s a part of another cluster.
    ///
    /// # Errors
    /// When its configuration cannot be read.
    pub fn joins(&self) -> Result<Vec<Joins>, BackupError> {
        Ok(self.said()?.joins())
    }

    /// The name of the node in the names of its backups; nothing where kwo can back up no server here.
    #[must_use]
    pub fn node(&self) -> Option<String> {
        self.server().ok().map(|server| server.node)
    }

    /// The server on it.
    pub(super) fn server(&self) -> Result<Server, BackupError> {
        let said = self.said()?;
        let named = self.data_dir.clone().or_else(|| said.text(&said::DATA_DIR).map(PathBuf::from));
        let named: PathBuf = named.unwrap_or_else(|| DATA_DIR.into()).components().collect();
        said.datastore()?;
        let found = |path: &str| match machine_folder(&self.root, &named.join(path)) {
            Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound => {
                Err(BackupError::NoServer(self.shown(&named)))
            }
            found => found.map_err(|astray| cannot("look at", &self.shown(&named), astray)),
        };
        let database = found("server/db/state.db")?;
        // Each folder may be a link to another disk.
        let folder = found("server/token")?.with_file_name("");
        let etcd = database.with_file_name("etcd");
        // k3s looks for the log of etcd, too: it keeps its objects in etcd from then on.
        let store = match fs::symlink_metadata(&database) {
            _ if etcd.join("member/wal").is_dir() => self.etcd(&said, &named, etcd)?,
            Ok(found) if found.is_file() => Store::Sqlite(database),
            Ok(_) => {
                return Err(BackupError::io("use", &database, io::Error::other("it is no regular file")));
            }
            Err(error) if error.kind() == ErrorKind::NotFound && etcd.is_dir() => {
                self.etcd(&said, &named, etcd)?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(BackupError::NoServer(self.shown(&named)));
            }
            Err(error) => return Err(BackupError::io("look at", &database, error)),
        };
        let node = said.text(&NODE_NAME).unwrap_or_else(|| self.host());
        let kept = [Path::new("/").join(CONFIG), Path::new("/").join(UNITS)];
        let elsewhere = said.files().filter(|file| !kept.iter().any(|folder| file.starts_with(folder)));
        let elsewhere = elsewhere.map(Path::to_owned).collect();
        let needed = said.needed().into_iter().collect();
        let joins = said.joins().into_iter().find(|joins| joins.server).map(|joins| joins.file.to_string());
        Ok(Server { node: plain(&node), named, folder, store, joins, elsewhere, needed })
    }

    /// Embedded etcd, with the folder of its snapshots.
    fn etcd(&self, said: &Said, data: &Path, path: PathBuf) -> Result<Store, BackupError> {
        let named = said.text(&SNAPSHOT_DIR).map_or_else(|| data.join("server/db/snapshots"), PathBuf::from);
        let folder = match machine_folder(&self.root, &named.join("x")) {
            Ok(inside) => Some(inside.with_file_name("")),
            Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound => None,
            Err(astray) => return Err(cannot("look at", &self.shown(&named), astray)),
        };
        Ok(Store::Etcd { path, snapshots: Folder { named, path: folder } })
    }

    /// The name of the machine.
    fn host(&self) -> String {
        if self.root == Path::new("/") {
            return hostname();
        }
        let said = self.read("etc/hostname").ok().flatten();
        said.map(|text| hostname_in(&text)).filter(|name| !name.is_empty()).unwrap_or_else(hostname)
    }

    /// A file of text; nothing where there is none.
    fn read(&self, path: &str) -> Result<Option<String>, BackupError> {
        let full = match in_root(&self.root, Path::new(path), None) {
            Ok(full) => full,
            Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // k3s follows it, and what it says counts; the backup keeps no link.
            Err(Astray::Link(_)) if is_masked(&self.root, path) => return Ok(Some(String::new())),
            Err(_) => followed(&self.root, Path::new(path))
                .map_err(|astray| cannot("read", &self.shown(Path::new(path)), astray))?,
        };
        let mut bytes = Vec::new();
        match regular::open(&full).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)) {
            Ok(_) => match utf8(&bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(why) => Err(BackupError::Config { file: full, why }),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BackupError::io("read", &full, error)),
        }
    }

    /// A file of it, by the path that leads to it from here.
    fn shown(&self, file: &Path) -> PathBuf {
        self.root.join(file.strip_prefix("/").unwrap_or(file))
    }

    /// All that is said to k3s in files.
    fn said(&self) -> Result<Said, BackupError> {
        let mut said = Said::default();
        // Of units with the same name the first one counts.
        for folder in [UNITS, "usr/local/lib/systemd/system", "usr/lib/systemd/system"] {
            if self.words(&mut said, &format!("{folder}/{}", UNIT[0]))? {
                break;
            }
        }
        for file in self.listed(&format!("{UNITS}/{}", UNIT[1]), &[".conf"]) {
            self.words(&mut said, &file)?;
        }
        let own = format!("{UNITS}/{}", UNIT[2]);
        for file in VARIABLES.into_iter().chain([own.as_str()]) {
            self.words(&mut said, file)?;
        }
        let config = said.text(&CONFIG_FILE).unwrap_or_else(|| format!("/{CONFIG}/k3s/config.yaml"));
        let Some(config) = config.strip_prefix('/') else {
            return Err(BackupError::Config {
                file: self.shown(&Path::new(UNITS).join(UNIT[0])),
                why: "the path of its configuration does not begin with /".to_owned(),
            });
        };
        let more = self.listed(&format!("{config}.d"), &[".yaml", ".yml"]);
        for file in std::iter::once(config.to_owned()).chain(more) {
            let Some(text) = self.read(&file)? else { continue };
            let file = Path::new("/").join(file);
            if text.trim().is_empty() {
                continue;
            }
            // What the reader says may quote what is in it.
            let read: Result<Value, _> = serde_yaml::from_str(&text);
            let value = read.map_err(|error| BackupError::Config {
                file: self.shown(&file),
                why: match error.location() {
                    Some(at) => format!("it is no YAML that kwo can read from line {} on", at.line()),
                    None => "it is no YAML that kwo can read".to_owned(),
                },
            })?;
            said.documents.push((file, value));
        }
        Ok(said)
    }

    /// Takes in what a file says word by word. Is it there?
    fn words(&self, said: &mut Said, file: &str) -> Result<bool, BackupError> {
        let text = self.read(file)?;
        let there = text.is_some();
        said.words.extend(text.map(|text| (Path::new("/").join(file), words(&text))));
        Ok(there)
    }

    /// The files in a folder with names that end so, in the order in which they count.
    fn listed(&self, folder: &str, ends: &[&str]) -> Vec<String> {
        let Ok(inside) = in_root(&self.root, Path::new(&format!("{folder}/x")), None) else {
            return Vec::new();
        };
        let listed = inside.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
        let mut names: Vec<String> =
            listed.filter_map(|found| found.file_name().into_string().ok()).collect();
        names.retain(|name| ends.iter().any(|end| name.ends_with(end)));
        names.sort();
        names.into_iter().map(|name| format!("{folder}/{name}")).collect()
    }
}

/// Does systemd take this unit for one that nobody may start? `systemctl mask` makes such a link.
pub(crate) fn is_masked(root: &Path, unit: &str) -> bool {
    let folder = in_root(root, &Path::new(unit).with_file_name("x"), None);
    let link = folder.ok().zip(Path::new(unit).file_name()).map(|(folder, name)| folder.with_file_name(name));
    link.and_then(|link| fs::read_link(link).ok()).is_some_and(|leads| leads == Path::new("/dev/null"))
}

/// That nobody can tell how k3s is configured, and what to do.
pub(crate) fn unconfigured(error: &BackupError) -> Failure {
    let failure = Failure::new("cannot read how k3s is configured").because(error);
    match error {
        BackupError::Config { .. } => failure.hint("correct that file; k3s reads it, too"),
        BackupError::Io { error, .. } => failure
            .hint_for(error, "k3s and systemd need it, too: mend that file, or the link on the way to it"),
        _ => failure,
    }
}

fn cannot(what: &'static str, file: &Path, astray: Astray) -> BackupError {
    BackupError::io(
        what,
        file,
        match astray {
            Astray::Io(error) => error,
            Astray::Link(why) => io::Error::other(why),
        },
    )
}

/// A name as a part of the name of a file.
fn plain(name: &str) -> String {
    let kept =
        name.chars().take(63).filter(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_'));
    let kept: String = kept.collect();
    if kept.is_empty() { "node".to_owned() } else { kept }
}
