//! How a run comes to a system that the roster names, and not an option: where it is, and which secrets open it, by
//! reference. A section makes these beside its resources; the engine opens them once a run, and opens no others.

use std::collections::BTreeMap;

use super::System;
use crate::roster::SecretRef;
use crate::tree::{SmolStr, Tree};

/// The way to a system that the roster names, or to a part of it that has a way of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// The system.
    pub system: System,
    /// The part of it, as the scope of its ids names it; empty where there is one way to all of it.
    pub part: SmolStr,
    /// What is no secret: its address, say.
    pub settings: Tree,
    /// What is one, by the name that its adapter knows it by.
    pub secrets: BTreeMap<SmolStr, SecretRef>,
}
