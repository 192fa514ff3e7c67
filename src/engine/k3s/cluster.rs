//! What a cluster says of itself: its nodes, its namespaces, and how many pods of each workload are ready.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{Api, ListParams};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use smol_str::{SmolStr, format_smolstr};
use tokio::time::timeout;

use super::ready::client;
use crate::providers::chain;
use kwo_planner::k3s::{Cluster, NodeSaid, Workload};

/// How many objects come at once.
const PAGE: u32 = 500;
/// How long the whole look may take.
const WHOLE: Duration = Duration::from_secs(120);

/// Looks at it.
pub(super) async fn look(kubeconfig: &Path) -> Result<Cluster, String> {
    let look = async {
        let client = client(kubeconfig).await?;
        let mut found = Cluster::default();
        for node in list::<Node>(&client).await? {
            let name = SmolStr::from(node.name_any());
            let status = node.status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            let ready = conditions.iter().any(|found| found.type_ == "Ready" && found.status == "True");
            let version = status.node_info.map(|info| info.kubelet_version).unwrap_or_default().into();
            found.nodes.insert(name, NodeSaid { ready, version });
        }
        let namespaces = list::<Namespace>(&client).await?;
        found.namespaces = namespaces.iter().map(|found| SmolStr::from(found.name_any())).collect();
        for deployment in list::<Deployment>(&client).await? {
            let name = named("Deployment", &deployment);
            let wanted = deployment.spec.replicas.unwrap_or(1);
            let ready = deployment.status.and_then(|status| status.ready_replicas);
            found.workloads.insert(name, workload(wanted, ready));
        }
        for set in list::<StatefulSet>(&client).await? {
            let name = named("StatefulSet", &set);
            let wanted = set.spec.replicas.unwrap_or(1);
            found
                .workloads
                .insert(name, workload(wanted, set.status.and_then(|status| status.ready_replicas)));
        }
        for set in list::<DaemonSet>(&client).await? {
            let name = named("DaemonSet", &set);
            let status = set.status.unwrap_or_default();
            // How many are wanted falls where a node takes none any more, and then fewer would not be seen.
            found.workloads.insert(name, workload(i32::MAX, Some(status.number_ready)));
        }
        Ok(found)
    };
    timeout(WHOLE, look).await.unwrap_or_else(|_| Err("the API does not answer".to_owned()))
}

fn workload(wanted: i32, ready: Option<i32>) -> Workload {
    let count = |number: i32| u32::try_from(number).unwrap_or(0);
    Workload { wanted: count(wanted), ready: count(ready.unwrap_or(0)) }
}

fn named(kind: &str, object: &impl ResourceExt) -> SmolStr {
    format_smolstr!("{kind}/{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// All objects of a kind, page by page.
async fn list<K>(client: &Client) -> Result<Vec<K>, String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::all(client.clone());
    let mut params = ListParams::default().limit(PAGE);
    let mut all = Vec::new();
    loop {
        let page = api.list(&params).await;
        let page = page.map_err(|error| format!("the API does not answer: {}", chain(&error)))?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}
