//! Zones in which each record is an object with an id of its own, that know no comments, no transaction and no comparing write.
//! Here is what such a server needs to keep record sets all the same. `sets` makes record sets of the objects, `state` is how
//! far a write of kwo has come, which stands in kwo's mark, `work` says what a write sends next, and `drive` sends it. `seen`
//! keeps what was last seen.
//!
//! A mark stands before the records that it is for, and says so as long as they are not all there. So whatever cuts a write
//! short, the next run knows what is kwo's and goes on, and never takes what others made meanwhile for its own.

mod drive;
mod seen;
mod sets;
mod state;
#[cfg(test)]
mod tests;
mod work;

use kwo_planner::tree::SmolStr;

use drive::write;
pub(super) use drive::{Keeper, Sent};
pub(super) use seen::{No, Seen, placed, write_all};
use sets::{marks_of, sets};

/// One record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Object {
    pub(super) id: SmolStr,
    /// With the zone, and without a dot at its end.
    pub(super) name: SmolStr,
    pub(super) of: SmolStr,
    /// As it is compared; of a TXT record the text alone.
    pub(super) content: SmolStr,
    pub(super) ttl: u32,
}

/// A record as it is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct New {
    pub(super) name: SmolStr,
    pub(super) of: SmolStr,
    pub(super) content: SmolStr,
    pub(super) ttl: u32,
}

/// What a write asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Request {
    Make(New),
    /// The record with this id becomes this one.
    Change(SmolStr, New),
    End(SmolStr),
    /// All that was written is told to the world.
    Publish,
}
