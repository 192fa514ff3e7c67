//! Who may log in: the API server's file and the argument that leads to it, written in an order and beside others'
//! settings so that k3s starts with them.

use kwo_planner::change::Hold;
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::plan::{Adopt, Plan};

use crate::node::world::{CONFIG, World, held, tree};

const AUTHENTICATION: &str = "etc/rancher/k3s/authentication.yaml";
const MORE: &str = "etc/rancher/k3s/config.yaml.d/50-ours.yaml";
const LOGIN: &str = "{oidc: {issuer: https://login.example.com, client: kubernetes}}";
const ARG: &str = "authentication-config=/etc/rancher/k3s/authentication.yaml";

fn objection(plan: &Plan) -> String {
    let ids: Vec<String> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    assert_eq!(ids, [format!("node:File/{AUTHENTICATION}")]);
    match held(plan) {
        Hold::NotObserved { why } | Hold::Refused { why } => why.to_string(),
        hold => panic!("{hold:?}"),
    }
}

#[tokio::test]
async fn the_file_stands_before_the_argument_and_the_restart_comes_after_both() {
    let world = World::running();
    let wanted = world.wanted(LOGIN).allowing(ALLOW_RESTART);
    world.put(CONFIG, "kube-apiserver-arg: audit-log-maxage=30\n", 0o600);
    let plan = world.apply(&wanted, &Adopt::Everything).await;
    let steps: Vec<String> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    let (file, config) = (format!("node:File/{AUTHENTICATION}"), format!("node:File/{CONFIG}"));
    assert_eq!(steps, [file.as_str(), config.as_str(), "node:Restart/k3s"]);
    assert_eq!(*plan.steps[1].needs, [plan.steps[0].id.clone()]);
    assert_eq!(*plan.steps[2].needs, [plan.steps[0].id.clone(), plan.steps[1].id.clone()]);
    assert_eq!(world.mode(AUTHENTICATION), 0o600);
    let config = tree(&world.text(CONFIG));
    assert_eq!(config, tree(&format!("kube-apiserver-arg: [audit-log-maxage=30, {ARG}]")));
    assert_eq!(world.restarts(), ["restart k3s.service"]);
}

#[tokio::test]
async fn arguments_with_which_the_api_server_would_not_start_hold_the_file() {
    for rival in [
        "[oidc-issuer-url=https://old.example.com]",
        "--oidc_client_id=hunter2",
        "[authentication-config=/etc/other.yaml]",
    ] {
        let world = World::new();
        world.put(CONFIG, &format!("kube-apiserver-arg: {rival}\n"), 0o600);
        let before = world.text(CONFIG);
        let why = objection(&world.plan(&world.wanted(LOGIN), &Adopt::Everything).await);
        assert!(why.contains("the API server would not start; delete it first"), "{why}");
        assert!(!why.contains("hunter2") && !why.contains("example.com"), "{why}");
        world.apply(&world.wanted(LOGIN), &Adopt::Everything).await;
        assert_eq!(world.text(CONFIG), before);
    }
}

#[tokio::test]
async fn the_argument_goes_before_the_file_or_it_is_said_what_will_not_start() {
    let world = World::new();
    world.apply(&world.wanted(LOGIN), &Adopt::Everything).await;
    // With something else in it the roster still wants the file.
    let without = world.wanted("{api: {hosts: [api.example.com]}}");
    let plan = world.plan(&without, &Adopt::Everything).await;
    let file = plan.leftovers.iter().find(|left| left.id.name == AUTHENTICATION).unwrap();
    let [first, then] = file.command.split(" && ").collect::<Vec<_>>().try_into().unwrap();
    assert!(first.starts_with("sudoedit ") && first.ends_with(CONFIG), "{first}");
    assert!(then.starts_with("sudo rm -f ") && then.ends_with(AUTHENTICATION), "{then}");
    // Where nothing of either is wanted, too.
    let plan = world.plan(&world.wanted("{}"), &Adopt::Everything).await;
    let file = plan.leftovers.iter().find(|left| left.id.name == AUTHENTICATION).unwrap();
    let words: Vec<&str> = file.command.split(" && ").collect();
    assert!(
        words.len() == 2 && words[0].ends_with(CONFIG) && words[1].ends_with(AUTHENTICATION),
        "{words:?}"
    );
    std::fs::remove_file(world.path(AUTHENTICATION)).unwrap();
    let plan = world.plan(&without, &Adopt::Everything).await;
    let [left] = plan.leftovers.as_slice() else { panic!("{:?}", plan.leftovers) };
    assert!(left.in_force.as_ref().unwrap().contains("will not start again"), "{left:?}");
}

#[tokio::test]
async fn what_k3s_reads_beside_the_file_counts_as_well() {
    let world = World::new();
    let why = async |text: &str| {
        world.put(MORE, text, 0o600);
        objection(&world.plan(&world.wanted(LOGIN), &Adopt::Nothing).await)
    };
    let said = why("kube-apiserver-arg: [audit-log-maxage=30]\n").await;
    assert!(said.contains("config.yaml.d/50-ours.yaml: its `kube-apiserver-arg` overrides"), "{said}");
    assert!(said.ends_with("write it there as `kube-apiserver-arg+`"), "{said}");
    let said = why("kube-apiserver-arg+: oidc-issuer-url=https://x\n").await;
    assert!(said.contains("50-ours.yaml: `oidc-issuer-url` is in `kube-apiserver-arg`"), "{said}");
    let said = why("a: [\n").await;
    assert!(said.contains("config.yaml.d/50-ours.yaml: "), "{said}");

    // Another roster has nothing to say of arguments, and what adds to them does no harm.
    world.put(MORE, "kube-apiserver-arg: [audit-log-maxage=30]\n", 0o600);
    let plan = world.plan(&world.wanted("{api: {hosts: [a.example.com]}}"), &Adopt::Nothing).await;
    assert!(!plan.holds(), "{plan:#?}");
    world.put(MORE, "kube-apiserver-arg+: [audit-log-maxage=30]\n", 0o600);
    world.put("etc/rancher/k3s/config.yaml.d/notes.txt", "kube-apiserver-arg: [a=b]\n", 0o600);
    let plan = world.apply(&world.wanted(LOGIN), &Adopt::Nothing).await;
    assert!(!plan.holds() && plan.steps.len() == 2, "{plan:#?}");
}
