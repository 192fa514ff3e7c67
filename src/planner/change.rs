//! What a plan is made of. There is no variant here that removes something, and there must never be one.

use std::fmt;
use std::sync::{Arc, LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observed::Version;
use crate::origin::Origin;
use crate::resource::{Disruption, Reason, Resource, ResourceId};
use crate::secrets::Secret;
use crate::tree::{SmolStr, Tree};
use crate::units::moment;

/// What to do to one object, in one write.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The object.
    pub id: ResourceId,
    /// One `Create`, or any number of `Extend` and `Revise`.
    #[serde(with = "crate::shared::list")]
    #[schemars(with = "Vec<Change>")]
    pub changes: Arc<[Change]>,
    /// The state that the changes were made for; the write fails on any other. Nothing for a `Create`, which
    /// fails if the object exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Version>,
    /// All that is wanted of the object, so that the step can be planned anew by itself.
    pub wanted: Tree,
    /// What is wanted of it besides, by reference; in `wanted` stand fingerprints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// The steps of this plan that have to be done first.
    #[serde(default, skip_serializing_if = "is_empty", with = "crate::shared::list")]
    #[schemars(with = "Vec<ResourceId>")]
    pub needs: Arc<[ResourceId]>,
    /// What it comes after, and is done anew for when that changes.
    #[serde(default, skip_serializing_if = "is_empty", with = "crate::shared::list")]
    #[schemars(with = "Vec<ResourceId>")]
    pub follows: Arc<[ResourceId]>,
    /// What it disturbs, as a sentence without a full stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disrupts: Option<SmolStr>,
    /// What a new object narrows of what is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tightens: Option<Tightening>,
    /// It takes over an object that does not carry kwo's mark, because adoption was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopts: bool,
    /// The tenant it is for, or empty.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub tenant: SmolStr,
    /// What asked for the object.
    pub because: Origin,
}

/// One change to one object.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Change {
    /// Make the object, with the step's `wanted` as its body.
    Create,
    /// Add what is not there. A pointer that ends in `-` adds an entry to a set.
    Extend {
        /// Where.
        pointer: SmolStr,
        /// What.
        value: Tree,
        /// It allows less than before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tightens: Option<Tightening>,
        /// What asked for it.
        because: Origin,
    },
    /// Give a single value, which the roster sets, the value that the roster sets.
    Revise {
        /// Where.
        pointer: SmolStr,
        /// The value found.
        from: Tree,
        /// The value wanted.
        to: Tree,
        /// How it came to be different.
        cause: Cause,
        /// It allows less than before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tightens: Option<Tightening>,
        /// What asked for it.
        because: Origin,
    },
}

/// How a value came to differ from the roster.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "camelCase")]
pub enum Cause {
    /// The value found is kwo's own: the roster says something else now.
    RosterChanged,
    /// Somebody else wrote it.
    Drift {
        /// What the writer called itself.
        manager: SmolStr,
        /// When.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<SmolStr>,
    },
    /// The system keeps no record of who wrote it.
    Unrecorded,
    /// The value found is kwo's own and was right: a token ends, a server moves.
    Passed,
    /// It is done anew because of what it follows.
    Anew {
        /// The steps of this plan that ask for it; none where the changes were made before.
        after: Vec<ResourceId>,
    },
}

/// Something that is allowed less than before.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tightening {
    /// What is bounded or refused from then on, as a sentence without a full stop.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub what: SmolStr,
    /// How much is in use now, where that is already more than the new bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeded_by_use: Option<SmolStr>,
}

/// An object that the roster wants and that the plan leaves alone.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// The object.
    pub id: ResourceId,
    /// The tenant it is for, or empty.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub tenant: SmolStr,
    /// Why it is left alone.
    pub hold: Hold,
    /// What asked for it.
    pub because: Origin,
}

