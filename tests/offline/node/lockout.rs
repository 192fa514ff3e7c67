//! The restart of what serves the API: the run's way in is tried before and after, and a restart after which it is
//! not as it was fails with the way back. The API is played by a script, for it has to break.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kwo_engine::providers::{Composite, Dir, Home, Kube, KubeOptions, Node, Provider as _, Refusal};
use kwo_engine::target::composite;
use kwo_planner::change::Step;
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::plan::Adopt;
use serde_json::json;
use testkit::loopback::{Asked, Loopback, Reply};

use crate::node::world::{CONFIG, World};

const LOGIN: &str = "{oidc: {issuer: https://login.example.com, client: kubernetes}}";
const OTHER: &str = "{api: {hosts: [api.example.com]}}";

/// What a server says of the one who asks, whose name and credential these are.
fn says(asked: &Asked, name: &str, credential: &str) -> Reply {
    let body = if asked.path.ends_with("/selfsubjectreviews") {
        let extra = json!({"authentication.kubernetes.io/credential-id": [credential]});
        json!({"status": {"userInfo": {"username": name, "groups": ["system:authenticated"], "extra": extra}}})
    } else {
        json!({"metadata": {"uid": "u"}})
    };
    Reply::Answer(200, "", body.to_string())
}

/// A node on which all that the roster wants is written and only the restart is open.
async fn open(world: &World, cluster: &str) -> Step {
    let wanted = world.wanted(cluster).allowing(ALLOW_RESTART);
    let plan = world.plan(&wanted, &Adopt::Everything).await;
    let (restart, files) = plan.steps.split_last().unwrap();
    for step in files {
        world.write(step).await.unwrap();
    }
    Step::clone(restart)
}

/// Restarts with a server that answers by this script; `true` once it has been restarted.
async fn restart(
    world: &World,
    step: &Step,
    script: impl FnMut(&Asked, bool) -> Reply + Send + 'static,
) -> Result<(), Refusal> {
    let calls = world.folder.path().join("bin/calls");
    let script = Mutex::new(script);
    let server = Loopback::start(move |asked| {
        let restarted = fs::read_to_string(&calls).is_ok_and(|calls| calls.contains("restart "));
        (script.lock().unwrap())(&asked, restarted)
    });
    let options = KubeOptions {
        kubeconfig: Some(server.kubeconfig.clone()),
        timeout: Duration::from_secs(1),
        ..KubeOptions::default()
    };
    together(world, Arc::new(Kube::connect(options).await.unwrap())).write(step).await
}

fn together(world: &World, home: Arc<dyn Home>) -> Composite {
    let systemctl: PathBuf = world.folder.path().join("bin/systemctl");
    let node = Node::new(world.root(), Some(systemctl)).unwrap().away(Duration::from_secs(2));
    composite(home, Some(node))
}

#[tokio::test]
async fn it_is_done_once_the_api_takes_the_run_as_before() {
    let world = World::running();
    let step = open(&world, LOGIN).await;
    let mut bad = vec![Reply::Drop, Reply::Answer(401, "", "{}".to_owned())];
    let done = restart(&world, &step, move |asked, restarted| {
        let bad = if restarted { bad.pop() } else { None };
        bad.unwrap_or_else(|| says(asked, "admin", "X509SHA256=00"))
    });
    assert_eq!(done.await, Ok(()));
    assert_eq!(world.restarts(), ["restart k3s.service"]);
}

#[tokio::test]
async fn a_restart_that_locks_the_run_out_fails_with_the_way_back() {
    let world = World::running();
    world.put(CONFIG, "# by hand\ntls-san: [a.example.com]\n", 0o600);
    let step = open(&world, LOGIN).await;
    let script = |asked: &Asked, restarted| match restarted {
        true => Reply::Answer(401, "", "{}".to_owned()),
        false => says(asked, "system:admin", ""),
    };
    let said = restart(&world, &step, script).await.unwrap_err().to_string();
    assert!(
        said.starts_with("refused: k3s was restarted, and 2 s later: the server does not accept"),
        "{said}"
    );
    assert!(said.contains("; `journalctl -u k3s` says more; "), "{said}");
    assert!(said.contains("/etc/rancher/k3s/authentication.yaml was not there before; "), "{said}");
    assert!(said.ends_with("; put back what was there, and run `systemctl restart k3s`"), "{said}");
    let copy = said.split_once("/etc/rancher/k3s/config.yaml as it was is /").unwrap().1;
    let copy = copy.split(';').next().unwrap();
    assert_eq!(world.text(copy), "# by hand\ntls-san: [a.example.com]\n");
}

#[tokio::test]
async fn who_becomes_somebody_else_is_told() {
    let world = World::running();
    let step = open(&world, OTHER).await;
    let script = |asked: &Asked, restarted| match restarted {
        true => says(asked, "system:anonymous", ""),
        false => says(asked, "system:admin", ""),
    };
    let said = restart(&world, &step, script).await.unwrap_err().to_string();
    assert!(said.contains("kwo is logged in as `system:anonymous` at http://127.0.0.1:"), "{said}");
    assert!(said.contains("now, and was `system:admin` at "), "{said}");
}

#[tokio::test]
async fn nothing_is_restarted_while_the_way_in_is_unsure() {
    let world = World::running();
    let step = open(&world, LOGIN).await;
    // Whoever logs in by tokens of an issuer could lock itself out.
    let alice = |asked: &Asked, _| says(asked, "alice@example.com", "JTI=00");
    let said = restart(&world, &step, alice).await.unwrap_err().to_string();
    assert!(said.contains("k3s was not restarted: kwo is logged in as `alice@example.com`"), "{said}");
    let said = restart(&world, &step, |_, _| Reply::Answer(401, "", "{}".to_owned())).await.unwrap_err();
    assert!(said.to_string().ends_with("(401 Unauthorized); so k3s was not restarted"), "{said}");
    assert!(world.restarts().is_empty());

    // A restart for other files leaves the login as it is.
    let world = World::running();
    let step = open(&world, OTHER).await;
    assert_eq!(restart(&world, &step, alice).await, Ok(()));
}

#[tokio::test]
async fn where_systemd_fails_the_way_back_is_told_too() {
    let world = World::running();
    let step = open(&world, LOGIN).await;
    fs::write(world.folder.path().join("bin/fails"), "").unwrap();
    let said =
        restart(&world, &step, |asked, _| says(asked, "system:admin", "")).await.unwrap_err().to_string();
    assert!(said.contains("restart k3s.service` failed: Job for k3s.service failed; `journalctl"), "{said}");
    assert!(said.contains("/etc/rancher/k3s/config.yaml was not there before"), "{said}");
}

#[tokio::test]
async fn beside_a_directory_there_is_no_way_in_to_try() {
    let world = World::running();
    let step = open(&world, LOGIN).await;
    let main = Arc::new(Dir::new(world.folder.path().join("manifests")).unwrap());
    assert_eq!(together(&world, main).write(&step).await, Ok(()));
    assert_eq!(world.restarts(), ["restart k3s.service"]);
}
