//! Who may use the cluster beside others. A few objects are one for the whole cluster, such as the policy of all tiers: a
//! roster that wants another one has the cluster for itself, so that no other test is told of what that changes.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{ThreadId, current};

/// How many use the cluster beside each other, and which test has it for itself. Each test is a thread.
static USED: Mutex<(usize, Option<ThreadId>)> = Mutex::new((0, None));
static CHANGED: Condvar = Condvar::new();

/// The leave to use the cluster, until it is dropped.
#[derive(PartialEq)]
pub(crate) enum Turn {
    BesideOthers,
    Alone,
    /// The same test has it for itself already.
    Within,
}

impl Turn {
    /// Waits for the cluster, with nobody beside or not.
    pub(crate) fn take(alone: bool) -> Turn {
        let mine = |used: &(usize, Option<ThreadId>)| used.1 == Some(current().id());
        let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        let busy =
            |used: &mut (usize, Option<ThreadId>)| !mine(used) && (used.1.is_some() || alone && used.0 > 0);
        let mut used = CHANGED.wait_while(used, busy).unwrap_or_else(PoisonError::into_inner);
        if mine(&used) {
            return Turn::Within;
        }
        if alone {
            used.1 = Some(current().id());
            return Turn::Alone;
        }
        used.0 += 1;
        Turn::BesideOthers
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        match self {
            Turn::BesideOthers => used.0 -= 1,
            Turn::Alone => used.1 = None,
            Turn::Within => {}
        }
        CHANGED.notify_all();
    }
}
