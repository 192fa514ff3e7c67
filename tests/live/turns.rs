//! Who may use the cluster beside others. A few objects are one for the whole cluster, such as the policy of all tiers: a
//! roster that wants another one has the cluster for itself, so that no other test is told of what that changes.

use std::sync::{Condvar, Mutex, PoisonError};

/// How many use the cluster beside each other, and whether one has it for itself.
static USED: Mutex<(usize, bool)> = Mutex::new((0, false));
static CHANGED: Condvar = Condvar::new();

/// The leave to use the cluster, until it is dropped.
pub(crate) struct Turn {
    alone: bool,
}

impl Turn {
    /// Beside others.
    pub(crate) fn beside_others() -> Turn {
        let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = CHANGED.wait_while(used, |(_, alone)| *alone).unwrap_or_else(PoisonError::into_inner);
        used.0 += 1;
        Turn { alone: false }
    }

    /// With nobody beside.
    pub(crate) fn alone() -> Turn {
        let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |used: &mut (usize, bool)| *used != (0, false);
        let mut used = CHANGED.wait_while(used, free).unwrap_or_else(PoisonError::into_inner);
        used.1 = true;
        Turn { alone: true }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        if self.alone {
            used.1 = false;
        } else {
            used.0 -= 1;
        }
        CHANGED.notify_all();
    }
}
