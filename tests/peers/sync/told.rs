//! Who hears of a run: the channel, the file for Prometheus, the namespace. Each of them is tried by itself in
//! `tests/peers/notify`; here a run does it.

use std::fs;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::cert_manager::{condition, moment, says};
use testkit::crds::crds;
use testkit::loopback::{Asked, Loopback, Reply};

use crate::sync::cluster::Cluster;
use crate::sync::world::World;

/// A receiver of webhooks that answers with the status that is set, and keeps what it took.
struct Receiver {
    status: Arc<AtomicU16>,
    took: Arc<Mutex<Vec<Asked>>>,
    address: String,
    _server: Loopback,
}

impl Receiver {
    fn start() -> Receiver {
        let (status, took) = (Arc::new(AtomicU16::new(200)), Arc::new(Mutex::new(Vec::new())));
        let (answer, keep) = (Arc::clone(&status), Arc::clone(&took));
        let server = Loopback::start(move |asked| {
            let status = answer.load(Ordering::SeqCst);
            if status == 200 {
                keep.lock().unwrap().push(asked);
            }
            Reply::Answer(status, "", "{}".to_owned())
        });
        let text = fs::read_to_string(&server.kubeconfig).unwrap();
        let address = text.split("server: '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        Receiver { status, took, address, _server: server }
    }

    /// The titles of what came since the last call.
    fn titles(&self) -> Vec<String> {
        let took = std::mem::take(&mut *self.took.lock().unwrap());
        let title = |asked: Asked| {
            assert!(asked.headers.iter().any(|line| line.starts_with("x-kwo-signature-256: sha256=")));
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            body["title"].as_str().unwrap().to_owned()
        };
        took.into_iter().map(title).collect()
    }
}

fn told(world: &World, receiver: &Receiver) -> String {
    fs::write(world.path("secret"), "between us").unwrap();
    format!(
        "notify: {{webhooks: [{{url: '{}/kwo', secret: {{file: {}}}}}]}}\nmetrics: {}\n",
        receiver.address,
        world.path("secret").display(),
        world.path("kwo.prom").display(),
    )
}

#[test]
fn prometheus_hears_how_long_certificates_are_valid_and_what_failed() {
    let Some(cluster) = Cluster::alone() else { return };
    let Some(()) = crds() else { return };
    let (name, receiver) = (unique("issued"), Receiver::start());
    let world = World::new(&format!(
        "cluster: {{acme: {{email: ops@example.com, issuer: cert-manager}}}}\ntiers: {{plain: {{rest: unbounded}}}}\n\
         tenants: {{{name}: {{tier: plain, domains: [{name}.example.com]}}}}\n"
    ));
    cluster.settings(&world, &told(&world, &receiver));
    world.sync(&[]).expect(0);
    let figures = || fs::read_to_string(world.path("kwo.prom")).unwrap();
    assert!(figures().contains("\nkwo_certificates{state=\"waiting\"} 2"), "{}", figures());
    says(
        "certificate",
        &name,
        "kwo-domains",
        &json!({"lastFailureTime": moment(-60), "notAfter": moment(86_400),
        "conditions": [condition("Issuing", "False", "Failed", "no such host")]}),
    );
    world.sync(&[]).expect(5).says(", 1 held");
    let said = figures();
    assert!(said.contains("\nkwo_certificates{state=\"failing\"} 1"), "{said}");
    let ends = format!(
        "\nkwo_certificate_expiration_timestamp_seconds{{name=\"kwo-domains\",namespace=\"{name}\"}} "
    );
    assert!(said.contains(&ends) && said.contains("\nkwo_held 1"), "{said}");
    kubectl_ok(&["delete", "clusterissuer", "letsencrypt"]);
    cluster.forget();
}

#[test]
fn a_run_tells_the_channel_prometheus_and_the_namespace_and_a_quiet_one_only_prometheus() {
    let Some(cluster) = Cluster::alone() else { return };
    let (name, receiver) = (unique("told"), Receiver::start());
    let world = World::new(&format!("tenants:\n  {name}: {{owners: [a@example.com]}}\n"));
    cluster.settings(&world, &told(&world, &receiver));
    world.sync(&[]).expect(0).conceals("kwo could not notify");
    assert_eq!(receiver.titles().len(), 1);
    let events = kubectl_ok(&["get", "events", "-n", &name, "-o", "json"]);
    let events: Value = serde_json::from_str(&events).unwrap();
    assert!(
        events["items"].as_array().unwrap().iter().any(|event| event["reason"] == "Synced"),
        "{events:#}"
    );
    let figure = |name: &str| {
        let text = fs::read_to_string(world.path("kwo.prom")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
    };
    let first = figure("kwo_last_run_timestamp_seconds");
    let count = |events: &str| events.lines().count();
    let before = count(&kubectl_ok(&["get", "events", "-n", &name]));

    world.sync(&[]).expect(0).says(": 0 done, ");
    assert_eq!(receiver.titles(), Vec::<String>::new());
    assert!(figure("kwo_last_run_timestamp_seconds") > first);
    assert_eq!(count(&kubectl_ok(&["get", "events", "-n", &name])), before);
    // A dry run tells nobody anything.
    let second = figure("kwo_last_run_timestamp_seconds");
    world.commit("tenants:\n  wrong\n");
    world.sync(&["--dry-run"]).expect(1);
    assert_eq!((receiver.titles().len(), figure("kwo_last_run_timestamp_seconds")), (0, second));
}

#[test]
fn a_failure_that_nobody_could_be_told_of_is_told_later_and_once() {
    let receiver = Receiver::start();
    let world = World::new("tenants:\n  alice:\n");
    world.settings(&told(&world, &receiver));
    world.sync(&[]).expect(0);
    assert_eq!(receiver.titles().len(), 1);

    receiver.status.store(500, Ordering::SeqCst);
    world.commit("tenants:\n  alice: {owner: a@example.com}\n");
    world.sync(&[]).expect(1).says("webhooks").says("kwo could not notify").conceals("between us");
    receiver.status.store(200, Ordering::SeqCst);
    world.sync(&[]).expect(1).conceals("kwo could not notify");
    let titles = receiver.titles();
    assert!(matches!(&*titles, [title] if title.contains("failed")), "{titles:?}");
    world.sync(&[]).expect(1);
    assert_eq!(receiver.titles(), Vec::<String>::new(), "the same as an hour ago");

    world.commit("tenants:\n  alice: {owners: [a@example.com]}\n");
    world.sync(&[]).expect(0);
    let titles = receiver.titles();
    assert!(matches!(&*titles, [title] if title.contains("recovered")), "{titles:?}");
}

#[test]
fn what_was_offboarded_meanwhile_gets_an_entry_a_stage_and_a_notice_and_is_waited_for() {
    let Some(cluster) = Cluster::alone() else { return };
    let (name, receiver) = (unique("gone"), Receiver::start());
    let tenants = |with: bool| {
        let leaving = format!("  {name}: {{owners: [{name}@example.com]}}\n");
        let leaving = if with { leaving } else { String::new() };
        format!("cluster: {{name: {name}, retain: 40d}}\ntenants:\n{leaving}  {name}-stay:\n")
    };
    let world = World::new(&tenants(true));
    cluster.settings(&world, &told(&world, &receiver));
    world.sync(&[]).expect(0);
    world.commit(&tenants(false));
    world.sync(&[]).expect(0);
    receiver.titles();
    let offboard = |more: &[&str]| {
        let kubeconfig = cluster.kubeconfig();
        let all = ["offboard", &name, "--kubeconfig", &kubeconfig, "--file", "work/roster.yaml", "--yes"];
        let output = world.command(&[&all, more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    offboard(&["--stage", "cut", "--confirm", &format!("offboard {name} (1 namespace)")]);
    offboard(&["--stage", "archive", "--out", "kept", "--confirm=x"]);
    world.sync(&[]).expect(0);
    let titles = receiver.titles();
    for stage in ["the access was cut by ", "everything was archived by "] {
        let said = format!("kwo: offboard {name}: {stage}");
        assert_eq!(titles.iter().filter(|title| title.starts_with(&said)).count(), 1, "{titles:?}");
    }
    let list = world.kwo(&["history"]).expect(0).out;
    let stages: Vec<&str> =
        list.lines().filter(|line| line.contains(&format!("offboard {name}: "))).collect();
    assert_eq!(stages.len(), 2, "{list}");
    assert!(stages.iter().all(|line| line.contains("  offboard ")), "{list}");
    let entries = world.history();
    let stage = |stage: &str| {
        let found = entries.iter().find(|entry| entry["offboarded"]["stage"] == stage).unwrap();
        assert_eq!(found["offboarded"]["who"], name, "{found:#}");
        world
            .kwo(&["history", "show", &found["number"].to_string()])
            .expect(0)
            .says(&format!("offboard {name}: "));
    };
    stage("cut");
    stage("archive");
    world.kwo(&["history", "verify"]).expect(0);
    let metrics = fs::read_to_string(world.path("kwo.prom")).unwrap();
    let until = metrics.lines().find(|line| line.starts_with("kwo_retained_until_timestamp_seconds{"));
    let until = until.unwrap_or_else(|| panic!("{metrics}"));
    assert!(until.contains(&format!("who=\"{name}\"")) && until.contains("archived=\"true\""), "{until}");
    assert!(metrics.contains("\nkwo_retained 1"), "{metrics}");
    let (kubeconfig, file) = (cluster.kubeconfig(), "work/roster.yaml");
    let status = world.kwo(&["status", "--kubeconfig", &kubeconfig, file]).expect(0);
    let left =
        status.out.lines().find(|line| line.split_whitespace().any(|word| word == name)).unwrap_or_default();
    assert!(left.contains(" archive ") && left.contains("kept until 2"), "{}", status.out);
    // Once each.
    world.sync(&[]).expect(0);
    assert_eq!(receiver.titles(), [] as [String; 0]);
    cluster.forget();
}
