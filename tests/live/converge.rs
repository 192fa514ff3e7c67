//! First apply, the empty second plan, drift of every kind of object, adoption, requests counted.

use serde_json::Value;
use testkit::apiserver::{self, kubectl_ok, unique};
use testkit::run::{Bench, get, held, steps};

fn one(name: &str) -> String {
    format!(
        "tenants:\n  {name}:\n    owners: [{name}@example.com]\n    members: [{{identity: eve@example.com, access: viewer}}]\n"
    )
}

#[test]
fn a_first_apply_is_followed_by_an_empty_plan() {
    let name = unique("first");
    let Some(bench) = Bench::new(&one(&name)) else { return };
    let plan = bench.plan(&[]);
    assert!(steps(&plan).contains(&format!("kube:Namespace/{name}")), "{plan:#}");
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(2);
    let ran = bench.apply(&[]).expect(0);
    assert!(ran.converged(), "{}", ran.err);
    let second = bench.plan(&[]);
    assert_eq!((steps(&second), held(&second)), (vec![], vec![]));
    let own: Vec<&Value> = second["leftovers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|left| left["tenant"] == name.as_str())
        .collect();
    assert!(own.is_empty(), "{own:#?}");
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    bench.apply(&[]).expect(0);
}

#[test]
fn drift_of_every_kind_is_seen_with_its_author_and_put_right() {
    let name = unique("drift");
    let Some(bench) = Bench::new(&one(&name)) else { return };
    bench.apply(&[]).expect(0);
    let patch = |kind: &str, object: &str, namespaced: bool, patch: &str| {
        let mut args = vec!["patch", kind, object, "--type=json", "--field-manager=mallory", "-p", patch];
        if namespaced {
            args.extend(["-n", &name]);
        }
        kubectl_ok(&args);
    };
    let label = r#"[{"op":"replace","path":"/metadata/labels/kwo.dev~1tenant","value":"other"}]"#;
    patch(
        "namespace",
        &name,
        false,
        r#"[{"op":"replace","path":"/metadata/labels/pod-security.kubernetes.io~1enforce","value":"privileged"}]"#,
    );
    patch(
        "resourcequota",
        &format!("{name}-quota"),
        true,
        r#"[{"op":"replace","path":"/spec/hard/pods","value":"500"}]"#,
    );
    patch(
        "limitrange",
        &format!("{name}-limits"),
        true,
        r#"[{"op":"replace","path":"/spec/limits/0/max/memory","value":"64Gi"}]"#,
    );
    patch(
        "networkpolicy",
        &format!("{name}-isolation"),
        true,
        r#"[{"op":"replace","path":"/spec/ingress","value":[{}]}]"#,
    );
    patch("serviceaccount", "deployer", true, label);
    patch("role", "tenant-deployer", true, label);
    patch("rolebinding", "eve-view", true, label);
    kubectl_ok(&["delete", "rolebinding", &format!("{name}-admin"), "-n", &name]);
    kubectl_ok(&["annotate", "namespace", &name, "theirs=stays"]);

    let plan = bench.plan(&[]);
    let drifted: Vec<&Value> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| step["changes"].as_array().unwrap())
        .filter(|change| change["cause"]["manager"] == "mallory")
        .collect();
    assert_eq!(drifted.len(), 7, "{plan:#}");
    assert!(
        drifted
            .iter()
            .all(|change| change["cause"]["cause"] == "drift" && change["cause"]["when"].is_string())
    );
    let deleted = format!("kube:RoleBinding/{name}/{name}-admin");
    assert!(steps(&plan).contains(&deleted), "{plan:#}");

    bench.apply(&[]).expect(0);
    assert_eq!(steps(&bench.plan(&[])), Vec::<String>::new());
    assert_eq!(get("resourcequota", &name, &format!("{name}-quota"))["spec"]["hard"]["pods"], "20");
    let namespace = get("namespace", "", &name);
    assert_eq!(namespace["metadata"]["annotations"]["theirs"], "stays");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "baseline");
}

