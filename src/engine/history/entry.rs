//! One run of `kwo sync`, as it is recorded, told to others and measured. No secret is in it: it is made from plans and
//! reports, which hold none.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use kwo_planner::agreement::{others, remains};
use kwo_planner::foreign::is_opening;
use kwo_planner::resource::ResourceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::departed::{DoneStage, Offboarded};
use crate::run::{Access, Extent};

/// The version of the form of an entry.
const FORMAT_VERSION: &str = "1.0";

/// One run of `kwo sync`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The version of this form. Minor versions only add.
    pub format_version: String,
    /// Its place in the history, from 1.
    pub number: u64,
    /// SHA-256 of the entry before it; empty for the first.
    pub previous: String,
    /// When the run began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The machine it ran on.
    pub host: String,
    /// Which cluster or directory, for people.
    pub target: String,
    /// The commit that was converged to; nothing where it came to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The newest commit of the branch, where it is not the one that was converged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Commit>,
    /// SHA-256 of the roster's text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub roster_digest: String,
    /// The digest of the plan.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan_digest: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What was done, and what was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What was looked at again after the steps, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_again: Option<Extent>,
    /// What is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// What somebody else had changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// How many objects and fields are left over.
    pub leftovers: usize,
    /// What of that gives somebody a right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_left: Vec<Left>,
    /// What of that is in force all the same, though it gives no right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_force: Vec<Left>,
    /// What gives access and is not kwo's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_access: Vec<Left>,
    /// Why it is not known of some bindings and network policies what they give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen_access: Vec<String>,
    /// What the API server says of the access that the roster promises, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Fields that kwo corrected again and something else keeps changing back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fights: Vec<Fought>,
    /// How many objects were as the roster wants them.
    pub unchanged: usize,
    /// A stage of `kwo offboard` that was done since the last run; then the entry is about that and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offboarded: Option<Offboarded>,
    /// Those who left and whose objects are still kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<Retained>,
}

/// Somebody who left, and until when what was not cut is kept.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retained {
    /// Who, as `kwo offboard` names it.
    pub who: String,
    /// Until when at least.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Timestamp,
    /// An archive was read back.
    pub archived: bool,
}

/// A commit, for people.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// Its full id.
    pub id: String,
    /// Who wrote it: name and address.
    pub author: String,
    /// When it was committed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub when: Timestamp,
    /// The first line of its message.
    pub subject: String,
}

impl Commit {
    /// Its id for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything is as the newest commit wants it.
    Converged,
    /// The same, but somebody still has a right that the roster does not give any more.
    #[serde(rename = "access-left")]
    AccessLeft,
    /// Something is held; the rest is as it should be.
    Held,
    /// Somebody may do something that the roster does not give, or may not do what it gives, or nobody can tell.
    #[serde(rename = "access-differs")]
    AccessDiffers,
    /// The newest commit, or its plan, was not let through.
    Refused,
    /// Something could not be done.
    Failed,
}

impl Outcome {
    /// Was all done that could be done without a person?
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Outcome::Converged | Outcome::AccessLeft)
    }

    /// As a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Converged => "converged",
            Outcome::AccessLeft => "access-left",
            Outcome::Held => "held",
            Outcome::AccessDiffers => "access-differs",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// Something that went wrong, or was refused.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Of which kind.
    pub kind: ProblemKind,
    /// What, as a sentence.
    pub text: String,
    /// What to do about it, as a sentence; or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// The kinds of problem.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProblemKind {
    /// The repository could not be fetched.
    Fetch,
    /// The branch was rewritten, or a commit is not signed by a signer.
    Trust,
    /// The roster of the newest commit is not valid.
    Roster,
    /// The plan goes beyond a limit.
    Limit,
    /// The plan breaks a rule of the policy.
    Policy,
    /// The cluster could not be reached, or refused.
    Target,
    /// A step was not done.
    Step,
    /// The API server lets somebody do other things than the roster says, or did not say.
    Access,
}

/// A step of the plan, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The object.
    pub id: String,
    /// The tenant it is for, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// What was to be done.
    pub action: Action,
    /// What became of it.
    pub outcome: StepOutcome,
    /// Why it was not done, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What the system warned of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What it allows less of than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tightens: Vec<String>,
}

/// What a step does to its object.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Makes it.
    Created,
    /// Only adds to it.
    Extended,
    /// Changes a value in it.
    Revised,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// The run broke off before anybody knew.
    Begun,
    /// It was done.
    Done,
    /// Somebody had done it already.
    Settled,
    /// The system said no.
    Refused,
    /// The object changed meanwhile.
    Changed,
    /// No answer came.
    Unreachable,
    /// What it needs was not done.
    Skipped,
}

impl Action {
    /// All of them, in the order in which they are told.
    pub const ALL: [Action; 3] = [Action::Created, Action::Extended, Action::Revised];

    /// As people and programs read it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Action::Created => "created",
            Action::Extended => "extended",
            Action::Revised => "revised",
        }
    }
}

impl StepOutcome {
    /// As people and programs read it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            StepOutcome::Begun => "begun",
            StepOutcome::Done => "done",
            StepOutcome::Settled => "settled",
            StepOutcome::Refused => "refused",
            StepOutcome::Changed => "changed",
            StepOutcome::Unreachable => "unreachable",
            StepOutcome::Skipped => "skipped",
        }
    }

    /// Is the object as it was to be?
    const fn is_good(self) -> bool {
        matches!(self, StepOutcome::Done | StepOutcome::Settled)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// Something that is held.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// The object.
    pub id: String,
    /// The tenant it is for, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// Why.
    pub why: String,
}

