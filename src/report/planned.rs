//! A plan as `kwo plan` prints it, with what it hits, and whether quotas promise too much.

use kwo_planner::capacity::Overcommitted;
use kwo_planner::hits::Hits;
use kwo_planner::plan::Plan;
use kwo_planner::policy::Judged;
use schemars::JsonSchema;
use serde::Serialize;

use kwo_engine::run::Reaches;

use super::plan::{Detail, text};
use super::printed::Report;
use super::{capacity, hits, markdown, policy};

/// A plan, what it hits, and how much of both to show.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'p> {
    /// The plan.
    pub plan: &'p Plan,
    /// What is there and would be hit by what it tightens, where somebody looked.
    pub hits: Option<&'p Hits>,
    /// Of what quotas promise too much, where the roster sets a bound.
    pub overcommitted: Option<&'p Overcommitted>,
    /// What the policy says of it, where there is one.
    pub policy: Option<&'p Judged>,
    /// How far it reaches, where somebody looked. Only a page for a review shows it.
    pub reaches: Option<&'p Reaches>,
    /// How much of it to show. Programs always get all.
    pub detail: Detail<'p>,
}

/// A plan, with what it hits.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Printed<'p> {
    #[serde(flatten)]
    plan: &'p Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    hits: Option<&'p Hits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overcommitted: Option<&'p Overcommitted>,
    /// What the policy says of it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'p Judged>,
}

impl Report for Planned<'_> {
    const KIND: Option<&'static str> = Some("Plan");

    type Json<'a>
        = Printed<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let hits = hits::text(self.hits, self.detail.tenants);
        let plan = policy::text(self.policy) + &text(self.plan, self.detail);
        plan + &hits + &capacity::warning(self.overcommitted)
    }

    fn json(&self) -> Printed<'_> {
        let Planned { plan, hits, overcommitted, policy, reaches: _, detail: _ } = *self;
        Printed { plan, hits, overcommitted, policy }
    }

    fn markdown(&self) -> String {
        let beside = (self.hits, self.overcommitted, self.policy);
        markdown::reviewed(self.plan, beside, self.reaches, self.detail)
    }
}
