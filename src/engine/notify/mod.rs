//! Messages about a run, one file a channel: webhooks, Slack, ntfy, the status of the commit, and the cluster's
//! events. kwo sends only news, and a channel that fails does not stop the others.

mod events;
mod letter;
mod ntfy;
mod slack;
mod status;
mod tell;
mod text;
mod webhook;

pub use events::events;
pub use letter::Untold;
pub use tell::tell;
