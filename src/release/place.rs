//! Where the program lies, and who may put another one there.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use kwo_engine::failure::Failure;
use kwo_engine::file_lock::FileLock;
use kwo_engine::trust::only_own;
use kwo_planner::plain::shell_word;
use rustix::fs::{Access, access};

use super::guard::{is_file, locked};

/// What stands behind the name of the program that was there before.
pub const PREVIOUS: &str = ".previous";

/// The place of a program. While it is held, no other update changes it.
#[derive(Debug)]
pub struct Place {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
    _lock: Option<FileLock>,
}

/// The program that this process is about. A link to it was followed by whoever started it. Where the new one does not work,
/// the previous one is asked to go back; it is asked for nothing else, because it would judge by its own version.
///
/// # Errors
/// When that cannot be told, or the previous program is asked for something else.
pub fn this_program(back: bool) -> Result<PathBuf, Failure> {
    let running = std::env::current_exe()
        .map_err(|error| Failure::new("cannot tell which program this is").because(&error))?;
    about(running, back)
}

fn about(running: PathBuf, back: bool) -> Result<PathBuf, Failure> {
    let name = running.file_name().and_then(|name| name.to_str());
    let Some(of) = name.and_then(|name| name.strip_suffix(PREVIOUS)) else { return Ok(running) };
    let program = running.with_file_name(of);
    if of.is_empty() || of.ends_with(PREVIOUS) {
        return Err(Failure::new(format!("{} is no program that kwo keeps", running.display()))
            .hint("run `kwo self-update` instead"));
    }
    if back {
        return Ok(program);
    }
    let (shown, program) = (running.display().to_string(), program.display().to_string());
    let (own, program) = (shell_word(&shown), shell_word(&program));
    Err(Failure::new(format!("{shown} is the previous program, and updates nothing")).hint(format!(
        "run `{program} self-update`; or `{own} self-update --rollback`, which puts it in place again"
    )))
}

impl Place {
    /// That of the program that runs, to put another one there, or to go back.
    ///
    /// # Errors
    /// As for [`Place::of`] and [`this_program`].
    pub fn of_this_program(back: bool) -> Result<Place, Failure> {
        let program = this_program(back)?;
        let place = if back { Place::to_go_back(program) } else { Place::of(program) }?;
        // It was known before the lock was there, and so was the version that this process judges by.
        if this_program(back).ok().as_ref() != Some(&place.program) {
            return Err(Failure::new(format!("{} was replaced just now", place.program.display()))
                .hint("run the new one"));
        }
        Ok(place)
    }

    /// That of a program.
    ///
    /// # Errors
    /// When it is gone, somebody else could change it, its folder cannot be written to, or another update has it.
    pub fn of(program: PathBuf) -> Result<Place, Failure> {
        Place::with(program, false)
    }

    /// That of a program, which may be gone where the previous one is there.
    pub(super) fn to_go_back(program: PathBuf) -> Result<Place, Failure> {
        Place::with(program, true)
    }

    fn with(program: PathBuf, back: bool) -> Result<Place, Failure> {
        let shown = program.display().to_string();
        let cannot =
            |error: &dyn std::error::Error| Failure::new(format!("cannot replace {shown}")).because(error);
        let previous = previous_of(&program);
        let of_before = is_file(&previous);
        let found = match fs::symlink_metadata(&program) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound && back && of_before.is_some() => None,
            Err(error) => {
                return Err(
                    cannot(&error).hint("the program was moved or replaced while it ran; run the new one")
                );
            }
        };
        let regular = found.as_ref().is_none_or(fs::Metadata::is_file);
        let Some(folder) = program.parent().map(Path::to_owned).filter(|_| regular) else {
            return Err(Failure::new(format!("{shown} is no file that could be replaced")));
        };
        access(&folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
            cannot(&io::Error::from(error))
                .hint("run it as the owner of the folder, such as root; an image is upgraded as a whole")
        })?;
        only_own(&folder, &fs::metadata(&folder).map_err(|error| cannot(&error))?)?;
        for (path, found) in [(&program, found), (&previous, of_before)] {
            found.map_or(Ok(()), |found| only_own(path, &found))?;
        }
        let lock = locked(&folder, &program)?;
        Ok(Place { program, folder, _lock: lock })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where the previous program is.
    #[must_use]
    pub fn previous(&self) -> PathBuf {
        previous_of(&self.program)
    }
}

fn previous_of(program: &Path) -> PathBuf {
    let mut name = program.file_name().unwrap_or_default().to_owned();
    name.push(PREVIOUS);
    program.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::swap::tests::program;
    use super::*;

    #[test]
    fn the_program_of_before_is_asked_to_go_back_and_for_nothing_else() {
        let kwo = PathBuf::from("/usr/local/bin/kwo");
        for back in [false, true] {
            assert_eq!(about(kwo.clone(), back), Ok(kwo.clone()));
            for odd in ["/usr/local/bin/kwo.previous.previous", "/usr/local/bin/.previous"] {
                assert!(about(odd.into(), back).unwrap_err().message.contains("no program that kwo keeps"));
            }
        }
        assert_eq!(about("/usr/local/bin/kwo.previous".into(), true), Ok(kwo));
        let failure = about("/usr/local/bin/kwo.previous".into(), false).unwrap_err();
        assert!(failure.hints[0].contains("`/usr/local/bin/kwo self-update`"), "{failure:?}");
    }

    #[tokio::test]
    async fn a_missing_program_comes_back_and_what_others_can_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let now = folder.path().join("kwo");
        assert!(Place::to_go_back(now.clone()).is_err(), "nothing is there");
        let previous = program(folder.path(), "kwo.previous", "1.0.0");
        assert!(Place::of(now.clone()).is_err(), "an update needs the program");
        let place = Place::to_go_back(now.clone()).unwrap();
        assert_eq!(place.go_back().await.as_deref(), Ok("kwo 1.0.0"));
        assert!(now.is_file() && !previous.exists());
        drop(place);
        program(folder.path(), "kwo.previous", "0.9.0");
        for path in [folder.path(), &now, &previous] {
            for mode in [0o775, 0o757, 0o1777] {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
                let failure = Place::of(now.clone()).unwrap_err();
                let words = format!("others than the owner may write to {}:", path.display());
                assert!(failure.message.starts_with(&words), "{failure:?}");
                fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
            }
            if rustix::process::geteuid().is_root() {
                std::os::unix::fs::chown(path, Some(1000), None).unwrap();
                let failure = Place::to_go_back(now.clone()).unwrap_err();
                assert!(failure.message.contains("belongs to the user 1000"), "{failure:?}");
                std::os::unix::fs::chown(path, Some(0), None).unwrap();
            }
        }
        Place::of(now).unwrap();
    }
}
