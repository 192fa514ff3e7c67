//! What is in an archive, as its last part says it: `manifest.json`. It comes last because it has the digests of all others,
//! and data of volumes goes by as a stream: nothing has to lie on a disk in the clear before it is encrypted.

use jiff::Timestamp;
use kwo_planner::tree::SmolStr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::entry::ArchiveEntry;

/// The version of this form. Minor versions only add.
pub const FORMAT_VERSION: &str = "1.0";
/// What tells it from other files called like it.
pub(super) const KIND: &str = "kwo.dev/archive";

/// What an archive is of, besides what is in it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Meta {
    /// The tenant.
    pub tenant: SmolStr,
    /// The uid of the cluster: that of its namespace `kube-system`.
    pub cluster: SmolStr,
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// The lines of the roster that asked for the tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roster: Vec<RosterLine>,
    /// The entries of the history that are about the tenant, as they stand there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<serde_json::Value>,
}

/// A line of a roster.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub struct RosterLine {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// What stands there.
    pub text: String,
}

/// All that an archive says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Index {
    /// Always the same.
    pub(super) kind: SmolStr,
    /// The version of this form.
    pub format_version: SmolStr,
    /// The version of the kwo that wrote it.
    pub kwo: SmolStr,
    /// What it is of.
    #[serde(flatten)]
    pub meta: Meta,
    /// Every other part, in the order in which they stand.
    pub parts: Vec<Part>,
    /// What is not in it, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// A part of an archive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Part {
    /// Where it lies in it.
    pub path: String,
    /// How long it is, in bytes.
    pub size: u64,
    /// SHA-256 of it. Nothing in a receipt, where it holds secrets or is an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<SmolStr>,
    /// It holds secrets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// Of an object, which, and in which state it was.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub entry: Option<ArchiveEntry>,
    /// The controller that made it and would make it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
}

/// Something that is not in an archive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub struct LeftOut {
    /// The path that it would have had.
    pub path: String,
    /// Why, as a sentence without a full stop.
    pub why: String,
}

impl Index {
    /// The same as it may lie about in the clear, and as short as it can be: without the digests of what holds secrets, without
    /// those that stand there twice, and without what the roster and the history said.
    pub(super) fn in_the_clear(mut self) -> Index {
        self.meta.roster.clear();
        self.meta.history.clear();
        for part in &mut self.parts {
            if part.secret || part.entry.is_some() {
                part.sha256 = None;
            }
            if let Some(entry) = part.entry.as_mut().filter(|_| part.secret) {
                entry.digest = None;
            }
        }
        self
    }
}
