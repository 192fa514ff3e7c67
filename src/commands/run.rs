//! From the command to the file that does it.

use crate::cli::{Cli, Command, fits};
use kwo_engine::failure::{Exit, Failure};

/// Runs one command to its end.
///
/// # Errors
/// When it ends badly; the failure knows the exit code.
pub async fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli { command, verbose: _, typed } = cli;
    each(command).await.map_err(|mut failure| {
        failure.hints.retain(|hint| fits(hint, &typed));
        failure
    })
}

async fn each(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Validate(args) => super::validate::validate(&args),
        Command::Render(args) => super::render::render(&args),
        Command::Plan(args) => super::plan::plan(&args).await,
        Command::Apply(args) => super::apply::apply(&args).await,
        Command::Diff(args) => super::diff::diff(&args).await,
        Command::Explain(args) => super::explain::explain(&args),
        Command::Access(args) => super::access::access(&args).await,
        Command::Offboard(args) => super::offboard::offboard(&args).await,
        Command::Sync(args) => super::sync::sync(&args).await,
        Command::History(args) => super::history::history(&args).await,
        Command::Status(args) => super::status::status(&args).await,
        Command::Doctor(args) => super::doctor::doctor(&args).await,
        Command::Capacity(args) => super::capacity::capacity(&args).await,
        Command::Logs(args) => super::logs::logs(&args).await,
        Command::Schema(args) => super::schema::schema(&args),
        Command::Import(args) => super::import::import(&args).await,
        Command::Init(args) => super::init::init(&args),
        Command::Tenant(args) => super::tenant::tenant(&args).await,
        Command::Member(args) => super::member::member(&args).await,
        Command::Fmt(args) => super::fmt::fmt(&args).await,
        Command::Secrets(args) => super::secrets::secrets(&args),
        Command::Kubeconfig(args) => super::kubeconfig::kubeconfig(&args).await,
        Command::Systems(args) => super::systems::systems(&args).await,
        Command::Dns(args) => super::dns::dns(&args).await,
        Command::Registry(args) => super::registry::registry(&args).await,
        Command::Tls(args) => super::tls::tls(&args).await,
        Command::Archive(args) => super::archive::archive(&args).await,
        Command::Node(args) => super::node::node(args).await,
        Command::Watch(args) => super::watch::watch(&args).await,
        Command::Hook(args) => super::hook::hook(&args).await,
        Command::Install(args) => super::install::run(&args),
        Command::SelfUpdate(args) => super::self_update::run(&args).await,
        Command::Ci(args) => super::ci::ci(args).await,
        Command::Rbac(args) => super::rbac::rbac(&args),
        Command::Completion(args) => super::completion::completion(&args),
        Command::Man(args) => super::man::man(&args),
    }
}
