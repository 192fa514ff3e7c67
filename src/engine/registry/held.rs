//! What was found in a registry, and what could not be read of it: a few parts of each owner are named.

use std::collections::BTreeMap;

use kwo_planner::usage::{Holdings, owner};

use super::places::Owners;

/// So many parts of each owner are told one by one.
const TOLD: usize = 20;

/// What a registry holds, as far as it could be read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// What it holds.
    pub holdings: Holdings,
    /// The first of what could not be read of each owner. What several have is here for each of them.
    pub unread: Vec<Unread>,
    /// How much of it there is in all.
    pub unread_in_all: usize,
    /// How many sizes are those that manifests say, because the registry keeps blobs elsewhere.
    pub by_manifest: usize,
    /// Are there repositories that could not even be counted?
    pub cut: bool,
}

/// Something that could not be read. Tenants gave it its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unread {
    /// The repository that it is in; nothing where it is in none.
    pub repository: String,
    /// What.
    pub what: String,
    /// Why, as a sentence without a full stop.
    pub why: String,
}

/// What there is so far, and whose. All who are no tenants are one owner.
pub(super) struct Ledger {
    pub(super) held: Held,
    pub(super) owners: Owners,
    tenants: BTreeMap<String, usize>,
    told: BTreeMap<usize, usize>,
}

impl Ledger {
    pub(super) fn of(tenants: impl IntoIterator<Item = String>) -> Ledger {
        Ledger {
            held: Held::default(),
            owners: Owners(Vec::new()),
            tenants: tenants.into_iter().zip(1..).collect(),
            told: BTreeMap::new(),
        }
    }

    /// Whose a repository of this name is.
    pub(super) fn whose(&self, name: &str) -> usize {
        self.tenants.get(owner(name)).copied().unwrap_or_default()
    }

    pub(super) fn name(&self, repository: usize) -> &str {
        self.held.holdings.repositories.get(repository).map_or("", |repository| &repository.name)
    }

    /// Something could not be read.
    pub(super) fn misses(&mut self, repository: &str, what: String, why: String) {
        self.held.unread_in_all += 1;
        self.tell(repository, what, why);
    }

    /// So many parts of a repository could not be read.
    pub(super) fn misses_in(&mut self, at: usize, many: usize, what: String, why: String) {
        let Some(repository) = self.held.holdings.repositories.get_mut(at) else { return };
        repository.unread += many;
        self.held.unread_in_all += many;
        let name = repository.name.clone();
        self.tell(&name, what, why);
    }

    /// Names it, unless enough is named of the same owner.
    pub(super) fn tell(&mut self, repository: &str, what: String, why: String) {
        let told =
            self.told.entry(self.tenants.get(owner(repository)).copied().unwrap_or_default()).or_default();
        *told += 1;
        if *told <= TOLD {
            self.held.unread.push(Unread { repository: repository.to_owned(), what, why });
        }
    }
}
