//! `kwo registry usage`: log in, walk the registry, hold it against the roster, and tell the tenants.

use std::time::Duration;

use jiff::Timestamp;
use kwo_planner::domains::Roster;
use kwo_planner::domains::registry::Registry as Section;
use kwo_planner::domains::registry_users::{Account, accounts};
use kwo_planner::plain::{counted, one_line};
use kwo_planner::roster::spelling::did_you_mean;

use super::reach::Reach;
use super::section::section;
use crate::cli::RegistryUsage as Args;
use crate::commands::load::load;
use crate::commands::print::{report, talk};
use crate::report::usage::RegistryUsage;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::notify::{Crowded, crowded};
use kwo_engine::registry::{Client, Closed, walk};
use kwo_engine::target;

/// How long all questions together may take: a registry checks a password for each of them, some 20 a second.
const WHOLE: Duration = Duration::from_secs(30 * 60);

pub(super) async fn usage(args: &Args) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let registry = section(&roster)?;
    known(&roster, &args.tenants)?;
    let accounts = readers(registry);
    let places = args.age.places(&args.roster.roster);
    let reach = Reach::to(&roster, &accounts, places, &args.kube, true).await?;
    let used = match open(registry, &accounts, &reach).await {
        Ok((host, client)) => {
            let tenants = roster.tenants().keys().map(|name| name.as_str().to_owned());
            RegistryUsage::new(host, &walk(client, tenants).await, &roster, &args.tenants)
        }
        Err((host, why)) => RegistryUsage::unanswered(host, &why),
    };
    report(&used, args.output)?;
    let told = if args.events { tell(args, &roster, &used, reach).await? } else { true };
    Ok(if used.is_well() && told { Exit::Done } else { Exit::Failed })
}

/// Is each of these a tenant?
fn known(roster: &Roster, tenants: &[String]) -> Result<(), Failure> {
    let names = || roster.tenants().keys().map(|name| name.as_str());
    match tenants.iter().find(|name| names().all(|known| known != name.as_str())) {
        None => Ok(()),
        Some(stranger) => {
            let failure = Failure::usage(format!("the roster has no tenant `{}`", one_line(stranger)));
            let hint = did_you_mean(stranger, names()).unwrap_or_else(|| match names().next() {
                Some(_) => format!("its tenants are: {}", names().take(20).collect::<Vec<_>>().join(", ")),
                None => "it has no tenants".to_owned(),
            });
            Err(failure.hint(hint))
        }
    }
}

/// As whom kwo may log in, those first who only pull: never with the password of somebody who may leave.
fn readers(registry: &Section) -> Vec<Account> {
    let is_nobodys = |account: &Account| {
        let user = registry.users.get(account.user.as_str()).map(|user| &user.value);
        user.is_none_or(|user| user.tenant.is_none() && user.person.is_none())
    };
    let mut readers: Vec<Account> = accounts(registry).into_iter().filter(is_nobodys).collect();
    readers.sort_by_key(|account| account.pushes);
    readers
}

/// The first host that lets in one of these users; or a host, and why none does.
async fn open<'r>(
    registry: &'r Section,
    accounts: &[Account],
    reach: &Reach,
) -> Result<(&'r str, Client), (&'r str, String)> {
    let first = registry.hosts.first().map_or("", |host| host.as_str());
    let mut closed = (first, "the roster has no user whom kwo may log in as".to_owned());
    for account in accounts {
        let password = match reach.password(account).await {
            Ok(password) => password,
            Err(why) => {
                closed = (first, format!("the password of {} is missing: {why}", account.user));
                continue;
            }
        };
        let name = reach.now(account).map_or_else(|| account.user.clone(), |standing| standing.current);
        for host in &registry.hosts {
            let host = host.as_str();
            closed = match Client::open(&format!("https://{host}"), &name, &password, WHOLE).await {
                Ok(client) => return Ok((host, client)),
                Err(Closed::Refused) => (host, format!("it refuses {name} with the password that kwo knows")),
                Err(Closed::Away(why)) => (host, why),
            };
        }
    }
    Err(closed)
}

/// Makes an Event in each namespace of each tenant whose quota is full, or nearly; says whether all of them could be made.
async fn tell(args: &Args, roster: &Roster, used: &RegistryUsage, reach: Reach) -> Result<bool, Failure> {
    let found = used.crowded().map(|found| {
        let tenant = roster.tenants().get_key_value(found.tenant);
        let spaces = tenant.into_iter().flat_map(|(name, tenant)| tenant.value.spaces(name));
        let namespaces = spaces.map(|namespace| namespace.as_str().to_owned()).collect();
        Crowded { namespaces, over: found.over, says: found.says }
    });
    let found: Vec<Crowded> = found.collect();
    if found.is_empty() {
        return Ok(true);
    }
    let cluster = match reach.cluster {
        Some(cluster) => cluster,
        None => target::connect(args.kube.options()?).await?,
    };
    let untold = crowded(&cluster, &found, Timestamp::now()).await;
    for one in &untold {
        talk(&format!("{one}\n{}\n", one.hint));
    }
    if !untold.is_empty() {
        return Ok(false);
    }
    talk(&format!("{} told by Events\n", counted(found.len(), "tenant is", "tenants are")));
    Ok(true)
}
