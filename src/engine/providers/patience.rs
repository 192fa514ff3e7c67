//! How long a run waits for one system beside the home: one budget for all its requests together. Once it is spent, or a
//! question went without an answer as often as that is worth it, nobody asks this system any more in this run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

/// How long a whole run may wait for one system, all its requests together.
pub(super) const BUDGET: Duration = Duration::from_secs(60);

/// No wait is shorter.
const LEAST: Duration = Duration::from_millis(250);

/// How often a question is asked that gets no answer, or one that says the server has failed.
pub(super) const TRIES: u32 = 4;

/// How long a question waits that is asked for itself alone: a server that says more than that says it of everything.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long to wait before the next try: as long as the server asks, or else 1, 2, 4, 8 seconds, and a bit.
pub(super) fn wait(tries: u32, after: Option<Duration>) -> Duration {
    let usual = || {
        let jitter = u64::from(std::process::id()) * 37 % 250;
        Duration::from_secs(1 << (tries.clamp(1, 4) - 1)) + Duration::from_millis(jitter)
    };
    // A server that says to come at once is asked so often that it ends all the same.
    after.unwrap_or_else(usual).max(LEAST)
}

/// The patience with one system.
pub(super) struct Patience {
    /// What is left of the budget.
    budget: Mutex<Duration>,
    /// Why nobody asks it any more, where nobody does.
    away: Mutex<Option<String>>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { budget: Mutex::new(BUDGET), away: Mutex::default() }
    }
}

impl Patience {
    /// Waits before the next try, see [`wait`]. Says whether that was within the budget; where it is not, or where nobody asks any
    /// more, nobody waits.
    pub(super) async fn pause(&self, tries: u32, after: Option<Duration>) -> bool {
        if self.away().is_some() {
            return false;
        }
        let wait = wait(tries, after);
        {
            let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
            match budget.checked_sub(wait) {
                Some(left) => *budget = left,
                None => return false,
            }
        }
        sleep(wait).await;
        true
    }

    /// Waits because kwo asks no faster than it may. That is no waiting for the server, so the budget stays.
    pub(super) async fn keep_pace(&self, wait: Duration) {
        sleep(wait).await;
    }

    /// Takes the time that a question without an answer took.
    pub(super) fn spend(&self, time: Duration) {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        *budget = budget.saturating_sub(time);
    }

    /// Why nobody asks it any more, where nobody does.
    pub(super) fn away(&self) -> Option<String> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody asks any more in this run: what did not answer one question keeps no other one waiting.
    pub(super) fn give_up(&self, why: String) -> String {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
        why
    }

    /// Asks again, as in a run of its own.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
