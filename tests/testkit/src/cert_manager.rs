//! The status that cert-manager would write, for it does not run in the tests. The API server holds it to cert-manager's own
//! CRDs.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::apiserver::kubectl_ok;
use crate::run::get;

/// Writes a status as cert-manager does. What the CRD does not know is not kept, which is a mistake of the test.
#[track_caller]
pub fn says(kind: &str, namespace: &str, name: &str, status: &Value) {
    let place = if namespace.is_empty() { "default" } else { namespace };
    let patch = json!([{"op": "add", "path": "/status", "value": status}]).to_string();
    let args = ["patch", kind, name, "-n", place, "--subresource=status", "--type=json"];
    kubectl_ok(&[&args[..], &["--field-manager=cert-manager", "-p", &patch]].concat());
    assert_eq!(get(kind, place, name)["status"], *status);
}

/// A moment this many seconds from now, as Kubernetes writes it.
pub fn moment(seconds: i64) -> String {
    let (now, away) = (Timestamp::now(), Duration::from_secs(seconds.unsigned_abs()));
    let moment = if seconds < 0 { now - away } else { now + away };
    format!("{moment:.0}")
}

/// A condition, of an object that was made and not changed since.
pub fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 1,
        "lastTransitionTime": moment(-60)})
}
