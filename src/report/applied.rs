//! What became of a plan, whole: for whoever does not read the lines as they come.

use kwo_planner::change::{Held, Leftover};
use kwo_planner::foreign::ForeignAccess;
use kwo_planner::plan::{FORMAT_VERSION, Plan};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::SmolStr;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed;
use super::{markdown, reviews, run};
use kwo_engine::execute::{Outcome, Report, StepResult};
use kwo_engine::fight::fights;
use kwo_engine::history::StepOutcome;
use kwo_engine::providers::Refusal;
use kwo_engine::run::{Access, Extent};

/// A plan, and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'r> {
    /// What was to be done.
    pub plan: &'r Plan,
    /// What was done, where there was anything to do.
    pub report: Option<&'r Report>,
    /// What the look after the run found.
    pub again: Option<&'r Plan>,
    /// What was looked at for that.
    pub extent: Option<Extent>,
    /// Why that look saw less than the one before it, where it did.
    pub blind: Option<&'r str>,
    /// The steps of a saved plan that no longer hold, each with the reason.
    pub stale: &'r [(ResourceId, String)],
    /// How many steps are needed that the saved plan does not have.
    pub beyond: usize,
    /// What the API server says of the access that the roster promises, where it was asked.
    pub access: Option<&'r Access>,
}

impl Applied<'_> {
    /// Did somebody change back what was written?
    #[must_use]
    pub fn is_fought(&self) -> bool {
        self.again.zip(self.report).is_some_and(|(again, report)| !fights(again, report).is_empty())
    }

    /// What the look after the run found, in words.
    #[must_use]
    pub fn found(&self) -> String {
        let mut found = String::new();
        // A fight is told also where the rest could not be looked at.
        if let Some((again, report)) = self.again.zip(self.report)
            && (self.blind.is_none() || self.is_fought())
        {
            found.push_str(&run::second_look(again, report));
            found.push_str(&self.extent.map(run::extent).unwrap_or_default());
        }
        if let Some(why) = self.blind {
            found.push_str(&run::blind(why));
        }
        found.push_str(&self.access.map(reviews::text).unwrap_or_default());
        found
    }

    /// Is access other than promised, or not known?
    #[must_use]
    pub fn is_amiss(&self) -> bool {
        self.access.is_some_and(|access| !access.is_as_promised())
    }
}

/// What became of a plan.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ApplyReport<'r> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The digest of the plan.
    plan_digest: &'r str,
    /// What became of each step, in the order in which it was known.
    results: Vec<Ended<'r>>,
    /// Steps that were not begun because the run was told to stop.
    not_begun: &'r [ResourceId],
    /// Why the run stopped.
    stopped: Option<&'r str>,
    /// What the plan leaves alone: what the roster wants, and what may be left over and could not be looked at.
    held: &'r [Held],
    /// What the roster no longer wants.
    leftovers: &'r [Leftover],
    /// How many of these give somebody a right.
    leftover_access: usize,
    /// What keeps it from agreement besides steps and holds, as the half of a sentence.
    remains: Option<String>,
    /// What bindings give and network policies open that are not kwo's.
    foreign_access: &'r [ForeignAccess],
    /// Why it is not known of some of them what they give.
    unseen_access: &'r [SmolStr],
    /// How many network policies tenants have whose tier lets them write such.
    own_policies: usize,
    /// Is all as the roster wants it?
    in_agreement: bool,
    /// What was looked at again after the steps, where there were any.
    looked_again: Option<Extent>,
    /// What differs again right after the run.
    still_different: Vec<&'r ResourceId>,
    /// The steps of a saved plan that no longer hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stale: Vec<Stale<'r>>,
    /// Why the look after the run saw less than the one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    could_not_look_again: Option<&'r str>,
    /// What the API server says of the access that the roster promises, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'r Access>,
}

/// What became of one step.
#[derive(Debug, Serialize, JsonSchema)]
struct Ended<'r> {
    /// The object.
    id: &'r ResourceId,
    /// How it ended.
    outcome: StepOutcome,
    /// When it began, in milliseconds from the beginning of the run.
    began_ms: u64,
    /// How long the last run took.
    took_ms: u64,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// What the system warned of.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'r [String],
}

/// A step of a saved plan that no longer holds.
#[derive(Debug, Serialize, JsonSchema)]
struct Stale<'r> {
    /// The object.
    id: &'r ResourceId,
    /// What changed.
    why: &'r str,
}

impl<'r> Ended<'r> {
    fn of(result: &'r StepResult) -> Ended<'r> {
        let (outcome, why) = match &result.outcome {
            Outcome::Done => (StepOutcome::Done, None),
            Outcome::Settled => (StepOutcome::Settled, None),
            Outcome::Refused(Refusal::Changed { why }) => (StepOutcome::Changed, Some(why.clone())),
            Outcome::Refused(Refusal::Refused { why }) => (StepOutcome::Refused, Some(why.clone())),
            Outcome::Refused(Refusal::Unreachable { why }) => (StepOutcome::Unreachable, Some(why.clone())),
            Outcome::Skipped(need) => (StepOutcome::Skipped, Some(format!("needs {need}"))),
        };
        let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ended {
            id: &result.step.id,
            outcome,
            began_ms: milliseconds(result.began),
            took_ms: milliseconds(result.took),
            why,
            warnings: &result.warnings,
        }
    }
}

impl printed::Report for Applied<'_> {
    const KIND: Option<&'static str> = Some("ApplyReport");

    type Json<'a>
        = ApplyReport<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        self.report.map(run::summary).unwrap_or_default() + &self.found()
    }

    fn json(&self) -> ApplyReport<'_> {
        let Applied { plan, report, again, extent, blind, stale, beyond, access } = *self;
        let now = again.unwrap_or(plan);
        // A saved plan has its own world until it was carried out.
        let elsewhere = report.is_none() && (beyond > 0 || !stale.is_empty());
        ApplyReport {
            format_version: FORMAT_VERSION,
            plan_digest: &plan.digest,
            results: report.into_iter().flat_map(|report| &report.results).map(Ended::of).collect(),
            not_begun: report.map(|report| report.not_begun.as_slice()).unwrap_or_default(),
            stopped: report.and_then(|report| report.stopped.as_deref()),
            held: &plan.held,
            leftovers: &now.leftovers,
            leftover_access: now.access_left().count(),
            remains: now.remains(),
            foreign_access: &now.foreign_access,
            unseen_access: &now.unseen_access,
            own_policies: now.own_policies,
            in_agreement: now.agrees() && !elsewhere,
            looked_again: extent,
            still_different: again.into_iter().flat_map(|again| &again.steps).map(|step| &step.id).collect(),
            stale: stale.iter().map(|(id, why)| Stale { id, why }).collect(),
            could_not_look_again: blind,
            access,
        }
    }

    fn markdown(&self) -> String {
        let trouble = (self.is_fought() || self.blind.is_some() || self.is_amiss()).then(|| self.found());
        markdown::applied(self.plan, self.report, self.stale, trouble.as_deref())
    }
}
