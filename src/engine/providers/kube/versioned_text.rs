//! What runs leave for each other in the cluster: a ConfigMap in `kube-system`, such as `kwo-sync`, with one text. It carries
//! no mark, since no roster asks for it. Every change holds only for the state that was read.

use http::StatusCode;
use k8s_openapi::api::core::v1::ConfigMap;
use kwo_planner::tree::Tree;
use serde_json::json;

use super::path::WRITER;
use super::transport::{Call, Transport};
use crate::providers::{Refusal, VersionedText};

const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-system/configmaps";
/// Where a note stands.
pub(super) struct Place {
    /// The name of the ConfigMap.
    pub(super) name: String,
    /// The key of the text in it.
    pub(super) key: &'static str,
    /// What it is there for, for whoever comes across it.
    pub(super) about: &'static str,
    /// What is to be read of it without the text, under [`BRIEF`]; such notes carry `RECORD`.
    pub(super) brief: Option<String>,
}

/// The label of the records of those who left, for whoever lists them.
const RECORD: &str = "kwo.dev/record";
/// The annotation with such a record in short.
pub(super) const BRIEF: &str = "kwo.dev/offboard";

/// Where runs of `kwo sync` leave theirs.
pub(super) fn sync() -> Place {
    Place {
        name: "kwo-sync".to_owned(),
        key: "sync.json",
        about: "what `kwo sync` applied last; without it, kwo cannot tell whether the branch was rewritten",
        brief: None,
    }
}

/// The note, where there is one.
pub(super) async fn load(transport: &Transport, place: &Place) -> Result<Option<VersionedText>, Refusal> {
    let asked = transport.ask(&Call::get(format!("{CONFIG_MAPS}/{}", place.name))).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if response.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !response.is_success() {
        return Err(response.refusal(asked.tries));
    }
    versioned(place, &response.body).map(Some)
}

fn versioned(place: &Place, body: &[u8]) -> Result<VersionedText, Refusal> {
    let unreadable = |why: String| Refusal::Refused {
        why: format!("the ConfigMap kube-system/{} cannot be read: {why}", place.name),
    };
    let found: ConfigMap = serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
    let text = found.data.and_then(|mut data| data.remove(place.key)).unwrap_or_default();
    let version = found.metadata.resource_version;
    let version = version.ok_or_else(|| unreadable("it has no resourceVersion".to_owned()))?;
    let made = found.metadata.creation_timestamp.map(|made| made.0);
    Ok(VersionedText { text, version, made })
}

/// Makes an empty ConfigMap of this name. What counts is when: the API server writes that, and no change to the object
/// changes it.
pub(super) async fn mark(transport: &Transport, name: &str, about: &str) -> Result<(), Refusal> {
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
        "metadata": {"name": name, "namespace": "kube-system", "annotations": {"kwo.dev/about": about}},
    });
    let asked =
        transport.ask(&Call::post(format!("{CONFIG_MAPS}{WRITER}"), body.to_string().into_bytes())).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    // Nobody else makes one of this name.
    let made = response.is_success() || (response.status == StatusCode::CONFLICT && asked.unsure);
    if made { Ok(()) } else { Err(response.refusal(asked.tries)) }
}

/// The metadata of every ConfigMap there. What counts is found by its name, which nobody can change.
pub(super) async fn all(transport: &Transport) -> Result<Vec<Tree>, Refusal> {
    let asked = transport.ask(&Call::metadata(CONFIG_MAPS.to_owned())).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if !response.is_success() {
        return Err(response.refusal(asked.tries));
    }
    let list: Tree = serde_json::from_slice(&response.body).map_err(|error| Refusal::Refused {
        why: format!("the ConfigMaps in kube-system cannot be read: {error}"),
    })?;
    Ok(list.get("items").map(Tree::items).unwrap_or_default().to_vec())
}

/// Leaves this text in place of the one that was read.
pub(super) async fn save(
    transport: &Transport,
    place: &Place,
    text: &str,
    seen: Option<&VersionedText>,
) -> Result<VersionedText, Refusal> {
    let Place { name, key, about, brief } = place;
    let mut notes = json!({"kwo.dev/about": about});
    if let Some(brief) = brief {
        notes[BRIEF] = json!(brief);
    }
    let labels = brief.as_ref().map(|_| json!({RECORD: "offboard"}));
    let call = match seen {
        None => {
            let body = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": name, "namespace": "kube-system",
                    "annotations": notes, "labels": labels,
                },
                "data": {*key: text},
            });
            Call::post(format!("{CONFIG_MAPS}{WRITER}"), body.to_string().into_bytes())
        }
        Some(note) => {
            let metadata = json!({"resourceVersion": note.version, "annotations": notes, "labels": labels});
            let mut body = json!({"metadata": metadata, "data": {*key: text}});
            if brief.is_none() {
                body["metadata"] = json!({"resourceVersion": note.version});
            }
            Call::merge_patch(format!("{CONFIG_MAPS}/{name}{WRITER}"), &body)
        }
    };
    let asked = transport.ask(&call).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if response.is_success() {
        return versioned(place, &response.body);
    }
    if response.status == StatusCode::CONFLICT {
        // The one who was quicker may be an earlier try of this very request.
        let now = load(transport, place).await?;
        return match now {
            Some(now) if asked.unsure && now.text == text => Ok(now),
            _ => Err(Refusal::Changed { why: response.says() }),
        };
    }
    Err(response.refusal(asked.tries))
}
