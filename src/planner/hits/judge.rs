//! Which namespaces a plan narrows, what kwo has to look at for that, and what it finds, object by object.

use std::collections::{BTreeMap, BTreeSet};

use super::amounts::{self, Bound, Limit};
use super::rules::{Broken, Force, Rules};
use super::{Beside, Hit, HitObject, Hits, MOST, Unseen, hosts, images, pods, rules};
use crate::change::Step;
use crate::domains::Policy;
use crate::kinds::Kind;
use crate::observed::{MARK, Observed, Present, Sighting, TENANT_LABEL};
use crate::plan::Plan;
use crate::resource::{Desired, ResourceId};
use crate::tightens;
use crate::tree::{SmolStr, Tree, join};

/// Why a policy of the tenant's own matters, where it may write none from now on and where it still may.
const STAYS: &str = "it stays, and may open what kwo's policy closes; the tenant may no longer write it";
const OPENS: &str = "it may open what kwo's policy closes";

/// Judges what is there by what a plan narrows.
#[derive(Debug)]
pub struct Judge<'p> {
    places: BTreeMap<SmolStr, Place>,
    /// The steps for namespaces whose Pod Security level becomes stricter.
    levels: Vec<&'p Step>,
    narrowed: Vec<Policy>,
    found: BTreeMap<(SmolStr, Beside, ResourceId, SmolStr), Named>,
    told: Vec<Hit>,
    unseen: BTreeSet<Unseen>,
}

/// A namespace in which something becomes narrower.
#[derive(Debug, Default)]
struct Place {
    tenant: SmolStr,
    before: Rules,
    after: Rules,
    bounds: Vec<(Bound, Named)>,
    limits: Vec<Limit>,
    /// The network policy that lets less through.
    isolated: Option<ResourceId>,
}

/// The first objects by name, and how many there are.
#[derive(Debug, Default)]
struct Named {
    first: BTreeSet<HitObject>,
    all: usize,
    amount: u64,
}

impl Named {
    fn add(&mut self, name: &SmolStr, what: SmolStr) {
        self.all += 1;
        self.first.insert(HitObject { name: name.clone(), what });
        if self.first.len() > MOST {
            self.first.pop_last();
        }
    }
}

fn present<'o>(observed: &'o Observed, id: &ResourceId) -> Option<&'o Present> {
    match observed.get(id) {
        Some(Sighting::Present(present)) => Some(present),
        Some(Sighting::Absent | Sighting::Unknown { .. } | Sighting::LeftOut { .. }) | None => None,
    }
}

/// The content of an object before and after its step.
fn bodies(step: &Step, observed: &Observed) -> [Tree; 2] {
    let before = present(observed, &step.id).map_or(Tree::Null, |present| present.body.clone());
    if step.creates() {
        return [before, step.wanted.clone()];
    }
    let changes = step.changes.iter().filter_map(|change| Some((change.pointer()?, change.value()?)));
    let after = changes.fold(before.clone(), |body, (pointer, value)| body.with(pointer, value.clone()));
    [before, after]
}

