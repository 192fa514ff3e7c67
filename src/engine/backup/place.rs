//! Where k3s keeps what on a machine, as its configuration says: its data, and what kind of datastore it has.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::BackupError;
use crate::providers::{Astray, hostname, in_root, machine_folder};
use crate::regular;

/// Where k3s keeps its data, if nothing else is said.
pub const DATA_DIR: &str = "/var/lib/rancher/k3s";
/// Its configuration.
pub(super) const CONFIG: &str = "etc/rancher";
/// Where its unit is, and the variables of that.
pub(super) const UNITS: &str = "etc/systemd/system";
/// The files of the unit.
pub(super) const UNIT: [&str; 2] = ["k3s.service", "k3s.service.env"];
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
    /// The same as it is reached.
    pub(super) data: PathBuf,
    /// The database.
    pub(super) database: PathBuf,
}

impl Machine {
    /// The server on it.
    pub(super) fn server(&self) -> Result<Server, BackupError> {
        let settings = self.settings()?;
        let named = self.data_dir.clone().or_else(|| settings.text("data-dir").map(PathBuf::from));
        let named = named.unwrap_or_else(|| DATA_DIR.into());
        settings.datastore()?;
        let data = machine_folder(&self.root, &named.join("server/db/state.db"));
        let database = match data {
            Ok(database) => database,
            Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound => {
                return Err(BackupError::NoServer(named));
            }
            Err(astray) => return Err(cannot("look at", &named, astray)),
        };
        let folder = database.parent().unwrap_or(&database);
        let etcd = folder.join("etcd");
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
        let data = folder.parent().and_then(Path::parent).unwrap_or(folder).to_owned();
        let node = settings.text("node-name").unwrap_or_else(|| self.host());
        Ok(Server { node: plain(&node), named, data, database })
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
    fn settings(&self) -> Result<Settings, BackupError> {
        let mut files = vec![format!("{CONFIG}/k3s/config.yaml")];
        let more = format!("{CONFIG}/k3s/config.yaml.d");
        if let Ok(folder) = in_root(&self.root, Path::new(&format!("{more}/x")), None) {
            let listed = folder.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
            let mut names: Vec<String> =
                listed.filter_map(|found| found.file_name().into_string().ok()).collect();
            names.retain(|name| name.ends_with(".yaml") || name.ends_with(".yml"));
            names.sort();
            files.extend(names.into_iter().map(|name| format!("{more}/{name}")));
        }
        let mut documents = Vec::new();
        for file in files {
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
            documents.push((file, value));
        }
        let mut unit = Vec::new();
        for name in UNIT {
            let file = format!("{UNITS}/{name}");
            if let Some(text) = self.read(&file)? {
                unit.push((Path::new("/").join(file), text));
            }
        }
        Ok(Settings { documents, unit })
    }
}

/// What is said to k3s in files.
struct Settings {
    /// The configuration. What comes later counts.
    documents: Vec<(PathBuf, Value)>,
    /// Its unit, and the variables of that.
    unit: Vec<(PathBuf, String)>,
}

impl Settings {
    fn text(&self, key: &str) -> Option<String> {
        let mut found = self.documents.iter().rev().filter_map(|(_, value)| value[key].as_str());
        found.find(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Is it the database beside its data? The address of another one may have a password in it.
    fn datastore(&self) -> Result<(), BackupError> {
        let external = |file: &Path, endpoint: &str| {
            Err(BackupError::External { kind: kind(endpoint).to_owned(), file: file.to_owned() })
        };
        for (file, value) in self.documents.iter().rev() {
            match &value["datastore-endpoint"] {
                Value::Null => {}
                Value::String(endpoint) if endpoint.is_empty() => break,
                Value::String(endpoint) => return external(file, endpoint),
                _ => return external(file, ""),
            }
        }
        for (file, text) in &self.unit {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
            for line in lines {
                for key in ["datastore-endpoint", "K3S_DATASTORE_ENDPOINT"] {
                    let Some((_, rest)) = line.split_once(key) else { continue };
                    let endpoint = rest.trim_start_matches(['=', ' ', '\'', '"', '\\']);
                    if !endpoint.is_empty() {
                        return external(file, endpoint);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What kind of database an address is of, and nothing else of it.
fn kind(endpoint: &str) -> &'static str {
    match endpoint.split_once("://").map_or("", |(scheme, _)| scheme) {
        "postgres" | "postgresql" => "PostgreSQL",
        "mysql" => "MySQL or MariaDB",
        "nats" | "nats+tls" => "NATS",
        "http" | "https" => "an etcd elsewhere",
        "sqlite" => "a SQLite database elsewhere",
        _ => "one that kwo does not know",
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