#[test]
fn the_rosters_own_change_is_told_from_drift_and_what_it_drops_is_left_over() {
    let name = unique("change");
    let Some(bench) = Bench::new(&format!(
        "tenants:\n  {name}:\n    quota: {{hard: {{services: 3}}}}\n    labels: {{team: blue}}\n"
    )) else {
        return;
    };
    bench.apply(&[]).expect(0);
    bench.write(&format!("tenants:\n  {name}:\n    quota: {{pods: 7}}\n"));
    let plan = bench.plan(&[]);
    let change = &plan["steps"][0]["changes"][0];
    assert_eq!(change["cause"]["cause"], "rosterChanged", "{plan:#}");
    assert!(change["tightens"].is_object(), "{plan:#}");
    bench.apply(&[]).expect(0);
    let again = bench.plan(&[]);
    let left: Vec<&str> = again["leftovers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|left| left["tenant"] == name.as_str())
        .map(|left| left["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["/metadata/labels/team", "/spec/hard/services"]);
    // The command that is printed does what it says.
    for left in again["leftovers"].as_array().unwrap().iter().filter(|left| left["tenant"] == name.as_str()) {
        let command = left["command"].as_str().unwrap().strip_prefix("kubectl ").unwrap();
        let words: Vec<String> = command.split_whitespace().map(|word| word.replace('\'', "")).collect();
        kubectl_ok(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let cleaned = bench.plan(&[]);
    assert!(
        cleaned["leftovers"].as_array().unwrap().iter().all(|left| left["tenant"] != name.as_str()),
        "{cleaned:#}"
    );
}

#[test]
fn a_foreign_namespace_is_held_and_adopted_on_request_without_losing_anything() {
    let (name, other) = (unique("foreign"), unique("next"));
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n  {other}: {{}}\n")) else { return };
    kubectl_ok(&["create", "namespace", &name]);
    kubectl_ok(&["label", "namespace", &name, "team=blue"]);
    kubectl_ok(&["create", "configmap", "theirs", "-n", &name, "--from-literal=a=b"]);
    let ran = bench.apply(&[]).expect(5);
    assert!(ran.out.contains(&format!("! kube:Namespace/{name}")), "{}", ran.out);
    get("namespace", "", &other);
    assert!(get("namespace", "", &name)["metadata"]["labels"]["kwo.dev/tenant"].is_null());

    bench.apply(&[&format!("--adopt={name}")]).expect(0);
    let labels = &get("namespace", "", &name)["metadata"]["labels"];
    assert_eq!(
        (&labels["team"], &labels["kwo.dev/tenant"]),
        (&Value::from("blue"), &Value::from(name.as_str()))
    );
    get("configmap", &name, "theirs");
    assert_eq!(steps(&bench.plan(&[])), Vec::<String>::new());
}

#[test]
fn an_unchanged_plan_costs_a_request_a_kind_and_not_an_object() {
    let names: Vec<String> = (0..12).map(|_| unique("count")).collect();
    let Some(bench) = Bench::new(&format!(
        "tenants:\n{}",
        names.iter().map(|name| format!("  {name}: {{owners: [a@example.com]}}\n")).collect::<String>()
    )) else {
        return;
    };
    // What other tests leave over on a server that they share makes kwo look for more.
    let Some(server) = apiserver::another(&[]) else { return };
    let Some(log) = server.audit_log() else { return };
    let bench = bench.with_kubeconfig(&server.kubeconfig);
    bench.apply(&[]).expect(0);
    let asked = || -> Vec<Value> {
        let text = std::fs::read_to_string(log).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events
            .filter(|event| event["userAgent"].as_str().is_some_and(|who| who.starts_with("kwo/")))
            .collect()
    };
    let before = asked().len();
    assert_eq!(steps(&bench.plan(&[])), Vec::<String>::new());
    let mine = asked().split_off(before);
    let lists = mine.iter().filter(|event| event["verb"] == "list").count();
    assert_eq!(lists, kwo_planner::kinds::Kind::listed());
    assert_eq!(mine.len(), lists + 1, "one list a kind, and one look at kube-system");
}
