//! One run, step by step, for every command that plans or applies and for `kwo sync`: `lock` keeps other runs out, `given`
//! follows the references to secrets, `look` observes, plans and verifies, `hits` looks at what the plan would hit, `carry`
//! executes and looks again, `verify_access` asks the API server what came of the rights.
//!
//! What stands between two of them is the caller's: which commit counts, a saved plan, limits, a yes. So are the words:
//! what comes out is a typed reason, and each caller says it to its own reader.

mod again;
mod cancellation;
mod capacity;
mod carry;
mod hits;
mod lock;
mod look;
mod reaches;
mod reviews;

pub use again::{Before, Extent};
pub use cancellation::{Interrupted, told, unless_told};
pub use capacity::capacity;
pub use carry::{Carried, Event, Work, carry};
pub use hits::hits;
pub use lock::{Locked, NoLock, lock};
pub use look::{Guard, Looked, NoPlan, check, given, look, set_secrets};
pub use reaches::{Reaches, reaches};
pub(crate) use reviews::own_roles_of;
pub use reviews::{Access, Promised, verify_access};
