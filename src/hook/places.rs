//! Who is connected, and who has to go when there is no place left: never the new one. A connection that has sent
//! nothing goes before one that brings a delivery; among those, the oldest one of the address with the most
//! connections. So kwo never turns an address away, least of all a proxy that everybody uses, and strangers push out
//! only each other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// How far a connection is. The first ones go first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Phase {
    /// It has its answer.
    Answered,
    /// Its head is not there yet, or is none of a delivery.
    Stranger,
    /// The head is one of a forge that there is a secret for.
    Delivery,
}

struct Taken {
    from: IpAddr,
    phase: Phase,
    task: Option<AbortHandle>,
}

/// All that are connected, by their number: the oldest has the lowest.
pub(super) struct Places {
    most: usize,
    taken: Mutex<(u64, BTreeMap<u64, Taken>)>,
}

/// One place, free again when this is gone.
pub(super) struct Place<'p> {
    places: &'p Places,
    number: u64,
}

impl Places {
    /// So many, at least one.
    pub(super) fn new(most: usize) -> Places {
        Places { most: most.max(1), taken: Mutex::new((0, BTreeMap::new())) }
    }

    fn taken(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Taken>)> {
        // Every change is one call.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for one that comes from there. Gives its number, and whether another one had to go for it.
    pub(super) fn take(&self, from: IpAddr) -> (u64, bool) {
        let mut taken = self.taken();
        let (last, all) = &mut *taken;
        let mut gone = false;
        while all.len() >= self.most {
            let mut of_address: BTreeMap<IpAddr, usize> = BTreeMap::new();
            for held in all.values() {
                *of_address.entry(network(held.from)).or_default() += 1;
            }
            let many = |held: &Taken| of_address.get(&network(held.from)).copied().unwrap_or_default();
            let victim =
                all.iter().min_by_key(|(number, held)| (held.phase, std::cmp::Reverse(many(held)), **number));
            let Some(number) = victim.map(|(number, _)| *number) else { break };
            if let Some(task) = all.remove(&number).and_then(|held| held.task) {
                task.abort();
            }
            gone = true;
        }
        *last += 1;
        all.insert(*last, Taken { from, phase: Phase::Stranger, task: None });
        (*last, gone)
    }

    /// The task that is at work for this number; it is ended where the place is taken away.
    pub(super) fn works(&self, number: u64, task: AbortHandle) {
        if let Some(held) = self.taken().1.get_mut(&number) {
            held.task = Some(task);
        }
    }

    /// The place of this number, for the task that is at work for it.
    pub(super) fn place(&self, number: u64) -> Place<'_> {
        Place { places: self, number }
    }
}

impl Place<'_> {
    /// The connection comes to be so far.
    pub(super) fn is(&self, phase: Phase) {
        if let Some(held) = self.places.taken().1.get_mut(&self.number) {
            held.phase = phase;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.taken().1.remove(&self.number);
    }
}

/// What one machine has of addresses: with IPv6 a whole network.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(places: &Places) -> Vec<u64> {
        places.taken().1.keys().copied().collect()
    }

    #[test]
    fn whoever_has_the_most_goes_first_and_the_oldest_of_those() {
        let places = Places::new(4);
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = places.take(from("192.0.2.1")).0;
        let many: Vec<u64> = ["::1", "::2", "::3"].map(|address| places.take(from(address)).0).into();
        // The three are of one network, and the one alone stays though it is older.
        let (next, gone) = places.take(from("192.0.2.2"));
        assert!(gone);
        assert_eq!(held(&places), [one, many[1], many[2], next]);
        // A delivery stays where there is anybody else, and who has an answer goes first.
        places.place(many[1]).is(Phase::Stranger);
        assert_eq!(held(&places), [one, many[2], next], "the place that was dropped is free");
        let place = places.place(one);
        place.is(Phase::Delivery);
        for _ in 0..20 {
            places.take(from("192.0.2.1"));
        }
        assert!(held(&places).contains(&one));
        place.is(Phase::Answered);
        places.take(from("192.0.2.9"));
        assert!(!held(&places).contains(&one));
        assert_eq!(held(&places).len(), 4);
    }
}
