//! A saved plan of a node as it is read: bounded, and not believed. The seal or the signature of it says who made it.

use std::io::Read as _;
use std::path::Path;

use kwo_planner::k3s::{NODE_PLAN_FORMAT, NodePlan, PlanOf};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::file::plain;
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
    let name = path.display();
    let command = of.command();
    let cannot =
        |error: &dyn std::error::Error| Failure::new(format!("cannot read the plan {name}")).because(error);
    let mut bytes = Vec::new();
    let file = regular::open(path).map_err(|error| cannot(&error))?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    let none = |why: String| {
        Failure { causes: vec![why], ..Failure::new(format!("{name} is no saved plan of `{command}`")) }
            .hint(format!("`{command} --out FILE` saves one"))
    };
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST {
        return Err(none(format!("it is over {} MiB", LONGEST >> 20)));
    }
    // What the decoder did not expect is quoted in what it says.
    let unread = |error: serde_json::Error| none(plain(&error.to_string()));
    let found: Value = serde_json::from_slice(&bytes).map_err(unread)?;
    if let Some(version) = found["format_version"].as_str().filter(|version| *version != NODE_PLAN_FORMAT)
        && found["kind"].is_string()
    {
        let version = plain(version);
        return Err(none(format!("it has the form {version}, and this kwo reads {NODE_PLAN_FORMAT}")));
    }
    let plan: NodePlan = serde_json::from_value(found).map_err(unread)?;
    if plan.kind != of {
        return Err(none("it is that of the other command".to_owned()));
    }
    Ok(OpenedNode { bytes, plan })
}
