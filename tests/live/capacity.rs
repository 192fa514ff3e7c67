//! What quotas promise beside what nodes give, of a real API server: with nodes, pods and quotas as it keeps them.

use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::{Bench, Ran, narrow};

/// A node with so many of a device that no other test has. The server taints it until a kubelet says that it is ready.
fn node(bench: &Bench, name: &str, device: &str) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"allocatable": {(device): "4", "cpu": "2"}, "capacity": {(device): "4", "cpu": "2"}}});
    let file = bench.path("node.json");
    std::fs::write(&file, node.to_string()).unwrap();
    kubectl_ok(&["create", "-f", file.to_str().unwrap()]);
}

/// A pod that asks for one of it.
fn pod(bench: &Bench, namespace: &str, device: &str, node: &str) {
    let resources = json!({"requests": {(device): "1"}, "limits": {(device): "1"}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asks", "namespace": namespace},
        "spec": {"nodeName": node, "containers": [{"name": "a", "image": "a", "resources": resources}]}});
    let file = bench.path("pod.json");
    std::fs::write(&file, pod.to_string()).unwrap();
    kubectl_ok(&["create", "-f", file.to_str().unwrap()]);
}

fn told(bench: &Bench, device: &str) -> (Value, Value) {
    let ran = bench.kwo(&["capacity", "-o", "json"]).expect(0);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let of = json["resources"].as_array().unwrap().iter().find(|of| of["resource"] == device).cloned();
    (json, of.unwrap_or_default())
}

#[test]
fn capacity_is_what_the_server_says() {
    let (tenant, other, name) = (unique("capacity"), unique("system"), unique("node"));
    let device = format!("{tenant}.example.com/thing");
    let roster = |count: u32, more: &str| {
        format!("{more}tenants: {{{tenant}: {{quota: {{hard: {{requests.{device}: {count}}}}}}}}}\n")
    };
    let Some(bench) = Bench::new(&roster(2, "")) else { return };
    node(&bench, &name, &device);
    // Whatever comes of it, no other test meets the node.
    struct Gone<'n>(&'n str);
    impl Drop for Gone<'_> {
        fn drop(&mut self) {
            let _ = testkit::apiserver::kubectl(&["delete", "node", self.0]);
        }
    }
    let gone = Gone(&name);
    let left = |json: &Value| -> Vec<String> {
        let left = json["nodes"]["left_out"].as_array().unwrap().iter();
        left.filter(|left| left["name"] == name.as_str()).map(|left| left["why"].to_string()).collect()
    };
    let (json, of) = told(&bench, &device);
    assert_eq!(left(&json), ["\"taint node.kubernetes.io/not-ready:NoSchedule\""]);
    assert_eq!(of["allocatable"], "0");
    kubectl_ok(&["taint", "node", &name, "node.kubernetes.io/not-ready:NoSchedule-"]);

    kubectl_ok(&["create", "namespace", &other]);

    pod(&bench, &other, &device, &name);
    let (json, of) = told(&bench, &device);
    assert!(left(&json).is_empty());
    assert_eq!(
        (&of["allocatable"], &of["system"], &of["available"], &of["before"], &of["after"], &of["over"]),
        (&"4".into(), &"1".into(), &"3".into(), &"0".into(), &"2".into(), &false.into())
    );

    bench.apply(&[]).expect(0);
    pod(&bench, &tenant, &device, &name);
    bench.write(&roster(4, "cluster: {overcommit: {}}\n"));
    let (_, of) = told(&bench, &device);
    assert_eq!(
        (&of["system"], &of["before"], &of["after"], &of["over"]),
        (&"1".into(), &"2".into(), &"4".into(), &true.into())
    );
    let plan = bench.plan(&[]);
    let over = plan["overcommitted"]["over"].as_array().unwrap();
    assert!(over.iter().any(|over| over["resource"] == device.as_str() && over["after"] == "4"), "{plan:#}");

    // With the rights that kwo prints for a plan, and without.
    let rights = bench.kwo(&["rbac", "--for", "plan", "-o", "json"]).expect(0);
    let manifests: Value = serde_json::from_str(&rights.out).unwrap();
    let role =
        manifests["items"].as_array().unwrap().iter().find(|item| item["kind"] == "ClusterRole").unwrap();
    let rules = role["rules"].to_string();
    let few = narrow(&unique("few"), &rules, &bench.path(""));
    let none = narrow(&unique("none"), "[]", &bench.path(""));
    let bench = bench.with_kubeconfig(&few);
    told(&bench, &device);
    let bench = bench.with_kubeconfig(&none);
    let Ran { out, err, .. } = bench.kwo(&["capacity"]).expect(1);
    assert!(
        out.contains("could not look at Node: list nodes: refused") && err.contains("kwo rbac"),
        "{out}{err}"
    );
    drop(gone);
}
