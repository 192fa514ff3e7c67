//! `apply --verify-access` against a real API server: it says that everybody in the roster may do what it promises where
//! that is so, and names each right where it is not, with the binding that gives it.

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, Ran, narrow};

/// What it says where no answer differs: no word about anybody who is not in the roster.
const ALL_RIGHT: &str = "Everybody in the roster may do what it promises, and nothing else that kwo asked about; \
kwo asked the API server about ";

/// All that it printed.
fn told(ran: &Ran) -> String {
    format!("{}{}", ran.out, ran.err)
}

/// The report as JSON.
fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap()
}

/// Every kind of subject, with every level of access, and two roles of the admin's own.
fn everybody(name: &str) -> String {
    format!(
        "tenants:\n  {name}:\n    namespaces: [{name}-prod, {name}-test]\n    owners: [{name}-o@example.com, group:{name}-team]\n    \
members:\n      - {{identity: {name}-d@example.com, access: deployer}}\n      \
- {{identity: {name}-v@example.com, access: viewer, namespaces: [{name}-test]}}\n      \
- {{identity: {name}-r@example.com, access: {{clusterRole: {name}}}}}\n      \
- {{identity: {name}-l@example.com, access: {{role: logs}}, namespaces: [{name}-prod]}}\n  \
{name}-other: {{owners: [{name}-x@example.com]}}\noperators:\n  \
{name}-admin: {{identity: {name}-admin@example.com, role: admin}}\n  \
{name}-power: {{identity: {name}-power@example.com, role: power-user}}\n"
    )
}

