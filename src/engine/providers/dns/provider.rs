//! The zones that the roster names, as one system. A zone that cannot be looked at keeps no other one from being looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use kwo_planner::change::Step;
use kwo_planner::domains::zone_servers::ZoneProvider;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::resource::{Desired, Resource, ResourceId};
use kwo_planner::systems::{Connection, System};
use kwo_planner::tree::{SmolStr, Tree};
use tokio::sync::OnceCell;

use super::server::ZoneWay;
use super::servers::Servers;
use super::zone::Zone;
use crate::providers::open_systems::{Surround, cluster};
use crate::providers::{Checkup, Promise, Provider, Refusal, Together};
use crate::secrets::{Credentials, Vault};

/// All zones.
pub(in crate::providers) struct Dns {
    around: Surround,
    /// By name; or why a zone cannot be reached.
    zones: BTreeMap<SmolStr, Result<Zone, String>>,
    /// The uid of the cluster, or what is seen of all records without it.
    cluster: OnceCell<Result<SmolStr, Sighting>>,
}

impl Dns {
    /// The zones that these ways lead to; `vault` is the address of the Vault that the roster names. Nothing is sent.
    pub(in crate::providers) fn open(ways: &[&Credentials], around: &Surround, vault: Option<&str>) -> Dns {
        let mut servers = Servers::default();
        let zones = ways.iter().map(|credentials| {
            let way = ZoneWay { credentials, vault, timeout: around.timeout };
            (way.zone().clone(), zone(&way, &mut servers))
        });
        Dns { around: around.clone(), zones: zones.collect(), cluster: OnceCell::new() }
    }

    async fn cluster(&self) -> &Result<SmolStr, Sighting> {
        self.cluster.get_or_init(|| cluster(&self.around)).await
    }

    async fn all(&self, wanted: &Desired) -> Observed {
        let mut own: BTreeMap<&SmolStr, Vec<&Resource>> = BTreeMap::new();
        for resource in wanted.resources().iter().filter(|have| have.id.system == System::Dns) {
            own.entry(&resource.id.scope).or_default().push(resource);
        }
        let cluster = match self.cluster().await {
            Ok(cluster) => cluster,
            Err(sighting) => {
                let named = self.zones.keys().chain(own.keys().copied());
                let mut observed = Observed::default();
                for zone in named.collect::<BTreeSet<_>>() {
                    let wanted = own.get(zone).map(Vec::as_slice).unwrap_or_default();
                    observed.merge(nothing(zone, wanted, sighting));
                }
                return observed;
            }
        };
        let looks = self.zones.iter().map(|(name, zone)| {
            let wanted = own.remove(name).unwrap_or_default();
            async move {
                let seen = match zone {
                    Ok(zone) => zone.observe(&wanted, cluster).await,
                    Err(why) => Err(why.clone()),
                };
                seen.unwrap_or_else(|why| nothing(name, &wanted, &Sighting::Unknown { why: why.into() }))
            }
        });
        let seen = join_all(looks.collect::<Vec<_>>()).await;
        let mut observed = Observed::default();
        seen.into_iter().for_each(|seen| observed.merge(seen));
        // Of a zone that nobody opened.
        own.iter().for_each(|(zone, wanted)| {
            let why = "the roster of this run does not name the zone".into();
            observed.merge(nothing(zone, wanted, &Sighting::Unknown { why }));
        });
        observed
    }

    /// The zone of a record, and whose the marks in it are.
    ///
    /// # Errors
    /// When there is none of the two.
    pub(super) async fn zone_of(&self, id: &ResourceId) -> Result<(&Zone, &SmolStr), Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let zone = self.zone(&id.scope).map_err(refused)?;
        match self.cluster().await {
            Ok(cluster) => Ok((zone, cluster)),
            Err(Sighting::Unknown { why } | Sighting::LeftOut { why }) => Err(refused(why.to_string())),
            Err(Sighting::Absent | Sighting::Present(_)) => Err(refused("nobody looked".to_owned())),
        }
    }

    fn zone(&self, name: &str) -> Result<&Zone, String> {
        match self.zones.get(name) {
            Some(zone) => zone.as_ref().map_err(Clone::clone),
            None => Err(format!("the roster does not name the zone {name}")),
        }
    }
}

impl Provider for Dns {
    fn observe<'a>(&'a self, wanted: &'a Desired) -> Promise<'a, Observed> {
        Box::pin(self.all(wanted))
    }

    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting> {
        Box::pin(async move {
            match (self.cluster().await, self.zone(&step.id.scope)) {
                (Ok(cluster), Ok(zone)) => zone.look(&step.id, cluster).await,
                (Err(sighting), _) => sighting.clone(),
                (Ok(_), Err(why)) => Sighting::Unknown { why: why.into() },
            }
        })
    }

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let (zone, cluster) = self.zone_of(&step.id).await?;
            zone.write(step, cluster).await
        })
    }

    fn gathers(&self, id: &ResourceId) -> bool {
        self.zone(&id.scope).is_ok_and(Zone::gathers)
    }

    fn transaction(&self, steps: &[Arc<Step>]) -> BTreeSet<usize> {
        let zone = steps.first().and_then(|step| self.zone(&step.id.scope).ok());
        zone.map(|zone| zone.transaction(steps)).unwrap_or_default()
    }

    fn write_together<'a>(&'a self, steps: &'a [Arc<Step>]) -> Promise<'a, Together> {
        Box::pin(async move {
            let Some(first) = steps.first() else { return Together::Each(Vec::new()) };
            match self.zone_of(&first.id).await {
                Ok((zone, cluster)) => zone.write_together(steps, cluster).await,
                Err(refusal) => Together::Each(vec![Err(refusal); steps.len()]),
            }
        })
    }

    fn set_secrets(&self, _: Arc<Vault>) {
        // Its keys came with the ways to it, and no record holds a secret.
    }

    fn check_up(&self) -> Promise<'_, Vec<Checkup>> {
        Box::pin(async {
            let checks = self.zones.iter().map(|(name, zone)| async move {
                let system = format!("dns {name}");
                match zone {
                    Ok(zone) => zone.check_up(system).await,
                    Err(why) => Checkup::new(system, "").with("login", Err(why.clone())),
                }
            });
            join_all(checks).await
        })
    }
}

/// Nothing of a zone could be looked at. Where nothing is wanted, what may be left over is unknown all the same: `ANY` is a
/// type of questions and of no record.
fn nothing(zone: &str, wanted: &[&Resource], seen: &Sighting) -> Observed {
    let mut observed: Observed = wanted.iter().map(|resource| (resource.id.clone(), seen.clone())).collect();
    if matches!(seen, Sighting::Unknown { .. }) && wanted.is_empty() {
        observed.insert(ResourceId::dns(zone, "ANY", &format!("*.{zone}")), seen.clone());
    }
    observed
}

/// One zone, or why it cannot be reached.
fn zone(way: &ZoneWay<'_>, servers: &mut Servers) -> Result<Zone, String> {
    let Connection { system: _, part, settings, secrets: _ } = &way.credentials.connection;
    let ceiling = match settings.get("ceiling") {
        Some(Tree::Number(number)) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        _ => None,
    };
    let provider: ZoneProvider = way.text("provider").unwrap_or_default().parse().map_err(
        // The roster was checked.
        |_| format!("kwo knows no such provider of the zone {part}"),
    )?;
    let server = servers.of(provider).open(way)?;
    Ok(Zone::new(part.clone(), server, ceiling.unwrap_or_default()))
}
