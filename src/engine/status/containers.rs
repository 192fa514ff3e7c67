//! The containers of a namespace, for whoever reads their logs.

use k8s_openapi::List;
use k8s_openapi::api::core::v1::Pod;

use super::look::pods;
use crate::providers::{Kube, Refusal};

/// A container that has a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Container {
    /// The namespace of its pod.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// Its name in the pod.
    pub name: String,
}

/// All containers of the pods in a namespace, or of those with this label.
///
/// # Errors
/// When the server does not answer or refuses.
pub async fn containers(
    kube: &Kube,
    namespace: &str,
    label: Option<&str>,
) -> Result<Vec<Container>, Refusal> {
    let found: Option<List<Pod>> = kube.get(&pods(namespace, label)).await?;
    let all = found.into_iter().flat_map(|list| list.items).flat_map(|Pod { metadata, spec, .. }| {
        let pod = metadata.name.unwrap_or_default();
        let inside = spec.map(|spec| spec.containers).unwrap_or_default();
        inside.into_iter().map(move |container| Container {
            namespace: namespace.to_owned(),
            pod: pod.clone(),
            name: container.name,
        })
    });
    Ok(all.collect())
}
