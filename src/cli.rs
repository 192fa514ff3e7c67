//! The command line: what can be typed. The doc comments are the help text. What it means is in `commands`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

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
    /// Print the JSON schema of the roster or of a saved plan.
    Schema(Schema),
    /// Write a first roster to start from.
    Init(Init),
    /// Encrypt secrets that live beside the roster.
    #[command(subcommand)]
    Secrets(Secrets),
    /// Look at the resolvers that prove names through DNS.
    #[command(subcommand)]
    Dns(Dns),
    /// Look at the container registry.
    #[command(subcommand)]
    Registry(Registry),
    /// Look at the certificates that hosts serve.
    #[command(subcommand)]
    Tls(Tls),
    /// Print the completions for a shell.
    Completion(Completion),
    /// Write the man pages into a folder.
    Man(Man),
}

/// Where the roster is.
#[derive(Args, Debug)]
pub struct RosterArgs {
    /// The roster.
    #[arg(default_value = "roster.yaml", env = "KWO_ROSTER")]
    pub roster: PathBuf,
}

/// Which cluster or directory to look at, and how.
#[derive(Args, Debug)]
pub struct ClusterArgs {
    /// What to make agree: `kube`, a cluster, or `dir:PATH`, a directory of manifests.
    #[arg(long, default_value = "kube", env = "KWO_TARGET", value_name = "kube|dir:PATH")]
    pub target: String,
    /// The kubeconfig to use, instead of $KUBECONFIG, ~/.kube/config or the service account of a pod.
    #[arg(long, env = "KWO_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, instead of its current one.
    #[arg(long, env = "KWO_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// The key that opens the age files of the roster; by default /etc/kwo/age.key, where it exists.
    #[arg(long, env = "KWO_AGE_IDENTITY", value_name = "FILE")]
    pub age_identity: Option<PathBuf>,
    /// Look and write as this user; your own account needs the right to impersonate it.
    #[arg(long = "as", env = "KWO_AS", value_name = "USER")]
    pub as_user: Option<String>,
    /// With --as: as a member of this group. Repeat it for several.
    #[arg(long, env = "KWO_AS_GROUP", value_name = "GROUP")]
    pub as_group: Vec<String>,
    /// How long to wait for the answer to one request.
    #[arg(long, default_value = "30s", env = "KWO_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub timeout: Duration,
}

/// The cluster or directory to make agree, the node beside it, and what may be done to them.
#[derive(Args, Debug)]
pub struct TargetArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub cluster: ClusterArgs,
    /// How many requests may be on their way at a time.
    #[arg(long, default_value_t = 16, env = "KWO_CONCURRENCY", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=512))]
    pub concurrency: u16,
    /// Look at the files of the node that kwo runs on, and write them: what k3s is started with, its registries.
    #[arg(long, env = "KWO_NODE", value_parser = clap::builder::FalseyValueParser::new())]
    pub node: bool,
    /// The folder that the node's files lie below. The services of the node are restarted only where it is `/`.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR", requires = "node")]
    pub root: PathBuf,
    /// Restart k3s where a file that it reads has changed; without this the restart is only shown.
    #[arg(long, env = "KWO_ALLOW_RESTART", value_parser = clap::builder::FalseyValueParser::new())]
    pub allow_restart: bool,
    /// Take over what exists without kwo's mark: all of it, or just that of a tenant or with an id. Adds, and never removes.
    #[arg(long, env = "KWO_ADOPT", value_name = "TENANT|ID", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    #[arg(value_delimiter = ',')]
    pub adopt: Vec<String>,
}

/// `kwo validate`
#[derive(Args, Debug)]
pub struct Validate {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// How to print what is wrong.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: TextOrJson,
}

/// `kwo render`
#[derive(Args, Debug)]
pub struct Render {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// YAML documents, or one JSON list.
    #[arg(short, long, default_value = "yaml", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: YamlOrJson,
}

/// `kwo plan`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Plan {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to show the plan.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: PlanFormat,
    /// Save the plan, so that `kwo apply --plan` does exactly this.
    #[arg(long, env = "KWO_OUT", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when there are changes.
    #[arg(long, env = "KWO_DETAILED_EXITCODE", value_parser = clap::builder::FalseyValueParser::new())]
    pub detailed_exitcode: bool,
    /// Show the whole content of new objects.
    #[arg(long, env = "KWO_FULL", value_parser = clap::builder::FalseyValueParser::new())]
    pub full: bool,
}

