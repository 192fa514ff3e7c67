//! A person leaves, or what the plan lists as left over: of what others have a part in, only that part ends.

use serde_json::Value;
use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::Bench;

use crate::leaving::{can, cut};

#[test]
fn a_person_leaves_and_of_a_shared_binding_only_that_persons_part_ends() {
    let name = unique("person");
    let Some(bench) = Bench::new(&format!(
        "tenants:\n  {name}: {{owners: [{name}@example.com, other-{name}@example.com]}}\noperators: {{{name}: {{identity: {name}@example.com, role: power-user}}}}\n"
    )) else {
        return;
    };
    bench.apply(&[]).expect(0);
    kubectl_ok(&[
        "create",
        "rolebinding",
        "theirs",
        "-n",
        &name,
        "--clusterrole=edit",
        &format!("--user={name}@example.com"),
        &format!("--user=other-{name}@example.com"),
    ]);
    let person = format!("{name}@example.com");
    let who = ["--person", &person];
    let page: Value =
        serde_json::from_str(&bench.kwo(&[&["offboard", "-o", "json"], &who[..]].concat()).expect(0).out)
            .unwrap();
    let (count, lines) =
        (page["cut"].as_array().unwrap().len(), page["roster_lines"].as_array().unwrap().len());
    assert!(count >= 2 && lines >= 2, "{page:#}");
    let owner = format!("--as={person}");
    let other = format!("--as=other-{name}@example.com");

    // Not kwo's stays without leave; whoever runs it is told that access is left.
    let ran = cut(&bench, &who, page["confirm"].as_str().unwrap()).expect(5);
    assert!(ran.err.contains(&format!("still   {person} may get secrets in {name}")), "{}", ran.err);
    assert!(can(&[&owner], "get", "pods", &name));
    let who = ["--person", person.as_str(), "--everywhere"];
    let page: Value =
        serde_json::from_str(&bench.kwo(&[&["offboard", "-o", "json"], &who[..]].concat()).expect(0).out)
            .unwrap();
    cut(&bench, &who, page["confirm"].as_str().unwrap()).expect(0);
    assert!(!can(&[&owner], "get", "pods", &name));
    assert!(can(&[&other], "get", "pods", &name));
    let subjects =
        kubectl_ok(&["get", "rolebinding", "theirs", "-n", &name, "-o", "jsonpath={.subjects[*].name}"]);
    assert_eq!(subjects.trim(), format!("other-{name}@example.com"));

    let record: Value = serde_json::from_str(
        &bench.kwo(&["offboard", "--person", &person, "--status", "-o", "json"]).expect(0).out,
    )
    .unwrap();
    let undo = format!("undo --person {person} ({} cuts)", record["cuts"].as_array().unwrap().len());
    let undo = ["offboard", "--person", &person, "--undo", "--yes", "--lock-timeout=2m", "--confirm", &undo];
    let ran = bench.kwo(&undo).expect(64);
    assert!(ran.err.contains("would have rights in the whole cluster again"), "{}", ran.err);
    bench.kwo(&[&undo[..], &["--admin", &person]].concat()).expect(0);
    assert!(can(&[&owner], "get", "pods", &name));
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}

/// A `test` of a JSON patch holds texts against each other as they are written, and the API server writes these otherwise
/// than most.
#[test]
fn names_that_the_api_server_writes_with_escapes_leave_a_shared_binding_and_come_back() {
    let name = unique("escaped");
    let odd = ["am&p", "a<b", "group:R&D>"];
    let owners = odd.iter().map(|who| serde_json::to_string(who).unwrap()).collect::<Vec<_>>().join(", ");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{owners}]}}}}\n")) else { return };
    bench.apply(&[]).expect(0);
    let subjects = |binding: &str| -> Vec<Value> {
        let text = kubectl_ok(&["get", "rolebinding", binding, "-n", &name, "-o", "json"]);
        serde_json::from_str::<Value>(&text).unwrap()["subjects"].as_array().unwrap().clone()
    };
    // An ordinary write of such a name is the same name.
    let bindings = kubectl_ok(&["get", "rolebindings", "-n", &name, "-o", "name"]);
    let binding = bindings.lines().find(|line| line.ends_with("-admin")).unwrap().split('/').nth(1).unwrap();
    let before = subjects(binding);
    kubectl_ok(&[
        "patch",
        "rolebinding",
        binding,
        "-n",
        &name,
        "--type=merge",
        "-p",
        r#"{"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"other"}]}"#,
    ]);
    bench.apply(&[]).expect(0);
    assert!(before.iter().all(|subject| subjects(binding).contains(subject)), "{:?}", subjects(binding));
    let mut create = vec![
        "create",
        "rolebinding",
        "shared",
        "-n",
        &name,
        "--clusterrole=view",
        "--user=line\u{2028}break",
    ];
    let users: Vec<String> = odd
        .iter()
        .map(|who| match who.strip_prefix("group:") {
            Some(group) => format!("--group={group}"),
            None => format!("--user={who}"),
        })
        .collect();
    create.extend(users.iter().map(String::as_str));
    kubectl_ok(&create);
    let before = subjects("shared");
    for (at, who) in odd.iter().enumerate() {
        let who = ["--person", who, "--everywhere"];
        let page = bench.kwo(&[&["offboard", "-o", "json"], &who[..]].concat()).expect(0);
        let page: Value = serde_json::from_str(&page.out).unwrap();
        cut(&bench, &who, page["confirm"].as_str().unwrap()).expect(0);
        assert_eq!(subjects("shared").len(), before.len() - at - 1, "{who:?}");
    }
    for who in odd {
        let record = bench.kwo(&["offboard", "--person", who, "--status", "-o", "json"]).expect(0);
        let record: Value = serde_json::from_str(&record.out).unwrap();
        let cuts = record["cuts"].as_array().unwrap().len();
        let ran =
            bench.kwo(&["offboard", "--person", who, "--undo", "--yes", "--lock-timeout=2m", "--confirm=?"]);
        let typed = ran.err.split("kwo expects `").nth(1).unwrap().split('`').next().unwrap().to_owned();
        assert!(cuts >= 2, "{record:#}");
        let undo = ["offboard", "--person", who, "--undo", "--yes", "--lock-timeout=2m", "--confirm", &typed];
        bench.kwo(&undo).expect(0);
    }
    let now = subjects("shared");
    assert!(now.len() == before.len() && before.iter().all(|subject| now.contains(subject)), "{now:#?}");
}

#[test]
fn what_is_left_over_ends_as_the_plan_lists_it() {
    let name = unique("over");
    let Some(bench) = Bench::new(&format!(
        "tenants:\n  {name}: {{owners: [{name}@example.com, stays-{name}@example.com]}}\n"
    )) else {
        return;
    };
    bench.apply(&[]).expect(0);
    bench.write(&format!("tenants:\n  {name}: {{owners: [stays-{name}@example.com]}}\n"));
    bench.apply(&[]).expect(0);
    let page: Value = serde_json::from_str(
        &bench.kwo(&["offboard", "--leftovers", "--access", "-o", "json"]).expect(0).out,
    )
    .unwrap();
    let plan = bench.plan(&[]);
    let listed = |list: &Value| {
        let mut ids: Vec<String> = list
            .as_array()
            .unwrap()
            .iter()
            .filter(|left| left["id"].as_str().unwrap().contains(&name))
            .map(|left| left["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    let granting: Value = plan["leftovers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|left| left["grants"].is_string())
        .cloned()
        .collect();
    assert_eq!(listed(&page["cut"]), listed(&granting), "{page:#}");
    assert!(!listed(&page["cut"]).is_empty());
}
