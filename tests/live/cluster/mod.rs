//! The cluster as a target, where it differs from any other: the Lease and who takes it over, the requests made, what
//! a narrow account sees, whom the server's certificate convinces. Against a real API server.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kwo_engine::providers::{Dir, Home as _, Kube, KubeOptions, LockRefusal, Provider};
use kwo_planner::change::{Change, Step};
use kwo_planner::kinds::Kind;
use kwo_planner::observed::Sighting;
use kwo_planner::origin::Origin;
use kwo_planner::resource::{Desired, Reason, Resource, ResourceId};
use kwo_planner::tree::{SmolStr, Tree};
use serde_json::{Value, json};
use testkit::apiserver::{another, audit_log, kubeconfig, kubectl_ok, unique};

async fn kube(kubeconfig: &Path) -> Kube {
    let options = KubeOptions {
        kubeconfig: Some(kubeconfig.to_owned()),
        lock_duration: Duration::from_secs(2),
        ..KubeOptions::default()
    };
    Kube::connect(options).await.unwrap_or_else(|error| panic!("{error}"))
}

fn namespace(name: &str) -> Resource {
    let body = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kwo.dev/managed": "true"}}});
    resource(ResourceId::kube(Kind::Namespace, "", name), body)
}

fn resource(id: ResourceId, body: Value) -> Resource {
    let body = serde_json::from_value(body).unwrap_or(Tree::Null);
    Resource::new(id, body, Arc::new([]), Reason::Always)
}

fn create(resource: &Resource) -> Step {
    Step {
        id: resource.id.clone(),
        changes: [Change::Create].into(),
        seen: None,
        wanted: resource.body.clone(),
        secrets: Vec::new(),
        needs: Arc::default(),
        follows: Arc::default(),
        disrupts: None,
        tightens: None,
        adopts: false,
        tenant: SmolStr::default(),
        because: Origin { place: "here".into(), line: SmolStr::default() },
    }
}

fn desired(resources: Vec<Resource>) -> Desired {
    Desired::new(resources, Arc::default()).unwrap_or_else(|clash| panic!("{clash}"))
}

/// The Lease is one for the whole cluster, so all that happens to it happens in one test, and in a cluster that no other test has:
/// its run would lose the lock.
#[tokio::test]
async fn the_lease_is_taken_over_when_its_holder_is_silent_and_lost_when_it_is_taken() {
    let Some(server) = another(&[]) else { return };
    let (one, other) = (kube(&server.kubeconfig).await, kube(&server.kubeconfig).await);
    let field = |name: &str| {
        server.kubectl_ok(&[
            "-n",
            "kube-system",
            "get",
            "lease",
            "kwo",
            "-o",
            &format!("jsonpath={{.spec.{name}}}"),
        ])
    };

    // A holder that died: the Lease says it is held, and nobody renews it, whatever its clock said. That shows with
    // time only, also to whoever would not wait for a run at work.
    let lock = one.lock(Duration::from_secs(20)).await.unwrap_or_else(|why| panic!("{why:?}"));
    lock.release.await;
    assert_eq!(field("holderIdentity"), "");
    let lease = |spec: Value| {
        let patch = json!({"spec": spec}).to_string();
        server.kubectl_ok(&["-n", "kube-system", "patch", "lease", "kwo", "--type=merge", "-p", &patch]);
    };
    let mut lock = None;
    for ahead in [-7200, 0, 7200] {
        let its_clock = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
        lease(json!({"holderIdentity": "dead/1/x", "leaseDurationSeconds": 2,
            "renewTime": format!("{its_clock:.6}")}));
        let started = Instant::now();
        let taken = other.lock(Duration::ZERO).await.unwrap_or_else(|why| panic!("{why:?}"));
        assert!((2..8).contains(&started.elapsed().as_secs()), "{ahead}: {:?}", started.elapsed());
        assert!(field("holderIdentity").contains(&std::process::id().to_string()));
        if ahead < 7200 {
            taken.release.await;
        } else {
            lock = Some(taken);
        }
    }
    let mut lock = lock.expect("it was taken");

    // A holder that lives, whatever its clock says: whoever would not wait is told at its next renewal.
    match one.lock(Duration::ZERO).await {
        Err(LockRefusal::Held { by }) => {
            assert!(by.ends_with(" by its own clock; it is alive, because it renews the lock"), "{by}");
        }
        Err(LockRefusal::Failed(why)) => panic!("{why}"),
        Ok(_) => panic!("it is held"),
    }

    // Somebody puts a note on it: that is no loss. Somebody takes it: that is one.
    server.kubectl_ok(&["-n", "kube-system", "annotate", "lease", "kwo", "--overwrite", "note=x"]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!*lock.lost.borrow());
    lease(json!({"holderIdentity": "thief/1/x", "leaseDurationSeconds": 1,
        "renewTime": format!("{:.6}", jiff::Timestamp::now())}));
    let lost = tokio::time::timeout(Duration::from_secs(5), lock.lost.wait_for(|lost| *lost)).await;
    assert!(lost.is_ok_and(|lost| lost.is_ok()), "the loss was not noticed");
    lock.release.await;
    assert_eq!(field("holderIdentity"), "thief/1/x");

    // A lock that is dropped without a word is given back as well.
    let lock = one.lock(Duration::from_secs(20)).await.unwrap_or_else(|why| panic!("{why:?}"));
    drop(lock);
    let mut next = other.lock(Duration::from_secs(5)).await.unwrap_or_else(|why| panic!("{why:?}"));

    // What somebody took and gave back meanwhile, or took away, is nobody's, so it is taken anew.
    lease(json!({"holderIdentity": ""}));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(field("holderIdentity").contains(&std::process::id().to_string()));
    server.kubectl_ok(&["-n", "kube-system", "delete", "lease", "kwo"]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(field("holderIdentity").contains(&std::process::id().to_string()));
    assert!(!*next.lost.borrow_and_update());
    next.release.await;
}

#[tokio::test]
async fn looking_costs_a_request_a_kind_and_a_write_costs_one() {
    let Some(audit) = audit_log() else { return };
    // An account of its own, so that its requests are told from those of other tests.
    let name = unique("count");
    let own = account(&name, "cluster-admin");
    let kube = kube(own.path()).await;
    let wanted: Vec<Resource> = (0..20).map(|at| namespace(&format!("{name}-{at}"))).collect();
    for resource in &wanted {
        kube.write(&create(resource)).await.unwrap_or_else(|error| panic!("{error}"));
    }
    let observed = kube.observe(&desired(wanted)).await;
    assert!(observed.iter().filter(|(_, sighting)| matches!(sighting, Sighting::Present(_))).count() >= 20);
    let text = fs::read_to_string(audit).unwrap_or_default();
    let user = format!("system:serviceaccount:kube-system:{name}");
    let verbs: Vec<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["user"]["username"] == user)
        .filter_map(|event| Some(event["verb"].as_str()?.to_owned()))
        .collect();
    let count = |verb: &str| verbs.iter().filter(|have| *have == verb).count();
    assert_eq!((count("create"), count("list"), verbs.len()), (20, Kind::listed(), 20 + Kind::listed()));
}

