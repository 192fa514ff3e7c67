//! What has to be looked at, and what comes of it, object by object.

use std::collections::{BTreeMap, BTreeSet};

use super::amounts::{Amount, Amounts, add, of};
use super::promised::{Place, counts_all, found};
use super::{Above, Capacity, LeftOut, Nodes, Resource, Tier, nodes, pods};
use crate::domains::Roster;
use crate::domains::overcommit::Overcommit;
use crate::domains::tenants::DEFAULT_TIER;
use crate::hits::{Beside, Unseen};
use crate::kinds::Kind;
use crate::resource::Desired;

use crate::roster::Quantity;
use crate::tree::{SmolStr, Tree};

/// These are always told.
const ALWAYS: [&str; 3] = ["cpu", "memory", "pods"];

/// What claims ask for. No node says how much of it there is.
const STORAGE: &str = "storage";

/// Gathers what quotas promise and what nodes give.
#[derive(Debug)]
pub struct Gather {
    overcommit: Overcommit,
    /// The namespaces of tenants, those of the roster first.
    places: BTreeMap<SmolStr, Place>,
    nodes: BTreeMap<SmolStr, Result<Amounts, SmolStr>>,
    /// What pods ask for outside the roster's namespaces, by namespace and node.
    others: BTreeMap<(SmolStr, SmolStr), Amounts>,
    missing: BTreeSet<Beside>,
    unseen: Vec<Unseen>,
}

/// What all namespaces of a tier come to.
#[derive(Default)]
struct Group {
    tenants: BTreeSet<SmolStr>,
    namespaces: usize,
    before: Amounts,
    after: Amounts,
}

