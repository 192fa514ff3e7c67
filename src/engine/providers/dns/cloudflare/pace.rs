//! How fast kwo asks: Cloudflare takes 1,200 requests of a user in five minutes, and then refuses all for five minutes, also
//! those of other programs of that user. kwo takes at most 80 % of them; the rest is for them, and for what is asked again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kwo_planner::plain::counted;

use crate::providers::patience::Patience;

/// How many requests, in which time.
const MOST: usize = 960;
const SPAN: Duration = Duration::from_secs(300);

/// The requests of the last minutes.
pub(super) struct Pace {
    most: usize,
    span: Duration,
    sent: Mutex<VecDeque<Instant>>,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { most: MOST, span: SPAN, sent: Mutex::default() }
    }
}

impl Pace {
    /// Waits until one more request may be sent, as long as the patience with the system lasts.
    ///
    /// # Errors
    /// When it would take longer; then nobody asks any more in this run.
    pub(super) async fn turn(&self, patience: &Patience) -> Result<(), String> {
        while let Some(wait) = self.wait() {
            if !patience.pause(1, Some(wait)).await {
                return Err(patience.away().unwrap_or_else(|| {
                    patience.give_up(format!(
                        "kwo sends Cloudflare no more than {} in {}, and these were sent; the next run goes on",
                        counted(self.most, "request", "requests"),
                        counted(self.span.as_secs() / 60, "minute", "minutes")
                    ))
                }));
            }
        }
        Ok(())
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
        let pace = Pace { most: 3, span: Duration::from_millis(400), sent: Mutex::default() };
        let patience = Patience::default();
        let began = Instant::now();
        for _ in 0..3 {
            pace.turn(&patience).await.unwrap();
        }
        assert!(began.elapsed() < Duration::from_millis(200));
        pace.turn(&patience).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(400));
        let slow = Pace { most: 1, ..Pace::default() };
        slow.turn(&patience).await.unwrap();
        let why = slow.turn(&patience).await.unwrap_err();
        assert_eq!(
            why,
            "kwo sends Cloudflare no more than 1 request in 5 minutes, and these were sent; the next run goes on"
        );
        assert!(patience.away().is_some() && began.elapsed() < Duration::from_secs(5));
    }
}
