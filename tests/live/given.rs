//! What a roster gives by name: roles of the admin's own, in some of a tenant's namespaces, and the Secrets with which
//! pods pull images.

use serde_json::{Value, json};
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, get, held, steps};

use crate::endings::paste;

fn may(who: &str, verb: &str, what: &str, namespace: &str) -> bool {
    kubectl(&["auth", "can-i", verb, what, &format!("--as={who}"), "-n", namespace]).status.success()
}

#[test]
fn an_own_role_is_given_where_it_is_said_once_it_is_there() {
    let (name, role) = (unique("own"), unique("reader"));
    let (prod, test) = (format!("{name}-prod"), format!("{name}-test"));
    let who = format!("{name}@example.com");
    let tenant = |members: &str| {
        format!("tenants: {{{name}: {{namespaces: [{prod}, {test}], members: [{members}]}}}}\n")
    };
    let both = format!(
        "{{identity: {who}, access: {{clusterRole: {role}}}, namespaces: [{test}]}}, \
         {{identity: {who}, access: {{role: logs}}, namespaces: [{prod}]}}"
    );
    let Some(bench) = Bench::new(&tenant(&both)) else { return };
    let binding = format!("kube:RoleBinding/{test}/{name}-clusterrole-{role}");
    let of_namespace = format!("kube:RoleBinding/{prod}/{name}-role-logs");
    let first = bench.apply(&[]).expect(5);
    let said = format!("there is no ClusterRole `{role}`, so it would give nothing");
    assert!(first.out.contains(&said) && !first.out.contains("becomes holder"), "{}", first.out);
    assert_eq!(held(&bench.plan(&[])), [of_namespace.as_str(), binding.as_str()]);

    kubectl_ok(&["create", "clusterrole", &role, "--verb=get,list", "--resource=configmaps"]);
    kubectl_ok(&["create", "role", "logs", "-n", &prod, "--verb=get", "--resource=services"]);
    let second = bench.apply(&[]).expect(0);
    let given = [
        format!("{who} becomes holder of the role `{role}` in {test}"),
        format!("{who} becomes holder of the role `logs` of {prod} itself"),
    ];
    assert!(given.iter().all(|sentence| second.out.contains(sentence.as_str())), "{}", second.out);
    assert!(steps(&bench.plan(&[])).is_empty());
    assert!(may(&who, "list", "configmaps", &test) && !may(&who, "list", "configmaps", &prod));
    assert!(may(&who, "get", "services", &prod) && !may(&who, "get", "services", &test));
    assert!(!may(&who, "list", "secrets", &test) && !may(&who, "delete", "configmaps", &test));

    // Who leaves has it until somebody ends it, and that is the headline.
    bench.write(&tenant(""));
    let left = bench.apply(&[]).expect(0);
    let still = format!("{who} is still holder of the role `{role}` in {test}");
    assert!(left.out.contains(&still), "{}", left.out);
    // A role that is gone gives nothing, and no plan says that it does.
    bench.write(&tenant(&both));
    kubectl_ok(&["delete", "clusterrole", &role]);
    let gone = bench.kwo(&["plan"]).expect(5);
    assert!(gone.out.contains(&said), "{}", gone.out);
}

#[test]
fn pods_that_name_no_account_pull_with_the_secrets_of_the_roster() {
    let name = unique("pulls");
    let with = |secrets: &str| format!("tenants: {{{name}: {{imagePullSecrets: [{secrets}]}}}}\n");
    let Some(bench) = Bench::new(&with("first, second")) else { return };
    // Kubernetes makes the account at the same moment; whoever is quicker, one run does it.
    bench.apply(&[]).expect(0);
    let names = |account: &str| {
        let account = get("serviceaccount", &name, account);
        let secrets = account["imagePullSecrets"].as_array().cloned().unwrap_or_default();
        secrets.iter().map(|secret| secret["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for account in ["default", "deployer"] {
        assert_eq!(names(account), ["first", "second"], "{account}");
    }
    assert!(steps(&bench.plan(&[])).is_empty());

    let theirs =
        json!([{"op": "add", "path": "/imagePullSecrets/-", "value": {"name": "theirs"}}]).to_string();
    kubectl_ok(&["patch", "serviceaccount", "default", "-n", &name, "--type=json", "-p", &theirs]);
    bench.write(&with("first, second, third"));
    bench.apply(&[]).expect(0);
    assert_eq!(names("default"), ["first", "second", "theirs", "third"]);
    // kwo wrote the list last, and still nothing of theirs is left over.
    let left = bench.plan(&[])["leftovers"].to_string();
    assert!(!left.contains(&format!("kube:ServiceAccount/{name}/")), "{left}");

    // The command that is told takes back what kwo named; the account stays, and what others named in it.
    bench.write(&format!("tenants: {{{name}: }}\n"));
    bench.apply(&[]).expect(0);
    let plan = bench.plan(&[]);
    let id = format!("kube:ServiceAccount/{name}/default");
    let left: Vec<&Value> =
        plan["leftovers"].as_array().unwrap().iter().filter(|left| left["id"] == id.as_str()).collect();
    let [left] = left.as_slice() else { panic!("{left:?}") };
    assert_eq!(left["grants"], Value::Null);
    let uid = get("serviceaccount", &name, "default")["metadata"]["uid"].clone();
    paste(left["command"].as_str().unwrap());
    assert_eq!(names("default"), ["theirs"]);
    assert_eq!(get("serviceaccount", &name, "default")["metadata"]["uid"], uid);
    assert!(!bench.plan(&[])["leftovers"].to_string().contains(&id));
}
