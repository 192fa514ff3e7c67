//! `kwo capacity`, and what a plan says of it, against a server with two nodes and a few pods.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use testkit::loopback::{Loopback, Reply};
use testkit::schemas::fits;

use crate::cli::{address, snapshot, transcript_with};

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\ntiers: {open: {}}\ntenants:\n  alice: {tier: large, \
namespaces: [shop, test]}\n  bob: {quota: {memory: 12Gi}}\n  carol: {tier: open}\n";

const NODES: &str = r#"{"items":[
{"metadata":{"name":"n1"},"status":{"allocatable":{"cpu":"4","memory":"16Gi","pods":"110"}}},
{"metadata":{"name":"n2"},"spec":{"unschedulable":true},"status":{"allocatable":{"cpu":"64","memory":"1Ti"}}}]}"#;

const PODS: &str = r#"{"items":[
{"metadata":{"namespace":"kube-system","name":"dns"},"spec":{"nodeName":"n1",
 "containers":[{"resources":{"requests":{"cpu":"100m","memory":"70Mi"}}}]},"status":{"phase":"Running"}},
{"metadata":{"namespace":"shop","name":"web"},"spec":{"nodeName":"n1",
 "containers":[{"resources":{"requests":{"cpu":"2"}}}]},"status":{"phase":"Running"}}]}"#;

const QUOTAS: &str = r#"{"items":[
{"metadata":{"namespace":"shop","name":"shop-quota","labels":{"kwo.dev/managed":"true","kwo.dev/tenant":"alice"}},
 "spec":{"hard":{"requests.cpu":"2","requests.memory":"4Gi","pods":"20"}},
 "status":{"used":{"requests.cpu":"2","requests.memory":"1Gi","pods":"60"}}},
{"metadata":{"namespace":"old","name":"eve-quota","labels":{"kwo.dev/managed":"true","kwo.dev/tenant":"eve"}},
 "spec":{"hard":{"requests.cpu":"1","requests.memory":"2Gi","pods":"10"}},"status":{"used":{}}}]}"#;

/// A server whose lists these are, except one that is forbidden; and the paths that were asked for.
fn server(forbidden: &'static str) -> (Loopback, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = Loopback::start(move |asked| {
        log.lock().unwrap().push(asked.path.clone());
        let path = asked.path.split('?').next().unwrap_or_default();
        let answer = |body: &str| Reply::Answer(200, "", body.to_owned());
        match path {
            _ if !forbidden.is_empty() && path.ends_with(forbidden) => {
                Reply::Answer(403, "", r#"{"kind":"Status","message":"it is forbidden"}"#.to_owned())
            }
            "/api/v1/nodes" => answer(NODES),
            "/api/v1/pods" => answer(PODS),
            "/api/v1/resourcequotas" => answer(QUOTAS),
            "/api/v1/namespaces/kube-system" => answer(r#"{"metadata":{"name":"kube-system","uid":"u"}}"#),
            "/readyz" => answer("ok"),
            _ => Reply::Answer(404, "", "{}".to_owned()),
        }
    });
    (server, asked)
}

fn run(server: &Loopback, roster: &str, args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    let kubeconfig = server.kubeconfig.to_str().unwrap();
    let text =
        transcript_with(folder.path(), args, &[("KUBECONFIG", kubeconfig), ("KWO_ROSTER_ID", "tests")]);
    text.replace(&address(server), "SERVER")
}

#[test]
fn what_quotas_promise_stands_beside_what_the_nodes_can_give() {
    let (server, asked) = server("");
    let text = run(&server, ROSTER, &["capacity"]);
    assert!(!text.contains('█'), "a bar is for a terminal: {text}");
    snapshot("capacity", &text);
    let lists = asked.lock().unwrap().iter().filter(|path| path.starts_with("/api/v1/")).count();
    assert_eq!(lists, 3, "{asked:?}");
    let json = run(&server, ROSTER, &["capacity", "-o", "json"]);
    let json: Value =
        serde_json::from_str(json.split_once('\n').unwrap().1.split("---- stderr").next().unwrap()).unwrap();
    fits("capacity", &json);
    let cpu = json["resources"].as_array().unwrap().iter().find(|of| of["resource"] == "cpu").unwrap();
    assert_eq!(
        (&cpu["available"], &cpu["before"], &cpu["after"]),
        (&"3900m".into(), &"3".into(), &"11".into())
    );
}

#[test]
fn what_may_not_be_looked_at_is_said_and_fails() {
    let (server, _) = server("/nodes");
    snapshot("capacity_forbidden", &run(&server, ROSTER, &["capacity"]));
}

#[test]
fn a_plan_asks_and_warns_where_the_roster_sets_a_ratio_and_nowhere_else() {
    let nodes = |roster: &str, args: &[&str]| {
        let (server, asked) = server("");
        let text = run(&server, roster, &[&["plan", "--summary"], args].concat());
        let asked = asked.lock().unwrap();
        let of = |what: &str| asked.iter().filter(|path| path.starts_with(what)).count();
        (text, of("/api/v1/nodes"), of("/api/v1/pods"))
    };
    let (text, list, pods) = nodes(ROSTER, &[]);
    assert_eq!((list, pods), (0, 0));
    assert!(!text.contains("overcommitted"), "{text}");
    let strict = ROSTER.replace("tiers:", "cluster: {overcommit: {cpu: 2, memory: 1.2}}\ntiers:");
    let (text, list, pods) = nodes(&strict, &[]);
    assert_eq!((list, pods), (1, 1));
    let warned: Vec<&str> = text.lines().skip_while(|line| !line.contains("overcommitted")).take(3).collect();
    assert_eq!(
        warned,
        [
            "overcommitted: `kwo capacity` shows each tier",
            "  ! cpu: quotas promise 11 (3 now) of 3.9 that the nodes can give, 2.82 times; the roster allows 2 times",
            "  ! memory: quotas promise 30 GiB (6 GiB now) of 15.93 GiB that the nodes can give, 1.88 times; the roster allows 1.2 times",
        ],
        "{text}"
    );
    let (text, ..) = nodes(&strict, &["-o", "markdown"]);
    assert!(text.contains("**Overcommitted**") && text.contains("! cpu: quotas promise 11"), "{text}");
    let (text, ..) = nodes(&strict, &["-o", "json"]);
    let json = text.split_once('\n').unwrap().1.split("---- stderr").next().unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    fits("plan", &json);
    assert_eq!(json["overcommitted"]["over"][0]["most"], "2");
    let loose = ROSTER.replace("tiers:", "cluster: {overcommit: {}}\ntiers:");
    let (text, list, _) = nodes(&loose, &[]);
    assert!(list == 1 && text.contains("! memory") && !text.contains("! cpu"), "the usual ratios: {text}");
}
