//! The clock of the API server against this machine's. Tokens, leases and certificates compare the two.

use jiff::SignedDuration;

use super::check::{CLOCK, Check};
use crate::providers::Kube;

/// The server says whole seconds, and the answer takes a moment.
const CLOSE: i64 = 5;

/// From here on tokens are refused as not valid yet, and logins fail.
const FAR: i64 = 120;

pub(super) async fn clock(kube: &Kube) -> Check {
    CLOCK
        .within(async {
            match kube.clock().await {
                Ok(Some(ahead)) => judged(ahead),
                Ok(None) => CLOCK.cannot_tell("the server's answers have no date that can be read"),
                Err(refusal) => CLOCK.cannot_tell(refusal.to_string()),
            }
        })
        .await
}

/// By how much the server's clock is ahead.
fn judged(ahead: SignedDuration) -> Check {
    let seconds = ahead.as_secs();
    let way = if seconds < 0 { "behind" } else { "ahead of" };
    let off = seconds.unsigned_abs();
    let found = format!("the server's clock is {off} s {way} this machine's");
    let todo = "let both machines take their time from the network; this shows whether this one does";
    match seconds.abs() {
        0..=CLOSE => CLOCK.ok("both agree"),
        ..FAR => CLOCK.warning(found).todo(todo, "timedatectl"),
        _ => CLOCK.failed(found).todo(todo, "timedatectl"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn a_clock_may_be_off_by_seconds_and_not_by_minutes() {
        for (seconds, outcome) in [
            (0, Outcome::Ok),
            (-5, Outcome::Ok),
            (6, Outcome::Warning),
            (-119, Outcome::Warning),
            (120, Outcome::Failed),
            (-86_400, Outcome::Failed),
        ] {
            assert_eq!(judged(SignedDuration::from_secs(seconds)).outcome, outcome, "{seconds}");
        }
        let check = judged(SignedDuration::from_secs(-90));
        assert_eq!(check.found, "the server's clock is 90 s behind this machine's");
        assert!(check.todo.is_some_and(|todo| !todo.command.is_empty()));
    }
}
