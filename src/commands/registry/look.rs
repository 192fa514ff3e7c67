//! `kwo registry status` and `credentials`: whether the registry exists and answers, and who may use it.

use std::time::Duration;

use jiff::Timestamp;
use kwo_planner::domains::registry_objects::in_cluster;
use kwo_planner::domains::registry_users::{Account, accounts};
use kwo_planner::named::auth_id;
use kwo_planner::observed::Sighting;
use kwo_planner::roster::SecretRef;
use kwo_planner::systems::Connection;
use kwo_planner::units::moment;

use super::section::{section, shown};
use crate::cli::{RegistryCredentials, RegistryStatus};
use crate::commands::load::load;
use crate::commands::print::data;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::probe::answers;
use kwo_engine::providers::{Home, Provider as _, Refusal};
use kwo_engine::references::follow;
use kwo_engine::secrets::SecretData;
use kwo_engine::secrets::{Standing, standing};
use kwo_engine::target;

/// How long a host of the registry may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn status(args: &RegistryStatus) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let registry = section(&roster)?;
    let wanted = in_cluster(&roster)
        .map_err(|clash| Failure::new("the registry asks for one object twice").because(&clash))?;
    let provider = target::connect(args.kube.options()?).await?;
    let observed = provider.observe(&wanted).await;
    let mut exit = Exit::Done;
    let mut say = |subject: &str, state: Result<String, String>| {
        let state = state.unwrap_or_else(|why| {
            exit = Exit::Failed;
            why
        });
        data(&format!("{subject}: {state}\n"));
    };
    for resource in wanted.resources() {
        let state = match observed.get(&resource.id) {
            Some(Sighting::Present(_)) => Ok("there".to_owned()),
            Some(Sighting::Absent) => Err("not there; `kwo apply` makes it".to_owned()),
            Some(Sighting::Unknown { why } | Sighting::LeftOut { why }) => {
                Err(format!("could not look: {why}"))
            }
            None => Err("could not look".to_owned()),
        };
        say(&resource.id.to_string(), state);
    }
    let accounts = accounts(registry);
    if accounts.iter().any(|account| account.made.is_some()) {
        match users(&provider).await {
            Ok(stored) => {
                let shown = accounts.iter().filter_map(|account| Some((account, now(account, &stored)?)));
                for (account, standing) in shown {
                    say(&format!("user {}", account.user), Ok(turn(&standing)));
                }
            }
            Err(refusal) => say("users", Err(format!("could not look: {refusal}"))),
        }
    }
    for host in &registry.hosts {
        let api = format!("https://{}", host.value);
        let answer = answers(&api, PATIENCE).await;
        say(&format!("{api}/v2/"), answer.map(|status| format!("answers ({status})")));
    }
    Ok(exit)
}

pub(super) async fn credentials(args: &RegistryCredentials) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let registry = section(&roster)?;
    let places = args.age.places(&args.roster.roster);
    let accounts = accounts(registry);
    // What logs in to Vault may be in the cluster.
    let in_vault = |account: &Account| matches!(account.password, SecretRef::Vault { .. });
    let ways: Vec<Connection> = (args.show_password && accounts.iter().any(in_vault))
        .then(|| roster.vault().map(|(_, vault)| vault.connection()))
        .flatten()
        .into_iter()
        .collect();
    let is_kube = |reference: &SecretRef| matches!(reference, SecretRef::Kube { .. });
    let asks =
        |account: &Account| account.made.is_some() || (args.show_password && is_kube(&account.password));
    let in_cluster =
        accounts.iter().any(asks) || ways.iter().flat_map(|way| way.secrets.values()).any(is_kube);
    let provider = if in_cluster { Some(target::connect(args.kube.options()?).await?) } else { None };
    let mut stored = SecretData::new();
    let provider = provider.as_ref().map(|kube| kube as &dyn Home);
    let places = places.with_vault(&ways, provider).await;
    if let Some(provider) = provider.filter(|_| accounts.iter().any(|user| user.made.is_some())) {
        stored = users(provider).await.map_err(|refusal| {
            Failure::new(format!("cannot tell by which names the users log in: {refusal}"))
        })?;
    }
    let mut exit = Exit::Done;
    for account in accounts {
        let Account { user, pushes, password: reference, made } = &account;
        data(&format!("{user}\n"));
        if !pushes {
            data("  access    pull\n");
        }
        if args.show_password {
            let there = made.as_ref().and_then(|made| stored.get(&made.password)).cloned();
            let password = match there {
                Some(bytes) => Ok(bytes),
                None => follow(reference, &places, provider).await,
            };
            match password.and_then(|bytes| shown(&bytes)) {
                Ok(password) => data(&format!("  password  {}\n", password.as_str())),
                Err(why) => {
                    exit = Exit::Failed;
                    data(&format!("  password  missing ({reference}): {why}\n"));
                }
            }
        } else {
            data(&format!("  password  from {reference}; --show-password prints it\n"));
        }
        let standing = now(&account, &stored);
        if let Some((name, until)) = standing.as_ref().and_then(|standing| standing.previous.as_ref()) {
            data(&format!("  before    {name}, good until {}\n", moment(until)));
        }
        let name = standing.map_or_else(|| user.clone(), |standing| standing.current);
        for host in &registry.hosts {
            data(&format!("  log in    docker login {} -u {name}\n", host.value));
        }
    }
    Ok(exit)
}

/// What is in the Secret with the users; nothing where there is none yet.
async fn users(provider: &dyn Home) -> Result<SecretData, Refusal> {
    let id = auth_id();
    Ok(provider.read_secret(&id.scope, &id.name).await?.unwrap_or_default())
}

/// By which name a user logs in whose password kwo makes.
fn now(account: &Account, stored: &SecretData) -> Option<Standing> {
    let made = account.made.as_ref()?;
    Some(standing(stored, &account.user, &made.username, Timestamp::now()))
}

fn turn(standing: &Standing) -> String {
    let Standing { current, previous } = standing;
    match previous {
        Some((name, until)) => format!("logs in as {current}; {name} is good until {}", moment(until)),
        None => format!("logs in as {current}"),
    }
}
