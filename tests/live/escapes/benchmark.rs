//! The multi-tenancy benchmark of Kubernetes' working group: each of its checks, tried in a tier that is built in and
//! bounded as `standard` is, and in `restricted`. `docs/reference/multi-tenancy-benchmark.md` publishes this table, row
//! by row.

use serde_json::{Value, json};

use crate::escapes::way::{MERGE, Way, core, group, object};
use crate::escapes::world::{ONE, Who, World};

const RBAC: &str = "rbac.authorization.k8s.io";

/// What is allowed to anybody who has logged in, since it is about oneself.
const ABOUT_ONESELF: [&str; 3] =
    ["selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"];

const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// A tenant on whom the checks are tried, as its owner.
struct Tried<'w> {
    world: &'w World,
    namespace: &'static str,
    owner: Who,
}

/// One check: nothing where it passes, and otherwise what the tenant could do.
struct Check {
    id: &'static str,
    name: &'static str,
    /// Does the tier `standard` pass? `restricted` passes all.
    standard: bool,
    tries: fn(&Tried<'_>) -> Result<(), String>,
}

macro_rules! checks {
    ($($id:literal $name:ident $standard:literal),* $(,)?) => {
        &[$(Check { id: $id, name: stringify!($name), standard: $standard, tries: $name }),*]
    };
}

const CHECKS: &[Check] = checks![
    "MTB-PL1-CC-CPI-1" cluster_resources false,
    "MTB-PL1-BC-CPI-2" what_the_admin_made true,
    "MTB-PL1-BC-CPI-3" capabilities true,
    "MTB-PL1-BC-CPI-4" root false,
    "MTB-PL1-BC-CPI-5" privileged true,
    "MTB-PL1-BC-CPI-6" escalation false,
    "MTB-PL1-CC-TI-1" own_quotas true,
    "MTB-PL1-CC-TI-2" other_tenants true,
    "MTB-PL1-CC-FNS-1" quotas_of_resources true,
    "MTB-PL1-CC-FNS-2" quotas_of_objects false,
    "MTB-PL1-BC-NI-1" network_between_tenants true,
    "MTB-PL1-BC-HI-1" host_path true,
    "MTB-PL1-BC-HI-2" node_ports true,
    "MTB-PL1-BC-HI-3" host_network true,
    "MTB-PL1-BC-HI-4" host_pid true,
    "MTB-PL1-BC-HI-5" host_ipc true,
    "MTB-PL1-CC-DI-1" pull_policy false,
    "MTB-PL2-BC-OPS-3" own_roles true,
    "MTB-PL2-BC-OPS-4" own_network_policies true,
    "MTB-PL2-CC-TI-1" more_than_its_role true,
];

impl Tried<'_> {
    /// May the owner do this? Asked as `kubectl auth can-i` asks.
    fn may(&self, attributes: Vec<Value>) -> Vec<String> {
        let asked = attributes.into_iter().map(|attributes| {
            let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes}});
            Way::create(
                &attributes.to_string(),
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                &review,
            )
        });
        let asked: Vec<Way> = asked.collect();
        let answers = self.world.answers(self.owner, &asked);
        let allowed = asked.into_iter().zip(answers).filter(|(_, answer)| {
            assert_eq!(answer.status, 201, "{}", answer.text);
            answer.text.contains("\"allowed\":true")
        });
        allowed.map(|(way, _)| way.name).collect()
    }

    fn pods(&self) -> String {
        format!("{}?dryRun=All", core(self.namespace, "pods"))
    }

    /// Each of these has to be refused, by admission and not for another reason.
    fn refused(&self, ways: &[Way]) -> Result<(), String> {
        let answers = self.world.answers(self.owner, ways);
        let open = ways.iter().zip(answers).filter(|(_, answer)| answer.status != 403);
        let open: Vec<String> =
            open.map(|(way, answer)| format!("{}: {} {}", way.name, answer.status, answer.text)).collect();
        if open.is_empty() { Ok(()) } else { Err(open.join("\n")) }
    }

    /// A pod that is as it should be but for this.
    fn pod(&self, name: &str, change: impl Fn(&mut Value)) -> Way {
        let mut pod = sound();
        change(&mut pod);
        Way::create(name, &self.pods(), &object("v1", "Pod", "benchmark", &json!({"spec": pod})))
    }
}

