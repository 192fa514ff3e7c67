//! What could come next on the line of a shell: tenants, namespaces, people, hosts and ids of the roster, contexts of the
//! kubeconfig, revisions of the repository.
//! Nothing is said where something is wrong; the command that is typed will say it.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};
use kwo_planner::domains::registry_users::accounts;
use kwo_planner::domains::tiers::BUILT_IN_TIERS;
use kwo_planner::kinds::Kind;
use kwo_planner::plain::acts;

use super::explain;
use super::load::{Loaded, checked};
use kwo_engine::git::Clone;
use kwo_engine::providers::contexts;
use kwo_engine::source::is_stdin;

/// The definition, with the values of the arguments that name something of the roster or of the kubeconfig.
pub(super) fn with_candidates(command: Command) -> Command {
    let of = command.get_name().to_owned();
    command.mut_args(|arg| candidates_of(&of, arg)).mut_subcommands(with_candidates)
}

fn candidates_of(command: &str, arg: Arg) -> Arg {
    let candidates: fn() -> Vec<String> = match (command, arg.get_id().as_str()) {
        (_, "context") => contexts_of_the_line,
        ("explain", "what") => all,
        (_, "adopt") => tenants_and_ids,
        ("logs", "what") => logs,
        (_, "tenant" | "tenants") => tenant_names,
        ("remove", "identity") => people,
        ("add" | "set", "tier") => tiers,
        ("set", "fields") => fields,
        ("kubeconfig" | "who-can" | "of" | "graph", "namespace") => namespaces,
        ("of", "who") => people,
        (_, "resolver") => resolvers,
        ("rotate", "user") => users,
        ("check", "host") => hosts,
        ("diff", "from" | "to" | "first" | "second") => {
            return arg.add(ArgValueCompleter::new(files_and_revisions));
        }
        _ => return arg,
    };
    arg.add(ArgValueCompleter::new(move |typed: &OsStr| matching(typed, candidates())))
}

/// Those that begin with what was typed. A name that would do something to a terminal is none to choose.
fn matching(typed: &OsStr, candidates: Vec<String>) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let good = |name: &String| name.starts_with(typed) && !name.contains(|char| acts(char) || char == ' ');
    candidates.into_iter().filter(good).map(CompletionCandidate::new).collect()
}

fn tenants(loaded: &Loaded) -> impl Iterator<Item = String> {
    loaded.roster.tenants().keys().map(|name| name.as_str().to_owned())
}

fn tenant_names() -> Vec<String> {
    roster_of_the_line().iter().flat_map(tenants).collect()
}

fn tenants_and_ids() -> Vec<String> {
    let Some(loaded) = roster_of_the_line() else { return Vec::new() };
    let ids = loaded.desired.resources().iter().map(|resource| resource.id.to_string());
    tenants(&loaded).chain(ids).collect()
}

/// The people of the roster.
fn people() -> Vec<String> {
    roster_of_the_line().iter().flat_map(|loaded| explain::people(loaded).into_keys()).collect()
}

/// The tiers that are built in, and those of the roster.
fn tiers() -> Vec<String> {
    let loaded = roster_of_the_line();
    let own =
        loaded.iter().flat_map(|loaded| loaded.roster.tiers().keys().map(|name| name.as_str().to_owned()));
    let all: BTreeSet<String> = BUILT_IN_TIERS.iter().map(|tier| tier.name.to_owned()).chain(own).collect();
    all.into_iter().collect()
}

/// The fields of a tenant that have one value or a list, before their values.
fn fields() -> Vec<String> {
    let quota = ["cpu", "memory", "storage", "pods", "volumes"].map(|amount| format!("quota.{amount}="));
    let single = ["tier", "namespaces", "resolver", "parked"].map(|field| format!("{field}="));
    single.into_iter().chain(quota).collect()
}

/// What can be explained.
fn all() -> Vec<String> {
    let Some(loaded) = roster_of_the_line() else { return Vec::new() };
    let mut names: BTreeSet<String> = tenants(&loaded).collect();
    names.extend(explain::namespaces(&loaded).into_iter().map(str::to_owned));
    names.extend(explain::people(&loaded).into_keys());
    let ids = loaded.desired.resources().iter().map(|resource| resource.id.to_string());
    names.into_iter().chain(ids).collect()
}

