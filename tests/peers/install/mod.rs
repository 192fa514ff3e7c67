//! kwo's own files on a machine: `kwo install`, the units as systemd reads them, and what is released.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod files;
mod package;
mod releases;
mod script;
mod settings;
mod units;
mod update;
