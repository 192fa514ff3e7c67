//! Steps of one zone go together, as many as the server takes in one transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use kwo_planner::change::Step;

use super::records::Content;
use super::transact::{Move, WHOLE};
use super::zone::{Zone, checked, next, records_of, wanted_of};
use crate::providers::{Refusal, Together};

impl Zone {
    /// Do its steps go together?
    pub(super) fn gathers(&self) -> bool {
        self.server.at_once() > 1
    }

    /// Does one step.
    pub(super) async fn write(&self, step: &Step, cluster: &str) -> Result<(), Refusal> {
        let only = self.made_by(step, cluster)?;
        self.transact(only).await
    }

    /// Does these steps in one transaction.
    pub(super) async fn write_together(&self, steps: &[Arc<Step>], cluster: &str) -> Together {
        let moves: Result<Vec<Move<'_>>, Refusal> =
            steps.iter().map(|step| self.made_by(step, cluster)).collect();
        match moves {
            Ok(moves) => self.transact_all(&moves).await,
            // Each is written by itself in the end, which says why not.
            Err(_) => Together::divided(vec![true; steps.len()]),
        }
    }

    /// What goes into the next transaction: of each name one set, because what stands at a name decides what else can.
    pub(super) fn transaction(&self, steps: &[Arc<Step>]) -> BTreeSet<usize> {
        let (mut taken, mut names, mut room) = (BTreeSet::new(), BTreeSet::new(), self.server.at_once());
        for (at, step) in steps.iter().enumerate() {
            // The mark is one more.
            let size = 1 + records_of(&step.wanted).len();
            let name = step.id.record().map(|(_, name)| name);
            if (taken.is_empty() || size <= room) && names.insert(name) {
                room = room.saturating_sub(size);
                taken.insert(at);
            }
            if room <= 1 {
                break;
            }
        }
        // What is looked at name by name is looked at for long, and somebody may write meanwhile.
        if !self.server.remembers() && !self.is_worth_reading(taken.len()) {
            return taken.into_iter().take(WHOLE - 1).collect();
        }
        taken
    }

    /// The move of a step.
    fn made_by<'s>(&'s self, step: &'s Step, cluster: &'s str) -> Result<Move<'s>, Refusal> {
        let Some((of, name)) = step.id.record() else {
            return Err(Refusal::Refused { why: format!("kwo knows no {} of a zone", step.id.kind) });
        };
        let decide = move |content: &Content, there: Option<&_>| {
            checked(step, there)?;
            let next = next(step, (of, name), there, (cluster, &*self.server))?;
            let blocked = there.and_then(|there| self.marked_by_others(there, cluster));
            let wanted = wanted_of((of, name), &step.wanted);
            match blocked.or_else(|| self.in_the_way(content, &wanted, cluster)) {
                Some(why) => Err(Refusal::Refused { why }),
                None => Ok(Some(next)),
            }
        };
        Ok(Move { of, name, decide: Box::new(decide) })
    }
}
