//! What a run came to, in the words of the history: from plans and reports to the parts of an entry.

use kwo_planner::change::{Leftover, Step as PlanStep};
use kwo_planner::drift::{self, drift};
use kwo_planner::foreign::ForeignAccess;
use kwo_planner::plain::counted;
use kwo_planner::plan::Plan;
use kwo_planner::policy::Judged;
use kwo_planner::resource::Desired;

use super::commit_selection::problem;
use crate::execute::{self, Report};
use crate::fight::named;
use crate::history::{
    Action, Drift, Entry, Fought, Held, Left, Outcome, Problem, ProblemKind, Step, StepOutcome, Touched,
};
use crate::providers::Refusal;
use crate::run::{Access, Carried};

/// The steps of a plan, as they are before one of them is begun.
pub(super) fn planned(plan: &Plan) -> Vec<Step> {
    plan.steps.iter().map(|step| told(step, StepOutcome::Begun, String::new())).collect()
}

/// What became of each step.
pub(super) fn steps(report: &Report) -> Vec<Step> {
    let results = report.results.iter().map(|result| {
        let (outcome, why) = match &result.outcome {
            execute::Outcome::Done => (StepOutcome::Done, String::new()),
            execute::Outcome::Settled => (StepOutcome::Settled, String::new()),
            execute::Outcome::Refused(Refusal::Refused { why }) => (StepOutcome::Refused, why.clone()),
            execute::Outcome::Refused(Refusal::Changed { why }) => (StepOutcome::Changed, why.clone()),
            execute::Outcome::Refused(Refusal::Unreachable { why }) => {
                (StepOutcome::Unreachable, why.clone())
            }
            execute::Outcome::Skipped(need) => (StepOutcome::Skipped, format!("it needs {need}")),
        };
        Step { warnings: result.warnings.clone(), ..told(&result.step, outcome, why) }
    });
    results.collect()
}

fn told(step: &PlanStep, outcome: StepOutcome, why: String) -> Step {
    let action = match () {
        () if step.creates() => Action::Created,
        () if step.revises() => Action::Revised,
        () => Action::Extended,
    };
    Step {
        id: step.id.to_string(),
        tenant: step.tenant.to_string(),
        action,
        outcome,
        why,
        warnings: Vec::new(),
        tightens: step.tightenings().map(|narrower| narrower.what.to_string()).collect(),
    }
}

/// What is held, without what the run was not asked to look at.
pub(super) fn held(plan: &Plan) -> Vec<Held> {
    let held = plan.held.iter().filter(|held| !held.is_left_out());
    held.map(|held| Held {
        id: held.id.to_string(),
        tenant: held.tenant.to_string(),
        why: held.hold.to_string(),
    })
    .collect()
}

/// What is left over and still tells.
pub(super) fn left<'p>(leftovers: impl Iterator<Item = (&'p Leftover, &'p str)>) -> Vec<Left> {
    leftovers
        .map(|(left, what)| Left {
            id: left.id.to_string(),
            tenant: left.tenant.to_string(),
            what: what.to_owned(),
            command: left.command.to_string(),
        })
        .collect()
}

/// What gives access and is not kwo's.
pub(super) fn foreign(plan: &Plan) -> Vec<Left> {
    let told = |foreign: &ForeignAccess| Left {
        id: foreign.id.to_string(),
        tenant: foreign.tenant.to_string(),
        what: foreign.grants.to_string(),
        command: foreign.command.to_string(),
    };
    plan.foreign_access.iter().map(told).collect()
}

