//! Several runs at once, on one node and on two; an API server that is away and comes back.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::peers::free_port;

use crate::sync::cluster::{Cluster, target};
use crate::sync::world::{Ran, World};

/// A run of another node: the same settings and another state folder.
fn other_node(world: &World, args: &[&str]) -> Command {
    let text = fs::read_to_string(world.path("kwo.yaml")).unwrap();
    let (own, other) = (world.path("state").display().to_string(), world.path("other").display().to_string());
    fs::write(world.path("other.yaml"), text.replace(&format!("state: {own}"), &format!("state: {other}")))
        .unwrap();
    let mut command = world.command(args);
    command.env("KWO_SETTINGS", world.path("other.yaml"));
    command
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(run: Child) -> Ran {
    Ran::of(&run.wait_with_output().unwrap())
}

#[test]
fn two_nodes_at_once_wait_for_each_other_and_lose_nothing() {
    let Some(cluster) = Cluster::alone() else { return };
    let world = World::empty();
    cluster.settings(&world, "");
    let mut roster = "tenants:\n".to_owned();
    for round in 1..=4 {
        roster.push_str(&format!("  {}:\n", unique("race")));
        let commit = world.commit(&roster);
        let args = ["sync", "--lock-timeout", "2m"];
        let (one, two) = (start(&mut world.command(&args)), start(&mut other_node(&world, &args)));
        let (one, two) = (end(one).expect(0), end(two).expect(0));
        // One of them did it all; the other one found it done.
        let quiet = [&one, &two].iter().filter(|ran| ran.out.contains(": 0 done, ")).count();
        assert_eq!(quiet, 1, "{}\n{}", one.out, two.out);
        let memory = cluster.memory();
        assert_eq!(memory["commit"], commit);
        assert_eq!(memory["history"].as_array().unwrap().len(), 2 * round, "an entry was lost: {memory:#}");
    }
    world.kwo(&["history", "verify", "--offline"]).expect(0).says("4 entries");
    Ran::of(&other_node(&world, &["history", "verify", "--offline"]).output().unwrap())
        .expect(0)
        .says("4 entries");
}

#[test]
fn a_run_that_waited_while_a_newer_commit_was_applied_takes_it_for_no_rewrite() {
    let Some(cluster) = Cluster::alone() else { return };
    let (alice, bob) = (unique("wait"), unique("wait"));
    let world = World::new(&format!("tenants:\n  {alice}:\n"));
    cluster.settings(&world, "");
    world.sync(&[]).expect(0);
    // Somebody has the lock, so this run has fetched and waits.
    let holder = |name: &str| {
        let spec = json!({"spec": {"holderIdentity": name, "leaseDurationSeconds": 60,
            "renewTime": format!("{:.6}", jiff::Timestamp::now())}});
        kubectl_ok(&["-n", "kube-system", "patch", "lease", "kwo", "--type=merge", "-p", &spec.to_string()]);
    };
    holder("somebody/1/x");
    world.sync(&["--lock-timeout", "0s"]).expect(4).says("another run is at work: somebody/1/x, since ");
    let waiting = start(&mut world.command(&["sync", "--lock-timeout", "1m"]));
    thread::sleep(Duration::from_secs(2));
    let newer = world.commit(&format!("tenants:\n  {alice}:\n  {bob}:\n"));
    let mut note: Value = cluster.memory();
    note["commit"] = json!(newer);
    let patch = json!({"data": {"sync.json": note.to_string()}});
    kubectl_ok(&[
        "-n",
        "kube-system",
        "patch",
        "configmap",
        "kwo-sync",
        "--type=merge",
        "-p",
        &patch.to_string(),
    ]);
    holder("");
    end(waiting).expect(0).says(&newer[..12]).conceals("rewritten");
    assert_eq!(world.applied(), newer);
}

#[test]
fn two_runs_on_one_node_wait_or_are_kept_out_and_a_dead_one_holds_up_nobody() {
    let world = World::new("tenants:\n  alice:\n");
    world.sync(&[]).expect(0);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/x.git", silent.local_addr().unwrap());
    let hang = |seconds: u32| {
        world.settings_for(&format!("{{url: '{url}', timeout: {seconds}s}}"), "");
        let run = start(&mut world.command(&["sync"]));
        let _connected = silent.accept().unwrap();
        (run, _connected)
    };
    let (first, connection) = hang(4);
    let kept_out = world.sync(&["--lock-timeout", "0s"]).expect(4);
    assert!(kept_out.err.contains("another `kwo sync` on this machine is at work"), "{}", kept_out.err);
    world.settings("");
    world.sync(&["--lock-timeout", "1m"]).expect(0);
    drop(connection);
    end(first).expect(1);

    let (mut dead, _connection) = hang(60);
    dead.kill().unwrap();
    dead.wait().unwrap();
    world.settings("");
    world.sync(&["--lock-timeout", "0s"]).expect(0);
    world.kwo(&["history", "verify"]).expect(0);
}

/// Leads from this port to the API server, until the process ends.
fn forward(port: u16, to: String) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let pass = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&to).unwrap();
            let (from, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(from, server));
            thread::spawn(move || pass(back, client));
        }
    });
}

#[test]
fn an_api_server_that_is_away_is_told_once_and_converged_once_it_is_back() {
    let Some(cluster) = Cluster::alone() else { return };
    let name = unique("away");
    let world = World::new(&format!("tenants:\n  {name}:\n"));
    let port = free_port();
    let kubeconfig = cluster.elsewhere(&world, &format!("127.0.0.1:{port}"));
    world.settings(&target(&kubeconfig));
    for _ in 0..2 {
        world
            .sync(&[])
            .expect(1)
            .says("the target cannot be reached: no answer from the API server within 5 s: ")
            .says("is the API server up?");
    }
    let entries = world.history();
    assert_eq!(entries.len(), 1, "hour by hour the same is not news");
    assert_eq!(
        (&entries[0]["outcome"], &entries[0]["problems"][0]["kind"]),
        (&json!("failed"), &json!("target"))
    );
    world
        .kwo(&["history", "verify"])
        .expect(1)
        .says("what the cluster remembers cannot be read")
        .says("--offline");
    forward(port, cluster.address());
    world.sync(&[]).expect(0).says(&format!("created kube:Namespace/{name}"));
    world.kwo(&["history", "verify"]).expect(0).says("the same last entries, up to entry 2");
}
