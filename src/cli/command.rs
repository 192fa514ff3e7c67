//! The program and the list of its commands. The doc comments are the help text.

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use kwo_engine::archive::is_key;

use super::access::Access;
use super::archive::Archive;
use super::capacity::Capacity;
use super::commands::{
    Apply, Completion, Diff, Explain, Import, Init, Logs, Man, Plan, Render, Schema, Status, Validate,
};
use super::daily::{Hook, Install, SelfUpdate, Watch};
use super::doctor::Doctor;
use super::edits::{Fmt, Member, Tenant};
use super::examples::with_examples;
use super::groups::{asked, grouped};
use super::node::Node;
use super::offboard::Offboard;
use super::pipeline::{Ci, Rbac};
use super::sections::{Dns, Kubeconfig, Registry, Secrets, Tls};
use super::systems::Systems;
use super::unattended::{History, Sync};
use crate::pipeline::setting;

/// Makes a Kubernetes cluster agree with one file, roster.yaml: tenants, tiers, quotas, people.
///
/// Edit the roster, look at `kwo plan`, run `kwo apply`. Neither of them deletes an object: if the roster no longer
/// asks for one, they report it as left over, with the command that ends it. Only `kwo offboard`, when you run it and
/// confirm, ends access or deletes a tenant.
#[derive(Debug, Parser)]
#[command(name = "kwo", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done or nothing to do · 1 failed · 2 there are changes (plan, diff \
--detailed-exitcode) · 3 the saved plan is stale · 4 another run holds the lock · 5 something is held · 64 usage")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print more on standard error: give it once to see every request, twice to see everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "KWO_VERBOSE", value_parser = loudness, display_order = 100)]
    pub verbose: u8,
    /// The words of the command that was typed, without its options.
    #[arg(skip)]
    pub typed: Vec<String>,
}

/// How often `--verbose` stands in its variable.
fn loudness(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| "expected a number: 0, 1 or 2".to_owned())
}

impl Cli {
    /// What can be typed, with the examples of its help. Help and man pages name the environment variables, but not what is in them just now.
    #[must_use]
    pub fn definition() -> clap::Command {
        fn quiet(command: clap::Command) -> clap::Command {
            command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(quiet)
        }
        with_examples(grouped(quiet(Cli::command())))
    }

    /// What was typed.
    ///
    /// # Errors
    /// When it makes no sense, or only help or the version was asked for.
    pub fn read() -> Result<Cli, clap::Error> {
        let mut definition = Cli::definition();
        if std::env::var_os("CI").is_some_and(|ci| ci == "woodpecker") {
            definition = definition.mut_args(plug_in).mut_subcommand("ci", |ci| ci.mut_args(plug_in));
        }
        let words = asked(&definition, std::env::args_os().collect())?;
        let typed = definition
            .try_get_matches_from_mut(words)
            .map_err(|error| without_key(with_variable(error, &mut definition)))?;
        let (mut words, mut here) = (Vec::new(), &typed);
        while let Some((word, below)) = here.subcommand() {
            words.push(word.to_owned());
            here = below;
        }
        let cli = Cli::from_arg_matches(&typed)
            .map_err(|error| error.format(&mut definition_of(definition, &words)))?;
        Ok(Cli { typed: words, ..cli })
    }
}

/// The definition of the command with these words, so that an error shows how that one is used.
fn definition_of(mut definition: clap::Command, words: &[String]) -> clap::Command {
    // The usage of a command names those above it only once all is built.
    definition.build();
    words.iter().fold(definition, |here, word| here.find_subcommand(word).cloned().unwrap_or(here))
}

/// The error, with the environment variable that the refused value comes from, where it was not typed.
fn with_variable(mut error: clap::Error, definition: &mut clap::Command) -> clap::Error {
    let (Some(ContextValue::String(option)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return error;
    };
    // Options can be named once all of the definition is built, not only the command that was typed.
    definition.build();
    let typed = std::env::args_os().skip(1).any(|word| {
        let word = word.to_string_lossy();
        let short = word.starts_with('-') && !word.starts_with("--") && word.ends_with(value.as_str());
        word == value.as_str() || short || word.ends_with(&format!("={value}"))
    });
    let variable = variables(definition).find(|(argument, variable)| {
        argument == option && std::env::var(variable).is_ok_and(|set| set == *value)
    });
    if let Some((_, variable)) = variable.filter(|_| !typed) {
        let said = format!("the value comes from the environment variable {variable}");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![said.into()]));
    }
    error
}

