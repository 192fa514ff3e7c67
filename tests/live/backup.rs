//! A backup of what a real API server keeps by kine in SQLite, as k3s does, while it is written all the time; and a second API
//! server on what was restored.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use testkit::apiserver::on_kine;
use testkit::k3s;
use testkit::run::{Bench, Ran, steps};
use tokio::runtime::Runtime;

/// So that no disk is filled where nobody ends the writer.
const MOST: usize = 20_000;

pub(crate) async fn config_maps(kubeconfig: &Path) -> Api<ConfigMap> {
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    Api::namespaced(Client::try_from(config).unwrap(), "default")
}

pub(crate) fn named(at: usize) -> String {
    format!("written-{at}")
}

/// Creates one object after the other, and says how many the API server has taken.
async fn write(kubeconfig: &Path, taken: &AtomicUsize, end: &AtomicBool) {
    let api = config_maps(kubeconfig).await;
    while !end.load(Ordering::Relaxed) && taken.load(Ordering::Relaxed) < MOST {
        let at = taken.load(Ordering::Relaxed);
        let object = json!({"metadata": {"name": named(at)}, "data": {"at": at.to_string(), "more": "x".repeat(2000)}});
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        taken.fetch_add(1, Ordering::Release);
    }
}

/// A thread that writes until it is told to end, and how many objects were taken.
pub(crate) struct Writer {
    taken: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Writer {
    /// Begins, and waits until a hundred were taken.
    pub(crate) fn begin(kubeconfig: &Path) -> Writer {
        let (taken, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counts, ends, kubeconfig) = (Arc::clone(&taken), Arc::clone(&end), kubeconfig.to_owned());
        let thread =
            thread::spawn(move || Runtime::new().unwrap().block_on(write(&kubeconfig, &counts, &ends)));
        let began = Instant::now();
        while taken.load(Ordering::Acquire) < 100 {
            assert!(began.elapsed() < Duration::from_secs(60) && !thread.is_finished(), "it is not written");
            thread::sleep(Duration::from_millis(10));
        }
        Writer { taken, end, thread }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    pub(crate) fn end(self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// A key for backups in the bench; gives its recipient.
pub(crate) fn key(bench: &Bench) -> String {
    let made = bench.kwo(&["secrets", "keygen", "key"]).expect(0);
    made.out.lines().find(|line| line.starts_with("age1")).unwrap().to_owned()
}

/// All that was written, by its name.
pub(crate) async fn written(kubeconfig: &Path) -> BTreeMap<String, ConfigMap> {
    let list = config_maps(kubeconfig).await.list(&ListParams::default()).await.unwrap();
    let named = list.items.into_iter().map(|one| (one.metadata.name.clone().unwrap_or_default(), one));
    named.filter(|(name, _)| name.starts_with("written-")).collect()
}

#[test]
fn a_backup_taken_while_k3s_database_is_written_is_served_again_to_the_last_object() {
    let Some(bench) =
        Bench::new("tenants:\n  alice: {owners: [alice@example.com]}\n  bob: {owners: [bob@example.com]}\n")
    else {
        return;
    };
    let (node, copy) = (tempfile::tempdir().unwrap(), bench.path("restored"));
    k3s::files(node.path());
    let server = node.path().join(k3s::DATA).join("server");
    let Some(live) = on_kine(&server) else { return };
    let bench = bench.with_kubeconfig(&live.kubeconfig);
    bench.apply(&[]).expect(0);

    let recipient = key(&bench);
    let writer = Writer::begin(&live.kubeconfig);
    let before = writer.taken();
    let ran = bench
        .command(&["node", "backup", "--recipient", &recipient, "--to", "backups", "--root"])
        .arg(node.path())
        .output();
    let ran = Ran::of(&ran.unwrap());
    let after = writer.taken();
    writer.end();
    let ran = ran.expect(0);
    assert!(after > before, "it was written meanwhile: {}", ran.out);
    let all = Runtime::new().unwrap().block_on(written(&live.kubeconfig));
    drop(live);

    // Beside the lock of whoever makes one.
    let mut names = fs::read_dir(bench.path("backups")).unwrap().map(|found| found.unwrap().path());
    let backup = names.find(|path| path.extension().is_some_and(|end| end == "age")).unwrap();
    let restore = ["node", "restore", backup.to_str().unwrap(), "--identity", "key", "--to", "restored"];
    bench.kwo(&restore).expect(0);
    let again = on_kine(&copy.join("data/server")).unwrap();
    let back = Runtime::new().unwrap().block_on(written(&again.kubeconfig));
    // What was taken before it began is there, nothing has come of what was not, and each is as it was.
    assert!((before..=after + 1).contains(&back.len()), "{before} {} {after}", back.len());
    for at in 0..back.len() {
        assert_eq!(back.get(&named(at)), all.get(&named(at)), "{at}");
    }
    // It is the same cluster, and it agrees with the roster.
    let bench = bench.with_kubeconfig(&again.kubeconfig);
    assert_eq!(steps(&bench.plan(&[])), Vec::<String>::new());
    let told = bench.kwo(&["plan"]).expect(0).out;
    assert!(told.contains("No changes"), "{told}");
}