#[tokio::test]
async fn a_narrow_account_sees_what_it_may_and_knows_what_it_may_not() {
    if kubeconfig().is_none() {
        return;
    }
    let name = unique("narrow");
    let rules = "--resource=namespaces,resourcequotas";
    kubectl_ok(&["create", "clusterrole", &name, "--verb=list", rules]);
    let own = account(&name, &name);
    let kube = kube(own.path()).await;
    let quota = resource(ResourceId::kube(Kind::ResourceQuota, "default", &*name), json!({}));
    let policy = resource(ResourceId::kube(Kind::NetworkPolicy, "default", &*name), json!({}));
    let (absent, unknown) = (quota.id.clone(), policy.id.clone());
    let observed = kube.observe(&desired(vec![namespace("default"), quota, policy])).await;
    assert!(matches!(observed.get(&namespace("default").id), Some(Sighting::Present(_))));
    assert_eq!(observed.get(&absent), Some(&Sighting::Absent));
    let Some(Sighting::Unknown { why }) = observed.get(&unknown) else { panic!("it was not looked at") };
    let start =
        "list networkpolicies.networking.k8s.io was refused: networkpolicies.networking.k8s.io is forbidden";
    assert!(why.starts_with(start), "{why}");
    let refused = kube.write(&create(&namespace(&name))).await.map_err(|error| error.to_string());
    assert!(
        refused.as_ref().is_err_and(|why| why.starts_with("refused: namespaces is forbidden")),
        "{refused:?}"
    );
    // It may not look at kube-system, so the address has to tell clusters apart.
    let identity = kube.identity().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(identity.id, format!("server {}", identity.address));
    let refused = kube.lock(Duration::ZERO).await.map(|_| ());
    assert!(matches!(refused, Err(LockRefusal::Failed(_))), "{refused:?}");
}

