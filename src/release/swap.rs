//! How another program takes the place of one: at each moment there is a whole program by its name. The previous one stays
//! beside it.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use kwo_engine::failure::Failure;
use kwo_engine::providers::settle;
use kwo_engine::trust::only_own;
use kwo_planner::plain::one_line;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use semver::Version;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::guard::is_file;
use super::place::Place;
use crate::install::program_replaced;

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

impl Place {
    /// Puts a program beside the one that is there, tries it, and lets both change places.
    ///
    /// # Errors
    /// When it cannot be written, or does not say that it is this version; then all is as it was. Also when a step after that
    /// failed, and says so.
    pub async fn replace(&self, content: &[u8], version: &Version) -> Result<(), Failure> {
        self.recover().await?;
        let new = self.folder.join(".kwo.new");
        let taken = self.tried_and_taken(&new, content, version).await;
        let before = taken.inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })?;
        self.finished(&format!("kwo {version}"), Some(&before), content, settle(&self.program))
    }

    /// All that can fail before the one step that counts, and this step. Gives what was there.
    async fn tried_and_taken(
        &self,
        new: &Path,
        content: &[u8],
        version: &Version,
    ) -> Result<Vec<u8>, Failure> {
        self.put(new, content).map_err(|error| self.failed("write a new program beside", &error))?;
        self.try_out(new, Some(version)).await?;
        let before = fs::read(&self.program).map_err(|error| self.failed("read", &error))?;
        self.keep().map_err(|error| self.failed("keep", &error))?;
        fs::rename(new, &self.program).map_err(|error| self.failed("replace", &error))?;
        Ok(before)
    }

    /// Lets the previous program and the one of now change places. Says which version is there then.
    ///
    /// # Errors
    /// When there is none, or it does not run; then all is as it was. Also when a step after that failed, and says so.
    pub async fn go_back(&self) -> Result<String, Failure> {
        self.recover().await?;
        let previous = self.previous();
        if is_file(&previous).is_none() {
            return Err(Failure::new(format!("there is no program {} to go back to", previous.display()))
                .hint("`kwo self-update` leaves one; `kwo self-update --version VERSION --downgrade` gets an older release"));
        }
        self.try_out(&previous, None).await?;
        let version = self.said(&previous).await.unwrap_or_default();
        let after = fs::read(&previous).map_err(|error| self.failed("read", &error))?;
        let before = match fs::read(&self.program) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(self.failed("read", &error)),
        };
        let swapped = match before {
            Some(_) => self.swap(&previous),
            None => fs::rename(&previous, &self.program).map(|()| settle(&self.program)),
        };
        let done = swapped.map_err(|error| self.failed("replace", &error))?;
        self.finished(&version, before.as_deref(), &after, done)?;
        Ok(version)
    }

    /// Both programs change places in one step, where the file system has it. The first error says that nothing is changed, the
    /// second one that the program is the other one already.
    fn swap(&self, previous: &Path) -> io::Result<io::Result<()>> {
        match renameat_with(CWD, &self.program, CWD, previous, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(settle(&self.program)),
            // If something else is amiss, the next steps meet it too.
            Err(_) => self.swap_by_steps(previous),
        }
    }

    /// Whoever is killed before the last step leaves the newer one as `.kwo.kept`, where [`Place::recover`] finds it.
    fn swap_by_steps(&self, previous: &Path) -> io::Result<io::Result<()>> {
        let kept = self.link()?;
        settle(&kept).and_then(|()| fs::rename(previous, &self.program)).inspect_err(|_| {
            let _ = gone(&kept);
        })?;
        Ok(named(&kept, previous).and_then(|()| settle(&self.program)))
    }

    /// Gives the name of the previous one to a program that a killed rollback left without it. A second name or a copy of the
    /// program that is there is none, nor is half a copy.
    async fn recover(&self) -> Result<(), Failure> {
        let (kept, previous) = (self.kept(), self.previous());
        let whole = fs::symlink_metadata(&previous).is_err()
            && is_file(&kept).is_some_and(|found| only_own(&kept, &found).is_ok())
            && fs::read(&kept).ok() != fs::read(&self.program).ok()
            && self.said(&kept).await.is_ok_and(|said| said.starts_with("kwo "));
        if whole {
            named(&kept, &previous)
                .and_then(|()| settle(&previous))
                .map_err(|error| self.failed("keep", &error))?;
        }
        Ok(())
    }

    /// A whole file that can be run, safely on the disk. One that an update left which was killed is none of interest.
    fn put(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        gone(path)?;
        let mut file = File::options().write(true).create_new(true).mode(0o700).open(path)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(0o755))?;
        file.sync_all()
    }

    fn kept(&self) -> PathBuf {
        self.folder.join(".kwo.kept")
    }

    /// A second name of the program that is there, or a copy where there are no such names.
    fn link(&self) -> io::Result<PathBuf> {
        let kept = self.kept();
        gone(&kept)?;
        if fs::hard_link(&self.program, &kept).is_err() {
            self.put(&kept, &fs::read(&self.program)?)?;
        }
        Ok(kept)
    }

    /// The program that is there becomes the previous one, and stays where it is.
    fn keep(&self) -> io::Result<()> {
        let previous = self.previous();
        if fs::symlink_metadata(&previous).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other(format!("{} is there and no program", previous.display())));
        }
        let kept = self.link()?;
        named(&kept, &previous).inspect_err(|_| {
            let _ = gone(&kept);
        })?;
        settle(&self.program)
    }

    /// What follows the step that counts: `kwo install` remembers what it wrote, also where a later step failed.
    fn finished(
        &self,
        version: &str,
        before: Option<&[u8]>,
        after: &[u8],
        done: io::Result<()>,
    ) -> Result<(), Failure> {
        let noted = before.map_or(Ok(()), |before| self.note(before, after));
        let Err(error) = done else { return noted };
        let mut failure = Failure::new(format!(
            "{} is {} now, but a step after that failed",
            self.program.display(),
            one_line(version)
        ))
        .because(&error)
        .hint("the program is in place, and may be the previous one again if the power goes now; look at the disk, then run `sync`");
        if let Err(noted) = noted {
            failure.causes.push(noted.to_string());
            failure.hints.extend(noted.hints);
        }
        Err(failure)
    }

    /// That this is another program now is no change of somebody else, where `kwo install` wrote the first one.
    fn note(&self, before: &[u8], after: &[u8]) -> Result<(), Failure> {
        program_replaced(&self.program, before, after).map_err(|(path, why)| {
            Failure {
                causes: vec![why.to_string()],
                ..Failure::new(format!("the program is replaced, but {} does not say so", path.display()))
            }
            .hint("run `kwo install`")
        })
    }

    async fn try_out(&self, program: &Path, version: Option<&Version>) -> Result<(), Failure> {
        let said = self.said(program).await;
        let good = match (&said, version) {
            (Ok(said), Some(version)) => *said == format!("kwo {version}"),
            (Ok(said), None) => said.starts_with("kwo "),
            (Err(_), _) => false,
        };
        if good {
            return Ok(());
        }
        let why = match said {
            Ok(said) => format!("it says `{}` where it should say its version", one_line(&said)),
            Err(why) => why,
        };
        Err(Failure {
            causes: vec![why],
            ..Failure::new(format!("{} does not run here, so it is not put in place", program.display()))
        }
        .hint("is it for this machine? An image or a folder mounted with `noexec` runs no new program"))
    }

    /// What a program says to `--version`.
    async fn said(&self, program: &Path) -> Result<String, String> {
        let output = timeout(PATIENCE, said(program)).await;
        let output =
            output.map_err(|_| format!("it said no version within {} seconds", PATIENCE.as_secs()))?;
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("it ended with {}", output.status));
        }
        let text: String = String::from_utf8_lossy(&output.stdout).chars().take(200).collect();
        Ok(text.trim_end().to_owned())
    }

    fn failed(&self, what: &str, error: &io::Error) -> Failure {
        Failure::new(format!("cannot {what} {}", self.program.display()))
            .because(error)
            .hint("the program is still the previous one; make room, or run it as the owner of the folder")
    }
}

