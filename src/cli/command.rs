//! The program and the list of its commands. The doc comments are the help text.

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::commands::{Apply, Completion, Explain, Init, Logs, Man, Plan, Render, Schema, Status, Validate};
use super::daily::{Hook, Install, Watch};
use super::sections::{Dns, Kubeconfig, Registry, Secrets, Tls};

/// Makes a Kubernetes cluster agree with one file, roster.yaml: tenants, tiers, quotas, people.
///
/// Edit the roster, look at `kwo plan`, run `kwo apply`. kwo only ever adds and revises: what the roster no longer
/// says is reported as left over and never removed.
#[derive(Debug, Parser)]
#[command(name = "kwo", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done or nothing to do · 1 failed · 2 there are changes (plan \
--detailed-exitcode) · 3 the saved plan is stale · 4 another run holds the lock · 5 something is held · 64 usage")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say more on standard error: once for every request, twice for all there is.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "KWO_VERBOSE", display_order = 100)]
    pub verbose: u8,
}

impl Cli {
    /// What can be typed. Help and man pages name the environment variables, but not what is in them just now.
    #[must_use]
    pub fn definition() -> clap::Command {
        fn quiet(command: clap::Command) -> clap::Command {
            command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(quiet)
        }
        quiet(Cli::command())
    }

    /// What was typed.
    ///
    /// # Errors
    /// When it makes no sense, or only help or the version was asked for.
    pub fn read() -> Result<Cli, clap::Error> {
        let mut definition = Cli::definition();
        let typed = definition.try_get_matches_from_mut(std::env::args_os())?;
        Cli::from_arg_matches(&typed).map_err(|error| error.format(&mut definition))
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the roster; nothing else is looked at.
    Validate(Validate),
    /// Print what the roster wants, as Kubernetes manifests.
    Render(Render),
    /// Show what `apply` would do, and why.
    Plan(Plan),
    /// Make the cluster agree with the roster.
    Apply(Apply),
    /// Show where every field of an object or a tenant comes from.
    Explain(Explain),
    /// Show how the cluster and its tenants are; changes nothing.
    Status(Status),
    /// Print logs: of Traefik, k3s, the registry or a tenant.
    Logs(Logs),
    /// Print the JSON schema of the roster, of a saved plan or of kwo's settings.
    Schema(Schema),
    /// Write a first roster to start from.
    Init(Init),
    /// Encrypt secrets that live beside the roster.
    #[command(subcommand)]
    Secrets(Secrets),
    /// Print a kubeconfig, for the pipelines of a namespace or for people.
    Kubeconfig(Kubeconfig),
    /// Look at the resolvers that prove names through DNS.
    #[command(subcommand)]
    Dns(Dns),
    /// Look at the container registry.
    #[command(subcommand)]
    Registry(Registry),
    /// Look at the certificates that hosts serve.
    #[command(subcommand)]
    Tls(Tls),
    /// Plan whenever the roster has settled after an edit, until Ctrl-C.
    Watch(Watch),
    /// Listen for pushes, and look at the repository as soon as one comes.
    Hook(Hook),
    /// Put the program, its systemd units and first settings in place.
    Install(Install),
    /// Print the completions for a shell.
    Completion(Completion),
    /// Write the man pages into a folder.
    Man(Man),
}
