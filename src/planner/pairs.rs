//! What is wanted beside what was seen of it, in one pass over both: both are ordered by id, so one comparison an object
//! is enough. What several parts of a plan ask of an object is found out here, once.

use std::cmp::Ordering;

use crate::observed::{Observed, Sighting};
use crate::resource::{Desired, Resource, ResourceId};

/// One object that is wanted, or was seen, or both.
pub(crate) enum Pair<'p> {
    /// The roster wants it.
    Wanted {
        /// Its place among the resources.
        at: usize,
        resource: &'p Resource,
        /// Nothing where nobody looked.
        sighting: Option<&'p Sighting>,
        known: Known,
    },
    /// The roster does not want it.
    Unwanted { id: &'p ResourceId, sighting: &'p Sighting },
}

/// What is known of an object that is wanted and there; of any other none of it is true.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known {
    /// It carries kwo's mark.
    pub(crate) marked: bool,
    /// Its body is the very tree that is wanted. What is wanted agrees with itself, so nobody has to look into it.
    pub(crate) same: bool,
}

impl Known {
    fn of(resource: &Resource, sighting: &Sighting) -> Known {
        match sighting {
            Sighting::Present(present) => {
                Known { marked: present.is_marked(), same: resource.body.shares(&present.body) }
            }
            Sighting::Absent | Sighting::Unknown { .. } | Sighting::LeftOut { .. } => Known::default(),
        }
    }
}

/// All of them, ordered by id.
pub(crate) fn pairs<'p>(desired: &'p Desired, observed: &'p Observed) -> impl Iterator<Item = Pair<'p>> {
    let mut resources = desired.resources().iter().enumerate().peekable();
    let mut sightings = observed.iter().peekable();
    std::iter::from_fn(move || {
        let order = match (resources.peek(), sightings.peek()) {
            (Some((_, resource)), Some((id, _))) => resource.id.cmp(id),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        if order.is_gt() {
            return sightings.next().map(|(id, sighting)| Pair::Unwanted { id, sighting });
        }
        let (at, resource) = resources.next()?;
        let sighting = sightings.next_if(|_| order.is_eq()).map(|(_, sighting)| sighting);
        let known = sighting.map(|sighting| Known::of(resource, sighting)).unwrap_or_default();
        Some(Pair::Wanted { at, resource, sighting, known })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kinds::Kind;
    use crate::resource::Reason;
    use crate::tree::Tree;

    #[test]
    fn every_object_comes_once_and_in_order() {
        let id = |name: &'static str| ResourceId::kube(Kind::Namespace, "", name);
        let wanted =
            ["b", "d", "e"].map(|name| Resource::new(id(name), Tree::Null, Arc::new([]), Reason::Always));
        let desired = Desired::new(wanted.into(), Arc::default()).unwrap();
        let observed: Observed =
            ["a", "b", "c", "e", "f"].map(|name| (id(name), Sighting::Absent)).into_iter().collect();
        let told = pairs(&desired, &observed).map(|pair| match pair {
            Pair::Wanted { at, resource, sighting, known: _ } => {
                format!("{at} {} {}", resource.id.name, sighting.is_some())
            }
            Pair::Unwanted { id, sighting: _ } => id.name.to_string(),
        });
        assert_eq!(told.collect::<Vec<_>>(), ["a", "0 b true", "c", "1 d false", "2 e true", "f"]);
    }
}