/// Gives a file another name. Where both are names of one file, as a killed update leaves them, the system would leave both.
fn named(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    gone(from)
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Asks a program for its version. A process that just began may have a file that was written open a moment longer, and the
/// system starts no file that somebody can write to.
async fn said(program: &Path) -> io::Result<Output> {
    loop {
        let mut command = Command::new(program);
        command.arg("--version").env_clear().stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        match command.output().await {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => sleep(PAUSE).await,
            said => return said,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use kwo_engine::failure::Exit;
    use sha2::{Digest as _, Sha256};

    use super::super::guard::LOCK;
    use super::*;

    fn script(version: &str) -> String {
        format!("#!/bin/sh\necho 'kwo {version}'\n")
    }

    pub(in super::super) fn program(folder: &Path, name: &str, version: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, script(version)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The power may go after each step: a whole program is there by its name, and the next update goes on from there.
    #[tokio::test]
    async fn after_each_step_there_is_a_whole_program() {
        for steps in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let program = program(folder.path(), "kwo", "1.0.0");
            {
                let place = Place::of(program.clone()).unwrap();
                let new = folder.path().join(".kwo.new");
                if steps > 0 {
                    place.put(&new, script("1.1.0").as_bytes()).unwrap();
                }
                if steps > 1 {
                    place.link().unwrap();
                }
                if steps > 2 {
                    place.keep().unwrap();
                }
                assert_eq!(place.said(&program).await.as_deref(), Ok("kwo 1.0.0"), "{steps}");
            }
            let place = Place::of(program.clone()).unwrap();
            place.replace(script("1.2.0").as_bytes(), &Version::new(1, 2, 0)).await.unwrap();
            assert_eq!(place.said(&program).await.as_deref(), Ok("kwo 1.2.0"));
            assert_eq!(place.said(&place.previous()).await.as_deref(), Ok("kwo 1.0.0"));
            let mut names: Vec<_> =
                fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, [LOCK, "kwo", "kwo.previous"], "{steps}: nothing is left over");
            // Back, and forth again.
            for version in ["kwo 1.0.0", "kwo 1.2.0"] {
                assert_eq!(place.go_back().await.as_deref(), Ok(version));
                assert_eq!(place.said(&program).await.as_deref(), Ok(version));
            }
            assert_eq!(Place::of(program).unwrap_err().exit, Exit::Locked);
        }
    }

    #[tokio::test]
    async fn a_program_that_somebody_still_has_open_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), "kwo", "1.0.0");
        let open = fs::OpenOptions::new().append(true).open(&program).unwrap();
        assert_eq!(Command::new(&program).output().await.unwrap_err().kind(), ErrorKind::ExecutableFileBusy);
        let closes = async {
            sleep(3 * PAUSE).await;
            drop(open);
        };
        let (said, ()) = tokio::join!(said(&program), closes);
        assert_eq!(said.unwrap().stdout, b"kwo 1.0.0\n");
    }

    /// A rollback where the file system swaps no names, killed after each step: the next one has both programs still.
    #[tokio::test]
    async fn a_killed_rollback_loses_no_program() {
        for steps in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let now = program(folder.path(), "kwo", "1.1.0");
            let previous = program(folder.path(), "kwo.previous", "1.0.0");
            let place = Place::of(now.clone()).unwrap();
            if steps > 0 {
                place.link().unwrap();
            }
            if steps > 1 {
                fs::rename(&previous, &now).unwrap();
            }
            if steps > 2 {
                // By another update, that fails: it does not lose it either.
                place.replace(b"#!/bin/sh\nexit 1\n", &Version::new(1, 2, 0)).await.unwrap_err();
            }
            drop(place);
            let there = if steps > 1 { "kwo 1.0.0" } else { "kwo 1.1.0" };
            let other = if steps > 1 { "kwo 1.1.0" } else { "kwo 1.0.0" };
            let place = Place::of(now.clone()).unwrap();
            assert_eq!(place.said(&now).await.as_deref(), Ok(there), "{steps}");
            assert_eq!(place.go_back().await.as_deref(), Ok(other), "{steps}");
            assert_eq!(place.said(&previous).await.as_deref(), Ok(there), "{steps}");
            // Whole, the same steps do what the one step does.
            place.swap_by_steps(&previous).unwrap().unwrap();
            assert_eq!(place.said(&now).await.as_deref(), Ok(there), "{steps}");
            assert_eq!(place.said(&previous).await.as_deref(), Ok(other), "{steps}");
            assert!(!place.kept().exists());
        }
        // Half a copy, a second name and a program that does not run are no previous program.
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(program(folder.path(), "kwo", "1.1.0")).unwrap();
        place.link().unwrap();
        assert!(place.go_back().await.unwrap_err().message.contains("there is no program"));
        fs::remove_file(place.kept()).unwrap();
        place.put(&place.kept(), b"#!/bin/sh\n").unwrap();
        assert!(place.go_back().await.unwrap_err().message.contains("there is no program"));
        place.put(&place.kept(), script("1.0.0").as_bytes()).unwrap();
        fs::set_permissions(place.kept(), Permissions::from_mode(0o757)).unwrap();
        assert!(place.go_back().await.unwrap_err().message.contains("there is no program"));
    }

    /// Each thing that can fail before the step that counts leaves nothing; after it, the error says so, and it is remembered.
    #[tokio::test]
    async fn a_failure_says_on_which_side_of_the_swap_it_was() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("usr/local/bin")).unwrap();
        let now = program(&folder.path().join("usr/local/bin"), "kwo", "1.0.0");
        let place = Place::of(now.clone()).unwrap();
        // `keep` fails.
        fs::create_dir(place.previous()).unwrap();
        let failure = place.replace(script("1.1.0").as_bytes(), &Version::new(1, 1, 0)).await.unwrap_err();
        assert!(failure.hints[0].contains("still the previous one"), "{failure:?}");
        fs::remove_dir(place.previous()).unwrap();
        // So does the step that counts.
        fs::remove_file(&now).unwrap();
        fs::create_dir(&now).unwrap();
        place.replace(script("1.1.0").as_bytes(), &Version::new(1, 1, 0)).await.unwrap_err();
        fs::remove_dir(&now).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(now.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [LOCK]);

        let record = folder.path().join("usr/local/share/kwo/installed.json");
        fs::create_dir_all(record.parent().unwrap()).unwrap();
        let digest =
            |of: &[u8]| Sha256::digest(of).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        fs::write(&record, format!(r#"{{"files":{{"usr/local/bin/kwo":"{}"}}}}"#, digest(b"1.0.0"))).unwrap();
        let broken = || Err(io::Error::other("the disk is gone"));
        let failure = place.finished("kwo 1.1.0", Some(b"1.0.0"), b"1.1.0", broken()).unwrap_err();
        assert!(failure.message.ends_with("is kwo 1.1.0 now, but a step after that failed"), "{failure:?}");
        assert!(!failure.hints[0].contains("still"), "{failure:?}");
        assert!(fs::read_to_string(&record).unwrap().contains(&digest(b"1.1.0")));
        fs::write(&record, "{").unwrap();
        let failure = place.finished("kwo 1.1.0", Some(b"1.0.0"), b"1.1.0", broken()).unwrap_err();
        assert_eq!((failure.causes.len(), failure.hints.len()), (2, 2), "{failure:?}");
    }
}
