//! What the listener knows while it listens: its keys, its bounds, who is connected, what came already.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::deliveries::Deliveries;
use super::figures::Figures;
use super::places::Places;
use super::runner::{Runner, Say, Work};
use super::signature::Keys;

/// How many deliveries are remembered.
const REMEMBERED: usize = 4096;

/// How much is borne.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest body, in bytes. GitHub sends up to 25 MiB.
    pub body: u64,
    /// How many may be connected at a time; for one more, one that has brought nothing goes.
    pub connections: usize,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long its body may take, and how long the answer.
    pub patience: Duration,
    /// How long a run may go on once the listener is stopped.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            body: 25 * 1024 * 1024,
            connections: 256,
            head: Duration::from_secs(5),
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
    pub(super) places: Places,
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
            places: Places::new(bounds.connections),
            bounds,
            say,
            deliveries: Mutex::new(Deliveries::new(REMEMBERED)),
        }
    }

    pub(super) fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
