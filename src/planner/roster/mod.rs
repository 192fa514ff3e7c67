//! The roster: its text, its places, and (through the domains) what it says.

mod source;

pub use source::{At, SourceFile, Sources, Span};
