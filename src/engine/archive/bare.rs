//! Manifests without what only the server that they were read from can know: what is left is what another server can
//! be given. What kwo and others wrote stays, marks among it.

use kwo_planner::tree::{SmolStr, Tree};
use sha2::{Digest as _, Sha256};

/// What no manifest keeps.
const ALWAYS: [&[&str]; 14] = [
    &["status"],
    &["metadata", "uid"],
    &["metadata", "resourceVersion"],
    &["metadata", "generation"],
    &["metadata", "creationTimestamp"],
    &["metadata", "deletionTimestamp"],
    &["metadata", "deletionGracePeriodSeconds"],
    &["metadata", "managedFields"],
    &["metadata", "selfLink"],
    // Another cluster has no such owner, and would delete what has none.
    &["metadata", "ownerReferences"],
    // Who holds it back there does not know it here.
    &["metadata", "finalizers"],
    &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
    &["metadata", "annotations", "deployment.kubernetes.io/revision"],
    &["metadata", "annotations", "deprecated.daemonset.template.generation"],
];

/// What a claim knows of the disk that it was given.
const CLAIM: [&[&str]; 7] = [
    &["spec", "volumeName"],
    &["metadata", "annotations", "pv.kubernetes.io/bind-completed"],
    &["metadata", "annotations", "pv.kubernetes.io/bound-by-controller"],
    &["metadata", "annotations", "volume.kubernetes.io/selected-node"],
    &["metadata", "annotations", "volume.kubernetes.io/storage-provisioner"],
    &["metadata", "annotations", "volume.beta.kubernetes.io/storage-provisioner"],
    &["metadata", "annotations", "volume.kubernetes.io/storage-resizer"],
];

/// Where the server gave a Service its addresses. One without any says `None` itself.
const SERVICE: [&[&str]; 3] =
    [&["spec", "clusterIP"], &["spec", "clusterIPs"], &["spec", "healthCheckNodePort"]];

/// How the server tells the pods of a Job from those of others.
const JOB: [&[&str]; 6] = [
    &["spec", "selector"],
    &["metadata", "labels", "batch.kubernetes.io/controller-uid"],
    &["metadata", "labels", "controller-uid"],
    &["spec", "template", "metadata", "labels", "batch.kubernetes.io/controller-uid"],
    &["spec", "template", "metadata", "labels", "controller-uid"],
    &["spec", "template", "metadata", "creationTimestamp"],
];

/// What is in a token that the server made. It is of no use to another, and lets nobody in whose account is gone.
const TOKEN: [&[&str]; 2] = [&["data"], &["metadata", "annotations", "kubernetes.io/service-account.uid"]];

/// The type of a Secret whose content the server makes.
pub(super) const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// An object as an archive keeps it.
#[must_use]
pub fn bare(object: &Tree) -> Tree {
    let text = |pointer: &str| object.at(pointer).and_then(Tree::as_text).map_or("", SmolStr::as_str);
    let own: &[&[&str]] = match text("/kind") {
        "Namespace" => &[&["spec", "finalizers"]],
        "PersistentVolumeClaim" => &CLAIM,
        "Service" if text("/spec/clusterIP") != "None" => &SERVICE,
        "ServiceAccount" => &[&["secrets"]],
        "Secret" if text("/type") == TOKEN_TYPE => &TOKEN,
        "Job" if object.at("/spec/manualSelector") != Some(&Tree::Bool(true)) => &JOB,
        "Pod" => &[&["spec", "nodeName"]],
        _ => &[],
    };
    ALWAYS.iter().chain(own).fold(object.clone(), |object, path| without(&object, path))
}

/// SHA-256 of an object in canonical JSON.
#[must_use]
pub fn digest(object: &Tree) -> SmolStr {
    hex(&Sha256::digest(object.to_string().as_bytes()))
}

/// The controller that made the object and would make it again, where there is one.
pub(super) fn owner(object: &Tree) -> Option<String> {
    let owners = object.at("/metadata/ownerReferences")?.items();
    let owner = owners.iter().find(|owner| owner.get("controller") == Some(&Tree::Bool(true)))?;
    let text = |key: &str| owner.get(key).and_then(Tree::as_text).cloned().unwrap_or_default();
    Some(format!("{}/{}", text("kind"), text("name")))
}

