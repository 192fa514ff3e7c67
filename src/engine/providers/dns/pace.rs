//! How fast kwo asks where a server counts what it is asked, and what is beyond that is refused, also for other programs of the
//! same account. kwo takes at most 80 % of what is allowed; the rest is for them, and for what is asked again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kwo_planner::plain::counted;

use crate::providers::patience::Patience;

/// The requests of the last minutes.
pub(super) struct Pace {
    /// Whom kwo asks.
    whom: &'static str,
    most: usize,
    span: Duration,
    sent: Mutex<VecDeque<Instant>>,
}

impl Pace {
    /// At most so many requests in this time.
    pub(super) fn new(whom: &'static str, most: usize, span: Duration) -> Pace {
        Pace { whom, most, span, sent: Mutex::default() }
    }

    /// Waits until one more request may be sent, as long as the patience with the system lasts.
    ///
    /// # Errors
    /// When it would take longer; then nobody asks any more in this run.
    pub(super) async fn turn(&self, patience: &Patience) -> Result<(), String> {
        while let Some(wait) = self.wait() {
            if !patience.pause(1, Some(wait)).await {
                return Err(patience.away().unwrap_or_else(|| {
                    patience.give_up(format!(
                        "kwo sends {} no more than {} in {}, and these were sent; the next run goes on",
                        self.whom,
                        counted(self.most, "request", "requests"),
                        counted(self.span.as_secs() / 60, "minute", "minutes")
                    ))
                }));
            }
        }
        Ok(())
    }

    /// Waits until one more request may be sent, however long: it is never long where the time is short.
    pub(super) async fn short_turn(&self, patience: &Patience) {
        while let Some(wait) = self.wait() {
            patience.keep_pace(wait).await;
        }
    }

    /// How long until one more may be sent; where that is now, it counts as sent.
    fn wait(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        while sent.front().is_some_and(|first| now.duration_since(*first) >= self.span) {
            sent.pop_front();
        }
        match sent.front() {
            Some(first) if sent.len() >= self.most => {
                Some(self.span.saturating_sub(now.duration_since(*first)))
            }
            _ => {
                sent.push_back(now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_asks_faster_than_that_and_nobody_waits_for_long() {
        let pace = Pace::new("Cloudflare", 3, Duration::from_millis(400));
        let patience = Patience::default();
        let began = Instant::now();
        for _ in 0..3 {
            pace.turn(&patience).await.unwrap();
        }
        assert!(began.elapsed() < Duration::from_millis(200));
        pace.turn(&patience).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(400));
        let slow = Pace::new("Cloudflare", 1, Duration::from_secs(300));
        slow.turn(&patience).await.unwrap();
        let why = slow.turn(&patience).await.unwrap_err();
        assert_eq!(
            why,
            "kwo sends Cloudflare no more than 1 request in 5 minutes, and these were sent; the next run goes on"
        );
        assert!(patience.away().is_some() && began.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_short_turn_takes_nothing_of_the_budget() {
        let pace = Pace::new("Route 53", 2, Duration::from_millis(300));
        let patience = Patience::default();
        patience.spend(crate::providers::patience::BUDGET);
        let began = Instant::now();
        for _ in 0..5 {
            pace.short_turn(&patience).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(600) && patience.away().is_none());
    }
}
