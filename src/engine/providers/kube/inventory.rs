//! All that a namespace holds, of every kind that the API server has: before a namespace ends, everything in it has to be
//! known, and not only what kwo made.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResourceList};
use kwo_planner::tree::Tree;
use serde::de::DeserializeOwned;
use smol_str::{SmolStr, format_smolstr};

use super::connect::Kube;
use super::cutter::get;
use super::observe::SMALLER;
use super::path::{encoded, segment};
use super::response::Trouble;
use super::transport::Call;
use crate::providers::{Refusal, Whole};

/// How many objects a page has at most.
const PAGE: usize = 500;

/// What controllers keep for every namespace or Service, and make again by themselves.
const KEPT_BY_CONTROLLERS: [&str; 3] = ["events", "endpoints", "endpointslices"];

/// An object, with the path that leads to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The path at which it is deleted.
    pub path: SmolStr,
    /// All of it.
    pub object: Tree,
}

/// A kind of object that stands in namespaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiKind {
    /// `v1`, `apps/v1`.
    version: SmolStr,
    plural: SmolStr,
    kind: SmolStr,
}

impl Kube {
    /// Every kind that stands in namespaces and can be listed and deleted.
    ///
    /// # Errors
    /// When one group of the API does not answer: what it holds would not be seen.
    pub async fn kinds(&self) -> Result<Vec<ApiKind>, Refusal> {
        let groups: APIGroupList = self.read_json("/apis").await?;
        let versions = groups.groups.into_iter().filter_map(|group| {
            let first = group.versions.first().map(|version| version.group_version.clone());
            group.preferred_version.map(|version| version.group_version).or(first)
        });
        let mut kinds = Vec::new();
        let all = versions.map(|version| (format!("/apis/{version}"), version));
        for (path, version) in [("/api/v1".to_owned(), "v1".to_owned())].into_iter().chain(all) {
            let list: APIResourceList = self.read_json(&path).await?;
            for resource in list.resources {
                let can = |verb: &str| resource.verbs.iter().any(|have| have == verb);
                let counts = resource.namespaced
                    && can("list")
                    && can("delete")
                    && !resource.name.contains('/')
                    && !KEPT_BY_CONTROLLERS.contains(&resource.name.as_str());
                if counts {
                    kinds.push(ApiKind {
                        version: version.as_str().into(),
                        plural: resource.name.into(),
                        kind: resource.kind.into(),
                    });
                }
            }
        }
        Ok(kinds)
    }

    /// All objects of these kinds in a namespace, without those that a controller made from others of them. A claim stays:
    /// a controller makes it again, but not the data of its volume.
    ///
    /// # Errors
    /// When a kind cannot be listed.
    pub async fn held_in(&self, kinds: &[ApiKind], namespace: &str) -> Result<Vec<Held>, Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let (mut held, mut uids) = (Vec::new(), BTreeSet::new());
        for ApiKind { version, plural, kind } in kinds {
            let root = if version.contains('/') { "/apis" } else { "/api" };
            let place =
                format!("{root}/{version}/namespaces/{}/{plural}", segment(namespace).map_err(refused)?);
            for object in self.pages(&place).await? {
                let object = object
                    .with("/apiVersion", Tree::from(version.clone()))
                    .with("/kind", Tree::from(kind.clone()));
                uids.extend(object.at("/metadata/uid").and_then(Tree::as_text).cloned());
                let name = object.at("/metadata/name").and_then(Tree::as_text).cloned().unwrap_or_default();
                let path = format!("{place}/{}", segment(&name).map_err(refused)?);
                held.push(Held { path: path.into(), object });
            }
        }
        held.retain(|held| !is_made_by_itself(&held.object, &uids));
        Ok(held)
    }

    /// The pods of a namespace, also those that a controller made.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn pods_in(&self, namespace: &str) -> Result<Vec<Tree>, Refusal> {
        let namespace = segment(namespace).map_err(|why| Refusal::Refused { why })?;
        self.pages(&format!("/api/v1/namespaces/{namespace}/pods")).await
    }

    /// The volume claims of a namespace.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn claims_in(&self, namespace: &str) -> Result<Vec<Tree>, Refusal> {
        let namespace = segment(namespace).map_err(|why| Refusal::Refused { why })?;
        self.pages(&format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims")).await
    }

    /// All volumes.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn volumes(&self) -> Result<Vec<Tree>, Refusal> {
        self.pages("/api/v1/persistentvolumes").await
    }

    /// All nodes.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn nodes(&self) -> Result<Vec<Tree>, Refusal> {
        self.pages("/api/v1/nodes").await
    }

    /// A namespace as it is now; nothing where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn namespace(&self, name: &str) -> Result<Option<Held>, Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let path = format!("/api/v1/namespaces/{}", segment(name).map_err(refused)?);
        let whole = get(&self.transport, &path).await?;
        Ok(whole.map(|Whole { object, version: _, doubt: _ }| Held { path: path.into(), object }))
    }

    async fn pages(&self, place: &str) -> Result<Vec<Tree>, Refusal> {
        let (mut limit, mut from) = (PAGE, String::new());
        let mut objects = Vec::new();
        loop {
            let asked = self.transport.ask(&Call::get(format!("{place}?limit={limit}{from}"))).await;
            if matches!(asked.outcome, Err(Trouble::TooLarge(_))) && limit > 1 {
                limit = (limit / SMALLER).max(1);
                continue;
            }
            let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
            if !response.is_success() {
                return Err(response.refusal(asked.tries));
            }
            let list: Tree = parsed(place, &response.body)?;
            objects.extend(list.get("items").map(Tree::items).unwrap_or_default().iter().cloned());
            match list.at("/metadata/continue").and_then(Tree::as_text).filter(|next| !next.is_empty()) {
                Some(next) => from = format!("&continue={}", encoded(next)),
                None => return Ok(objects),
            }
        }
    }

    async fn read_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        let asked = self.transport.ask(&Call::get(path)).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if response.status == StatusCode::OK {
            parsed(path, &response.body)
        } else {
            Err(response.refusal(asked.tries))
        }
    }
}

fn parsed<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Unreachable {
        why: format!("the answer at {path} cannot be read: {error}"),
    })
}

/// Is it there in every namespace, or because of another object that is there as well, so that it comes again with that?
/// Anybody can write that an object is another one's.
fn is_made_by_itself(object: &Tree, uids: &BTreeSet<SmolStr>) -> bool {
    let text = |pointer: &str| object.at(pointer).and_then(Tree::as_text).map(|text| text.as_str());
    let owners = object.at("/metadata/ownerReferences").map(Tree::items).unwrap_or_default();
    let derived = owners.iter().any(|owner| {
        let is_there = owner.get("uid").and_then(Tree::as_text).is_some_and(|uid| uids.contains(uid));
        owner.get("controller") == Some(&Tree::Bool(true)) && is_there
    });
    let is_claim = (text("/apiVersion"), text("/kind")) == (Some("v1"), Some("PersistentVolumeClaim"));
    (derived && !is_claim)
        || matches!((text("/kind"), text("/metadata/name")), (Some("ConfigMap"), Some("kube-root-ca.crt")))
}

/// What is said of objects by kind: `Deployment.apps: 3`.
#[must_use]
pub fn counted<'o>(objects: impl Iterator<Item = &'o Tree>) -> Vec<SmolStr> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for object in objects {
        let text = |pointer: &str| object.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default();
        let group =
            text("/apiVersion").split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
        *counts.entry(format!("{}{group}", text("/kind"))).or_default() += 1;
    }
    counts.into_iter().map(|(kind, count)| format_smolstr!("{kind}: {count}")).collect()
}
