//! A write to a zone: what is there decides it, and it is done once. Where the server compares, it is done only if what
//! decided it is still so; where it does not, kwo looks right before and right after. Several sets go in one transaction; one
//! that does not come to pass is divided, so that no set holds another.

use std::time::Instant;

use kwo_planner::plain::counted;

use super::records::{Content, RecordSet, is_inside};
use super::server::{Patch, Wrote};
use super::zone::{Zone, is_as};
use crate::providers::patience::TRIES;
use crate::providers::{Refusal, Together};

/// From how many names on the whole zone is read, and not one name after the other.
pub(super) const WHOLE: usize = 8;

/// A transaction has so many names only where the zone has no more than so many sets for each of them.
const SETS_A_NAME: usize = 100;

/// How many single sets in a row a server denies the key before kwo takes it that it denies all of them. One that may not
/// write some names still writes the others.
const DENIALS: usize = 20;

/// What is to stand there after a write.
pub(super) struct Next {
    /// The set; without records where it ends.
    pub(super) set: RecordSet,
    /// Or only its comments.
    pub(super) writes_records: bool,
}

/// One set of a transaction, at a name of its own there.
pub(super) struct Move<'m> {
    pub(super) of: &'m str,
    pub(super) name: &'m str,
    /// What is written, by all that the set depends on and by the set itself; nothing where nothing has to be written.
    pub(super) decide: Box<Decide<'m>>,
}

type Decide<'m> = dyn Fn(&Content, Option<&RecordSet>) -> Result<Option<Next>, Refusal> + Send + Sync + 'm;

/// What a server said that is true for later writes of the run, too.
#[derive(Debug, Default)]
pub(super) struct Welcome {
    /// How many single sets it denied the key, one after the other.
    denials: usize,
    /// Why nobody writes there any more.
    closed: Option<String>,
    /// Why nothing new is made there any more.
    full: Option<String>,
}

impl Welcome {
    /// A single set was denied.
    fn denied(&mut self, why: &str) {
        self.denials += 1;
        if self.denials >= DENIALS {
            self.closed = Some(why.to_owned());
        }
    }
}

impl Zone {
    /// Makes one move.
    pub(super) async fn transact(&self, only: Move<'_>) -> Result<(), Refusal> {
        match self.transact_all(&[only]).await {
            Together::Each(mut became) if became.len() == 1 => became.swap_remove(0),
            Together::Each(_) | Together::Divided(_) => {
                Err(Refusal::Refused { why: "kwo itself failed: a single write was divided".to_owned() })
            }
        }
    }