/// The users of the registry whose passwords kwo makes.
fn users() -> Vec<String> {
    let Some(loaded) = roster_of_the_line() else { return Vec::new() };
    let accounts = loaded.roster.registry().map(|(_, registry)| accounts(registry)).unwrap_or_default();
    accounts
        .into_iter()
        .filter(|account| account.made.is_some())
        .map(|account| account.user.to_string())
        .collect()
}

/// The hosts of tenants and of the registry that can be asked: a pattern is none.
fn hosts() -> Vec<String> {
    let Some(loaded) = roster_of_the_line() else { return Vec::new() };
    let domains = loaded.roster.tenants().values().flat_map(|tenant| &tenant.value.domains);
    let found: BTreeSet<String> = domains.map(|domain| domain.host.value.to_string()).collect();
    found.into_iter().filter(|host| !host.contains('*')).collect()
}

/// Files, and the branches and tags of the repository that one works in; behind `A..` the second one of two.
fn files_and_revisions(typed: &OsStr) -> Vec<CompletionCandidate> {
    let files = PathCompleter::file().complete(typed);
    let text = typed.to_str().unwrap_or_default();
    let first = text.rfind("..").map_or("", |at| &text[..at + 2]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let names = match (Clone::around(Path::new(".")), runtime) {
        (Some((clone, _)), Ok(runtime)) => runtime.block_on(clone.names()),
        _ => return files,
    };
    let names = ["HEAD".to_owned()].into_iter().chain(names).map(|name| format!("{first}{name}"));
    files.into_iter().chain(matching(typed, names.collect())).collect()
}

fn logs() -> Vec<String> {
    let loaded = roster_of_the_line();
    let tenants = loaded.iter().flat_map(|loaded| tenants(loaded).map(|name| format!("tenant:{name}")));
    ["traefik", "registry", "k3s"].into_iter().map(str::to_owned).chain(tenants).collect()
}

fn namespaces() -> Vec<String> {
    let Some(loaded) = roster_of_the_line() else { return Vec::new() };
    let resources = loaded.desired.resources().iter();
    let found: BTreeSet<String> = resources
        .filter(|resource| resource.id.known_kind() == Some(Kind::ServiceAccount))
        .map(|resource| resource.id.scope.to_string())
        .collect();
    found.into_iter().collect()
}

fn resolvers() -> Vec<String> {
    let Some(loaded) = roster_of_the_line() else { return Vec::new() };
    loaded.roster.dns().resolvers.keys().map(|name| name.as_str().to_owned()).collect()
}

fn contexts_of_the_line() -> Vec<String> {
    let named =
        value_of("--kubeconfig").or_else(|| env::var_os("KWO_KUBECONFIG").filter(|set| !set.is_empty()));
    contexts(named.map(PathBuf::from).as_deref())
}

/// The roster that the line names, else the one that the command would take.
fn roster_of_the_line() -> Option<Loaded> {
    let is_file = |word: &OsString| {
        let path = Path::new(word);
        path.extension().is_some_and(|ends| ends == "yaml" || ends == "yml") && path.is_file()
    };
    let option = value_of("--file").or_else(|| value_of("-f"));
    let named = option
        .or_else(|| words().find(is_file))
        .or_else(|| env::var_os("KWO_ROSTER").filter(|set| !set.is_empty()));
    let named = PathBuf::from(named.unwrap_or_else(|| "roster.yaml".into()));
    // Whoever types still has the terminal.
    if is_stdin(&named) { None } else { checked(&named).ok() }
}

/// What follows this option on the line, or stands behind its equals sign.
fn value_of(option: &str) -> Option<OsString> {
    let mut words = words();
    while let Some(word) = words.next() {
        if word == option {
            return words.next();
        }
        let value = word.to_str().and_then(|word| word.strip_prefix(option)?.strip_prefix('='));
        if let Some(value) = value {
            return Some(value.into());
        }
    }
    None
}

/// The words of the line, which come behind `--`.
fn words() -> impl Iterator<Item = OsString> {
    env::args_os().skip_while(|word| word != "--").skip(2)
}
