//! A group is asked about as a group. Users may have its name, or the word that stands for it in a roster, as their own:
//! what they may do says nothing of the group.

use std::sync::Arc;

use kwo_engine::offboard::{everything_of, questions, review};
use kwo_engine::providers::{Kube, KubeOptions};
use testkit::apiserver::{kubeconfig, kubectl, kubectl_ok, unique};
use testkit::run::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_users_of_the_same_name_may_do_is_nothing_of_the_group() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let (name, team) = (unique("grouped"), unique("team"));
    kubectl_ok(&["create", "namespace", &name]);
    let users = [format!("--user={team}"), format!("--user=group:{team}")];
    let [plain, word] = users.each_ref().map(String::as_str);
    kubectl_ok(&["create", "clusterrolebinding", &name, "--clusterrole=cluster-admin", plain, word]);
    let options = KubeOptions { kubeconfig: Some(kubeconfig.to_owned()), ..KubeOptions::default() };
    let kube = Arc::new(Kube::connect(options).await.unwrap());
    let who = format!("group:{team}").into();
    let asked = || questions(&[format!("group:{team}").into()], &[name.as_str().into()], true);
    let answers = review(&kube, asked(), &[]).await.unwrap();
    let yes: Vec<String> = answers.iter().filter(|answer| answer.allowed).map(|yes| yes.sentence()).collect();
    assert_eq!(yes, [""; 0]);
    assert!(!kube.allows(&everything_of(&who)).await.unwrap());
    // What the group may do is found, and told of the group.
    let group = format!("--group={team}");
    kubectl_ok(&["create", "rolebinding", "odd", "-n", &name, "--clusterrole=view", &group]);
    let mut found = false;
    for _ in 0..100 {
        let answers = review(&kube, asked(), &[]).await.unwrap();
        found = answers.iter().any(|answer| {
            answer.allowed && answer.sentence() == format!("group:{team} may get pods in {name}")
        });
        if found {
            break;
        }
    }
    assert!(found);
    kubectl(&["delete", "clusterrolebinding", &name]);
    kubectl(&["delete", "namespace", &name, "--wait=false"]);
}

#[test]
fn a_group_of_the_roster_is_verified_as_a_group() {
    let (name, team) = (unique("verified"), unique("crew"));
    let roster = format!("tenants:\n  {name}: {{owners: ['group:{team}']}}\n");
    let Some(bench) = Bench::new(&roster) else { return };
    bench.apply(&[]).expect(0);
    let users = [format!("--user={team}"), format!("--user=group:{team}")];
    let [plain, word] = users.each_ref().map(String::as_str);
    kubectl_ok(&["create", "clusterrolebinding", &name, "--clusterrole=cluster-admin", plain, word]);
    let ran = bench.apply(&["--verify-access"]).expect(0);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("Everybody in the roster may do what it promises"), "{said}");
    kubectl(&["delete", "clusterrolebinding", &name]);
}
