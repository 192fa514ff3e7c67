//! Somebody leaves, and kwo is killed at each write of each stage: the next run goes on. Nothing of another tenant changes by
//! any of it.

mod volumes;

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::gate::{Gate, Point};
use testkit::run::Bench;

use crate::departed::{offboard, opened_by, sentence, status};
use crate::leaving::leaves;

/// The lock of a run that was killed is over soon. Only of such a run: on a slow machine another one would lose it.
const KILLED: [&str; 3] = ["--yes", "--lock-timeout=2m", "--lock-duration=1s"];

/// Kills `kwo offboard` at this point of this write; false where it ended by itself before. Access reviews write nothing.
fn killed(bench: &Bench, args: &[&str], (write, point): (usize, Point)) -> bool {
    let (tell, reached) = mpsc::channel();
    let (alive, dead) = mpsc::channel::<()>();
    let (dead, count) = (Mutex::new(dead), AtomicUsize::new(0));
    let gate = Gate::open(move |_, at, asked| {
        if asked.path.contains("accessreviews") {
            return true;
        }
        let number = match at {
            Point::Before => count.fetch_add(1, Ordering::SeqCst) + 1,
            Point::After => count.load(Ordering::SeqCst),
        };
        if (number, at) < (write, point) {
            return true;
        }
        let _ = tell.send(());
        // Nothing goes on from here before the run is dead, and nothing after that.
        let _ = dead.lock().unwrap().recv();
        false
    });
    let mut run = bench.command(&[&["offboard"], args, opened_by(bench, args), &KILLED].concat());
    let log = bench.path("killed.log");
    let said = std::fs::File::create(&log).unwrap();
    run.env("KWO_KUBECONFIG", gate.kubeconfig()).stdout(Stdio::null()).stderr(said);
    let mut run = run.spawn().unwrap();
    let there = loop {
        match reached.recv_timeout(Duration::from_millis(50)) {
            Ok(()) => break true,
            Err(_) if run.try_wait().unwrap().is_some() => break false,
            Err(_) => {}
        }
    };
    end(&mut run);
    drop(alive);
    assert!(there || write > 1, "{}", std::fs::read_to_string(log).unwrap());
    there
}

fn end(run: &mut Child) {
    let _ = run.kill();
    run.wait().unwrap();
}

/// Every point of every write, as long as there is one.
fn points() -> impl Iterator<Item = (usize, Point)> {
    (1..30).flat_map(|write| [(write, Point::Before), (write, Point::After)])
}

/// Everything that the API server has of a tenant that stays, and who wrote which field of it when. What controllers fill in
/// by themselves, and when they come to it, is theirs.
fn everything(namespace: &str) -> Vec<Value> {
    let kinds = kubectl_ok(&["api-resources", "--verbs=list", "--namespaced", "-o", "name"]);
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let mut all = Vec::new();
    let label = format!("-lkwo.dev/tenant={namespace}");
    let asks = [
        vec!["get", "namespace", namespace, "-o", "json"],
        vec!["get", "clusterrolebindings", &label, "-o", "json"],
        vec!["get", &kinds.join(","), "-n", namespace, "-o", "json"].into_iter().collect(),
    ]
    .map(|ask| ask.into_iter().map(str::to_owned).collect::<Vec<String>>());
    for ask in asks {
        let ask: Vec<&str> = ask.iter().map(String::as_str).collect();
        let found: Value = serde_json::from_str(&kubectl_ok(&ask)).unwrap();
        match found["items"].as_array() {
            Some(items) => all.extend(items.iter().cloned()),
            None => all.push(found),
        }
    }
    all.iter_mut().for_each(without_controllers);
    all
}

/// A status is written whenever a controller comes to it, which takes long where the machine has much to do.
fn without_controllers(object: &mut Value) {
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("resourceVersion");
    if let Some(writes) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
        writes.retain(|write| write["subresource"] != "status");
    }
}

/// The same, once the controllers have done with it: nothing changes for a while, and nothing is missing that they make.
fn settled(namespace: &str) -> Vec<Value> {
    let (mut last, mut quiet) = (everything(namespace), 0);
    for _ in 0..120 {
        std::thread::sleep(Duration::from_secs(1));
        let now = everything(namespace);
        quiet = if now == last { quiet + 1 } else { 0 };
        if quiet == 3 && is_whole(&now) {
            return now;
        }
        last = now;
    }
    panic!("the controllers do not come to rest: {last:#?}")
}

