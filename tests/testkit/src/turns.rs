//! Who may use the cluster beside others. A few objects are one for the whole cluster, such as the policy of all tiers: a
//! roster that wants another one has the cluster for itself, so that no other test is told of what that changes.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{ThreadId, current};

/// The turns at one cluster.
#[derive(Default)]
pub(crate) struct Turns {
    /// How many use the cluster beside each other, and which test has it for itself. Each test is a thread.
    used: Mutex<(usize, Option<ThreadId>)>,
    changed: Condvar,
}

/// The leave to use the cluster, until it is dropped.
pub(crate) struct Turn {
    of: &'static Turns,
    beside: Beside,
}

#[derive(PartialEq)]
enum Beside {
    Others,
    Nobody,
    /// The same test has it for itself already.
    Itself,
}

impl Turns {
    /// Waits for the cluster, with nobody beside or not.
    pub(crate) fn take(&'static self, alone: bool) -> Turn {
        let mine = |used: &(usize, Option<ThreadId>)| used.1 == Some(current().id());
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let busy =
            |used: &mut (usize, Option<ThreadId>)| !mine(used) && (used.1.is_some() || alone && used.0 > 0);
        let mut used = self.changed.wait_while(used, busy).unwrap_or_else(PoisonError::into_inner);
        let turn = |beside| Turn { of: self, beside };
        if mine(&used) {
            return turn(Beside::Itself);
        }
        if alone {
            used.1 = Some(current().id());
            return turn(Beside::Nobody);
        }
        used.0 += 1;
        turn(Beside::Others)
    }
}

impl Turn {
    /// Is nobody else beside, by this one?
    pub(crate) fn alone(&self) -> bool {
        self.beside == Beside::Nobody
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut used = self.of.used.lock().unwrap_or_else(PoisonError::into_inner);
        match self.beside {
            Beside::Others => used.0 -= 1,
            Beside::Nobody => used.1 = None,
            Beside::Itself => {}
        }
        self.of.changed.notify_all();
    }
}
