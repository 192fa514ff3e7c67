//! What all that is left over in a cluster shows together: what ends with its namespace, which hosts are served still, which
//! tokens still log in.

use std::collections::BTreeMap;

use super::named::{LONG_LIVED, LONG_LIVED_MARK_AT};
use super::sentences::sentences;
use crate::additions::DOMAINS_AT;
use crate::change::Leftover;
use crate::endings::{ending_of_hosts, ending_of_rights, ending_with};
use crate::kinds::Kind;
use crate::observed::{Observed, Place, Reach, Sighting};
use crate::plan;
use crate::resource::{Desired, ResourceId};
use crate::roster::HostPattern;
use crate::tree::{SmolStr, Tree};

/// Says of each what goes with a namespace that is left over as a whole: it is ended with it, and bounds nobody whom the
/// roster knows.
pub(super) fn gather(leftovers: &mut [Leftover], reach: &Reach) {
    let whole = |left: &&Leftover| left.id.known_kind() == Some(Kind::Namespace) && left.pointer.is_none();
    let gone: BTreeMap<SmolStr, ResourceId> =
        leftovers.iter().filter(whole).map(|left| (left.id.name.clone(), left.id.clone())).collect();
    let mut inside: BTreeMap<ResourceId, Vec<(ResourceId, bool)>> = BTreeMap::new();
    for left in leftovers.iter_mut().filter(|left| left.id.known_kind().is_some()) {
        let Some(namespace) = gone.get(&left.id.scope) else { continue };
        left.in_force = None;
        // Among other objects in one file it takes an editor of its own.
        let among = |id| matches!(reach.places.get(id), Some(Place::Among(_)));
        if !among(&left.id) && !among(namespace) {
            left.within = Some(namespace.clone());
            inside.entry(namespace.clone()).or_default().push((left.id.clone(), left.grants.is_some()));
        }
    }
    for left in leftovers.iter_mut().filter(|left| left.pointer.is_none()) {
        let Some(inside) = inside.get(&left.id) else { continue };
        let ids = |all: bool| inside.iter().filter(move |(_, grants)| all || *grants).map(|(id, _)| id);
        left.command = ending_with(&left.id, ids(true), reach);
        left.rights_command = ids(false).next().map(|_| ending_of_rights(&left.id, ids(false), reach));
    }
}

/// Says of the hosts that are left in a namespace that they may still be served there, and whose they are by now: who is
/// in it may serve them, whatever the roster says. Of a namespace that is left over as a whole only those of others count,
/// for the rights in it are told anyway.
pub(super) fn hosts_left(leftovers: &mut [Leftover], desired: &Desired, observed: &Observed) {
    let mut claims: Option<Vec<(SmolStr, HostPattern)>> = None;
    for left in leftovers.iter_mut().filter(|left| left.id.known_kind() == Some(Kind::Namespace)) {
        let found = match (left.pointer.as_deref(), observed.get(&left.id)) {
            (None, Some(Sighting::Present(present))) => present.body.at(DOMAINS_AT).cloned(),
            (Some(DOMAINS_AT), _) => left.value.clone(),
            _ => None,
        };
        let Some(found) = found else { continue };
        let claims = claims.get_or_insert_with(|| claims_of(desired));
        let whose = |host: &HostPattern| {
            let mut others = claims.iter().filter(|(tenant, _)| *tenant != left.tenant);
            others.find(|(_, theirs)| theirs.overlaps(host)).map(|(tenant, _)| tenant)
        };
        let told = |host: HostPattern| match (whose(&host), &left.pointer) {
            (Some(tenant), _) => Some(format!("{host}, a host of tenant {tenant}")),
            (None, Some(_)) => Some(host.to_string()),
            (None, None) => None,
        };
        let told: Vec<String> = hosts(&found).filter_map(told).collect();
        let sentences: Vec<String> =
            told.iter().map(|host| format!("{} may still serve {host}", left.id.name)).collect();
        if sentences.is_empty() {
            continue;
        }
        (left.grants, left.in_force) = (Some(sentences.join("; ").into()), None);
        if left.pointer.is_none() {
            let rest = ending_of_hosts(&left.id, &observed.reach);
            let rights = left.rights_command.take().map(|command| format!("{command}; "));
            left.rights_command = Some((rights.unwrap_or_default() + &rest).into());
        }
    }
}

/// The hosts of the roster, and the tenants that have them.
fn claims_of(desired: &Desired) -> Vec<(SmolStr, HostPattern)> {
    let namespaces =
        desired.resources().iter().filter(|resource| resource.id.known_kind() == Some(Kind::Namespace));
    let claims = namespaces.filter_map(|resource| Some((resource, resource.body.at(DOMAINS_AT)?)));
    claims
        .flat_map(|(resource, text)| {
            let tenant = plan::tenant(&resource.body);
            hosts(text).map(move |host| (tenant.clone(), host))
        })
        .collect()
}

/// The hosts in the annotation of a namespace.
fn hosts(text: &Tree) -> impl Iterator<Item = HostPattern> {
    let text = text.as_text().map(|text| text.as_str()).unwrap_or_default();
    text.split(',').filter_map(|host| host.parse().ok())
}

/// A service account that says it has a token which never ends: whoever has that token is the account, unless somebody
/// looked and the Secret is gone, or stands here itself.
pub(super) fn tokens_left(leftovers: &mut [Leftover], observed: &Observed) {
    for left in leftovers.iter_mut().filter(|left| left.pointer.as_deref() == Some(LONG_LIVED_MARK_AT)) {
        let secret = ResourceId::kube(Kind::Secret, left.id.scope.clone(), LONG_LIVED);
        if !matches!(observed.get(&secret), Some(Sighting::Present(_) | Sighting::Absent)) {
            left.grants = Some(sentences(&secret, &Tree::Null, "may still be").join("; ").into());
        }
    }
}
