//! Events of a run, as `kubectl get events` shows them in the namespaces that it touched.

use std::path::Path;

use kwo_engine::history::{Action, Commit, Drift, Entry, Outcome, Problem, ProblemKind, Step, StepOutcome};
use kwo_engine::notify::{Untold, events};
use kwo_engine::providers::{Kube, KubeOptions};
use serde_json::Value;
use testkit::apiserver::{kubeconfig, kubectl_ok, unique};
use testkit::run::narrow;

fn step(id: &str, action: Action, outcome: StepOutcome) -> Step {
    Step {
        id: id.to_owned(),
        tenant: "alice".to_owned(),
        action,
        outcome,
        why: if outcome == StepOutcome::Done {
            String::new()
        } else {
            "admission webhook says no".to_owned()
        },
        warnings: Vec::new(),
        tightens: Vec::new(),
    }
}

fn entry(steps: Vec<Step>) -> Entry {
    Entry {
        format_version: "1.0".to_owned(),
        number: 1,
        previous: String::new(),
        began: jiff::Timestamp::now(),
        took_ms: 1,
        host: "node-1".to_owned(),
        target: "a cluster".to_owned(),
        commit: Some(Commit {
            id: "1a2b3c4d5e6f".to_owned(),
            author: "Alice <alice@example.com>".to_owned(),
            when: jiff::Timestamp::now(),
            subject: "Give alice more room".to_owned(),
        }),
        refused: None,
        roster_digest: String::new(),
        plan_digest: String::new(),
        outcome: Outcome::Converged,
        problems: Vec::new(),
        steps,
        looked_again: None,
        held: Vec::new(),
        drift: Vec::new(),
        leftovers: 0,
        access_left: Vec::new(),
        in_force: Vec::new(),
        foreign_access: Vec::new(),
        unseen_access: Vec::new(),
        access: None,
        fights: Vec::new(),
        unchanged: 0,
        offboarded: None,
        retained: Vec::new(),
    }
}

fn made(kubeconfig: &Path, entry: &Entry, before: Option<&Entry>) -> Option<Untold> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = KubeOptions { kubeconfig: Some(kubeconfig.to_owned()), ..KubeOptions::default() };
        events(&Kube::connect(options).await.unwrap(), entry, before).await
    })
}

/// The events that kwo reported there.
fn shown(namespace: &str) -> Vec<Value> {
    let text = kubectl_ok(&["get", "events", "-n", namespace, "-o", "json"]);
    let list: Value = serde_json::from_str(&text).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items.filter(|event| event["reportingComponent"] == "kwo").cloned().collect()
}

#[test]
fn a_namespace_that_was_touched_shows_one_event_and_a_quiet_run_none() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let (one, two, gone) = (unique("events"), unique("events"), unique("events"));
    for namespace in [&one, &two] {
        kubectl_ok(&["create", "namespace", namespace]);
    }
    let quota = format!("kube:ResourceQuota/{one}/{one}-quota");
    let mut run = entry(vec![
        step(&format!("kube:Namespace/{one}"), Action::Created, StepOutcome::Done),
        step(&format!("kube:LimitRange/{one}/l"), Action::Created, StepOutcome::Done),
        step(&quota, Action::Revised, StepOutcome::Done),
        step(&format!("kube:Namespace/{two}"), Action::Created, StepOutcome::Settled),
        step("kube:ClusterRole/kwo-navigation", Action::Created, StepOutcome::Done),
        step("node:File/etc/rancher/k3s/config.yaml", Action::Created, StepOutcome::Done),
        step(&format!("kube:Namespace/{gone}"), Action::Created, StepOutcome::Refused),
    ]);
    run.drift =
        vec![Drift { id: quota, tenant: "alice".into(), what: "by kubectl-edit".into(), fields: Vec::new() }];
    assert_eq!(made(kubeconfig, &run, None), None);
    // Told again after no answer, it is the same one.
    assert_eq!(made(kubeconfig, &run, None), None);
    let events = shown(&one);
    assert_eq!(events.len(), 1, "{events:#?}");
    let event = &events[0];
    assert_eq!((&event["type"], &event["reason"]), (&"Normal".into(), &"Synced".into()));
    let message = "2 created, 1 revised, 1 changed by others, at commit 1a2b3c4: Give alice more room";
    assert_eq!(event["message"], message);
    assert_eq!(event["involvedObject"]["kind"], "Namespace");
    let line = kubectl_ok(&["events", "-n", &one]);
    assert!(line.contains(&format!("Namespace/{one}")) && line.contains(message), "{line}");
    assert!(shown(&two).is_empty());

    let quiet = Entry { steps: Vec::new(), drift: Vec::new(), began: jiff::Timestamp::now(), ..run };
    assert_eq!(made(kubeconfig, &quiet, Some(&quiet)), None);
    assert_eq!(shown(&one).len(), 1);
}

