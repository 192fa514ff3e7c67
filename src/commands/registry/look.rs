//! `kwo registry status` and `credentials`: whether the registry exists and answers, and who may use it.

use std::time::Duration;

use kwo_planner::domains::registry_objects::in_cluster;
use kwo_planner::domains::registry_users::{Account, accounts};
use kwo_planner::observed::Sighting;
use kwo_planner::units::moment;

use super::reach::{Reach, now, users};
use super::section::{section, shown};
use crate::cli::{RegistryCredentials, RegistryStatus};
use crate::commands::load::load;
use crate::commands::print::{data, report};
use crate::report::registry::RegistryStatus as Found;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::probe::answers;
use kwo_engine::providers::Provider as _;
use kwo_engine::secrets::Standing;
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
    let mut found = Found::new();
    for resource in wanted.resources() {
        let state = match observed.get(&resource.id) {
            Some(Sighting::Present(_)) => Ok("there".to_owned()),
            Some(Sighting::Absent) => Err("not there; `kwo apply` makes it".to_owned()),
            Some(Sighting::Unknown { why } | Sighting::LeftOut { why }) => {
                Err(format!("could not look: {why}"))
            }
            None => Err("could not look".to_owned()),
        };
        found.note(resource.id.to_string(), state);
    }
    let accounts = accounts(registry);
    if accounts.iter().any(|account| account.made.is_some()) {
        match users(&provider).await {
            Ok(stored) => {
                let shown = accounts.iter().filter_map(|account| Some((account, now(account, &stored)?)));
                for (account, standing) in shown {
                    found.note(format!("user {}", account.user), Ok(turn(&standing)));
                }
            }
            Err(refusal) => found.note("users".to_owned(), Err(format!("could not look: {refusal}"))),
        }
    }
    for host in &registry.hosts {
        let api = format!("https://{}", host.value);
        let answer = answers(&api, PATIENCE).await;
        found.note(format!("{api}/v2/"), answer.map(|status| format!("answers ({status})")));
    }
    report(&found, args.output)?;
    Ok(if found.is_well() { Exit::Done } else { Exit::Failed })
}

pub(super) async fn credentials(args: &RegistryCredentials) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let registry = section(&roster)?;
    let places = args.age.places(&args.roster.roster);
    let accounts = accounts(registry);
    let reach = Reach::to(&roster, &accounts, places, &args.kube, args.show_password).await?;
    let mut exit = Exit::Done;
    for account in accounts {
        let Account { user, pushes, password: reference, made: _ } = &account;
        data(&format!("{user}\n"));
        if !pushes {
            data("  access    pull\n");
        }
        if args.show_password {
            let password = reach.password(&account).await;
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
        let standing = reach.now(&account);
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

fn turn(standing: &Standing) -> String {
    let Standing { current, previous } = standing;
    match previous {
        Some((name, until)) => format!("logs in as {current}; {name} is good until {}", moment(until)),
        None => format!("logs in as {current}"),
    }
}
