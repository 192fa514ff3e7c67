//! Whether a package manager put the program there. What it keeps is upgraded by it, and by nobody else.

use std::path::Path;
use std::process::{Command, Stdio};

use kwo_engine::failure::Failure;

/// Each program that knows, how it is asked, and what upgrades a package of its kind.
const MANAGERS: &[(&str, &[&str], &str)] = &[
    ("dpkg-query", &["--search", "--"], "sudo apt install ./kwo_VERSION-1_ARCH.deb"),
    ("rpm", &["-qf", "--"], "sudo dnf install ./kwo-VERSION-1.ARCH.rpm"),
];

/// The command that upgrades the program, where a package manager keeps it.
///
/// # Errors
/// When one is there and does not answer.
pub fn packaged(program: &Path) -> Result<Option<&'static str>, Failure> {
    for (manager, args, upgrade) in MANAGERS {
        let mut command = Command::new(manager);
        // dpkg-query takes a pattern.
        let escaped: String = program.to_string_lossy().chars().fold(String::new(), |mut text, char| {
            if *manager == "dpkg-query" && matches!(char, '*' | '?' | '[' | ']' | '\\') {
                text.push('\\');
            }
            text.push(char);
            text
        });
        command.args(*args).arg(escaped).env("LC_ALL", "C").stdin(Stdio::null());
        match command.output() {
            Ok(output) if output.status.success() => return Ok(Some(upgrade)),
            // 1 is "nobody's".
            Ok(output) if output.status.code() == Some(1) => {}
            Ok(output) => {
                return Err(Failure::new(format!(
                    "cannot tell whether {} belongs to a package: {manager} ended with {}",
                    program.display(),
                    output.status
                ))
                .hint("repair the package manager, or upgrade kwo by hand"));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::new(format!("cannot run {manager}"))
                    .because(&error)
                    .hint("kwo asks it whether the program belongs to a package"));
            }
        }
    }
    Ok(None)
}