pub(crate) fn hex(bytes: &[u8]) -> SmolStr {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The tree without what is at this path, and without maps that hold nothing then.
pub(super) fn without(tree: &Tree, path: &[&str]) -> Tree {
    let (Tree::Map(entries), Some((first, rest))) = (tree, path.split_first()) else { return tree.clone() };
    if tree.get(first).is_none() {
        return tree.clone();
    }
    let kept = entries.iter().filter_map(|(key, value)| {
        if key != first {
            return Some((key.clone(), value.clone()));
        }
        let left = if rest.is_empty() { return None } else { without(value, rest) };
        let emptied = left.entries().is_empty() && !value.entries().is_empty();
        (!emptied).then(|| (key.clone(), left))
    });
    Tree::map(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bared(json: &str) -> String {
        let once = bare(&serde_json::from_str(json).unwrap());
        assert_eq!(bare(&once), once, "what is bare stays as it is");
        once.to_string()
    }

    #[test]
    fn what_only_the_server_knows_goes_and_the_rest_stays() {
        let head = r#""apiVersion":"v1","metadata":{"uid":"u","resourceVersion":"1","generation":2,"creationTimestamp":"t",
            "managedFields":[],"ownerReferences":[{"uid":"x"}],"finalizers":["f"],"name":"a","namespace":"n",
            "labels":{"kwo.dev/managed":"true"},"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"}}"#;
        assert_eq!(
            bared(&format!(r#"{{{head},"kind":"ConfigMap","data":{{"a":"1"}},"status":{{}}}}"#)),
            r#"{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"labels":{"kwo.dev/managed":"true"},"name":"a","namespace":"n"}}"#
        );
    }

    #[test]
    fn what_the_server_gave_to_a_kind_goes() {
        for (object, left) in [
            (
                r#"{"kind":"Namespace","metadata":{"name":"n"},"spec":{"finalizers":["kubernetes"]}}"#,
                r#"{"kind":"Namespace","metadata":{"name":"n"}}"#,
            ),
            (
                r#"{"kind":"PersistentVolumeClaim","metadata":{"annotations":{"mine":"x","pv.kubernetes.io/bind-completed":"yes"}},"spec":{"volumeName":"pvc-1","storageClassName":"s"}}"#,
                r#"{"kind":"PersistentVolumeClaim","metadata":{"annotations":{"mine":"x"}},"spec":{"storageClassName":"s"}}"#,
            ),
            (
                r#"{"kind":"Service","spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"type":"ClusterIP"}}"#,
                r#"{"kind":"Service","spec":{"type":"ClusterIP"}}"#,
            ),
            (
                r#"{"kind":"Service","spec":{"clusterIP":"None","clusterIPs":["None"]}}"#,
                r#"{"kind":"Service","spec":{"clusterIP":"None","clusterIPs":["None"]}}"#,
            ),
            (
                r#"{"kind":"Secret","data":{"token":"eA=="},"type":"kubernetes.io/service-account-token","metadata":{"annotations":{"kubernetes.io/service-account.name":"d","kubernetes.io/service-account.uid":"u"}}}"#,
                r#"{"kind":"Secret","metadata":{"annotations":{"kubernetes.io/service-account.name":"d"}},"type":"kubernetes.io/service-account-token"}"#,
            ),
            (
                r#"{"kind":"Job","spec":{"selector":{"matchLabels":{"controller-uid":"u"}},"template":{"metadata":{"labels":{"controller-uid":"u","app":"a"}}}}}"#,
                r#"{"kind":"Job","spec":{"template":{"metadata":{"labels":{"app":"a"}}}}}"#,
            ),
            (r#"{"kind":"ConfigMap","data":{}}"#, r#"{"data":{},"kind":"ConfigMap"}"#),
        ] {
            assert_eq!(bared(object), left);
        }
    }
}