#[tokio::test]
async fn an_unknown_field_is_refused_and_named() {
    let Some(config) = kubeconfig() else { return };
    let mut wrong = namespace(&unique("wrong"));
    wrong.body = wrong.body.with("/spec", Tree::map([("colour", Tree::from("blue"))]));
    let refused = kube(config).await.write(&create(&wrong)).await.map_err(|error| error.to_string());
    assert!(refused.as_ref().is_err_and(|why| why.contains("unknown field \"spec.colour\"")), "{refused:?}");
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_not_trusted() {
    let Some(config) = kubeconfig() else { return };
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let text = fs::read_to_string(config).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.retain(|line| !line.trim_start().starts_with("certificate-authority"));
    let file = folder.path().join("kubeconfig");
    fs::write(&file, lines.join("\n")).unwrap_or_else(|error| panic!("{error}"));
    let started = Instant::now();
    let refused = kube(&file).await.identity().await.map_err(|error| error.to_string());
    assert!(
        refused.as_ref().is_err_and(|why| why.contains("kwo cannot trust the certificate of")),
        "{refused:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(5), "asking again cannot help");
}

#[tokio::test]
async fn kubectl_applies_what_the_directory_holds() {
    if kubeconfig().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join("target");
    let dir = Dir::new(&path).unwrap_or_else(|error| panic!("{error}"));
    let name = unique("files");
    let traps = json!({"a": "no", "b": "42", "c": "1e3", "d": "012", "e": "on", "f": "y", "g": "1:30", "h": "0x1f",
        "i": "2026-01-01", "j": "null", "k": "~", "l": "", "m": "a\nb\n", "n": "- x", "o": "1_000", "p": "=",
        "q": "x".repeat(50) + " " + &"y".repeat(90), "r": "it's \"quoted\" # not a comment", "s": "0o7", "t": "<<"});
    let mut space = namespace(&name);
    space.body =
        space.body.with("/metadata/annotations", serde_json::from_value(traps.clone()).unwrap_or(Tree::Null));
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let meta = json!({"name": "r:Of", "namespace": name, "labels": {"kwo.dev/managed": "true"}});
    let role = resource(
        ResourceId::kube(Kind::Role, &*name, "r:Of"),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules}),
    );
    for resource in [&space, &role] {
        dir.write(&create(resource)).await.unwrap_or_else(|error| panic!("{error}"));
    }
    kubectl_ok(&["apply", "-R", "-f", &path.display().to_string()]);
    let found = kubectl_ok(&["get", "namespace", &name, "-o", "json"]);
    let found: Value = serde_json::from_str(&found).unwrap_or_default();
    for (key, value) in traps.as_object().into_iter().flatten() {
        assert_eq!(&found["metadata"]["annotations"][key], value, "{key}");
    }
    kubectl_ok(&["-n", &name, "get", "role", "r:Of"]);
}

/// A kubeconfig of a ServiceAccount that is made for it, with one ClusterRole in the whole cluster.
fn account(name: &str, role: &str) -> tempfile::NamedTempFile {
    let system = ["-n", "kube-system"];
    kubectl_ok(&[system.as_slice(), &["create", "serviceaccount", name]].concat());
    let subject = format!("--serviceaccount=kube-system:{name}");
    let clusterrole = format!("--clusterrole={role}");
    kubectl_ok(&["create", "clusterrolebinding", name, &clusterrole, &subject]);
    let token = kubectl_ok(&[system.as_slice(), &["create", "token", name]].concat());
    let shown = kubectl_ok(&["config", "view", "--raw", "--minify", "-o", "json"]);
    let mut config: Value = serde_json::from_str(&shown).unwrap_or_default();
    config["users"][0]["user"] = json!({"token": token.trim()});
    let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
    fs::write(file.path(), config.to_string()).unwrap_or_else(|error| panic!("{error}"));
    file
}

#[tokio::test]
async fn one_cause_is_told_once_and_not_at_each_object() {
    if kubeconfig().is_none() {
        return;
    }
    let name = unique("cause");
    let own = account(&name, &name);
    let folder = tempfile::tempdir().unwrap();
    let tenants: String = (0..20).map(|at| format!("  {name}-{at}: {{owners: [o@example.com]}}\n")).collect();
    fs::write(
        folder.path().join("roster.yaml"),
        format!("apiVersion: kwo/v1\nkind: Roster\ntenants:\n{tenants}"),
    )
    .unwrap();
    let told = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_kwo"))
            .args(args)
            .arg("--kubeconfig")
            .arg(own.path())
            .current_dir(folder.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    // Nothing may be listed, and nobody be impersonated: one cause for all kinds.
    let nothing = told(&["plan"]);
    let lines = nothing.lines().count();
    assert!(lines < 18, "{lines} lines:\n{nothing}");
    assert_eq!(nothing.matches("is forbidden").count(), 1, "{nothing}");
    assert!(
        nothing.contains("objects were not observed: ") && nothing.contains("list namespaces, "),
        "{nothing}"
    );
    let nobody = told(&["plan", "--as", "somebody"]);
    assert_eq!(nobody.matches("cannot impersonate").count(), 1, "{nobody}");
    // All may be looked at and nothing written: what was refused is told at the first of a kind.
    let rights = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "update", "patch", "delete"]}]});
    let file = folder.path().join("rights.json");
    fs::write(&file, rights.to_string()).unwrap();
    kubectl_ok(&["create", "-f", &file.to_string_lossy()]);
    // The server comes to know of new rights a moment later, and other tests hold the lock.
    let locked =
        |told: &String| told.contains("cannot take the lock") || told.contains("another run is at work");
    let mut tries = (0..50).map(|_| told(&["apply", "--yes", "--lock-timeout=30s"]));
    let refused = tries.find(|told| !locked(told)).unwrap_or_default();
    assert_eq!(refused.matches("cannot create resource \"namespaces\"").count(), 1, "{refused}");
    assert_eq!(refused.matches("refused for the same reason as kube:Namespace/").count(), 19, "{refused}");
}
