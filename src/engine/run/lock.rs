//! The lock of a run. Whoever changes something has it, and knows when to stop.

use std::time::Duration;

use tokio::sync::watch;

use super::cancellation::{Interrupted, unless_told};
use crate::execute::Brakes;
use crate::providers::{Home, Lock, LockRefusal, Promise, Refusal};

/// Why a run does not have the lock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoLock {
    /// Another run has it.
    Held {
        /// Who, and since when.
        by: String,
    },
    /// It could not be asked for.
    Failed(Refusal),
    /// The run was told to end while it waited.
    Interrupted,
}

/// The lock, while this run has it. Without it no plan is carried out.
pub struct Locked {
    brakes: Brakes,
    release: Promise<'static, ()>,
}

impl Locked {
    /// Did it go to somebody else?
    #[must_use]
    pub fn is_lost(&self) -> bool {
        *self.brakes.lock_lost.borrow()
    }

    /// When to begin no further write.
    #[must_use]
    pub fn brakes(&self) -> &Brakes {
        &self.brakes
    }

    /// Gives it back.
    pub async fn release(self) {
        self.release.await;
    }
}

/// Takes the lock; waits up to `patience` for another run to end, unless it is told to end itself.
///
/// # Errors
/// When another run keeps it, when it cannot be asked for, or when the run is told to end.
pub async fn lock(
    home: &dyn Home,
    patience: Duration,
    interrupted: &watch::Receiver<bool>,
) -> Result<Locked, NoLock> {
    match unless_told(interrupted, home.lock(patience)).await {
        Ok(Ok(Lock { lost, release })) => {
            Ok(Locked { brakes: Brakes { interrupted: interrupted.clone(), lock_lost: lost }, release })
        }
        Ok(Err(LockRefusal::Held { by })) => Err(NoLock::Held { by }),
        Ok(Err(LockRefusal::Failed(refusal))) => Err(NoLock::Failed(refusal)),
        Err(Interrupted) => Err(NoLock::Interrupted),
    }
}
