//! What `-v` shows, on standard error.

use std::io::Write as _;

use tracing_subscriber::EnvFilter;

/// It logs the address of every request that goes through a proxy, and that of a Slack webhook is a secret. kwo's own
/// requests are logged by kwo.
const TELLS_ADDRESSES: &str = "kube_client::client::builder";

/// Starts the log: nothing, kwo's own requests, or everything.
pub fn start(verbose: u8) {
    let filter = match verbose {
        0 => return,
        1 => EnvFilter::new("kwo=debug"),
        _ => EnvFilter::new(format!("debug,{TELLS_ADDRESSES}=off")),
    };
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        // Nobody may read it any more, and that is no reason to end.
        .log_internal_errors(false)
        .init();
}

/// Says something to the person at the terminal, with colours where they are wanted. A reader that has gone away is no
/// failure, and neither is a disk that is full.
pub fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
