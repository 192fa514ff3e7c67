//! `kwo node backup` and `restore`: a database in kine's form that is written all the time, runs that are killed, disks that are
//! full, folders and files that are not as they should be. No k3s is started.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod broken;
mod etcd;
mod load;
mod refusals;
mod told;
pub(crate) mod world;
