//! How much a plan says: one line for all of it, and a shorter one for a part.

use crate::change::{Held, Leftover, Step};
use crate::plain::counted;
use crate::plan::Plan;

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Objects to make.
    pub create: usize,
    /// Objects that only get something added.
    pub extend: usize,
    /// Objects in which a value changes.
    pub revise: usize,
    /// How many of all these allow something less than before.
    pub tightens: usize,
    /// Objects that kwo holds.
    pub held: usize,
    /// Objects that the run was not asked to look at.
    pub left_out: usize,
    /// What is left over.
    pub leftovers: usize,
    /// What of that gives somebody a right.
    pub access: usize,
    /// Objects that are as they should be.
    pub unchanged: usize,
    /// Rights that are not kwo's.
    pub foreign: usize,
    /// Ways through the network that are not kwo's.
    pub openings: usize,
    /// Network policies that tenants have and may write.
    pub own_policies: usize,
}

impl Counts {
    /// Counts a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Counts {
        let openings = plan.foreign_access.iter().filter(|foreign| foreign.is_opening()).count();
        let mut counts = Counts {
            unchanged: plan.settled,
            foreign: plan.foreign_access.len() - openings,
            openings,
            own_policies: plan.own_policies,
            ..Counts::default()
        };
        plan.steps.iter().for_each(|step| counts.step(step));
        plan.held.iter().for_each(|held| counts.held(held));
        plan.leftovers.iter().for_each(|leftover| counts.leftover(leftover));
        counts
    }

    /// Counts one step more.
    pub fn step(&mut self, step: &Step) {
        let kind = match () {
            () if step.creates() => &mut self.create,
            () if step.revises() => &mut self.revise,
            () => &mut self.extend,
        };
        *kind += 1;
        self.tightens += usize::from(step.tightenings().next().is_some());
    }

    /// Counts one hold more.
    pub fn held(&mut self, held: &Held) {
        *(if held.is_left_out() { &mut self.left_out } else { &mut self.held }) += 1;
    }

    /// Counts one more that is left over.
    pub fn leftover(&mut self, leftover: &Leftover) {
        self.leftovers += 1;
        self.access += usize::from(leftover.grants.is_some());
    }

    /// What there is besides a part of it. Nobody counts for whom an object is that is as it should be.
    pub fn besides(self, part: Counts) -> Counts {
        Counts {
            create: self.create.saturating_sub(part.create),
            extend: self.extend.saturating_sub(part.extend),
            revise: self.revise.saturating_sub(part.revise),
            tightens: self.tightens.saturating_sub(part.tightens),
            held: self.held.saturating_sub(part.held),
            left_out: self.left_out.saturating_sub(part.left_out),
            leftovers: self.leftovers.saturating_sub(part.leftovers),
            access: self.access.saturating_sub(part.access),
            unchanged: 0,
            foreign: self.foreign.saturating_sub(part.foreign),
            openings: self.openings.saturating_sub(part.openings),
            own_policies: 0,
        }
    }

    /// The counts on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Counts { create, extend, revise, held, leftovers, unchanged, left_out, .. } = self;
        let left_out = if *left_out == 0 { String::new() } else { format!(", {left_out} not looked at") };
        let foreign: String = self.others().map(|others| format!(", {others}")).collect();
        format!(
            "{create} to create, {extend} to extend, {revise} to revise{}, {held} held, {leftovers} left over{}, {unchanged} unchanged{left_out}{foreign}",
            self.narrower(),
            self.access(),
        )
    }

    /// What there is, and nothing of what there is not.
    pub fn short(&self) -> String {
        let Counts { create, extend, revise, held, leftovers, left_out, .. } = self;
        let some = |count: &usize, what: &str| (*count > 0).then(|| format!("{count} {what}"));
        let steps = [some(create, "to create"), some(extend, "to extend"), some(revise, "to revise")];
        let steps = steps.into_iter().flatten().collect::<Vec<String>>().join(", ") + &self.narrower();
        let left = some(leftovers, "left over").map(|left| left + &self.access());
        let parts = [
            Some(steps).filter(|steps| !steps.is_empty()),
            some(held, "held"),
            left,
            some(left_out, "not looked at"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().chain(self.others()).collect();
        if parts.is_empty() { "no changes".to_owned() } else { parts.join(", ") }
    }

    fn narrower(&self) -> String {
        match self.tightens {
            0 => String::new(),
            1 => " (1 tightens)".to_owned(),
            several => format!(" ({several} tighten)"),
        }
    }

    fn access(&self) -> String {
        match self.access {
            0 => String::new(),
            1 => " (1 gives access)".to_owned(),
            several => format!(" ({several} give access)"),
        }
    }

    /// What is not kwo's.
    fn others(&self) -> impl Iterator<Item = String> {
        let told = [
            (self.foreign, "right not kwo's", "rights not kwo's"),
            (self.openings, "way through the network not kwo's", "ways through the network not kwo's"),
            (self.own_policies, "network policy of a tenant's own", "network policies of tenants' own"),
        ];
        let told = told.into_iter().filter(|(count, ..)| *count > 0);
        told.map(|(count, one, many)| counted(count, one, many))
    }
}
