//! `kwo access` against a real API server of its own: thousands of drawn questions, each answered by kwo from one look and
//! by the server itself, and how many requests that look takes where there are a thousand tenants.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use kwo_engine::providers::{Kube, KubeOptions, OF_ACCESS};
use kwo_planner::access::{Asker, Question, What};
use kwo_planner::tree::SmolStr;
use serde_json::{Value, json};
use testkit::apiserver::another;
use tokio::task::JoinSet;

const QUESTIONS: usize = 12_000;
const TENANTS: usize = 1_000;
const AT_ONCE: usize = 24;

const VERBS: [&str; 10] =
    ["get", "list", "create", "delete", "*", "escalate", "bind", "impersonate", "get*", "GET"];
const GROUPS: [&str; 5] = ["", "apps", "rbac.authorization.k8s.io", "*", "example.com"];
const RESOURCES: [&str; 15] = [
    "pods",
    "pods/log",
    "pods/exec",
    "*",
    "*/scale",
    "*/*",
    "pods/*",
    "secrets",
    "deployments",
    "deployments/scale",
    "nodes/proxy",
    "namespaces",
    "pod*",
    "a/b/c",
    "roles",
];
const NAMES: [&str; 5] = ["", "a", "*", "a*", "b"];
const URLS: [&str; 10] =
    ["/healthz", "/healthz/*", "*", "/metrics", "/a*", "/**", "/api/*", "/healthz/etcd", "/*/a", "/"];
const SPACES: [&str; 3] = ["drawn-a", "drawn-b", "drawn-c"];
const USERS: [&str; 11] = [
    "alice",
    "bob",
    "*",
    "ops",
    "group:ops",
    "alice@example.com",
    "system:serviceaccount:drawn-a:robot",
    "system:serviceaccount:drawn-b:robot",
    "system:serviceaccount:drawn-a:robot:x",
    "system:anonymous",
    "",
];
const MEMBERS: [&str; 9] = [
    "ops",
    "alice",
    "*",
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
    "system:serviceaccounts:drawn-a",
    "system:serviceaccount:drawn-a:robot",
    "system:masters",
];

/// Numbers that look drawn and are the same each time (SplitMix64).
struct Draw(u64);

impl Draw {
    fn number(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(below).unwrap()).unwrap()
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.number(of.len())]
    }

    fn some<'t>(&mut self, of: &[&'t str], from: usize, to: usize) -> Vec<&'t str> {
        (0..from + self.number(to - from + 1)).map(|_| self.one(of)).collect()
    }

    fn rules(&mut self, urls: bool) -> Vec<Value> {
        let many = 1 + self.number(3);
        let rule = |draw: &mut Draw| {
            let verbs = draw.some(&VERBS, 1, 3);
            if urls && draw.number(4) == 0 {
                return json!({"verbs": verbs, "nonResourceURLs": draw.some(&URLS, 1, 2)});
            }
            let names = if draw.number(3) == 0 { draw.some(&NAMES[1..], 1, 2) } else { Vec::new() };
            json!({"verbs": verbs, "apiGroups": draw.some(&GROUPS, 1, 2),
                "resources": draw.some(&RESOURCES, 1, 3), "resourceNames": names})
        };
        (0..many).map(|_| rule(self)).collect()
    }

    fn subjects(&mut self, namespaced: bool) -> Vec<Value> {
        const GROUP: &str = "rbac.authorization.k8s.io";
        let subject = |draw: &mut Draw| match draw.number(4) {
            0 => json!({"kind": "Group", "apiGroup": GROUP, "name": draw.one(&MEMBERS)}),
            1 if namespaced && draw.number(2) == 0 => json!({"kind": "ServiceAccount", "name": "robot"}),
            1 => {
                let spaces = [SPACES[0], SPACES[1], "drawn-gone", "drawn-a:robot"];
                json!({"kind": "ServiceAccount", "name": draw.one(&["robot", "x"]), "namespace": draw.one(&spaces)})
            }
            _ => json!({"kind": "User", "apiGroup": GROUP, "name": draw.one(&USERS[..10])}),
        };
        let many = self.number(4);
        (0..many).map(|_| subject(self)).collect()
    }

    fn question(&mut self) -> (Asker, Question) {
        let user = SmolStr::from(self.one(&USERS));
        // Whoever is in this group gets a yes to everything, which says little.
        let members = if self.number(40) == 0 { &MEMBERS[..] } else { &MEMBERS[..8] };
        let mut groups: Vec<SmolStr> = self.some(members, 0, 2).into_iter().map(SmolStr::from).collect();
        if user.is_empty() && groups.is_empty() {
            groups.push("ops".into());
        }
        let verb = SmolStr::from(self.one(&VERBS));
        if self.number(6) == 0 {
            let what = What::Url { url: self.one(&URLS).into() };
            return (Asker { user, groups }, Question { verb, what, namespace: SmolStr::default() });
        }
        let resource = self.one(&RESOURCES);
        let (resource, subresource) = match self.number(8) {
            0 => (resource, ""),
            _ => resource.split_once('/').unwrap_or((resource, "")),
        };
        let what = What::Resource {
            group: self.one(&GROUPS).into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: self.one(&NAMES).into(),
        };
        let namespace = self.one(&[SPACES[0], SPACES[1], SPACES[2], "drawn-gone", ""]).into();
        (Asker { user, groups }, Question { verb, what, namespace })
    }
}

