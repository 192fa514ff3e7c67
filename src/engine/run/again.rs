//! The look after the steps: at everything, or only at what they touched where that costs less. What is not looked at again
//! is taken to be as the look before the steps saw it, and the plan is made from both together.

use std::time::{Duration, Instant};

use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::{Adopt, Plan};
use kwo_planner::resource::{Desired, ResourceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::look::{Looked, NoPlan, check, look, planned, works};
use crate::providers::Home;

/// A request for one object costs about as much as so many objects of a LIST.
const OBJECTS: usize = 50;

/// What was seen longer ago than this says too little of now.
const FRESH: Duration = Duration::from_secs(60);

/// What was looked at after the steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// All that the roster wants, and all that is there besides.
    Everything,
    /// So many objects, those of the steps, and who has access to their namespaces.
    Objects(usize),
}

/// What the look before the steps saw, kept for the one after them.
#[derive(Clone, Debug)]
pub struct Before {
    observed: Observed,
    at: Instant,
}

impl Before {
    /// What was seen just now; nothing where everything is to be looked at after this plan.
    #[must_use]
    pub fn keep(home: &dyn Home, plan: &Plan, observed: Observed) -> Option<Before> {
        // What disturbs others may change what no step is about.
        if plan.steps.is_empty() || plan.steps.iter().any(|step| step.disrupts.is_some()) {
            return None;
        }
        let requests = home.requests(&touched(plan))?;
        let there = observed.iter().filter(|(_, sighting)| matches!(sighting, Sighting::Present(_)));
        // So many requests a look at everything takes, however little there is.
        let few = Kind::listed();
        (requests <= few.max(there.count() / OBJECTS)).then(|| Before { observed, at: Instant::now() })
    }
}

/// The objects that the steps are about.
fn touched(plan: &Plan) -> Vec<ResourceId> {
    plan.steps.iter().map(|step| step.id.clone()).collect()
}

/// Looks at what there is after these steps, and plans.
///
/// # Errors
/// When the plan does not pass the check.
pub(super) async fn look_again(
    home: &dyn Home,
    steps: &Plan,
    (desired, adopt): (&Desired, &Adopt),
    before: &mut Option<Before>,
) -> (Result<Plan, NoPlan>, Extent) {
    if before.as_ref().is_some_and(|before| before.at.elapsed() > FRESH) {
        *before = None;
    }
    let Some(Before { observed, at: _ }) = before else {
        let looked = look(home, desired, adopt, &steps.provenance, None).await;
        return (looked.map(|Looked { plan, observed: _ }| plan), Extent::Everything);
    };
    observed.renew(home.look_again(desired, &touched(steps)).await);
    works(home, desired, observed);
    let now = planned(home, desired, observed, adopt, steps.provenance.clone()).await;
    let checked = check(&now, observed);
    (checked.map(|()| now), Extent::Objects(steps.steps.len()))
}
