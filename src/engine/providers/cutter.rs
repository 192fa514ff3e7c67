//! What a system has to do beside [`Provider`](super::Provider) so that somebody can leave it. This is the only
//! way in kwo by which anything ends, and no run of `plan`, `apply`, `sync`, `hook`, `watch` or `ci` gets hold of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use kwo_planner::observed::Version;
use kwo_planner::offboard::{Cut, Removal};
use kwo_planner::resource::ResourceId;
use kwo_planner::systems::System;
use kwo_planner::tree::{SmolStr, Tree};

use super::composite::Opens;
use super::open_systems::Opened;
use super::{Promise, Refusal, VersionedText, open_systems};
use crate::departed::Departed;
use crate::marks::{Marks, Milestone};

/// An object as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// All of it.
    pub object: Tree,
    /// What a cut has to name, so that it fails if the object has changed since.
    pub version: Version,
    /// Why it may be somebody else's by now, as a sentence without a full stop: then only the rest of what an earlier cut began
    /// to end is cut.
    pub doubt: Option<&'static str>,
}

/// What became of an undo.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Restored {
    /// It is there again as it was.
    Back,
    /// Only the roster can have it made anew, since no record holds its secret.
    ByRoster,
}

/// Something that stays in a system when a tenant is gone, or that may stay there and could not be looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remain {
    /// Where, by names and never by what is in it.
    pub place: String,
    /// What becomes of it, as a sentence without a full stop.
    pub why: String,
    /// The command that ends it, and what that means; empty where there is none.
    pub end: String,
}

/// A system that somebody can leave.
pub trait Cutter: Send + Sync {
    /// The object as it is now; nothing where there is none.
    fn whole<'a>(&'a self, id: &'a ResourceId) -> Promise<'a, Result<Option<Whole>, Refusal>>;

    /// Ends what the cut says, if the object is still as it was seen. What is gone already is cut.
    fn cut<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<(), Refusal>>;

    /// Brings back what the cut ended, once.
    fn restore<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<Restored, Refusal>>;

    /// What stays in it of these namespaces, also after they are gone.
    fn remains<'a>(&'a self, _spaces: &'a [SmolStr]) -> Promise<'a, Vec<Remain>> {
        Box::pin(async { Vec::new() })
    }

    /// Ends an object for good, if it is still as the archive has it.
    fn remove<'a>(&'a self, removal: &'a Removal) -> Promise<'a, Result<(), Refusal>>;
}

/// What is kept of those who left, in the system itself, so that every machine knows it.
pub trait Records: Send + Sync {
    /// The record of this name, where there is one.
    fn record<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Option<VersionedText>, Refusal>>;

    /// Leaves a mark beside the record that this begins now, and for how many seconds everything is kept. The system itself
    /// dates it, and nobody who may only change what is there can take it away, or date it otherwise.
    fn mark<'a>(&'a self, name: &'a str, what: Milestone, retain: u64) -> Promise<'a, Result<(), Refusal>>;

    /// These marks; none where the system dates nothing.
    fn marks<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Marks, Refusal>>;

    /// Leaves a record in place of the one that was read, and beside it what is told of it in short; gives it as it is now.
    fn keep<'a>(
        &'a self,
        name: &'a str,
        text: (&'a str, &'a Departed),
        seen: Option<&'a VersionedText>,
    ) -> Promise<'a, Result<VersionedText, Refusal>>;
}

/// Systems that are opened later.
type Named = Arc<OnceLock<BTreeMap<System, Arc<dyn Cutter>>>>;

/// The systems that somebody can leave.
pub struct Cutters {
    home: Arc<dyn Cutter>,
    systems: BTreeMap<System, Arc<dyn Cutter>>,
    /// Those that the roster names, from when the secrets of the run are known.
    named: Named,
    /// Where the records are.
    pub records: Arc<dyn Records>,
}

impl Cutters {
    /// The main system, and all systems by their names.
    #[must_use]
    pub fn new(
        records: Arc<dyn Records>,
        home: Arc<dyn Cutter>,
        systems: impl IntoIterator<Item = (System, Arc<dyn Cutter>)>,
    ) -> Cutters {
        Cutters { home, systems: systems.into_iter().collect(), named: Named::default(), records }
    }

    /// Opens the systems that the roster names, so that somebody can leave them as well.
    #[must_use]
    pub fn opens(&self) -> Opens {
        let named = Arc::clone(&self.named);
        Box::new(move |vault, around| {
            let mut cutters: BTreeMap<System, Arc<dyn Cutter>> = BTreeMap::new();
            let opened = open_systems::open(vault, around, &mut |opened| {
                match opened {
                    Opened::Vault(server) => cutters.insert(System::Vault, Arc::clone(server) as _),
                    Opened::Dns(zones) => cutters.insert(System::Dns, Arc::clone(zones) as _),
                };
            });
            let _ = named.set(cutters);
            opened
        })
    }

    /// The main system, by which a namespace ends.
    #[must_use]
    pub fn home(&self) -> &dyn Cutter {
        &*self.home
    }

    /// What stays of these namespaces in the systems that the roster names.
    pub async fn remains(&self, spaces: &[SmolStr]) -> Vec<Remain> {
        let mut all = Vec::new();
        for cutter in self.named.get().into_iter().flat_map(BTreeMap::values) {
            all.extend(cutter.remains(spaces).await);
        }
        all
    }

    /// The system of an object.
    ///
    /// # Errors
    /// When the run was not asked to look at that system.
    pub fn of(&self, id: &ResourceId) -> Result<&dyn Cutter, Refusal> {
        let why = || Refusal::Refused { why: id.system.rules().not_asked().to_string() };
        let named = || self.named.get()?.get(&id.system);
        self.systems.get(&id.system).or_else(named).map(|cutter| &**cutter).ok_or_else(why)
    }
}
