//! How a run ends badly: a kind, which alone chooses the exit code, what happened, what lay behind it, and what
//! to do. `report/failure.rs` prints all of them. The planner and the providers never see hints.

use std::fmt;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use rustix::process::geteuid;

/// How a run ended. The numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// `--detailed-exitcode` of `plan` and `diff`: there are changes. `self-update --check`: there is a newer version.
    Changes = 2,
    /// The saved plan is stale.
    Stale = 3,
    /// Another run holds the lock.
    Locked = 4,
    /// Something is held.
    Held = 5,
    /// The command line is wrong.
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A run that ended badly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened. Empty where everything has been said already.
    pub message: String,
    /// What lay behind it, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl Failure {
    /// A plain failure.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Failed, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// A command line that makes no sense.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, ..Failure::new(message) }
    }

    /// Everything has been said already; only the exit code is left.
    #[must_use]
    pub fn silent(exit: Exit) -> Failure {
        Failure { exit, ..Failure::new("") }
    }

    /// With the error behind it, and those behind that.
    #[must_use]
    pub fn because(mut self, error: &dyn std::error::Error) -> Failure {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    /// With what to do where the system said no: only where it did not let the caller in does another user help.
    #[must_use]
    pub fn hint_for(self, error: &io::Error, otherwise: impl Into<String>) -> Failure {
        match error.kind() {
            ErrorKind::PermissionDenied if geteuid().is_root() => self.hint(
                "root may not either: an attribute of the file (`lsattr`), a security module or the file system forbids it",
            ),
            ErrorKind::PermissionDenied => self.hint("run it as root"),
            ErrorKind::ReadOnlyFilesystem => self.hint("the file system is mounted read-only: mount it to be written to"),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => self.hint("free some space"),
            _ => self.hint(otherwise),
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { exit: _, message, causes, hints: _ } = self;
        out.write_str(message)?;
        causes.iter().try_for_each(|cause| write!(out, ": {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_is_named_only_where_the_system_did_not_let_this_one() {
        let hint = |kind: ErrorKind| Failure::new("x").hint_for(&kind.into(), "move it away").hints.remove(0);
        assert_eq!(hint(ErrorKind::IsADirectory), "move it away");
        assert_eq!(hint(ErrorKind::StorageFull), "free some space");
        let denied = hint(ErrorKind::PermissionDenied);
        assert_eq!(denied == "run it as root", !geteuid().is_root(), "{denied}");
    }
}
