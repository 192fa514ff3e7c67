//! The folders that k3s unpacked itself into. The folder that they are in is opened once and held, so that all that is looked at
//! and removed later is in there, whoever moves what about meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use kwo_planner::cleanup::{Stale, Unpacked, is_unpacked};
use kwo_planner::plain::one_line;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::process::geteuid;
use smol_str::{SmolStr, format_smolstr};

use super::processes::{Running, among_all, has_run, running, text, within};
use crate::backup::{DATA_DIR, Machine, unconfigured};
use crate::failure::Failure;
use crate::providers::{Astray, machine_folder};

/// How many files are looked at in one of the folders, and how deep.
const MOST: usize = 100_000;
const DEEPEST: usize = 32;
/// The links of k3s to its plugins for networks are in here.
const PLUGINS: &str = "cni";
/// How a folder of k3s is opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Where k3s unpacks itself on a machine.
#[derive(Debug)]
pub struct Data {
    root: PathBuf,
    /// Where k3s keeps its data, as the machine calls it.
    pub(super) data: PathBuf,
    /// The folder, as the machine calls it.
    pub(super) named: PathBuf,
    pub(super) held: OwnedFd,
    /// What the kernel says of processes.
    process: PathBuf,
}

/// The folder of a machine; nothing where k3s never unpacked itself there.
///
/// # Errors
/// When it cannot be opened, or somebody else than root may change it.
pub fn look(root: &Path, data_dir: Option<&Path>) -> Result<Option<Data>, Failure> {
    let machine = Machine::at(root, data_dir)?;
    let (_, data) = machine.told().map_err(|error| unconfigured(&error))?;
    let root = machine.root;
    let named = data.join("data");
    let cannot = |error: Astray| {
        let hint = if data.is_absolute() {
            "kwo cleans up folders alone, and only below the root: k3s' data directory, and `data` in it"
        } else {
            "correct `data-dir` where it is said to k3s, or name the folder with `--data-dir`"
        };
        let failure =
            Failure::new(format!("cannot look into {}", shown(&below(&root, &named)))).because(&error);
        failure.hint_for(&error.io(), hint)
    };
    // Of a path with a mistake in it nobody shall think that there is nothing to do.
    if said(&data) && machine_folder(&root, &data.join("x")).is_err_and(|error| is_missing(&error)) {
        let what =
            format!("{} is not there, and is to be where k3s keeps its data", shown(&below(&root, &data)));
        return Err(Failure::new(what).hint(if data_dir.is_some() {
            "correct `--data-dir`; without it kwo asks k3s' configuration"
        } else {
            "k3s makes it when it starts; if it lies elsewhere, correct `data-dir` where it is said to k3s"
        }));
    }
    let inside = match machine_folder(&root, &named.join("x")) {
        Ok(inside) => inside,
        Err(astray) if is_missing(&astray) => return Ok(None),
        Err(astray) => return Err(cannot(astray)),
    };
    let io = |error: rustix::io::Errno| cannot(Astray::Io(error.into()));
    let held = openat(CWD, inside.parent().unwrap_or(&root), FOLDER, Mode::empty()).map_err(io)?;
    if let Some(why) = loose(&fstat(&held).map_err(io)?) {
        let folder = shown(&below(&root, &named));
        return Err(Failure::new(format!("kwo removes nothing in {folder}: {why}")).hint(
            "kwo cleans up a k3s of root, whose folder root alone may change; where k3s runs for another user, that user cleans it up",
        ));
    }
    Ok(Some(Data { root, data, named, held, process: "/proc".into() }))
}

/// Did somebody say where the data is?
fn said(data: &Path) -> bool {
    data != Path::new(DATA_DIR)
}

fn is_missing(error: &Astray) -> bool {
    matches!(error, Astray::Io(error) if error.kind() == ErrorKind::NotFound)
}

/// Why somebody else than root may change what is there.
fn loose(found: &Stat) -> Option<SmolStr> {
    if ![0, geteuid().as_raw()].contains(&found.st_uid) {
        Some("it belongs to another user".into())
    } else if found.st_mode & 0o022 != 0 {
        Some("other users can write to it".into())
    } else {
        None
    }
}

/// A path of the machine below this root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy()).into_owned()
}