/// Something that the roster does not ask for and that gives or does something.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Left {
    /// The object.
    pub id: String,
    /// The tenant it is about, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// What it gives or does, as a sentence.
    pub what: String,
    /// The command that ends it, or shows it where it is not kwo's.
    pub command: String,
}

impl Left {
    /// Is it a way through the network, and no right?
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.id.parse::<ResourceId>().is_ok_and(|id| is_opening(&id))
    }
}

/// A field that run after run is put right.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fought {
    /// The object.
    pub id: String,
    /// The field; empty where it is the object as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// How often it was put right in the last days.
    pub times: usize,
    /// Who changed it last; empty if kwo does not know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// Something that somebody else had changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The object.
    pub id: String,
    /// The tenant it is for, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// What was changed, by whom and when, as far as the system knows.
    pub what: String,
    /// The same, one for each field. An entry of an older kwo has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Touched>,
}

/// A field that somebody else had changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Touched {
    /// The field; empty where the object was deleted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// Who changed it; empty if kwo does not know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

impl Entry {
    /// The entry of a run that has only just begun on this machine; nothing has gone wrong yet.
    #[must_use]
    pub fn begun(host: String, began: Timestamp) -> Entry {
        Entry {
            format_version: FORMAT_VERSION.to_owned(),
            number: 0,
            previous: String::new(),
            began,
            took_ms: 0,
            host,
            target: String::new(),
            commit: None,
            refused: None,
            roster_digest: String::new(),
            plan_digest: String::new(),
            outcome: Outcome::Converged,
            problems: Vec::new(),
            steps: Vec::new(),
            looked_again: None,
            held: Vec::new(),
            drift: Vec::new(),
            leftovers: 0,
            access_left: Vec::new(),
            in_force: Vec::new(),
            foreign_access: Vec::new(),
            unseen_access: Vec::new(),
            access: None,
            fights: Vec::new(),
            unchanged: 0,
            offboarded: None,
            retained: Vec::new(),
        }
    }

    /// The entry of a stage of `kwo offboard`, found by a run on this machine.
    #[must_use]
    pub fn of_stage(who: &str, stage: &DoneStage, target: String) -> Entry {
        let offboarded = Offboarded { who: who.to_owned(), stage: stage.stage.clone(), by: stage.by.clone() };
        Entry { target, offboarded: Some(offboarded), ..Entry::begun(stage.host.clone(), stage.at) }
    }

    /// What keeps it from agreement besides steps and holds, as the half of a sentence.
    #[must_use]
    pub fn remains(&self) -> Option<String> {
        let what = |left: &[Left]| left.iter().map(|left| left.what.clone()).collect::<Vec<String>>();
        remains(&what(&self.access_left), &what(&self.in_force))
    }

    /// What remains, behind the word for the outcome and at the end of the line. Only what went well has a `but`.
    #[must_use]
    pub fn remains_told(&self) -> (String, String) {
        let well = self.outcome.is_success();
        match self.remains() {
            None => (String::new(), String::new()),
            Some(remains) if well => (format!(", but {remains}"), String::new()),
            Some(remains) => (String::new(), format!("; {remains}")),
        }
    }

    /// What others gave, and what could not be seen of it, as the half of a sentence.
    #[must_use]
    pub fn others(&self) -> Option<String> {
        others(
            self.foreign_access.iter().map(|foreign| (foreign.is_opening(), foreign.what.as_str())),
            &self.unseen_access,
        )
    }

    /// The steps that were done.
    pub fn done(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.outcome == StepOutcome::Done)
    }

    /// The steps that were not done, or that nobody knows of whether they were.
    pub fn not_done(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.outcome.is_good())
    }

    /// The tenants that something was done for, in order.
    #[must_use]
    pub fn tenants(&self) -> BTreeSet<&str> {
        self.done().map(|step| step.tenant.as_str()).filter(|tenant| !tenant.is_empty()).collect()
    }

    /// Is it worth a word after this one? A change, other drift, another outcome, commit or reason is; the same as
    /// before, hour by hour, is not.
    #[must_use]
    pub fn is_news(&self, before: Option<&Entry>) -> bool {
        if self.done().next().is_some() || self.offboarded.is_some() {
            return true;
        }
        let Some(before) = before else { return true };
        let id = |commit: &Option<Commit>| commit.as_ref().map(|commit| commit.id.clone());
        let kinds =
            |entry: &Entry| entry.problems.iter().map(|problem| problem.kind).collect::<BTreeSet<_>>();
        let held = |entry: &Entry| entry.held.iter().map(|held| held.id.clone()).collect::<BTreeSet<_>>();
        // Where it is told and left as it is, it is there again an hour later.
        let drift = |entry: &Entry| {
            entry.drift.iter().map(|drift| (drift.id.clone(), drift.what.clone())).collect::<BTreeSet<_>>()
        };
        let left = |entry: &Entry| {
            let left = entry.access_left.iter().chain(&entry.in_force).chain(&entry.foreign_access);
            left.map(|left| (left.id.clone(), left.what.clone())).collect::<BTreeSet<_>>()
        };
        self.outcome != before.outcome
            || left(self) != left(before)
            || id(&self.commit) != id(&before.commit)
            || id(&self.refused) != id(&before.refused)
            || kinds(self) != kinds(before)
            || held(self) != held(before)
            || drift(self) != drift(before)
    }
}