#[test]
fn access_that_is_as_promised_is_said_to_be() {
    let name = unique("promised");
    let Some(bench) = Bench::new(&everybody(&name)) else { return };
    let rules = ["create", "clusterrole", &name, "--verb=get,list", "--resource=pods,secrets"];
    kubectl_ok(&rules);
    // What is in a namespace that is not there yet cannot be there either.
    bench.apply(&[]).expect(5);
    kubectl_ok(&["create", "role", "logs", "-n", &format!("{name}-prod"), "--verb=get", "--resource=pods"]);
    let ran = bench.apply(&["--verify-access"]).expect(0);
    assert!(told(&ran).contains(ALL_RIGHT), "{}", ran.out);
    let ran = bench.apply(&["--verify-access", "-o", "json"]).expect(0);
    let access = &report(&ran)["access"];
    assert_eq!(
        (&access["people"], &access["groups"], &access["accounts"]),
        (&8.into(), &1.into(), &3.into())
    );
    assert_eq!(
        (&access["differences"], &access["unverified"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    let (answers, requests) = (access["answers"].as_u64().unwrap(), access["requests"].as_u64().unwrap());
    // The two roles of the admin's own are read by one request each. Nothing is asked twice after a run that wrote nothing.
    assert_eq!(requests, answers + 2);
    // A few questions each, and not one for each pair of subjects and namespaces.
    assert!(answers > 12 * 15 && answers < 12 * 40, "{answers}");
    // Without the option nothing is asked.
    assert_eq!(report(&bench.apply(&["-o", "json"]).expect(0))["access"], Value::Null);
    kubectl(&["delete", "clusterrole", &name]);
}

#[test]
fn what_others_gave_is_a_difference_by_name() {
    let (name, other) = (unique("differs"), unique("other"));
    let Some(bench) = Bench::new(&format!(
        "tenants:\n  {name}: {{owners: [{name}@example.com], members: [{{identity: {name}-v@example.com, access: viewer}}]}}\n  \
{other}: {{owners: [{other}@example.com]}}\n"
    )) else {
        return;
    };
    bench.apply(&["--verify-access"]).expect(0);
    let who = format!("{name}@example.com");
    let user = format!("--user={who}");
    // A right in the namespace of another tenant.
    kubectl_ok(&["create", "rolebinding", "odd", "-n", &other, "--clusterrole=view", &user]);
    let ran = bench.apply(&["--verify-access"]).expect(5);
    let said = format!("{who} may get pods in {other}, but the roster gives no such right");
    assert!(told(&ran).contains(&said), "{}", told(&ran));
    let look = format!(" describe rolebindings odd --namespace={other}");
    assert!(told(&ran).contains(&look) && told(&ran).contains("Access differs"), "{}", told(&ran));
    let ran = bench.apply(&["--verify-access", "-o", "json"]).expect(5);
    let report = report(&ran);
    let [one] = report["access"]["differences"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert_eq!((&one["expected"], &one["found"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!(one["by"], format!("kube:RoleBinding/{other}/odd"));
    assert!(one["why"].as_str().unwrap().starts_with("the API server says: RBAC: allowed by "), "{one}");
    kubectl_ok(&["delete", "rolebinding", "odd", "-n", &other]);

    // More than the own role gives, and the whole cluster.
    let viewer = format!("--user={name}-v@example.com");
    kubectl_ok(&["create", "rolebinding", "more", "-n", &name, "--clusterrole=edit", &viewer]);
    kubectl_ok(&["create", "clusterrole", &name, "--verb=impersonate", "--resource=users"]);
    kubectl_ok(&["create", "clusterrolebinding", &name, "--clusterrole", &name, &user]);
    let ran = bench.apply(&["--verify-access"]).expect(5);
    for said in [
        format!("{name}-v@example.com may list secrets in {name}, but"),
        format!("{name}-v@example.com may create pods/exec in {name}, but"),
        format!("{who} may impersonate users in the whole cluster, but"),
        format!(" describe clusterrolebindings {name}"),
    ] {
        assert!(told(&ran).contains(&said), "{said}: {}", told(&ran));
    }
    kubectl_ok(&["delete", "clusterrolebinding", &name]);
    kubectl_ok(&["delete", "rolebinding", "more", "-n", &name]);
    bench.apply(&["--verify-access"]).expect(0);
    kubectl(&["delete", "clusterrole", &name]);
}

#[test]
fn no_word_is_said_of_those_who_are_not_in_the_roster() {
    let name = unique("outside");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [{name}@example.com]}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    // An admin whom nobody has to ask about, for the roster does not know them.
    let user = format!("--user={name}-stranger@example.com");
    kubectl_ok(&["create", "rolebinding", "stranger", "-n", &name, "--clusterrole=admin", &user]);
    let ran = bench.apply(&["--verify-access"]).expect(0);
    assert!(
        told(&ran).contains(ALL_RIGHT) && !told(&ran).contains("Access is as the roster promises"),
        "{}",
        told(&ran)
    );
    assert!(told(&ran).contains(&format!("{name}-stranger@example.com")), "{}", told(&ran));
}

#[test]
fn what_kwos_own_role_gives_beyond_the_roster_is_a_difference() {
    let name = unique("widened");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n")) else { return };
    bench.apply(&["--verify-access"]).expect(0);
    let rule = r#"[{"op": "add", "path": "/rules/-", "value": {"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["update"]}}]"#;
    kubectl_ok(&["patch", "role", "tenant-deployer", "-n", &name, "--type=json", "-p", rule]);
    let ran = bench.apply(&["--verify-access"]).expect(5);
    let said = format!("service account {name}/deployer may update resourcequotas in {name}, but");
    assert!(told(&ran).contains(&said), "{}", told(&ran));
    // The binding is kwo's own, so the role is shown.
    assert!(told(&ran).contains(" describe roles tenant-deployer"), "{}", told(&ran));
}

#[test]
fn what_cannot_be_asked_is_no_agreement() {
    let name = unique("unasked");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [{name}@example.com]}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    // All rights but the one to ask.
    let rules = "[{apiGroups: ['', apps, admissionregistration.k8s.io, networking.k8s.io, rbac.authorization.k8s.io, \
coordination.k8s.io, node.k8s.io, scheduling.k8s.io], resources: ['*'], verbs: ['*']}]";
    let kubeconfig = narrow(&name, rules, bench.path("").as_path());
    let bench = bench.with_kubeconfig(&kubeconfig);
    let ran = bench.apply(&["--verify-access", "-o", "json"]).expect(5);
    let access = &report(&ran)["access"];
    assert_eq!((&access["answers"], &access["differences"]), (&0.into(), &Value::Array(vec![])));
    let why = access["unverified"][0].as_str().unwrap();
    assert!(why.contains("subjectaccessreviews") && why.contains("questions got no answer"), "{why}");
    // Not each of them was sent to be refused.
    assert!(access["requests"].as_u64().unwrap() <= 16, "{access}");
    let ran = bench.apply(&["--verify-access"]).expect(5);
    assert!(
        told(&ran).contains("Access could not be verified")
            && !told(&ran).contains("Everybody in the roster"),
        "{}",
        ran.out
    );
}
