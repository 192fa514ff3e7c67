//! What `kwo systems check` asks of a system that the roster names: does it answer, is kwo let in, is there what it needs,
//! and which rights are missing. Nothing is written. Each adapter has its own questions; here is what an answer is.

use schemars::JsonSchema;
use serde::Serialize;

/// A system, or a part of it that has a way of its own.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Checkup {
    /// What the roster calls it: `vault`, or `dns` and the name of the zone.
    pub system: String,
    /// Where it is.
    pub address: String,
    /// The version that it says it has, where it says one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What was asked, in this order.
    pub tests: Vec<Tested>,
    /// The rights that kwo needs in it, where it says which kwo has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<RightFound>,
}

/// One question, and its answer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tested {
    /// What was asked about. It never changes.
    pub what: &'static str,
    /// Is it as it has to be?
    pub ok: bool,
    /// What was found, or why nothing was.
    pub found: String,
    /// What mends it, line by line: a command, or a part of a policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub todo: Vec<String>,
}

/// A right that kwo needs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RightFound {
    /// On what.
    pub path: String,
    /// What kwo may do there of what it needs.
    pub has: Vec<String>,
    /// What it may not.
    pub missing: Vec<String>,
}

impl Checkup {
    /// Nothing was asked yet.
    #[must_use]
    pub fn new(system: impl Into<String>, address: impl Into<String>) -> Checkup {
        let (system, address) = (system.into(), address.into());
        Checkup { system, address, version: None, tests: Vec::new(), rights: Vec::new() }
    }

    /// The same with one more answer.
    #[must_use]
    pub fn with(mut self, what: &'static str, found: Result<String, String>) -> Checkup {
        let ok = found.is_ok();
        let (Ok(found) | Err(found)) = found;
        self.tests.push(Tested { what, ok, found, todo: Vec::new() });
        self
    }

    /// The same with what mends the last answer.
    #[must_use]
    pub fn mended_by(mut self, todo: impl IntoIterator<Item = String>) -> Checkup {
        if let Some(last) = self.tests.last_mut().filter(|last| !last.ok) {
            last.todo.extend(todo);
        }
        self
    }

    /// Is all of it as it has to be?
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.tests.iter().all(|test| test.ok)
    }
}
