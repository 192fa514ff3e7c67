//! Nothing that is there before `apply` is gone after it: every leaf of every object of a namespace that kwo takes
//! over, by what the API server says before and after.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::{Bench, get};

/// A namespace as somebody else set it up: under the names that kwo uses too, with more in it than kwo wants, with
/// other values, and with things of which kwo knows nothing.
const THEIRS: &str = r#"
apiVersion: v1
kind: Namespace
metadata:
  name: NAME
  labels: {team: blue, pod-security.kubernetes.io/enforce: privileged, "example.com/with.dots_and-more": x}
  annotations: {owner: "somebody, once", "example.com/note": "tilde~/slash", empty: ""}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: NAME-quota, namespace: NAME, labels: {team: blue}, annotations: {why: because}}
spec: {hard: {pods: "3", services: "7", "count/jobs.batch": "2", requests.cpu: 1500m}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: NAME-limits, namespace: NAME, annotations: {why: because}}
spec:
  limits:
  - {type: Container, max: {cpu: "9", memory: 9Gi}, min: {cpu: 1m}}
  - {type: PersistentVolumeClaim, max: {storage: 3Gi}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME-isolation, namespace: NAME, labels: {team: blue}}
spec: {podSelector: {matchLabels: {app: theirs}}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: NAME, labels: {team: blue}, annotations: {why: because}}
automountServiceAccountToken: false
imagePullSecrets: [{name: pull}]
secrets: [{name: token}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant-deployer, namespace: NAME, labels: {team: blue}}
rules: [{apiGroups: [example.com], resources: [things], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer-binding, namespace: NAME, annotations: {why: because}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant-deployer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: robot}, {kind: ServiceAccount, name: ci, namespace: other}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: strangers, namespace: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: strangers}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: theirs, namespace: NAME}
data: {a: b, "file.yaml": "x: 1\n"}
binaryData: {raw: AAECAw==}
---
apiVersion: v1
kind: Secret
metadata: {name: theirs, namespace: NAME}
stringData: {token: not-so-secret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: theirs, namespace: NAME}
spec:
  replicas: 0
  selector: {matchLabels: {app: theirs}}
  template:
    metadata: {labels: {app: theirs}}
    spec: {containers: [{name: main, image: example.com/x, env: [{name: A, value: b}]}]}
"#;

/// The leaves of all objects of a namespace and of the namespace itself, by object and JSON pointer. The entries of a
/// list are known by what they are, because a set has no order.
type Leaves = BTreeMap<(String, String), Value>;

fn leaves(name: &str) -> Leaves {
    let kinds = kubectl_ok(&["api-resources", "--namespaced", "--verbs=list", "-o=name"]);
    // Events come and go by themselves.
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let listed: Value =
        serde_json::from_str(&kubectl_ok(&["get", &kinds.join(","), "-n", name, "-o", "json"])).unwrap();
    let mut found = Leaves::new();
    for mut object in listed["items"].as_array().unwrap().iter().cloned().chain([get("namespace", "", name)])
    {
        let kind = object["kind"].as_str().unwrap();
        let scope =
            object["metadata"]["namespace"].as_str().map_or(String::new(), |scope| format!("/{scope}"));
        let id = format!("kube:{kind}{scope}/{}", object["metadata"]["name"].as_str().unwrap());
        object.as_object_mut().unwrap().remove("status");
        for own in ["managedFields", "resourceVersion", "generation"] {
            object["metadata"].as_object_mut().unwrap().remove(own);
        }
        walk(&object, "", &mut |pointer, value| {
            found.insert((id.clone(), pointer), value.clone());
        });
    }
    found
}

fn walk(value: &Value, pointer: &str, leaf: &mut dyn FnMut(String, &Value)) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                walk(value, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), leaf);
            }
        }
        Value::Array(items) => {
            leaf(pointer.to_owned(), &Value::Null);
            // Entries that have a key are known by their place, which no step changes, and hold leaves of their own.
            if pointer == "/spec/limits" {
                return items
                    .iter()
                    .enumerate()
                    .for_each(|(at, item)| walk(item, &format!("{pointer}/{at}"), leaf));
            }
            for item in items {
                leaf(format!("{pointer}/{item}"), item);
            }
        }
        other => leaf(pointer.to_owned(), other),
    }
}

