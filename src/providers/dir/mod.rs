//! A directory.
pub struct Dir;
