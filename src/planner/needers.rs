//! Who needs what a run does not look at. Nothing waits for such an object, so a plan would call agreement what may not work
//! without it: the registry without the Secret with its users, in a directory that takes no Secrets.

use std::collections::BTreeMap;

use crate::change::{Held, Hold};
use crate::resource::{Desired, ResourceId};

/// Names at each object that is left out those that need it and are looked at.
pub(crate) fn name_needers(desired: &Desired, held: &mut [Held]) {
    let is_left_out = |held: &&Held| matches!(held.hold, Hold::LeftOut { .. });
    let mut needers: BTreeMap<ResourceId, Vec<ResourceId>> =
        held.iter().filter(is_left_out).map(|held| (held.id.clone(), Vec::new())).collect();
    if needers.is_empty() {
        return;
    }
    for resource in desired.resources() {
        if needers.contains_key(&resource.id) {
            continue;
        }
        for need in resource.needs.iter() {
            if let Some(needers) = needers.get_mut(need) {
                needers.push(resource.id.clone());
            }
        }
    }
    for Held { id, hold, .. } in held {
        if let (Hold::LeftOut { needed_by, .. }, Some(found)) = (hold, needers.remove(id)) {
            *needed_by = found;
        }
    }
}
