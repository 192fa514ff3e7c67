//! The files that a backup holds beside the database: the token, the credentials and the certificates of the server, and what
//! the admin said to k3s. Links are not followed, and are told.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path};

use kwo_planner::plain::counted;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::error::BackupError;
use super::limits;
use super::manifest::{LeftOut, check};
use super::place::{CONFIG, Machine, Server, UNIT, UNITS};
use crate::providers::{Astray, in_root, machine_folder};

/// What of the folder `server` is kept. The manifests say which parts of k3s are not wanted, too.
const OF_SERVER: [&str; 5] = ["token", "agent-token", "cred", "manifests", "tls"];
/// The token, as it is called in a backup.
pub(super) const TOKEN: &str = "data/server/token";
/// What of `/etc/rancher` is kept, the configuration of k3s as a whole: it may name any file there. The password is what the
/// server knows a node by that joins again.
const OF_CONFIG: [&str; 2] = ["k3s", "node/password"];
/// The configuration of k3s, as it is called in a backup.
const K3S: &str = "etc/k3s/";
/// The kubeconfig that k3s writes there.
const KUBECONFIG: &str = "etc/k3s/k3s.yaml";

/// A file that is to be kept.
pub(super) struct Gathered {
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// What was found.
#[derive(Default)]
pub(super) struct Files {
    pub(super) files: Vec<Gathered>,
    pub(super) left_out: Vec<LeftOut>,
    together: u64,
}

/// Reads all of them.
pub(super) fn gather(machine: &Machine, server: &Server) -> Result<Files, BackupError> {
    let mut found = Files::default();
    for path in OF_SERVER {
        found.take(&server.folder.join(path), &format!("data/server/{path}"), 0)?;
    }
    let below = OF_CONFIG.map(|path| (format!("{CONFIG}/{path}"), format!("etc/{path}")));
    let units = UNIT.map(|path| (format!("{UNITS}/{path}"), format!("unit/{path}")));
    for (path, name) in below.into_iter().chain(units) {
        // A folder on the way may be a link to one within the root, and the configuration is one itself.
        let full = match name == K3S.trim_end_matches('/') {
            true => in_root(&machine.root, &Path::new(&path).join("x"), None)
                .map(|below| below.with_file_name("")),
            false => in_root(&machine.root, Path::new(&path), None),
        };
        match full {
            Ok(full) => found.take(&full, &name, 0)?,
            Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound => {}
            Err(Astray::Io(error)) => return Err(BackupError::io("read", Path::new(&path), error)),
            Err(Astray::Link(why)) => found.leave_out(&name, why),
        }
    }
    found.named(machine, server)?;
    for path in &server.elsewhere {
        found.leave_out(&path.display().to_string(), "it is elsewhere; copy it by hand");
    }
    found.files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// The token of the server, if there is one.
pub(super) fn token(server: &Server) -> Option<Zeroizing<Vec<u8>>> {
    read(&server.folder.join("token")).ok().map(|(_, bytes)| bytes)
}

impl Files {
    /// Is the token in it this one? With another one k3s cannot read the database that was copied before.
    pub(super) fn has(&self, token: Option<&Zeroizing<Vec<u8>>>) -> bool {
        let found = self.files.iter().find(|file| file.path == TOKEN).map(|file| &file.bytes);
        found == token
    }

    fn leave_out(&mut self, path: &str, why: impl Into<String>) {
        self.left_out.push(LeftOut { path: path.to_owned(), why: why.into() });
    }

    /// Takes what the API server is told to read of the folder `server` beside what is kept of it anyway.
    fn named(&mut self, machine: &Machine, server: &Server) -> Result<(), BackupError> {
        for path in &server.needed {
            let Ok(rest) = Path::new(path).strip_prefix(server.named.join("server")) else { continue };
            let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
            let first = rest.iter().next().and_then(|first| first.to_str()).unwrap_or("db");
            // The database is copied, and never read as a file.
            if !plain || first == "db" || OF_SERVER.contains(&first) {
                continue;
            }
            // What cannot be reached is missing, and is told as that.
            let Ok(full) = machine_folder(&machine.root, Path::new(path)) else { continue };
            if !fs::symlink_metadata(&full).is_ok_and(|found| found.is_dir()) {
                self.take(&full, &format!("data/server/{}", rest.display()), 0)?;
            }
        }
        Ok(())
    }

    /// Takes a file, or what is in a folder.
    fn take(&mut self, full: &Path, path: &str, depth: usize) -> Result<(), BackupError> {
        let cannot = |error| BackupError::io("read", full, error);
        let found = match fs::symlink_metadata(full) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(cannot(error)),
        };
        if found.is_dir() {
            if depth == limits::DEEPEST {
                self.leave_out(path, "it lies too deep");
                return Ok(());
            }
            let mut names = Vec::new();
            for entry in fs::read_dir(full).map_err(cannot)? {
                names.push(entry.map_err(cannot)?.file_name());
            }
            names.sort();
            for name in names {
                match name.to_str() {
                    Some(text) => self.take(&full.join(&name), &format!("{path}/{text}"), depth + 1)?,
                    None => {
                        self.leave_out(&format!("{path}/{}", name.to_string_lossy()), "its name is no text");
                    }
                }
            }
            return Ok(());
        }
        if let Err(why) = check(path) {
            self.leave_out(path, why);
        } else if found.is_symlink() {
            self.leave_out(path, "it is a symbolic link, and kwo follows none");
        } else if !found.is_file() {
            self.leave_out(path, "it is no regular file");
        } else if path == KUBECONFIG {
            self.leave_out(path, "k3s writes it again");
        } else if path.starts_with(K3S) && found.len() > limits::FILE {
            self.leave_out(path, format!("it is longer than {} MiB", limits::FILE / limits::MIB));
        } else {
            match read(full) {
                Ok((mode, bytes)) => return self.add(path, mode, bytes),
                // k3s writes certificates again, and takes old ones away.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(cannot(error)),
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &str, mode: u32, bytes: Zeroizing<Vec<u8>>) -> Result<(), BackupError> {
        let too_big = |why: String| Err(BackupError::TooBig { what: path.to_owned(), why });
        let size = bytes.len() as u64;
        self.together = self.together.saturating_add(size);
        if size > limits::FILE {
            return too_big(format!("it is longer than {} MiB", limits::FILE / limits::MIB));
        }
        if self.together > limits::TOGETHER {
            return too_big(format!("with it the files are over {} MiB", limits::TOGETHER / limits::MIB));
        }
        if self.files.len() == limits::FILES {
            return too_big(format!("there are more than {}", counted(limits::FILES, "file", "files")));
        }
        self.files.push(Gathered { path: path.to_owned(), mode, bytes });
        Ok(())
    }
}

/// Reads a file through no link, and no more of it than may be.
fn read(full: &Path) -> io::Result<(u32, Zeroizing<Vec<u8>>)> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let opened: File = fs::OpenOptions::new().read(true).custom_flags(flags).open(full)?;
    let meta = opened.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    opened.take(limits::FILE + 1).read_to_end(&mut bytes)?;
    Ok((meta.permissions().mode() & 0o777, bytes))
}
