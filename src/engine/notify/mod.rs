//! Who is told of a run, one file a channel: webhooks, Slack, ntfy, the status of the commit, and the cluster's events.
//! Told is only what is news, and a channel that fails keeps no other from being told.

mod events;
mod letter;
mod ntfy;
mod slack;
mod status;
mod tell;
mod text;
mod webhook;

pub use events::events;
pub use tell::{Untold, tell};
