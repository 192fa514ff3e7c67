//! What runs leave for each other in the cluster: the ConfigMap `kube-system/kwo-sync`, one text. It carries no mark,
//! since no roster asks for it. Every change holds only for the state that was read.

use http::StatusCode;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::path::WRITER;
use super::wire::{Call, Wire};
use crate::providers::{Note, Refusal};

const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-system/configmaps";
const NAME: &str = "kwo-sync";
const KEY: &str = "sync.json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The note, where there is one.
pub(super) async fn recall(wire: &Wire) -> Result<Option<Note>, Refusal> {
    let asked = wire.ask(&Call::get(format!("{CONFIG_MAPS}/{NAME}"))).await;
    let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !answer.is_success() {
        return Err(answer.refusal(asked.tries));
    }
    note(&answer.body).map(Some)
}

fn note(body: &[u8]) -> Result<Note, Refusal> {
    let unreadable = |why: String| Refusal::Refused {
        why: format!("the ConfigMap kube-system/{NAME} cannot be read: {why}"),
    };
    let found: ConfigMap = serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
    let text = found.data.and_then(|mut data| data.remove(KEY)).unwrap_or_default();
    let version = found.metadata.resource_version;
    Ok(Note { text, version: version.ok_or_else(|| unreadable("it has no resourceVersion".to_owned()))? })
}

/// Leaves this text in place of the one that was read.
pub(super) async fn remember(wire: &Wire, text: &str, seen: Option<&Note>) -> Result<Note, Refusal> {
    let call = match seen {
        None => {
            let body = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": NAME, "namespace": "kube-system",
                    "annotations": {"kwo.dev/about": "what `kwo sync` applied last; without it, kwo cannot tell whether the branch was rewritten"},
                },
                "data": {KEY: text},
            });
            Call::post(format!("{CONFIG_MAPS}{WRITER}"), body.to_string().into_bytes())
        }
        Some(note) => {
            let body = json!({"metadata": {"resourceVersion": note.version}, "data": {KEY: text}});
            Call::patch(format!("{CONFIG_MAPS}/{NAME}{WRITER}"), MERGE_PATCH, body.to_string().into_bytes())
        }
    };
    let asked = wire.ask(&call).await;
    let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if answer.is_success() {
        return note(&answer.body);
    }
    if answer.status == StatusCode::CONFLICT {
        // The one who was quicker may be an earlier try of this very request.
        let now = recall(wire).await?;
        return match now {
            Some(now) if asked.unsure && now.text == text => Ok(now),
            _ => Err(Refusal::Changed { why: answer.says() }),
        };
    }
    Err(answer.refusal(asked.tries))
}
