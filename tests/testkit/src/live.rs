//! What happens where a real counterpart that a test talks to cannot be had: it is said loudly and the test does
//! nothing, unless `KWO_REQUIRE_LIVE=1`, which makes that a failure.

use std::io::{self, Write};

/// Always nothing.
pub fn missing<T>(why: &str) -> Option<T> {
    let required = std::env::var("KWO_REQUIRE_LIVE").is_ok_and(|value| !value.is_empty() && value != "0");
    assert!(!required, "KWO_REQUIRE_LIVE is set, and {why}");
    say(why)
}

/// Always nothing too, and never a failure: for what takes a right that nobody can be told to get, that to mount and to
/// make namespaces.
pub fn forbidden<T>(why: &str) -> Option<T> {
    say(why)
}

fn say<T>(why: &str) -> Option<T> {
    // Past the capture of the test harness, which would hide it.
    let _ = writeln!(io::stderr(), "\n*** THE LIVE TESTS DID NOT RUN: {why}\n");
    None
}
