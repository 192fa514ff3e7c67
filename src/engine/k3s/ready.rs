//! Whether the API of a node answers, and says that the node is ready.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::{Instant, sleep, timeout};

use crate::providers::chain;
use kwo_planner::roster::NodeName;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// For one look.
const ANSWER: Duration = Duration::from_secs(10);

/// Waits until the node is ready, for so long.
pub(super) async fn wait(kubeconfig: &Path, node: &NodeName, patience: Duration) -> Result<(), String> {
    let end = Instant::now() + patience;
    loop {
        let why = match is_ready(kubeconfig, node).await {
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
pub(super) async fn is_ready(kubeconfig: &Path, node: &NodeName) -> Result<(), String> {
    let look = async {
        let shown = kubeconfig.display();
        let read =
            Kubeconfig::read_from(kubeconfig).map_err(|_| format!("k3s has not written {shown} yet"))?;
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let config = config.map_err(|error| format!("{shown} leads to no cluster: {}", chain(&error)))?;
        let client = Client::try_from(config).map_err(|error| format!("{shown}: {}", chain(&error)))?;
        let found = Api::<Node>::all(client).get_opt(node).await;
        let found = found.map_err(|error| format!("the API does not answer: {}", chain(&error)))?;
        let found = found.ok_or_else(|| format!("the API answers, and has no node {node} yet"))?;
        let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.iter().any(|found| found.type_ == "Ready" && found.status == "True");
        if ready { Ok(()) } else { Err(format!("the node {node} is not ready yet")) }
    };
    timeout(ANSWER, look).await.unwrap_or_else(|_| Err("the API does not answer".to_owned()))
}
