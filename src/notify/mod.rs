//! Who is told of a run, one file a channel: webhooks, Slack, ntfy, and the status of the commit. Told is only what is
//! news, and a channel that fails keeps no other from being told.

mod letter;
mod ntfy;
mod slack;
mod status;
mod tell;
mod text;
mod webhook;

pub use tell::{Untold, tell};
