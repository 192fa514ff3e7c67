//! What the planner has to know of a system, in one place for each.

use serde::{Deserialize, Serialize};

use crate::change::{Leftover, Step};
use crate::compare::Difference;
use crate::observed::{Observed, Present, Reach};
use crate::resource::{Desired, ResourceId};
use crate::shapes::Shape;
use crate::tree::{SmolStr, Tree};

/// What a cut ends. Rights go before credentials: a token without a right opens nothing, a right without a token waits for
/// the next one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// What somebody may do.
    Right,
    /// By what somebody logs in.
    Credential,
    /// A name by which others find it.
    Name,
    /// What gives nobody anything.
    Rest,
}

/// What the planner has to know of a system.
pub trait Rules: Sync {
    /// Its name in ids, before the colon.
    fn name(&self) -> &'static str;

    /// How its ids are written, for people.
    fn forms(&self) -> &'static [&'static str];

    /// The same as a pattern for programs, without what stands around it.
    fn pattern(&self) -> &'static str;

    /// The kind, the scope and the name in what follows the colon of an id; nothing where they are not there.
    fn parts<'t>(&self, rest: &'t str) -> Option<[&'t str; 3]>;

    /// How the fields of this object are compared, where its kind is known.
    fn shape(&self, id: &ResourceId) -> Option<&'static Shape>;

    /// The sets of this object of which it is on record who added which entry. Of all others every entry counts.
    fn recorded_sets(&self, id: &ResourceId) -> &'static [&'static str];

    /// Can kwo have made this object, which bears its mark? Others copy labels.
    fn can_be_kwos(&self, id: &ResourceId, present: &Present) -> bool;

    /// The command that ends an object.
    fn ending(&self, id: &ResourceId, reach: &Reach) -> String;

    /// The command that ends a field of an object, which has this value.
    fn ending_of_field(&self, id: &ResourceId, pointer: &str, value: Option<&Tree>, reach: &Reach) -> String;

    /// The command that shows an object, where it stands in no file.
    fn showing(&self, id: &ResourceId, reach: &Reach) -> String;

    /// The program with which a person edits a file of it.
    fn editor(&self) -> &'static str;

    /// What an object that is left over still gives somebody, in a sentence, where its kind does by being there.
    fn still_gives(&self, id: &ResourceId) -> Option<String>;

    /// What an entry of a set that is left over in an object still gives somebody, in a sentence.
    fn entry_gives(&self, _id: &ResourceId, _entry: &Tree) -> Option<String> {
        None
    }

    /// What a field that is left over in an object still gives somebody, in a sentence.
    fn field_gives(&self, _id: &ResourceId, _pointer: &str, _value: Option<&Tree>) -> Option<String> {
        None
    }

    /// The tenant that a field in an object of all tenants is for, by its pointer.
    fn field_is_of(&self, _id: &ResourceId, _pointer: &str) -> Option<SmolStr> {
        None
    }

    /// Is it nobody's, so that nobody has to be asked before something is built on it?
    fn is_nobodys(&self, _id: &ResourceId) -> bool {
        false
    }

    /// Does it hand on what it needs, so that it gives what somebody else's gives as soon as one of these is not kwo's? Then it
    /// is not in agreement while what it needs is held, also where nothing in it differs.
    fn hands_on(&self, _id: &ResourceId) -> bool {
        false
    }

    /// What is lost with an object that is left over when its command is run, in a few words, where that is more than the
    /// object.
    fn lost_with(&self, _id: &ResourceId) -> Option<&'static str> {
        None
    }

    /// Is it by hand that this object ends, or a part of it, also when somebody leaves?
    fn ends_by_hand(&self, _id: &ResourceId, _whole: bool) -> bool {
        false
    }

    /// Do the access reviews of the API server say whether anybody still has what is in it? Where they do not, only another
    /// look does.
    fn is_reviewed(&self) -> bool {
        true
    }

    /// Is this object there for this person alone, in a system where that is no binding?
    fn is_of(&self, _id: &ResourceId, _person: &str) -> bool {
        false
    }

    /// Says of what is left over in it what only all of it together shows: which one goes first, say.
    fn together(&self, _leftovers: &mut [Leftover], _desired: &Desired, _observed: &Observed) {}

    /// What becomes of what is there when this step is done, beside what it changes.
    fn kept(&self, _step: &Step) -> Option<&'static str> {
        None
    }

    /// The same for an object that can only be written as a whole.
    fn anew(&self, _id: &ResourceId) -> Option<&'static str> {
        None
    }

    /// What taking it over would change, where a tenant's name is not enough for that: `--adopt` has to name the object.
    fn only_by_name(&self, _id: &ResourceId, _differences: &[Difference]) -> Option<SmolStr> {
        None
    }

    /// What somebody loses when this object, or a part of it, ends.
    fn loses(&self, id: &ResourceId, whole: bool) -> Order;

    /// Which part of the system this object is in, where the parts have an identity of their own: a zone, or all of it.
    /// What the roster does not name but an option, as the node, has none.
    fn part(&self, _id: &ResourceId) -> Option<SmolStr> {
        None
    }

    /// Why it is left out of a run that was not asked to look at it.
    fn not_asked(&self) -> SmolStr;
}
