//! What the `registry` section means as objects: the Secret with its users, the volume, the Deployment, the Service,
//! and an Ingress a host. No middleware stands before it: Traefik streams a push instead of buffering it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::{labels, map, object, object_with};
use super::cluster::Issuer;
use super::dns::annotation_key;
use super::node::yaml_file;
use super::registry::Registry;
use crate::kinds::Kind;
use crate::node::K3S_REGISTRIES;
use crate::observed::MARK;
use crate::resource::{Clash, Desired, Reason, Resource, ResourceId};
use crate::roster::{At, Entry, HostName, Roster, SecretRef, Span};
use crate::secrets::{Content, Password, User};
use crate::tree::{SmolStr, Tree, join};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "registry";
const AUTH: &str = "registry-auth";
/// Of the keys of that Secret, the ones that other programs of such a node know.
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const STORAGE: &str = "registry-storage";
const DEFAULT_IMAGE: &str = "registry:2.8.3";
const DEFAULT_STORAGE: &str = "50Gi";
/// The user of a registry whose section names none.
const DEFAULT_USER: &str = "docker";
const DEFAULT_LENGTH: u16 = 32;
/// Whom the registry runs as where its section does not say.
const DEFAULT_USER_ID: u32 = 1000;

/// The objects, where the roster asks for a registry.
pub(crate) fn compile(roster: &Roster, resources: &mut Vec<Resource>) {
    let Some((at, registry)) = roster.registry() else { return };
    let because = Reason::Roster(at);
    let auth = auth(registry, at);
    let volume = volume(registry, &because);
    let service = ResourceId::kube(Kind::Service, NAMESPACE, NAME);
    let needs: Arc<[ResourceId]> = Arc::new([volume.id.clone(), auth.id.clone()]);
    resources.push(auth);
    resources.push(volume);
    resources.push(deployment(registry, needs, &because));
    let port = map([
        ("name", Tree::from("http")),
        ("port", number(5000)),
        ("protocol", Tree::from("TCP")),
        ("targetPort", Tree::from("http")),
    ]);
    let spec = map([("ports", Tree::list([port])), ("selector", app()), ("type", Tree::from("ClusterIP"))]);
    let body = object(&service, Kind::Service, &labels(None), [("spec", spec)]);
    resources.push(Resource::new(service.clone(), body, Arc::new([]), because));
    resources.push(pull(registry, at));
    for host in &registry.hosts {
        resources.push(ingress(roster, registry, host, host.at, &service));
    }
}

/// The first user, as whom the node pulls.
pub(crate) fn first_user(registry: &Registry) -> &str {
    registry.users.keys().next().map_or(DEFAULT_USER, |name| name.as_str())
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

/// A user, and where the password is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The name in the roster.
    pub user: SmolStr,
    /// Where the password is: one that kwo made is in the cluster.
    pub password: SecretRef,
    /// What kwo made of it.
    pub made: Option<Made>,
}

/// A password that kwo made, by the keys of the Secret that it stands in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Made {
    /// The key of the name that goes with the password.
    pub username: SmolStr,
    /// The key of the password.
    pub password: SmolStr,
    /// How many characters it has.
    pub length: u16,
}

/// The Secret with the users.
#[must_use]
pub fn auth_id() -> ResourceId {
    ResourceId::kube(Kind::Secret, NAMESPACE, AUTH)
}

/// The users; the node pulls as the first one.
#[must_use]
pub fn accounts(registry: &Registry) -> Vec<Account> {
    let default = SecretRef::Generate(DEFAULT_LENGTH);
    let users: Vec<(SmolStr, &SecretRef)> = match registry.users.is_empty() {
        true => vec![(SmolStr::new_static(DEFAULT_USER), &default)],
        false => {
            let users = registry.users.iter();
            users.map(|(name, entry)| (name.text().clone(), &entry.value.password.value)).collect()
        }
    };
    let whole = |(user, reference): (SmolStr, &SecretRef)| match reference {
        SecretRef::Generate(length) => {
            let [username, password] = [USERNAME, PASSWORD].map(|stem| key(stem, &user));
            let made = Some(Made { username, password: password.clone(), length: *length });
            Account { user, password: stored(&password), made }
        }
        reference => Account { user, password: reference.clone(), made: None },
    };
    users.into_iter().map(whole).collect()
}

/// The key of the Secret for something that kwo makes for a user. It hangs on nobody but the user, so that users who come
/// and go leave the others' passwords alone; that of the usual one has no name in it, as other programs know it.
fn key(stem: &'static str, name: &str) -> SmolStr {
    if name == DEFAULT_USER { SmolStr::new_static(stem) } else { smol_str::format_smolstr!("{stem}-{name}") }
}

/// What stands under a key of the Secret.
fn stored(key: &str) -> SecretRef {
    SecretRef::Kube { namespace: NAMESPACE.into(), name: AUTH.into(), key: key.into() }
}

