//! What stands alone on a command line.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};

/// Refuses what is typed beside `--rollback` and has no meaning there. What the environment says of releases was not meant
/// for it, so it does not count: clap's own conflicts would not tell the two apart.
#[derive(Debug)]
pub(super) struct RollbackAlone<const NODE: bool>;

impl<const NODE: bool> FromArgMatches for RollbackAlone<NODE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let others: &[&str] = match NODE {
            true => &["version", "channel", "mirror", "channels", "airgap", "recipient", "to", "keep"],
            false => &["base_url", "key", "release", "check", "downgrade"],
        };
        match others.iter().find(|id| typed(id)) {
            Some(other) if matches.get_flag("rollback") => {
                let other = if *other == "release" { "version".to_owned() } else { other.replace('_', "-") };
                let text = format!(
                    "--{other} is for another version, and --rollback goes back to the one of before; give one of the two"
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
