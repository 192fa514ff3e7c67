//! Somebody leaves: access is cut, and comes back by `--undo`, until the retention ends. A person starts it by typing a name;
//! `run` and `sync` do not name this room.

mod carry;
mod cutter;
mod record;
mod reviews;

pub use carry::{Actor, Carried, Prepared, carry_out, prepare, prove, undo};
pub use cutter::{Cutter, Cutters, Records, Restored, Whole};
pub use record::{Entry, Record, RecordError, Stage, Stamp};
pub use reviews::{Answer, Question, questions, review};
