//! Ctrl-C and SIGTERM: the first one ends the run between two writes, the second one at once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::print::talk;
use kwo_engine::failure::Failure;

/// A question waits for its answer.
static ASKING: AtomicBool = AtomicBool::new(false);

/// A question waits for its answer as long as this lives.
pub(crate) struct Asking;

impl Asking {
    pub(crate) fn begins() -> Asking {
        ASKING.store(true, Ordering::Relaxed);
        Asking
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        ASKING.store(false, Ordering::Relaxed);
    }
}

/// Waits for either signal, for what only reads and can end at any moment.
pub(crate) async fn asked() -> Result<(), Failure> {
    let (mut interrupt, mut terminate) = listen()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn listen() -> Result<(Signal, Signal), Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::new("cannot listen for signals").because(&error));
    Ok((listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?))
}

/// Turns true at the first signal.
pub(crate) fn on_signal() -> Result<watch::Receiver<bool>, Failure> {
    let (mut interrupt, mut terminate) = listen()?;
    let (told, stop) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // Whoever is asked knows that nothing has begun. Once it is told, the question is gone.
            let asking = ASKING.load(Ordering::Relaxed);
            if told.send_replace(true) {
                std::process::exit(130);
            }
            if !asking {
                talk("\nkwo ends when its current writes are done; press Ctrl-C again to end now\n");
            }
        }
    });
    Ok(stop)
}

/// What becomes of a run that was told to end before it had begun.
pub(crate) fn nothing_done() -> Failure {
    Failure::new("interrupted; nothing was changed")
}
