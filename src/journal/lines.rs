//! A run as lines.

use kwo_planner::plain::one_line;

use kwo_engine::history::{Entry, Outcome, StepOutcome};

/// How much a line matters, in the numbers of syslog.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Priority {
    /// Something went wrong.
    Error = 3,
    /// Something needs to be looked at.
    Warning = 4,
    /// Something changed.
    Notice = 5,
    /// All is as before.
    Info = 6,
}

/// One line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub priority: Priority,
    /// What it says.
    pub text: String,
    /// What it can be found by in the journal, besides.
    pub fields: Vec<(&'static str, String)>,
}

/// All that the run says. What is held is said once, not with every run after `before`.
#[must_use]
pub fn lines(entry: &Entry, before: Option<&Entry>) -> Vec<Line> {
    let about = |priority, text: String, id: &str, tenant: &str| Line {
        priority,
        text,
        fields: [("KWO_OBJECT", id), ("KWO_TENANT", tenant)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
    };
    let mut lines = Vec::new();
    for drift in &entry.drift {
        let text = format!("changed by others: {}: {}", drift.id, drift.what);
        lines.push(about(Priority::Warning, text, &drift.id, &drift.tenant));
    }
    for step in &entry.steps {
        let (priority, text) = match step.outcome {
            StepOutcome::Done => (Priority::Notice, format!("{} {}", step.action, step.id)),
            StepOutcome::Settled => continue,
            outcome => (Priority::Warning, format!("{outcome} {}: {}", step.id, step.why)),
        };
        lines.push(about(priority, text, &step.id, &step.tenant));
    }
    if entry.is_news(before) {
        for left in entry.access_left.iter().chain(&entry.in_force) {
            let text = format!("left {}: {}; to end it: {}", left.id, left.what, left.command);
            lines.push(about(Priority::Warning, text, &left.id, &left.tenant));
        }
        for foreign in &entry.foreign_access {
            let text =
                format!("not kwo's {}: {}; to look at it: {}", foreign.id, foreign.what, foreign.command);
            lines.push(about(Priority::Warning, text, &foreign.id, &foreign.tenant));
        }
        for held in &entry.held {
            let text = format!("held {}: {}", held.id, held.why);
            lines.push(about(Priority::Warning, text, &held.id, &held.tenant));
        }
    }
    for problem in &entry.problems {
        let text = match problem.hint.as_str() {
            "" => problem.text.clone(),
            hint => format!("{}; {hint}", problem.text),
        };
        lines.push(Line { priority: Priority::Error, text, fields: Vec::new() });
    }
    lines.push(whole(entry));
    let run = run(entry);
    for line in &mut lines {
        // A line that seems to be two would seem to be somebody else's.
        line.text = one_line(&line.text).into_owned();
        line.fields.extend(run.iter().cloned());
    }
    lines
}

/// What the run came to.
fn whole(entry: &Entry) -> Line {
    let done = entry.done().count();
    let priority = match entry.outcome {
        Outcome::Failed | Outcome::Refused | Outcome::AccessDiffers => Priority::Error,
        Outcome::Held | Outcome::AccessLeft => Priority::Warning,
        Outcome::Converged if done > 0 => Priority::Notice,
        Outcome::Converged => Priority::Info,
    };
    let (but, left) = entry.remains_told();
    let text = format!(
        "{}{}{but}: {done} done, {} not done, {} held, {} left over, {} unchanged{left}{}",
        entry.outcome.word(),
        short(entry).map_or_else(String::new, |commit| format!(" at {commit}")),
        entry.not_done().count(),
        entry.held.len(),
        entry.leftovers,
        entry.unchanged,
        entry.others().map_or_else(String::new, |others| format!("; {others}")),
    );
    Line { priority, text, fields: vec![("KWO_STEPS", done.to_string())] }
}

/// What every line of the run can be found by.
fn run(entry: &Entry) -> Vec<(&'static str, String)> {
    let newest = entry.refused.as_ref().or(entry.commit.as_ref());
    let fields = [
        ("KWO_RUN", entry.number.to_string()),
        ("KWO_COMMIT", newest.map(|commit| commit.id.clone()).unwrap_or_default()),
        ("KWO_PLAN_DIGEST", entry.plan_digest.clone()),
        ("KWO_OUTCOME", entry.outcome.word().to_owned()),
    ];
    fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// The newest commit, as git shortens it.
fn short(entry: &Entry) -> Option<String> {
    let newest = entry.refused.as_ref().or(entry.commit.as_ref())?;
    Some(newest.id.chars().take(7).collect())
}
