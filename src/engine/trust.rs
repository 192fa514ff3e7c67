//! Who may change a file that kwo acts on: its own program, and the settings that say which repository it applies, and where.
//! Only root and whoever runs kwo may.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use kwo_planner::plain::{one_line, shell_word};
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::geteuid;

use crate::failure::Failure;

/// So many links lead from one to the next, as for the kernel.
const MOST_LINKS: usize = 40;
/// In such a folder nobody removes or replaces what belongs to others.
const STICKY: u32 = 0o1000;
/// Others than the owner may write. The bits of the group also stand for whatever an access list allows.
const OTHERS: u32 = 0o022;

/// Refuses what somebody else owns or may write to. The sticky bit of a folder does not help: it lets everybody put in what is
/// not there yet.
///
/// # Errors
/// When it is so, with the command that mends it.
pub fn only_own(path: &Path, found: &Metadata) -> Result<(), Failure> {
    judge(path, found, found.mode(), geteuid().as_raw()).map_err(Loose::told)
}

/// Refuses settings that somebody else may change: the file itself, the folder that it lies in, and each one that a link leads
/// by. Where no file can be written, as in a ConfigMap that Kubernetes mounted, the modes mean nothing.
///
/// # Errors
/// When it is so, with the command that mends it.
pub fn own_settings(path: &Path) -> Result<(), Failure> {
    own(path, "settings")
}

/// The same of a file that the settings name to say whose signature counts.
///
/// # Errors
/// When somebody else may change it, with the command that mends it.
pub fn own_keys(path: &Path) -> Result<(), Failure> {
    own(path, "public keys")
}

fn own(path: &Path, what: &str) -> Result<(), Failure> {
    loose_settings(path).map_or(Ok(()), |loose| {
        let what = format!("kwo does not act on {what} that others may change: {}", loose.what);
        Err(Loose { what, ..loose }.told())
    })
}

/// The same, for who only tells it.
pub(crate) fn loose_settings(path: &Path) -> Option<Loose> {
    settings_of(path, geteuid().as_raw()).err()
}

/// What lets somebody else change a file.
pub(crate) struct Loose {
    /// In words.
    pub(crate) what: String,
    /// The command that ends it.
    pub(crate) command: String,
    /// Who could run kwo instead.
    or: String,
}

impl Loose {
    fn told(self) -> Failure {
        let Loose { what, command, or } = self;
        Failure::new(what).hint(format!("if what is in it is right, run `{command}`{or}"))
    }
}

fn settings_of(path: &Path, caller: u32) -> Result<(), Loose> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        // Whoever reads it says why it cannot be looked at.
        let (Ok(around), Ok(found)) = (fs::metadata(&folder), fs::symlink_metadata(&path)) else {
            return Ok(());
        };
        if !is_fixed(&folder) {
            if around.mode() & STICKY == 0 {
                judge(&folder, &around, around.mode(), caller)?;
            } else {
                // There, what belongs to somebody else can be replaced by them alone.
                judge(&folder, &around, 0, caller)?;
                judge(&path, &found, 0, caller)?;
            }
        }
        if !found.is_symlink() {
            return if found.is_file() && !is_fixed(&path) {
                judge(&path, &found, found.mode(), caller)
            } else {
                Ok(())
            };
        }
        let Ok(leads) = fs::read_link(&path) else { return Ok(()) };
        path = folder.join(leads);
    }
    Ok(())
}

