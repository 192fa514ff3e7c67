//! kwo beside kubectl on the same objects, on a real API server: requests, wall time, peak memory, and the ratios of
//! one run. `cargo bench --bench cluster`, or with other numbers of tenants after `--`: `-- 10 100 1000`.
//!
//! Every first apply gets a server of its own, so that nobody profits from what another one left. The floor is a loop
//! of bare concurrent POSTs of the same bodies.
#![expect(clippy::panic, reason = "a benchmark that cannot be set up ends here")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const CONCURRENCY: usize = 16;

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10, 100, 1000];
    }
    let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apiserver");
    let built = Command::new("sh").arg("tests/apiserver/build.sh").arg(&programs).status();
    assert!(built.is_ok_and(|status| status.success()), "the API server could not be built");
    println!("| tenants | what | requests | wall | peak memory | |\n|---|---|---|---|---|---|");
    for tenants in sizes {
        compare(tenants, &programs);
    }
}

fn compare(tenants: usize, programs: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let roster = folder.path().join("roster.yaml");
    let names: String =
        (0..tenants).map(|at| format!("  tenant-{at:04}: {{owners: [owner-{at}@example.com]}}\n")).collect();
    std::fs::write(&roster, format!("apiVersion: kwo/v1\nkind: Roster\ntenants:\n{names}"))
        .expect("a roster");
    let kwo = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(args).arg(&roster);
        command
    };
    let render = |format| kwo(&["render", "-o", format]).output().expect("kwo renders").stdout;
    let manifests = folder.path().join("all.yaml");
    std::fs::write(&manifests, render("yaml")).expect("manifests");
    let list: Value = serde_json::from_slice(&render("json")).expect("a list");
    let bodies: Vec<Value> = list["items"].as_array().expect("items").clone();

    let floor = Server::start(programs, folder.path(), "floor").measure_loop(&bodies);
    row(tenants, "bare concurrent POSTs", &floor, None);

    let server = Server::start(programs, folder.path(), "kwo");
    let concurrency = format!("--concurrency={CONCURRENCY}");
    let first =
        server.measure(kwo(&["apply", "--yes", &concurrency]).env("KWO_KUBECONFIG", &server.kubeconfig));
    row(tenants, "kwo apply, first", &first, Some((&floor, "of the POSTs")));
    let plan = server.measure(kwo(&["plan"]).env("KWO_KUBECONFIG", &server.kubeconfig));
    row(tenants, "kwo plan, unchanged", &plan, None);
    drop(server);

    let server = Server::start(programs, folder.path(), "kubectl");
    let kubectl = |verb: &str| {
        let mut command = Command::new(programs.join("kubectl"));
        command
            .arg("--kubeconfig")
            .arg(&server.kubeconfig)
            .args([verb, "--server-side", "-f"])
            .arg(&manifests);
        command
    };
    let apply = server.measure(&mut kubectl("apply"));
    row(tenants, "kubectl apply --server-side, first", &apply, Some((&first, "of kwo apply")));
    let diff = server.measure(&mut kubectl("diff"));
    row(tenants, "kubectl diff --server-side, unchanged", &diff, Some((&plan, "of kwo plan")));
}

struct Measured {
    wall: Duration,
    requests: usize,
    peak: Option<u64>,
}

fn row(tenants: usize, what: &str, measured: &Measured, beside: Option<(&Measured, &str)>) {
    let Measured { wall, requests, peak } = measured;
    let peak = peak.map_or_else(String::new, |kib| format!("{} MiB", kib / 1024));
    let ratio = beside.map_or_else(String::new, |(other, whose)| {
        format!("{:.2} × the time {whose}", wall.as_secs_f64() / other.wall.as_secs_f64())
    });
    println!("| {tenants} | {what} | {requests} | {:.2} s | {peak} | {ratio} |", wall.as_secs_f64());
}

/// An API server that ends with this value.
struct Server {
    child: Child,
    kubeconfig: PathBuf,
    audit_log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(programs: &Path, folder: &Path, name: &str) -> Server {
        let state = folder.join(name);
        let (kubeconfig, audit_log) = (state.join("kubeconfig"), state.join("audit.log"));
        let mut child = Command::new(programs.join("kwo-test-apiserver"))
            .args([
                Path::new("--dir"),
                &state,
                Path::new("--kubeconfig"),
                &kubeconfig,
                Path::new("--audit-log"),
            ])
            .arg(&audit_log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the API server starts");
        let mut line = String::new();
        let _ = BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line);
        assert!(line.starts_with("ready"), "the API server did not start: {line}");
        Server { child, kubeconfig, audit_log }
    }

    fn requests(&self) -> usize {
        std::fs::read_to_string(&self.audit_log).map_or(0, |text| text.lines().count())
    }

    /// Runs a command to its end.
    fn measure(&self, command: &mut Command) -> Measured {
        let before = self.requests();
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let status = format!("/proc/{}/status", child.id());
        let mut peak = None;
        let ended = loop {
            if let Some(ended) = child.try_wait().expect("it can be waited for") {
                break ended;
            }
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).or(peak);
            std::thread::sleep(Duration::from_millis(2));
        };
        let wall = started.elapsed();
        assert!(ended.success(), "{command:?} ended with {ended}");
        Measured { wall, requests: self.requests() - before, peak }
    }

    /// POSTs the bodies, those without a namespace first.
    fn measure_loop(&self, bodies: &[Value]) -> Measured {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let before = self.requests();
        let wall = runtime.block_on(async {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let config = Kubeconfig::read_from(&self.kubeconfig).expect("a kubeconfig");
            let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
            let client = kube::Client::try_from(config.expect("a configuration")).expect("a client");
            let started = Instant::now();
            for namespaced in [false, true] {
                let wave =
                    bodies.iter().filter(|body| body["metadata"]["namespace"].is_string() == namespaced);
                post(&client, wave).await;
            }
            started.elapsed()
        });
        Measured { wall, requests: self.requests() - before, peak: None }
    }
}

async fn post(client: &kube::Client, bodies: impl Iterator<Item = &Value>) {
    let slots = Arc::new(Semaphore::new(CONCURRENCY));
    let mut running = JoinSet::new();
    for body in bodies {
        let (client, slots, text, path) = (client.clone(), Arc::clone(&slots), body.to_string(), path(body));
        running.spawn(async move {
            let _slot = slots.acquire().await;
            let request = http::Request::post(path).header("content-type", "application/json");
            let request = request.body(text.into_bytes()).expect("a request");
            client.request::<Value>(request).await
        });
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended.expect("no panic") {
            panic!("a POST was refused: {error}");
        }
    }
}

fn path(body: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = kwo_planner::kinds::Kind::named(&text(&body["kind"])).expect("a kind that kwo writes");
    let group = match kind.api_version() {
        "v1" => "/api/v1".to_owned(),
        other => format!("/apis/{other}"),
    };
    match body["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{}", kind.plural()),
        None => format!("{group}/{}", kind.plural()),
    }
}
