//! The record of somebody who left is one that others than kwo may be allowed to write: what they write there gives nobody
//! anything unseen, and ends nothing early.

use kwo_planner::units::moment;
use serde_json::{Value, json};
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::Bench;

use crate::departed::{offboard, sentence};

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

/// Whoever may change the record may give the cut an earlier date, and the record is older than a second cut.
#[test]
fn a_cut_is_not_older_than_its_own_mark_whatever_the_record_says() {
    // The API server would cut off the end of a mark that it names itself.
    let name = format!("{}-with-a-name-that-is-long", unique("dated"));
    let roster = |with: bool| {
        let leaving =
            if with { format!("  {name}: {{owners: [{name}@example.com]}}\n") } else { String::new() };
        format!("cluster: {{retain: 10m}}\ntenants:\n{leaving}  {name}-stay: {{}}\n")
    };
    let Some(bench) = Bench::new(&roster(true)) else { return };
    bench.apply(&[]).expect(0);
    let kept = Kept::of(&name);
    let cut = || {
        let typed = sentence(&bench, &[&name, "--stage", "cut"]);
        offboard(&bench, &[&name, "--stage", "cut", "--confirm", &typed]).expect(0)
    };
    let marks = || {
        let names = kubectl_ok(&["get", "configmaps", "-n", "kube-system", "-o", "name"]);
        let begin = format!("configmap/kwo-offboard-tenant-{name}.cut-");
        names.lines().filter(|line| line.starts_with(&begin)).count()
    };
    cut();
    let count = kept.read()["cuts"].as_array().unwrap().len();
    offboard(&bench, &[&name, "--undo", "--confirm", &format!("undo {name} ({count} cuts)")]).expect(0);
    bench.write(&roster(false));
    bench.apply(&[]).expect(0);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let again = jiff::Timestamp::now();
    assert_eq!(marks(), 1);
    cut();
    assert_eq!(marks(), 2);
    let mut record = kept.read();
    for stage in record["stages"].as_array_mut().unwrap() {
        stage["at"] = json!("2020-01-01T00:00:00Z");
    }
    kept.write(&record);
    let until = || -> jiff::Timestamp {
        let ran = offboard(&bench, &[&name, "--stage", "destroy", "--confirm=x"]).expect(5);
        let said = ran.err.split("it is retained until ").nth(1).unwrap_or_else(|| panic!("{}", ran.err));
        let [day, clock] = [said.get(..10), said.get(11..19)].map(Option::unwrap);
        format!("{day}T{clock}Z").parse().unwrap()
    };
    let earliest = again + jiff::SignedDuration::from_secs(600 - 1);
    assert!(until() >= earliest, "{} {earliest}", until());
    // What is told comes from the mark, too, whatever stands in the record or beside it.
    let told = |what: &str| {
        let page: Value =
            serde_json::from_str(&bench.kwo(&["offboard", &name, "--status", "-o", "json"]).expect(0).out)
                .unwrap();
        let all: Value = serde_json::from_str(&bench.kwo(&["status", "-o", "json"]).out).unwrap();
        let short =
            all["departed"]["found"].as_array().unwrap().iter().find(|one| one["who"] == name.as_str());
        let short = short.unwrap_or_else(|| panic!("{what}: {}", all["departed"]));
        [&page["kept_until"], &short["kept_until"]]
            .map(|until| until.as_str().unwrap().parse::<jiff::Timestamp>().unwrap())
    };
    let right = until();
    assert_eq!(told("an earlier date"), [right; 2]);
    let brief = |change: &dyn Fn(&mut Value)| {
        let map = testkit::run::get("configmap", "kube-system", &kept.0);
        let text = map["metadata"]["annotations"]["kwo.dev/offboard"].as_str().unwrap();
        let mut brief: Value = serde_json::from_str(text).unwrap();
        change(&mut brief);
        let note = format!("kwo.dev/offboard={brief}");
        kubectl_ok(&["annotate", "--overwrite", "configmap", &kept.0, "-n", "kube-system", &note]);
    };
    record["retain_seconds"] = json!(9_000_000_000_u64);
    kept.write(&record);
    for date in [json!("2020-01-01T00:00:00Z"), json!("2999-01-01T00:00:00Z"), Value::Null] {
        brief(&|brief| brief["kept_until"] = date.clone());
        assert_eq!(told("a date beside it"), [right; 2], "{date}");
    }
    // Neither does a stage that nobody did, nor a record that nobody finds by its label.
    let undone =
        json!({"stage": "undo", "at": "2999-01-01T00:00:00Z", "by": "eve", "host": "h", "done": true});
    brief(&|brief| brief["stages"].as_array_mut().unwrap().push(undone.clone()));
    kubectl_ok(&["label", "configmap", &kept.0, "-n", "kube-system", "kwo.dev/record-"]);
    assert_eq!(told("an undo"), [right; 2]);
    let mut forged = record.clone();
    forged["stages"].as_array_mut().unwrap().push(undone);
    kept.write(&forged);
    let ran = bench.kwo(&["offboard", &name, "--status"]).expect(0);
    assert!(
        ran.out
            .contains(&format!("kwo finds no mark of an undo, so it keeps the rest until {}", moment(right))),
        "{}",
        ran.out
    );
    // Whom it is about its name says.
    brief(&|brief| brief["who"] = json!("somebody-else"));
    assert_eq!(told("another name"), [right; 2]);
    let all = bench.kwo(&["status"]);
    assert!(all.out.contains("it is about somebody-else"), "{}", all.out);
    // Nor does it count that there is an archive.
    brief(&|brief| (brief["who"], brief["archived"]) = (json!(name), json!(true)));
    let all = bench.kwo(&["status"]);
    let line = all.out.lines().find(|line| line.contains(&format!("{} at least", moment(right)))).unwrap();
    assert!(line.contains(&name) && line.ends_with("no archive yet"), "{line}");
    record["retain_seconds"] = json!(600);
    kept.write(&record);
    // Nobody can date a mark, and where all of them are gone it may have been cut now.
    let of = format!("kwo-offboard-tenant-{name}.cut-");
    let names = kubectl_ok(&["get", "configmaps", "-n", "kube-system", "-o", "name"]);
    for mark in
        names.lines().filter_map(|line| line.strip_prefix("configmap/")).filter(|mark| mark.starts_with(&of))
    {
        kubectl_ok(&["delete", "configmap", mark, "-n", "kube-system"]);
    }
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(600 - 1);
    assert!(until() >= later);
    // The next cut leaves one again, though there is nothing to cut.
    offboard(&bench, &[&name, "--stage", "cut", "--confirm=x"]).expect(0);
    assert_eq!(marks(), 1);
}
