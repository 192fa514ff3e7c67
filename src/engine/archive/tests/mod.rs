//! The tests of archives, by what they are about.

mod contents;
mod ends;
mod hostile;
mod import;
mod sample;
