//! The ids of all that a roster wants, without the objects: how many there are, and whether one is asked for twice.

use std::collections::BTreeMap;

use crate::resource::{Clash, Reason, Resource, ResourceId};
use crate::roster::Sources;
use crate::tree::SmolStr;

/// Ids by provider and kind: within a kind they come nearly in order, so that sorting them costs little.
#[derive(Default)]
pub(super) struct Ids {
    kinds: BTreeMap<(SmolStr, SmolStr), Vec<(SmolStr, SmolStr, Reason)>>,
}

impl Extend<Resource> for Ids {
    fn extend<I: IntoIterator<Item = Resource>>(&mut self, resources: I) {
        for Resource { id: ResourceId { provider, kind, scope, name }, because, .. } in resources {
            self.kinds.entry((provider, kind)).or_default().push((scope, name, because));
        }
    }
}

impl Ids {
    /// How many there are.
    pub(super) fn count(self, sources: &Sources) -> Result<usize, Clash> {
        let mut count = 0;
        for ((provider, kind), mut ids) in self.kinds {
            ids.sort_by(|(scope, name, _), (scope_b, name_b, _)| (scope, name).cmp(&(scope_b, name_b)));
            let twice = ids.windows(2).find(|pair| (&pair[0].0, &pair[0].1) == (&pair[1].0, &pair[1].1));
            if let Some([(scope, name, first), (_, _, second)]) = twice {
                let id = ResourceId { provider, kind, scope: scope.clone(), name: name.clone() };
                return Err(Clash::of(id, [first, second], sources));
            }
            count += ids.len();
        }
        Ok(count)
    }
}
