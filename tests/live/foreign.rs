//! Bindings that are not kwo's in a real cluster, and what `kwo status` says of cluster and roster.

use std::path::Path;

use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::{Bench, account};

use crate::endings::paste;

/// What is told of this name.
fn foreign(found: &Value, name: &str) -> Vec<Value> {
    let all = found["foreign_access"].as_array().unwrap_or_else(|| panic!("{found:#}"));
    all.iter().filter(|foreign| foreign.to_string().contains(name)).cloned().collect()
}

fn agreement(bench: &Bench) -> Value {
    let ran = bench.kwo(&["status", "-o", "json"]).expect(0);
    let status: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(status["roster"], json!({"found": "roster.yaml"}));
    status["agreement"]["found"].clone()
}

/// A file with a network policy of these rules for what comes in.
fn policy(namespace: &str, name: &str, ingress: &Value) -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{namespace}-{name}.json"));
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress}});
    std::fs::write(&file, policy.to_string()).unwrap();
    file.to_string_lossy().into_owned()
}

#[test]
fn whom_others_let_in_is_told_and_kubernetes_own_bindings_are_not() {
    let (name, other) = (unique("lets-in"), unique("lets-out"));
    let roster = format!("tenants:\n  {name}: {{owners: [{name}@example.com]}}\n  {other}:\n");
    let Some(bench) = Bench::new(&roster) else { return };
    bench.apply(&[]).expect(0);
    let namespace = format!("--namespace={name}");
    // The owner lets somebody in, and gives an account of her own namespace something.
    let bind = |options: &[&str]| {
        kubectl_ok(
            &[&["create", "rolebinding"][..], options, &[&namespace, &format!("--as={name}@example.com")]]
                .concat(),
        );
    };
    bind(&["colleague", "--clusterrole=view", "--user=mallory@example.com"]);
    bind(&["chart", "--clusterrole=view", &format!("--serviceaccount={name}:default")]);
    bind(&["neighbour", "--clusterrole=view", &format!("--serviceaccount={other}:deployer")]);
    let everywhere = format!("{name}-everywhere");
    let account = format!("--serviceaccount={other}:default");
    kubectl_ok(&["create", "clusterrolebinding", &everywhere, "--clusterrole=view", &account]);
    // Somebody who is no tenant opens what is closed, and a chart closes more.
    kubectl_ok(&["apply", "-f", &policy(&name, "allow-all", &json!([{}]))]);
    kubectl_ok(&["apply", "-f", &policy(&name, "closes-more", &json!([]))]);
    let plan = bench.plan(&[]);
    let mut told = [foreign(&plan, &name), foreign(&plan, &format!("{other}/"))].concat();
    told.dedup();
    let said: Vec<&str> = told.iter().map(|foreign| foreign["grants"].as_str().unwrap()).collect();
    for sentence in [
        format!("mallory@example.com is viewer of {name}"),
        format!("service account {other}/deployer is viewer of {name}"),
        format!("service account {other}/default is holder of the role `view` in the whole cluster"),
        format!("all others may reach all pods of {name}"),
    ] {
        assert_eq!(said.iter().filter(|said| **said == sentence).count().min(1), 1, "{sentence}: {said:#?}");
    }
    assert!(!said.iter().any(|said| said.contains(&format!("{name}/default"))), "{said:#?}");
    let policies = told.iter().filter(|foreign| foreign["id"].to_string().contains("NetworkPolicy"));
    assert_eq!(policies.count(), 1, "{told:#?}");
    let all = plan["foreign_access"].as_array().unwrap();
    // Whatever this version of Kubernetes binds by itself is none of it.
    let label = "--selector=kubernetes.io/bootstrapping=rbac-defaults";
    let own = kubectl_ok(&[
        "get",
        "clusterrolebindings,rolebindings",
        "-A",
        label,
        "-o",
        "jsonpath={.items[*].metadata.name}",
    ]);
    assert!(own.split_whitespace().count() > 20, "{own}");
    for own in own.split_whitespace().chain(["kube-system/"]) {
        assert!(!all.iter().any(|foreign| foreign["id"].to_string().contains(own)), "{own}: {all:#?}");
    }
    // It works as it is pasted, and nothing was done about it.
    for (name, shows) in [("colleague", "mallory@example.com"), ("allow-all", "Allowing ingress traffic")] {
        let look = told.iter().find(|foreign| foreign["id"].to_string().contains(name)).unwrap();
        let output = paste(look["command"].as_str().unwrap());
        assert!(output.contains(shows), "{output}");
    }
    bench.kwo(&["plan", "--fail-on", "foreign-access"]).expect(5);
    let applied = bench.apply(&[]).expect(0);
    assert!(applied.out.contains(&format!("mallory@example.com is viewer of {name}")), "{}", applied.out);
    let (_, network) = applied.out.split_once("\nnot kwo's, opens the network\n").unwrap();
    assert!(network.contains(&format!("by kube:NetworkPolicy/{name}/allow-all; ")), "{network}");
    let sentence = format!("service account {other}/default is holder");
    let status = agreement(&bench);
    assert!(
        foreign(&status, &other).iter().any(|found| found["grants"].as_str().unwrap().starts_with(&sentence)),
        "{status:#}"
    );
    bench.kwo(&["status", "--fail-on", "foreign-access"]).expect(5);
    kubectl_ok(&["delete", "clusterrolebinding", &everywhere]);
}

