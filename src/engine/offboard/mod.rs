//! Somebody leaves: access is cut, and comes back by `--undo`, until the retention ends. A person starts it by typing a name;
//! `run` and `sync` do not name this room.

mod carry;
mod destroy;
mod doors;
mod keep;
mod packed;
mod record;
mod reviews;
#[cfg(test)]
mod tests;
mod volumes;

pub use carry::{Actor, Carried, Prepared, carry_out, prepare, prove, stamped, undo};
pub use destroy::{Gone, Leave, destroy, facts, removals, waited};
pub use doors::{Door, knock};
pub use keep::{NotKept, archived, claims, everything, storage};
pub use record::{Entry, Kept, Record, RecordError, Stage, Stamp};
pub use reviews::{Answer, Asked, Question, everything_of, questions, review};
pub use volumes::{NotHere, Volume, used, volumes};
