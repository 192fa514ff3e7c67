//! Where the program lies, and how another one takes its place: at each moment there is a whole program by its name. The one
//! of before stays beside it.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::settle;
use kwo_planner::plain::one_line;
use rustix::fs::{Access, FlockOperation, access, flock};
use semver::Version;
use tokio::process::Command;

use crate::install::program_replaced;

/// What stands behind the name of the program that was there before.
pub const PREVIOUS: &str = ".previous";

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// The place of a program. While it is held, no other update changes it.
#[derive(Debug)]
pub struct Place {
    program: PathBuf,
    folder: PathBuf,
    _lock: File,
}

impl Place {
    /// That of the program that runs. A link to it was followed by whoever started it.
    ///
    /// # Errors
    /// As for [`Place::of`].
    pub fn of_this_program() -> Result<Place, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::new("cannot tell which program this is").because(&error))?;
        // Where the new one does not work, the one of before is asked to go back.
        let of = program.to_str().and_then(|path| path.strip_suffix(PREVIOUS)).map(PathBuf::from);
        Place::of(of.filter(|program| program.is_file()).unwrap_or(program))
    }

    /// That of a program.
    ///
    /// # Errors
    /// When it is gone, its folder cannot be written to, or another update has it.
    pub fn of(program: PathBuf) -> Result<Place, Failure> {
        let shown = program.display().to_string();
        let cannot = |what: &str, error: &dyn std::error::Error| {
            Failure::new(format!("cannot {what} {shown}")).because(error)
        };
        let found = fs::symlink_metadata(&program).map_err(|error| {
            cannot("replace", &error).hint("the program was moved or replaced while it ran; run the new one")
        })?;
        let Some(folder) = program.parent().map(Path::to_owned).filter(|_| found.is_file()) else {
            return Err(Failure::new(format!("{shown} is no file that could be replaced")));
        };
        access(&folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
            cannot("replace", &io::Error::from(error))
                .hint("run it as the owner of the folder, such as root; an image is upgraded as a whole")
        })?;
        let lock = File::open(&folder).map_err(|error| cannot("replace", &error))?;
        // Some network file systems have no such lock. There, too, each step below is whole.
        if flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK) {
            let busy = Failure {
                exit: Exit::Locked,
                ..Failure::new(format!("another update of {shown} is running"))
            };
            return Err(busy.hint("wait until it ends"));
        }
        Ok(Place { program, folder, _lock: lock })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where the program of before is.
    #[must_use]
    pub fn previous(&self) -> PathBuf {
        let mut name = self.program.file_name().unwrap_or_default().to_owned();
        name.push(PREVIOUS);
        self.folder.join(name)
    }

    /// Puts a program beside the one that is there, tries it, and lets both change places.
    ///
    /// # Errors
    /// When it cannot be written, or does not say that it is this version; then all is as it was.
    pub async fn replace(&self, content: &[u8], version: &Version) -> Result<(), Failure> {
        let new = self.folder.join(".kwo.new");
        let put = self.put(&new, content);
        let tried = match put {
            Ok(()) => self.try_out(&new, Some(version)).await,
            Err(error) => Err(self.failed("write a new program beside", &error)),
        };
        if let Err(failure) = tried {
            let _ = fs::remove_file(&new);
            return Err(failure);
        }
        let before = fs::read(&self.program).map_err(|error| self.failed("read", &error))?;
        self.keep().map_err(|error| self.failed("keep", &error))?;
        self.take(&new).map_err(|error| self.failed("replace", &error))?;
        self.note(&before, content)
    }

    /// Lets the program of before and the one of now change places. Says which version is there then.
    ///
    /// # Errors
    /// When there is none, or it does not run; then all is as it was.
    pub async fn go_back(&self) -> Result<String, Failure> {
        let previous = self.previous();
        if !fs::symlink_metadata(&previous).is_ok_and(|found| found.is_file()) {
            return Err(Failure::new(format!("there is no program {} to go back to", previous.display()))
                .hint("`kwo self-update` leaves one; `kwo self-update --version VERSION --downgrade` gets an older release"));
        }
        self.try_out(&previous, None).await?;
        let version = self.said(&previous).await.unwrap_or_default();
        let (before, after) = (fs::read(&self.program), fs::read(&previous));
        let (before, after) = (
            before.map_err(|error| self.failed("read", &error))?,
            after.map_err(|error| self.failed("read", &error))?,
        );
        let kept = self.link().map_err(|error| self.failed("keep", &error))?;
        self.take(&previous).map_err(|error| self.failed("replace", &error))?;
        named(&kept, &previous).map_err(|error| self.failed("keep", &error))?;
        self.note(&before, &after)?;
        Ok(version)
    }

    /// A whole file that can be run, safely on the disk. One that an update left which was killed is none of interest.
    fn put(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        gone(path)?;
        let mut file = File::options().write(true).create_new(true).mode(0o700).open(path)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(0o755))?;
        file.sync_all()
    }

    /// A second name of the program that is there, or a copy where there are no such names.
    fn link(&self) -> io::Result<PathBuf> {
        let kept = self.folder.join(".kwo.kept");
        gone(&kept)?;
        if fs::hard_link(&self.program, &kept).is_err() {
            self.put(&kept, &fs::read(&self.program)?)?;
        }
        Ok(kept)
    }

    /// The program that is there becomes the one of before, and stays where it is.
    fn keep(&self) -> io::Result<()> {
        let previous = self.previous();
        if fs::symlink_metadata(&previous).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other(format!("{} is there and no program", previous.display())));
        }
        named(&self.link()?, &previous)?;
        settle(&self.program)
    }

    /// The one step that counts.
    fn take(&self, new: &Path) -> io::Result<()> {
        fs::rename(new, &self.program)?;
        settle(&self.program)
    }

    /// `kwo install` remembers what it wrote: that this is another program now is no change of somebody else.
    fn note(&self, before: &[u8], after: &[u8]) -> Result<(), Failure> {
        program_replaced(&self.program, before, after).map_err(|(path, why)| {
            Failure {
                causes: vec![why],
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
        let mut command = Command::new(program);
        command.arg("--version").env_clear().stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
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
            .hint("the program is still the one of before; make room, or run it as the owner of the folder")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn script(version: &str) -> String {
        format!("#!/bin/sh\necho 'kwo {version}'\n")
    }

    /// The power may go after each step: a whole program is there by its name, and the next update goes on from there.
    #[tokio::test]
    async fn after_each_step_there_is_a_whole_program() {
        for steps in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let program = folder.path().join("kwo");
            fs::write(&program, script("1.0.0")).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
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
            assert_eq!(names, ["kwo", "kwo.previous"], "{steps}: nothing is left over");
            // Back, and forth again.
            for version in ["kwo 1.0.0", "kwo 1.2.0"] {
                assert_eq!(place.go_back().await.as_deref(), Ok(version));
                assert_eq!(place.said(&program).await.as_deref(), Ok(version));
            }
            assert_eq!(Place::of(program).unwrap_err().exit, Exit::Locked);
        }
    }
}
