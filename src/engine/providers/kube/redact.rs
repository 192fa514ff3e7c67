//! Between the API's form of an object and the planner's: unfolds documents in texts and replaces secret bytes with
//! placeholders; and the way back for a write.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kwo_planner::change::Step;
use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::{Tree, join};

use crate::providers::documents::{fold, rehearse, unfold};
use crate::secrets::Vault;

/// What was read, as the planner sees it. Of the data of a Secret only what is wanted in so many words stays.
pub(super) fn redacted(
    vault: &Vault,
    kind: Kind,
    id: &ResourceId,
    object: &Tree,
    wanted: Option<&Tree>,
) -> Result<Tree, String> {
    let mut redacted = unfold(kind, object.clone())?;
    if let Some(wanted) = wanted {
        rehearse(kind, object, &redacted, wanted)?;
    }
    if kind == Kind::Secret {
        let data = redacted.get("data").cloned().unwrap_or(Tree::Null);
        for (key, value) in data.entries() {
            let pointer = join("/data", key);
            if wanted.and_then(|wanted| wanted.at(&pointer)) == Some(value) {
                continue;
            }
            let bytes = value.as_text().and_then(|text| STANDARD.decode(text.as_bytes()).ok());
            redacted = redacted.with(&pointer, vault.seen(id, &pointer, &bytes.unwrap_or_default()));
        }
    }
    Ok(redacted)
}

/// All that a step wants, as the API takes it.
pub(super) fn restored(vault: &Vault, step: &Step) -> Result<Tree, String> {
    let filled = match step.secrets.as_slice() {
        [] => step.wanted.clone(),
        secrets => vault.filled(&step.id, secrets, &step.wanted)?,
    };
    match step.id.known_kind() {
        Some(kind) => fold(kind, filled),
        None => Ok(filled),
    }
}
