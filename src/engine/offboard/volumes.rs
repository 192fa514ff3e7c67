//! Where the data of a tenant's volumes lies on this machine. Only what is a folder of the node that kwo runs on can be read
//! without a pod that would need the tenant's image, quota and user; of everything else it is said where it lies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kwo_planner::tree::{SmolStr, Tree};
use smol_str::format_smolstr;

use super::keep::is_bound;
use crate::providers::{Held, Kube, Refusal, machine_folder};

/// The claims of a tenant whose data is to be kept.
pub struct Volume {
    /// The namespace of the claim.
    pub namespace: SmolStr,
    /// Its name.
    pub claim: SmolStr,
    /// The folder with its data.
    pub folder: PathBuf,
}

/// Why the data of volumes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NotHere {
    /// Nobody could look.
    #[error("cannot look for the volumes: {0}")]
    Unseen(Refusal),
    /// Of some nothing can be read here; each as a sentence.
    #[error("{}", .0.join("; "))]
    Elsewhere(Vec<String>),
}

/// The folders of all claims among these objects that are bound to a volume, on the machine with this root.
///
/// # Errors
/// When one of them does not lie here: nothing is kept by half.
pub async fn volumes(kube: &Arc<Kube>, objects: &[Held], root: &Path) -> Result<Vec<Volume>, NotHere> {
    let of_kind =
        |held: &&Held| text(&held.object, "/kind") == "PersistentVolumeClaim" && is_bound(&held.object);
    let claims: Vec<&Held> = objects.iter().filter(of_kind).collect();
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let volumes = kube.volumes().await.map_err(NotHere::Unseen)?;
    let nodes = kube.nodes().await.map_err(NotHere::Unseen)?;
    let (mut found, mut elsewhere) = (Vec::new(), Vec::new());
    for claim in claims {
        let (namespace, name) =
            (text(&claim.object, "/metadata/namespace"), text(&claim.object, "/metadata/name"));
        match folder(&claim.object, &volumes, &nodes, root) {
            Ok(folder) => found.push(Volume { namespace, claim: name, folder }),
            Err(why) => elsewhere.push(format!("the volume {namespace}/{name} {why}")),
        }
    }
    if elsewhere.is_empty() { Ok(found) } else { Err(NotHere::Elsewhere(elsewhere)) }
}

fn folder(claim: &Tree, volumes: &[Tree], nodes: &[Tree], root: &Path) -> Result<PathBuf, String> {
    let name = text(claim, "/spec/volumeName");
    let volume = volumes.iter().find(|volume| !name.is_empty() && text(volume, "/metadata/name") == name);
    let volume = volume.ok_or("is bound to no volume, so there is no data to read")?;
    if text(volume, "/spec/claimRef/uid") != text(claim, "/metadata/uid") {
        return Err("names a volume that is bound to another claim".to_owned());
    }
    if text(volume, "/spec/volumeMode") == "Block" {
        return Err("is a block device and no folder".to_owned());
    }
    let path = [text(volume, "/spec/local/path"), text(volume, "/spec/hostPath/path")];
    let path = path.into_iter().find(|path| !path.is_empty());
    let path = path.ok_or("is no folder on a node, so kwo cannot read it")?;
    let places = hosts(volume);
    let here = nodes.iter().filter(|node| {
        let host = text(node, "/metadata/labels/kubernetes.io~1hostname");
        places.is_empty() || places.contains(&host)
    });
    let node = match here.collect::<Vec<_>>().as_slice() {
        [node] => *node,
        [] => return Err("lies on a node that is not in the cluster".to_owned()),
        _ => return Err("may lie on several nodes, and kwo does not know which".to_owned()),
    };
    let own = fs::read_to_string(root.join("etc/machine-id")).unwrap_or_default();
    let id = text(node, "/status/nodeInfo/machineID");
    if id.is_empty() || id != own.trim() {
        let node = text(node, "/metadata/name");
        return Err(format!(
            "lies on the node {node}, and this machine is another one; run the command there"
        ));
    }
    // Machines that were cloned from one image have one id.
    if nodes.iter().filter(|node| text(node, "/status/nodeInfo/machineID") == id).count() > 1 {
        return Err(
            "lies on a node whose machine ID another node has, too, so kwo does not know which one this is"
                .to_owned(),
        );
    }
    machine_folder(root, Path::new(path.as_str())).map_err(|why| format!("cannot be read: {why}"))
}

/// The hosts that a volume can be used on; nothing where it does not say.
fn hosts(volume: &Tree) -> Vec<SmolStr> {
    let terms =
        volume.at("/spec/nodeAffinity/required/nodeSelectorTerms").map(Tree::items).unwrap_or_default();
    let of = |term: &Tree| term.get("matchExpressions").map(Tree::items).unwrap_or_default().to_vec();
    let host = |one: &Tree| text(one, "/key") == "kubernetes.io/hostname" && text(one, "/operator") == "In";
    let values = |one: Tree| one.get("values").map(Tree::items).unwrap_or_default().to_vec();
    let found = terms.iter().flat_map(of).filter(host).flat_map(values);
    found.filter_map(|value| value.as_text().cloned()).collect()
}

