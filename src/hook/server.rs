//! The listener: who may connect, how much and for how long. Whatever comes in is bounded, in size and in time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::answer::answer;
use super::deliveries::Deliveries;
use super::figures::Figures;
use super::runner::{Runner, Work, told};
use super::signature::Keys;

/// How many deliveries are remembered.
const REMEMBERED: usize = 4096;

/// How much of a request may be in the head.
const HEAD: usize = 16 * 1024;

/// How many headers a request may have.
const HEADERS: usize = 64;

/// Where the listener says what happens.
pub(super) type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// How much is borne.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest body, in bytes. GitHub sends up to 25 MiB.
    pub body: u64,
    /// How many may be connected at a time; the others wait.
    pub connections: usize,
    /// How long the head of a request may take, and how long its body.
    pub patience: Duration,
    /// How long a run may go on once the listener is stopped.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            body: 25 * 1024 * 1024,
            connections: 64,
            patience: Duration::from_secs(10),
            grace: Duration::from_secs(300),
        }
    }
}

/// The listener.
pub struct Hook {
    pub(super) keys: Keys,
    pub(super) runner: Runner,
    pub(super) figures: Arc<Figures>,
    pub(super) bounds: Bounds,
    pub(super) say: Say,
    deliveries: Mutex<Deliveries>,
}

impl Hook {
    /// A listener that checks by these keys, does this work, and says here what happens.
    pub fn new(keys: Keys, work: Work, bounds: Bounds, say: impl Fn(&str) + Send + Sync + 'static) -> Hook {
        let (figures, say): (_, Say) = (Arc::new(Figures::new(jiff::Timestamp::now())), Arc::new(say));
        Hook {
            keys,
            runner: Runner::new(work, bounds.grace, Arc::clone(&figures), Arc::clone(&say)),
            figures,
            bounds,
            say,
            deliveries: Mutex::new(Deliveries::new(REMEMBERED)),
        }
    }

    pub(super) fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens until it is stopped; then ends what goes on, requests and run, and returns.
    pub async fn serve(self: Arc<Hook>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let runs = {
            let (hook, stop) = (Arc::clone(&self), stop.clone());
            tokio::spawn(async move { hook.runner.serve(stop).await })
        };
        let places = Arc::new(Semaphore::new(self.bounds.connections));
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                biased;
                () = told(&mut stop) => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    let hook = Arc::clone(&self);
                    tokio::spawn(async move {
                        hook.connection(stream, from).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Such as too many open files: it passes, and must not be waited for in a loop without rest.
                    (self.say)(&format!("cannot take a connection: {error}"));
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
        drop(listener);
        // All places are free once all requests are answered.
        let all = u32::try_from(self.bounds.connections).unwrap_or(u32::MAX);
        let _ = timeout(self.bounds.patience * 3, places.acquire_many(all)).await;
        let _ = runs.await;
    }

    /// One request, and its answer.
    async fn connection(&self, stream: TcpStream, from: SocketAddr) {
        let service = service_fn(async |request| {
            Ok::<_, std::convert::Infallible>(answer(self, from.ip(), request).await)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.patience)
            .keep_alive(false)
            .max_buf_size(HEAD)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        // Head, body and answer have their time each; what goes wrong between is the client's affair.
        let Ok(Ok(parts)) = timeout(self.bounds.patience * 3, connection.without_shutdown()).await else {
            return;
        };
        linger(parts.io.into_inner()).await;
    }
}

/// Takes in for a moment what is still being sent: who is cut off in the middle of it never reads the answer.
async fn linger(mut stream: TcpStream) {
    let rest = async {
        let mut void = [0; 8192];
        stream.shutdown().await?;
        while stream.read(&mut void).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(Duration::from_secs(1), rest).await;
}
