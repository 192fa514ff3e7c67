//! Which roster keeps a cluster or a directory. It stands there, on an object that every roster asks for, so that another
//! roster does not take what the first one made for its own leftovers.

use std::fmt;

use crate::domains::roles::{NAVIGATION, cluster_role};
use crate::observed::{Observed, Sighting};
use crate::resource::{Desired, Resource};
use crate::tree::{SmolStr, Tree, join};

/// The annotation with the name of the cluster, as the roster says it.
const NAME: &str = "kwo.dev/roster-name";
/// The annotation with the place of the roster.
const PLACE: &str = "kwo.dev/roster-place";

/// What of the object that carries them is read, whether a roster says it or not.
pub(crate) const READ: [&str; 2] =
    ["/metadata/annotations/kwo.dev~1roster-name", "/metadata/annotations/kwo.dev~1roster-place"];

/// Does a change at this pointer write who keeps the cluster?
pub(crate) fn is_about(pointer: &str) -> bool {
    READ.contains(&pointer) || pointer == "/metadata/annotations"
}

/// What tells a roster from another one. Where both have names, those decide; otherwise the places do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Keeper {
    /// The name of the cluster that it is for.
    pub name: Option<SmolStr>,
    /// Its file: `repository:path`, or the whole path outside of a clone.
    pub place: Option<SmolStr>,
}

impl Keeper {
    /// Is this roster the one that stands there, as far as that can be told? A roster without a name is not one that has
    /// a name, unless it is known by its place.
    #[must_use]
    pub fn is(&self, this: &Keeper) -> bool {
        match (&self.name, &this.name, &self.place, &this.place) {
            (Some(name), Some(this), ..) => name == this,
            (_, _, Some(place), Some(this)) => is_place(place, this),
            (Some(_), None, ..) => false,
            _ => true,
        }
    }

    fn of(body: &Tree) -> Keeper {
        let text = |key: &str| body.at(&join("/metadata/annotations", key)).and_then(Tree::as_text).cloned();
        let text = |key: &str| text(key).filter(|text| !text.is_empty());
        Keeper { name: text(NAME), place: text(PLACE) }
    }
}

/// Is it the same place? Outside of a clone only the last folder and the file were kept once.
fn is_place(found: &str, this: &str) -> bool {
    let of_old = !found.contains(':') && !found.starts_with('/');
    found == this
        || (of_old
            && this.starts_with('/')
            && this.strip_suffix(found).is_some_and(|above| above.ends_with('/')))
}

impl fmt::Display for Keeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.place) {
            (Some(name), Some(place)) => write!(out, "the roster of the cluster `{name}` ({place})"),
            (Some(name), None) => write!(out, "the roster of the cluster `{name}`"),
            (None, Some(place)) => write!(out, "the roster {place}"),
            (None, None) => out.write_str("a roster without a name"),
        }
    }
}

impl Desired {
    /// The same, kept by this roster: it is to stand in the cluster. Where it takes the cluster over and has no name, the
    /// name of the one before it goes, for who has that name would be let in.
    #[must_use]
    pub fn kept_by(self, keeper: &Keeper, takes_over: bool) -> Desired {
        let id = cluster_role(NAVIGATION);
        self.map(|resource| {
            if resource.id != id {
                return resource;
            }
            // Where there is a name it decides, and a place beside it would change with whoever runs kwo.
            let place = if keeper.name.is_none() { &keeper.place } else { &None };
            let none = takes_over.then(|| SmolStr::new_static(""));
            let name = keeper.name.clone().or(none);
            let parts = [(NAME, &name), (PLACE, place)];
            let parts = parts.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
            let body = parts.fold(resource.body.clone(), |body, (key, value)| {
                body.with(&join("/metadata/annotations", key), Tree::from(value))
            });
            Resource { body, ..resource }
        })
    }
}

/// The roster that keeps what was seen, where it is another one than this.
#[must_use]
pub fn other(observed: &Observed, this: &Keeper) -> Option<Keeper> {
    keeper(observed).filter(|found| !found.is(this))
}

