//! Somebody leaves, and something goes wrong meanwhile: killed at each write of each stage, two at once, a record that
//! somebody else wrote, an object that does not go away. Nothing of another tenant changes by any of it.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::gate::{Gate, Point};
use testkit::run::{Bench, Ran, account as account_of};

use crate::leaving::leaves;

const WAIT: [&str; 3] = ["--yes", "--lock-timeout=2m", "--lock-duration=1s"];

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
    let mut run = bench.command(&[&["offboard"], args, opened_by(bench, args), &WAIT].concat());
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

fn offboard(bench: &Bench, args: &[&str]) -> Ran {
    bench.kwo(&[&["offboard"], args, opened_by(bench, args), &WAIT].concat())
}

/// Who destroys has the key of the archive, where there is one.
fn opened_by(bench: &Bench, args: &[&str]) -> &'static [&'static str] {
    let key = args.contains(&"destroy") && bench.path("age.key").exists();
    if key { &["--identity", "age.key"] } else { &[] }
}

fn status(bench: &Bench, name: &str) -> Value {
    let ran = bench.kwo(&["offboard", name, "--status", "-o", "json"]).expect(0);
    serde_json::from_str(&ran.out).unwrap()
}

/// The sentence that a run would have typed.
fn sentence(bench: &Bench, args: &[&str]) -> String {
    let ran = offboard(bench, &[args, &["--confirm", "?"]].concat());
    let found = ran.err.split("expected is `").nth(1);
    found.unwrap_or_else(|| panic!("{}{}", ran.out, ran.err)).split('`').next().unwrap().to_owned()
}

/// Everything that the API server has of a tenant that stays, down to the resourceVersion.
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
    all
}

/// The same, once the controllers have done with it.
fn settled(namespace: &str) -> Vec<Value> {
    let mut last = everything(namespace);
    for _ in 0..20 {
        std::thread::sleep(Duration::from_secs(1));
        let now = everything(namespace);
        if now == last {
            return now;
        }
        last = now;
    }
    panic!("the controllers do not come to rest")
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
        let asked =
            |who: &str| record["answers"].as_array().unwrap().iter().any(|answer| answer["user"] == who);
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
    // The record, four cuts, the record, the proof and an Event; the record, four of them back, the record and an Event:
    // each before and after.
    assert!(counts[0] >= 16 && counts[1] >= 14, "{counts:?}");
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
        let again = offboard(&bench, &[&destroy[..], &["--confirm", &typed]].concat());
        if again.code != 0 {
            // One of the two namespaces is gone, and the sentence says so.
            let typed = again.err.split("expected is `").nth(1).map(|rest| rest.split('`').next().unwrap());
            match typed {
                Some(typed) => {
                    offboard(&bench, &[&destroy[..], &["--confirm", typed]].concat()).expect(0);
                }
                // It was killed after its last word.
                None => assert!(again.err.contains("is there of"), "{at:?}: {}{}", again.out, again.err),
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

#[test]
fn two_at_once_are_one_and_the_other_is_told() {
    let name = unique("twice");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{name}@example.com]}}}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    let (tell, begun) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let gate = Gate::open(move |number, at, _| {
        if (number, at) == (1, Point::Before) {
            tell.send(()).unwrap();
            let _ = wait.lock().unwrap().recv();
        }
        true
    });
    let typed = format!("offboard {name} (1 namespace)");
    let cut = ["offboard", &name, "--stage", "cut", "--yes", "--confirm", &typed];
    let mut first = bench.command(&[&cut[..], &["--lock-timeout=2m"]].concat());
    first.env("KWO_KUBECONFIG", gate.kubeconfig()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let first = first.spawn().unwrap();
    begun.recv_timeout(Duration::from_secs(150)).unwrap();
    let ran = bench.kwo(&cut).expect(4);
    assert!(ran.err.contains("another run is at work"), "{}", ran.err);
    for stage in [&["--undo"][..], &["--stage", "archive"], &["--stage", "destroy"]] {
        bench.kwo(&[&["offboard", &name, "--yes", "--confirm=x"], stage].concat()).expect(4);
    }
    go_on.send(()).unwrap();
    Ran::of(&first.wait_with_output().unwrap()).expect(0);
    assert_eq!(status(&bench, &name)["cuts"].as_array().unwrap().len(), 4);
}

/// The ConfigMap of the record is one that others than kwo may be allowed to write.
struct Kept(String);

impl Kept {
    fn of(name: &str) -> Kept {
        Kept(format!("kwo-offboard-tenant-{name}"))
    }

