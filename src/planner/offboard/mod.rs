//! Somebody leaves: what has to be cut, what goes for good later, and what stays. A person starts it by typing a name; no
//! plan leads here, and `plan.rs` does not name it. A cut always carries its inverse, and a [`Removal`] exists only for
//! what a verified archive holds.

mod brought;
mod cut;
mod hosts;
mod logins;
mod outside;
mod removal;
mod select;
mod storage;
mod strange;

pub use brought::Brought;
pub use cut::{Cut, Entry, Part, Uncut, list_of, manifest};
pub use logins::{Logins, OFFBOARDED, SEEN};
pub use outside::{COMMENTS, GROUP, IDENTITY, POLICY, in_group};
pub use removal::{Barrier, Facts, Found, Gate, Removal, Unremovable};
pub use select::{Others, select};
pub use storage::{gibibytes, stored};
pub use strange::spaces;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::cut::is_account;
use crate::endings::word;
use crate::named::NAVIGATION;
use crate::resource::ResourceId;
use crate::roster::same_host;
use crate::tree::SmolStr;

/// Who or what leaves.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Leaving {
    /// A tenant, with all that was made for it.
    Tenant(SmolStr),
    /// A user or a group.
    Person {
        /// The name that bindings have; of a group with `group:` in front of it, as in the roster.
        name: SmolStr,
        /// Bindings that are not kwo's count as well.
        everywhere: bool,
    },
    /// Exactly what a plan lists as left over.
    Leftovers {
        /// Only what still gives somebody a right.
        access: bool,
    },
    /// A host that the roster no longer names.
    Host(SmolStr),
}

/// What leaves, stage by stage, as far as looking tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Offboarding {
    /// What the stage `cut` ends, in the order in which it ends it.
    pub cut: Vec<Pick>,
    /// What only the stage `destroy` ends, namespaces last.
    pub destroy: Vec<Pick>,
    /// What this run leaves to a person, each with the command.
    pub by_hand: Vec<Pick>,
    /// What others gave in the same namespaces, and what is cut only by leave.
    pub foreign: Vec<Pick>,
    /// What the people keep, and why.
    pub kept: Vec<Kept>,
    /// The namespaces that leave as a whole.
    pub namespaces: Vec<SmolStr>,
    /// The users and groups that lose a right, as the roster writes them.
    pub people: Vec<SmolStr>,
    /// Who has a right by what is cut only by leave: users, groups, and service accounts as
    /// `system:serviceaccount:NAMESPACE:NAME`.
    pub holders: Vec<SmolStr>,
    /// Those of them that are admins of the whole cluster, by whatever binding.
    pub admins: Vec<SmolStr>,
    /// The lines of the roster that would bring it back, as `roster.yaml:12:3: alice:`.
    pub lines: Vec<SmolStr>,
    /// How large the volumes in its namespaces are together, in bytes.
    pub storage: u64,
    /// What nobody could look at, as sentences: what may be left there is not known.
    pub unseen: Vec<SmolStr>,
    /// Of that, what is in a system about which no access review says anything.
    pub unproven: Vec<SmolStr>,
}

/// One thing that is to end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pick {
    /// The object.
    pub id: ResourceId,
    /// The part of it; nothing where it ends as a whole.
    pub part: Option<Part>,
    /// The right that it gives, or what it does, as a sentence.
    pub why: SmolStr,
    /// The command by which a person ends it.
    pub command: SmolStr,
}

/// A right that somebody who leaves has after the cut as well.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Who has it.
    pub who: SmolStr,
    /// The right, as a sentence.
    pub grants: SmolStr,
    /// The namespace that it is for; empty for the whole cluster.
    pub namespace: SmolStr,
    /// The role.
    pub role: SmolStr,
    /// The roster gives it.
    pub by_roster: bool,
    /// Why it stays: the line of the roster that gives it, or that it is not kwo's.
    pub because: SmolStr,
    /// The binding that gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<ResourceId>,
    /// The command that ends it, where it is one of this offboarding.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub ends: SmolStr,
}

impl Kept {
    /// Is a right in this namespace, or in the whole cluster, what the roster gives the person?
    #[must_use]
    pub fn explains(&self, who: &str, namespace: &str) -> bool {
        // Whoever finds the way to a namespace may do nothing in it.
        let inside = self.namespace.is_empty() && (namespace.is_empty() || self.role != NAVIGATION);
        self.by_roster && self.who == who && (inside || self.namespace == namespace)
    }
}

impl Leaving {
    /// Is it about the same one? How far it goes may differ.
    #[must_use]
    pub fn is_same(&self, other: &Leaving) -> bool {
        match (self, other) {
            (Leaving::Tenant(one), Leaving::Tenant(two)) => one == two,
            (Leaving::Person { name: one, everywhere: _ }, Leaving::Person { name: two, everywhere: _ }) => {
                one == two
            }
            (Leaving::Leftovers { .. }, Leaving::Leftovers { .. }) => true,
            (Leaving::Host(one), Leaving::Host(two)) => same_host(one, two),
            _ => false,
        }
    }

    /// What a cut ends of it, as the subject of a sentence.
    #[must_use]
    pub fn lost(&self) -> &'static str {
        match self {
            Leaving::Host(_) => "the host",
            Leaving::Tenant(_) | Leaving::Person { .. } | Leaving::Leftovers { .. } => "the access",
        }
    }

    /// As the command names it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Leaving::Tenant(name) => name.to_string(),
            Leaving::Person { name, everywhere: _ } => format!("--person {}", word(name)),
            Leaving::Leftovers { access: true } => "--leftovers --access".to_owned(),
            Leaving::Leftovers { access: false } => "--leftovers".to_owned(),
            Leaving::Host(host) => format!("--host {}", word(host)),
        }
    }
}

impl Offboarding {
    /// Who still gets in by what was not cut, though it could be. What runs in the namespaces is asked about and no more: it
    /// is as much of the tenant as they are.
    pub fn still(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(|kept| {
            let own = |space: &SmolStr| is_account(&kept.who, space);
            !kept.ends.is_empty() && !self.namespaces.iter().any(own)
        })
    }

    /// Is there nothing that could end?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cut.is_empty() && self.destroy.is_empty() && self.by_hand.is_empty() && self.foreign.is_empty()
    }
}
