//! Answers that are asked for before anybody knows what will be wanted of them: while kwo reads the roster, the server
//! makes ready what every look needs. Only the first page of each LIST, and only its head: the body waits in the
//! connection until somebody reads it, so it takes no memory here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::kube::client::Body;
use http::Response;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::response::Trouble;
use super::transport::{Call, Transport};

/// The head of an answer and the body behind it, or why there is none, and when it was asked for.
pub(super) type Early = (Instant, Result<Response<Body>, Trouble>);

/// Answers on their way, by what was asked for.
#[derive(Default)]
pub(super) struct Ahead {
    asked: Mutex<BTreeMap<(String, &'static str), Asking>>,
}

/// A request that ends with whoever waits for it.
struct Asking(JoinHandle<Option<Early>>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Ahead {
    /// Takes the answer to a request that was sent ahead, once. Whoever asks again sends a request.
    pub(super) async fn take(&self, call: &Call) -> Option<Early> {
        let asked = self.open().remove(&key(call));
        // One that came to no end was not sent.
        (&mut asked?.0).await.ok().flatten()
    }

    /// Ends what nobody took: an answer grows old.
    pub(super) fn forget(&self) {
        self.open().clear();
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, &'static str), Asking>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends requests that only read, in this order, as many at a time as others.
pub(super) fn ask(transport: &Arc<Transport>, calls: impl IntoIterator<Item = Call>) {
    for call in calls {
        let (key, wire_of_it) = (key(&call), Arc::downgrade(transport));
        let asking = tokio::spawn(async move {
            let transport = wire_of_it.upgrade()?;
            // Until the head is there: a body that nobody reads yet must keep no other request waiting.
            let _place = transport.pace.enter().await;
            let sent = Instant::now();
            let response = match call.request() {
                Ok(request) => transport.way.open(request, transport.way.timeout).await,
                Err(trouble) => Err(trouble),
            };
            Some((sent, response))
        });
        transport.ahead.open().insert(key, Asking(asking));
    }
}

fn key(call: &Call) -> (String, &'static str) {
    (call.path.clone(), call.accept)
}
