//! A look at what a run touched, and not at the whole cluster: what belongs to a namespace by a LIST of its kind there, so
//! that what others have beside it is seen as well, and everything else by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use kwo_planner::kinds::{Kind, Look};
use kwo_planner::observed::{Observed, Renewed};
use kwo_planner::resource::{Desired, ResourceId};
use smol_str::SmolStr;

use super::decode::{Objects, Seen};
use super::observe::{Whole, by_name, list};
use super::path::siblings;
use super::transport::{Call, Transport};
use crate::secrets::Vault;

/// How many of these requests are on their way at a time.
const ABREAST: usize = 16;

/// One request.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ask {
    /// For all of a kind in a namespace.
    Whole(Kind, SmolStr),
    /// For one object.
    One(ResourceId),
}

/// What is asked to see these objects. In each of their namespaces it is looked whom bindings and network policies let in,
/// those of others included: who has just got a namespace may have got them along with it.
fn asks(ids: &[ResourceId]) -> BTreeSet<Ask> {
    let mut asks = BTreeSet::new();
    for id in ids {
        let namespace = match id.known_kind() {
            Some(Kind::Namespace) => &id.name,
            _ => &id.scope,
        };
        asks.insert(match id.known_kind() {
            Some(kind) if kind.look() == Look::All && !id.scope.is_empty() => {
                Ask::Whole(kind, id.scope.clone())
            }
            _ => Ask::One(id.clone()),
        });
        if !namespace.is_empty() {
            let lets_in = Kind::ALL.into_iter().filter(|kind| kind.lets_in() && kind.namespaced());
            asks.extend(lets_in.map(|kind| Ask::Whole(kind, namespace.clone())));
        }
    }
    asks
}

/// How many requests it takes to look at these objects.
pub(super) fn requests(ids: &[ResourceId]) -> usize {
    asks(ids).len()
}

/// Looks at these objects.
pub(super) async fn look_again(
    transport: &Arc<Transport>,
    vault: &Arc<Vault>,
    desired: &Desired,
    ids: &[ResourceId],
) -> Renewed {
    let answers = stream::iter(asks(ids)).map(|ask| async move {
        match ask {
            Ask::One(id) => {
                let kind = id.known_kind().unwrap_or(Kind::Namespace);
                let sighting = by_name(transport, &mut Objects::new(kind, desired, vault), &id).await;
                (None, vec![(id, sighting)])
            }
            Ask::Whole(kind, namespace) => whole(transport, vault, desired, kind, namespace).await,
        }
    });
    let mut answers = answers.buffer_unordered(ABREAST);
    let (mut places, mut unlisted, mut sightings) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    while let Some((place, found)) = answers.next().await {
        match place {
            Some((kind, namespace, None)) => drop(places.insert((kind, namespace))),
            Some((kind, _, Some(why))) if kind.lets_in() => drop(unlisted.insert(kind, why)),
            Some(_) | None => {}
        }
        sightings.extend(found);
    }
    let mut seen: Observed = sightings.into_iter().collect();
    seen.unlisted = unlisted;
    Renewed { seen, places }
}

/// A kind and a namespace, and why not all of it could be seen.
type Place = (Kind, SmolStr, Option<SmolStr>);

/// All of a kind in a namespace. Where it could not be listed, what is wanted there is unknown, and of the rest nothing new
/// is known.
async fn whole(
    transport: &Transport,
    vault: &Arc<Vault>,
    desired: &Desired,
    kind: Kind,
    namespace: SmolStr,
) -> (Option<Place>, Vec<Seen>) {
    let any = ResourceId::kube(kind, namespace.clone(), "");
    let listed = match siblings(&any) {
        Ok(place) => {
            let mut objects = Objects::new(kind, desired, vault);
            list(transport, &mut objects, kind, place, "", Call::get).await
        }
        Err(why) => Err(why.into()),
    };
    // Ordered by id, those of a kind in a namespace are in a row.
    let resources = desired.resources();
    let from = resources.partition_point(|resource| resource.id < any);
    let there = |id: &ResourceId| id.known_kind() == Some(kind) && id.scope == namespace;
    let rows = resources.get(from..).unwrap_or_default().iter().take_while(|resource| there(&resource.id));
    let rows = from..from + rows.count();
    let Whole { mut sightings, why } = Whole::of(listed, kind, desired, rows);
    sightings.retain(|(id, _)| there(id));
    (Some((kind, namespace, why)), sightings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_together_is_asked_for_together() {
        let told = |ids: &[&str]| {
            let ids: Vec<ResourceId> = ids.iter().map(|id| id.parse().unwrap()).collect();
            asks(&ids)
                .into_iter()
                .map(|ask| match ask {
                    Ask::Whole(kind, namespace) => format!("{}s of {namespace}", kind.name()),
                    Ask::One(id) => id.to_string(),
                })
                .collect::<Vec<_>>()
        };
        let let_in = ["NetworkPolicys of a", "RoleBindings of a"];
        assert_eq!(told(&["kube:Namespace/a"]), [&let_in[..], &["kube:Namespace/a"]].concat());
        let roles = told(&["kube:Role/a/x", "kube:Role/a/y", "kube:RoleBinding/a/z"]);
        assert_eq!(roles, ["NetworkPolicys of a", "Roles of a", "RoleBindings of a"]);
        // Of what is mostly other people's, and of secrets, nothing is asked but what is meant.
        assert_eq!(told(&["kube:Secret/a/x"]), [&let_in[..], &["kube:Secret/a/x"]].concat());
        assert_eq!(told(&["kube:ClusterRole/x"]), ["kube:ClusterRole/x"]);
    }
}
