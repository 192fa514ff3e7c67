//! Events of the cluster. One that is made twice is made once: its name is that of what it is about, and when it was.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::connect::Kube;
use super::path::{WRITER, segment};
use super::transport::Call;
use crate::providers::Refusal;

/// Something that happened to an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Where it is shown. An object without a namespace has its events in the one that it is.
    pub namespace: String,
    /// The object's API version and kind.
    pub of: (&'static str, &'static str),
    /// Its name.
    pub name: String,
    /// When.
    pub when: Timestamp,
    /// Does somebody have to look at it?
    pub warning: bool,
    /// Why, in one word for machines.
    pub reason: &'static str,
    /// What happened, in up to 1024 bytes.
    pub message: String,
}

impl Kube {
    /// Makes an Event, and says whether the namespace is there. Where it is not, nobody could look at it, and nothing is done.
    ///
    /// # Errors
    /// When it may not be made, or the server cannot be reached.
    pub async fn event(&self, event: &Event) -> Result<bool, Refusal> {
        let Event { namespace, of: (api_version, kind), name, when, warning, reason, message } = event;
        let refused = |why: String| Refusal::Refused { why };
        let path = format!("/api/v1/namespaces/{}/events{WRITER}", segment(namespace).map_err(refused)?);
        let when_text = format!("{when:.0}");
        let body = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": format!("{name}.{:x}", when.as_nanosecond()), "namespace": namespace},
            "involvedObject":
                {"apiVersion": api_version, "kind": kind, "name": name, "namespace": namespace},
            "type": if *warning { "Warning" } else { "Normal" },
            "reason": reason,
            "message": message,
            "firstTimestamp": when_text,
            "lastTimestamp": when_text,
            "count": 1,
            "source": {"component": "kwo"},
            "reportingComponent": "kwo",
            "reportingInstance": "kwo",
        });
        let asked = self.transport.ask(&Call::post(path, body.to_string().into_bytes())).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        match response.status {
            status if status.is_success() => Ok(true),
            StatusCode::CONFLICT => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(response.refusal(asked.tries)),
        }
    }
}