/// Nobody writes there by this path.
fn is_fixed(path: &Path) -> bool {
    statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn judge(path: &Path, found: &Metadata, mode: u32, caller: u32) -> Result<(), Loose> {
    let owner = found.uid();
    let shown = path.to_string_lossy();
    let word = shell_word(&shown);
    let shown = one_line(&shown);
    if owner != 0 && owner != caller {
        let itself = if found.is_symlink() { "-h " } else { "" };
        return Err(Loose {
            what: format!(
                "{shown} belongs to the user {owner}, and kwo trusts only root and you, the user {caller}"
            ),
            command: format!("chown {itself}root {word}"),
            or: format!("; or run it as the user {owner}"),
        });
    }
    if mode & OTHERS != 0 {
        return Err(Loose {
            what: format!("others than the owner may write to {shown}: its mode is {:04o}", mode & 0o7777),
            command: format!("chmod go-w {word}"),
            or: String::new(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_root_and_the_caller_are_trusted_and_nobody_else_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let trusted = |path: &Path| only_own(path, &fs::metadata(path).unwrap());
        let own = geteuid().as_raw();
        for mode in [0o755, 0o700, 0o1755] {
            set(folder.path(), mode);
            trusted(folder.path()).unwrap();
        }
        for mode in [0o775, 0o757, 0o1777, 0o2775] {
            set(folder.path(), mode);
            let failure = trusted(folder.path()).unwrap_err();
            assert!(failure.message.contains(&format!("its mode is {mode:04o}")), "{failure:?}");
            assert!(failure.hints[0].contains("chmod go-w"), "{failure:?}");
        }
        // The command can be pasted, whatever the name.
        let spaced = folder.path().join("my programs");
        fs::create_dir(&spaced).unwrap();
        set(&spaced, 0o777);
        let failure = trusted(&spaced).unwrap_err();
        assert!(failure.hints[0].contains("my programs'`"), "{failure:?}");
        set(folder.path(), 0o755);
        // Somebody else than its owner asks, where the owner is not root; and root trusts no other owner.
        if own == 0 {
            let found = fs::metadata(folder.path()).unwrap();
            assert!(judge(folder.path(), &found, found.mode(), 1000).is_ok());
            chown(folder.path(), Some(1000), None).unwrap();
        }
        let found = fs::metadata(folder.path()).unwrap();
        assert!(judge(folder.path(), &found, found.mode(), found.uid()).is_ok());
        let loose = judge(folder.path(), &found, found.mode(), found.uid() + 1).err().unwrap();
        assert!(loose.what.contains(&format!("belongs to the user {}", found.uid())), "{}", loose.what);
        assert!(own != 0 || trusted(folder.path()).is_err());
    }

    #[test]
    fn settings_that_others_may_change_are_refused_wherever_a_link_leads() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc");
        let file = folder.join("kwo.yaml");
        fs::create_dir(&folder).unwrap();
        own_settings(&file).unwrap();
        fs::write(&file, "x").unwrap();
        set(&folder, 0o755);
        for (mode, fits) in
            [(0o600, true), (0o644, true), (0o640, true), (0o664, false), (0o666, false), (0o602, false)]
        {
            set(&file, mode);
            assert_eq!(own_settings(&file).is_ok(), fits, "{mode:o}");
        }
        let failure = own_settings(&file).unwrap_err();
        assert!(failure.message.contains("settings that others may change"), "{failure:?}");
        assert!(failure.hints[0].contains("chmod go-w"), "{failure:?}");
        set(&file, 0o644);
        for (mode, fits) in [(0o700, true), (0o1777, true), (0o775, false), (0o777, false)] {
            set(&folder, mode);
            assert_eq!(own_settings(&file).is_ok(), fits, "{mode:o}");
        }
        // As Kubernetes makes a ConfigMap: two links, and nobody else may write anywhere.
        let mount = root.path().join("mount");
        fs::create_dir_all(mount.join("..2026")).unwrap();
        fs::write(mount.join("..2026/kwo.yaml"), "x").unwrap();
        symlink("..2026", mount.join("..data")).unwrap();
        symlink("..data/kwo.yaml", mount.join("kwo.yaml")).unwrap();
        set(&mount, 0o755);
        own_settings(&mount.join("kwo.yaml")).unwrap();
        // Where a link leads counts like its own place.
        set(&mount.join("..2026"), 0o777);
        assert!(own_settings(&mount.join("kwo.yaml")).is_err());
        set(&mount.join("..2026"), 0o755);
        set(&mount.join("..2026/kwo.yaml"), 0o646);
        assert!(own_settings(&mount.join("kwo.yaml")).is_err());
        if geteuid().is_root() {
            set(&folder, 0o1777);
            chown(&file, Some(1000), None).unwrap();
            assert!(own_settings(&file).is_err());
            // Nor may somebody's link stand where everybody can make one.
            fs::remove_file(&file).unwrap();
            symlink("/etc/hostname", &file).unwrap();
            own_settings(&file).unwrap();
            std::os::unix::fs::lchown(&file, Some(1000), None).unwrap();
            let failure = own_settings(&file).unwrap_err();
            assert!(failure.hints[0].contains("chown -h root"), "{failure:?}");
        }
        // Where nobody can write at all, no mode counts.
        assert!(!is_fixed(root.path()));
        assert!(
            !is_fixed(Path::new("/sys")) || settings_of(Path::new("/sys/kernel/notes"), 4_000_000).is_ok()
        );
    }
}
