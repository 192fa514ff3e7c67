//! Ctrl-C, SIGTERM and SIGHUP, which a terminal sends that goes away: the first one ends the run between two writes, the second one at once.

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

/// The signals that end a run.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Ends {
    /// Waits for one of them. Says whether a person may have sent it: a terminal that goes away may say so twice.
    async fn recv(&mut self) -> bool {
        let Ends { interrupt, terminate, hangup } = self;
        let gone = async {
            match hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            () = gone => false,
        }
    }
}

/// Waits for a signal, for what only reads and can end at any moment.
pub(crate) async fn asked() -> Result<(), Failure> {
    let _ = listen()?.recv().await;
    Ok(())
}

fn listen() -> Result<Ends, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::new("cannot listen for signals").because(&error));
    let hangup = if hangup_is_ignored() { None } else { Some(listen(SignalKind::hangup())?) };
    Ok(Ends {
        interrupt: listen(SignalKind::interrupt())?,
        terminate: listen(SignalKind::terminate())?,
        hangup,
    })
}

/// Turns true at the first signal.
pub(crate) fn on_signal() -> Result<watch::Receiver<bool>, Failure> {
    let mut ends = listen()?;
    let (told, stop) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let by_somebody = ends.recv().await;
            // Whoever is asked knows that nothing has begun. Once it is told, the question is gone.
            let asking = ASKING.load(Ordering::Relaxed);
            if told.send_replace(true) {
                if by_somebody {
                    std::process::exit(130);
                }
                continue;
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

/// Did whoever started this say that it is to outlive the terminal, as `nohup` does?
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
