//! Programs that a test writes and then runs. The kernel runs no file that somebody has open for writing, and a program that
//! another test starts at that moment inherits what this one has open.

use std::path::Path;
use std::process::Command;

/// Makes a file that was written before a program: another process writes it anew, so nobody here has it open.
///
/// # Panics
/// Where it is not there.
#[track_caller]
pub fn runnable(path: &Path) {
    let line = "cp -- \"$1\" \"$1.new\" && chmod 755 -- \"$1.new\" && mv -f -- \"$1.new\" \"$1\"";
    let made = Command::new("sh").args(["-c", line, "sh"]).arg(path).status();
    assert!(made.is_ok_and(|made| made.success()), "{} is made no program", path.display());
}

/// Copies all files of a folder into another one, with their modes.
///
/// # Panics
/// Where one of both is not there.
#[track_caller]
pub fn copied(from: &Path, to: &Path) {
    let made = Command::new("cp").arg("-RL").arg(from.join(".")).arg(to).status();
    assert!(made.is_ok_and(|made| made.success()), "{} is not copied", from.display());
}
