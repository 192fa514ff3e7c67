//! Walks a plan: steps whose needs are done go out side by side under a cap, a step that fails skips what needs
//! it, the rest goes on. Decides nothing: what to do was decided by the planner, how to do it is the provider's. A
//! step whose object has changed meanwhile goes back to the planner.

mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kwo_planner::change::Step;
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;
use kwo_planner::revalidate::{Again, again};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use self::queue::Queue;
use crate::providers::{Provider, Refusal, Together};

/// How often a step is planned anew at most. An object that changes faster than it can be written is somebody's
/// quarrel, and a person has to hear of it.
const LOOKS: usize = 3;

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Report {
    /// What became of each step, in the order in which it was known.
    pub results: Vec<StepResult>,
    /// Steps that were not begun because the run was told to stop.
    pub not_begun: Vec<ResourceId>,
    /// Why the run stopped.
    pub stopped: Option<String>,
}

/// What became of one step.
#[derive(Debug)]
pub struct StepResult {
    /// The step, which is the plan's own.
    pub step: Arc<Step>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the system warned of, in one line each.
    pub warnings: Vec<String>,
    /// When it began, counted from the beginning of the run.
    pub began: Duration,
    /// How long the last run took.
    pub took: Duration,
}

/// How a step ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Nothing was left to do: somebody else had done it meanwhile.
    Settled,
    /// Not done: the system refused it, or could not be reached.
    Refused(Refusal),
    /// Not begun, because this step, which it needs, was not done.
    Skipped(ResourceId),
}

impl Report {
    /// How many steps were done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.results.iter().filter(|result| result.outcome.is_done()).count()
    }

    /// How many steps were sent when the system went away for good, so that nobody knows whether they were done.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        let unanswered = self.results.iter().filter(|result| unanswered(&result.step, &result.outcome));
        if self.stopped.is_some() { unanswered.count() } else { 0 }
    }

    /// Was everything done?
    #[must_use]
    pub fn complete(&self) -> bool {
        let Report { results, not_begun, stopped } = self;
        not_begun.is_empty() && stopped.is_none() && results.iter().all(|result| result.outcome.is_done())
    }
}

impl Outcome {
    /// Is the object as the step wants it?
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Outcome::Done | Outcome::Settled => true,
            Outcome::Refused(_) | Outcome::Skipped(_) => false,
        }
    }
}

/// When to begin no further write.
#[derive(Clone)]
pub struct Brakes {
    /// A person or the system told the run to end.
    pub interrupted: watch::Receiver<bool>,
    /// The lock went to somebody else, who was seen to have it.
    pub lock_lost: watch::Receiver<bool>,
}

impl Brakes {
    /// Why to stop, with work left or without. A lock that was lost keeps nobody from having done everything.
    fn pulled(&self, work_left: bool) -> Option<&'static str> {
        if *self.interrupted.borrow() {
            Some("interrupted")
        } else if work_left && *self.lock_lost.borrow() {
            Some("another run took the lock")
        } else {
            None
        }
    }
}

/// Does the plan, at most `concurrency` writes at a time; `told` hears of every result at once. Steps that a system writes
/// together are one write. What got no answer is tried once more when all else is done, each step by itself. Where the
/// system goes away for good, that is one fact and the run's end, and not one of each step.
pub async fn execute<P: Provider + ?Sized + 'static>(
    plan: &Plan,
    provider: &Arc<P>,
    concurrency: usize,
    brakes: &Brakes,
    mut told: impl FnMut(&StepResult),
) -> Report {
    let began = Instant::now();
    let mut queue = Queue::of(plan, |id| provider.gathers(id));
    let mut report = Report::default();
    let mut running: JoinSet<(Performed, Duration, Duration)> = JoinSet::new();
    let mut steps: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
    let mut passes = Passes::default();
    let mut interrupted = brakes.interrupted.clone();
    loop {
        if report.stopped.is_none() {
            report.stopped =
                brakes.pulled(queue.has_work() || !passes.unanswered.is_empty()).map(str::to_owned);
        }
        if report.stopped.is_none() && running.is_empty() && !queue.is_ready() {
            passes.once_more().into_iter().for_each(|at| queue.let_go_alone(at));
        }
        while report.stopped.is_none() && running.len() < concurrency.max(1) {
            let choose = |steps: &[Arc<Step>]| provider.transaction(steps);
            let Some(next) = queue.next(plan, choose, running.is_empty()) else { break };
            let these = next.iter().map(|at| Arc::clone(&plan.steps[*at])).collect();
            let (provider, brakes) = (Arc::clone(provider), brakes.clone());
            let task = running.spawn(async move {
                let start = Instant::now();
                let performed = perform_all(these, &*provider, &brakes).await;
                (performed, start.duration_since(began), start.elapsed())
            });
            steps.insert(task.id(), next);
        }
        let ended = tokio::select! {
            ended = running.join_next_with_id() => ended,
            // What is on its way is waited for, but no longer for a system that does not answer.
            Ok(_) = interrupted.wait_for(|stop| *stop), if report.stopped.is_none() => {
                provider.hurry();
                continue;
            }
        };
        let Some(ended) = ended else { break };
        let (task, ended) = match ended {
            Ok((task, ended)) => (task, Ok(ended)),
            Err(error) => (error.id(), Err(error)),
        };
        let ats = steps.remove(&task).unwrap_or_default();
        let (performed, start, took) = ended.unwrap_or_else(|error| {
            // A write that panicked is a fault of kwo; it must not take the report of the others with it.
            let why = format!("kwo itself failed in this step: {error}");
            let outcome = Outcome::Refused(Refusal::Refused { why });
            (Performed::Ended(vec![outcome; ats.len()]), began.elapsed(), Duration::ZERO)
        });
        queue.is_back(&ats);
        let outcomes = match performed {
            Performed::Ended(outcomes) => outcomes,
            Performed::Divided(sides) => {
                queue.divide(ats, &sides);
                continue;
            }
        };
        let result = |at: usize, outcome, began, took| StepResult {
            step: Arc::clone(&plan.steps[at]),
            outcome,
            warnings: provider.warnings(&plan.steps[at].id),
            began,
            took,
        };
        let alone = ats.len() == 1;
        for (at, outcome) in ats.into_iter().zip(outcomes) {
            if unanswered(&plan.steps[at], &outcome) {
                report.stopped = report.stopped.or_else(|| provider.given_up());
                if report.stopped.is_some() {
                    report.results.push(result(at, outcome, start, took));
                    continue;
                }
                if passes.put_off(at) {
                    continue;
                }
                // One of the others may have kept it.
                if !alone {
                    queue.let_go_alone(at);
                    continue;
                }
            }
            let skipped = queue.ended(at, outcome.is_done());
            let mut tell = |result: StepResult| {
                told(&result);
                report.results.push(result);
            };
            tell(result(at, outcome, start, took));
            for skipped in skipped {
                let outcome = Outcome::Skipped(plan.steps[at].id.clone());
                tell(result(skipped, outcome, began.elapsed(), Duration::ZERO));
            }
        }
    }
    let not_begun = queue.left().chain(&passes.unanswered);
    let not_begun: BTreeSet<usize> = not_begun.copied().collect();
    report.not_begun = not_begun.into_iter().map(|at| plan.steps[at].id.clone()).collect();
    report
}

