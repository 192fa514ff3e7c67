//! One write to a zone: what is there decides it, and it is done once. Where the server compares, it is done only if what
//! decided is still so; where it does not, kwo looks right before and right after.

use std::time::Instant;

use kwo_planner::plain::counted;

use super::records::{RecordSet, is_inside};
use super::server::{Patch, Wrote};
use super::zone::{Zone, is_as};
use crate::providers::Refusal;
use crate::providers::patience::TRIES;

/// What is to stand there after a write.
pub(super) struct Next {
    /// The set; without records where it ends.
    pub(super) set: RecordSet,
    /// Or only its comments.
    pub(super) writes_records: bool,
}

impl Zone {
    /// Writes what is decided by all that a set depends on and by the set itself; nothing where nothing has to be written.
    pub(super) async fn transact(
        &self,
        (of, name): (&str, &str),
        decide: impl Fn(&[RecordSet], Option<&RecordSet>) -> Result<Option<Next>, Refusal>,
    ) -> Result<(), Refusal> {
        // A server takes a name below its zone, so what stands elsewhere would be written at some other name.
        if !is_inside(name, &self.name) {
            let why = format!("{name} is no name of the zone {}", self.name);
            return Err(Refusal::Refused { why });
        }
        let _turn = self.turn.lock().await;
        let patience = self.server.patience();
        let mut tries = 0;
        loop {
            // What did not answer one step keeps no other one waiting.
            if let Some(why) = patience.away() {
                return Err(Refusal::Unreachable { why });
            }
            tries += 1;
            let recall = || self.server.recall(of, name);
            let (sets, compared) = match recall() {
                Some(sets) => (sets, true),
                None => {
                    let sets = self.read(name).await?;
                    recall().map_or((sets, false), |sets| (sets, true))
                }
            };
            let before = there(&sets, of, name).cloned();
            let Some(Next { set: after, writes_records }) = decide(&sets, before.as_ref())? else {
                return Ok(());
            };
            let patch = Patch { before, after, writes_records };
            let began = Instant::now();
            let wrote = self.server.write(std::slice::from_ref(&patch)).await;
            if let Wrote::NotSent(_) | Wrote::Unsure(_) = wrote {
                patience.spend(began.elapsed());
            }
            let unsure = match wrote {
                Wrote::Refused(why) => return Err(Refusal::Refused { why }),
                Wrote::Changed(why) => return Err(Refusal::Changed { why }),
                Wrote::Busy(_, after) if patience.pause(tries, after).await => continue,
                Wrote::NotSent(_) if tries < TRIES && patience.pause(tries, None).await => continue,
                Wrote::Busy(why, _) | Wrote::NotSent(why) => {
                    let why = format!("{why} ({})", counted(tries, "try", "tries"));
                    return Err(Refusal::Unreachable { why: patience.give_up(why) });
                }
                Wrote::Unsure(why) => Some(why),
                Wrote::Done if compared => return Ok(()),
                Wrote::Done => None,
            };
            let sets = match (self.read(name).await, unsure.clone()) {
                (Ok(sets), _) => sets,
                // It was done, and only the look after it was not.
                (Err(refusal), None) => return Err(refusal),
                (Err(_), Some(why)) => return Err(Refusal::Unreachable { why }),
            };
            return match (is_done(there(&sets, of, name), &patch.after), unsure) {
                (true, _) => Ok(()),
                (false, Some(why)) => Err(Refusal::Unreachable { why }),
                (false, None) => {
                    Err(Refusal::Changed { why: format!("{of} {name} is another one right after the write") })
                }
            };
        }
    }
}

pub(super) fn there<'s>(sets: &'s [RecordSet], of: &str, name: &str) -> Option<&'s RecordSet> {
    sets.iter().find(|set| set.of == of && set.name == name)
}

/// Is what is there what was written? Of a set that ended, the comments of others may be left.
fn is_done(there: Option<&RecordSet>, wrote: &RecordSet) -> bool {
    match there {
        None => wrote.records.is_empty(),
        Some(there) if wrote.records.is_empty() => there.records.is_empty(),
        Some(there) => is_as(there, wrote),
    }
}
