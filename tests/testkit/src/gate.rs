//! A gate between kwo and the API server: plain HTTP in, the admin's own connection out. It counts the writes and lets
//! a test do something just before one goes on and just after it was answered. Leases pass uncounted: whoever holds
//! the lock goes on holding it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::runtime::{Builder, Runtime};

use crate::apiserver;
use crate::loopback::{Asked, Loopback, Reply};
use crate::run::LONGER_THAN_THE_LOCK;
use crate::suite::{Suite, asking};

/// Where a write is when the gate asks what to do with it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Point {
    /// kwo has sent it and the API server has not seen it.
    Before,
    /// The API server has answered and kwo has not heard of it.
    After,
}

/// The gate.
pub struct Gate {
    server: Loopback,
    done: Arc<AtomicUsize>,
}

impl Gate {
    /// Asks `pass` about each write, by its number from 1, at both points; what does not pass is dropped with its
    /// connection.
    #[track_caller]
    pub fn open(pass: impl Fn(usize, Point, &Asked) -> bool + Send + Sync + 'static) -> Gate {
        let (suite, done) = (asking(), Arc::new(AtomicUsize::new(0)));
        let (begun, carried_out) = (AtomicUsize::new(0), Arc::clone(&done));
        let server = Loopback::start(move |asked| {
            if asked.method == "GET" || asked.path.contains("/leases") {
                return upstream(suite).forward(&asked).1;
            }
            let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
            if !pass(number, Point::Before, &asked) {
                return Reply::Drop;
            }
            let (status, reply) = upstream(suite).forward(&asked);
            if status.is_success() {
                carried_out.fetch_add(1, Ordering::SeqCst);
            }
            if pass(number, Point::After, &asked) { reply } else { Reply::Drop }
        });
        Gate { server, done }
    }

    /// Leads to the gate.
    pub fn kubeconfig(&self) -> &Path {
        &self.server.kubeconfig
    }

    /// How many writes the API server has carried out.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }
}

/// Starts what `run` makes of the gate's kubeconfig and kills it at this point of this write; gives how many writes
/// the API server has carried out by then.
#[track_caller]
pub fn kill<R: FnOnce(&Path) -> Command>(write: usize, point: Point, run: R) -> usize {
    let (tell, reached) = mpsc::channel();
    let (alive, dead) = mpsc::channel::<()>();
    let dead = Mutex::new(dead);
    let gate = Gate::open(move |number, at, _| {
        if (number, at) < (write, point) {
            return true;
        }
        if (number, at) == (write, point) {
            tell.send(()).unwrap();
        }
        // Nothing goes on from here before the run is dead, and nothing after that.
        let _ = dead.lock().unwrap().recv();
        false
    });
    let mut run = run(gate.kubeconfig()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let reached = reached.recv_timeout(LONGER_THAN_THE_LOCK);
    run.kill().unwrap();
    let status = run.wait().unwrap();
    drop(alive);
    assert!(reached.is_ok(), "the run did not come to write {write}");
    assert_eq!(status.signal(), Some(9), "it was killed and did not end by itself");
    // Side by side, earlier writes may still be under way to the API server.
    let done = write - usize::from(point == Point::Before);
    for _ in 0..200 {
        if gate.done() == done {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(gate.done(), done);
    done
}

/// The way to the API server, one for all gates of a suite.
pub(crate) struct Upstream {
    runtime: Runtime,
    client: Client,
}

fn upstream(suite: &'static Suite) -> &'static Upstream {
    suite.upstream.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(&apiserver::of(suite).unwrap().kubeconfig).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let choice = KubeConfigOptions::default();
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &choice).await.unwrap();
            if config.cluster_url.host() == Some("127.0.0.1") {
                config.proxy_url = None;
            }
            Client::try_from(config).unwrap()
        });
        Upstream { runtime, client }
    })
}

impl Upstream {
    fn forward(&self, asked: &Asked) -> (StatusCode, Reply) {
        let mut request = Request::builder().method(asked.method.as_str()).uri(&asked.path);
        for name in [header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT] {
            let found = asked.headers.iter().find_map(|line| line.strip_prefix(&format!("{name}:")));
            if let Some(value) = found {
                // The header lines arrive in lower case, and this is the name of a type.
                let value = value.trim().replace("partialobjectmetadata", "PartialObjectMetadata");
                request = request.header(name, value.replace("Metadatalist", "MetadataList"));
            }
        }
        let request = request.body(Body::from(asked.body.clone().into_bytes())).unwrap();
        self.runtime.block_on(async {
            let answer = self.client.send(request).await.unwrap();
            let status = answer.status();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, Reply::Answer(status.as_u16(), "", String::from_utf8(body.to_vec()).unwrap()))
        })
    }
}
