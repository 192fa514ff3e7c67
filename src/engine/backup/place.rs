//! Where k3s keeps what on a machine, by what is said to it: its data, and what kind of datastore it has.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::BackupError;
use super::said::{self, CONFIG_FILE, NODE_NAME, Said, words};
use crate::providers::{Astray, hostname, in_root, machine_folder};
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
    /// The database.
    pub(super) database: PathBuf,
    /// Where something is said to k3s that no backup keeps.
    pub(super) elsewhere: Vec<PathBuf>,
    /// The files that its API server does not start without.
    pub(super) needed: Vec<String>,
}

impl Machine {
    /// What somebody said to k3s: the name of its node, and where its data is.
    ///
    /// # Errors
    /// When its configuration cannot be read.
    pub fn told(&self) -> Result<(Option<String>, PathBuf), BackupError> {
        let said = self.said()?;
        let data = self.data_dir.clone().or_else(|| said.text(&said::DATA_DIR).map(PathBuf::from));
        Ok((said.text(&NODE_NAME), data.unwrap_or_else(|| DATA_DIR.into())))
    }

    /// What of its configuration makes k3s a part of another cluster, by its key and the file that says so.
    ///
    /// # Errors
    /// When its configuration cannot be read.
    pub fn joins(&self) -> Result<Vec<(&'static str, PathBuf)>, BackupError> {
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
                Err(BackupError::NoServer(named.clone()))
            }
            found => found.map_err(|astray| cannot("look at", &named, astray)),
        };
        let database = found("server/db/state.db")?;
        // Each folder may be a link to another disk.
        let folder = found("server/token")?.with_file_name("");
        let etcd = database.with_file_name("etcd");
        if etcd.is_dir() {
            return Err(BackupError::Etcd(etcd));
        }
        match fs::symlink_metadata(&database) {
            Ok(found) if found.is_file() => {}
            Ok(_) => {
                return Err(BackupError::io("use", &database, io::Error::other("it is no regular file")));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(BackupError::NoServer(named)),
            Err(error) => return Err(BackupError::io("look at", &database, error)),
        }
        let node = said.text(&NODE_NAME).unwrap_or_else(|| self.host());
        let kept = [Path::new("/").join(CONFIG), Path::new("/").join(UNITS)];
        let elsewhere = said.files().filter(|file| !kept.iter().any(|folder| file.starts_with(folder)));
        let elsewhere = elsewhere.map(Path::to_owned).collect();
        let needed = said.needed().into_iter().collect();
        Ok(Server { node: plain(&node), named, folder, database, elsewhere, needed })
    }

    /// The name of the machine.
    fn host(&self) -> String {
        if self.root == Path::new("/") {
            return hostname();
        }
        let said = self.read("etc/hostname").ok().flatten();
        said.map(|text| text.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(hostname)
    }

    /// A file of text; nothing where there is none.
    fn read(&self, path: &str) -> Result<Option<String>, BackupError> {
        let full = match in_root(&self.root, Path::new(path), None) {
            Ok(full) => full,
            Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // k3s follows it, and what it says counts; the backup keeps no link.
            Err(Astray::Link(_)) if self.root == Path::new("/") => Path::new("/").join(path),
            Err(astray) => return Err(cannot("read", &Path::new("/").join(path), astray)),
        };
        let mut text = String::new();
        match regular::open(&full).and_then(|file| file.take(LONGEST).read_to_string(&mut text)) {
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BackupError::io("read", &full, error)),
        }
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
                file: Path::new("/").join(UNITS).join(UNIT[0]),
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
            let value = read.map_err(|_| BackupError::Config {
                file: file.clone(),
                why: "it is no YAML that kwo can read".to_owned(),
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