/// The claims in these namespaces that a pod may still write to. Pods are listed for it: an archive has none of those that a
/// controller made.
///
/// # Errors
/// When they cannot be listed.
pub async fn used(kube: &Arc<Kube>, namespaces: &[SmolStr]) -> Result<Vec<SmolStr>, Refusal> {
    let mut all = BTreeSet::new();
    for namespace in namespaces {
        all.extend(in_use(namespace, &kube.pods_in(namespace).await?));
    }
    Ok(all.into_iter().collect())
}

/// The claims that one of these pods may still write to, also those that Kubernetes makes for the pod alone.
fn in_use(namespace: &str, pods: &[Tree]) -> Vec<SmolStr> {
    let pods =
        pods.iter().filter(|pod| !["Succeeded", "Failed"].contains(&text(pod, "/status/phase").as_str()));
    let claims = pods.flat_map(|pod| {
        let name = text(pod, "/metadata/name");
        let volumes = pod.at("/spec/volumes").map(Tree::items).unwrap_or_default();
        volumes.iter().filter_map(move |volume| match volume.get("ephemeral") {
            Some(_) => Some(format_smolstr!("{namespace}/{name}-{}", text(volume, "/name"))),
            None => {
                let claim = text(volume, "/persistentVolumeClaim/claimName");
                (!claim.is_empty()).then(|| format_smolstr!("{namespace}/{claim}"))
            }
        })
    });
    claims.collect()
}

fn text(object: &Tree, pointer: &str) -> SmolStr {
    object.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_a_folder_of_this_very_machine_is_read() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::create_dir_all(root.path().join("srv/data")).unwrap();
        fs::write(root.path().join("etc/machine-id"), "abc\n").unwrap();
        let claim = tree(r#"{"metadata":{"uid":"u"},"spec":{"volumeName":"pv"}}"#);
        let nodes = [
            tree(
                r#"{"metadata":{"name":"one","labels":{"kubernetes.io/hostname":"h1"}},"status":{"nodeInfo":{"machineID":"abc"}}}"#,
            ),
            tree(
                r#"{"metadata":{"name":"two","labels":{"kubernetes.io/hostname":"h2"}},"status":{"nodeInfo":{"machineID":"def"}}}"#,
            ),
        ];
        let affinity = |host: &str| {
            format!(
                r#""nodeAffinity":{{"required":{{"nodeSelectorTerms":[{{"matchExpressions":[{{"key":"kubernetes.io/hostname",
                "operator":"In","values":["{host}"]}}]}}]}}}}"#
            )
        };
        let volume = |rest: &str| {
            tree(&format!(r#"{{"metadata":{{"name":"pv"}},"spec":{{"claimRef":{{"uid":"u"}},{rest}}}}}"#))
        };
        let data = r#""local":{"path":"/srv/data"}"#;
        let of = |volume: Tree| folder(&claim, &[volume], &nodes, root.path());
        let here = volume(&format!("{data},{}", affinity("h1")));
        assert_eq!(of(here.clone()).unwrap(), root.path().canonicalize().unwrap().join("srv/data"));
        for (volume, why) in [
            (
                volume(&format!("{data},{}", affinity("h2"))),
                "lies on the node two, and this machine is another one",
            ),
            (volume(&format!("{data},{}", affinity("h3"))), "lies on a node that is not in the cluster"),
            (volume(data), "may lie on several nodes"),
            (volume(&format!(r#""csi":{{"driver":"x"}},{}"#, affinity("h1"))), "is no folder on a node"),
            (volume(&format!(r#""volumeMode":"Block",{data},{}"#, affinity("h1"))), "is a block device"),
            (here.with("/spec/claimRef/uid", Tree::from("v")), "is bound to another claim"),
            (here.with("/metadata/name", Tree::from("other")), "is bound to no volume"),
        ] {
            let found = of(volume).unwrap_err();
            assert!(found.contains(why), "{found}");
        }
        // Two machines that were made from one image.
        let twin = nodes[1].with("/status/nodeInfo/machineID", Tree::from("abc"));
        let twins = [nodes[0].clone(), twin];
        let found = folder(&claim, std::slice::from_ref(&here), &twins, root.path()).unwrap_err();
        assert!(found.contains("whose machine ID another node has, too"), "{found}");
        // Without the id of the machine nobody knows which one it is.
        fs::write(root.path().join("etc/machine-id"), "").unwrap();
        assert!(of(here).is_err());
    }

    #[test]
    fn a_claim_that_a_pod_has_may_be_written_to() {
        let pod = |phase: &str, volume: &str| {
            tree(&format!(
                r#"{{"metadata":{{"name":"web"}},"status":{{"phase":"{phase}"}},"spec":{{"volumes":[{{"name":"x"}},{volume}]}}}}"#
            ))
        };
        let claim =
            |name: &str| format!(r#"{{"name":"y","persistentVolumeClaim":{{"claimName":"{name}"}}}}"#);
        let pods = [
            pod("Pending", &claim("one")),
            pod("Succeeded", &claim("two")),
            pod("Failed", &claim("three")),
            pod("Running", r#"{"name":"scratch","ephemeral":{"volumeClaimTemplate":{}}}"#),
        ];
        assert_eq!(in_use("a", &pods), ["a/one", "a/web-scratch"]);
    }
}
