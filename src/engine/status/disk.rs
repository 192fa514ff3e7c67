//! How full the file systems are that k3s and kwo write to on a node.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use kwo_planner::plain::one_line;
use kwo_planner::upkeep::{Level, fullness, percent};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use crate::backup::Machine;
use crate::failure::Failure;
use crate::providers::{Astray, machine_folder};

/// What k3s and the kubelet keep on a disk of its own, where somebody gave them one: the database, images, volumes, pods and
/// their logs.
const OF_K3S: [&str; 4] = ["server", "server/db", "agent/containerd", "storage"];
const OF_KUBELET: [&str; 2] = ["/var/lib/kubelet", "/var/log/pods"];
/// Where kwo keeps its state.
const OF_KWO: &str = "/var/lib/kwo";

/// A file system, counted as `df` counts it: what only root may use is neither used nor available.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Disk {
    /// The folders on it that k3s or kwo write to. Those below another one are left out.
    pub folders: Vec<PathBuf>,
    pub used_bytes: u64,
    pub available_bytes: u64,
    /// Rounded down.
    pub percent: u64,
    pub level: Level,
}

impl Disk {
    fn new(folders: Vec<PathBuf>, used_bytes: u64, available_bytes: u64) -> Disk {
        let percent = percent(used_bytes, available_bytes);
        Disk { folders, used_bytes, available_bytes, percent, level: fullness(percent) }
    }

    /// The folders in words.
    #[must_use]
    pub fn named(&self) -> String {
        let names: Vec<String> =
            self.folders.iter().map(|folder| one_line(&folder.to_string_lossy()).into_owned()).collect();
        names.join(", ")
    }
}

/// The file systems of a node below this root, each once: first that of k3s' data.
pub(super) fn look(root: &Path, backups: Option<&Path>) -> Vec<Answer<Disk>> {
    if let Err(error) = fs::metadata(root) {
        return vec![silent(root, &error.into())];
    }
    let told = Machine { root: root.to_owned(), data_dir: None }.told();
    let mut folders = Vec::new();
    let mut answers = Vec::new();
    match &told {
        Ok((_, data)) => {
            folders.push(data.clone());
            folders.extend(OF_K3S.iter().map(|folder| data.join(folder)));
        }
        Err(why) => {
            let why = Failure::new("cannot tell where k3s keeps its data").because(why);
            answers.push(Answer::CouldNotLook(why.to_string()));
        }
    }
    folders.extend(OF_KUBELET.into_iter().chain([OF_KWO]).map(PathBuf::from));
    folders.extend(backups.map(Path::to_owned));
    let mut found: Vec<(u64, PathBuf, Vec<PathBuf>)> = Vec::new();
    for (at, folder) in folders.into_iter().enumerate() {
        // Where there is no k3s yet, its data will be on the disk of the folder above.
        let there = if at == 0 && told.is_ok() { above(root, &folder) } else { there(root, &folder) };
        let (path, named) = match there {
            Ok(Some(there)) => there,
            Ok(None) => continue,
            Err(error) => {
                answers.push(silent(&folder, &error));
                continue;
            }
        };
        let device = match fs::metadata(&path) {
            Ok(seen) => seen.dev(),
            Err(error) => {
                answers.push(silent(&folder, &error.into()));
                continue;
            }
        };
        match found.iter_mut().find(|(other, ..)| *other == device) {
            Some((_, _, folders)) if folders.iter().any(|above| named.starts_with(above)) => {}
            Some((_, _, folders)) => folders.push(named),
            None => found.push((device, path, vec![named])),
        }
    }
    let disks = found.into_iter().map(|(_, path, folders)| match rustix::fs::statvfs(&path) {
        // As some file systems of objects elsewhere do.
        Ok(seen) if seen.f_blocks == 0 => Answer::CouldNotLook(format!(
            "{}: it does not say how big it is",
            one_line(&path.to_string_lossy())
        )),
        Ok(seen) => {
            let bytes = |blocks: u64| blocks.saturating_mul(seen.f_frsize);
            let used = seen.f_blocks.saturating_sub(seen.f_bfree);
            Answer::Found(Disk::new(folders, bytes(used), bytes(seen.f_bavail)))
        }
        Err(error) => silent(&path, &Astray::Io(error.into())),
    });
    disks.chain(answers).collect()
}