    fn read(&self) -> Value {
        let text = kubectl_ok(&["get", "configmap", &self.0, "-n", "kube-system", "-o", "json"]);
        let found: Value = serde_json::from_str(&text).unwrap();
        serde_json::from_str(found["data"]["offboard.json"].as_str().unwrap()).unwrap()
    }

    fn write(&self, record: &Value) {
        let patch = json!({"data": {"offboard.json": record.to_string()}}).to_string();
        kubectl_ok(&["patch", "configmap", &self.0, "-n", "kube-system", "--type=merge", "-p", &patch]);
    }
}

#[test]
fn a_record_that_somebody_else_wrote_gives_nobody_anything_unseen_and_ends_nothing_early() {
    let name = unique("forged");
    let roster = |retain: &str, with: bool| {
        let leaving = format!("  {name}: {{owners: [{name}@example.com]}}\n");
        let leaving = if with { leaving } else { String::new() };
        format!("cluster: {{retain: {retain}}}\ntenants:\n{leaving}  {name}-stay: {{}}\n")
    };
    let Some(bench) = Bench::new(&roster("10m", true)) else { return };
    bench.apply(&[]).expect(0);
    bench.write(&roster("10m", false));
    bench.apply(&[]).expect(0);
    let typed = sentence(&bench, &[&name, "--stage", "cut"]);
    offboard(&bench, &[&name, "--stage", "cut", "--confirm", &typed]).expect(0);
    let kept = Kept::of(&name);
    let good = kept.read();
    let forged = |id: &str, kind: &str, object: &str| {
        let mut record = good.clone();
        let inverse = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": object},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}],
        });
        let cut = json!({"id": id, "seen": "u/7", "inverse": inverse, "order": "right", "why": "harmless"});
        record["cuts"].as_array_mut().unwrap().push(json!({"cut": cut}));
        record
    };
    let count = good["cuts"].as_array().unwrap().len();
    let undo = |cuts: usize, more: &[&str]| {
        let typed = format!("undo {name} ({cuts} cuts)");
        offboard(&bench, &[&[&name, "--undo", "--confirm", &typed], more].concat())
    };
    // It would make an admin of the cluster, and an admin is made by name only.
    let evil = format!("{name}-evil");
    kept.write(&forged(&format!("kube:ClusterRoleBinding/{evil}"), "ClusterRoleBinding", &evil));
    let ran = undo(count + 1, &[]).expect(64);
    assert!(ran.err.contains("eve becomes admin of the whole cluster"), "{}", ran.err);
    assert!(ran.err.contains("eve would have rights in the whole cluster again"), "{}", ran.err);
    assert!(!kubectl(&["get", "clusterrolebinding", &evil]).status.success());
    // Rights in the namespace of another tenant, and of an account in the whole cluster, come back by name only.
    let mut record = forged(&format!("kube:RoleBinding/{name}-stay/{evil}"), "RoleBinding", &evil);
    record["cuts"][count]["cut"]["inverse"]["metadata"]["namespace"] = json!(format!("{name}-stay"));
    kept.write(&record);
    let ran = undo(count + 1, &[]).expect(64);
    assert!(ran.err.contains("eve would have rights again in the namespace"), "{}", ran.err);
    let mut record = forged(&format!("kube:ClusterRoleBinding/{evil}"), "ClusterRoleBinding", &evil);
    record["cuts"][count]["cut"]["inverse"]["subjects"] =
        json!([{"kind": "ServiceAccount", "namespace": name, "name": "deployer"}]);
    kept.write(&record);
    let ran = undo(count + 1, &[]).expect(64);
    assert!(ran.err.contains(&format!("`--admin system:serviceaccount:{name}:deployer`")), "{}", ran.err);
    // What no cut takes never comes back, by whatever name.
    let everything = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
    let mut role = forged(&format!("kube:ClusterRole/{evil}"), "ClusterRole", &evil);
    role["cuts"][count]["cut"]["inverse"]["rules"] = json!([everything]);
    let mut part = forged("kube:ClusterRole/kwo-navigation", "ClusterRole", "kwo-navigation");
    part["cuts"][count]["cut"]["inverse"] = Value::Null;
    part["cuts"][count]["cut"]["parts"] = json!([{"pointer": "/rules/0", "value": everything}]);
    for record in [role, part] {
        kept.write(&record);
        let ran =
            undo(count + 1, &["--admin", "eve", "--admin", &format!("kube:ClusterRole/{evil}")]).expect(1);
        assert!(ran.err.contains("kwo does not cut kube:ClusterRole/"), "{}", ran.err);
    }
    assert!(!kubectl(&["get", "clusterrole,clusterrolebinding", &evil]).status.success());
    // What comes back is the object that is named.
    kept.write(&forged(&format!("kube:ClusterRoleBinding/{name}-fine"), "ClusterRoleBinding", &evil));
    let ran = undo(count + 1, &["--admin", "eve"]).expect(1);
    assert!(ran.err.contains("is another object: /metadata/name"), "{}", ran.err);
    let mut record = good.clone();
    record["leaving"] = json!({"tenant": "another"});
    kept.write(&record);
    let ran = undo(count, &[]).expect(1);
    assert!(ran.err.contains("it is about another"), "{}", ran.err);
    // Neither an earlier date nor a shorter time ends the retention.
    let mut record = good.clone();
    record["retain_seconds"] = json!(0);
    for stage in record["stages"].as_array_mut().unwrap() {
        stage["at"] = json!("2020-01-01T00:00:00Z");
    }
    kept.write(&record);
    let ran = offboard(&bench, &[&name, "--stage", "destroy", "--confirm=x"]).expect(5);
    assert!(ran.err.contains("it is retained until 2") && ran.err.contains("no archive"), "{}", ran.err);
    // An archive of another tenant is none of this one.
    let key = bench.kwo(&["secrets", "keygen", "age.key"]).expect(0);
    kept.write(&good);
    let other = format!("{name}-stay");
    for tenant in [&name, &other] {
        let args =
            [tenant, "--stage", "archive", "--recipient", key.out.trim(), "--out", "kept", "--confirm=x"];
        offboard(&bench, &args).expect(0);
    }
    let mut record = kept.read();
    let theirs = Kept::of(&other).read()["archive"].clone();
    let file = theirs["file"].as_str().unwrap().to_owned();
    let ran = offboard(&bench, &[&name, "--stage", "destroy", "--archive", &file, "--confirm=x"]).expect(1);
    assert!(ran.err.contains("is not the one that kwo read back"), "{}", ran.err);
    record["archive"] = theirs;
    kept.write(&record);
    let ran = offboard(&bench, &[&name, "--stage", "destroy", "--confirm=x"]).expect(5);
    assert!(ran.err.contains("no archive of it was read back"), "{}", ran.err);
    assert!(kubectl(&["get", "namespace", &name]).status.success());
    kept.write(&good);
    undo(count, &[]).expect(0);
}

