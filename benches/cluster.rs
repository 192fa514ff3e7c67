//! kwo beside kubectl on the same objects, on a real API server: requests, wall time, peak memory, and the ratios of
//! one run. `cargo bench --bench cluster`, or with other numbers of tenants after `--`: `-- 10 100 1000`.
//!
//! Every first apply gets a server of its own, so that nobody profits from what another one left. The floor of an apply
//! is a loop of bare concurrent POSTs of the same bodies, that of a plan the bare concurrent LISTs of the same kinds.
#![expect(clippy::panic, reason = "a benchmark that cannot be set up ends here")]

mod server;
mod table;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kwo_planner::kinds::{Kind, Look};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use server::{Measured, Server, programs};
use table::row;

const CONCURRENCY: usize = 16;

/// How often what is short is measured.
const TURNS: usize = 3;

/// How many objects a page of a LIST has.
const PAGE: usize = 5000;

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10, 100, 1000];
    }
    let programs = programs();
    println!("| tenants | what | requests | wall | CPU | peak memory | |\n|---|---|---|---|---|---|---|");
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

    let floor = measure_loop(&Server::start(programs, folder.path(), "floor"), &bodies);
    row(tenants, "bare concurrent POSTs", &floor, None);

    let server = Server::start(programs, folder.path(), "kwo");
    let concurrency = format!("--concurrency={CONCURRENCY}");
    let first =
        server.measure(kwo(&["apply", "--yes", &concurrency]).env("KWO_KUBECONFIG", &server.kubeconfig));
    row(tenants, "kwo apply, first", &first, Some((&floor, "of the POSTs")));
    // By turns, and of each the best, for they are short.
    let both = (0..TURNS).map(|_| {
        let plan = server.measure(kwo(&["plan"]).env("KWO_KUBECONFIG", &server.kubeconfig));
        (measure_lists(&server), plan)
    });
    let (lists, plans): (Vec<Measured>, Vec<Measured>) = both.unzip();
    let best = |all: Vec<Measured>| all.into_iter().min_by_key(|one| one.wall).expect("a turn");
    let (lists, plan) = (best(lists), best(plans));
    row(tenants, "bare concurrent LISTs", &lists, None);
    row(tenants, "kwo plan, unchanged", &plan, Some((&lists, "of the LISTs")));
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

/// POSTs the bodies, those without a namespace first.
fn measure_loop(server: &Server, bodies: &[Value]) -> Measured {
    measure_bare(server, async |client| {
        for namespaced in [false, true] {
            let wave = bodies.iter().filter(|body| body["metadata"]["namespace"].is_string() == namespaced);
            post(&client, wave).await;
        }
    })
}

/// LISTs the kinds that kwo lists, beside each other, and reads of the pages only whether there is another one.
fn measure_lists(server: &Server) -> Measured {
    measure_bare(server, async |client| {
        let mut running = JoinSet::new();
        for kind in Kind::ALL {
            let only = match kind.look() {
                Look::All => "",
                Look::Marked => "&labelSelector=kwo.dev%2Fmanaged%3Dtrue",
                Look::Private => continue,
            };
            let client = client.clone();
            running.spawn(async move {
                let mut from = String::new();
                loop {
                    let path = format!("{}/{}?limit={PAGE}{only}{from}", group(kind), kind.plural());
                    let request = http::Request::get(path).body(Vec::new()).expect("a request");
                    // A kind that the server does not have is no page.
                    let Ok(page) = client.request_text(request).await else { return };
                    let head = page.split_once("\"items\"").map_or("", |(head, _)| head);
                    let next = head.split_once("\"continue\":\"").and_then(|(_, rest)| rest.split_once('"'));
                    let Some((next, _)) = next else { return };
                    from = format!("&continue={next}");
                }
            });
        }
        running.join_all().await;
    })
}

/// What bare requests cost.
fn measure_bare(server: &Server, ask: impl AsyncFnOnce(kube::Client)) -> Measured {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let before = server.requests();
    let wall = runtime.block_on(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = Kubeconfig::read_from(&server.kubeconfig).expect("a kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
        let client = kube::Client::try_from(config.expect("a configuration")).expect("a client");
        let started = Instant::now();
        ask(client).await;
        started.elapsed()
    });
    Measured { wall, requests: server.requests() - before, peak: None, cpu: None }
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
    let kind = Kind::named(&text(&body["kind"])).expect("a kind that kwo writes");
    match body["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{}/namespaces/{namespace}/{}", group(kind), kind.plural()),
        None => format!("{}/{}", group(kind), kind.plural()),
    }
}

/// Where the API has a kind.
fn group(kind: Kind) -> String {
    match kind.api_version() {
        "v1" => "/api/v1".to_owned(),
        other => format!("/apis/{other}"),
    }
}
