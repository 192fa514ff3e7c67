//! A saved plan of a node as it is read: bounded, and not believed. The seal or the signature of it says who made it.

use std::io::Read as _;
use std::path::Path;

use kwo_planner::k3s::{NODE_PLAN_FORMAT, NodePlan, PlanOf};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::file::plain;
use super::unfit::{another, undecoded, unfit, unread};
use crate::archive::hex;
use crate::failure::Failure;
use crate::regular;

/// The longest that is read; its roster is nearly all of it.
const LONGEST: u64 = 64 << 20;

/// A saved plan of a node, of which nobody knows yet who wrote it.
#[derive(Debug)]
pub struct OpenedNode {
    /// The file, byte for byte: this is what a signature is for.
    pub bytes: Vec<u8>,
    /// What it says.
    pub plan: NodePlan,
}

/// What tells a plan of a node from each other one, whoever vouches for it.
#[must_use]
pub fn digest_of_node(plan: &NodePlan) -> SmolStr {
    hex(&Sha256::digest(plan.sealable()))
}

/// Reads the saved plan of this command.
///
/// # Errors
/// When it cannot be read, is none, or is one of another command or of another kwo.
pub fn open_node(path: &Path, of: PlanOf) -> Result<OpenedNode, Failure> {
    let command = of.command();
    let cannot = |error: std::io::Error| unread(path, &error, command);
    let mut bytes = Vec::new();
    let file = regular::open(path).map_err(cannot)?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST {
        return Err(unfit(path, format!("it is over {} MiB", LONGEST >> 20), command));
    }
    let none = |error: serde_json::Error| undecoded(path, &bytes, &error, command);
    let found: Value = serde_json::from_slice(&bytes).map_err(none)?;
    if let Some(version) = found["format_version"].as_str().filter(|version| *version != NODE_PLAN_FORMAT)
        && found["kind"].is_string()
    {
        let version = plain(version);
        let why = format!("it has the form {version}, and this kwo reads {NODE_PLAN_FORMAT}");
        return Err(unfit(path, why, command));
    }
    let plan: NodePlan = serde_json::from_value(found).map_err(none)?;
    if plan.kind != of {
        return Err(another(path, plan.kind.command(), command));
    }
    Ok(OpenedNode { bytes, plan })
}
