//! What the `registry` section means as objects: the volume, the Deployment, the Service, and an Ingress a host; the
//! Secret with its users is in `registry_users.rs`, the instance for who only pulls in `registry_readers.rs`. No middleware stands before it: Traefik streams a push instead of buffering it.

use std::sync::Arc;

use super::body::{labels, map, object, object_with};
use super::cluster::Issuer;
use super::dns::annotation_key;
use super::mirrors;
use super::node::yaml_file;
use super::registry::Registry;
use super::registry_collect;
use super::registry_readers;
use super::registry_users::{Account, PASSWORD, USERNAME, accounts, auth, first_user, stored};
use crate::domains::Roster;
use crate::kinds::Kind;
use crate::named::{PUSHERS, REGISTRY_AUTH, auth_id};
use crate::node::K3S_REGISTRIES;
use crate::resource::{Clash, Desired, Reason, Resource, ResourceId};

use crate::roster::{At, HostName, Name, SecretRef, Span};
use crate::secrets::Content;
use crate::tree::{SmolStr, Tree, join};

pub(super) const NAMESPACE: &str = "kube-system";
pub(super) const NAME: &str = "registry";
pub(super) const STORAGE: &str = "registry-storage";
const DEFAULT_IMAGE: &str = "registry:2.8.3";
const DEFAULT_STORAGE: &str = "50Gi";
/// Whom the registry runs as where its section does not say.
const DEFAULT_USER_ID: u32 = 1000;

/// The objects, where the roster asks for a registry.
pub(crate) fn compile(roster: &Roster, resources: &mut Vec<Resource>) {
    if let Some((at, registries)) = roster.registries() {
        resources.push(pull(registries, at));
    }
    let Some((at, registry)) = roster.registry() else { return };
    let because = Reason::Roster(at);
    let auth = auth(registry, at);
    let volume = volume(registry, &because);
    let service = ResourceId::kube(Kind::Service, NAMESPACE, NAME);
    let needs: Arc<[ResourceId]> = Arc::new([volume.id.clone(), auth.id.clone()]);
    resources.push(auth);
    resources.push(volume);
    let deployment = deployment(registry, needs, &because);
    let runs = deployment.id.clone();
    resources.push(deployment);
    let ports = [port("http", 5000)].into_iter().chain(registry_readers::port(registry));
    let spec = map([("ports", Tree::list(ports)), ("selector", app()), ("type", Tree::from("ClusterIP"))]);
    let body = object(&service, Kind::Service, &labels(None), [("spec", spec)]);
    resources.push(Resource::new(service.clone(), body, Arc::new([]), because));
    for host in &registry.hosts {
        resources.push(ingress(roster, registry, host, host.at, &service));
        resources.extend(registry_readers::route(registry, host, [&service, &runs]));
    }
}

/// The objects of the cluster alone, by which one sees whether the registry stands.
///
/// # Errors
/// When two of them are one, which in a checked roster never is.
pub fn in_cluster(roster: &Roster) -> Result<Desired, Clash> {
    let mut resources = Vec::new();
    compile(roster, &mut resources);
    resources.retain(|resource| resource.id.known_kind().is_some());
    Desired::new(resources, Arc::clone(roster.sources()))
}