/// The error without the key of age that somebody gave in place of its public half: errors stand in journals.
fn without_key(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && is_key(value)
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String("AGE-SECRET-KEY-…".to_owned()));
    }
    error
}

/// Every option that an environment variable can set, as errors name it, and that variable.
fn variables(command: &clap::Command) -> Box<dyn Iterator<Item = (String, String)> + '_> {
    let own = command
        .get_arguments()
        .filter_map(|argument| Some((argument.to_string(), argument.get_env()?.to_str()?.to_owned())));
    Box::new(own.chain(command.get_subcommands().flat_map(variables)))
}

/// The option, read from the setting of a Woodpecker plug-in where its own variable is not set.
fn plug_in(arg: clap::Arg) -> clap::Arg {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let own = arg.get_env().and_then(|name| name.to_str()).filter(|name| !set(name));
    match own.and_then(setting).filter(|setting| set(setting)) {
        Some(setting) => arg.env(setting),
        None => arg,
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the roster, and nothing else.
    Validate(Validate),
    /// Print what the roster wants, as Kubernetes manifests.
    Render(Render),
    /// Show what `apply` would do, and why.
    Plan(Plan),
    /// Make the cluster agree with the roster.
    Apply(Apply),
    /// Show the differences between two rosters: files or git revisions.
    Diff(Diff),
    /// Show what a tenant, a namespace, a person or a line of the roster brings, and why.
    Explain(Explain),
    /// Show who may do what in the cluster, and why.
    #[command(subcommand)]
    Access(Access),
    /// Cut the access of a tenant or a person who leaves, and prove it; `--undo` brings it back.
    Offboard(Box<Offboard>),
    /// Fetch the roster, plan and apply once; the timer runs this.
    Sync(Sync),
    /// Show the results of earlier runs of `sync`.
    History(History),
    /// Show the state of the cluster and its tenants; changes nothing.
    Status(Status),
    /// Show what quotas promise beside what the nodes can give.
    Capacity(Capacity),
    /// Check everything that is known to go wrong, and say what to do; changes nothing.
    Doctor(Doctor),
    /// Print logs: of Traefik, k3s, the registry or a tenant.
    Logs(Logs),
    /// Print a JSON schema: of the roster, of kwo's settings, or of what a command prints.
    Schema(Schema),
    /// Write a first roster to start from.
    Init(Init),
    /// Print the roster of a cluster that KWO's shell scripts set up.
    Import(Import),
    /// Add, change or take out a tenant of the roster, and leave all else as it is written.
    #[command(subcommand)]
    Tenant(Tenant),
    /// Add or take out a member of a tenant in the roster.
    #[command(subcommand)]
    Member(Member),
    /// Put the lines of the roster in order: space, indentation, empty lines.
    Fmt(Fmt),
    /// Encrypt secrets that live beside the roster.
    #[command(subcommand)]
    Secrets(Secrets),
    /// Print a kubeconfig, for the pipelines of a namespace or for people.
    Kubeconfig(Kubeconfig),
    /// Look at the resolvers that prove names through DNS.
    #[command(subcommand)]
    Dns(Dns),
    /// Look at the systems beside the cluster that the roster names.
    #[command(subcommand)]
    Systems(Systems),
    /// Look at the container registry.
    #[command(subcommand)]
    Registry(Registry),
    /// Look at the certificates that hosts serve.
    #[command(subcommand)]
    Tls(Tls),
    /// Look into the archive of a tenant that left, or bring back what is in it.
    #[command(subcommand)]
    Archive(Archive),
    /// Back up the node that k3s runs on, and prove that a backup can be restored.
    #[command(subcommand)]
    Node(Node),
    /// Plan after each edit of the roster, until Ctrl-C.
    Watch(Watch),
    /// Listen for pushes, and look at the repository as soon as one comes.
    Hook(Hook),
    /// Install the program, its systemd units and first settings.
    Install(Install),
    /// Replace this program by a release whose signature is good; the previous one stays beside it.
    SelfUpdate(SelfUpdate),
    /// Plan a request to merge, and apply what was merged: the one command for a pipeline.
    Ci(Ci),
    /// Print the accounts with the least rights that the roster needs, as Kubernetes manifests.
    Rbac(Rbac),
    /// Print the completions for a shell.
    Completion(Completion),
    /// Write the man pages into a folder.
    Man(Man),
}
