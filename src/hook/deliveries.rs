//! Which deliveries have been seen. What is remembered is bounded: the oldest is forgotten first, and once it is, or
//! after a restart, a replay is one more look that finds nothing new.

use std::collections::{BTreeSet, VecDeque};

use sha2::{Digest as _, Sha256};

use super::signature::Signed;

/// The deliveries of late.
#[derive(Debug)]
pub(super) struct Deliveries {
    most: usize,
    order: VecDeque<[u8; 32]>,
    known: BTreeSet<[u8; 32]>,
}

impl Deliveries {
    /// Remembers this many marks.
    #[must_use]
    pub(super) fn new(most: usize) -> Deliveries {
        Deliveries { most, order: VecDeque::new(), known: BTreeSet::new() }
    }

    /// Was neither its id nor its body there before? From then on both were. Most forges do not sign the id, so that
    /// another id alone does not make a delivery new; a delivery without one is known by its body.
    pub(super) fn is_new(&mut self, signed: &Signed, id: Option<&[u8]>) -> bool {
        let of = [signed.forge.field().as_bytes()];
        let body = digest(of.into_iter().chain([b"body".as_slice(), &signed.body]));
        let id = id.map(|id| digest(of.into_iter().chain([b"id".as_slice(), id])));
        if id.is_some_and(|id| self.known.contains(&id)) || self.known.contains(&body) {
            return false;
        }
        for mark in id.into_iter().chain([body]) {
            if self.order.len() >= self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.order.push_back(mark);
            self.known.insert(mark);
        }
        true
    }
}

fn digest<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part.len().to_be_bytes());
        sha.update(part);
    }
    sha.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Forge;

    fn signed(forge: Forge, body: u8) -> Signed {
        Signed { forge, body: [body; 32] }
    }

    #[test]
    fn a_delivery_is_new_once() {
        let mut seen = Deliveries::new(100);
        let github = |body| signed(Forge::GitHub, body);
        assert!(seen.is_new(&github(1), Some(b"a")));
        assert!(!seen.is_new(&github(1), Some(b"a")), "sent again");
        assert!(!seen.is_new(&github(1), Some(b"b")), "the id is not signed");
        assert!(!seen.is_new(&github(1), None), "and may be left out");
        assert!(!seen.is_new(&github(2), Some(b"a")));
        assert!(seen.is_new(&github(2), Some(b"c")));
        assert!(seen.is_new(&signed(Forge::GitLab, 1), Some(b"a")), "of another forge");
        assert!(seen.is_new(&github(3), None) && !seen.is_new(&github(3), None));
    }

    #[test]
    fn the_oldest_is_forgotten_and_the_memory_bounded() {
        let mut seen = Deliveries::new(10);
        for body in 0..200 {
            assert!(seen.is_new(&signed(Forge::Gitea, body), Some(&[body])));
            assert!(seen.order.len() <= 10 && seen.known.len() == seen.order.len());
        }
        assert!(!seen.is_new(&signed(Forge::Gitea, 196), None));
        assert!(seen.is_new(&signed(Forge::Gitea, 1), None));
    }
}