/// The roster that keeps what was seen, where that is written there.
#[must_use]
pub fn keeper(observed: &Observed) -> Option<Keeper> {
    match observed.get(&cluster_role(NAVIGATION))? {
        Sighting::Present(present) if present.is_marked() => {
            Some(Keeper::of(&present.body)).filter(|found| *found != Keeper::default())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::after::after;
    use crate::domains::compile;
    use crate::plan::{Adopt, Provenance, plan};
    use crate::roster::{SourceFile, Sources, parse};

    fn keeper(name: &str, place: &str) -> Keeper {
        let text = |text: &str| (!text.is_empty()).then(|| text.into());
        Keeper { name: text(name), place: text(place) }
    }

    #[test]
    fn names_decide_and_places_where_there_are_none() {
        for (one, other, same) in [
            (("prod", "ops:a"), ("prod", "ops:b"), true),
            (("prod", "ops:a"), ("test", "ops:a"), false),
            (("", "ops:a"), ("prod", "ops:a"), true),
            (("", "ops:a"), ("prod", "ops:b"), false),
            (("", "ops:a"), ("", "ops:b"), false),
            (("", ""), ("prod", "ops:b"), true),
            (("prod", ""), ("", "ops:a"), false),
            (("prod", "ops:a"), ("", "ops:b"), false),
            (("prod", "ops:a"), ("", "ops:a"), true),
            (("prod", ""), ("", ""), false),
            (("", "/x1/infra/r.yaml"), ("", "/x2/infra/r.yaml"), false),
            (("", "infra/r.yaml"), ("", "/x2/infra/r.yaml"), true),
            (("", "infra/r.yaml"), ("", "/x2/myinfra/r.yaml"), false),
        ] {
            assert_eq!(keeper(one.0, one.1).is(&keeper(other.0, other.1)), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn another_roster_is_known_again_and_a_moved_one_is_not_another() {
        let wanted = |keeper: &Keeper| {
            let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {a: }}".to_owned();
            let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
            compile(&roster).unwrap().kept_by(keeper, false)
        };
        let planned = |desired: &Desired, world: &Observed| {
            plan(desired, world, &Adopt::Nothing, Provenance::default())
        };
        let bare = wanted(&Keeper::default());
        let nothing: Observed =
            bare.resources().iter().map(|one| (one.id.clone(), Sighting::Absent)).collect();
        assert_eq!(other(&nothing, &Keeper::default()), None);
        // A cluster of before takes the identity on, and the next plan is empty.
        let old = after(&planned(&bare, &nothing), &nothing);
        let first = wanted(&keeper("", "ops:a"));
        assert_eq!(other(&old, &keeper("", "ops:a")), None);
        let plan = planned(&first, &old);
        assert_eq!(plan.steps.len(), 1);
        let world = after(&plan, &old);
        assert!(planned(&first, &world).steps.is_empty());
        assert_eq!(other(&world, &keeper("", "ops:b")), Some(keeper("", "ops:a")));
        // A plan for others to apply does not say who keeps the cluster, and takes nothing of it for left over.
        let plain = planned(&bare, &world);
        assert!(plain.steps.is_empty() && plain.leftovers.is_empty());
        // Named first, and moved afterwards.
        let named = wanted(&keeper("prod", "ops:a"));
        assert_eq!(other(&world, &keeper("prod", "ops:a")), None);
        let world = after(&planned(&named, &world), &world);
        let moved = wanted(&keeper("prod", "elsewhere:b"));
        assert_eq!(other(&world, &keeper("prod", "elsewhere:b")), None);
        assert!(planned(&moved, &world).steps.is_empty());
        assert_eq!(other(&world, &keeper("test", "ops:a")), Some(keeper("prod", "ops:a")));
        // A name that leaves the roster is no leftover: what stands there is as good.
        assert!(planned(&first, &world).leftovers.is_empty());
    }
}
