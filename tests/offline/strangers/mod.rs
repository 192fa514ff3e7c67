//! What strangers can write: texts made to break what reads them (`fuzz`), and texts made to act where they are shown
//! (`sinks`).

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

mod edits;
mod fuzz;
mod mutate;
mod seals;
mod sinks;
mod size;
mod tampering;
mod told;