async fn client(kubeconfig: &Path) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    config.proxy_url = None;
    Client::try_from(config).unwrap()
}

async fn post(client: Client, path: String, body: Value) -> (u16, Value) {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(body.to_string().into_bytes())).unwrap();
    let answer = client.send(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Does all of it, so many at a time, and gives the answers in the same order.
async fn all(client: &Client, asked: Vec<(String, Value)>) -> Vec<(u16, Value)> {
    let asked = Arc::new(asked);
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, asked, next) = (client.clone(), Arc::clone(&asked), Arc::clone(&next));
        workers.spawn(async move {
            let mut answers = Vec::new();
            while let Some((path, body)) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
                answers.push((body.clone(), post(client.clone(), path.clone(), body.clone()).await));
            }
            answers
        });
    }
    let mut found = std::collections::BTreeMap::new();
    while let Some(answers) = workers.join_next().await {
        found.extend(answers.unwrap().into_iter().map(|(body, answer)| (body.to_string(), answer)));
    }
    asked.iter().map(|(_, body)| found[&body.to_string()].clone()).collect()
}

fn object(kind: &str, namespace: &str, name: &str, rest: Value) -> (String, Value) {
    let (root, plural) = match kind {
        "Namespace" => ("/api/v1", "namespaces"),
        "ClusterRole" => ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
        "ClusterRoleBinding" => ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
        "Role" => ("/apis/rbac.authorization.k8s.io/v1", "roles"),
        _ => ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    };
    let within = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
    let version = if kind == "Namespace" { "v1" } else { "rbac.authorization.k8s.io/v1" };
    let mut object = rest;
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    object["metadata"]["name"] = name.into();
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    (format!("{root}{within}/{plural}"), object)
}

