//! The listener: who may connect, how much and for how long. Whatever comes in is bounded, in size and in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::listener::Hook;
use super::places::{Phase, Place};
use super::respond::answer;
use kwo_engine::run::told;

/// How much of a request may be in the head.
const HEAD: usize = 16 * 1024;

/// How many headers a request may have.
const HEADERS: usize = 64;

impl Hook {
    /// Listens until it is stopped; then ends what goes on, requests and run, and returns.
    pub async fn serve(self: Arc<Hook>, listener: TcpListener, stop: watch::Receiver<bool>) {
        let runs = {
            let (hook, stop) = (Arc::clone(&self), stop.clone());
            tokio::spawn(async move { hook.runner.serve(stop).await })
        };
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = told(&stop) => break,
                accepted = listener.accept() => accepted,
                // What has ended is let go of.
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, from)) => {
                    let (number, gone) = self.places.take(from.ip());
                    if gone {
                        self.figures.answered("pushed_out");
                    }
                    let hook = Arc::clone(&self);
                    let task = connections.spawn(async move {
                        let place = hook.places.place(number);
                        hook.connection(stream, from, &place).await;
                    });
                    self.places.works(number, task);
                }
                Err(error) => {
                    // Such as too many open files: it passes, and must not be waited for in a loop without rest.
                    (self.say)(&format!("cannot take a connection: {error}"));
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
        drop(listener);
        let answered = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(self.bounds.head + self.bounds.patience * 2, answered).await;
        connections.shutdown().await;
        let _ = runs.await;
    }

    /// One request, and its answer.
    async fn connection(&self, stream: TcpStream, from: SocketAddr, place: &Place<'_>) {
        let service = service_fn(async |request| {
            let answer = answer(self, place, from.ip(), request).await;
            Ok::<_, std::convert::Infallible>(answer)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.head)
            .keep_alive(false)
            .max_buf_size(HEAD)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        // Head, body and answer have their time each; what goes wrong between is the client's affair.
        let whole = self.bounds.head + self.bounds.patience * 2;
        let Ok(Ok(parts)) = timeout(whole, connection.without_shutdown()).await else {
            return;
        };
        place.is(Phase::Answered);
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
