//! What an upgrade leaves on the machine, so that a next run can go on or go back: a note, and copies of what it replaces.

use std::path::PathBuf;

use super::machine::Machine;
use super::perform::{unwritten, write};
use super::release::sum_in;
use crate::failure::Failure;
use crate::providers::{in_root, settle};
use crate::regular;
use kwo_planner::k3s::{KEPT, Upgrade};

/// What kwo notes of the upgrade.
const NOTE: &str = "upgrade.json";
/// The previous program.
const PROGRAM: &str = "k3s";
/// The previous database.
const DATABASE: &str = "state.db";

impl Machine {
    /// What kwo noted of the last upgrade.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn noted(&self) -> Result<Option<Upgrade>, Failure> {
        let path = self.kept(NOTE)?;
        let unread = |error: &std::io::Error| {
            let failure = Failure::new(format!("cannot read /{KEPT}/{NOTE}")).because(error);
            failure.hint_for(
                error,
                "kwo notes there how far an upgrade is: move away what is there, and kwo knows of none",
            )
        };
        let text = match regular::text(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| unread(&error))?,
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            Failure::new(format!("/{KEPT}/{NOTE} is not as kwo wrote it")).because(&error).hint(format!(
                "if a newer kwo wrote it, use that one; otherwise move it away, and kwo knows of no upgrade: `sudo mv /{KEPT}/{NOTE} /{KEPT}/{NOTE}.old`"
            ))
        })
    }

    /// Notes it, safely on the disk.
    pub(super) fn note_upgrade(&self, upgrade: &Upgrade) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(upgrade)
            .map_err(|error| Failure::new("cannot write down how far the upgrade is").because(&error))?;
        self.make_kept()?;
        write(self, &format!("{KEPT}/{NOTE}"), &format!("{text}\n"), 0o600)
    }

    /// Forgets one that changed nothing.
    pub(super) fn forget_upgrade(&self) {
        if let Ok(path) = self.kept(NOTE) {
            // If it stays, the machine still says that the old program is on, and what is noted does not count.
            let _ = std::fs::remove_file(&path).and_then(|()| settle(&path));
        }
    }

    /// Whether the copies from before this upgrade are whole.
    #[must_use]
    pub fn has_kept(&self, upgrade: &Upgrade) -> bool {
        let is = |path: Result<PathBuf, Failure>, wanted: &str| {
            path.is_ok_and(|path| sum_in(&path).is_ok_and(|sum| sum == wanted))
        };
        is(self.kept_program(), &upgrade.from.sha256)
            && upgrade.copy.as_ref().is_some_and(|copy| is(self.kept_database(), copy))
    }

    /// Makes the folder, for root alone.
    pub(super) fn make_kept(&self) -> Result<(), Failure> {
        let path = in_root(&self.root, &std::path::Path::new(KEPT).join("x"), Some(0o700));
        let path = path.map_err(|error| unwritten(KEPT, &error))?;
        settle(path.parent().unwrap_or(&path)).map_err(|error| unwritten(KEPT, &error.into()))
    }

    pub(super) fn kept_program(&self) -> Result<PathBuf, Failure> {
        self.kept(PROGRAM)
    }

    pub(super) fn kept_database(&self) -> Result<PathBuf, Failure> {
        self.kept(DATABASE)
    }

    fn kept(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = std::path::Path::new(KEPT).join(name);
        match in_root(&self.root, &path, None) {
            Err(crate::providers::Astray::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(self.root.join(path))
            }
            found => found.map_err(|error| unwritten(KEPT, &error)),
        }
    }
}
