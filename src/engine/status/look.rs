//! The questions, each asked by itself and all at once. The first one is the server's version: where no answer comes
//! at all the others are not asked.

use std::path::{Path, PathBuf};

use futures_util::future::{join_all, join3, join5};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{NodeCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::version::Info;
use kwo_planner::domains::Roster;
use kwo_planner::domains::cert_manager;
use kwo_planner::domains::dns::{HTTP_RESOLVER, credentials_of};
use kwo_planner::domains::registry::Registry as Section;
use kwo_planner::domains::registry_users::{Account, accounts};
use kwo_planner::named::auth_id;
use kwo_planner::plain::one_line;
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::roster::Entry;

use super::asked::{Asked, there};
use super::patient::patient;
use super::tenants::tenants;
use super::{
    Agreement, Answer, Backup, Disk, OldPassword, Pod, Registry, Replicas, Resolver, Server, Status, backup,
    disk, tokens,
};
use crate::departed::Departed;
use crate::issued::{self, Issued};
use crate::providers::{Home, Kube, Node, Refusal};
use crate::secrets::{self, Old};
use crate::sync::{Checkpoint, Short};

/// The path of the pods in a namespace, of all or of those with a label.
pub(super) fn pods(namespace: &str, label: Option<&str>) -> String {
    let label = label.map_or_else(String::new, |label| {
        format!("?labelSelector={}", label.replace('/', "%2F").replace('=', "%3D"))
    });
    format!("/api/v1/namespaces/{namespace}/pods{label}")
}

/// The node that kwo runs on.
pub struct Here<'h> {
    /// The folder above its files.
    pub root: &'h Path,
    /// Its files; nothing where that is no folder.
    pub node: Option<Node>,
    /// The folder of its backups, or why nobody can say.
    pub backups: Result<PathBuf, String>,
}

/// The disks of the node and its newest backup. Where the folder of the backups gives no answer, the others are looked at without it.
async fn on_disk(root: PathBuf, backups: Result<PathBuf, String>) -> (Vec<Answer<Disk>>, Answer<Backup>) {
    const SILENT: &str = "it gives no answer; its server may be away";
    let (at, folder) = (root.clone(), backups.clone());
    let backup = patient(move || backup::look(&at, &folder, Timestamp::now())).await;
    let shown = |folder: &Path| one_line(&folder.to_string_lossy()).into_owned();
    let Some(backup) = backup else {
        let folder = backups.map_or_else(|why| why, |folder| format!("{}: {SILENT}", shown(&folder)));
        let mut disks = disks(root, None).await;
        disks.push(Answer::CouldNotLook(folder.clone()));
        return (disks, Answer::CouldNotLook(folder));
    };
    (disks(root, backups.ok()).await, backup)
}

async fn disks(root: PathBuf, backups: Option<PathBuf>) -> Vec<Answer<Disk>> {
    let looked = patient(move || disk::look(&root, backups.as_deref())).await;
    let silent = || {
        vec![Answer::CouldNotLook(
            "a folder of k3s or kwo gives no answer; its server may be away".to_owned(),
        )]
    };
    looked.unwrap_or_else(silent)
}

/// The disks of the node, and since when k3s runs on it, where no cluster can be asked.
pub(crate) async fn node_alone(here: Here<'_>) -> (Vec<Answer<Disk>>, Option<Answer<Option<Timestamp>>>) {
    let Here { root, node, backups } = here;
    let (disks, _) = on_disk(root.to_owned(), backups).await;
    (disks, k3s(Some(&tokens::node(root, node))).await)
}

/// Asks everything about the cluster and the tenants of the roster, and about the node that kwo runs on. `agreement` is asked only where the server answers. Says besides why it gives no answer at
/// all, where that is so.
pub async fn look(
    kube: &Kube,
    roster: Answer<&Roster>,
    agreement: impl Future<Output = Answer<Agreement>>,
    here: Option<Here<'_>>,
) -> (Status, Option<String>) {
    let asked = there::<Info>(kube, "/version").await;
    let away = match &asked {
        Err(Refusal::Unreachable { why }) => Some(why.clone()),
        _ => None,
    };
    let version = Answer::from(asked).map(|version| version.git_version);
    let asked = Asked { kube, away: away.is_some() };
    let seen = match &here {
        None => None,
        Some(Here { root, node: _, backups }) => Some(on_disk((*root).to_owned(), backups.clone()).await),
    };
    let (disks, backup) = seen.unzip();
    let node = here.map(|Here { root, node, backups: _ }| tokens::node(root, node));
    let agreement = async { if asked.away { asked.silence() } else { agreement.await } };
    let known = match &roster {
        Answer::Found(roster) => Some(*roster),
        Answer::CouldNotLook(_) => None,
    };
    let (cluster, (tokens, k3s, certificates), agreement) = join3(
        join5(
            nodes(&asked),
            traefik(&asked),
            async { if let Some(roster) = known { resolvers(&asked, roster).await } else { Vec::new() } },
            async { registry(&asked, known?).await },
            async { if let Some(roster) = known { tenants(&asked, roster).await } else { Vec::new() } },
        ),
        join3(tokens::tokens(&asked, known, node.as_ref()), k3s(node.as_ref()), async {
            certificates(&asked, known?).await
        }),
        agreement,
    )
    .await;
    let (nodes, traefik, resolvers, registry, tenants) = cluster;
    let (last_run, last_sync, departed): (_, _, Answer<Vec<Departed>>) = match asked.away {
        true => (asked.silence(), asked.silence(), asked.silence()),
        false => {
            let (run, memory, departed) =
                join3(kube.last_run(), Checkpoint::load(kube), Home::departed(kube)).await;
            (run.into(), Answer::from(memory).map(|(memory, _)| last_run_of(memory)), departed.into())
        }
    };
    // A tenant of the roster that has a namespace is there, whatever was done to an earlier one.
    let there = |who: &str| {
        let spaces = tenants.iter().filter(|tenant| tenant.name == who).flat_map(|tenant| &tenant.namespaces);
        spaces.into_iter().any(|space| matches!(&space.phase, Answer::Found(Some(_))))
    };
    let departed = match departed {
        Answer::Found(all) => {
            let left = |one: &Departed| !one.is_back(there);
            Answer::Found(all.into_iter().filter(left).collect())
        }
        unknown @ Answer::CouldNotLook(_) => unknown,
    };
    let status = Status {
        format_version: FORMAT_VERSION,
        kwo: env!("CARGO_PKG_VERSION"),
        roster: roster.map(|roster| roster.sources().files()[0].name.clone()),
        agreement,
        server: Server { address: kube.address().to_owned(), version },
        nodes,
        disks,
        backup,
        k3s,
        traefik,
        resolvers,
        certificates,
        registry,
        tenants,
        tokens,
        departed,
        last_run,
        last_sync,
    };
    (status, away)
}

