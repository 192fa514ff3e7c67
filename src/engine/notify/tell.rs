//! Tells every channel of one run, all at the same time.

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use kwo_planner::settings::Notify;

use super::delivery::{Delivery, Untold};
use super::text::Message;
use super::{ntfy, slack, status, webhook};
use crate::history::Entry;
use crate::references::Places;

/// Tells all who are to be told; gives those who could not be. `before` is the run that they were told of last: where
/// nobody could be told of a failure it is still news an hour later.
pub async fn tell(notify: &Notify, places: &Places, entry: &Entry, before: Option<&Entry>) -> Vec<Untold> {
    if !entry.is_news(before) {
        return Vec::new();
    }
    let message = Message::of(entry, before);
    let message = &message;
    let mut told = Vec::new();
    for (index, to) in notify.webhooks.iter().enumerate() {
        told.push(deliver(webhook::delivery(to, index, places, entry, message)).boxed());
    }
    for (index, to) in notify.slack.iter().enumerate() {
        told.push(deliver(slack::delivery(to, index, places, message)).boxed());
    }
    for (index, to) in notify.ntfy.iter().enumerate() {
        told.push(deliver(ntfy::delivery(to, index, places, message)).boxed());
    }
    if let Some(to) = &notify.status
        && let Some(status) = status::Status::of(to, entry, before)
    {
        told.push(deliver(status.delivery(to, places)).boxed());
    }
    join_all(told).await.into_iter().filter_map(Result::err).collect()
}

async fn deliver(delivery: impl Future<Output = Result<Delivery, Untold>>) -> Result<(), Untold> {
    delivery.await?.send().await
}
