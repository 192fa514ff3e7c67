//! kwo's own files on a machine: `kwo install`, the units as systemd reads them, and the Debian package.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod files;
mod package;
mod settings;
mod units;