/// Why something is not done.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Hold {
    /// Nobody could look at it.
    NotObserved {
        /// What was tried and what came of it.
        why: SmolStr,
    },
    /// It exists, does not carry kwo's mark, and adoption was not asked for.
    Foreign {
        /// Who else claims it, where a label says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manager: Option<SmolStr>,
        /// What `--adopt` has to name to take it over: its tenant, or the object itself where it is for none.
        #[serde(default)]
        adopt: SmolStr,
    },
    /// The API refuses to change this field of an object that exists.
    Immutable {
        /// The field.
        pointer: SmolStr,
        /// The value found.
        from: Tree,
        /// The value wanted.
        to: Tree,
    },
    /// A secret that it needs was not found.
    SecretMissing {
        /// The reference.
        secret: SmolStr,
        /// Why, as a sentence without a full stop.
        why: SmolStr,
    },
    /// Something it needs is itself held.
    WaitsOn {
        /// What it needs.
        id: ResourceId,
    },
    /// It is part of a circle of needs.
    Cycle {
        /// The circle, starting and ending with the same object.
        path: Vec<ResourceId>,
    },
    /// This run was not asked to look at it; nothing waits for it.
    LeftOut {
        /// What would have to be asked for.
        why: SmolStr,
        /// What was looked at and does not work without it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        needed_by: Vec<ResourceId>,
    },
    /// It disturbs something, and this run has no leave.
    NeedsLeave {
        /// What it disturbs, as a sentence without a full stop.
        disrupts: SmolStr,
        /// The option that gives leave.
        option: SmolStr,
    },
    /// Somebody else changed it, and the settings say that drift is told and not put right.
    Drift {
        /// What was changed, as a sentence without a full stop.
        what: SmolStr,
    },
    /// It is there as the roster wants it, and does not work; nothing waits for it.
    Failing {
        /// Why, as a sentence without a full stop.
        why: SmolStr,
    },
    /// It cannot be done as things are.
    Refused {
        /// Why, as a sentence without a full stop.
        why: SmolStr,
    },
}

/// Something that carries kwo's mark, or that kwo wrote, and that the roster does not ask for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Leftover {
    /// The object.
    pub id: ResourceId,
    /// The field of it, where the object as a whole is still wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<SmolStr>,
    /// The value there, where it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Tree>,
    /// The tenant it was made for, or empty.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub tenant: SmolStr,
    /// The right that it still gives, as a sentence; such leftovers are shown first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<SmolStr>,
    /// What it still does though the roster says otherwise, as a sentence, where that is no right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<SmolStr>,
    /// The namespace that it goes with, where that is left over as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<ResourceId>,
    /// The command that removes it; empty where nobody looked at a system, as in `kwo diff`.
    pub command: SmolStr,
    /// Of a namespace in which somebody still has rights: the command that ends those and keeps the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights_command: Option<SmolStr>,
}

impl Hold {
    /// Not looked at, because of this.
    pub(crate) fn left_out(why: SmolStr) -> Hold {
        Hold::LeftOut { why, needed_by: Vec::new() }
    }

    /// Does what needs the object wait for it?
    #[must_use]
    pub const fn stops(&self) -> bool {
        !matches!(self, Hold::LeftOut { .. } | Hold::Failing { .. })
    }
}

impl Held {
    /// Was the run not even asked to look at it?
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        matches!(self.hold, Hold::LeftOut { .. })
    }
}

impl Step {
    /// Does it make a new object?
    #[must_use]
    pub fn creates(&self) -> bool {
        matches!(*self.changes, [Change::Create])
    }

    /// What it wants, without the roster at hand.
    #[must_use]
    pub fn resource(&self) -> Resource {
        let (needs, follows) = (Arc::clone(&self.needs), Arc::clone(&self.follows));
        let resource = Resource::new(self.id.clone(), self.wanted.clone(), needs, Reason::Always);
        // Who had this step planned had leave for what is in it.
        let disrupts = self.disrupts.clone();
        let disrupts =
            disrupts.map(|what| Box::new(Disruption { what, option: SmolStr::default(), allowed: true }));
        Resource { secrets: self.secrets.clone(), follows, disrupts, ..resource }
    }

