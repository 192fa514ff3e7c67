//! What a node can give to the pods of tenants, or why it gives them nothing.

use super::amounts::{Amounts, read};
use crate::tree::{SmolStr, Tree};

/// The effects of taints that keep pods away. `PreferNoSchedule` only asks.
const KEEPS_AWAY: [&str; 2] = ["NoSchedule", "NoExecute"];

/// What a node can give, by its name.
pub(super) fn node(node: &Tree) -> (SmolStr, Result<Amounts, SmolStr>) {
    let name = node.at("/metadata/name").and_then(Tree::as_text).cloned().unwrap_or_default();
    let gives = match why_not(node) {
        Some(why) => Err(why),
        None => Ok(read(node.at("/status/allocatable"))),
    };
    (name, gives)
}

/// Why no pod of a tenant comes to this node, where that is so. A pod could tolerate a taint; tenants' pods usually do not.
fn why_not(node: &Tree) -> Option<SmolStr> {
    if node.at("/spec/unschedulable") == Some(&Tree::from(true)) {
        return Some(SmolStr::new_static("cordoned"));
    }
    let taints = node.at("/spec/taints").map_or(&[][..], Tree::items);
    taints.iter().find_map(|taint| {
        let text = |name: &str| taint.get(name).and_then(Tree::as_text);
        let effect = text("effect").filter(|effect| KEEPS_AWAY.contains(&effect.as_str()))?;
        Some(smol_str::format_smolstr!("taint {}:{effect}", text("key").map_or("", |key| key.as_str())))
    })
}
