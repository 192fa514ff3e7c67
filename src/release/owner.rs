//! Whether a package manager put the program there. What it keeps is upgraded by it, and by nobody else.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use kwo_engine::failure::Failure;
use kwo_planner::plain::one_line;

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
            Ok(output) if is_nobodys(manager, program, &output) => {}
            Ok(output) => {
                let failure = Failure::new(format!(
                    "cannot tell whether {} belongs to a package: {manager} ended with {}",
                    program.display(),
                    output.status
                ));
                let said = String::from_utf8_lossy(&output.stderr);
                let causes = said.lines().take(1).map(|line| one_line(line).chars().take(200).collect());
                return Err(Failure { causes: causes.collect(), ..failure }
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

/// Does it say that the file is nobody's? 1 alone does not: both end with it in other cases too, and rpm says that a file is
/// nobody's where it could not read its database.
fn is_nobodys(manager: &str, program: &Path, output: &Output) -> bool {
    let said = [&output.stdout[..], b"\n", &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let mut lines = said.lines();
    output.status.code() == Some(1)
        && if manager == "dpkg-query" {
            lines.any(|line| line.starts_with("dpkg-query: no path found matching pattern"))
        } else {
            // It asks the database for a file that is gone first, and says only this if it is not in there.
            let missing = format!("error: file {}: No such file or directory", program.display());
            let gone = |line: &str| line == missing && !program.exists();
            let error = said.lines().any(|line| line.starts_with("error:") && !gone(line));
            !error && lines.any(|line| line.ends_with("is not owned by any package") || gone(line))
        }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn a_manager_that_ends_with_1_says_that_the_file_is_nobodys() {
        let own = std::env::current_exe().unwrap();
        let gone = Path::new("/nowhere/kwo");
        for (manager, program, code, stdout, stderr, expected) in [
            ("dpkg-query", gone, 1, "", "dpkg-query: no path found matching pattern /nowhere/kwo\n", true),
            ("dpkg-query", gone, 1, "", "dpkg-query: error: cannot read the database\n", false),
            ("dpkg-query", gone, 2, "", "dpkg-query: no path found matching pattern /nowhere/kwo\n", false),
            ("rpm", &own, 1, "file /own is not owned by any package\n", "", true),
            (
                "rpm",
                &own,
                1,
                "file /own is not owned by any package\n",
                "warning: Found SQLITE rpmdb.sqlite\n",
                true,
            ),
            (
                "rpm",
                &own,
                1,
                "file /own is not owned by any package\n",
                "error: cannot open Packages database\n",
                false,
            ),
            ("rpm", &own, 1, "", "error: cannot open Packages database\n", false),
            ("rpm", &own, 1, "", "", false),
            ("rpm", gone, 1, "", "error: file /nowhere/kwo: No such file or directory\n", true),
            (
                "rpm",
                &own,
                1,
                "",
                &format!("error: file {}: No such file or directory\n", own.display()),
                false,
            ),
            (
                "rpm",
                gone,
                1,
                "error: file /nowhere/kwo: No such file or directory\n",
                "error: rpmdb: damaged\n",
                false,
            ),
        ] {
            let output = Output {
                status: ExitStatus::from_raw(code << 8),
                stdout: stdout.into(),
                stderr: stderr.into(),
            };
            assert_eq!(is_nobodys(manager, program, &output), expected, "{manager} {stdout} {stderr}");
        }
    }
}