    /// All that it narrows.
    pub fn tightenings(&self) -> impl Iterator<Item = &Tightening> {
        self.tightens.iter().chain(self.changes.iter().filter_map(Change::tightens))
    }

    /// Does it give a value that is there another one?
    #[must_use]
    pub fn revises(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Revise { .. }))
    }
}

/// The changes of a step that makes an object. All of them have the same, which is held once.
pub(crate) fn create() -> Arc<[Change]> {
    static CREATE: LazyLock<Arc<[Change]>> = LazyLock::new(|| Arc::new([Change::Create]));
    Arc::clone(&CREATE)
}

fn is_empty(ids: &Arc<[ResourceId]>) -> bool {
    ids.is_empty()
}

impl Change {
    /// Where it changes something.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        match self {
            Change::Create => None,
            Change::Extend { pointer, .. } | Change::Revise { pointer, .. } => Some(pointer),
        }
    }

    /// What it narrows.
    #[must_use]
    pub fn tightens(&self) -> Option<&Tightening> {
        match self {
            Change::Create => None,
            Change::Extend { tightens, .. } | Change::Revise { tightens, .. } => tightens.as_ref(),
        }
    }

    /// The value that it brings.
    #[must_use]
    pub fn value(&self) -> Option<&Tree> {
        match self {
            Change::Create => None,
            Change::Extend { value, .. } | Change::Revise { to: value, .. } => Some(value),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::RosterChanged => out.write_str("the roster changed"),
            Cause::Drift { manager, when: Some(when) } => {
                write!(out, "drift: written by `{manager}` at {}", moment(when))
            }
            Cause::Drift { manager, when: None } => write!(out, "drift: written by `{manager}`"),
            Cause::Unrecorded => out.write_str("no record of who wrote it"),
            Cause::Passed => out.write_str("it was right when kwo wrote it"),
            Cause::Anew { after } => match after.as_slice() {
                [] => out.write_str("what it reads has changed since"),
                [first, others @ ..] => {
                    write!(out, "after {first}")?;
                    others.iter().try_for_each(|id| write!(out, ", {id}"))
                }
            },
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::NotObserved { why } => write!(out, "not observed: {why}"),
            Hold::Foreign { manager, adopt } => {
                match manager {
                    None => out.write_str("exists without kwo's mark")?,
                    Some(manager) => write!(out, "exists and is managed by `{manager}`")?,
                }
                write!(out, "; `--adopt={adopt}` takes it over, and the plan then shows what changes")
            }
            Hold::Immutable { pointer, from, to } => {
                write!(
                    out,
                    "{pointer} cannot be changed once it exists: it is {from}, and the roster wants {to}"
                )
            }
            Hold::SecretMissing { secret, why } => write!(out, "the secret {secret} cannot be used: {why}"),
            Hold::WaitsOn { id } => write!(out, "waits on {id}"),
            Hold::Cycle { path } => {
                out.write_str("needs itself: ")?;
                for (at, id) in path.iter().enumerate() {
                    write!(out, "{}{id}", if at == 0 { "" } else { " → " })?;
                }
                Ok(())
            }
            Hold::LeftOut { why, needed_by } => {
                write!(out, "not looked at: {why}")?;
                let does = if needed_by.len() == 1 { "does" } else { "do" };
                for (at, id) in needed_by.iter().enumerate() {
                    write!(out, "{}{id}", if at == 0 { "; " } else { ", " })?;
                }
                if needed_by.is_empty() { Ok(()) } else { write!(out, " {does} not work without it") }
            }
            Hold::NeedsLeave { disrupts, option } => {
                write!(out, "disruptive: {disrupts}; `{option}` allows it")
            }
            Hold::Drift { what } => {
                write!(out, "somebody else changed it, and kwo leaves it as it is: {what}")
            }
            Hold::Failing { why } | Hold::Refused { why } => out.write_str(why),
        }
    }
}
