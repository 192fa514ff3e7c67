//! The snapshots of etcd that k3s makes, and the newest one that is whole. k3s writes no snapshot a second time, but it takes old
//! ones away: one that is open stays whole.

use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kwo_planner::plain::{counted, one_line};
use rustix::fs::OFlags;

use super::error::BackupError;
use super::etcd::{Token, look};
use super::limits;
use super::manifest::{AHEAD, KeptFile, LeftOut, SNAPSHOT, Snapshot, check_name};
use super::seal::{Heard, Told};

/// What k3s calls one that is not yet written, and one that it packed.
const HALF: &str = ".part";
const PACKED: &str = ".zip";

/// Where k3s puts its snapshots.
pub(super) struct Folder {
    /// As the machine has it.
    pub(super) named: PathBuf,
    /// As it is reached, if it is there.
    pub(super) path: Option<PathBuf>,
}

/// The one that goes into a backup.
pub(super) struct Taken {
    pub(super) file: File,
    pub(super) snapshot: Snapshot,
    pub(super) kept: KeptFile,
}

/// What was found in the folder.
#[derive(Default)]
pub(super) struct Picked {
    pub(super) taken: Option<Taken>,
    pub(super) left_out: Vec<LeftOut>,
    more: usize,
}

/// A file that may be a snapshot.
struct Candidate {
    time: Timestamp,
    name: String,
}

/// Takes the newest one that is whole and that this token opens. Another one is taken where there is no such, and so is one from
/// a time that is still to come: the backup says then what is wrong with it.
pub(super) fn pick(
    folder: &Folder,
    now: Timestamp,
    token: Option<&[u8]>,
    told: Told<'_>,
) -> Result<Picked, BackupError> {
    let mut picked = Picked::default();
    let Some(path) = &folder.path else {
        picked.leave_out(&folder.named, "", "k3s puts its snapshots into this folder, and it is not there");
        return Ok(picked);
    };
    let mut found = picked.list(folder, path)?;
    let latest = now.saturating_add(AHEAD).unwrap_or(now);
    found.sort_by(|one, other| {
        let order = |one: &Candidate| (one.time > latest, Reverse(one.time));
        order(one).cmp(&order(other)).then_with(|| other.name.cmp(&one.name))
    });
    let mut second = None;
    for Candidate { time, name } in found {
        let taken = take(path, &name, token, told);
        if told() {
            return Err(BackupError::Stopped);
        }
        match taken {
            Ok((file, kept, fits)) => {
                let taken = Taken { file, snapshot: Snapshot { name, time }, kept };
                match fits {
                    Token::Own | Token::Unknown => {
                        picked.taken = Some(taken);
                        break;
                    }
                    Token::Other | Token::Nowhere if second.is_none() => second = Some((taken, fits)),
                    Token::Other | Token::Nowhere => {
                        picked.leave_out(&folder.named, &taken.snapshot.name, strange(fits));
                    }
                }
            }
            // k3s has taken it away meanwhile.
            Err(Unfit::Io(error)) if error.kind() == ErrorKind::NotFound => {}
            Err(unfit) => picked.leave_out(&folder.named, &name, unfit.told()),
        }
    }
    match (&picked.taken, second) {
        (Some(_), Some((other, fits))) => {
            picked.leave_out(&folder.named, &other.snapshot.name, strange(fits));
        }
        (None, Some((other, _))) => picked.taken = Some(other),
        (_, None) => {}
    }
    if picked.more > 0 {
        let more = counted(picked.more, "more file", "more files");
        let path = one_line(&folder.named.to_string_lossy()).into_owned();
        picked.left_out.push(LeftOut { path, why: format!("{more} in it are not taken, either") });
    }
    Ok(picked)
}

/// Why one of another token comes after all others.
const fn strange(fits: Token) -> &'static str {
    match fits {
        Token::Other => "k3s made it with another token",
        Token::Nowhere | Token::Own | Token::Unknown => {
            "it is not of this cluster: no certificates of k3s are in it"
        }
    }
}