/// The users as an htpasswd file, and the first of them in clear, as the node needs it to pull.
fn auth(registry: &Registry, at: Span) -> Resource {
    let id = auth_id();
    let default = SecretRef::Generate(DEFAULT_LENGTH);
    let mut users: Vec<(SmolStr, &SecretRef, Span)> = registry
        .users
        .iter()
        .map(|(name, Entry { key: _, value })| {
            (name.text().clone(), &value.password.value, value.password.at)
        })
        .collect();
    if users.is_empty() {
        users.push((SmolStr::new_static(DEFAULT_USER), &default, at));
    }
    // Of a first user whose password is elsewhere other programs find name and password here, unless the keys are taken.
    let is_made = |reference: &SecretRef| matches!(reference, SecretRef::Generate(_));
    let taken = users.iter().any(|(name, reference, _)| name == DEFAULT_USER && is_made(reference));
    let shown = users.first().filter(|(_, reference, _)| !taken && !is_made(reference)).cloned();
    let data = shown.iter().map(|(name, ..)| (USERNAME, Tree::from(STANDARD.encode(name))));
    let parts = [("data", Tree::map(data)), ("type", Tree::from("Opaque"))];
    let body = object(&id, Kind::Secret, &labels(None), parts);
    let mut contents: Vec<(SmolStr, Content, Span)> = Vec::new();
    if let Some((_, reference, at)) = shown {
        contents.push((PASSWORD.into(), Content::Plain(reference.clone()), at));
    }
    let mut lines = Vec::with_capacity(users.len());
    for (name, reference, at) in users {
        let password = if is_made(reference) {
            let [login, place] = [USERNAME, PASSWORD].map(|stem| key(stem, &name));
            let password = Password::Place(smol_str::format_smolstr!("/data/{place}"));
            contents.push((place, Content::Plain(reference.clone()), at));
            contents.push((login, Content::Login(name.clone()), at));
            password
        } else {
            Password::Reference(reference.clone())
        };
        lines.push(User { name, password });
    }
    let bare = Resource::new(id, body, Arc::new([]), Reason::Roster(at));
    let resource = contents.into_iter().fold(bare, |mut resource, (key, content, at)| {
        let place = smol_str::format_smolstr!("/data/{key}");
        resource.fields.push((place.clone(), Reason::Roster(at)));
        resource.with_secret(place, content)
    });
    resource.with_secret("/data/htpasswd", Content::Htpasswd(lines))
}

/// What k3s on the node reads so that it may pull: the first user with its password, for every host.
fn pull(registry: &Registry, at: Span) -> Resource {
    let auth = || map([(USERNAME, Tree::from(SmolStr::from(first_user(registry))))]);
    let host = |host: &At<HostName>| {
        let tls = map([("insecure_skip_verify", Tree::Bool(false))]);
        (host.value.text().clone(), map([("auth", auth()), ("tls", tls)]))
    };
    let content = map([("configs", Tree::map(registry.hosts.iter().map(host)))]);
    let file = yaml_file(K3S_REGISTRIES, Some("0600"), content, Reason::Roster(at));
    // The name of a user with two is where its password is. Another's password is not what the cluster holds of it just
    // now: that may be about to change.
    let parts: Vec<(&str, SecretRef)> = match accounts(registry).into_iter().next() {
        Some(Account { made: Some(made), password: _, user: _ }) => {
            vec![(USERNAME, stored(&made.username)), (PASSWORD, stored(&made.password))]
        }
        Some(Account { made: None, password, user: _ }) => vec![(PASSWORD, password)],
        None => Vec::new(),
    };
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

fn number(number: i64) -> Tree {
    Tree::Number(number.into())
}

fn deployment(registry: &Registry, needs: Arc<[ResourceId]>, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::Deployment, NAMESPACE, NAME);
    let image =
        registry.image.as_ref().map_or(Tree::from(DEFAULT_IMAGE), |image| Tree::from(image.value.text()));
    let env = [
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/var/lib/registry"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
    ];
    let env = env.map(|(name, value)| map([("name", Tree::from(name)), ("value", Tree::from(value))]));
    let probe = |delay, period| {
        map([
            (
                "httpGet",
                map([
                    ("path", Tree::from("/")),
                    ("port", Tree::from("http")),
                    ("scheme", Tree::from("HTTP")),
                ]),
            ),
            ("initialDelaySeconds", number(delay)),
            ("periodSeconds", number(period)),
        ])
    };
    let amounts = |cpu, memory| map([("cpu", Tree::from(cpu)), ("memory", Tree::from(memory))]);
    let (pod_security, container_security) = security(registry);
    let container = map([
        ("env", Tree::list(env)),
        ("image", image),
        ("livenessProbe", probe(30, 10)),
        ("name", Tree::from(NAME)),
        (
            "ports",
            Tree::list([map([
                ("containerPort", number(5000)),
                ("name", Tree::from("http")),
                ("protocol", Tree::from("TCP")),
            ])]),
        ),
        ("readinessProbe", probe(5, 5)),
        ("resources", map([("limits", amounts("500m", "512Mi")), ("requests", amounts("100m", "256Mi"))])),
        ("securityContext", container_security),
        (
            "volumeMounts",
            Tree::list([
                map([
                    ("mountPath", Tree::from("/auth")),
                    ("name", Tree::from("auth")),
                    ("readOnly", Tree::Bool(true)),
                ]),
                map([("mountPath", Tree::from("/var/lib/registry")), ("name", Tree::from(STORAGE))]),
            ]),
        ),
    ]);
    let item = map([("key", Tree::from("htpasswd")), ("path", Tree::from("htpasswd"))]);
    let volumes = [
        map([
            ("name", Tree::from("auth")),
            ("secret", map([("items", Tree::list([item])), ("secretName", Tree::from(AUTH))])),
        ]),
        map([
            ("name", Tree::from(STORAGE)),
            ("persistentVolumeClaim", map([("claimName", Tree::from(STORAGE))])),
        ]),
    ];
    let pod = map([
        ("automountServiceAccountToken", Tree::Bool(false)),
        ("containers", Tree::list([container])),
        ("securityContext", pod_security),
        ("volumes", Tree::list(volumes)),
    ]);
    let spec = map([
        ("replicas", number(1)),
        ("selector", map([("matchLabels", app())])),
        ("template", map([("metadata", map([("labels", app())])), ("spec", pod)])),
    ]);
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
    map([("app", Tree::from(NAME)), (MARK.0, Tree::from(MARK.1))])
}