/// What k3s on the node reads so that it may pull: the first user with its password, for every host, and the mirrors of
/// other registries.
fn pull(registry: &Registry, at: Span) -> Resource {
    let auth = map([(USERNAME, Tree::from(SmolStr::from(first_user(registry))))]);
    let host = |host: &At<HostName>| {
        let tls = map([("insecure_skip_verify", Tree::Bool(false))]);
        (host.value.text().clone(), map([("auth", auth.clone()), ("tls", tls)]))
    };
    let configs: Vec<_> = registry.hosts.iter().map(host).chain(mirrors::logins(registry)).collect();
    let configs = (!configs.is_empty()).then(|| ("configs", Tree::map(configs)));
    let mirrors = mirrors::told(registry).map(|mirrors| ("mirrors", mirrors));
    let content = Tree::map(configs.into_iter().chain(mirrors));
    let file = yaml_file(K3S_REGISTRIES, Some("0600"), content, Reason::Roster(at));
    let file = mirrors::filled(registry, file);
    // The name of a user with two is where its password is. Another's password is not what the cluster holds of it just
    // now: that may be about to change.
    let parts: Vec<(&str, SecretRef)> = match accounts(registry).into_iter().next() {
        Some(Account { made: Some(made), password: _, pushes: _, user: _ }) => {
            vec![(USERNAME, stored(&made.username)), (PASSWORD, stored(&made.password))]
        }
        Some(Account { made: None, password, pushes: _, user: _ }) => vec![(PASSWORD, password)],
        None => Vec::new(),
    };
    if registry.hosts.is_empty() {
        return file;
    }
    let needs = Arc::new([auth_id()]);
    registry.hosts.iter().fold(Resource { needs, ..file }, |file, host| {
        let auth = format!("{}/auth", join("/content/configs", host.value.as_str()));
        parts.iter().fold(file, |file, (key, from)| {
            file.with_secret(format!("{auth}/{key}"), Content::Plain(from.clone()))
        })
    })
}

fn volume(registry: &Registry, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::PersistentVolumeClaim, NAMESPACE, STORAGE);
    let size = registry.storage.as_ref().map_or(DEFAULT_STORAGE.to_owned(), |size| size.value.to_string());
    let spec = map([
        ("accessModes", Tree::list([Tree::from("ReadWriteOnce")])),
        ("resources", map([("requests", map([("storage", Tree::from(size))]))])),
        ("storageClassName", Tree::from("local-path")),
    ]);
    let body = object(&id, Kind::PersistentVolumeClaim, &labels(None), [("spec", spec)]);
    Resource::new(id, body, Arc::new([]), because.clone())
}

fn app() -> Tree {
    map([("app", Tree::from(NAME))])
}

/// A port of the Service, by the name of the container's.
pub(super) fn port(name: &'static str, at: i64) -> Tree {
    map([
        ("name", Tree::from(name)),
        ("port", number(at)),
        ("protocol", Tree::from("TCP")),
        ("targetPort", Tree::from(name)),
    ])
}

pub(super) fn number(number: i64) -> Tree {
    Tree::Number(number.into())
}

