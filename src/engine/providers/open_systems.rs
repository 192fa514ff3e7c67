//! The systems that the roster names: each is opened once a run, when the secrets of the run are known. Opening one
//! sends nothing and cannot fail: what is wrong with the way to it is what its adapter says of every object.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kwo_planner::observed::Sighting;
use kwo_planner::systems::System;
use kwo_planner::tree::Tree;
use smol_str::{SmolStr, format_smolstr};

use super::dns::Dns;
use super::{Home, Identity, Provider, VaultServer};
use crate::secrets::{Credentials, Vault};

/// What every system beside the home is opened with.
#[derive(Clone)]
pub struct Surround {
    /// The home, which says whose the marks are.
    pub home: Arc<dyn Home>,
    /// Who the home said that it is when the run asked; nothing where nobody asked yet.
    pub told: Arc<OnceLock<Identity>>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A system that was opened.
pub(super) enum Opened<'o> {
    Vault(&'o Arc<VaultServer>),
    Dns(&'o Arc<Dns>),
}

/// Opens those that the roster names, and no other. Whoever has more to do there than a run takes them by `also`.
pub(super) fn open(
    vault: &Vault,
    around: &Surround,
    also: &mut dyn FnMut(Opened<'_>),
) -> BTreeMap<System, Arc<dyn Provider>> {
    let mut named: BTreeMap<System, Vec<&Credentials>> = BTreeMap::new();
    for login in vault.ways() {
        named.entry(login.connection.system).or_default().push(login);
    }
    let of_vault = named.get(&System::Vault).and_then(|ways| ways.first());
    let address = of_vault.and_then(|way| way.connection.settings.get("address")).and_then(Tree::as_text);
    let address = address.cloned();
    let mut one = |(system, ways): (System, Vec<&Credentials>)| {
        Some((system, one(system, &ways, around, address.as_deref(), also)?))
    };
    named.into_iter().filter_map(&mut one).collect()
}

/// The adapter of a system, with all the ways to it. `vault` is the address of Vault, for commands that read a key there.
fn one(
    system: System,
    ways: &[&Credentials],
    around: &Surround,
    vault: Option<&str>,
    also: &mut dyn FnMut(Opened<'_>),
) -> Option<Arc<dyn Provider>> {
    match system {
        // They are opened by an option.
        System::Kube | System::Node => None,
        System::Vault => {
            let way = ways.first()?;
            let server = Arc::new(VaultServer::new(way, around));
            also(Opened::Vault(&server));
            Some(server)
        }
        System::Dns => {
            let zones = Arc::new(Dns::open(ways, around, vault));
            also(Opened::Dns(&zones));
            Some(zones)
        }
    }
}

/// Which cluster marks what it makes in a system that several clusters share: the uid of its namespace `kube-system`.
///
/// # Errors
/// When the home is no cluster, or does not tell the uid: then nothing can be marked, and nothing is known to be kwo's.
/// Gives what is seen of every object then.
pub async fn cluster(around: &Surround) -> Result<SmolStr, Sighting> {
    const MARK: &str = "the mark on what kwo makes there names the cluster";
    if around.home.issuer().is_none() {
        return Err(Sighting::LeftOut { why: format_smolstr!("the target is a directory, and {MARK}") });
    }
    let identity = match around.told.get() {
        Some(identity) => identity.clone(),
        None => around.home.identity().await.map_err(|refusal| unknown(&refusal))?,
    };
    // Whoever may not look at kube-system knows the cluster by its address, which another one can have tomorrow.
    let is_uid =
        identity.id.len() == 36 && identity.id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if is_uid {
        return Ok(identity.id);
    }
    Err(unknown(&format_args!(
        "{MARK}, and this account may not get the namespace kube-system; `kwo rbac` prints the right"
    )))
}

fn unknown(why: &dyn fmt::Display) -> Sighting {
    Sighting::Unknown { why: format_smolstr!("{why}") }
}