impl Gather {
    /// For the tenants of this roster, whose objects these are.
    #[must_use]
    pub fn new(roster: &Roster, desired: &Desired) -> Gather {
        let mut places = BTreeMap::new();
        for (name, entry) in roster.tenants() {
            let tier = entry.value.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str());
            for namespace in entry.value.spaces(name) {
                let (tenant, tier) = (name.text().clone(), Some(tier.into()));
                places.insert(namespace.text().clone(), Place { tenant, tier, ..Place::default() });
            }
        }
        let quotas = desired.resources().iter().filter(|resource| {
            resource.id.known_kind() == Some(Kind::ResourceQuota) && counts_all(&resource.body)
        });
        for quota in quotas {
            let hard = quota.body.at("/spec/hard").cloned();
            if let Some((place, hard)) = places.get_mut(&quota.id.scope).zip(hard) {
                place.wanted.insert(quota.id.name.clone(), hard);
            }
        }
        Gather {
            overcommit: roster.cluster().overcommit.clone().unwrap_or(Overcommit::USUAL),
            places,
            nodes: BTreeMap::new(),
            others: BTreeMap::new(),
            missing: BTreeSet::new(),
            unseen: Vec::new(),
        }
    }

    /// Takes an object of one of `Beside::OF_CAPACITY`.
    pub fn see(&mut self, kind: Beside, object: &Tree) {
        match kind {
            Beside::Node => {
                let (name, gives) = nodes::node(object);
                self.nodes.insert(name, gives);
            }
            Beside::Pod => {
                let Some(asks) = pods::pod(object) else { return };
                if self.places.get(&asks.namespace).is_none_or(|place| place.tier.is_none()) {
                    add(self.others.entry((asks.namespace, asks.node)).or_default(), &asks.amounts);
                }
            }
            Beside::ResourceQuota => {
                let Some(quota) = found(object) else { return };
                let place = match (self.places.get_mut(&quota.namespace), quota.tenant) {
                    (Some(place), _) => place,
                    (None, Some(tenant)) => {
                        self.places.entry(quota.namespace).or_insert(Place { tenant, ..Place::default() })
                    }
                    (None, None) => return,
                };
                place.there.insert(quota.name, quota.there);
            }
            Beside::Service
            | Beside::Ingress
            | Beside::PersistentVolumeClaim
            | Beside::NetworkPolicy
            | Beside::Certificate
            | Beside::ClusterIssuer => {}
        }
    }

    /// These could not be looked at.
    pub fn could_not(&mut self, kind: Beside, why: SmolStr) {
        self.missing.insert(kind);
        self.unseen.push(Unseen { what: kind.facts().0.into(), why });
    }

    /// What comes of it.
    #[must_use]
    pub fn capacity(self) -> Capacity {
        let Gather { overcommit, places, nodes, others, missing, unseen } = self;
        let looked = |kind: Beside| !missing.contains(&kind);
        let (mut allocatable, mut system, mut used) = (Amounts::new(), Amounts::new(), Amounts::new());
        let mut told = Nodes::default();
        for (name, gives) in &nodes {
            match gives {
                Ok(gives) => {
                    add(&mut allocatable, gives);
                    told.counted.push(name.clone());
                }
                Err(why) => told.left_out.push(LeftOut { name: name.clone(), why: why.clone() }),
            }
        }
        // A pod on a node that does not count takes nothing from those that do.
        let counts = |node: &SmolStr| node.is_empty() || nodes.get(node).is_some_and(Result::is_ok);
        for ((namespace, node), asks) in &others {
            if counts(node) && !places.contains_key(namespace) {
                add(&mut system, asks);
            }
        }
        let mut groups: BTreeMap<Option<SmolStr>, Group> = BTreeMap::new();
        let mut promised: Vec<Amounts> = Vec::new();
        let mut above = Vec::new();
        for (namespace, place) in &places {
            let after = place.after();
            let group = groups.entry(place.tier.clone()).or_default();
            group.tenants.insert(place.tenant.clone());
            group.namespaces += 1;
            add(&mut group.before, &place.before());
            add(&mut group.after, &after);
            add(&mut used, &place.used());
            promised.push(after);
            above.extend(place.above().map(|(resource, used, allowed)| Above {
                namespace: namespace.clone(),
                tenant: place.tenant.clone(),
                resource,
                used,
                allowed,
            }));
        }
        let (mut before, mut after) = (Amounts::new(), Amounts::new());
        for group in groups.values() {
            add(&mut before, &group.before);
            add(&mut after, &group.after);
        }
        let always = ALWAYS.into_iter().map(SmolStr::new_static);
        let names: BTreeSet<SmolStr> = always.chain(before.keys().chain(after.keys()).cloned()).collect();
        let resource = |name: SmolStr| {
            let known = |amounts: &Amounts, from: &[Beside]| {
                (name != STORAGE && from.iter().all(|kind| looked(*kind))).then(|| of(amounts, &name))
            };
            let gives = known(&allocatable, &[Beside::Node]);
            let takes = known(&system, &[Beside::Node, Beside::Pod]);
            let available = gives.as_ref().zip(takes.as_ref()).map(|(gives, takes)| gives.minus(takes));
            let now = looked(Beside::ResourceQuota);
            let (was, will) = (now.then(|| of(&before, &name)), of(&after, &name));
            let percent = |part: &Quantity| {
                available.as_ref().and_then(|all| i64::try_from(part.percent_of(all)?).ok())
            };
            let most = overcommit.most(&name).filter(|_| name != STORAGE);
            let over = available.as_ref().zip(most.as_ref());
            Resource {
                before_percent: was.as_ref().and_then(percent),
                after_percent: percent(&will),
                over: over.is_some_and(|(available, most)| will.is_above_times(most, available)),
                unbounded: promised.iter().filter(|amounts| !amounts.contains_key(&name)).count(),
                tiers: groups.iter().map(|(tier, group)| tier_of(tier.as_ref(), group, &name, now)).collect(),
                allocatable: gives.map(Amount),
                system: takes.map(Amount),
                available: available.map(Amount),
                before: was.map(Amount),
                after: Amount(will),
                used: now.then(|| Amount(of(&used, &name))),
                most: most.map(Amount),
                resource: name,
            }
        };
        Capacity { nodes: told, resources: names.into_iter().map(resource).collect(), above, unseen }
    }
}

fn tier_of(tier: Option<&SmolStr>, group: &Group, name: &str, now: bool) -> Tier {
    Tier {
        tier: tier.cloned(),
        tenants: group.tenants.len(),
        namespaces: group.namespaces,
        before: now.then(|| Amount(of(&group.before, name))),
        after: Amount(of(&group.after, name)),
    }
}
