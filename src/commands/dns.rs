//! `kwo dns`: the resolvers of the roster, whether their credentials are found and work, and whether the hosts of its zones
//! lead where they should.

use std::path::Path;
use std::time::Duration;

use kwo_planner::domains::Roster;
use kwo_planner::domains::dns::{HTTP_RESOLVER, Resolver, users_of};
use kwo_planner::domains::zone_hosts::{ZoneHost, zone_hosts};
use kwo_planner::roster::SecretRef;
use kwo_planner::systems::Connection;

use super::load::load;
use super::print::{end, meanwhile, report, talk};
use crate::cli::{AgeArgs, Dns, DnsCheck, DnsList, KubeArgs};
use crate::report::dns::{Credential, Resolvers, Row};
use crate::report::names::{DnsChecked, Tried, text, tried};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::probe::ask;
use kwo_engine::probe::names::{self, State};
use kwo_engine::references::{Answer, follow};
use kwo_engine::target;

/// How long the API of a provider may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn dns(args: &Dns) -> Result<Exit, Failure> {
    match args {
        Dns::List(args) => list(args).await,
        Dns::Check(args) => check(args).await,
    }
}

async fn list(args: &DnsList) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let tenants = |resolver: &str| users_of(&roster, resolver).map(ToString::to_string).collect();
    let registry =
        |resolver: &str| roster.registry().is_some_and(|(_, registry)| registry.resolver() == resolver);
    let mut rows = Vec::new();
    if roster.cluster().acme.is_some() {
        rows.push(Row {
            resolver: HTTP_RESOLVER.to_owned(),
            provider: None,
            suffix: None,
            credentials: Vec::new(),
            tenants: tenants(HTTP_RESOLVER),
            registry: registry(HTTP_RESOLVER),
        });
    }
    for (name, resolver, found) in
        credentials(&roster, &args.roster.roster, (&args.kube, &args.age), &[]).await?
    {
        let credentials = found.into_iter().map(|(variable, reference, answer)| Credential {
            name: variable,
            reference: reference.to_string(),
            missing: answer.err(),
        });
        rows.push(Row {
            resolver: name.to_owned(),
            provider: Some(resolver.provider.to_string()),
            suffix: resolver.suffix.as_ref().map(ToString::to_string),
            credentials: credentials.collect(),
            tenants: tenants(name),
            registry: registry(name),
        });
    }
    report(&Resolvers(rows), args.output)?;
    Ok(Exit::Done)
}

async fn check(args: &DnsCheck) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let known = || roster.dns().resolvers.keys().map(|name| name.as_str());
    if let Some(stranger) = args.resolver.iter().find(|name| known().all(|known| known != name.as_str())) {
        let list = known().collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!("the roster has no resolver `{stranger}` with credentials"))
            .hint(format!("those that it has are: {list}")));
    }
    let hosts = hosts(&roster, args)?;
    if roster.dns().resolvers.is_empty() && hosts.is_empty() {
        talk(
            "the roster has no resolver with credentials, and no host in one of `dns.zones`, so there is nothing to check\n",
        );
    }
    let say = meanwhile(args.output);
    let mut all = Vec::new();
    // Who names hosts alone wants no credentials tried.
    if args.host.is_empty() || !args.resolver.is_empty() {
        let found =
            credentials(&roster, &args.roster.roster, (&args.kube, &args.age), &args.resolver).await?;
        for (resolver, entry, found) in found {
            let (state, says) = examine(entry, &found).await;
            let row = Tried { resolver: resolver.to_owned(), state, says };
            say(&tried(&row));
            all.push(row);
        }
    }
    let primaries = roster.dns().zones.iter().filter_map(|(zone, entry)| {
        Some((zone.text().clone(), entry.value.nameserver.as_ref()?.value.parts()))
    });
    let resolvers = if args.dns_server.is_empty() { names::resolvers() } else { Ok(args.dns_server.clone()) };
    let names = names::look(&hosts, &primaries.collect(), resolvers).await;
    say(&text(&names));
    let checked = DnsChecked::new(all, names);
    end(&checked, args.output)?;
    Ok(if checked.is_well() { Exit::Done } else { Exit::Failed })
}