/// One host. Its name has the dots of the host: with dashes instead, two hosts could have the same name.
fn ingress(roster: &Roster, registry: &Registry, host: &str, at: Span, service: &ResourceId) -> Resource {
    let id = ResourceId::kube(Kind::Ingress, NAMESPACE, smol_str::format_smolstr!("{NAME}-{host}"));
    let resolver = Tree::from(SmolStr::from(registry.resolver()));
    let issuer = roster.cluster().acme.as_ref().map_or(Issuer::Traefik, super::cluster::Acme::issuer);
    let mut annotations = vec![
        ("traefik.ingress.kubernetes.io/router.entrypoints", Tree::from("websecure")),
        ("traefik.ingress.kubernetes.io/router.tls", Tree::from("true")),
    ];
    let mut tls = vec![("hosts", Tree::list([Tree::from(SmolStr::from(host))]))];
    annotations.push((annotation_key(issuer), resolver));
    if issuer == Issuer::CertManager {
        tls.push(("secretName", Tree::from(format!("{NAME}-{host}-tls"))));
    }
    let port = map([("number", number(5000))]);
    let backend = map([("service", map([("name", Tree::from(&service.name)), ("port", port)]))]);
    let path = map([("backend", backend), ("path", Tree::from("/")), ("pathType", Tree::from("Prefix"))]);
    let rule =
        map([("host", Tree::from(SmolStr::from(host))), ("http", map([("paths", Tree::list([path]))]))]);
    let spec = map([
        ("ingressClassName", Tree::from("traefik")),
        ("rules", Tree::list([rule])),
        ("tls", Tree::list([Tree::map(tls)])),
    ]);
    let metadata = [("labels", labels(None)), ("annotations", Tree::map(annotations))];
    let body = object_with(&id, Kind::Ingress, metadata, [("spec", spec)]);
    Resource::new(id, body, Arc::new([service.clone()]), Reason::Roster(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{SourceFile, Sources, parse};

    /// The places of all secrets in the Secret, for these users.
    fn places(users: &str) -> Vec<(SmolStr, String)> {
        let text = format!(
            "{{apiVersion: kwo/v1, kind: Roster, registry: {{hosts: [r.example.com], users: {users}}}}}"
        );
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let desired = in_cluster(&roster).unwrap();
        let auth = desired.get(&auth_id()).unwrap();
        auth.secrets.iter().map(|secret| (secret.pointer.clone(), secret.content.to_string())).collect()
    }

    #[test]
    fn users_who_come_leave_the_others_passwords_alone() {
        let made = "{password: {generate: 32}}";
        let usual = places("{}");
        assert_eq!(usual, places(&format!("{{docker: {made}}}")));
        let before = places(&format!("{{ci: {made}}}"));
        let after =
            places(&format!("{{aa: {made}, ci: {made}, docker: {made}, zz: {{password: {{env: Z}}}}}}"));
        let is_htpasswd = |place: &&(SmolStr, String)| place.0 == "/data/htpasswd";
        for place in before.iter().chain(&usual).filter(|place| !is_htpasswd(place)) {
            assert!(after.contains(place), "{place:?} of {after:?}");
        }
    }
}
