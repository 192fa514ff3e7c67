//! kwo's own files on a machine: the program, its units, and the first settings.

mod change;
mod files;
mod record;
mod systemd;

pub use change::{Change, Refused, What, in_front, install, installed, program_replaced, uninstall};
pub use files::{Choice, FIRST_SETTINGS, SETTINGS};
pub use systemd::{Systemd, units};
