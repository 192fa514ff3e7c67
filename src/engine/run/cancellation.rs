//! A run that is told to end: what only reads or waits is dropped at once. What writes ends by itself, between two steps.

use std::future::Future;

use tokio::sync::watch;

/// The run was told to end before this was done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interrupted;

/// Waits until the run is told to end.
pub async fn told(stop: &watch::Receiver<bool>) {
    // When nobody can tell it any more there is nothing to wait for, and the run is left alone.
    if stop.clone().wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Does this, unless the run is told to end meanwhile.
///
/// # Errors
/// When it was told so first.
pub async fn unless_told<T>(
    stop: &watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Result<T, Interrupted> {
    tokio::select! {
        done = work => Ok(done),
        () = told(stop) => Err(Interrupted),
    }
}