/// A pod that passes all checks.
fn sound() -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "main", "image": "registry.example.com/web:1", "imagePullPolicy": "Always",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
    })
}

/// The kinds that the API server has, in the cluster or in namespaces: group and plural.
fn kinds(world: &World, namespaced: bool) -> Vec<(String, String)> {
    let get = |path: &str| -> Value {
        serde_json::from_str(&world.answer(Who::Admin, &Way::get(path)).text).unwrap()
    };
    let mut paths = vec!["/api/v1".to_owned()];
    for group in get("/apis")["groups"].as_array().unwrap() {
        paths.push(format!("/apis/{}", group["preferredVersion"]["groupVersion"].as_str().unwrap()));
    }
    let mut kinds = Vec::new();
    for path in paths {
        let list = get(&path);
        let version = list["groupVersion"].as_str().unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        for kind in list["resources"].as_array().into_iter().flatten() {
            let name = kind["name"].as_str().unwrap();
            if kind["namespaced"] == namespaced && !name.contains('/') && !ABOUT_ONESELF.contains(&name) {
                kinds.push((group.to_owned(), name.to_owned()));
            }
        }
    }
    assert!(kinds.len() > 10, "{kinds:?}");
    kinds
}

fn every_verb(kinds: &[(String, String)], namespace: &str) -> Vec<Value> {
    let each = kinds.iter().flat_map(|(group, plural)| {
        VERBS.map(|verb| json!({"group": group, "resource": plural, "verb": verb, "namespace": namespace}))
    });
    each.collect()
}

fn none(allowed: &[String]) -> Result<(), String> {
    if allowed.is_empty() { Ok(()) } else { Err(allowed.join("\n")) }
}

fn cluster_resources(tried: &Tried<'_>) -> Result<(), String> {
    let allowed = tried.may(every_verb(&kinds(tried.world, false), ""));
    // Where it is open, it is for the lists of namespaces and nodes and no more.
    let navigation = |one: &String| {
        ["get", "list", "watch"].iter().any(|verb| one.contains(&format!("\"verb\":\"{verb}\"")))
            && ["namespaces", "nodes"].iter().any(|plural| one.contains(&format!("\"{plural}\"")))
    };
    assert!(allowed.iter().all(navigation), "{allowed:#?}");
    none(&allowed)
}

fn what_the_admin_made(tried: &Tried<'_>) -> Result<(), String> {
    let mut ways = Vec::new();
    for collection in [
        core(tried.namespace, "resourcequotas"),
        core(tried.namespace, "limitranges"),
        core(tried.namespace, "serviceaccounts"),
        group("networking.k8s.io/v1", tried.namespace, "networkpolicies"),
        group(&format!("{RBAC}/v1"), tried.namespace, "roles"),
        group(&format!("{RBAC}/v1"), tried.namespace, "rolebindings"),
    ] {
        let list = Way::get(&format!("{collection}?labelSelector=kwo.dev%2Fmanaged"));
        let list: Value = serde_json::from_str(&tried.world.answer(tried.owner, &list).text).unwrap();
        let items = list["items"].as_array().unwrap();
        assert!(!items.is_empty(), "{collection}");
        for item in items {
            let path = format!("{collection}/{}?dryRun=All", item["metadata"]["name"].as_str().unwrap());
            ways.push(Way::delete(&path));
            ways.push(Way::patch("a note", &path, MERGE, &json!({"metadata": {"annotations": {"a": "b"}}})));
        }
    }
    tried.refused(&ways)
}

fn capabilities(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"].map(|name| {
        tried.pod(name, |pod| {
            pod["containers"][0]["securityContext"]["capabilities"]["add"] = json!([name]);
        })
    }))
}

fn root(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&[
        tried.pod("nothing said", |pod| pod["securityContext"]["runAsNonRoot"] = json!(null)),
        tried.pod("as root", |pod| pod["securityContext"]["runAsUser"] = json!(0)),
    ])
}

fn privileged(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&[tried.pod("privileged", |pod| {
        pod["containers"][0]["securityContext"] =
            json!({"privileged": true, "capabilities": {"drop": ["ALL"]}});
    })])
}

