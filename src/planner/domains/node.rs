//! What the roster means for files on the node: what k3s is started with, and the restart that makes it read its
//! files. A file holds YAML that others write to as well; only the keys that the roster sets are kwo's.

use std::sync::Arc;

use super::body::{map, mark};
use super::cluster::{Api, Cluster};
use crate::node::{
    APISERVER_ARGS, AUTHENTICATION_CONFIG, K3S_AUTHENTICATION, K3S_CONFIG, K3S_REGISTRIES, NodeKind,
};
use crate::resource::{Disruption, Reason, Resource, ResourceId};
use crate::tree::{SmolStr, Tree, join};

/// The option that gives leave to restart a service.
pub const ALLOW_RESTART: &str = "--allow-restart";

/// A YAML file on the node, by its path from the root without a leading slash: what has to be in it, whatever else
/// is. A mode such as `0600` is kept where one is given; without one a new file gets 0600, and one that is there
/// keeps its own.
#[must_use]
pub fn yaml_file(path: &'static str, mode: Option<&'static str>, content: Tree, because: Reason) -> Resource {
    let body = map([
        ("content", content),
        ("metadata", map([("labels", mark(None))])),
        ("owner", Tree::from("root:root")),
    ]);
    let body = match mode {
        Some(mode) => body.with("/mode", Tree::from(mode)),
        None => body,
    };
    Resource::new(ResourceId::node(NodeKind::File, path), body, Arc::new([]), because)
}

/// The file that k3s is started with, where the roster has something to say in it.
pub(crate) fn compile(cluster: &Cluster, resources: &mut Vec<Resource>) {
    let mut content: Vec<(SmolStr, Tree)> = Vec::new();
    let mut fields: Vec<(SmolStr, Reason)> = Vec::new();
    if let Some(name) = cluster.node.as_ref().and_then(|node| node.name.as_ref()) {
        content.push(("node-name".into(), Tree::from(name.value.text())));
        fields.push(("/content/node-name".into(), Reason::Roster(name.at)));
    }
    if let Some(Api { hosts, port: _ }) = &cluster.api
        && let Some(first) = hosts.first()
    {
        content.push(("tls-san".into(), Tree::texts(hosts.iter().map(|host| host.value.text()))));
        fields.push(("/content/tls-san".into(), Reason::Roster(first.at)));
    }
    let mut needs: Vec<ResourceId> = Vec::new();
    if let Some(oidc) = &cluster.oidc {
        let arg = smol_str::format_smolstr!("{AUTHENTICATION_CONFIG}=/{K3S_AUTHENTICATION}");
        content.push((APISERVER_ARGS.into(), Tree::texts([&arg])));
        fields.push((join("/content", APISERVER_ARGS).into(), Reason::Roster(oidc.issuer.at)));
        // With an argument that leads to no file the API server does not start.
        needs.push(ResourceId::node(NodeKind::File, K3S_AUTHENTICATION));
    }
    let Some((_, because)) = fields.first().cloned() else { return };
    let file = yaml_file(K3S_CONFIG, None, Tree::map(content), because);
    resources.push(Resource { fields: fields.into(), needs: needs.into(), ..file });
}

/// The restart of k3s, where it reads any of the files.
pub(crate) fn restart(resources: &mut Vec<Resource>) {
    let read =
        [K3S_CONFIG, K3S_REGISTRIES, K3S_AUTHENTICATION].map(|path| ResourceId::node(NodeKind::File, path));
    let files = || resources.iter().filter(|resource| read.contains(&resource.id));
    let Some(because) = files().next().map(|file| file.because.clone()) else { return };
    let follows: Arc<[ResourceId]> = files().map(|file| file.id.clone()).collect();
    let body = map([("current", Tree::from(true)), ("running", Tree::from("restarted"))]);
    let disruption = Disruption {
        what: "k3s is restarted: its API is away for a while, pods keep running".into(),
        option: ALLOW_RESTART.into(),
        allowed: false,
    };
    let id = ResourceId::node(NodeKind::Restart, "k3s");
    let restart = Resource::new(id, body, Arc::new([]), because);
    resources.push(Resource { follows, disrupts: Some(Box::new(disruption)), ..restart });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_follows_the_files_that_k3s_reads() {
        let file = |path| yaml_file(path, Some("0600"), map([]), Reason::Always);
        let mut resources = vec![file("etc/motd.yaml")];
        restart(&mut resources);
        assert_eq!(resources.len(), 1);
        resources.extend([file(K3S_REGISTRIES), file(K3S_CONFIG)]);
        restart(&mut resources);
        assert_eq!(&*resources[3].follows, [resources[1].id.clone(), resources[2].id.clone()]);
    }
}