#[test]
fn status_says_whether_cluster_and_roster_agree_or_why_it_does_not_know() {
    let name = unique("agrees");
    let roster = |more: &str| format!("tenants:\n  {name}: {{owners: [{name}@example.com]{more}}}\n");
    let Some(bench) = Bench::new(&roster("")) else { return };
    let first = bench.kwo(&["status"]).expect(0).out;
    assert!(
        first.contains("agreement   Not in agreement with the roster: ")
            && first.contains("`kwo plan ")
            && first.contains("` shows them"),
        "{first}"
    );
    bench.apply(&[]).expect(0);
    let quota = format!("{name}-quota");
    let patch = ["patch", "resourcequota", &quota, "-n", &name, "--type=merge", "-p"];
    kubectl_ok(&[&patch[..], &[r#"{"spec":{"hard":{"pods":"99"}}}"#]].concat());
    let drifted = agreement(&bench);
    assert_eq!((&drifted["in_agreement"], &drifted["revise"]), (&json!(false), &json!(1)), "{drifted:#}");
    bench.apply(&[]).expect(0);
    // Other tests of this cluster leave what is left over.
    let now = agreement(&bench);
    let clean = now["leftover_access"] == json!([]) && now["leftover_in_force"] == json!([]);
    assert_eq!(
        (&now["in_agreement"], &now["create"], &now["revise"]),
        (&json!(clean), &json!(0), &json!(0)),
        "{now:#}"
    );

    // Without a roster that can be used, the rest is told, and no agreement.
    bench.write("tenants: [\n");
    let broken = bench.kwo(&["status"]).expect(1);
    assert!(!broken.out.to_lowercase().contains("in agreement"), "{}", broken.out);
    assert!(
        broken.out.contains("agreement   could not look: the roster roster.yaml cannot be used: "),
        "{}",
        broken.out
    );
    assert!(
        broken.out.contains("server      v1.") && broken.out.contains("tenants     could not look: "),
        "{}",
        broken.out
    );

    // A secret that is not to be had here is not said to differ.
    bench
        .write("registry:\n  hosts: [registry.example.com]\n  users: {ci: {password: {env: KWO_NOT_SET}}}\n");
    let unknown = bench.kwo(&["status"]).expect(0).out;
    assert!(unknown.contains(" could not be compared:\n") && unknown.contains("KWO_NOT_SET"), "{unknown}");

    // Another roster's cluster is not compared with this one.
    let other = bench.command(&["status"]).env("KWO_ROSTER_ID", "another").output().unwrap();
    let other = String::from_utf8(other.stdout).unwrap();
    assert!(
        other.contains("agreement   could not look: ") && other.contains("is kept by the roster"),
        "{other}"
    );

    // Nobody looked.
    bench.write(&roster(""));
    let blind = unique("blind");
    kubectl_ok(&["create", "serviceaccount", &blind, "-n", "kube-system"]);
    let bench =
        bench.with_kubeconfig(&account(&blind, "kube-system", Path::new(env!("CARGO_TARGET_TMPDIR"))));
    let seen = agreement(&bench);
    assert_eq!(seen["in_agreement"], Value::Null, "{seen:#}");
    assert!(seen["unseen_access"].as_array().unwrap().len() == 3, "{seen:#}");
    bench.kwo(&["status", "--fail-on", "foreign-access"]).expect(5);
}