/// Roles and bindings of every awkward kind, and a binding of each that is the last of its kind.
fn world(draw: &mut Draw) -> Vec<(String, Value)> {
    let reference =
        |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let mut roles = Vec::new();
    let mut bindings = Vec::new();
    let own = ["r0", "r1", "r2", "*", "admin"];
    let whole: Vec<String> = (0..12).map(|at| format!("drawn-{at}")).collect();
    for name in &whole {
        roles.push(object("ClusterRole", "", name, json!({"rules": draw.rules(true)})));
    }
    // One whose rules a controller gathers, and what it gathers.
    let part = json!({"metadata": {"labels": {"drawn": "part"}}, "rules": [
        {"verbs": ["get"], "apiGroups": [""], "resources": ["*/scale", "secrets"]}]});
    roles.push(object("ClusterRole", "", "drawn-part", part));
    let gathers = json!({"rules": [], "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"drawn": "part"}}]}});
    roles.push(object("ClusterRole", "", "drawn-gathered", gathers));
    let given: Vec<&str> = whole
        .iter()
        .map(String::as_str)
        .chain(["drawn-gathered", "view", "edit", "drawn-missing", "cluster-admin"])
        .collect();
    for at in 0..14 {
        // Everything for everybody would leave nothing to ask.
        let role = draw.one(&given[..given.len() - 1]);
        let rest = json!({"roleRef": reference("ClusterRole", role), "subjects": draw.subjects(false)});
        bindings.push(object("ClusterRoleBinding", "", &format!("drawn-{at}"), rest));
    }
    for space in SPACES {
        for name in own {
            roles.push(object("Role", space, name, json!({"rules": draw.rules(false)})));
        }
        for at in 0..14 {
            let role = match draw.number(2) {
                0 => reference("Role", draw.one(&["r0", "r1", "r2", "*", "admin", "view", "missing"])),
                _ => reference("ClusterRole", draw.one(&given)),
            };
            let rest = json!({"roleRef": role, "subjects": draw.subjects(true)});
            bindings.push(object("RoleBinding", space, &format!("drawn-{at}"), rest));
        }
    }
    roles.into_iter().chain(bindings).collect()
}

/// Waits until the API server knows what was made last of each kind, and what the controller gathers.
async fn settled(client: &Client) {
    let subject =
        |name: &str| json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}]);
    let reference =
        |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let rules = json!({"rules": [{"verbs": ["drawn"], "apiGroups": ["drawn"], "resources": ["drawn"]}]});
    let last = |kind: &str, name: &str, user: &str| json!({"roleRef": reference(kind, name), "subjects": subject(user)});
    for (path, body) in [
        object("Role", SPACES[2], "zz-last", rules.clone()),
        object("ClusterRole", "", "zz-last", rules),
        object("RoleBinding", SPACES[2], "zz-last", last("Role", "zz-last", "zz-one")),
        object("ClusterRoleBinding", "", "zz-last", last("ClusterRole", "zz-last", "zz-other")),
        object("ClusterRoleBinding", "", "zz-gathered", last("ClusterRole", "drawn-gathered", "zz-third")),
    ] {
        assert_eq!(post(client.clone(), path, body).await.0, 201);
    }
    for (user, verb, group, resource) in [
        ("zz-one", "drawn", "drawn", "drawn"),
        ("zz-other", "drawn", "drawn", "drawn"),
        ("zz-third", "get", "", "secrets"),
    ] {
        let (user, [verb, group, resource]) =
            (SmolStr::from(user), [verb, group, resource].map(SmolStr::from));
        let what =
            What::Resource { group, resource, subresource: SmolStr::default(), name: SmolStr::default() };
        let question = Question { verb, what, namespace: SPACES[2].into() };
        let (path, body) = review(&Asker { user, groups: Vec::new() }, &question);
        let mut tries = 0;
        while post(client.clone(), path.clone(), body.clone()).await.1["status"]["allowed"] != true {
            tries += 1;
            assert!(tries < 300, "the API server never knew of {body}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn review(asker: &Asker, question: &Question) -> (String, Value) {
    let Question { verb, what, namespace } = question;
    let mut spec = json!({"user": asker.user, "groups": asker.groups});
    match what {
        What::Url { url } => spec["nonResourceAttributes"] = json!({"verb": verb, "path": url}),
        What::Resource { group, resource, subresource, name } => {
            spec["resourceAttributes"] = json!({"verb": verb, "group": group, "resource": resource,
                "subresource": subresource, "name": name, "namespace": namespace});
        }
    }
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
    ("/apis/authorization.k8s.io/v1/subjectaccessreviews".to_owned(), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kwo_says_what_the_api_server_says_and_looks_once() {
    let Some(server) = another(&[]) else { return };
    let client = client(&server.kubeconfig).await;
    let spaces = SPACES.map(|space| object("Namespace", "", space, json!({"metadata": {}})));
    for (status, answer) in all(&client, spaces.to_vec()).await {
        assert_eq!(status, 201, "{answer}");
    }
    let mut draw = Draw(12);
    let made = all(&client, world(&mut draw)).await;
    let there = made.iter().filter(|(status, _)| *status == 201).count();
    assert!(there * 10 > made.len() * 9, "{there} of {}: {made:?}", made.len());
    settled(&client).await;

    let options = KubeOptions { kubeconfig: Some(server.kubeconfig.clone()), ..KubeOptions::default() };
    let kube = Kube::connect(options).await.unwrap();
    let cluster = kube.access().await.unwrap();
    assert!(cluster.unseen().is_empty(), "{:?}", cluster.unseen());
    // Two that are equal would be asked twice.
    let mut known = BTreeSet::new();
    let mut questions = Vec::new();
    while questions.len() < QUESTIONS {
        let (asker, question) = draw.question();
        if known.insert(review(&asker, &question).1.to_string()) {
            questions.push((asker, question));
        }
    }
    let asked = questions.iter().map(|(asker, question)| review(asker, question)).collect();
    let answers = all(&client, asked).await;
    let (mut yes, mut wrong) = (0, Vec::new());
    for ((asker, question), (status, answer)) in questions.iter().zip(&answers) {
        assert_eq!(*status, 201, "{asker:?} {question:?}: {answer}");
        let allowed = answer["status"]["allowed"] == true;
        yes += usize::from(allowed);
        if cluster.allows(asker, question) != allowed {
            wrong.push(format!("{asker:?} {question:?}: the server says {}", answer["status"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {QUESTIONS}: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(yes * 10 > QUESTIONS && yes * 2 < QUESTIONS, "{yes} of {QUESTIONS} are yes: too one-sided");

    // A thousand tenants more, and it is one LIST a kind still.
    let tenants: Vec<(String, Value)> = (0..TENANTS)
        .map(|at| object("Namespace", "", &format!("tenant-{at}"), json!({"metadata": {}})))
        .collect();
    assert!(all(&client, tenants).await.iter().all(|(status, _)| *status == 201));
    let bindings: Vec<(String, Value)> = (0..TENANTS)
        .map(|at| {
            let rest = json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
                "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": format!("owner-{at}@example.com")}]});
            object("RoleBinding", &format!("tenant-{at}"), "owner", rest)
        })
        .collect();
    assert!(all(&client, bindings).await.iter().all(|(status, _)| *status == 201));
    let audit = server.kubeconfig.with_file_name("audit.log");
    let kwo = |args: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_kwo"))
            .args(["access"])
            .args(args)
            .args(["-o", "json", "--as=counted", "--as-group=system:masters"])
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("KWO_KUBECONFIG", &server.kubeconfig)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice::<Value>(&ran.stdout).unwrap()
    };
    let requests = || -> Vec<String> {
        let text = std::fs::read_to_string(&audit).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mine = events.filter(|event| event["impersonatedUser"]["username"] == "counted");
        mine.map(|event| event["requestURI"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let found = kwo(&["who-can", "get", "secrets"]);
    assert_eq!(found["complete"], true);
    let owners = found["allowed"].as_array().unwrap();
    let owners = owners.iter().filter(|way| way["who"].as_str().unwrap().starts_with("owner-")).count();
    assert_eq!(owners, TENANTS);
    let first = requests();
    assert_eq!(first.len(), OF_ACCESS.len() + 2, "a LIST a kind, and which resources there are: {first:#?}");
    let rights = kwo(&["of", "owner-7@example.com"]);
    let held = rights["held"].as_array().unwrap();
    assert_eq!(held.iter().filter(|held| held["namespace"] == "tenant-7").count(), 1, "{held:#?}");
    assert_eq!(requests().len(), first.len() + OF_ACCESS.len());
}
