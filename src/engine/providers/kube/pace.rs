//! How many requests may be under way at a time: as many as were asked for while all goes well, half as many whenever
//! the server says that it has too many, and then one more at a time for as long as it does not.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Answers that say "too many" within this time are answers to one and the same rush.
const ONE_RUSH: Duration = Duration::from_millis(250);

/// How many may be under way.
pub(super) struct Pace {
    most: usize,
    places: Semaphore,
    state: Mutex<State>,
}

struct State {
    /// So many may be under way now.
    now: usize,
    /// So many places are to be closed as soon as they are left.
    closing: usize,
    /// So many have gone well since the last change.
    good: usize,
    slowed: Option<Instant>,
}

/// One place, until it is dropped.
pub(super) struct Place<'p> {
    pace: &'p Pace,
    permit: Option<SemaphorePermit<'p>>,
}

impl Pace {
    /// At most this many.
    pub(super) fn new(most: usize) -> Pace {
        let most = most.max(1);
        let state = Mutex::new(State { now: most, closing: 0, good: 0, slowed: None });
        Pace { most, places: Semaphore::new(most), state }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self) -> Place<'_> {
        // The semaphore is never closed, so this only waits.
        Place { pace: self, permit: self.places.acquire().await.ok() }
    }

    /// The server has too many.
    pub(super) fn slower(&self) {
        self.with(|state| {
            state.good = 0;
            if state.slowed.is_some_and(|slowed| slowed.elapsed() < ONE_RUSH) {
                return;
            }
            state.slowed = Some(Instant::now());
            let close = state.now - (state.now / 2).max(1);
            state.now -= close;
            state.closing += close - self.places.forget_permits(close);
        });
    }

    /// The server took one more.
    pub(super) fn faster(&self) {
        self.with(|state| {
            if state.now == self.most {
                return;
            }
            state.good += 1;
            if state.good >= 2 * state.now {
                (state.good, state.now) = (0, state.now + 1);
                if state.closing > 0 {
                    state.closing -= 1;
                } else {
                    self.places.add_permits(1);
                }
            }
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Whoever panicked did so outside: nothing in here does.
        change(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        self.pace.with(|state| {
            if state.closing > 0 {
                state.closing -= 1;
                permit.forget();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn half_as_many_after_a_rush_and_one_more_at_a_time_after_that() {
        let pace = Pace::new(8);
        let mut inside = Vec::new();
        for _ in 0..6 {
            inside.push(pace.enter().await);
        }
        // All answers of one rush count once; two free places go at once, two more when they are left.
        (0..5).for_each(|_| pace.slower());
        assert_eq!(pace.places.available_permits(), 0);
        inside.truncate(4);
        assert_eq!(pace.places.available_permits(), 0);
        inside.clear();
        assert_eq!(pace.places.available_permits(), 4);
        (0..7).for_each(|_| pace.faster());
        assert_eq!(pace.places.available_permits(), 4);
        pace.faster();
        assert_eq!(pace.places.available_permits(), 5);
        (0..999).for_each(|_| pace.faster());
        assert_eq!(pace.places.available_permits(), 8);
    }

    #[tokio::test]
    async fn one_place_is_always_left() {
        let pace = Pace::new(2);
        for _ in 0..4 {
            pace.with(|state| state.slowed = None);
            pace.slower();
        }
        assert_eq!(pace.places.available_permits(), 1);
    }
}