    /// Makes these moves in one transaction.
    pub(super) async fn transact_all(&self, moves: &[Move<'_>]) -> Together {
        // A server takes a name below its zone, so what stands elsewhere would be written at some other name.
        if let Some(outside) = moves.iter().find(|one| !is_inside(one.name, &self.name)) {
            return match moves {
                [_] => {
                    let why = format!("{} is no name of the zone {}", outside.name, self.name);
                    Together::Each(vec![Err(Refusal::Refused { why })])
                }
                _ => Together::divided(moves.iter().map(|one| is_inside(one.name, &self.name)).collect()),
            };
        }
        let _turn = self.turn.lock().await;
        let all = |refusal: &Refusal| Together::Each(vec![Err(refusal.clone()); moves.len()]);
        if let Some(why) = self.welcome().closed.clone() {
            return all(&Refusal::Refused { why });
        }
        let patience = self.server.patience();
        let mut tries = 0;
        loop {
            // What did not answer one step keeps no other one waiting.
            if let Some(why) = patience.away() {
                return all(&Refusal::Unreachable { why });
            }
            tries += 1;
            let (content, compared) = match self.there(moves.iter(), false).await {
                Ok(there) => there,
                Err(refusal) => return all(&refusal),
            };
            let full = self.welcome().full.clone();
            let Decided { mut became, places, patches } = Decided::of(moves, &content, full.as_deref());
            if patches.is_empty() {
                return Together::Each(became);
            }
            let apart = patches.iter().filter(|patch| self.server.goes_apart(patch));
            let apart: Vec<&str> = apart.map(|patch| patch.after.name.as_str()).collect();
            if !apart.is_empty() && apart.len() < patches.len() {
                return Together::divided(moves.iter().map(|one| apart.contains(&one.name)).collect());
            }
            let began = Instant::now();
            let wrote = self.server.write(&patches).await;
            if let Wrote::NotSent(_) | Wrote::Unsure(_) = wrote {
                patience.spend(began.elapsed());
            }
            let first = places[0];
            let unsure = match wrote {
                Wrote::Closed(why) => {
                    self.welcome().closed = Some(why.clone());
                    places.iter().for_each(|at| became[*at] = Err(Refusal::Refused { why: why.clone() }));
                    return Together::Each(became);
                }
                Wrote::Refused(_) | Wrote::Denied(_) | Wrote::Full(_) | Wrote::Changed(_)
                    if patches.len() > 1 =>
                {
                    let half = places[patches.len() / 2];
                    return Together::divided((0..moves.len()).map(|at| at < half).collect());
                }
                Wrote::Refused(why) => {
                    became[first] = Err(Refusal::Refused { why });
                    return Together::Each(became);
                }
                Wrote::Denied(why) => {
                    self.welcome().denied(&why);
                    became[first] = Err(Refusal::Refused { why });
                    return Together::Each(became);
                }
                Wrote::Full(why) => {
                    self.welcome().full = Some(why.clone());
                    became[first] = Err(Refusal::Refused { why });
                    return Together::Each(became);
                }
                Wrote::Changed(why) => {
                    became[first] = Err(Refusal::Changed { why });
                    return Together::Each(became);
                }
                Wrote::Busy(_, after) if patience.pause(tries, after).await => continue,
                Wrote::NotSent(_) if tries < TRIES && patience.pause(tries, None).await => continue,
                Wrote::Busy(why, _) | Wrote::NotSent(why) => {
                    let why = format!("{why} ({})", counted(tries, "try", "tries"));
                    let refusal = Refusal::Unreachable { why: patience.give_up(why) };
                    places.iter().for_each(|at| became[*at] = Err(refusal.clone()));
                    return Together::Each(became);
                }
                Wrote::Unsure(why) => Some(why),
                Wrote::Done => {
                    self.welcome().denials = 0;
                    if compared {
                        return Together::Each(became);
                    }
                    None
                }
            };
            let seen = self.there(places.iter().map(|at| &moves[*at]), compared).await;
            let seen = match (seen, &unsure) {
                (Ok((content, _)), _) => Ok(content),
                // It was done, and only the look after it was not.
                (Err(refusal), None) => Err(refusal),
                (Err(_), Some(why)) => Err(Refusal::Unreachable { why: why.clone() }),
            };
            for (at, Patch { after, .. }) in places.into_iter().zip(&patches) {
                let (of, name) = (&after.of, &after.name);
                became[at] = match (&seen, &unsure) {
                    (Err(refusal), _) => Err(refusal.clone()),
                    (Ok(content), _) if is_done(content.there(of, name), after) => Ok(()),
                    (Ok(_), Some(why)) => Err(Refusal::Unreachable { why: why.clone() }),
                    (Ok(_), None) => {
                        let why = format!("{of} {name} is another one right after the write");
                        Err(Refusal::Changed { why })
                    }
                };
            }
            return Together::Each(became);
        }
    }

    /// Is it worth reading the whole zone for so many names?
    pub(super) fn is_worth_reading(&self, names: usize) -> bool {
        names >= WHOLE && self.seen() <= names * SETS_A_NAME
    }

    /// All that these moves depend on, and whether a write fails once that is no longer so. What a server recalls is
    /// `doubted` where it did not say what became of a write.
    async fn there<'m>(
        &self,
        moves: impl Iterator<Item = &'m Move<'m>>,
        doubted: bool,
    ) -> Result<(Content, bool), Refusal> {
        let moves: Vec<&Move<'_>> = moves.collect();
        let recall = |one: &Move<'_>| self.server.recall(one.of, one.name);
        let recalled = || moves.iter().map(|one| recall(one)).collect::<Option<Vec<_>>>();
        let lacks = moves.iter().filter(|one| recall(one).is_none()).count();
        let mut read = Vec::new();
        // Also of a half, which has fewer names than the transaction that was chosen.
        if lacks >= WHOLE || doubted && moves.len() > 1 {
            read = self.read(None).await?;
        } else {
            for one in &moves {
                // One look may have renewed what the next one depends on.
                if doubted || recall(one).is_none() {
                    read.extend(self.read(Some(one.name)).await?);
                }
            }
        }
        if doubted || !self.server.remembers() {
            return Ok((Content::of(read), false));
        }
        // A part of what they depend on is no base for the others.
        let sets = match recalled() {
            Some(sets) => Some(sets),
            None => {
                read = self.read(None).await?;
                recalled()
            }
        };
        Ok(match sets {
            Some(sets) => (Content::of(sets.into_iter().flatten()), true),
            None => (Content::of(read), false),
        })
    }
}

/// What each move is decided to be.
struct Decided {
    became: Vec<Result<(), Refusal>>,
    /// Which moves are written, and how.
    places: Vec<usize>,
    patches: Vec<Patch>,
}

impl Decided {
    /// By what is there. Where the zone is full, nothing new is made.
    fn of(moves: &[Move<'_>], content: &Content, full: Option<&str>) -> Decided {
        let mut decided =
            Decided { became: vec![Ok(()); moves.len()], places: Vec::new(), patches: Vec::new() };
        for (at, Move { of, name, decide }) in moves.iter().enumerate() {
            let before = content.there(of, name).cloned();
            match decide(content, before.as_ref()) {
                Ok(None) => {}
                Ok(Some(_)) if before.is_none() && full.is_some() => {
                    let why = full.unwrap_or_default().to_owned();
                    decided.became[at] = Err(Refusal::Refused { why });
                }
                Ok(Some(Next { set: after, writes_records })) => {
                    decided.places.push(at);
                    decided.patches.push(Patch { before, after, writes_records });
                }
                Err(refusal) => decided.became[at] = Err(refusal),
            }
        }
        decided
    }
}

/// Is what is there what was written? Of a set that ended, the comments of others may be left.
fn is_done(there: Option<&RecordSet>, wrote: &RecordSet) -> bool {
    match there {
        None => wrote.records.is_empty(),
        Some(there) if wrote.records.is_empty() => there.records.is_empty(),
        Some(there) => is_as(there, wrote),
    }
}
