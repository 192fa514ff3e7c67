//! From the checked roster to everything that it wants. One line a domain; what a section means as resources
//! stands in the domain's own file.

use std::cell::Cell;
use std::sync::Arc;

use super::body::{self, object_with};
use super::cluster::Acme;
use super::effective::{Effective, Tiers};
use super::inside::SERVICES_ANNOTATION;
use super::isolation::{self, NAME_LABEL};
use super::surroundings::Surroundings;
use super::tenants::Tenant;
use super::totals::Shares;
use super::unique::Ids;
use super::wildcards::Of;
use super::{
    allowed, authentication, cert_manager, guard, hosts, inside, kubeconfigs, node, refused,
    registry_objects, role_bindings, roles, traefik, vault, wildcards, zones,
};
use crate::domains::Roster;
use crate::kinds::Kind;
use crate::named::{DOMAINS_ANNOTATION, TIER_LABEL};
use crate::observed::{MANAGED_BY, MARK, TENANT_LABEL};
use crate::resource::{Clash, Desired, Reason, Reasons, Resource, ResourceId};

use crate::roster::{Entry, Name, SecretRef};
use crate::secrets::{Content, FINGERPRINT_KEY};
use crate::tree::{SmolStr, Tree, join};

/// Everything that the roster wants.
///
/// # Errors
/// When two parts of the roster ask for one object.
pub fn compile(roster: &Roster) -> Result<Desired, Clash> {
    let mut resources = Vec::with_capacity(16 + roster.tenants().len() * 10);
    each(roster, &mut resources, |_| {});
    let connections = vault::connection(roster).into_iter().chain(zones::connections(roster)).collect();
    let weekly = roster.cluster().acme.as_ref().and_then(Acme::weekly);
    let desired = Desired::new(resources, roster.sources().clone())?;
    Ok(desired.reached_by(connections).with_certificates_a_week(weekly))
}

/// How many objects the roster wants. Of none more than its id is kept, for a few lines can ask for very many.
///
/// # Errors
/// When two parts of the roster ask for one object.
pub fn count(roster: &Roster) -> Result<usize, Clash> {
    let mut ids = Ids::default();
    each(roster, &mut Vec::new(), |resources| ids.extend(resources.drain(..)));
    ids.count(roster.sources())
}

/// Adds everything that the roster wants. Who takes it may take it from here after every namespace.
fn each(roster: &Roster, resources: &mut Vec<Resource>, mut take: impl FnMut(&mut Vec<Resource>)) {
    let secrets = Cell::new(false);
    let mut take = |resources: &mut Vec<Resource>, from: usize| {
        let holds = |resource: &Resource| !resource.secrets.is_empty();
        secrets.set(secrets.get() || resources.iter().skip(from).any(holds));
        take(resources);
    };
    guard::compile(resources);
    inside::compile(resources);
    hosts::compile(roster, resources);
    roles::compile(resources);
    role_bindings::operators(roster.operators(), resources);
    take(resources, 0);
    tenants(roster, resources, &mut take);
    vault::compile(roster, resources, &mut take);
    let from = resources.len();
    traefik::compile(roster, resources);
    cert_manager::compile(roster, resources);
    registry_objects::compile(roster, resources);
    authentication::compile(roster.cluster(), resources);
    node::compile(roster.cluster(), resources);
    node::restart(resources);
    zones::compile(roster, resources);
    take(resources, from);
    if secrets.get() {
        resources.push(fingerprint_key());
        take(resources, 0);
    }
}

/// The key of the fingerprints by which secrets are known.
fn fingerprint_key() -> Resource {
    let (namespace, name, key) = FINGERPRINT_KEY;
    let id = ResourceId::kube(Kind::Secret, namespace, name);
    let parts = [("data", body::map([])), ("type", Tree::from("Opaque"))];
    let body = body::object(&id, Kind::Secret, &body::labels(None), parts);
    let resource = Resource::new(id, body, Arc::new([]), Reason::Always);
    resource.with_secret(join("/data", key), Content::Plain(SecretRef::Generate(64)))
}

fn tenants(roster: &Roster, resources: &mut Vec<Resource>, take: &mut impl FnMut(&mut Vec<Resource>, usize)) {
    let surroundings = Surroundings::of(roster.cluster());
    let mut tiers = Tiers::new(roster.tiers());
    refused::compile(roster.tiers(), resources);
    let allowed = allowed::compile(roster.tenants(), roster.tiers(), resources);
    let guards: Vec<ResourceId> = guard::ids()
        .into_iter()
        .chain(inside::ids())
        .chain(refused::ids())
        .chain(allowed)
        .chain(hosts::ids(roster))
        .collect();
    for entry in roster.tenants() {
        let (name, Entry { key, value: tenant }) = entry;
        let because = Reason::Roster(*key);
        let (effective, own) = tiers.of(tenant);
        let of_tier = tenant.tier.as_ref().map_or_else(|| because.clone(), |tier| Reason::Roster(tier.at));
        let people = role_bindings::people(tenant);
        let labels = body::labels(Some(name.as_str()));
        let namespaces =
            tenant.placed(name, *key).map(|(name, at)| (name.text().clone(), Reason::Roster(at)));
        let namespaces: Vec<(SmolStr, Reason)> = namespaces.collect();
        let first = namespaces.first().map(|(name, _)| ResourceId::kube(Kind::Namespace, "", name.clone()));
        let shares = Shares::of(&effective, name, tenant);
        let alike = Alike::of((name, tenant), (&effective, &of_tier));
        let mut wildcards = wildcards::of_tenant(roster.cluster(), entry).peekable();
        for (at, (namespace, because)) in namespaces.into_iter().enumerate() {
            let from = resources.len();
            let shared = shares.as_ref().map(|shares| shares.specs(at));
            let specs = shared.as_ref().unwrap_or(&effective.specs);
            let id = ResourceId::kube(Kind::Namespace, "", namespace);
            let wildcard = wildcards.next_if(|of| of.namespace.text() == &id.name);
            resources.push(alike.namespace(&id, &because, wildcard.as_ref()));
            let specs = (specs, &own);
            let isolation = isolation::compile(&id, &labels, specs, &surroundings, &because, resources);
            let before: Arc<[ResourceId]> =
                [id.clone()].into_iter().chain(isolation).chain(guards.iter().cloned()).collect();
            role_bindings::compile(
                &id,
                &labels,
                (tenant, &effective.specs, &people),
                &before,
                &because,
                resources,
            );
            kubeconfigs::compile(&id, (name, tenant), roster.cluster(), &because, resources);
            take(resources, from);
        }
        let from = resources.len();
        role_bindings::navigation(name, &labels, &people, &effective, first, resources);
        take(resources, from);
    }
}