/// What the plan says it gives another value: object, pointer, and that value.
fn revised(plan: &Value) -> Vec<(String, String, Value)> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |step: &Value| {
        let changes = list(&step["changes"]).into_iter().filter(|change| change["action"] == "revise");
        let id = text(&step["id"]);
        changes
            .map(move |change| (id.clone(), text(&change["pointer"]), change["to"].clone()))
            .collect::<Vec<_>>()
    };
    list(&plan["steps"]).iter().flat_map(of).collect()
}

#[test]
fn every_leaf_that_was_there_is_there_after() {
    let name = unique("lasting");
    let Some(bench) = Bench::new(&format!(
        "tenants:\n  {name}: {{owners: [{name}@example.com], labels: {{team: red}}, quota: {{pods: 5}}}}\n"
    )) else {
        return;
    };
    std::fs::write(bench.path("theirs.yaml"), THEIRS.replace("NAME", &name)).unwrap();
    kubectl_ok(&["create", "-f", bench.path("theirs.yaml").to_str().unwrap()]);
    let plan = bench.plan(&["--adopt"]);
    let before = leaves(&name);
    bench.apply(&["--adopt"]).expect(0);
    let after = leaves(&name);

    let revised = revised(&plan);
    let covers = |place: &str, pointer: &str| {
        pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut kept = 0;
    for ((id, pointer), value) in &before {
        if !revised.iter().any(|(object, place, _)| object == id && covers(place, pointer)) {
            assert_eq!(after.get(&(id.clone(), pointer.clone())), Some(value), "{id} {pointer}");
            kept += 1;
        }
    }
    // What is one value, such as a selector, gives way as a whole, to what the plan said.
    for (id, place, to) in &revised {
        assert!(
            before.keys().any(|(object, pointer)| object == id && covers(place, pointer)),
            "{id} {place}"
        );
        let mut now = after.iter().filter(|((object, pointer), _)| object == id && covers(place, pointer));
        let found = now.next().map(|(_, value)| value);
        assert!(found.is_some() && (!to.is_string() || found == Some(to)), "{id} {place}: {found:?}");
    }
    // Only where both sides meet is this worth something.
    let adopted = plan["steps"].as_array().unwrap().iter().filter(|step| step["adopts"] == true).count();
    assert_eq!((adopted, revised.len()), (7, 12), "{plan:#}");
    assert!(kept > 100, "{kept}");
}

#[test]
fn what_others_bound_in_a_limit_range_stays() {
    let name = unique("limits");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n")) else { return };
    let object = format!("{name}-limits");
    let container = json!({"type": "Container", "default": {"cpu": "500m", "memory": "512Mi"},
        "defaultRequest": {"cpu": "50m", "memory": "64Mi"}, "max": {"memory": "8Gi"}, "min": {"cpu": "10m"}});
    let claim = json!({"type": "PersistentVolumeClaim", "max": {"storage": "10Gi"}});
    let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": object, "namespace": name},
        "spec": {"limits": [claim, container]}});
    kubectl_ok(&["create", "namespace", &name]);
    std::fs::write(bench.path("limits.json"), limits.to_string()).unwrap();
    kubectl_ok(&["create", "-f", bench.path("limits.json").to_str().unwrap()]);
    let found = || {
        let text = kubectl_ok(&["get", "limitrange", &object, "-n", &name, "-o", "json"]);
        serde_json::from_str::<Value>(&text).unwrap()["spec"]["limits"].clone()
    };
    bench.apply(&["--adopt"]).expect(0);
    assert_eq!(found()[0], claim);
    assert_eq!((&found()[1]["max"]["memory"], &found()[1]["min"]["cpu"]), (&json!("4Gi"), &json!("10m")));
    // Somebody adds an entry of yet another type and puts it first, and changes a value of the roster.
    let edit = json!([
        {"op": "add", "path": "/spec/limits/0", "value": {"type": "Pod", "max": {"cpu": "3"}}},
        {"op": "replace", "path": "/spec/limits/2/default/memory", "value": "600Mi"}]);
    kubectl_ok(&["patch", "limitrange", &object, "-n", &name, "--type=json", "-p", &edit.to_string()]);
    bench.apply(&[]).expect(0);
    let after = found();
    assert_eq!((&after[0]["type"], &after[0]["max"]["cpu"], &after[1]), (&json!("Pod"), &json!("3"), &claim));
    assert_eq!(after[2]["default"]["memory"], "512Mi");
    let plan = bench.plan(&[]);
    assert_eq!(plan["steps"], json!([]), "{plan:#}");
}
