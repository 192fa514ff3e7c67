//! What tenants take of a registry: the sum over what its repositories name, each blob once a tenant. Whoever asks the
//! registry is in the engine; here are the numbers alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::SmolStr;

/// How much a tenant may take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allowance {
    /// In bytes; never nothing.
    pub bytes: u64,
    /// Who says so.
    pub source: Source,
}

/// Where in the roster an amount stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// At the tier of this name.
    Tier(SmolStr),
    /// At the tenant itself.
    Tenant,
}

/// What a registry holds, as far as its API shows it. A blob is a layer, a configuration or a manifest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Holdings {
    /// Its repositories.
    pub repositories: Vec<Repository>,
    /// The size of each blob; repositories name it by its place here.
    pub sizes: Vec<u64>,
}

/// One repository.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// How many tags it has.
    pub tags: usize,
    /// The blobs of its images.
    pub blobs: BTreeSet<usize>,
    /// How many of its tags, manifests and blobs could not be read: it may take more.
    pub unread: usize,
}

impl Repository {
    /// The first part of its name, which says whose it is.
    #[must_use]
    pub fn owner(&self) -> &str {
        owner(&self.name)
    }
}

/// Whose a repository of this name is.
#[must_use]
pub fn owner(repository: &str) -> &str {
    repository.split('/').next().unwrap_or_default()
}

/// What somebody takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Taken {
    /// In bytes, each blob once.
    pub bytes: u64,
    /// How much of it is in repositories of others, too.
    pub shared: u64,
    /// How many repositories.
    pub repositories: usize,
    /// How many tags they have.
    pub tags: usize,
    /// How many parts of it could not be read.
    pub unread: usize,
}

/// What each takes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Shares {
    /// Each of the tenants, also those that take nothing.
    pub tenants: BTreeMap<SmolStr, Taken>,
    /// What is no tenant's.
    pub others: Taken,
    /// All of them together, in bytes: what several share counts once.
    pub all: u64,
}

/// What each of these tenants takes, and what is left for nobody.
#[must_use]
pub fn shares<'t>(holdings: &Holdings, tenants: impl IntoIterator<Item = &'t SmolStr>) -> Shares {
    let Holdings { repositories, sizes } = holdings;
    let size = |blob: &usize| sizes.get(*blob).copied().unwrap_or_default();
    // Every repository that is no tenant's is of one owner, who has no name.
    let mut owners: BTreeMap<Option<SmolStr>, (Taken, BTreeSet<usize>)> =
        tenants.into_iter().map(|tenant| (Some(tenant.clone()), Default::default())).collect();
    owners.entry(None).or_default();
    for repository in repositories {
        let name = Some(SmolStr::new(repository.owner()));
        let owner = if owners.contains_key(&name) { name } else { None };
        let (taken, blobs) = owners.entry(owner).or_default();
        taken.repositories += 1;
        taken.tags += repository.tags;
        taken.unread += repository.unread;
        blobs.extend(&repository.blobs);
    }
    let mut holders: BTreeMap<usize, usize> = BTreeMap::new();
    for blob in owners.values().flat_map(|(_, blobs)| blobs) {
        *holders.entry(*blob).or_default() += 1;
    }
    let sum = |blobs: &mut dyn Iterator<Item = &usize>| blobs.map(size).fold(0_u64, u64::saturating_add);
    let all = sum(&mut holders.keys());
    let mut found = Shares { all, ..Shares::default() };
    for (owner, (mut taken, blobs)) in owners {
        taken.bytes = sum(&mut blobs.iter());
        taken.shared = sum(&mut blobs.iter().filter(|blob| holders.get(*blob).is_some_and(|many| *many > 1)));
        match owner {
            Some(tenant) => {
                found.tenants.insert(tenant, taken);
            }
            None => found.others = taken,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(name: &str, blobs: &[usize]) -> Repository {
        Repository { name: name.to_owned(), tags: 1, blobs: blobs.iter().copied().collect(), unread: 0 }
    }

    fn found(repositories: Vec<Repository>, sizes: &[u64]) -> Shares {
        let tenants = ["alice", "bob", "carol"].map(SmolStr::from);
        shares(&Holdings { repositories, sizes: sizes.to_vec() }, &tenants)
    }

    #[test]
    fn a_blob_counts_once_for_each_who_has_it() {
        let all = vec![
            repository("alice/web", &[0, 1]),
            repository("alice/api", &[0, 2]),
            repository("bob", &[0, 3]),
            repository("ali/x", &[4]),
            repository("alice2/x", &[4]),
        ];
        let found = found(all, &[1000, 100, 10, 1, 7]);
        let alice = Taken { bytes: 1110, shared: 1000, repositories: 2, tags: 2, unread: 0 };
        let bob = Taken { bytes: 1001, shared: 1000, repositories: 1, tags: 1, unread: 0 };
        assert_eq!((found.tenants["alice"], found.tenants["bob"]), (alice, bob));
        assert_eq!(found.tenants["carol"], Taken::default());
        // Two who are no tenants share nothing with anybody.
        assert_eq!(found.others, Taken { bytes: 7, shared: 0, repositories: 2, tags: 2, unread: 0 });
        assert_eq!(found.all, 1118);
    }

    #[test]
    fn what_nobody_can_store_is_the_most_there_is_and_not_little() {
        let found = found(vec![repository("alice/web", &[0, 1, 9])], &[u64::MAX, u64::MAX]);
        assert_eq!((found.tenants["alice"].bytes, found.all), (u64::MAX, u64::MAX));
    }

    #[test]
    fn what_could_not_be_read_stays_with_whose_it_is() {
        let broken = Repository { unread: 2, ..repository("bob/a", &[]) };
        let found = found(vec![broken, repository("alice/a", &[0])], &[1]);
        assert_eq!(
            (found.tenants["bob"].unread, found.tenants["alice"].unread, found.others.unread),
            (2, 0, 0)
        );
    }
}
