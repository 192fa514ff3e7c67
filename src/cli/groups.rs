//! The commands by what a person is about to do, as the help lists them.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Command;
use clap::error::ErrorKind;
use kwo_planner::plain::one_line;
use kwo_planner::roster::spelling::nearest;

/// Each command stands in one group.
pub const GROUPS: [(&str, &[&str]); 8] = [
    ("Start here", &["init", "validate", "import"]),
    ("Every day", &["plan", "apply", "diff", "explain", "status", "doctor", "capacity", "logs", "watch"]),
    ("Edit the roster", &["tenant", "member", "fmt"]),
    ("Unattended", &["install", "sync", "hook", "history", "ci"]),
    ("The node", &["node"]),
    (
        "Access, secrets and certificates",
        &[
            "access",
            "offboard",
            "archive",
            "kubeconfig",
            "rbac",
            "secrets",
            "registry",
            "dns",
            "systems",
            "tls",
        ],
    ),
    ("Files for other programs", &["render", "schema"]),
    ("kwo itself", &["self-update", "completion", "man", "help"]),
];

/// What `help` does; clap adds the command itself.
const HELP: &str = "Say what a command does and takes: `kwo help plan`";

/// What was typed after `kwo`, where it asks for the help of a command. An option behind `help`, such as `--help`, asks for
/// nothing more.
///
/// # Errors
/// When there is no such command.
pub(super) fn asked(command: &Command, typed: Vec<OsString>) -> Result<Vec<OsString>, clap::Error> {
    if typed.get(1).is_none_or(|word| word != "help") {
        return Ok(typed);
    }
    let wanted = |word: &OsString| !word.as_encoded_bytes().starts_with(b"-");
    let typed: Vec<OsString> = typed.into_iter().filter(wanted).collect();
    let mut here = command;
    for (at, word) in typed.iter().enumerate().skip(2) {
        let word = word.to_string_lossy();
        here = match here.find_subcommand(word.as_ref()) {
            Some(below) => below,
            None if word == "help" => return Ok(typed.iter().take(at + 1).cloned().collect()),
            None => {
                let parents: Vec<_> =
                    typed.iter().take(at).skip(2).map(|word| word.to_string_lossy()).collect();
                return Err(no_such(here, &parents.join(" "), &word));
            }
        };
    }
    Ok(typed)
}

/// There is no such command below these, but perhaps one that is spelled much like it.
fn no_such(here: &Command, parents: &str, word: &str) -> clap::Error {
    let of = format!("kwo {parents}");
    let help = format!("kwo help {parents}");
    let (of, help) = (of.trim_end(), help.trim_end());
    let near = nearest(word, here.get_subcommands().map(Command::get_name));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{help} {near}`?"));
    let word = one_line(word);
    let list = match here.has_subcommands() {
        true => format!("`{help}` lists the commands"),
        false => format!("`{help}` says what it takes"),
    };
    clap::Error::raw(
        ErrorKind::InvalidSubcommand,
        format!("`{of}` has no command `{word}`{near}\nhint: {list}\n"),
    )
}

/// The definition with a help that lists the commands group by group.
pub(super) fn grouped(command: Command) -> Command {
    let styles = command.get_styles().clone();
    let (head, name) = (*styles.get_header(), *styles.get_literal());
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (title, names) in GROUPS {
        let _ = writeln!(text, "\n{head}{title}:{head:#}");
        for of in names {
            let about = command.find_subcommand(of).and_then(Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_else(|| HELP.to_owned());
            let _ = writeln!(text, "  {name}{of:<12}{name:#}{about}");
        }
    }
    let _ = write!(text, "\n{head}Options:{head:#}\n{{options}}{{after-help}}");
    command.help_template(text)
}
