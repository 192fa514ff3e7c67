//! The cluster in which it is tried: two tenants, a registry, and the rights that older clusters and charts give an
//! owner besides. And who tries.

use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::{Request, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use testkit::apiserver::{self, kubectl_ok};
use testkit::crds::{counted, crds};
use testkit::run::Bench;
use tokio::runtime::{Builder, Runtime};

use crate::escapes::way::{Way, core, group, object};

/// The tenant that attacks, and the one that is attacked.
pub(crate) const ONE: &str = "one";
pub(crate) const TWO: &str = "two";

/// By which the tenant's wildcard can be proved.
const DNS: &str = "dns: {resolvers: {letsencrypt-cloudflare: {provider: cloudflare, \
credentials: {CF_DNS_API_TOKEN: {kube: default/dns/token}}}}}\n";

/// What the API server says of a kind whose objects it has not counted yet.
const UNKNOWN: &str = "status unknown for quota";

/// There is one cluster.
static TURN: Mutex<()> = Mutex::new(());

/// Who tries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    /// The admin's own connection.
    Admin,
    Owner,
    Deployer,
    /// The account of the pipeline, by a token that the API server made.
    Token,
    Viewer,
    /// Every verb on everything, by a ClusterRole that is bound in the tenant's namespace.
    Everything,
    /// The owner of the other tenant.
    Neighbour,
    PowerUser,
    /// Whoever has this name: another person, or one of Kubernetes' controllers by its account.
    User(&'static str),
}

/// Those who may write in the tenant's namespace. The last one has a role of the admin's own: everything, there.
pub(crate) const TENANTS: [Who; 4] = [Who::Owner, Who::Deployer, Who::Token, Who::Everything];

/// The cluster, for one test.
pub(crate) struct World {
    pub(crate) bench: Bench,
    admin: Client,
    token: Client,
    runtime: &'static Runtime,
    _turn: MutexGuard<'static, ()>,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

impl World {
    /// With this beside the tenants in the roster; nothing where the live tests cannot run.
    pub(crate) fn with(sections: &str) -> Option<World> {
        World::beside(sections, "", "")
    }

    /// The same with more tenants and tiers, each a line of its own.
    pub(crate) fn beside(sections: &str, tenants: &str, tiers: &str) -> Option<World> {
        let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        crds()?;
        let acme = if sections.contains("acme") { "" } else { "cluster: {acme: {email: ops@example.com}}\n" };
        let bench = Bench::new(&format!(
            "{DNS}{acme}{sections}tenants:
  one:
    owners: [owner@example.com]
    members:
      - {{identity: deployer@example.com, access: deployer}}
      - {{identity: viewer@example.com, access: viewer}}
      - {{identity: everything@example.com, access: {{clusterRole: everything}}}}
    domains:
      - one.example.com
      - \"*.one.example.com\"
      - \"**.deep.example.com\"
      - {{host: shared.example.com, sharedWith: [two]}}
    annotations: {{scheduler.alpha.kubernetes.io/node-selector: kubernetes.io/os=linux}}
    quota: {{pods: 1000, volumes: 1000}}
  two: {{owners: [bob@example.com], domains: [two.example.com, {{host: shared.example.com, sharedWith: [one]}}], longLivedToken: true}}
  open: {{tier: open, owners: [owner@example.com]}}
{tenants}tiers:
  standard: {{rest: unbounded, services: {{nodePorts: 0, loadBalancers: 0}}}}
  open: {{rest: unbounded, services: {{nodePorts: 2, loadBalancers: 1, externalIPs: allow, externalNames: allow}}}}
{tiers}operators:
  power: {{identity: power@example.com, role: power-user}}
"
        ))?;
        let admin = connect(None);
        let world = World { token: admin.clone(), bench, admin, runtime: runtime(), _turn: turn };
        world.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cert-manager"}}));
        world.put(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dns", "namespace": "default"},
            "stringData": {"token": "t"}}),
        );
        world.put(&older_rights());
        let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
        world.put(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "everything"}, "rules": all}));
        world.kinds();
        counted("httproutes.gateway.networking.k8s.io");
        world.bench.apply(&[]).expect(0);
        let world = world.with_token_of(ONE);
        world.own_objects();
        world.in_force();
        Some(world)
    }

    /// With a token of the pipeline of another namespace.
    pub(crate) fn with_token_of(self, namespace: &str) -> World {
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let path = format!("{}/deployer/token", core(namespace, "serviceaccounts"));
        let made = self.answer(Who::Admin, &Way::create("a token", &path, &request));
        let made: Value = serde_json::from_str(&made.text).unwrap();
        World { token: connect(made["status"]["token"].as_str()), ..self }
    }

    /// Kinds that a tenant has rights to by charts of others.
    fn kinds(&self) {
        for (group, kind, plural) in [
            ("gateway.networking.k8s.io", "HTTPRoute", "httproutes"),
            ("gateway.networking.k8s.io", "Gateway", "gateways"),
            ("gateway.networking.k8s.io", "ReferenceGrant", "referencegrants"),
            ("cert-manager.io", "CertificateRequest", "certificaterequests"),
            ("acme.cert-manager.io", "Challenge", "challenges"),
            ("externaldns.k8s.io", "DNSEndpoint", "dnsendpoints"),
            ("crd.antrea.io", "NetworkPolicy", "networkpolicies"),
            ("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
            ("crd.projectcalico.org", "NetworkPolicy", "networkpolicies"),
            ("crd.projectcalico.org", "NetworkSet", "networksets"),
        ] {
            let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": format!("{plural}.{group}"),
                    "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
                "spec": {"group": group, "scope": "Namespaced",
                    "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                    "versions": [{"name": "v1", "served": true, "storage": true,
                        "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}]}});
            self.put(&definition);
        }
        kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]);
    }

    /// What the tenant itself has made, which it then tries to change.
    fn own_objects(&self) {
        let port = json!([{"port": 80}]);
        let service =
            object("v1", "Service", "web", &json!({"spec": {"ports": port, "selector": {"app": "web"}}}));
        let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}}}});
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": pod()});
        let deployment = object(
            "apps/v1",
            "Deployment",
            "web",
            &json!({"spec": {
            "selector": {"matchLabels": {"app": "web"}}, "template": template}}),
        );
        let ingress = object(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            &json!({"spec": {"rules": [
            {"host": "one.example.com", "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}),
        );
        let secret = object("v1", "Secret", "mine", &json!({"stringData": {"a": "b"}}));
        for (path, body) in [
            (core(ONE, "services"), service),
            (core(ONE, "persistentvolumeclaims"), object("v1", "PersistentVolumeClaim", "mine", &claim)),
            (group("apps/v1", ONE, "deployments"), deployment),
            (group("networking.k8s.io/v1", ONE, "ingresses"), ingress),
            (core(ONE, "secrets"), secret),
            (core(ONE, "configmaps"), object("v1", "ConfigMap", "mine", &json!({"data": {"a": "b"}}))),
            (core(ONE, "pods"), object("v1", "Pod", "mine", &json!({"spec": pod()}))),
        ] {
            let answer = self.answer(Who::Owner, &Way::create("its own", &path, &body));
            assert!([201, 409].contains(&answer.status), "{path}: {}", answer.text);
        }
    }

    /// A policy takes a moment to be in force, and so does a new version of it.
    fn in_force(&self) {
        let foreign = json!({"spec": {"externalIPs": ["1.1.1.1"], "ports": [{"port": 443}]}});
        let foreign = object("v1", "Service", "foreign", &foreign);
        let host = json!({"spec": {"rules": [{"host": "force.example.com"}]}});
        let host = object("networking.k8s.io/v1", "Ingress", "foreign", &host);
        for way in [
            Way::create("inside", &format!("{}?dryRun=All", core(ONE, "services")), &foreign)
                .by("kwo-inside"),
            Way::create(
                "hosts",
                &format!("{}?dryRun=All", group("networking.k8s.io/v1", ONE, "ingresses")),
                &host,
            )
            .by("kwo-hosts"),
            Way::delete(&format!("{}/deployer?dryRun=All", core(ONE, "serviceaccounts")))
                .by("managed by kwo"),
        ] {
            self.closes(Who::Owner, &way);
        }
    }

    /// Makes an object as the admin, or leaves it as it is.
    pub(crate) fn put(&self, object: &Value) {
        let file = self.bench.path("object.json");
        std::fs::write(&file, object.to_string()).unwrap();
        kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
    }

    /// Tries one way.
    pub(crate) fn answer(&self, who: Who, way: &Way) -> Answer {
        self.runtime.block_on(self.ask(who, way))
    }

    /// Tries all of them, some at a time; the answers stand in their order.
    pub(crate) fn answers(&self, who: Who, ways: &[Way]) -> Vec<Answer> {
        let tries = futures_util::stream::iter(ways).map(|way| self.ask(who, way)).buffered(16);
        self.runtime.block_on(tries.collect())
    }

    /// Waits until this way is refused: a policy takes a moment to be in force, and so does a new annotation.
    #[track_caller]
    pub(crate) fn closes(&self, who: Who, way: &Way) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.answer(who, way);
            if answer.text.contains(way.by) {
                return;
            }
            assert!(Instant::now() < end, "{} is not in force: {}", way.name, answer.text);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    async fn ask(&self, who: Who, way: &Way) -> Answer {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.ask_once(who, way).await;
            if !answer.text.contains(UNKNOWN) || Instant::now() > end {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn ask_once(&self, who: Who, way: &Way) -> Answer {
        let mut request = Request::builder().method(way.method).uri(&way.path);
        let user = match who {
            Who::Admin | Who::Token => None,
            Who::Owner => Some("owner@example.com"),
            Who::Deployer => Some("deployer@example.com"),
            Who::Viewer => Some("viewer@example.com"),
            Who::Everything => Some("everything@example.com"),
            Who::Neighbour => Some("bob@example.com"),
            Who::PowerUser => Some("power@example.com"),
            Who::User(user) => Some(user),
        };
        if let Some(user) = user {
            request =
                request.header("Impersonate-User", user).header("Impersonate-Group", "system:authenticated");
        }
        if user.is_some_and(|user| user.starts_with("system:serviceaccount:kube-system:")) {
            request = request.header("Impersonate-Group", "system:serviceaccounts:kube-system");
        }
        let request =
            request.header(header::CONTENT_TYPE, way.content).header(header::ACCEPT, "application/json");
        let client = if who == Who::Token { &self.token } else { &self.admin };
        let answer =
            client.send(request.body(Body::from(way.body.clone().into_bytes())).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        Answer { status, text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// Each of them has to refuse each way, with the words that the way names.
    #[track_caller]
    pub(crate) fn refuses(&self, all: &[Who], ways: &[Way]) {
        let tries = all.iter().flat_map(|who| ways.iter().map(|way| (*who, way)));
        let wrong = self.runtime.block_on(
            futures_util::stream::iter(tries)
                .map(|(who, way)| async move {
                    let Answer { status, text } = self.ask(who, way).await;
                    // 405: there is no such way, which whoever has no right is not even told.
                    let refused = [403, 405].contains(&status) || (status == 422 && way.by.is_empty());
                    let said: Value = serde_json::from_str(&text).unwrap_or_default();
                    let said = said["message"].as_str().map_or(text, str::to_owned);
                    // Whom the role itself refuses needs no policy.
                    let by = said.contains(way.by) || said.contains("cannot ");
                    (!refused || !by).then(|| {
                        let Way { name, method, path, .. } = way;
                        format!("{who:?}: {name} {method} {path}: {status} {said}")
                    })
                })
                .buffer_unordered(16)
                .filter_map(|wrong| async { wrong })
                .collect::<Vec<_>>(),
        );
        assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), ways.len() * all.len());
    }

    /// The way is one: whoever may do it in the whole cluster can. Nothing is changed.
    #[track_caller]
    pub(crate) fn works_for_an_admin(&self, ways: &[Way]) {
        let dry = ways.iter().map(|way| {
            let mark = if way.path.contains('?') { '&' } else { '?' };
            Way { path: format!("{}{mark}dryRun=All", way.path), ..way.clone() }
        });
        self.allows(Who::Admin, &dry.collect::<Vec<_>>());
    }

    /// Each way is open.
    #[track_caller]
    pub(crate) fn allows(&self, who: Who, ways: &[Way]) {
        for way in ways {
            let Answer { status, text } = self.answer(who, way);
            assert!(
                (200..300).contains(&status),
                "{who:?}: {} {} {}: {text}",
                way.name,
                way.method,
                way.path
            );
        }
    }
}

/// A pod that every tier takes.
pub(crate) fn pod() -> Value {
    json!({"containers": [{"name": "main", "image": "registry.example.com/web:1"}]})
}

/// What `admin` has in a cluster that was once older, and by the charts of cert-manager, Traefik and others.
fn older_rights() -> Value {
    let rule = |groups: &[&str], resources: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": ["*"]});
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
    "metadata": {"name": "older", "labels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}},
    "rules": [
        rule(&[""], &["pods/ephemeralcontainers"]),
        rule(&["", "discovery.k8s.io"], &["endpoints", "endpointslices", "services/status"]),
        rule(&["cert-manager.io", "acme.cert-manager.io", "traefik.io", "gateway.networking.k8s.io",
            "externaldns.k8s.io", "helm.cattle.io", "crd.antrea.io", "cilium.io", "crd.projectcalico.org"], &["*"]),
    ]})
}

/// With the admin's certificate, or with a token alone.
fn connect(token: Option<&str>) -> Client {
    let mut kubeconfig = Kubeconfig::read_from(apiserver::kubeconfig().unwrap()).unwrap();
    if let Some(token) = token {
        for auth in &mut kubeconfig.auth_infos {
            let token = Some(token.to_owned().into());
            auth.auth_info = Some(kube::config::AuthInfo { token, ..kube::config::AuthInfo::default() });
        }
    }
    runtime().block_on(async {
        let choice = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &choice).await.unwrap();
        if config.cluster_url.host() == Some("127.0.0.1") {
            config.proxy_url = None;
        }
        Client::try_from(config).unwrap()
    })
}