fn is_whole(all: &[Value]) -> bool {
    let there = |kind: &str, name: &str| {
        all.iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    };
    let filled = |object: &Value| {
        object["type"] != "kubernetes.io/service-account-token" || object["data"]["token"].is_string()
    };
    there("ServiceAccount", "default") && there("ConfigMap", "kube-root-ca.crt") && all.iter().all(filled)
}

#[test]
fn killed_at_each_write_of_a_cut_and_of_an_undo_the_next_run_goes_on_and_proves_it() {
    let name = unique("cuteach");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{name}@example.com]}}}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    let before = leaves(&[&name]);
    let cut = ["--stage", "cut", "--confirm", &format!("offboard {name} (1 namespace)")];
    let cut = [&[name.as_str()], &cut[..]].concat();
    let undo = format!("undo {name} (4 cuts)");
    let undo = [name.as_str(), "--undo", "--confirm", &undo];
    let mut counts = [0, 0];
    for at in points() {
        let cut_reached = killed(&bench, &cut, at);
        offboard(&bench, &cut).expect(0);
        let record = status(&bench, &name);
        let all = record["cuts"].as_array().unwrap();
        assert_eq!(all.len(), 4, "{at:?}: {record:#}");
        assert!(all.iter().all(|entry| entry["made"].is_string()), "{at:?}: {record:#}");
        // A run that finds everything cut has to ask about those of the run before it.
        let asked = |who: &str| record["asked"]["who"].as_array().unwrap().iter().any(|one| one == who);
        for who in [format!("{name}@example.com"), format!("system:serviceaccount:{name}:deployer")] {
            assert!(asked(&who), "{at:?}: nobody asked about {who}: {record:#}");
        }
        let undo_reached = killed(&bench, &undo, at);
        offboard(&bench, &undo).expect(0);
        bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
        assert_eq!(leaves(&[&name]), before, "{at:?}");
        counts[0] += usize::from(cut_reached);
        counts[1] += usize::from(undo_reached);
        if !cut_reached && !undo_reached {
            break;
        }
    }
    // The record, the mark, four cuts, the record, the proof and an Event; the record, four of them back, the record and an Event:
    // each before and after.
    assert!(counts[0] >= 18 && counts[1] >= 14, "{counts:?}");
}

#[test]
fn killed_at_each_write_of_an_archive_and_of_the_destroying_the_next_run_goes_on() {
    let stay = unique("staying");
    let names: Vec<String> = (0..12).map(|_| unique("goes")).collect();
    let tenants = |with: bool| {
        let leaving = names.iter().map(|name| {
            format!("  {name}: {{owners: [{name}@example.com], namespaces: [{name}-a, {name}-b]}}\n")
        });
        let leaving: String = leaving.filter(|_| with).collect();
        format!("cluster: {{retain: 0s}}\ntenants:\n{leaving}  {stay}: {{owners: [s@example.com]}}\n")
    };
    let Some(bench) = Bench::new(&tenants(true)) else { return };
    bench.apply(&[]).expect(0);
    bench.write(&tenants(false));
    bench.apply(&[]).expect(0);
    let key = bench.kwo(&["secrets", "keygen", "age.key"]).expect(0);
    let recipient = key.out.trim();
    let others = settled(&stay);
    let mut counts = [0, 0];
    for (name, at) in names.iter().zip(points()) {
        let cut = sentence(&bench, &[name, "--stage", "cut"]);
        offboard(&bench, &[name, "--stage", "cut", "--confirm", &cut]).expect(0);
        let folder = bench.path(&format!("{name}.d"));
        let archive = [
            name.as_str(),
            "--stage",
            "archive",
            "--recipient",
            recipient,
            "--out",
            folder.to_str().unwrap(),
            "--confirm=x",
        ];
        counts[0] += usize::from(killed(&bench, &archive, at));
        offboard(&bench, &archive).expect(0);
        // No half of a file has the name of an archive.
        let files: Vec<PathBuf> =
            std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        for file in files.iter().filter(|file| file.extension().is_some_and(|of| of == "kwoarc")) {
            bench.kwo(&["archive", "verify", file.to_str().unwrap(), "--identity", "age.key"]).expect(0);
        }
        let destroy = [name.as_str(), "--stage", "destroy"];
        let typed = sentence(&bench, &destroy);
        counts[1] += usize::from(killed(&bench, &[&destroy[..], &["--confirm", &typed]].concat(), at));
        // A namespace takes as long to go as the machine needs, and then a run ends before it is gone. One of the two
        // may be gone already, and the sentence says so. It may have been killed after its last word as well.
        let mut typed = typed;
        for _ in 0..10 {
            let again = offboard(&bench, &[&destroy[..], &["--confirm", &typed]].concat());
            if again.code == 0 || again.err.contains("is there of") {
                break;
            }
            match again.err.split("kwo expects `").nth(1) {
                Some(rest) => rest.split('`').next().unwrap().clone_into(&mut typed),
                None => assert!(again.err.contains("stuck"), "{at:?}: {}{}", again.out, again.err),
            }
        }
        for space in ["a", "b"] {
            assert!(!kubectl(&["get", "namespace", &format!("{name}-{space}")]).status.success(), "{at:?}");
        }
        let record = status(&bench, name);
        assert_eq!(record["stages"].as_array().unwrap().last().unwrap()["done"], true, "{at:?}: {record:#}");
    }
    // The archive's record; the proof, the record, two namespaces and the record: each before and after.
    assert!(counts[0] >= 2 && counts[1] >= 10, "{counts:?}");
    assert_eq!(everything(&stay), others, "nothing of another tenant changes");
}

