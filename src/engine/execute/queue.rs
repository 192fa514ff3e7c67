//! Which steps of a plan can begin, alone or in one transaction, and which wait for others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kwo_planner::change::Step;
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;
use kwo_planner::systems::System;
use smol_str::SmolStr;

/// Of how many steps that are ready a transaction is chosen.
const CHOICE: usize = 2000;

/// A part of a system whose steps are written together.
type Scope = (System, SmolStr);

/// Which steps can begin, and which wait for how many others.
#[derive(Default)]
pub(super) struct Queue {
    ready: BTreeSet<usize>,
    /// Those that can begin and that are written together.
    gathered: BTreeMap<Scope, BTreeSet<usize>>,
    /// All that are written together.
    together: BTreeMap<usize, Scope>,
    /// Where some of these are on their way. The others wait for them, and then go together.
    under_way: BTreeSet<Scope>,
    /// What is left of a transaction that did not come to pass, in the order in which it goes on.
    parts: Vec<Vec<usize>>,
    waiting: BTreeMap<usize, usize>,
    dependents: BTreeMap<usize, Vec<usize>>,
}

impl Queue {
    pub(super) fn of(plan: &Plan, gathers: impl Fn(&ResourceId) -> bool) -> Queue {
        let places: BTreeMap<&ResourceId, usize> =
            plan.steps.iter().enumerate().map(|(at, step)| (&step.id, at)).collect();
        let mut queue = Queue::default();
        for (at, step) in plan.steps.iter().enumerate() {
            if step.disrupts.is_none() && gathers(&step.id) {
                queue.together.insert(at, (step.id.system, step.id.scope.clone()));
            }
            let needs: Vec<usize> = step.needs.iter().filter_map(|need| places.get(need).copied()).collect();
            if needs.is_empty() {
                queue.let_go(at);
            } else {
                queue.waiting.insert(at, needs.len());
            }
            for need in needs {
                queue.dependents.entry(need).or_default().push(at);
            }
        }
        queue
    }

    /// Is there a step that was not begun?
    pub(super) fn has_work(&self) -> bool {
        self.is_ready() || !self.waiting.is_empty()
    }

    /// Is there one that can begin?
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty() || !self.gathered.is_empty() || !self.parts.is_empty()
    }

    /// Nothing that it needs is missing any more.
    pub(super) fn let_go(&mut self, at: usize) {
        match self.together.get(&at) {
            Some(scope) => self.gathered.entry(scope.clone()).or_default().insert(at),
            None => self.ready.insert(at),
        };
    }

    /// The same, and it goes by itself.
    pub(super) fn let_go_alone(&mut self, at: usize) {
        self.together.remove(&at);
        self.ready.insert(at);
    }

    /// What did not come to pass goes on in two parts.
    pub(super) fn divide(&mut self, ats: Vec<usize>, sides: &[bool]) {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (place, at) in ats.into_iter().enumerate() {
            let side = if sides.get(place) == Some(&true) { &mut first } else { &mut second };
            side.push(at);
        }
        self.parts.extend([second, first].into_iter().filter(|part| !part.is_empty()));
    }

    /// What begins next: one step, or several that are one transaction.
    pub(super) fn next(
        &mut self,
        plan: &Plan,
        choose: impl Fn(&[Arc<Step>]) -> BTreeSet<usize>,
        is_alone: bool,
    ) -> Option<Vec<usize>> {
        let Queue { under_way, together, .. } = self;
        let is_free = |part: &Vec<usize>| {
            let scope = part.first().and_then(|at| together.get(at));
            scope.is_none_or(|scope| !under_way.contains(scope))
        };
        if let Some(place) = self.parts.iter().rposition(is_free) {
            let part = self.parts.remove(place);
            self.under_way.extend(part.first().and_then(|at| self.together.get(at)).cloned());
            return Some(part);
        }
        let quiet = |at: &usize| plan.steps[*at].disrupts.is_none();
        let single = self.ready.iter().copied().find(quiet);
        let first = |ready: &BTreeSet<usize>| ready.first().copied();
        let free = self.gathered.iter().filter(|(scope, _)| !self.under_way.contains(*scope));
        let free = free.min_by_key(|(_, ready)| first(ready));
        // In the order of the plan.
        let free = free.filter(|(_, ready)| single.is_none_or(|single| first(ready) < Some(single)));
        if let Some(scope) = free.map(|(scope, _)| scope.clone()) {
            let mut ready = self.gathered.remove(&scope).unwrap_or_default();
            let these: Vec<usize> = ready.iter().copied().take(CHOICE).collect();
            let steps: Vec<Arc<Step>> = these.iter().map(|at| Arc::clone(&plan.steps[*at])).collect();
            let chosen = choose(&steps);
            let mut next: Vec<usize> = chosen.iter().filter_map(|place| these.get(*place)).copied().collect();
            if next.is_empty() {
                next.extend(these.first());
            }
            next.iter().for_each(|at| _ = ready.remove(at));
            if !ready.is_empty() {
                self.gathered.insert(scope.clone(), ready);
            }
            self.under_way.insert(scope);
            return Some(next);
        }
        // What disturbs others begins when nothing else can, and alone.
        let next = single.or_else(|| self.ready.first().copied().filter(|_| is_alone))?;
        self.ready.remove(&next);
        Some(vec![next])
    }

    /// These are no longer on their way.
    pub(super) fn is_back(&mut self, ats: &[usize]) {
        if let Some(scope) = ats.first().and_then(|at| self.together.get(at)) {
            self.under_way.remove(scope);
        }
    }

    /// Lets go what waited for this step; gives the steps that will now never begin.
    pub(super) fn ended(&mut self, at: usize, done: bool) -> Vec<usize> {
        let mut skipped = Vec::new();
        let mut next = vec![at];
        while let Some(at) = next.pop() {
            for dependent in self.dependents.remove(&at).unwrap_or_default() {
                let Some(open) = self.waiting.get_mut(&dependent) else { continue };
                *open -= 1;
                if !done {
                    self.waiting.remove(&dependent);
                    skipped.push(dependent);
                    next.push(dependent);
                } else if *open == 0 {
                    self.waiting.remove(&dependent);
                    self.let_go(dependent);
                }
            }
        }
        skipped
    }

    /// The steps that were not begun.
    pub(super) fn left(&self) -> impl Iterator<Item = &usize> {
        let ready = self.ready.iter().chain(self.gathered.values().flatten());
        self.waiting.keys().chain(ready).chain(self.parts.iter().flatten())
    }
}
