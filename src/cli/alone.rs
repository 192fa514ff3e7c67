//! What stands alone on a command line.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};

/// Refuses what is typed beside the `--plan` of a node: the plan says it. What the environment says was not meant for it. `UPGRADE`
/// says which command it is.
#[derive(Debug)]
pub(super) struct PlanAlone<const UPGRADE: bool>;

impl<const UPGRADE: bool> FromArgMatches for PlanAlone<UPGRADE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |id: &&&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let of_both = ["version", "channel", "mirror", "channels", "airgap", "ignore", "file", "roster"];
        let of_upgrade = ["recipient", "to", "keep"];
        let others = of_both.iter().chain(of_upgrade.iter().filter(|_| UPGRADE));
        match others.into_iter().find(typed) {
            Some(other) if matches.value_source("plan").is_some() => {
                let named = match *other {
                    "roster" => "a roster".to_owned(),
                    other => format!("--{other}"),
                };
                let more = match *other {
                    // The plan can no longer be made again then.
                    "ignore" if UPGRADE => {
                        "; an upgrade that the plan began goes on with --version and --ignore instead of --plan"
                    }
                    _ => "",
                };
                let text = format!(
                    "{named} and --plan do not go together: the plan says that already; plan again with it, and --out{more}"
                );
                Err(clap::Error::raw(ErrorKind::ArgumentConflict, text))
            }
            _ => Ok(PlanAlone),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        PlanAlone::<UPGRADE>::from_arg_matches(matches).map(|_| ())
    }
}

impl<const UPGRADE: bool> Args for PlanAlone<UPGRADE> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command
    }
}

/// Refuses what is typed beside `--rollback` and has no meaning there. What the environment says of releases was not meant
/// for it, so it does not count: clap's own conflicts would not tell the two apart.
#[derive(Debug)]
pub(super) struct RollbackAlone<const NODE: bool>;

impl<const NODE: bool> FromArgMatches for RollbackAlone<NODE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let others: &[&str] = match NODE {
            true => &[
                "version",
                "channel",
                "mirror",
                "channels",
                "airgap",
                "recipient",
                "to",
                "keep",
                "out",
                "plan",
            ],
            false => &["base_url", "key", "release", "check", "downgrade"],
        };
        match others.iter().find(|id| typed(id)) {
            Some(other) if matches.get_flag("rollback") => {
                let other = if *other == "release" { "version".to_owned() } else { other.replace('_', "-") };
                let text = format!(
                    "--{other} is for another version, and --rollback goes back to the previous one; give one of the two"
                );
                Err(clap::Error::raw(ErrorKind::ArgumentConflict, text))
            }
            _ => Ok(RollbackAlone),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        RollbackAlone::<NODE>::from_arg_matches(matches).map(|_| ())
    }
}

impl<const NODE: bool> Args for RollbackAlone<NODE> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command
    }
}
