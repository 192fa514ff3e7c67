//! Whether the cluster agrees with the roster: what a plan says now. Nobody applies this plan.

use kwo_planner::change::{Held, Hold};
use kwo_planner::foreign::ForeignAccess;
use kwo_planner::plan::Plan;
use schemars::JsonSchema;
use serde::Serialize;

use kwo_planner::counts::Counts;

/// What a plan of now comes to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Agreement {
    /// Nothing where it is not known, because something could not be compared and all else agrees.
    pub in_agreement: Option<bool>,
    /// What has to be known of the roster that keeps the cluster: that nobody could look which one it is, say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keeper_note: Option<String>,
    /// How many objects `kwo apply` would make.
    pub create: usize,
    /// How many it would only add something to.
    pub extend: usize,
    /// In how many it would change a value.
    pub revise: usize,
    /// How many are as the roster wants them.
    pub unchanged: usize,
    /// How many nobody was asked to look at.
    pub left_out: usize,
    /// What is held.
    pub held: Vec<Held>,
    /// What could not be compared: nobody could look, or a secret of the roster is not to be had here.
    pub not_compared: Vec<Held>,
    /// How many objects and fields are left over.
    pub leftovers: usize,
    /// Who still has a right that the roster does not give any more.
    pub leftover_access: Vec<String>,
    /// What is left over and in force, though it gives no right.
    pub leftover_in_force: Vec<String>,
    /// What bindings give and network policies open that are not kwo's.
    pub foreign_access: Vec<ForeignAccess>,
    /// Why it is not known of some of them what they give.
    pub unseen_access: Vec<String>,
    /// How many network policies tenants have whose tier lets them write such.
    pub own_policies: usize,
}

impl Agreement {
    /// What this plan says.
    #[must_use]
    pub fn of(plan: &Plan) -> Agreement {
        let Counts {
            create,
            extend,
            revise,
            tightens: _,
            held: _,
            left_out,
            leftovers,
            access: _,
            unchanged,
            foreign: _,
            openings: _,
            own_policies,
        } = Counts::of(plan);
        let of = |wanted: fn(&Hold) -> bool| -> Vec<Held> {
            plan.held.iter().filter(|held| wanted(&held.hold)).cloned().collect()
        };
        let unseen = |hold: &Hold| matches!(hold, Hold::NotObserved { .. } | Hold::SecretMissing { .. });
        let waits = |hold: &Hold| matches!(hold, Hold::WaitsOn { .. });
        let not_compared = of(unseen);
        let known = !plan.steps.is_empty()
            || plan.remains().is_some()
            || plan.held.iter().any(|held| !held.is_left_out() && !unseen(&held.hold) && !waits(&held.hold));
        let sentences = |left: Vec<&str>| left.into_iter().map(str::to_owned).collect();
        Agreement {
            in_agreement: match () {
                () if plan.agrees() => Some(true),
                () if known || not_compared.is_empty() => Some(false),
                () => None,
            },
            keeper_note: plan.provenance.keeper_note.as_ref().map(ToString::to_string),
            create,
            extend,
            revise,
            unchanged,
            left_out,
            held: of(|hold| {
                !matches!(hold, Hold::NotObserved { .. } | Hold::SecretMissing { .. } | Hold::LeftOut { .. })
            }),
            not_compared,
            leftovers,
            leftover_access: sentences(plan.access_left().map(|(_, grants)| grants).collect()),
            leftover_in_force: sentences(plan.in_force().map(|(_, what)| what).collect()),
            foreign_access: plan.foreign_access.clone(),
            unseen_access: plan.unseen_access.iter().map(ToString::to_string).collect(),
            own_policies,
        }
    }

    /// How many changes are wanted.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.create + self.extend + self.revise
    }
}