/// `kwo apply`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Apply {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    /// Do exactly what this saved plan says, and nothing else. The roster is not read.
    #[arg(long, env = "KWO_PLAN", value_name = "FILE", conflicts_with = "adopt")]
    pub plan: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// How to print the report.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: TextOrJson,
    /// How long to wait for another run to end.
    #[arg(long, default_value = "0s", env = "KWO_LOCK_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long the lock outlives a run that was killed.
    #[arg(long, default_value = "15s", env = "KWO_LOCK_DURATION", value_name = "DURATION", value_parser = duration)]
    pub lock_duration: Duration,
    /// Show the whole content of new objects.
    #[arg(long, env = "KWO_FULL", value_parser = clap::builder::FalseyValueParser::new())]
    pub full: bool,
}

/// `kwo explain`
#[derive(Args, Debug)]
pub struct Explain {
    /// A tenant, or the id of an object such as `kube:ResourceQuota/alice/alice-quota`.
    pub what: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: TextOrJson,
}

/// `kwo schema`
#[derive(Args, Debug)]
pub struct Schema {
    /// The schema of what.
    #[arg(default_value = "roster")]
    pub of: SchemaOf,
}

/// `kwo init`
#[derive(Args, Debug)]
pub struct Init {
    /// The file to write. It must not exist.
    #[arg(default_value = "roster.yaml")]
    pub roster: PathBuf,
}

/// `kwo secrets`
#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Encrypt what comes from standard input into an age file, for `{age: PATH}` in the roster.
    Encrypt(Encrypt),
    /// Make the key that opens age files, and print its recipient.
    Keygen(Keygen),
}

/// `kwo secrets encrypt`
#[derive(Args, Debug)]
pub struct Encrypt {
    /// Who may open it: the recipients that `kwo secrets keygen` printed on each node.
    #[arg(short, long, required = true, value_name = "age1…")]
    pub recipient: Vec<String>,
    /// The file to write. It must not exist. Default: standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `kwo secrets keygen`
#[derive(Args, Debug)]
pub struct Keygen {
    /// The file to write. It must not exist.
    #[arg(default_value = "/etc/kwo/age.key")]
    pub file: PathBuf,
}

/// `kwo dns`
#[derive(Debug, Subcommand)]
pub enum Dns {
    /// List the resolvers: their providers, whether their credentials are found, and which tenants use them.
    List(DnsList),
    /// Ask the providers' APIs whether the credentials work: exit 1 where one does not.
    Check(DnsCheck),
}

/// `kwo dns list`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct DnsList {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: TextOrJson,
}

/// `kwo dns check`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct DnsCheck {
    #[command(flatten)]
    pub roster: RosterArgs,
    /// Only this resolver. Repeat it for several.
    #[arg(long, env = "KWO_RESOLVER", value_name = "NAME")]
    pub resolver: Vec<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `kwo registry`
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// Show which of the registry's objects are there and which of its hosts answer: exit 1 where one does not.
    Status(RegistryStatus),
    /// Show who may push and pull, and how to log in.
    Credentials(RegistryCredentials),
}

/// `kwo registry status`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct RegistryStatus {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `kwo registry credentials`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct RegistryCredentials {
    #[command(flatten)]
    pub roster: RosterArgs,
    /// Print the passwords.
    #[arg(long, env = "KWO_SHOW_PASSWORD", value_parser = clap::builder::FalseyValueParser::new())]
    pub show_password: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `kwo tls`
#[derive(Debug, Subcommand)]
pub enum Tls {
    /// Show the certificate that a host serves, and whether it is right: exit 1 where it is not.
    Check(TlsCheck),
}

/// `kwo tls check`
#[derive(Args, Debug)]
pub struct TlsCheck {
    /// The host, and its port where that is not 443.
    #[arg(value_name = "HOST[:PORT]")]
    pub host: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// Ask here for the host, whatever its name leads to.
    #[arg(long, env = "KWO_ADDRESS", value_name = "IP:PORT")]
    pub address: Option<SocketAddr>,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: TextOrJson,
}

/// `kwo completion`
#[derive(Args, Debug)]
pub struct Completion {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `kwo man`
#[derive(Args, Debug)]
pub struct Man {
    /// The folder to write into; it must exist.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

#[expect(missing_docs, reason = "the names say it")]
mod formats {
    use super::ValueEnum;

    /// How to show a plan.
    #[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
    pub enum PlanFormat {
        Text,
        Json,
        Yaml,
        Markdown,
    }

    /// For people or for programs.
    #[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
    pub enum TextOrJson {
        Text,
        Json,
    }

    /// How to print manifests.
    #[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
    pub enum YamlOrJson {
        Yaml,
        Json,
    }

    /// What has a schema.
    #[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
    pub enum SchemaOf {
        Roster,
        Plan,
    }
}
pub use formats::{PlanFormat, SchemaOf, TextOrJson, YamlOrJson};

/// A span of time such as `30s`, `5m` or `1m30s`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span of time: expected something like 30s, 5m or 1m30s");
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}