/// The hosts that are asked for.
fn hosts<'r>(roster: &'r Roster, args: &DnsCheck) -> Result<Vec<ZoneHost<'r>>, Failure> {
    let mut hosts = zone_hosts(roster);
    if let Some(stranger) =
        args.host.iter().find(|name| hosts.iter().all(|host| host.host.as_str() != name.as_str()))
    {
        return Err(Failure::new(format!("no tenant has the host `{stranger}` in one of `dns.zones`")).hint(
            "write the host as the roster has it, such as `www.example.com` or `*.alice.example.com`",
        ));
    }
    if !args.host.is_empty() {
        hosts.retain(|host| args.host.iter().any(|name| name == host.host.as_str()));
    } else if !args.resolver.is_empty() {
        hosts.clear();
    }
    Ok(hosts)
}

/// A credential: its variable, where it comes from, and what was found there.
type Found<'r> = (String, &'r SecretRef, Answer);

/// What can be said of the credentials of one resolver.
async fn examine(resolver: &Resolver, found: &[Found<'_>]) -> (State, String) {
    match asked(resolver, found).await {
        Ok(Some(api)) => (State::Works, format!("works: {api} accepts it")),
        Ok(None) => {
            let provider = resolver.provider.value;
            let said = "not checked: kwo finds all credentials, but does not ask";
            (State::Unknown, format!("{said} {provider}"))
        }
        Err(why) => (State::Failed, why),
    }
}

/// The API that accepts them, where kwo knows how to ask it.
async fn asked(resolver: &Resolver, found: &[Found<'_>]) -> Result<Option<&'static str>, String> {
    for (variable, reference, answer) in found {
        answer.as_ref().map_err(|why| format!("{variable} ({reference}) cannot be used: {why}"))?;
    }
    let Some(check) = resolver.provider.value.facts().check else { return Ok(None) };
    for (variable, reference, answer) in found {
        if let (true, Ok(bytes)) = (check.variables.contains(&variable.as_str()), answer) {
            let asked = ask(&check, check.api, bytes, PATIENCE).await;
            asked.map_err(|why| format!("{variable} ({reference}): {why}"))?;
        }
    }
    Ok(Some(check.api))
}

/// The resolvers with these names, or all, and their credentials. A cluster is asked only where a reference leads there.
async fn credentials<'r>(
    roster: &'r Roster,
    path: &Path,
    (kube, age): (&KubeArgs, &AgeArgs),
    names: &[String],
) -> Result<Vec<(&'r str, &'r Resolver, Vec<Found<'r>>)>, Failure> {
    let places = age.places(path);
    let chosen = |name: &str| names.is_empty() || names.iter().any(|chosen| chosen == name);
    let resolvers = || roster.dns().resolvers.iter().filter(|(name, _)| chosen(name.as_str()));
    let references = || resolvers().flat_map(|(_, entry)| entry.value.references()).map(|(_, at)| &at.value);
    // What logs in to Vault may be in the cluster.
    let ways: Vec<Connection> = references()
        .any(|reference| matches!(reference, SecretRef::Vault { .. }))
        .then(|| roster.vault().map(|(_, vault)| vault.connection()))
        .flatten()
        .into_iter()
        .collect();
    let in_cluster = references()
        .chain(ways.iter().flat_map(|way| way.secrets.values()))
        .any(|reference| matches!(reference, SecretRef::Kube { .. }));
    let provider = if in_cluster { Some(target::connect(kube.options()?).await?) } else { None };
    let places = places.with_vault(&ways, provider.as_ref().map(|kube| kube as _)).await;
    let mut all = Vec::new();
    for (name, entry) in resolvers() {
        let mut found = Vec::new();
        for (variable, reference) in entry.value.references() {
            let answer = follow(&reference.value, &places, provider.as_ref().map(|kube| kube as _)).await;
            found.push((variable.to_string(), &reference.value, answer));
        }
        all.push((name.as_str(), &entry.value, found));
    }
    Ok(all)
}