#[test]
fn what_went_wrong_is_a_warning_there_and_in_kube_system() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let name = unique("events");
    kubectl_ok(&["create", "namespace", &name]);
    let mut run = entry(vec![
        step(&format!("kube:RoleBinding/{name}/a"), Action::Created, StepOutcome::Done),
        step(&format!("kube:RoleBinding/{name}/b"), Action::Created, StepOutcome::Refused),
    ]);
    run.outcome = Outcome::Failed;
    let text = format!("a step in {name} was not done: {}", "ö".repeat(2000));
    run.problems = vec![Problem { kind: ProblemKind::Step, text, hint: String::new() }];
    run.commit.as_mut().unwrap().subject = "ö".repeat(2000);
    assert_eq!(made(kubeconfig, &run, None), None);
    let events = shown(&name);
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!((&events[0]["type"], &events[0]["reason"]), (&"Warning".into(), &"SyncFailed".into()));
    assert!(
        events[0]["message"].as_str().unwrap().starts_with("1 created, 1 not done, at commit 1a2b3c4: ö")
    );
    let about = |event: &&Value| event["message"].as_str().unwrap().contains(&name);
    let system = shown("kube-system");
    let system: Vec<&Value> = system.iter().filter(about).collect();
    assert_eq!(system.len(), 1, "{system:#?}");
    assert_eq!((&system[0]["type"], &system[0]["reason"]), (&"Warning".into(), &"SyncFailed".into()));
    assert!(system[0]["message"].as_str().unwrap().starts_with(&format!("kwo failed: a step in {name} ")));
    let failed = Entry { steps: Vec::new(), began: jiff::Timestamp::now(), ..run };
    assert_eq!(made(kubeconfig, &failed, Some(&failed)), None);
    assert_eq!(shown("kube-system").iter().filter(about).count(), 1);
}

#[test]
fn creating_events_is_all_the_right_it_takes_and_without_it_that_is_told_once() {
    if kubeconfig().is_none() {
        return;
    }
    let (name, folder) = (unique("events"), tempfile::tempdir().unwrap());
    let namespaces: Vec<String> = (0..3).map(|index| format!("{name}-{index}")).collect();
    for namespace in &namespaces {
        kubectl_ok(&["create", "namespace", namespace]);
    }
    let touched =
        |namespace: &String| step(&format!("kube:Namespace/{namespace}"), Action::Created, StepOutcome::Done);
    let run = entry(namespaces.iter().map(touched).collect());
    let without = narrow(&format!("{name}-without"), "[]", folder.path());
    let untold = made(&without, &run, None).unwrap();
    let said = untold.to_string();
    let start = "kwo could not notify the cluster's event log: kwo could not make 3 of 3 events: refused: events is forbidden";
    assert!(said.starts_with(start), "{said}");
    assert!(untold.hint.contains("the right to create events"), "{}", untold.hint);

    let rules = "[{apiGroups: [''], resources: [events], verbs: [create]}]";
    let with = narrow(&format!("{name}-with"), rules, folder.path());
    assert_eq!(made(&with, &run, None), None);
    assert_eq!(namespaces.iter().map(|namespace| shown(namespace).len()).sum::<usize>(), 3);
}
