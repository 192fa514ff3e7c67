//! Whose turn it is to write a group. The server takes a group's members as a whole: two steps that read, unite and write
//! the same one at a time would each lose what the other wrote.

use tokio::sync::{Mutex, MutexGuard};

/// Groups share so many turns.
const TURNS: usize = 32;

/// One writer a group at a time.
pub(super) struct Turns([Mutex<()>; TURNS]);

impl Default for Turns {
    fn default() -> Turns {
        Turns(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Turns {
    /// Waits for the turn of a group.
    pub(super) async fn take(&self, group: &str) -> MutexGuard<'_, ()> {
        let at = group.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.0[at % TURNS].lock().await
    }
}
