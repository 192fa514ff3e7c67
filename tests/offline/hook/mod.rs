//! `kwo hook`: real requests over real connections, signed as each forge signs, by another implementation than kwo's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod deliveries;
mod listener;
mod runs;
mod strangers;