fn silent(folder: &Path, error: &Astray) -> Answer<Disk> {
    Answer::CouldNotLook(format!("{}: {error}", one_line(&folder.to_string_lossy())))
}

/// A folder as it is reached, and as the machine calls it; nothing where there is none. It may be a link to another disk.
fn there(root: &Path, folder: &Path) -> Result<Option<(PathBuf, PathBuf)>, Astray> {
    match machine_folder(root, &folder.join("x")) {
        Ok(inside) => Ok(inside.parent().map(|path| (path.to_owned(), folder.to_owned()))),
        Err(Astray::Io(error)) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The same of the first folder on the way up that is there.
fn above(root: &Path, folder: &Path) -> Result<Option<(PathBuf, PathBuf)>, Astray> {
    for folder in folder.ancestors() {
        if let Some(there) = there(root, folder)? {
            return Ok(Some(there));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folders(root: &Path, backups: Option<&Path>) -> Vec<Vec<String>> {
        let folder = |path: &PathBuf| path.display().to_string();
        let all = look(root, backups).into_iter().map(|answer| match answer {
            Answer::Found(disk) => {
                assert!(disk.percent <= 100 && disk.used_bytes > 0, "{disk:?}");
                disk.folders.iter().map(folder).collect()
            }
            Answer::CouldNotLook(why) => vec![why],
        });
        all.collect()
    }

    #[test]
    fn each_file_system_is_told_once_by_the_folders_that_are_on_it() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str| fs::create_dir_all(root.path().join(path)).unwrap();
        // No k3s yet.
        assert_eq!(folders(root.path(), None), [["/"]]);
        make("var/lib/rancher/k3s/storage");
        make("var/lib/kwo/backups");
        let backups = Path::new("/var/lib/kwo/backups");
        assert_eq!(folders(root.path(), Some(backups)), [["/var/lib/rancher/k3s", "/var/lib/kwo"]]);
        make("mnt/backups");
        let elsewhere = Path::new("/mnt/backups");
        assert_eq!(
            folders(root.path(), Some(elsewhere)),
            [["/var/lib/rancher/k3s", "/var/lib/kwo", "/mnt/backups"]]
        );
        // Where k3s was told to keep its data, and by way of a link, which leads to a place below the root.
        make("etc/rancher/k3s");
        make("data");
        symlink("/data", root.path().join("link")).unwrap();
        fs::write(root.path().join("etc/rancher/k3s/config.yaml"), "data-dir: /link\n").unwrap();
        assert_eq!(folders(root.path(), None), [["/link", "/var/lib/kwo"]]);
    }

    #[test]
    fn what_is_on_another_disk_is_told_by_itself_and_what_cannot_be_seen_is_said() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/rancher/k3s")).unwrap();
        // Another file system that every machine has, if nothing else is one.
        if let Ok(other) = tempfile::tempdir_in("/dev/shm")
            && fs::metadata(other.path()).unwrap().dev() != fs::metadata(root.path()).unwrap().dev()
        {
            let all = look(Path::new("/"), Some(other.path()));
            let own = |answer: &Answer<Disk>| match answer {
                Answer::Found(disk) => disk.folders == [other.path()],
                Answer::CouldNotLook(_) => false,
            };
            assert_eq!(all.iter().filter(|answer| own(answer)).count(), 1, "{all:?}");
        }
        fs::write(root.path().join("etc/rancher/k3s/config.yaml"), "data-dir: [\n").unwrap();
        let all = folders(root.path(), None);
        assert!(all.len() == 1 && all[0][0].starts_with("cannot tell where k3s keeps its data: "), "{all:?}");
        let nowhere = folders(&root.path().join("nowhere"), None);
        assert!(nowhere.len() == 1 && nowhere[0][0].contains("nowhere: No such file"), "{nowhere:?}");
    }
}