/// The last run of `kwo sync`: what `kwo offboard` did stands among them.
fn last_run_of(memory: Checkpoint) -> Option<Short> {
    memory.history.into_iter().rev().find(|short| !short.told.starts_with("offboard "))
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

/// The issuers and Certificates, where cert-manager keeps them.
async fn certificates(asked: &Asked<'_>, roster: &Roster) -> Option<Answer<Vec<Issued>>> {
    let ids = cert_manager::asked(roster);
    if ids.is_empty() {
        return None;
    }
    if asked.away {
        return Some(asked.silence());
    }
    Some(match issued::look(asked.kube, &ids).await {
        Ok(found) => Answer::Found(found),
        Err(why) => Answer::CouldNotLook(why.to_string()),
    })
}

async fn nodes(asked: &Asked<'_>) -> Answer<Vec<super::Node>> {
    let node = |found: k8s_openapi::api::core::v1::Node| {
        let status = found.status.unwrap_or_default();
        let conditions: Vec<NodeCondition> = status.conditions.unwrap_or_default();
        let said = |kind: &str| {
            let condition = conditions.iter().find(|have| have.type_ == kind)?;
            match condition.status.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            }
        };
        super::Node {
            name: found.metadata.name.unwrap_or_default(),
            ready: said("Ready") == Some(true),
            disk_pressure: said("DiskPressure"),
            memory_pressure: said("MemoryPressure"),
            pid_pressure: said("PIDPressure"),
            version: status.node_info.unwrap_or_default().kubelet_version,
        }
    };
    asked.list("/api/v1/nodes").await.map(|nodes| nodes.into_iter().map(node).collect())
}

async fn traefik(asked: &Asked<'_>) -> Answer<Vec<Pod>> {
    let pod = |found: k8s_openapi::api::core::v1::Pod| {
        let PodStatus { phase, container_statuses, .. } = found.status.unwrap_or_default();
        let statuses = container_statuses.unwrap_or_default();
        let restarts = statuses.iter().filter_map(|container| u64::try_from(container.restart_count).ok());
        Pod {
            name: found.metadata.name.unwrap_or_default(),
            phase: phase.unwrap_or_default(),
            containers: found.spec.map_or(0, |spec| spec.containers.len()),
            ready: statuses.iter().filter(|container| container.ready).count(),
            restarts: restarts.sum(),
        }
    };
    let path = pods("kube-system", Some("app.kubernetes.io/name=traefik"));
    asked.list(&path).await.map(|pods| pods.into_iter().map(pod).collect())
}

async fn registry(asked: &Asked<'_>, roster: &Roster) -> Option<Registry> {
    let (_, registry) = roster.registry()?;
    let replicas = |Deployment { spec, status, .. }: Deployment| {
        let count = |replicas: Option<i32>| replicas.and_then(|count| u64::try_from(count).ok());
        Replicas {
            // As the server completes it.
            wanted: count(spec.replicas).unwrap_or(1),
            available: count(status.unwrap_or_default().available_replicas).unwrap_or(0),
        }
    };
    let old_passwords = if asked.away { asked.silence() } else { old_passwords(asked.kube, registry).await };
    let path = "/apis/apps/v1/namespaces/kube-system/deployments/registry";
    let found = if asked.away { asked.silence() } else { Answer::from(asked.kube.get(path).await) };
    Some(Registry {
        hosts: registry.hosts.iter().map(|host| host.value.to_string()).collect(),
        replicas: found.map(|found: Option<Deployment>| found.map(replicas)),
        old_passwords,
    })
}

/// What the registry still accepts from before a rotation.
async fn old_passwords(kube: &Kube, registry: &Section) -> Answer<Vec<OldPassword>> {
    let made = |account: Account| account.made.map(|made| (account.user, made.username));
    let made: Vec<_> = accounts(registry).into_iter().filter_map(made).collect();
    if made.is_empty() {
        return Answer::Found(Vec::new());
    }
    let id = auth_id();
    let data = match Home::read_secret(kube, &id.scope, &id.name).await {
        Ok(data) => data.unwrap_or_default(),
        Err(refusal) => return Answer::CouldNotLook(refusal.to_string()),
    };
    let now = Timestamp::now();
    let mut found = Vec::new();
    for (user, username) in made {
        match secrets::old(&data, &user, &username) {
            Err(why) => return Answer::CouldNotLook(why.to_owned()),
            Ok(None) => {}
            Ok(Some(Old { current, name, until })) => found.push(OldPassword {
                user: user.to_string(),
                name: current.to_string(),
                old_name: name.to_string(),
                until,
                over: until <= now,
            }),
        }
    }
    Answer::Found(found)
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
