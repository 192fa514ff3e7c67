//! Where something is. Anybody who may push can name what others have, so whatever there is too much of is taken in turns: a
//! little of each owner.

use std::collections::{BTreeMap, BTreeSet};

use super::names::Digest;

/// So many of the repositories that name something are asked for it.
const SOME: usize = 24;

/// In turns: the first of each owner, the second of each, and so on. What is cut off is then the end of long lists. What several
/// have comes when the first of them has its turn.
pub(super) fn in_turns<T>(things: Vec<T>, owners: impl Fn(&T) -> BTreeSet<usize>) -> Vec<T> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, T)> = things
        .into_iter()
        .map(|thing| {
            let ranks = owners(&thing).into_iter().map(|owner| {
                let rank = before.entry(owner).or_default();
                *rank += 1;
                *rank
            });
            (ranks.min().unwrap_or_default(), thing)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, thing)| thing).collect()
}

/// Whose each repository is.
pub(super) struct Owners(pub(super) Vec<usize>);

impl Owners {
    pub(super) fn of(&self, repository: usize) -> usize {
        self.0.get(repository).copied().unwrap_or_default()
    }
}

/// Some of the repositories that name something, so that each of their owners has about as many.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    at: Vec<usize>,
    /// Are there more of them?
    pub(super) more: bool,
}

impl Places {
    pub(super) fn add(&mut self, at: usize, owners: &Owners) {
        if self.at.contains(&at) {
            return;
        }
        if self.at.len() < SOME {
            self.at.push(at);
            return;
        }
        self.more = true;
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for place in &self.at {
            *counts.entry(owners.of(*place)).or_default() += 1;
        }
        let own = counts.get(&owners.of(at)).copied().unwrap_or_default();
        let Some((most, many)) = counts.into_iter().max_by_key(|(_, many)| *many) else { return };
        if many > own + 1
            && let Some(last) = self.at.iter_mut().rfind(|place| owners.of(**place) == most)
        {
            *last = at;
        }
    }

    pub(super) fn join(&mut self, other: &Places, owners: &Owners) {
        for at in &other.at {
            self.add(*at, owners);
        }
        self.more |= other.more;
    }

    /// Who has it.
    pub(super) fn owners(&self, owners: &Owners) -> BTreeSet<usize> {
        self.at.iter().map(|at| owners.of(*at)).collect()
    }

    /// In the order in which they are asked.
    pub(super) fn in_turns(&self, owners: &Owners) -> Vec<usize> {
        in_turns(self.at.clone(), |at| BTreeSet::from([owners.of(*at)]))
    }
}

/// Each thing once, in the order in which they come, with its places.
pub(super) struct Together<T> {
    all: Vec<(T, Places)>,
    found: BTreeMap<Digest, usize>,
}

impl<T> Together<T> {
    pub(super) fn new() -> Together<T> {
        Together { all: Vec::new(), found: BTreeMap::new() }
    }

    /// The thing of this digest: the one that is known, or else a new one.
    pub(super) fn entry(&mut self, digest: &Digest, new: impl FnOnce() -> T) -> Option<&mut (T, Places)> {
        let next = self.all.len();
        let number = *self.found.entry(digest.clone()).or_insert(next);
        if number == next {
            self.all.push((new(), Places::default()));
        }
        self.all.get_mut(number)
    }

    pub(super) fn in_turns(self, owners: &Owners) -> Vec<(T, Places)> {
        in_turns(self.all, |(_, places)| places.owners(owners))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pushes_the_place_of_somebody_else_away() {
        // Repository 0 is of the first owner, 1000 to 1002 are of others; the rest is of one who names everything.
        let owners = Owners((0..1003).map(|at| if at == 0 { 1 } else { at.max(999) }).collect());
        let mut places = Places::default();
        for at in (1..1000).chain([0]).chain(1000..1003) {
            places.add(at, &owners);
        }
        assert_eq!(places.owners(&owners), BTreeSet::from([1, 999, 1000, 1001, 1002]));
        assert!(places.more && places.at.len() == SOME);
        let asked = places.in_turns(&owners);
        assert!([0, 1000, 1001, 1002].iter().all(|at| asked[..5].contains(at)), "{asked:?}");
    }

    #[test]
    fn what_two_have_comes_when_the_first_of_them_has_its_turn() {
        let of = |owners: &[usize]| owners.iter().copied().collect::<BTreeSet<usize>>();
        let things =
            vec![("a1", of(&[1])), ("a2", of(&[1])), ("a3", of(&[1])), ("ab", of(&[1, 2])), ("b", of(&[2]))];
        let order: Vec<&str> =
            in_turns(things, |(_, owners)| owners.clone()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(order, ["a1", "ab", "a2", "b", "a3"]);
    }
}