fn escalation(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&[tried.pod("escalation", |pod| {
        pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    })])
}

fn own_quotas(tried: &Tried<'_>) -> Result<(), String> {
    let kind = [(String::new(), "resourcequotas".to_owned())];
    let mut asked = every_verb(&kind, tried.namespace);
    asked.retain(|one| !["get", "list", "watch"].iter().any(|verb| one["verb"] == *verb));
    none(&tried.may(asked))
}

fn other_tenants(tried: &Tried<'_>) -> Result<(), String> {
    none(&tried.may(every_verb(&kinds(tried.world, true), ONE)))
}

/// All names in the quotas of the namespace.
fn bounded(tried: &Tried<'_>) -> Vec<String> {
    let list = Way::get(&core(tried.namespace, "resourcequotas"));
    let list: Value = serde_json::from_str(&tried.world.answer(tried.owner, &list).text).unwrap();
    let hard = list["items"].as_array().unwrap().iter().filter_map(|quota| quota["spec"]["hard"].as_object());
    hard.flat_map(|hard| hard.keys().cloned()).collect()
}

fn names_all(tried: &Tried<'_>, wanted: &[&str]) -> Result<(), String> {
    let bounded = bounded(tried);
    let missing = |name: &&&str| !bounded.iter().any(|bound| bound.rsplit('/').next() == Some(**name));
    none(&wanted.iter().filter(missing).map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

fn quotas_of_resources(tried: &Tried<'_>) -> Result<(), String> {
    names_all(
        tried,
        &[
            "requests.cpu",
            "requests.memory",
            "requests.storage",
            "requests.ephemeral-storage",
            "limits.ephemeral-storage",
        ],
    )
}

fn quotas_of_objects(tried: &Tried<'_>) -> Result<(), String> {
    names_all(
        tried,
        &[
            "pods",
            "services",
            "replicationcontrollers",
            "resourcequotas",
            "secrets",
            "configmaps",
            "persistentvolumeclaims",
            "services.nodeports",
            "services.loadbalancers",
        ],
    )
}

/// What the policy lets through is judged by packets in `src/planner/tests/packets`; here, that it stands.
fn network_between_tenants(tried: &Tried<'_>) -> Result<(), String> {
    let path = group("networking.k8s.io/v1", tried.namespace, "networkpolicies");
    let policy = format!("{path}/{}-isolation", tried.namespace);
    let policy: Value =
        serde_json::from_str(&tried.world.answer(tried.owner, &Way::get(&policy)).text).unwrap();
    assert_eq!(policy["spec"]["podSelector"], json!({}), "{policy}");
    assert_eq!(policy["spec"]["policyTypes"].as_array().map(Vec::len), Some(2), "{policy}");
    what_the_admin_made(tried)
}

fn host_path(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&[tried.pod("a folder of the host", |pod| {
        pod["volumes"] = json!([{"name": "host", "hostPath": {"path": "/etc"}}]);
    })])
}

fn node_ports(tried: &Tried<'_>) -> Result<(), String> {
    let spec = json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    let services = core(tried.namespace, "services");
    tried.refused(&[Way::create("a port", &services, &object("v1", "Service", "benchmark", &spec))])
}

fn host_network(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&[
        tried.pod("the host's network", |pod| pod["hostNetwork"] = json!(true)),
        tried.pod("a port of the host", |pod| {
            pod["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
        }),
    ])
}

fn host_pid(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&[tried.pod("the host's processes", |pod| pod["hostPID"] = json!(true))])
}

fn host_ipc(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&[tried.pod("the host's memory", |pod| pod["hostIPC"] = json!(true))])
}

fn pull_policy(tried: &Tried<'_>) -> Result<(), String> {
    tried.refused(&[json!("IfNotPresent"), json!("Never"), json!(null)].map(|policy| {
        tried.pod(&policy.to_string(), |pod| pod["containers"][0]["imagePullPolicy"] = policy.clone())
    }))
}

