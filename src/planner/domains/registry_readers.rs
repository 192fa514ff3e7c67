//! The second instance of the registry, where somebody may only pull: a container beside the first one that reads the same
//! images, with a list of users of its own. The program knows one right for all its users, so it takes two of them.

use super::body::{labels, map, object_with};
use super::registry::Registry;
use super::registry_objects::{self, Instance, NAME, NAMESPACE, number, variables};
use crate::kinds::Kind;
use crate::named::PULLERS;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{At, HostName};
use crate::tree::{SmolStr, Tree};

/// The name of its port, and the port.
const PORT: (&str, i64) = ("pull", 5002);
/// The volume with its users: each instance sees only its own.
const USERS: &str = "auth-pull";

/// Before a rule of any length, which is what Traefik makes of those that say nothing.
const FIRST: i64 = 100_000;

/// What the container runs; nothing where everybody pushes.
pub(super) fn instance(registry: &Registry) -> Option<Instance> {
    if !registry.has_pullers() {
        return None;
    }
    let mut env = variables(PULLERS);
    let own = [
        ("REGISTRY_HTTP_ADDR", ":5002"),
        // A pod has one of each port, and the first instance may have this one.
        ("REGISTRY_HTTP_DEBUG", "{addr: \"\"}"),
        // As a map: the 2.8 ends at once if the variable names a key of it. What began to be pushed is the other one's.
        ("REGISTRY_STORAGE_MAINTENANCE", "{readonly: {enabled: true}, uploadpurging: {enabled: false}}"),
        // It would go on to know layers that are gone, and a push leaves out the layers that are known.
        ("REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR", "none"),
    ];
    env.extend(own.map(|(name, value)| (name, SmolStr::new_static(value))));
    let name = "registry-pull";
    Some(Instance { name, port: PORT, env, memory: "128Mi", users: USERS, only_reads: true })
}

/// The volume with its users.
pub(super) fn users(registry: &Registry) -> Option<Tree> {
    registry.has_pullers().then(|| registry_objects::users(USERS, PULLERS))
}

/// Its port at the Service.
pub(super) fn port(registry: &Registry) -> Option<Tree> {
    let (name, port) = PORT;
    registry.has_pullers().then(|| registry_objects::port(name, port))
}

/// What leads those who read to the second instance at this host.
pub(crate) fn route_of(host: &str) -> ResourceId {
    ResourceId::kube(Kind::IngressRoute, NAMESPACE, smol_str::format_smolstr!("{NAME}-{host}"))
}

/// Whatever reads goes to the second instance, at the same host: an image has one name for everybody. What no rule here
/// takes goes on to the first one by its Ingress, which also has the certificate.
pub(super) fn route(
    registry: &Registry,
    host: &At<HostName>,
    [service, runs]: [&ResourceId; 2],
) -> Option<Resource> {
    if !registry.has_pullers() {
        return None;
    }
    let id = route_of(&host.value.to_string());
    let rule = |priority: i64, port: i64, of: &str| {
        let to = map([("name", Tree::from(&service.name)), ("port", number(port))]);
        map([
            ("kind", Tree::from("Rule")),
            ("match", Tree::from(format!("Host(`{}`) && {of}", host.value))),
            ("priority", number(priority)),
            ("services", Tree::list([to])),
        ])
    };
    let (_, reads) = PORT;
    let routes = [
        rule(FIRST, reads, "(Method(`GET`) || Method(`HEAD`))"),
        // How far a push has come only the instance knows that takes it. Traefik 2 cannot read this rule, and passes over it.
        rule(FIRST + 1, 5000, "PathRegexp(`^/v2/.+/blobs/uploads/[^/]*$`)"),
    ];
    let spec = map([
        ("entryPoints", Tree::list([Tree::from("websecure")])),
        ("routes", Tree::list(routes)),
        ("tls", Tree::map::<SmolStr>([])),
    ]);
    let class = map([("kubernetes.io/ingress.class", Tree::from("traefik"))]);
    let metadata = [("labels", labels(None)), ("annotations", class)];
    let body = object_with(&id, Kind::IngressRoute, metadata, [("spec", spec)]);
    Some(Resource::new(id, body, [service.clone(), runs.clone()].into(), Reason::Roster(host.at)))
}