#[test]
fn nothing_of_another_tenant_changes_in_any_stage() {
    let (name, stay) = (unique("leafgo"), unique("leafstay"));
    let both = format!("both-{name}@example.com");
    let roster = |with: bool| {
        let leaving = format!("  {name}: {{owners: [{both}, group:{name}], longLivedToken: true}}\n");
        let leaving = if with { leaving } else { String::new() };
        format!(
            "cluster: {{retain: 0s}}\ntenants:\n{leaving}  {stay}: {{owners: [{both}, {name}], longLivedToken: true}}\n"
        )
    };
    let Some(bench) = Bench::new(&roster(true)) else { return };
    bench.apply(&[]).expect(0);
    kubectl_ok(&["create", "configmap", "theirs", "-n", &stay, "--from-literal=a=b"]);
    let account = format!("--serviceaccount={name}:deployer");
    kubectl_ok(&[
        "create",
        "rolebinding",
        "of-both",
        "-n",
        &stay,
        "--clusterrole=view",
        &account,
        "--user=x",
    ]);
    let before = settled(&stay);
    let same = |stage: &str| assert_eq!(everything(&stay), before, "{stage}");
    let typed = sentence(&bench, &[&name, "--stage", "cut"]);
    offboard(&bench, &[&name, "--stage", "cut", "--confirm", &typed]).expect(0);
    same("cut");
    let record = status(&bench, &name);
    let typed = format!("undo {name} ({} cuts)", record["cuts"].as_array().unwrap().len());
    offboard(&bench, &[&name, "--undo", "--confirm", &typed]).expect(0);
    same("undo");
    bench.write(&roster(false));
    bench.apply(&[]).expect(0);
    same("apply");
    let typed = sentence(&bench, &[&name, "--stage", "cut"]);
    offboard(&bench, &[&name, "--stage", "cut", "--confirm", &typed]).expect(0);
    let key = bench.kwo(&["secrets", "keygen", "age.key"]).expect(0);
    offboard(
        &bench,
        &[&name, "--stage", "archive", "--recipient", key.out.trim(), "--out", "kept", "--confirm=x"],
    )
    .expect(0);
    let typed = sentence(&bench, &[&name, "--stage", "destroy"]);
    offboard(&bench, &[&name, "--stage", "destroy", "--confirm", &typed]).expect(0);
    same("destroy");
    // The user has the name of the group that left.
    let can = |user: &[&str]| {
        kubectl(&[&["auth", "can-i", "get", "secrets", "-n", &stay], user].concat()).status.success()
    };
    assert!(can(&[&format!("--as={name}")]) && can(&[&format!("--as={both}")]));
}