/// Here the tenant has to be able to do something.
fn own_roles(tried: &Tried<'_>) -> Result<(), String> {
    let kinds = ["roles", "rolebindings"].map(|plural| (RBAC.to_owned(), plural.to_owned()));
    let asked = every_verb(&kinds, tried.namespace);
    let all = asked.len();
    let allowed = tried.may(asked).len();
    let version = format!("{RBAC}/v1");
    let rules = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let bound = json!({"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}, "subjects": []});
    let made =
        [("Role", "roles", rules), ("RoleBinding", "rolebindings", bound)].map(|(kind, plural, rest)| {
            let path = format!("{}?dryRun=All", group(&version, tried.namespace, plural));
            Way::create(kind, &path, &object(&version, kind, "benchmark", &rest))
        });
    tried.world.allows(tried.owner, &made);
    if allowed == all { Ok(()) } else { Err(format!("{allowed} of {all}")) }
}

/// The check asks for the right alone. The write is refused, whatever the right.
fn own_network_policies(tried: &Tried<'_>) -> Result<(), String> {
    let kinds = [("networking.k8s.io".to_owned(), "networkpolicies".to_owned())];
    let asked = every_verb(&kinds, tried.namespace);
    let all = asked.len();
    let version = "networking.k8s.io/v1";
    let open =
        object(version, "NetworkPolicy", "benchmark", &json!({"spec": {"podSelector": {}, "egress": [{}]}}));
    tried
        .refused(&[Way::create("a policy", &group(version, tried.namespace, "networkpolicies"), &open)])
        .unwrap();
    let allowed = tried.may(asked).len();
    if allowed == all { Ok(()) } else { Err(format!("{allowed} of {all}")) }
}

fn more_than_its_role(tried: &Tried<'_>) -> Result<(), String> {
    let namespace = tried.namespace;
    let asked = ["roles", "clusterroles"].into_iter().flat_map(|plural| {
        ["escalate", "bind"].map(|verb| {
            json!({"group": RBAC, "resource": plural, "verb": verb, "name": "cluster-admin", "namespace": namespace})
        })
    });
    none(&tried.may(asked.collect()))?;
    let version = format!("{RBAC}/v1");
    let bound = json!({"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}, "subjects": []});
    let rules = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    tried.refused(&[("Role", "roles", rules), ("RoleBinding", "rolebindings", bound)].map(
        |(kind, plural, rest)| {
            Way::create(
                kind,
                &group(&version, namespace, plural),
                &object(&version, kind, "benchmark", &rest),
            )
        },
    ))
}

#[test]
fn each_check_of_the_benchmark_comes_out_as_published() {
    let Some(world) = World::beside(
        "",
        "  bench-usual: {tier: small, owners: [usual@example.com]}\n  \
         bench-strict: {tier: restricted, owners: [strict@example.com]}\n",
        "",
    ) else {
        return;
    };
    // `small` differs from `standard` in amounts alone, and the other tests take the bounds off `standard`.
    let usual = Tried { world: &world, namespace: "bench-usual", owner: Who::User("usual@example.com") };
    let strict = Tried { world: &world, namespace: "bench-strict", owner: Who::User("strict@example.com") };
    world.closes(
        strict.owner,
        &strict
            .pod("in force", |pod| {
                pod["containers"][0]["imagePullPolicy"] = json!("Never");
            })
            .by("imagePullPolicy: Always"),
    );
    for tried in [&usual, &strict] {
        world.allows(tried.owner, &[tried.pod("a sound pod", |_| {})]);
    }
    let mut wrong = Vec::new();
    for Check { id, name, standard, tries } in CHECKS {
        for (tier, tried, passes) in [("standard", &usual, *standard), ("restricted", &strict, true)] {
            let outcome = tries(tried);
            if outcome.is_ok() != passes {
                wrong.push(format!("{id} {name} in {tier}: {outcome:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_published_table_is_this_one() {
    let docs = include_str!("../../../docs/reference/multi-tenancy-benchmark.md");
    let rows = docs.lines().filter(|line| line.starts_with("| MTB-"));
    let rows: Vec<Vec<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            [0, 3, 4, 5].map(|column| cells[column].trim_matches('`').to_owned()).to_vec()
        })
        .collect();
    let passes = |passes: bool| if passes { "passes" } else { "open" }.to_owned();
    let checks: Vec<Vec<String>> = CHECKS
        .iter()
        .map(|check| vec![check.id.to_owned(), passes(check.standard), passes(true), check.name.to_owned()])
        .collect();
    assert_eq!(rows, checks);
}
