//! Messages about a run, one file a channel: webhooks, Slack, ntfy, the status of the commit, and the cluster's
//! events. kwo sends only news, and a channel that fails does not stop the others.

mod crowded;
mod delivery;
mod events;
mod ntfy;
mod reason;
mod slack;
mod status;
mod tell;
mod text;
mod webhook;

pub use crowded::{Crowded, crowded};
pub use delivery::Untold;
pub use events::events;
pub use reason::Reason;
pub use tell::tell;