/// What all namespaces of a tenant have alike.
struct Alike {
    labels: Tree,
    annotations: Option<Tree>,
    fields: Reasons,
}

impl Alike {
    fn of((name, tenant): (&Name, &Tenant), (effective, of_tier): (&Effective, &Reason)) -> Alike {
        let (held, common) = &effective.specs.held;
        let mut fields: Vec<(SmolStr, Reason)> = Vec::new();
        let mut labels: Vec<(SmolStr, Tree)> = vec![
            (SmolStr::new_static(MARK.0), Tree::from(MARK.1)),
            (SmolStr::new_static(MANAGED_BY.0), Tree::from(MANAGED_BY.1)),
            (SmolStr::new_static(TENANT_LABEL), Tree::from(name.text())),
            (SmolStr::new_static(TIER_LABEL), Tree::from(&effective.tier)),
            (SmolStr::new_static(NAME_LABEL), Tree::Null),
        ];
        labels.extend(held.iter().cloned());
        fields.push((join("/metadata/labels", TIER_LABEL).into(), of_tier.clone()));
        for (key, Entry { key: _, value }) in &tenant.labels {
            fields.push((join("/metadata/labels", key.as_str()).into(), Reason::Roster(value.at)));
            labels.push((key.text().clone(), Tree::from(value.value.text())));
        }
        let annotations = annotations(tenant, effective, &mut fields);
        let annotations = (!annotations.is_empty()).then(|| Tree::map(annotations));
        Alike { labels: Tree::map(labels), annotations, fields: common.with(&fields.into()) }
    }

    /// One of them. Besides the hosts of the tenant it may serve what its own wildcard is for.
    fn namespace(&self, id: &ResourceId, because: &Reason, wildcard: Option<&Of<'_>>) -> Resource {
        let labels = ("labels", self.labels.with(&join("", NAME_LABEL), Tree::from(&id.name)));
        let (annotations, fields) = self.serving(wildcard);
        let body = match annotations {
            None => object_with(id, Kind::Namespace, [labels], []),
            Some(annotations) => object_with(id, Kind::Namespace, [labels, ("annotations", annotations)], []),
        };
        let resource = Resource::new(id.clone(), body, Arc::new([]), because.clone());
        Resource { fields, ..resource }
    }

    /// The annotations with the wildcard of the namespace among the hosts, and the reasons with one for it.
    fn serving(&self, wildcard: Option<&Of<'_>>) -> (Option<Tree>, Reasons) {
        let alike = || (self.annotations.clone(), self.fields.clone());
        let Some(Of { host, wildcard, .. }) = wildcard else { return alike() };
        let at = join("", DOMAINS_ANNOTATION);
        let common = self.annotations.clone().unwrap_or_else(|| Tree::map::<SmolStr>([]));
        let hosts = match common.at(&at).and_then(Tree::as_text) {
            Some(hosts) if hosts.split(',').any(|have| have == host.as_str()) => return alike(),
            Some(hosts) => smol_str::format_smolstr!("{hosts},{host}"),
            None => host.text().clone(),
        };
        let reason =
            (join("/metadata/annotations", DOMAINS_ANNOTATION).into(), Reason::Roster(wildcard.zone.at));
        let fields = match common.at(&at) {
            Some(_) => self.fields.clone(),
            None => self.fields.and(vec![reason]),
        };
        (Some(common.with(&at, Tree::from(hosts))), fields)
    }
}

/// What stands on a namespace for admission policies, and for the programs of others.
fn annotations(
    tenant: &Tenant,
    effective: &Effective,
    fields: &mut Vec<(SmolStr, Reason)>,
) -> Vec<(SmolStr, Tree)> {
    let mut annotations: Vec<(SmolStr, Tree)> = Vec::new();
    let mut add = |key: SmolStr, value: Tree, reason: Reason| {
        fields.push((join("/metadata/annotations", &key).into(), reason));
        annotations.push((key, value));
    };
    if let Some(first) = tenant.domains.first() {
        let hosts: Vec<String> = tenant.domains.iter().map(|domain| domain.host.value.to_string()).collect();
        let hosts = Tree::from(hosts.join(","));
        add(SmolStr::new_static(DOMAINS_ANNOTATION), hosts, Reason::Roster(first.host.at));
    }
    if let Some(reason) = effective.services.values().next() {
        let words: Vec<&str> = effective.services.keys().copied().collect();
        add(SmolStr::new_static(SERVICES_ANNOTATION), Tree::from(words.join(",")), reason.clone());
    }
    for (key, (value, reason)) in &effective.allowed {
        add(SmolStr::new_static(key), Tree::from(value), reason.clone());
    }
    for (key, (value, reason)) in &effective.annotations {
        add(key.clone(), Tree::from(value), reason.clone());
    }
    annotations
}
