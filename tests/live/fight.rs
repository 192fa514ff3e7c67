//! Somebody who writes back what kwo puts right: found out, named, and no success.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use testkit::apiserver::{self, kubectl, kubectl_ok, unique};
use testkit::run::Bench;

/// A controller that sets the pods of a quota to 99, again and again until it is dropped.
struct Fighter {
    stop: Arc<AtomicBool>,
    loops: Option<std::thread::JoinHandle<()>>,
}

impl Fighter {
    fn new(kubeconfig: &Path, namespace: &str, every: Duration) -> Fighter {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, kubeconfig, namespace) = (stop.clone(), kubeconfig.to_owned(), namespace.to_owned());
        let loops = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
                let client = Client::try_from(config).unwrap();
                let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ResourceQuota"));
                let quotas: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
                let params = PatchParams { field_manager: Some("fighter".to_owned()), ..PatchParams::default() };
                let mut count = 0_u64;
                while !told.load(Ordering::Relaxed) {
                    count += 1;
                    // Another value each time, as a fight over a field looks to who watches its versions.
                    let patch = json!({"metadata": {"annotations": {"n": count.to_string()}}, "spec": {"hard": {"pods": "99"}}});
                    let _ = quotas.patch(&format!("{namespace}-quota"), &params, &Patch::Merge(patch)).await;
                    tokio::time::sleep(every).await;
                }
            });
        });
        Fighter { stop, loops: Some(loops) }
    }
}

impl Drop for Fighter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.loops.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn a_fight_is_called_one_and_the_fighter_is_named() {
    let name = unique("fight");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{quota: {{pods: 7}}}}\n")) else { return };
    bench.apply(&[]).expect(0);
    let kubeconfig = apiserver::kubeconfig().unwrap();
    {
        let _fighter = Fighter::new(kubeconfig, &name, Duration::from_millis(300));
        let ran = bench.apply(&["--settle", "2s"]).expect(1);
        assert!(ran.err.contains("`fighter`") && !ran.converged(), "{}", ran.err);
    }
    {
        let _fighter = Fighter::new(kubeconfig, &name, Duration::from_millis(4));
        let ran = bench.apply(&["--settle", "2s"]).expect(1);
        assert!(ran.err.contains("`fighter`") && !ran.converged(), "{}", ran.err);
        assert!(!ran.err.contains("error in our request"), "{}", ran.err);
    }
    bench.apply(&["--settle", "1s"]).expect(0);
}

#[test]
fn whoever_deletes_what_kwo_makes_is_fought_with_too() {
    let name = unique("deletes");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [o@example.com]}}\n")) else {
        return;
    };
    bench.apply(&[]).expect(0);
    let isolation = format!("{name}-isolation");
    let delete = || kubectl(&["delete", "networkpolicy", &isolation, "-n", &name, "--ignore-not-found"]);
    delete();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(700));
                delete();
            }
        });
        let ran = bench.apply(&["--settle", "3s"]);
        stop.store(true, Ordering::Relaxed);
        let ran = ran.expect(1);
        assert!(ran.err.contains("somebody deletes what kwo writes") && !ran.converged(), "{}", ran.err);
        assert!(
            ran.err.contains(&format!(
                "kube:NetworkPolicy/{name}/{isolation} is gone right after it was written"
            )),
            "{}",
            ran.err
        );
    });
    bench.apply(&["--settle", "1s"]).expect(0);
}

#[test]
fn a_look_that_fails_after_a_run_is_no_agreement() {
    let name = unique("blind");
    let Some(mut server) = apiserver::another(&[]) else { return };
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [o@example.com]}}\n")) else {
        return;
    };
    let bench = bench.with_kubeconfig(&server.kubeconfig);
    bench.apply(&[]).expect(0);
    bench.write(&format!("tenants:\n  {name}: {{owners: [o@example.com], quota: {{pods: 3}}}}\n"));
    let mut command =
        bench.command(&["apply", "--yes", "--settle=4s", "--api-wait=1s", "--timeout=2s", "-o", "json"]);
    let out = bench.path("said.json");
    let file = std::fs::File::create(&out).unwrap();
    let mut run = command.stdout(file).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // It goes away in the pause before the last look.
    let mut said = String::new();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(run.stderr.take().unwrap()));
    for line in lines.by_ref() {
        said += &(line.unwrap() + "\n");
        if said.contains("looks once more") {
            break;
        }
    }
    server.kill();
    lines.for_each(|line| said += &(line.unwrap() + "\n"));
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Could not look again: ") && !said.contains("In agreement"), "{said}");
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    assert!(told["could_not_look_again"].is_string() && told["in_agreement"] == false, "{told:#}");
}

#[test]
fn a_namespace_in_deletion_is_told_with_what_holds_it() {
    let name = unique("stuck");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}:\n")) else { return };
    bench.apply(&[]).expect(0);
    kubectl_ok(&["create", "configmap", "held", "-n", &name]);
    let held = r#"{"metadata":{"finalizers":["example.com/held"]}}"#;
    kubectl_ok(&["patch", "configmap", "held", "-n", &name, "--type=merge", "-p", held]);
    kubectl_ok(&["delete", "namespace", &name, "--wait=false"]);
    let said = "Some content in the namespace has finalizers remaining: example.com/held";
    let mut text = String::new();
    for _ in 0..60 {
        text = bench.kwo(&["plan"]).expect(5).out;
        if text.contains(said) {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(text.contains(said) && text.contains("the finalizer kubernetes holds it"), "{text}");
    kubectl(&[
        "patch",
        "configmap",
        "held",
        "-n",
        &name,
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]);
}
