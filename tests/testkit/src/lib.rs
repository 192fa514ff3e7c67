//! What the tests of kwo share: real servers and played ones, ways to run the program, ways to hold what it says against
//! the manual and the schemas. It knows the program only from outside, so it depends on no other crate of kwo.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

pub mod apiserver;
pub mod cert_manager;
pub mod crds;
pub mod drawn;
pub mod gate;
pub mod k3s;
pub mod live;
pub mod loopback;
pub mod manual;
pub mod pages;
pub mod peers;
pub mod places;
pub mod programs;
pub mod proxy;
pub mod releases;
pub mod run;
pub mod schemas;
pub mod scripted;
mod suite;
mod turns;
pub mod walk;