/// What somebody else had changed.
pub(super) fn drifted(plan: &Plan, was: Option<&Desired>) -> Vec<Drift> {
    let drift = |step: &PlanStep| {
        let drifted = drift(step, was)?;
        let of = |touched: &drift::Touched| Touched {
            field: touched.field.clone(),
            by: touched.by.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        Some(Drift {
            id: step.id.to_string(),
            tenant: step.tenant.to_string(),
            what: drifted.to_string(),
            fields: drifted.0.iter().map(of).collect(),
        })
    };
    plan.steps.iter().filter_map(|step| drift(step)).collect()
}

/// What went wrong while a plan was carried out, and after it.
pub(super) fn problems(carried: &Carried) -> Vec<Problem> {
    let Carried { report, again: _, extent: _, fights, blind } = carried;
    let mut problems = Vec::new();
    let unanswered = report.unanswered();
    let failed = report.results.iter().filter(|result| !result.outcome.is_done()).count() - unanswered;
    if let Some(why) = &report.stopped {
        let left = report.not_begun.len();
        let mut text =
            format!("stopped: {why}; {}", counted(left, "step was not begun", "steps were not begun"));
        if unanswered > 0 {
            text.push_str(&format!(", and {unanswered} got no answer"));
        }
        problems.push(problem(ProblemKind::Step, text, "the next run goes on where this one ended"));
    }
    if failed > 0 {
        let text =
            format!("{failed} of {} not done", counted(report.results.len(), "step was", "steps were"));
        problems.push(problem(ProblemKind::Step, text, "each step says why"));
    }
    for fight in fights {
        let who = named(std::slice::from_ref(fight));
        let id = &fight.step.id;
        let text = if fight.step.creates() {
            format!("{id} is gone right after it was written: {who} deletes it")
        } else {
            format!("{id} differs again right after it was written: {who} writes it back")
        };
        problems.push(problem(ProblemKind::Step, text, "let only one of the two write it"));
    }
    if let Some(why) = blind {
        let text = format!("could not look again after the steps: {why}");
        problems.push(problem(
            ProblemKind::Target,
            text,
            "the steps say what this run did; the next run looks again",
        ));
    }
    problems
}

/// So many answers that are not as promised are problems of their own.
const TOLD: usize = 20;

/// What the API server lets that the roster does not promise, or does not let, and what is not known of it.
pub(super) fn access_problems(access: &Access) -> Vec<Problem> {
    let Access { differences, more, unverified, .. } = access;
    let told = differences.iter().take(TOLD).map(|difference| {
        let text = format!("{}: {}", difference.sentence(), difference.why);
        problem(ProblemKind::Access, text, format!("to look at it: {}", difference.command))
    });
    let rest = differences.len().saturating_sub(TOLD) + more;
    let rest = (rest > 0).then(|| {
        let text = counted(
            rest,
            "more answer of the API server is not what the roster promises",
            "more answers of the API server are not what the roster promises",
        );
        problem(ProblemKind::Access, text, "")
    });
    let unknown = unverified.iter().map(|why| {
        let text = format!("access could not be verified: {why}");
        problem(
            ProblemKind::Access,
            text,
            "`kwo rbac --for sync --verify-access` prints the rights that it takes",
        )
    });
    told.chain(rest).chain(unknown).collect()
}

/// What breaks a rule of the policy: nothing is written then.
pub(super) fn policy_problems(judged: &Judged) -> Vec<Problem> {
    let told = judged.violations.iter().take(TOLD).map(|violation| {
        let text = format!("against the policy: {}; nothing was changed", violation.line());
        problem(ProblemKind::Policy, text, violation.places())
    });
    let rest = judged.violations.len().saturating_sub(TOLD) + judged.more;
    let rest =
        (rest > 0).then(|| problem(ProblemKind::Policy, format!("{rest} more is against the policy"), ""));
    told.chain(rest).collect()
}

/// That something is put right time and again.
pub(super) fn quarrel(fight: &Fought) -> Problem {
    let Fought { id, field, times, by } = fight;
    let what = if field.is_empty() { id.clone() } else { format!("{id} {field}") };
    let who = if by.is_empty() { "somebody".to_owned() } else { format!("`{by}`") };
    let text = format!(
        "a fight: kwo corrected {what} {} lately, and {who} changes it back",
        counted(*times, "time", "times")
    );
    problem(
        ProblemKind::Step,
        text,
        "let only one of the two write it; with `drift: report` in the settings kwo does",
    )
}

/// How a run ended whose problems and holds these are.
pub(super) fn outcome(entry: &Entry) -> Outcome {
    let has = |kinds: &[ProblemKind]| entry.problems.iter().any(|problem| kinds.contains(&problem.kind));
    if has(&[ProblemKind::Fetch, ProblemKind::Roster, ProblemKind::Target, ProblemKind::Step]) {
        Outcome::Failed
    } else if has(&[ProblemKind::Trust, ProblemKind::Limit, ProblemKind::Policy]) {
        Outcome::Refused
    } else if has(&[ProblemKind::Access]) {
        Outcome::AccessDiffers
    } else if !entry.held.is_empty() {
        Outcome::Held
    } else if !entry.access_left.is_empty() {
        Outcome::AccessLeft
    } else {
        Outcome::Converged
    }
}

/// The entry in a few words.
pub(super) fn in_short(entry: &Entry) -> String {
    let mut words = vec![match entry.outcome {
        Outcome::Held => format!("{} held", entry.held.len()),
        outcome => outcome.word().to_owned(),
    }];
    let done = entry.done().count();
    if done > 0 {
        words.push(format!("{done} done"));
    }
    words.extend(entry.remains());
    words.extend(entry.others());
    words.extend(entry.problems.iter().map(|problem| problem.text.chars().take(160).collect()));
    words.join("; ")
}
