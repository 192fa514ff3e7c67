//! `kwo registry`: whether the registry stands and answers, and who may use it.

use std::time::Duration;

use kwo_planner::domains::registry::Registry as Section;
use kwo_planner::domains::registry_objects::{in_cluster, passwords};
use kwo_planner::observed::Sighting;
use kwo_planner::roster::{Roster, SecretRef};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::entrust::places;
use super::load::load;
use super::print::data;
use crate::cli::{Registry, RegistryCredentials, RegistryStatus};
use crate::failure::{Exit, Failure};
use crate::probe::answers;
use crate::secrets::follow;
use crate::target;

/// How long a host of the registry may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn registry(args: &Registry) -> Result<Exit, Failure> {
    match args {
        Registry::Status(args) => status(args).await,
        Registry::Credentials(args) => credentials(args).await,
    }
}

fn section(roster: &Roster) -> Result<&Section, Failure> {
    roster.registry().map(|(_, registry)| registry).ok_or_else(|| {
        Failure::new("the roster asks for no registry")
            .hint("`registry: {hosts: [registry.example.com]}` does")
    })
}

async fn status(args: &RegistryStatus) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let registry = section(&roster)?;
    let wanted = in_cluster(&roster)
        .map_err(|clash| Failure::new("the registry asks for one object twice").because(&clash))?;
    let observed = target::glance(&args.kube).await?.observe(&wanted).await;
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
    for host in &registry.hosts {
        let api = format!("https://{}", host.value);
        let answer = answers(&api, PATIENCE).await;
        say(&format!("{api}/v2/"), answer.map(|status| format!("answers ({status})")));
    }
    Ok(exit)
}

async fn credentials(args: &RegistryCredentials) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let registry = section(&roster)?;
    let users = passwords(registry);
    let places = places(&args.roster.roster, &args.age);
    let in_cluster = users.iter().any(|(_, reference)| matches!(reference, SecretRef::Kube { .. }));
    let provider =
        if args.show_password && in_cluster { Some(target::glance(&args.kube).await?) } else { None };
    let mut exit = Exit::Done;
    for (name, reference) in users {
        data(&format!("{name}\n"));
        if args.show_password {
            let password = follow(&reference, &places, provider.as_deref()).await;
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
        for host in &registry.hosts {
            data(&format!("  log in    docker login {} -u {name}\n", host.value));
        }
    }
    Ok(exit)
}

/// A password as text, for whoever asked to see it.
fn shown(bytes: &SecretSlice<u8>) -> Result<zeroize::Zeroizing<String>, String> {
    let text = String::from_utf8(bytes.expose_secret().to_vec()).map_err(|_| "it is no text")?;
    Ok(zeroize::Zeroizing::new(text))
}
