//! One call of `git`, cut off from the settings of user and machine, with an end to its patience. Whatever it started
//! ends with it.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, prlimit};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::fault::Fault;

/// What of the environment git may see: how to find programs, and how to get out.
const PASSED: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
];

/// How much of what git says is told.
const LONGEST: usize = 600;

/// How much memory git and each program that it starts may ask for: a commit, a tree or a difference is unpacked in it as
/// a whole, and a kilobyte may unpack to a gigabyte.
const MEMORY: u64 = 2 << 30;

/// How much of an answer is taken in where the call does not say.
const ANSWER: usize = 64 << 20;

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The system said no.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot run `{program}`: {error}")]
    Program {
        /// The program.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// It took too long.
    #[error("`git {what}` took longer than {seconds} s")]
    TooLong {
        /// The command.
        what: String,
        /// The patience.
        seconds: u64,
    },
    /// It said no.
    #[error("`git {what}` failed: {said}")]
    Failed {
        /// The command.
        what: String,
        /// What it said.
        said: String,
        /// With which status.
        status: ExitStatus,
    },
    /// A program that looks at a signature took too long.
    #[error("`{program}` took longer than {seconds} s")]
    Slow {
        /// The program.
        program: String,
        /// The patience.
        seconds: u64,
    },
    /// The files that were asked for are too long.
    #[error("the files beside the roster are {mebibytes} MiB together; kwo reads at most {most}")]
    TooMuch {
        /// How long.
        mebibytes: u64,
        /// How long they may be.
        most: u64,
    },
    /// There are more things than are looked at.
    #[error("there are more than {most} {what}; kwo looks at no more")]
    TooMany {
        /// Of what.
        what: String,
        /// How many there may be.
        most: usize,
    },
    /// It says more than is taken in.
    #[error("`git {what}` prints more than {mebibytes} MiB; kwo reads no more")]
    Flood {
        /// The command.
        what: String,
        /// How much is read.
        mebibytes: usize,
    },
    /// The repository is a clone without its beginning.
    #[error("it is a shallow clone, so older commits are missing")]
    Shallow,
    /// The public keys of the signers are none.
    #[error("gpg finds no keys in {}: {said}", path.display())]
    Keys {
        /// Their file.
        path: PathBuf,
        /// What it said.
        said: String,
    },
    /// It said what kwo does not understand.
    #[error("`git {what}` gave an answer that kwo does not understand: {said}")]
    Odd {
        /// The command.
        what: String,
        /// What it said.
        said: String,
    },
}

impl GitError {
    /// What the system said when this was tried.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> GitError {
        let what = what.into();
        move |error| GitError::Io { what, error }
    }

    /// What the system said when this program was started.
    pub(super) fn program(program: &str) -> impl FnOnce(std::io::Error) -> GitError {
        let program = program.to_owned();
        move |error| GitError::Program { program, error }
    }

    /// What git refused, where it was git that did.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match self {
            GitError::Failed { said, .. } => Some(Fault::of(said)),
            _ => None,
        }
    }

    /// Is there no such program on this machine?
    #[must_use]
    pub fn lacks_program(&self) -> bool {
        matches!(self, GitError::Program { error, .. } if error.kind() == ErrorKind::NotFound)
    }
}

/// A call that is being put together.
pub(super) struct Git {
    command: Command,
    what: String,
    patience: Duration,
    answer: usize,
    file: Option<u64>,
}

/// What a call gave.
pub(super) struct Given {
    pub(super) out: Vec<u8>,
    /// What it says beside, where it did what it was asked to.
    pub(super) said: String,
}