/// One instance of the registry's program.
pub(super) struct Instance {
    pub(super) name: &'static str,
    /// Its port, by the name that the probes and the Service know.
    pub(super) port: (&'static str, i64),
    pub(super) env: Vec<(&'static str, SmolStr)>,
    /// How much memory it asks for.
    pub(super) memory: &'static str,
    /// The volume with its users, and whether it may only read the images.
    pub(super) users: &'static str,
    pub(super) only_reads: bool,
}

/// Where an instance finds its users, and the images.
pub(super) const USERS_AT: &str = "/auth";
const IMAGES_AT: &str = "/var/lib/registry";

/// The variables of every instance: its users are in the file of this name.
pub(super) fn variables(file: &str) -> Vec<(&'static str, SmolStr)> {
    vec![
        ("REGISTRY_AUTH", "htpasswd".into()),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm".into()),
        ("REGISTRY_AUTH_HTPASSWD_PATH", smol_str::format_smolstr!("{USERS_AT}/{file}")),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", IMAGES_AT.into()),
    ]
}

/// The volume with the users in this key of the Secret.
pub(super) fn users(volume: &'static str, key: &'static str) -> Tree {
    let item = map([("key", Tree::from(key)), ("path", Tree::from(key))]);
    let secret = map([("items", Tree::list([item])), ("secretName", Tree::from(REGISTRY_AUTH))]);
    map([("name", Tree::from(volume)), ("secret", secret)])
}

fn container(registry: &Registry, instance: Instance, security: &Tree) -> Tree {
    let Instance { name, port: (port_name, port), env, memory, users, only_reads } = instance;
    let image =
        registry.image.as_ref().map_or(Tree::from(DEFAULT_IMAGE), |image| Tree::from(image.value.text()));
    let env = env.into_iter();
    let env = env.map(|(name, value)| map([("name", Tree::from(name)), ("value", Tree::from(value))]));
    let probe = |delay, period| {
        let get =
            [("path", Tree::from("/")), ("port", Tree::from(port_name)), ("scheme", Tree::from("HTTP"))];
        map([
            ("httpGet", map(get)),
            ("initialDelaySeconds", number(delay)),
            ("periodSeconds", number(period)),
        ])
    };
    let amounts = |cpu, memory| map([("cpu", Tree::from(cpu)), ("memory", Tree::from(memory))]);
    let mount = |at: &'static str, volume: &'static str, only_reads: bool| {
        let read_only = only_reads.then_some(("readOnly", Tree::Bool(true)));
        Tree::map([("mountPath", Tree::from(at)), ("name", Tree::from(volume))].into_iter().chain(read_only))
    };
    let listens =
        [("containerPort", number(port)), ("name", Tree::from(port_name)), ("protocol", Tree::from("TCP"))];
    map([
        ("env", Tree::list(env)),
        ("image", image),
        ("livenessProbe", probe(30, 10)),
        ("name", Tree::from(name)),
        ("ports", Tree::list([map(listens)])),
        ("readinessProbe", probe(5, 5)),
        ("resources", map([("limits", amounts("500m", "512Mi")), ("requests", amounts("100m", memory))])),
        ("securityContext", security.clone()),
        ("volumeMounts", Tree::list([mount(USERS_AT, users, true), mount(IMAGES_AT, STORAGE, only_reads)])),
    ])
}

fn deployment(registry: &Registry, needs: Arc<[ResourceId]>, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::Deployment, NAMESPACE, NAME);
    let mut env = variables(PUSHERS);
    env.push(("REGISTRY_STORAGE_DELETE_ENABLED", "true".into()));
    env.extend(registry_collect::variables(registry));
    let port = ("http", 5000);
    let first = Instance { name: NAME, port, env, memory: "256Mi", users: "auth", only_reads: false };
    let (pod_security, container_security) = security(registry);
    let first = container(registry, first, &container_security);
    let first = match registry_collect::command(registry) {
        Some(command) => first.with("/command", command),
        None => first,
    };
    let second = registry_readers::instance(registry);
    let second = second.map(|second| container(registry, second, &container_security));
    let images = map([
        ("name", Tree::from(STORAGE)),
        ("persistentVolumeClaim", map([("claimName", Tree::from(STORAGE))])),
    ]);
    let volumes = [users("auth", PUSHERS), images].into_iter().chain(registry_readers::users(registry));
    let pod = map([
        ("automountServiceAccountToken", Tree::Bool(false)),
        ("containers", Tree::list([first].into_iter().chain(second))),
        ("securityContext", pod_security),
        ("volumes", Tree::list(volumes)),
    ]);
    let spec = map([
        ("replicas", number(1)),
        ("selector", map([("matchLabels", app())])),
        ("template", map([("metadata", map([("labels", app())])), ("spec", pod)])),
    ]);
    let spec = match registry_collect::strategy(registry) {
        Some(strategy) => spec.with("/strategy", strategy),
        None => spec,
    };
    let body = object(&id, Kind::Deployment, &app_labels(), [("spec", spec)]);
    Resource::new(id, body, needs, because.clone())
}

/// Under whom the pod runs and what its container may do. As root it keeps its capabilities: what lies on the volume
/// may belong to anybody.
fn security(registry: &Registry) -> (Tree, Tree) {
    let user = registry.user.map_or(DEFAULT_USER_ID, |user| user.value.number());
    let id = || number(user.into());
    let mut pod = vec![
        ("runAsNonRoot", Tree::Bool(user != 0)),
        ("runAsUser", id()),
        ("seccompProfile", map([("type", Tree::from("RuntimeDefault"))])),
    ];
    let mut container = vec![("allowPrivilegeEscalation", Tree::Bool(false))];
    if user != 0 {
        pod.push(("fsGroup", id()));
        container.push(("capabilities", map([("drop", Tree::list([Tree::from("ALL")]))])));
    }
    (Tree::map(pod), Tree::map(container))
}

fn app_labels() -> Tree {
    labels(None).with("/app", Tree::from(NAME))
}

/// The Ingress of one host. Its name has the dots of the host: with dashes instead, two hosts could have the same name.
#[must_use]
pub fn ingress_of(host: &str) -> ResourceId {
    ResourceId::kube(Kind::Ingress, NAMESPACE, smol_str::format_smolstr!("{NAME}-{host}"))
}

/// The Secret that cert-manager keeps the certificate of one host in.
#[must_use]
pub fn certificate_of(host: &str) -> ResourceId {
    ResourceId::kube(Kind::Secret, NAMESPACE, smol_str::format_smolstr!("{NAME}-{host}-tls"))
}

fn ingress(roster: &Roster, registry: &Registry, host: &str, at: Span, service: &ResourceId) -> Resource {
    let id = ingress_of(host);
    let resolver = Tree::from(SmolStr::from(registry.resolver()));
    let issuer = roster.cluster().acme.as_ref().map_or(Issuer::Traefik, super::cluster::Acme::issuer);
    let ways = WAYS.map(|(key, value)| (key, Tree::from(value)));
    let annotations = Tree::map(ways.into_iter().chain([(annotation_key(issuer), resolver)]));
    let metadata = [("labels", labels(None)), ("annotations", annotations)];
    let body = object_with(&id, Kind::Ingress, metadata, [("spec", spec_of(host, issuer))]);
    Resource::new(id, body, Arc::new([service.clone()]), Reason::Roster(at))
}

/// How Traefik serves it, whatever the host.
const WAYS: [(&str, &str); 2] = [
    ("traefik.ingress.kubernetes.io/router.entrypoints", "websecure"),
    ("traefik.ingress.kubernetes.io/router.tls", "true"),
];

fn spec_of(host: &str, issuer: Issuer) -> Tree {
    let mut tls = vec![("hosts", Tree::list([Tree::from(SmolStr::from(host))]))];
    if issuer == Issuer::CertManager {
        tls.push(("secretName", Tree::from(&certificate_of(host).name)));
    }
    let port = map([("number", number(5000))]);
    let backend = map([("service", map([("name", Tree::from(NAME)), ("port", port)]))]);
    let path = map([("backend", backend), ("path", Tree::from("/")), ("pathType", Tree::from("Prefix"))]);
    let rule =
        map([("host", Tree::from(SmolStr::from(host))), ("http", map([("paths", Tree::list([path]))]))]);
    map([
        ("ingressClassName", Tree::from("traefik")),
        ("rules", Tree::list([rule])),
        ("tls", Tree::list([Tree::map(tls)])),
    ])
}

/// Is this object the Ingress that kwo writes for this host, with whichever resolver, and nothing besides?
pub(crate) fn is_ingress_of(host: &str, object: &Tree) -> bool {
    const ISSUERS: [Issuer; 2] = [Issuer::Traefik, Issuer::CertManager];
    let notes = object.at("/metadata/annotations").map(Tree::entries).unwrap_or_default();
    let is_way = |(key, value): &(SmolStr, Tree)| {
        let own = WAYS.iter().any(|(way, how)| key == way && value.as_text().is_some_and(|have| have == how));
        let resolver = || ISSUERS.iter().any(|issuer| key == annotation_key(*issuer));
        own || resolver() && value.as_text().is_some_and(|name| name.parse::<Name>().is_ok())
    };
    let known = ["annotations", "labels", "name", "namespace"];
    let metadata = object.get("metadata").map(Tree::entries).unwrap_or_default();
    ISSUERS.iter().any(|issuer| object.get("spec") == Some(&spec_of(host, *issuer)))
        && notes.iter().all(is_way)
        && metadata.iter().all(|(key, _)| known.contains(&key.as_str()))
}
