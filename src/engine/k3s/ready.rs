//! Whether the API of a node answers, and says that the node is ready.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::{Instant, sleep, timeout};

use crate::providers::chain;
use kwo_planner::plain::one_line;
use kwo_planner::roster::{K3sVersion, NodeName};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// For one look.
const ANSWER: Duration = Duration::from_secs(10);
/// Where the leases of the nodes are.
const LEASES: &str = "kube-node-lease";

/// A k3s that was started just now: what the database says of its node is from before the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since<'s> {
    /// When it was started.
    pub(super) started: Timestamp,
    /// The version that the node has to say.
    pub(super) version: &'s K3sVersion,
}

/// Waits until the node is ready, for so long.
pub(super) async fn wait(
    kubeconfig: &Path,
    node: &NodeName,
    since: Option<Since<'_>>,
    patience: Duration,
) -> Result<(), String> {
    let end = Instant::now() + patience;
    loop {
        let why = match is_ready(kubeconfig, node, since).await {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        if Instant::now() >= end {
            return Err(why);
        }
        sleep(PAUSE).await;
    }
}

/// Is it ready now? Otherwise why not.
pub(super) async fn is_ready(
    kubeconfig: &Path,
    node: &NodeName,
    since: Option<Since<'_>>,
) -> Result<(), String> {
    let look = async {
        let client = client(kubeconfig).await?;
        let unanswered = |error: kube::Error| format!("the API does not answer: {}", chain(&error));
        let found = Api::<Node>::all(client.clone()).get_opt(node).await.map_err(unanswered)?;
        let found = found.ok_or_else(|| format!("the API answers, and has no node {node} yet"))?;
        let status = found.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        if !conditions.iter().any(|found| found.type_ == "Ready" && found.status == "True") {
            return Err(format!("the node {node} is not ready yet"));
        }
        let Some(Since { started, version }) = since else { return Ok(()) };
        let says = status.node_info.map(|info| info.kubelet_version).unwrap_or_default();
        if says != version.as_str() {
            return Err(format!("the node {node} says {}, and not {version} yet", one_line(&says)));
        }
        // Every kubelet renews a lease, every ten seconds.
        let lease = Api::<Lease>::namespaced(client, LEASES).get_opt(node).await.map_err(unanswered)?;
        let renewed = lease.and_then(|lease| lease.spec?.renew_time);
        match renewed.filter(|renewed| renewed.0 >= started) {
            Some(_) => Ok(()),
            None => Err(format!("the kubelet of {node} has said nothing yet since k3s was started")),
        }
    };
    timeout(ANSWER, look).await.unwrap_or_else(|_| Err("the API does not answer".to_owned()))
}

/// A client for the API of the node.
pub(super) async fn client(kubeconfig: &Path) -> Result<Client, String> {
    let shown = kubeconfig.display();
    let read = Kubeconfig::read_from(kubeconfig).map_err(|_| format!("k3s has not written {shown} yet"))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let config = config.map_err(|error| format!("{shown} leads to no cluster: {}", chain(&error)))?;
    Client::try_from(config).map_err(|error| format!("{shown}: {}", chain(&error)))
}