impl Git {
    /// A call in this folder.
    pub(super) fn new(folder: &Path, patience: Duration) -> Git {
        let mut command = Command::new("git");
        command.env_clear();
        for name in PASSED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // What the rest of kwo takes its authorities from, git's own variable aside.
        if std::env::var_os("GIT_SSL_CAINFO").is_none()
            && let Some(trusted) = std::env::var_os("SSL_CERT_FILE")
        {
            command.env("GIT_SSL_CAINFO", trusted);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_DIR", folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            // With a group of its own, what it starts (ssh, gpg) can be ended with it.
            .process_group(0);
        Git { command, what: String::new(), patience, answer: ANSWER, file: None }
    }

    /// Takes in no more than this of the answer.
    pub(super) fn at_most(mut self, bytes: usize) -> Git {
        self.answer = bytes;
        self
    }

    /// Lets it write no file that is longer.
    pub(super) fn files_up_to(mut self, bytes: u64) -> Git {
        self.file = Some(bytes);
        self
    }

    /// One more argument, where that is so.
    pub(super) fn arg_if(mut self, so: bool, arg: &str) -> Git {
        if so {
            self.command.arg(arg);
        }
        self
    }

    pub(super) fn config(mut self, setting: &str) -> Git {
        self.command.arg("-c").arg(setting);
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Git {
        self.command.env(name, value);
        self
    }

    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Git {
        for arg in args {
            if self.what.is_empty() {
                self.what = arg.as_ref().to_string_lossy().into_owned();
            }
            self.command.arg(arg);
        }
        self
    }

    /// Runs it; says no where git does.
    pub(super) async fn run(self, input: Option<Vec<u8>>) -> Result<Given, GitError> {
        let what = self.what.clone();
        let (status, given, said) = self.end(input).await?;
        if status.success() {
            return Ok(given);
        }
        Err(GitError::Failed { what, said, status })
    }

    /// Runs it to ask a question that it answers with 0 for yes and 1 for no.
    pub(super) async fn ask(self) -> Result<bool, GitError> {
        let what = self.what.clone();
        let (status, _, said) = self.end(None).await?;
        match status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(GitError::Failed { what, said, status }),
        }
    }

    async fn end(mut self, input: Option<Vec<u8>>) -> Result<(ExitStatus, Given, String), GitError> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if input.is_some() {
            self.command.stdin(Stdio::piped());
        }
        let mut child = self.command.spawn().map_err(GitError::program("git"))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let _end = Group(pid);
        // It has only just begun, and what it starts inherits them.
        let limits = [(Resource::As, Some(MEMORY)), (Resource::Core, Some(0)), (Resource::Fsize, self.file)];
        for (resource, most) in limits {
            if let (Some(pid), Some(most)) = (pid, most) {
                // Where a stricter one is set already, that one stays.
                let set = getrlimit(resource);
                let most = [Some(most), set.current, set.maximum].into_iter().flatten().min();
                let limit = Rlimit { current: most, maximum: most };
                let _ = prlimit(Some(pid), resource, limit);
            }
        }
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // Whoever ends before all is read says why.
                let _ = stdin.write_all(&input).await;
            }
            Ok(())
        };
        let most = self.answer;
        let answer = async {
            let out = heard(stdout, most.saturating_add(1)).await.map_err(Cut::Io)?;
            // It is ended, rather than heard to its end.
            if out.len() > most {
                return Err(Cut::Flood);
            }
            Ok((out, child.wait().await.map_err(Cut::Io)?))
        };
        let talk = async { heard_and_void(stderr).await.map_err(Cut::Io) };
        let both = async { tokio::try_join!(answer, talk, feed) };
        match timeout(self.patience, both).await {
            Ok(Ok(((out, status), said, ()))) => {
                let said = shown(&said);
                Ok((status, Given { out, said: said.clone() }, said))
            }
            Ok(Err(Cut::Io(error))) => Err(GitError::io("hear what `git` says")(error)),
            Ok(Err(Cut::Flood)) => Err(GitError::Flood { what: self.what, mebibytes: most >> 20 }),
            Err(_) => Err(GitError::TooLong { what: self.what, seconds: self.patience.as_secs() }),
        }
    }
}

/// Why a call is not heard to its end.
enum Cut {
    Io(std::io::Error),
    Flood,
}

/// What is said, up to so many bytes.
async fn heard(from: Option<impl AsyncRead + Unpin>, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The beginning of what is said; the rest is taken in, so that whoever says it can go on.
async fn heard_and_void(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let Some(mut from) = from else { return Ok(Vec::new()) };
    let bytes = heard(Some(&mut from), 64 << 10).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// Everything that a call started.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Mostly there is nobody left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Given {
    /// The answer as one line of text.
    pub(super) fn line(&self) -> String {
        String::from_utf8_lossy(&self.out).trim().to_owned()
    }
}

/// The lines that say what is wrong, on one line.
pub(super) fn shown(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    // ssh frames what matters most with signs.
    let lines: Vec<&str> =
        text.lines().map(|line| line.trim_matches(['@', ' '])).filter(|line| !line.is_empty()).collect();
    let told: String =
        lines.join("; ").chars().filter(|char| !kwo_planner::plain::acts(*char)).take(LONGEST).collect();
    if told.is_empty() { "it said nothing".to_owned() } else { told }
}
