//! The roster, which most commands take: as an argument, or behind `-f` as in kubectl. The doc comments are the help text.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};

/// Where the roster is. `SHORT` says whether `-f` names it, too.
#[derive(Clone, Debug)]
pub struct RosterArgs<const SHORT: bool = true> {
    /// The roster.
    pub roster: PathBuf,
}

/// Where the roster is, where there need not be one. `FOR` says what it is for.
#[derive(Clone, Debug)]
pub struct PerhapsRosterArgs<const FOR: usize = BESIDE_A_PLAN> {
    /// The roster.
    pub roster: Option<PathBuf>,
}

/// The two ways to name it.
#[derive(Args)]
struct Named {
    /// The roster. `-` is standard input; included files are then below the current folder.
    #[arg(default_value = "roster.yaml", env = "KWO_ROSTER")]
    roster: PathBuf,
    #[command(flatten)]
    option: Behind,
}

/// The two ways to name it beside a saved plan.
#[derive(Args)]
struct PerhapsNamed {
    /// The roster. Default: roster.yaml. With --plan: plan from this roster again, and apply only if the result
    /// equals the whole saved plan.
    #[arg(env = "KWO_ROSTER")]
    roster: Option<PathBuf>,
    #[command(flatten)]
    option: Behind,
}

/// It stands beside a saved plan.
pub(super) const BESIDE_A_PLAN: usize = 0;
/// A node is installed by it.
pub(super) const FOR_AN_INSTALLATION: usize = 1;
/// k3s is upgraded by it.
pub(super) const FOR_AN_UPGRADE: usize = 2;

/// What it is for a node.
const INSTALLS: &str = "The roster. It says which k3s, the name of the node and the hosts of the API, and kwo applies it once the \
    node is ready. Default: none, and kwo applies nothing";
const UPGRADES: &str = "The roster. It says which k3s, and kwo does not apply it. Default: none";

/// The way that kubectl has.
#[derive(Args)]
struct Behind {
    /// The roster, instead of the argument.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The roster that was named behind the option, unless one was typed as an argument as well. One in the environment
/// counts as none then.
fn one(matches: &ArgMatches, option: Behind, roster: Option<&Path>) -> Result<Option<PathBuf>, clap::Error> {
    let typed = matches.value_source("roster") == Some(ValueSource::CommandLine);
    match (option.file, roster) {
        (Some(file), Some(roster)) if typed => {
            let text = format!(
                "the command names two rosters: `{}`, and `{}` with --file; give one of the two",
                roster.display(),
                file.display()
            );
            Err(clap::Error::raw(ErrorKind::ArgumentConflict, text))
        }
        (Some(file), _) => Ok(Some(file)),
        (None, roster) => Ok(roster.map(Path::to_owned)),
    }
}

impl<const SHORT: bool> FromArgMatches for RosterArgs<SHORT> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Named { roster, option } = Named::from_arg_matches(matches)?;
        Ok(RosterArgs { roster: one(matches, option, Some(&roster))?.unwrap_or(roster) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = RosterArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<const SHORT: bool> Args for RosterArgs<SHORT> {
    fn augment_args(command: clap::Command) -> clap::Command {
        let command = Named::augment_args(command);
        if SHORT { command } else { command.mut_arg("file", |file| file.short(None)) }
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        RosterArgs::<SHORT>::augment_args(command)
    }
}

impl<const FOR: usize> FromArgMatches for PerhapsRosterArgs<FOR> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let PerhapsNamed { roster, option } = PerhapsNamed::from_arg_matches(matches)?;
        Ok(PerhapsRosterArgs { roster: one(matches, option, roster.as_deref())? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = PerhapsRosterArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<const FOR: usize> Args for PerhapsRosterArgs<FOR> {
    fn augment_args(command: clap::Command) -> clap::Command {
        let command = PerhapsNamed::augment_args(command);
        let help = match FOR {
            FOR_AN_INSTALLATION => INSTALLS,
            FOR_AN_UPGRADE => UPGRADES,
            _ => return command,
        };
        command.mut_arg("roster", |roster| roster.help(help))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        PerhapsRosterArgs::<FOR>::augment_args(command)
    }
}