#[test]
fn what_does_not_go_away_is_told_with_what_holds_it_and_another_of_the_same_name_stays() {
    let name = unique("holds");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{name}@example.com]}}}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    let binding = format!("{name}-admin");
    let finalizers = |list: &str| {
        let patch = format!(r#"{{"metadata":{{"finalizers":{list}}}}}"#);
        kubectl_ok(&["patch", "rolebinding", &binding, "-n", &name, "--type=merge", "-p", &patch]);
    };
    finalizers(r#"["example.com/holds"]"#);
    let typed = format!("offboard {name} (1 namespace)");
    let cut = [name.as_str(), "--stage", "cut", "--confirm", &typed];
    let ran = offboard(&bench, &cut).expect(1);
    assert!(ran.err.contains("still in force") && ran.err.contains("example.com/holds"), "{}", ran.err);
    finalizers("null");
    offboard(&bench, &cut).expect(0);
    let record = status(&bench, &name);
    assert!(record["cuts"].as_array().unwrap().iter().all(|entry| entry["made"].is_string()), "{record:#}");
    // Somebody else has the name by now.
    kubectl_ok(&[
        "create",
        "rolebinding",
        &binding,
        "-n",
        &name,
        "--clusterrole=view",
        "--user=other@example.com",
    ]);
    let count = record["cuts"].as_array().unwrap().len();
    let typed = format!("undo {name} ({count} cuts)");
    let ran = offboard(&bench, &[&name, "--undo", "--confirm", &typed]).expect(1);
    assert!(ran.err.contains("somebody made another one of this name"), "{}", ran.err);
    kubectl_ok(&["delete", "rolebinding", &binding, "-n", &name]);
    offboard(&bench, &[&name, "--undo", "--confirm", &typed]).expect(0);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn who_is_cut_is_the_user_or_the_group_that_was_named_and_an_admin_by_any_role_is_spared() {
    let name = unique("same");
    let Some(bench) = Bench::new(&format!("tenants: {{{name}: {{owners: [{name}, 'group:{name}']}}}}\n"))
    else {
        return;
    };
    bench.apply(&[]).expect(0);
    let can = |user: &[&str]| {
        kubectl(&[&["auth", "can-i", "get", "pods", "-n", &name], user].concat()).status.success()
    };
    let (user, group) = (format!("--as={name}"), format!("--as-group={name}"));
    let typed = sentence(&bench, &["--person", &name, "--stage", "cut"]);
    offboard(&bench, &["--person", &name, "--stage", "cut", "--confirm", &typed]).expect(0);
    assert!(!can(&[&user]) && can(&["--as=somebody", &group]));
    let who = format!("group:{name}");
    let typed = sentence(&bench, &["--person", &who, "--stage", "cut"]);
    offboard(&bench, &["--person", &who, "--stage", "cut", "--confirm", &typed]).expect(0);
    assert!(!can(&["--as=somebody", &group]));
    for system in ["system:authenticated", "group:system:masters", "system:kube-scheduler"] {
        let ran = offboard(&bench, &["--person", system, "--everywhere", "--stage", "cut", "--confirm=x"]);
        assert_eq!(ran.code, 64, "{}", ran.err);
    }
    for odd in ["../../x", "Alice Smith", "a/b", "-"] {
        let ran = bench.kwo(&["offboard", "--status", "--", odd]);
        assert_eq!(ran.code, 64, "{odd}: {}", ran.err);
    }
    // One who may do everything by a role that is not called so, in a binding that is not kwo's.
    let boss = format!("boss-{name}");
    kubectl_ok(&["create", "clusterrole", &boss, "--verb=*", "--resource=*.*"]);
    kubectl_ok(&["create", "clusterrolebinding", &boss, "--clusterrole", &boss, "--user", &boss]);
    kubectl_ok(&["create", "rolebinding", "theirs", "-n", &name, "--clusterrole=view", "--user", &boss]);
    let typed = format!("offboard {name} (1 namespace)");
    let cut = [name.as_str(), "--with-foreign", "--stage", "cut", "--confirm", &typed];
    let ran = offboard(&bench, &cut).expect(64);
    assert!(ran.err.contains(&format!("{boss} is an admin of the whole cluster")), "{}", ran.err);
    for kind in ["clusterrole", "clusterrolebinding"] {
        kubectl_ok(&["delete", kind, &boss]);
    }
}

#[test]
fn the_rights_that_are_printed_for_it_are_enough_and_no_more_than_it_takes() {
    let name = unique("rights");
    let roster = |with: bool| {
        let leaving =
            format!("  {name}: {{owners: [{name}@example.com, 'group:{name}'], longLivedToken: true}}\n");
        let leaving = if with { leaving } else { String::new() };
        format!("cluster: {{retain: 0s}}\ntenants:\n{leaving}  {name}-stay: {{owners: [s@example.com]}}\n")
    };
    let Some(bench) = Bench::new(&roster(true)) else { return };
    bench.apply(&[]).expect(0);
    kubectl_ok(&[
        "create",
        "rolebinding",
        "theirs",
        "-n",
        &name,
        "--clusterrole=edit",
        "--user=x@example.com",
    ]);
    let account = format!("off-{name}");
    let printed =
        bench.kwo(&["rbac", "--for=offboard", "--namespace=kube-system", "--account", &account]).expect(0);
    std::fs::write(bench.path("rights.yaml"), &printed.out).unwrap();
    kubectl_ok(&["apply", "-f", bench.path("rights.yaml").to_str().unwrap()]);
    let kubeconfig = account_of(&account, "kube-system", &bench.path(""));
    let who = format!("--as=system:serviceaccount:kube-system:{account}");
    for denied in
        [["create", "namespaces"], ["delete", "resourcequotas"], ["create", "pods"], ["get", "pods"]]
    {
        let asked = [&["auth", "can-i"], &denied[..], &["-n", &name, &who]].concat();
        assert!(!kubectl(&asked).status.success(), "{denied:?}");
    }
    let bench = bench.with_kubeconfig(&kubeconfig);
    let cut = |code| {
        let typed = sentence(&bench, &[&name, "--with-foreign", "--stage", "cut"]);
        offboard(&bench, &[&name, "--with-foreign", "--stage", "cut", "--confirm", &typed]).expect(code)
    };
    cut(0);
    let count = status(&bench, &name)["cuts"].as_array().unwrap().len();
    offboard(&bench, &[&name, "--undo", "--confirm", &format!("undo {name} ({count} cuts)")]).expect(0);
    bench.write(&roster(false));
    cut(0);
    let key = bench.kwo(&["secrets", "keygen", "age.key"]).expect(0);
    offboard(
        &bench,
        &[&name, "--stage", "archive", "--recipient", key.out.trim(), "--out", "kept", "--confirm=x"],
    )
    .expect(0);
    let typed = sentence(&bench, &[&name, "--stage", "destroy"]);
    offboard(&bench, &[&name, "--stage", "destroy", "--confirm", &typed]).expect(0);
    assert!(!kubectl(&["get", "namespace", &name]).status.success());
    kubectl_ok(&["delete", "-f", bench.path("rights.yaml").to_str().unwrap()]);
}
