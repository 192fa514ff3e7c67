//! The questions, each asked by itself and all at once. The first one is the server's version: where no answer comes
//! at all the others are not asked.

use std::path::Path;

use futures_util::future::{join, join_all, join3, join5};
use jiff::Timestamp;
use kwo_planner::domains::dns::{HTTP_RESOLVER, credentials_of};
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::roster::{Entry, Roster};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::tenants::tenants;
use super::{Agreement, Answer, Pod, Registry, Replicas, Resolver, Server, Status, disk, tokens};
use crate::providers::{Kube, Node, Refusal};
use crate::sync::Memory;

/// The objects of a list.
#[derive(Deserialize)]
pub(super) struct List<T> {
    items: Vec<T>,
}

/// The heads of the objects of a list, for which the server writes `null` where there are none.
#[derive(Deserialize)]
struct Heads<T> {
    items: Option<Vec<T>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct NodeObject {
    metadata: Named,
    status: NodeStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
    node_info: NodeInfo,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: String,
}

#[derive(Deserialize)]
struct PodObject {
    metadata: Named,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Deserialize)]
struct PodSpec {
    containers: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStatus {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    ready: bool,
    restart_count: u64,
}

/// What a Deployment wants and has.
#[derive(Deserialize)]
struct Deployment {
    spec: DeploymentSpec,
    #[serde(default)]
    status: DeploymentStatus,
}

#[derive(Deserialize)]
struct DeploymentSpec {
    replicas: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DeploymentStatus {
    available_replicas: u64,
}

/// The path of the pods in a namespace, of all or of those with a label.
pub fn pods(namespace: &str, label: Option<&str>) -> String {
    let label = label.map_or_else(String::new, |label| {
        format!("?labelSelector={}", label.replace('/', "%2F").replace('=', "%3D"))
    });
    format!("/api/v1/namespaces/{namespace}/pods{label}")
}

/// Asks everything about the cluster and the tenants of the roster, and about the node below `root`, which is nothing
/// where that is no folder. `agreement` is asked only where the server answers. Says besides why it gives no answer at
/// all, where that is so.
pub async fn look(
    kube: &Kube,
    roster: Answer<&Roster>,
    agreement: impl Future<Output = Answer<Agreement>>,
    node: Option<(&Path, Option<Node>)>,
) -> (Status, Option<String>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    let asked = there::<Version>(kube, "/version").await;
    let away = match &asked {
        Err(Refusal::Unreachable { why }) => Some(why.clone()),
        _ => None,
    };
    let version = Answer::from(asked).map(|version| version.git_version);
    let asked = Asked { kube, away: away.is_some() };
    let root = node.as_ref().map(|(root, _)| *root);
    let node = node.map(|(root, node)| tokens::node(root, node));
    let agreement = async { if asked.away { asked.silence() } else { agreement.await } };
    let known = match &roster {
        Answer::Found(roster) => Some(*roster),
        Answer::CouldNotLook(_) => None,
    };
    let (cluster, (tokens, k3s), agreement) = join3(
        join5(
            nodes(&asked),
            traefik(&asked),
            async { if let Some(roster) = known { resolvers(&asked, roster).await } else { Vec::new() } },
            async { registry(&asked, known?).await },
            async { if let Some(roster) = known { tenants(&asked, roster).await } else { Vec::new() } },
        ),
        join(tokens::tokens(&asked, known, node.as_ref()), k3s(node.as_ref())),
        agreement,
    )
    .await;
    let (nodes, traefik, resolvers, registry, tenants) = cluster;
    let (last_run, last_sync) = match asked.away {
        true => (asked.silence(), asked.silence()),
        false => {
            let (run, memory) = join(kube.last_run(), Memory::recall(kube)).await;
            (run.into(), Answer::from(memory).map(|(mut memory, _)| memory.history.pop()))
        }
    };
    let status = Status {
        format_version: FORMAT_VERSION,
        kwo: env!("CARGO_PKG_VERSION"),
        roster: roster.map(|roster| roster.sources().files()[0].name.clone()),
        agreement,
        server: Server { address: kube.address().to_owned(), version },
        nodes,
        disk: root.map(disk::look),
        k3s,
        traefik,
        resolvers,
        registry,
        tenants,
        tokens,
        last_run,
        last_sync,
    };
    (status, away)
}

/// The server, as far as it answers.
pub(super) struct Asked<'k> {
    kube: &'k Kube,
    away: bool,
}

impl Asked<'_> {
    fn silence<T>(&self) -> Answer<T> {
        Answer::CouldNotLook("the server cannot be reached".to_owned())
    }