/// Did it get no answer? A step that disturbs others says itself what became of it, and is never done twice.
fn unanswered(step: &Step, outcome: &Outcome) -> bool {
    step.disrupts.is_none() && matches!(outcome, Outcome::Refused(Refusal::Unreachable { .. }))
}

/// What got no answer, and whether it was tried once more already.
#[derive(Default)]
struct Passes {
    unanswered: BTreeSet<usize>,
    second: bool,
}

impl Passes {
    /// Keeps it for the second pass, if that is yet to come.
    fn put_off(&mut self, at: usize) -> bool {
        !self.second && self.unanswered.insert(at)
    }

    /// What is to be tried once more, the first time that this is asked.
    fn once_more(&mut self) -> BTreeSet<usize> {
        self.second |= !self.unanswered.is_empty();
        std::mem::take(&mut self.unanswered)
    }
}

/// What became of steps that went together.
enum Performed {
    Ended(Vec<Outcome>),
    /// Nothing was done, and they go on in two parts.
    Divided(Vec<bool>),
}

/// Does one step, or several in one transaction.
async fn perform_all<P: Provider + ?Sized>(
    steps: Vec<Arc<Step>>,
    provider: &P,
    brakes: &Brakes,
) -> Performed {
    let wrote = match steps.as_slice() {
        [_] => Vec::new(),
        steps => match provider.write_together(steps).await {
            Together::Each(wrote) => wrote,
            Together::Divided(sides) => return Performed::Divided(sides),
        },
    };
    let (mut wrote, mut outcomes) = (wrote.into_iter(), Vec::new());
    for step in steps {
        outcomes.push(perform(step, wrote.next(), provider, brakes).await);
    }
    Performed::Ended(outcomes)
}

fn stopped_before(stopped: &str) -> Outcome {
    let why = format!("{stopped} before it could be written again");
    Outcome::Refused(Refusal::Changed { why })
}

/// Does one step, which may have been written once. Where its object has changed since the plan was made, the planner says
/// what that means.
async fn perform<P: Provider + ?Sized>(
    mut step: Arc<Step>,
    mut wrote: Option<Result<(), Refusal>>,
    provider: &P,
    brakes: &Brakes,
) -> Outcome {
    for _ in 0..LOOKS {
        let wrote = match wrote.take() {
            Some(wrote) => wrote,
            None => provider.write(&step).await,
        };
        match wrote {
            Err(Refusal::Changed { .. }) => {}
            outcome => return outcome.map_or_else(Outcome::Refused, |()| Outcome::Done),
        }
        if let Some(stopped) = brakes.pulled(true) {
            return stopped_before(stopped);
        }
        match again(&step, provider.look(&step).await) {
            Again::Same(now) => step = Arc::from(now),
            Again::Settled => return Outcome::Settled,
            Again::Stale { why } => return Outcome::Refused(Refusal::Changed { why }),
        }
        // Also that look may have taken long.
        if let Some(stopped) = brakes.pulled(true) {
            return stopped_before(stopped);
        }
    }
    match provider.write(&step).await {
        Ok(()) => Outcome::Done,
        Err(Refusal::Changed { why }) => {
            let why = format!("it changes faster than kwo can write it, {} times in a row: {why}", LOOKS + 1);
            Outcome::Refused(Refusal::Changed { why })
        }
        Err(refusal) => Outcome::Refused(refusal),
    }
}
