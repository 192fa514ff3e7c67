//! How full the disk is that k3s writes to.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;

/// From here on it is time to look for what can go.
const WARNING: u64 = 70;
/// From here on the kubelet is about to evict pods.
const CRITICAL: u64 = 85;

/// A file system, counted as `df` counts it: what only root may use is neither used nor available.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Disk {
    pub path: PathBuf,
    pub used_bytes: u64,
    pub available_bytes: u64,
    /// Rounded down.
    pub percent: u64,
    pub level: Level,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Ok,
    Warning,
    Critical,
}

impl Disk {
    fn new(path: PathBuf, used_bytes: u64, available_bytes: u64) -> Disk {
        let whole = u128::from(used_bytes) + u128::from(available_bytes);
        let percent = u64::try_from(u128::from(used_bytes) * 100 / whole.max(1)).unwrap_or(100);
        let level = match percent {
            CRITICAL.. => Level::Critical,
            WARNING.. => Level::Warning,
            _ => Level::Ok,
        };
        Disk { path, used_bytes, available_bytes, percent, level }
    }
}

/// The disk of k3s below this root; that of the root where k3s has no folder yet.
pub(super) fn look(root: &Path) -> Answer<Disk> {
    let own = root.join("var/lib/rancher");
    let path = if own.is_dir() { own } else { root.to_owned() };
    match rustix::fs::statvfs(&path) {
        Ok(seen) => {
            let bytes = |blocks: u64| blocks.saturating_mul(seen.f_frsize);
            let used = seen.f_blocks.saturating_sub(seen.f_bfree);
            Answer::Found(Disk::new(path, bytes(used), bytes(seen.f_bavail)))
        }
        Err(error) => Answer::CouldNotLook(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_bad_from_the_first_byte_of_the_bound_on() {
        let disk = |used, free| Disk::new(PathBuf::new(), used, free);
        let level = |used, free| disk(used, free).level;
        assert_eq!(level(699, 301), Level::Ok);
        assert_eq!(level(700, 300), Level::Warning);
        assert_eq!(level(849, 151), Level::Warning);
        assert_eq!(level(850, 150), Level::Critical);
        assert_eq!(disk(u64::MAX, u64::MAX).percent, 50);
        assert_eq!(disk(0, 0).percent, 0);
    }

    #[test]
    fn the_disk_of_k3s_comes_before_that_of_the_root() {
        let root = tempfile::tempdir().unwrap();
        let path = || match look(root.path()) {
            Answer::Found(disk) => disk.path,
            Answer::CouldNotLook(why) => panic!("{why}"),
        };
        assert_eq!(path(), root.path());
        std::fs::create_dir_all(root.path().join("var/lib/rancher")).unwrap();
        assert_eq!(path(), root.path().join("var/lib/rancher"));
        let nowhere = look(&root.path().join("nowhere"));
        assert!(matches!(nowhere, Answer::CouldNotLook(why) if why.contains("nowhere: No such file")));
    }
}