    /// All objects of a list.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Answer<Vec<T>> {
        if self.away {
            return self.silence();
        }
        Answer::from(there::<List<T>>(self.kube, path).await).map(|list| list.items)
    }

    /// The heads of all objects of a list.
    pub(super) async fn heads<T: DeserializeOwned>(&self, path: &str) -> Answer<Vec<T>> {
        if self.away {
            return self.silence();
        }
        let list = self.kube.heads::<Heads<T>>(path).await;
        Answer::from(list).map(|list| list.and_then(|list| list.items).unwrap_or_default())
    }
}

/// Since when k3s runs on the node, where that is this machine.
async fn k3s(node: Option<&Answer<Node>>) -> Option<Answer<Option<Timestamp>>> {
    match node? {
        Answer::CouldNotLook(_) => None,
        Answer::Found(node) => match node.runs_since("k3s").await? {
            Ok(since) => Some(Answer::Found(since)),
            Err(why) => Some(Answer::CouldNotLook(why)),
        },
    }
}

/// What has to be there, because every server has it.
async fn there<T: DeserializeOwned>(kube: &Kube, path: &str) -> Result<T, Refusal> {
    let missing = || Refusal::Refused { why: format!("the server has no {path}") };
    kube.get(path).await?.ok_or_else(missing)
}

async fn nodes(asked: &Asked<'_>) -> Answer<Vec<super::Node>> {
    let node = |NodeObject { metadata, status }: NodeObject| super::Node {
        name: metadata.name,
        ready: status.conditions.iter().any(|have| have.r#type == "Ready" && have.status == "True"),
        version: status.node_info.kubelet_version,
    };
    asked.list("/api/v1/nodes").await.map(|nodes| nodes.into_iter().map(node).collect())
}

async fn traefik(asked: &Asked<'_>) -> Answer<Vec<Pod>> {
    let pod = |PodObject { metadata, spec, status }: PodObject| Pod {
        name: metadata.name,
        phase: status.phase,
        containers: spec.containers.len(),
        ready: status.container_statuses.iter().filter(|container| container.ready).count(),
        restarts: status.container_statuses.iter().map(|container| container.restart_count).sum(),
    };
    let path = pods("kube-system", Some("app.kubernetes.io/name=traefik"));
    asked.list(&path).await.map(|pods| pods.into_iter().map(pod).collect())
}

async fn registry(asked: &Asked<'_>, roster: &Roster) -> Option<Registry> {
    let (_, registry) = roster.registry()?;
    let replicas = |Deployment { spec, status }: Deployment| Replicas {
        wanted: spec.replicas,
        available: status.available_replicas,
    };
    let path = "/apis/apps/v1/namespaces/kube-system/deployments/registry";
    let found = if asked.away { asked.silence() } else { Answer::from(asked.kube.get(path).await) };
    Some(Registry {
        hosts: registry.hosts.iter().map(|host| host.value.to_string()).collect(),
        replicas: found.map(|found: Option<Deployment>| found.map(replicas)),
    })
}

/// The one that is always there, and those of the roster.
async fn resolvers(asked: &Asked<'_>, roster: &Roster) -> Vec<Resolver> {
    if roster.cluster().acme.is_none() {
        return Vec::new();
    }
    let http = Resolver {
        name: HTTP_RESOLVER.to_owned(),
        provider: None,
        credentials: Answer::Found(std::collections::BTreeMap::new()),
    };
    let others = roster.dns().resolvers.iter().map(async |(name, Entry { key: _, value: resolver })| {
        let keys = match credentials_of(name, roster.cluster()) {
            _ if asked.away => asked.silence(),
            Some(secret) => Answer::from(asked.kube.keys(&secret).await).map(Option::unwrap_or_default),
            None => Answer::Found(Vec::new()),
        };
        let wanted = resolver.credentials.keys().map(ToString::to_string);
        Resolver {
            name: name.to_string(),
            provider: Some(resolver.provider.value.to_string()),
            credentials: keys.map(|keys| wanted.map(|key| (key.clone(), keys.contains(&key))).collect()),
        }
    });
    [vec![http], join_all(others).await].concat()
}