impl<'p> Judge<'p> {
    /// For this plan, made from what is wanted and what was seen.
    #[must_use]
    pub fn new(plan: &'p Plan, desired: &Desired, observed: &Observed) -> Judge<'p> {
        let mut judge = Judge {
            places: BTreeMap::new(),
            levels: Vec::new(),
            narrowed: Vec::new(),
            found: BTreeMap::new(),
            told: Vec::new(),
            unseen: BTreeSet::new(),
        };
        let narrower: Vec<&Step> = plan
            .steps
            .iter()
            .map(AsRef::as_ref)
            .filter(|step: &&Step| step.tightenings().next().is_some())
            .collect();
        if narrower.is_empty() {
            return judge;
        }
        let steps: BTreeMap<&ResourceId, &Step> = plan.steps.iter().map(|step| (&step.id, &**step)).collect();
        let narrows = |id: &ResourceId| narrower.iter().any(|step| step.id == *id);
        judge.narrowed = Policy::ALL.into_iter().filter(|of| of.ids().iter().any(narrows)).collect();
        let [before, after] = force(&steps, &judge.narrowed, desired, observed);
        for (id, sighting) in observed.iter().filter(|(id, _)| id.known_kind() == Some(Kind::Namespace)) {
            let Sighting::Present(seen) = sighting else { continue };
            let step = steps.get(id).copied();
            let [was, will] =
                step.map_or_else(|| [seen.body.clone(), seen.body.clone()], |step| bodies(step, observed));
            if step.is_some() && tightens::level(&was, &will).is_some() {
                judge.levels.extend(step);
            }
            let rules = [Rules::of(&was, &before), Rules::of(&will, &after)];
            let tenant = will.at(&join("/metadata/labels", TENANT_LABEL)).and_then(Tree::as_text);
            let Some(tenant) = tenant else { continue };
            let [before, after] = rules;
            let place = Place { tenant: tenant.clone(), before, after, ..Place::default() };
            judge.places.insert(id.name.clone(), place);
        }
        for step in narrower {
            let Some(place) = judge.places.get_mut(&step.id.scope) else { continue };
            let [before, after] = bodies(step, observed);
            match step.id.known_kind() {
                Some(Kind::NetworkPolicy) => place.isolated = Some(step.id.clone()),
                Some(Kind::LimitRange) => place.limits.extend(amounts::limits(&step.id, &before, &after)),
                Some(Kind::ResourceQuota) => place.bounds.extend(
                    amounts::bounds(&step.id, &before, &after)
                        .into_iter()
                        .map(|bound| (bound, Named::default())),
                ),
                _ => {}
            }
        }
        judge.places.retain(|_, place| !place.kinds().is_empty());
        judge
    }

    /// The kinds that have to be looked at.
    #[must_use]
    pub fn asks(&self) -> Vec<Beside> {
        let kinds: BTreeSet<Beside> = self.places.values().flat_map(Place::kinds).collect();
        kinds.into_iter().collect()
    }

    /// The one namespace that has to be looked at, where it is only one.
    #[must_use]
    pub fn alone(&self) -> Option<&SmolStr> {
        self.places.keys().next().filter(|_| self.places.len() == 1)
    }

    /// The steps for namespaces whose Pod Security level becomes stricter: the API server is asked what they hit.
    #[must_use]
    pub fn levels(&self) -> &[&'p Step] {
        &self.levels
    }

    /// Takes one object that is there.
    pub fn see(&mut self, kind: Beside, object: &Tree) {
        let text = |pointer: &str| object.at(pointer).and_then(Tree::as_text);
        let (Some(namespace), Some(name)) = (text("/metadata/namespace"), text("/metadata/name")) else {
            return;
        };
        let Some(place) = self.places.get_mut(namespace) else { return };
        for (bound, named) in &mut place.bounds {
            let amount = bound.counts(kind, object);
            if amount > 0 {
                named.amount += amount;
                named.add(name, SmolStr::default());
            }
        }
        let mut found: Vec<(ResourceId, SmolStr, SmolStr)> = Vec::new();
        let ours = text(&join("/metadata/labels", MARK.0)).is_some_and(|value| value == MARK.1);
        let (before, after) = (&place.before, &place.after);
        let broken = match kind {
            // What has ended is not made anew.
            Beside::Pod if pods::has_ended(object) || pods::is_solver(object) => return,
            Beside::Pod => after.newly(before, |rules| images::pod(rules, object)),
            Beside::Service => after.newly(before, |of| rules::service(of, object)),
            Beside::Ingress if pods::is_solver(object) => return,
            Beside::Ingress => after.newly(before, |of| rules::ingress(of, object)),
            Beside::PersistentVolumeClaim => after.newly(before, |of| rules::claim(of, object)),
            Beside::Node | Beside::ResourceQuota | Beside::ClusterIssuer => return,
            Beside::Certificate if ours => return,
            Beside::Certificate => after.newly(before, |rules| hosts::certificate(rules, object)),
            Beside::NetworkPolicy if ours => return,
            Beside::NetworkPolicy => {
                let refused = after.no_policies && !before.no_policies;
                let by = place
                    .isolated
                    .clone()
                    .or_else(|| refused.then(|| by(&self.narrowed, Policy::Tiers, namespace)));
                found.extend(by.map(|by| {
                    (by, if after.no_policies { STAYS } else { OPENS }.into(), SmolStr::default())
                }));
                Vec::new()
            }
        };
        found.extend(
            broken
                .into_iter()
                .map(|Broken { of, why, what }| (by(&self.narrowed, of, namespace), why.into(), what)),
        );
        for limit in &place.limits {
            found.extend(limit.broken(kind, object).map(|(why, what)| (limit.by.clone(), why, what)));
        }
        for (by, why, what) in found {
            self.found.entry((namespace.clone(), kind, by, why)).or_default().add(name, what);
        }
    }

    /// Takes what the API server warns of where the Pod Security level of a namespace becomes stricter.
    pub fn warned(&mut self, step: &Step, warnings: &[String]) {
        let (unseen, told) = pods::of_the_level(step, warnings);
        self.told.extend(told);
        self.unseen.extend(unseen);
    }

    /// Takes that nobody could look at this.
    pub fn could_not(&mut self, what: impl Into<SmolStr>, why: impl Into<SmolStr>) {
        self.unseen.insert(Unseen { what: what.into(), why: why.into() });
    }

    /// All that was found, by namespace.
    #[must_use]
    pub fn hits(self) -> Hits {
        let Judge { places, levels: _, narrowed: _, found, told, unseen } = self;
        let mut hit = told;
        for ((namespace, kind, by, why), named) in found {
            let tenant = places.get(&namespace).map(|place| place.tenant.clone()).unwrap_or_default();
            hit.push(named.hit(namespace, tenant, kind, by, why));
        }
        for (namespace, Place { tenant, bounds, .. }) in places {
            for (bound, named) in bounds {
                if let Some(why) = bound.exceeded(named.amount) {
                    hit.push(named.hit(namespace.clone(), tenant.clone(), bound.kind, bound.by, why));
                }
            }
        }
        hit.sort_by(|a, b| {
            (&a.namespace, &a.kind, &a.by, &a.why).cmp(&(&b.namespace, &b.kind, &b.by, &b.why))
        });
        Hits { hit, unseen: unseen.into_iter().collect() }
    }
}

impl Named {
    fn hit(self, namespace: SmolStr, tenant: SmolStr, kind: Beside, by: ResourceId, why: SmolStr) -> Hit {
        let Named { first, all, amount: _ } = self;
        let more = all.saturating_sub(first.len());
        Hit {
            namespace,
            tenant,
            by,
            kind: kind.facts().0.into(),
            why,
            objects: first.into_iter().collect(),
            more,
        }
    }
}

impl Place {
    /// What may be hit here.
    fn kinds(&self) -> BTreeSet<Beside> {
        let Place { tenant: _, before, after, bounds, limits, isolated } = self;
        let less = |now: &Option<Vec<SmolStr>>, was: &Option<Vec<SmolStr>>| now.is_some() && now != was;
        let hosts = after.hosts.is_some() && after.hosts != before.hosts;
        let services = after.services.is_some() && after.services != before.services;
        let classes = less(&after.storage_classes, &before.storage_classes);
        let pods = less(&after.registries, &before.registries)
            || (after.always_pulls && !before.always_pulls)
            || (after.no_network_volumes && !before.no_network_volumes)
            || classes;
        let kinds = [
            (Beside::Pod, pods),
            (Beside::Service, services || hosts),
            (Beside::Ingress, hosts || less(&after.ingress_classes, &before.ingress_classes)),
            (Beside::PersistentVolumeClaim, classes),
            (Beside::NetworkPolicy, isolated.is_some() || (after.no_policies && !before.no_policies)),
            (Beside::Certificate, hosts),
        ];
        let kinds = kinds.into_iter().filter(|(_, asked)| *asked).map(|(kind, _)| kind);
        let bounds = bounds.iter().map(|(bound, _)| bound.kind);
        kinds.chain(bounds).chain(limits.iter().map(|limit| limit.kind)).collect()
    }
}

/// What becomes narrower: the policy, or what the namespace says to it.
fn by(narrowed: &[Policy], of: Policy, namespace: &SmolStr) -> ResourceId {
    let [policy, _] = of.ids();
    if narrowed.contains(&of) { policy } else { ResourceId::kube(Kind::Namespace, "", namespace.clone()) }
}

/// Which policies hold before the plan and after it. One that the plan makes stricter is taken as if it had not been
/// there: nobody can tell from two expressions what the one refuses that the other did not.
fn force(
    steps: &BTreeMap<&ResourceId, &Step>,
    narrowed: &[Policy],
    desired: &Desired,
    observed: &Observed,
) -> [Force; 2] {
    let rules = |body: &Tree| body.at("/spec/validations").map_or(&[][..], Tree::items).to_vec();
    let before = |of: Policy| {
        let [policy, binding] = of.ids();
        let there = present(observed, &policy).filter(|_| present(observed, &binding).is_some())?;
        // What a tier is excepted from can be told from its name.
        (of == Policy::Tiers || !narrowed.contains(&of)).then(|| rules(&there.body))
    };
    let after = |of: Policy| {
        let [policy, binding] = of.ids();
        let comes = |id: &ResourceId| steps.contains_key(id);
        if !comes(&binding) {
            present(observed, &binding)?;
        }
        match desired.get(&policy).filter(|_| comes(&policy)) {
            Some(wanted) => Some(rules(&wanted.body)),
            None => present(observed, &policy).map(|there| rules(&there.body)),
        }
    };
    let force = |rules: &dyn Fn(Policy) -> Option<Vec<Tree>>| Force {
        inside: rules(Policy::Inside).is_some(),
        hosts: rules(Policy::Hosts),
        allowed: rules(Policy::Allowed).is_some(),
        tiers: rules(Policy::Tiers),
    };
    [force(&before), force(&after)]
}
