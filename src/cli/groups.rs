//! The commands by what a person is about to do, as the help lists them.

use std::fmt::Write as _;

use clap::Command;

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
    ("kwo itself", &["completion", "man", "help"]),
];

/// What `help` does; clap adds the command itself.
const HELP: &str = "Say what a command does and takes: `kwo help plan`";

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