impl Data {
    /// Is it that of the machine that runs?
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The folder, by the path that leads to it from here.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        below(&self.root, &self.named)
    }

    /// A file in it, by way of the folder that is held open.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.held.as_raw_fd())).join(name)
    }

    /// How many bytes are used of its file system, and how many are free.
    #[must_use]
    pub fn room(&self) -> Option<(u64, u64)> {
        let seen = rustix::fs::fstatvfs(&self.held).ok().filter(|seen| seen.f_blocks > 0)?;
        let bytes = |blocks: u64| blocks.saturating_mul(seen.f_frsize);
        Some((bytes(seen.f_blocks.saturating_sub(seen.f_bfree)), bytes(seen.f_bavail)))
    }

    /// Are there files with images that k3s loads by itself?
    #[must_use]
    pub fn loads_images(&self) -> bool {
        let listed = machine_folder(&self.root, &self.data.join("agent/images/x"))
            .and_then(|inside| Ok(fs::read_dir(inside.parent().unwrap_or(&self.root))?.next().is_some()));
        // Whatever cannot be looked into may have some.
        !matches!(&listed, Ok(false))
            && !matches!(&listed, Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound)
    }

    /// What is in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn stale(&self) -> io::Result<Stale> {
        let mut unpacked = Vec::new();
        for name in self.list(".")? {
            let found = match statat(&self.held, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                // k3s has given it another name meanwhile.
                Err(rustix::io::Errno::NOENT) => continue,
                found => found?,
            };
            if is_unpacked(&name) && FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                unpacked.push(Unpacked { name, ..Unpacked::default() });
            }
        }
        let names = unpacked.iter().map(|one| one.name.clone()).collect();
        let links = self.links(&names)?;
        let Running { by, runs, mut blind } = self.running(&names);
        if !runs && has_run(&self.root) {
            let why =
                "containers have run here since the machine started, and kwo sees nothing of k3s that runs";
            blind = blind.or_else(|| Some(why.into()));
        }
        if !runs && self.is_live() && !among_all(&self.process) {
            let why = "kwo runs in a container, and sees nothing of k3s that runs";
            blind = blind.or_else(|| Some(why.into()));
        }
        let mounted = text(&self.process.join("self/mountinfo")).map(|text| within(&text, &names));
        for one in &mut unpacked {
            one.links = links.get(&one.name).cloned().unwrap_or_default();
            one.used_by = by.get(&one.name).cloned().unwrap_or_default();
            one.odd = self.size(&one.name, &mut one.bytes).err();
            match &mounted {
                Ok(mounted) if mounted.contains(&one.name) => {
                    one.odd = Some("something is mounted there".into());
                }
                Ok(_) => {}
                Err(error) => one.odd = Some(format_smolstr!("kwo cannot see what is mounted: {error}")),
            }
        }
        unpacked.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Stale {
            may_write: !self.is_live() || geteuid().is_root(),
            folder: shown(&self.folder()).into(),
            blind,
            unpacked,
            images: None,
        })
    }

    /// What runs from folders with these names.
    pub(super) fn running(&self, names: &BTreeSet<SmolStr>) -> Running {
        running(&self.process, names, self.is_live())
    }

    /// The links that lead to each of the folders, also those to a file in one.
    pub(super) fn links(
        &self,
        names: &BTreeSet<SmolStr>,
    ) -> io::Result<BTreeMap<SmolStr, BTreeSet<SmolStr>>> {
        let mut links: BTreeMap<SmolStr, BTreeSet<SmolStr>> = BTreeMap::new();
        for below in [".", PLUGINS] {
            for name in self.list(below)? {
                let link = if below == "." { name } else { format_smolstr!("{below}/{name}") };
                if let Some(leads) = self.leads(&link) {
                    for part in leads.iter().filter_map(|part| part.to_str()).map(SmolStr::from) {
                        if names.contains(&part) {
                            links.entry(part).or_default().insert(link.clone());
                        }
                    }
                }
            }
        }
        Ok(links)
    }

    /// Where a link in it leads; nothing where it is none.
    pub(super) fn leads(&self, link: &str) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt as _;
        let leads = readlinkat(&self.held, link, Vec::new()).ok()?;
        Some(std::ffi::OsString::from_vec(leads.into_bytes()).into())
    }

    /// The names in it or in a folder of it that are text. What is no folder has none.
    fn list(&self, below: &str) -> io::Result<Vec<SmolStr>> {
        let folder = match openat(&self.held, below, FOLDER, Mode::empty()) {
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                return Ok(Vec::new());
            }
            folder => folder?,
        };
        let mut names = Vec::new();
        for entry in Dir::new(folder)? {
            if names.len() > MOST {
                return Err(io::Error::other(format!("there are over {MOST} files in it")));
            }
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.into());
            }
        }
        Ok(names)
    }

    /// Adds the bytes that a folder takes, as far as they can be seen; or says why it is none that k3s made.
    fn size(&self, name: &str, bytes: &mut u64) -> Result<(), SmolStr> {
        let cannot = |error: rustix::io::Errno| format_smolstr!("kwo cannot look into it: {error}");
        let folder = openat(&self.held, name, FOLDER, Mode::empty()).map_err(cannot)?;
        let found = fstat(&folder).map_err(cannot)?;
        let device = fstat(&self.held).map_err(cannot)?.st_dev;
        let mut left = MOST;
        *bytes = on_disk(&found);
        let walked = walk(&folder, device, DEEPEST, &mut left, bytes);
        loose(&found).map_or(walked, Err)
    }
}

fn on_disk(found: &Stat) -> u64 {
    u64::try_from(found.st_blocks).unwrap_or(0).saturating_mul(512)
}

/// Adds the bytes of all that is in a folder, which has to be on one device.
fn walk(
    folder: &OwnedFd,
    device: u64,
    deep: usize,
    left: &mut usize,
    bytes: &mut u64,
) -> Result<(), SmolStr> {
    let cannot = |error: rustix::io::Errno| format_smolstr!("kwo cannot look into it: {error}");
    for entry in Dir::read_from(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        *left = left.checked_sub(1).ok_or_else(|| format_smolstr!("there are over {MOST} files in it"))?;
        let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(cannot)?;
        if found.st_dev != device {
            return Err("something is mounted there".into());
        }
        *bytes = bytes.saturating_add(on_disk(&found));
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            let deeper = deep.checked_sub(1).ok_or("its folders are too deep")?;
            let inner = openat(folder, name, FOLDER, Mode::empty()).map_err(cannot)?;
            walk(&inner, device, deeper, left, bytes)?;
        }
    }
    Ok(())
}