impl Picked {
    fn leave_out(&mut self, folder: &Path, name: &str, why: impl Into<String>) {
        if self.left_out.len() == limits::TOLD {
            self.more += 1;
            return;
        }
        let path = if name.is_empty() { folder.to_owned() } else { folder.join(name) };
        let path = one_line(&path.to_string_lossy()).into_owned();
        self.left_out.push(LeftOut { path, why: why.into() });
    }

    /// The files that may be snapshots.
    fn list(&mut self, folder: &Folder, path: &Path) -> Result<Vec<Candidate>, BackupError> {
        let cannot = |error| BackupError::io("list", path, error);
        let mut found = Vec::new();
        for (at, entry) in fs::read_dir(path).map_err(cannot)?.enumerate() {
            let entry = entry.map_err(cannot)?;
            if at == limits::SNAPSHOTS {
                let most = counted(limits::SNAPSHOTS, "file", "files");
                return Err(cannot(io::Error::other(format!("there are more than {most} in it"))));
            }
            let Ok(name) = entry.file_name().into_string() else {
                self.leave_out(&folder.named, &entry.file_name().to_string_lossy(), "its name is no text");
                continue;
            };
            if name.ends_with(HALF) {
                continue;
            }
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    self.leave_out(&folder.named, &name, Unfit::Io(error).told());
                    continue;
                }
            };
            let why = match check_name(&name) {
                Err(why) => why,
                Ok(()) if meta.is_symlink() => "it is a symbolic link, and kwo follows none",
                Ok(()) if !meta.is_file() => "it is no regular file",
                Ok(()) if name.ends_with(PACKED) => {
                    "k3s has packed it, and kwo takes no packed snapshot; `etcd-snapshot-compress` says so to k3s"
                }
                Ok(()) => match said(&name) {
                    Some(time) => {
                        found.push(Candidate { time, name });
                        continue;
                    }
                    // The time of the file is that of a copy.
                    None => "its name does not end with the time at which k3s made it",
                },
            };
            self.leave_out(&folder.named, &name, why);
        }
        Ok(found)
    }
}

/// When k3s made it, by its name: `etcd-snapshot-node-1-1796040000`.
fn said(name: &str) -> Option<Timestamp> {
    let (_, time) = name.rsplit_once('-')?;
    // Shorter numbers are times from before there was a k3s.
    let seconds = time.len() == 10 && time.bytes().all(|byte| byte.is_ascii_digit());
    Timestamp::from_second(time.parse().ok().filter(|_| seconds)?).ok()
}

/// Why one is not taken.
enum Unfit {
    Io(io::Error),
    Flaw(String),
}

impl Unfit {
    fn told(self) -> String {
        match self {
            Unfit::Io(error) => format!("it cannot be read: {}", one_line(&error.to_string())),
            Unfit::Flaw(why) => why,
        }
    }
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Unfit {
        Unfit::Io(error)
    }
}

/// Opens one, and reads it to its end.
fn take(
    folder: &Path,
    name: &str,
    token: Option<&[u8]>,
    told: Told<'_>,
) -> Result<(File, KeptFile, Token), Unfit> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(folder.join(name))?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(Unfit::Flaw("it is no regular file".to_owned()));
    }
    let size = meta.len();
    if size > limits::SNAPSHOT {
        return Err(Unfit::Flaw(format!("it is longer than {} MiB", limits::SNAPSHOT / limits::MIB)));
    }
    let seen = look(&mut Heard { raw: &file, told }, size, token)?
        .map_err(|why| Unfit::Flaw(format!("it is not whole: {why}")))?;
    file.rewind()?;
    let kept = KeptFile { path: SNAPSHOT.to_owned(), size, mode: 0o600, sha256: seen.sha256 };
    Ok((file, kept, seen.token))
}
