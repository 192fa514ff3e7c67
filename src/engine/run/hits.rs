//! What is there and would be hit by a plan: looked at where the plan narrows something, and nowhere else.

use futures_util::future::join_all;
use kwo_planner::hits::{Hits, Judge};
use kwo_planner::observed::Observed;
use kwo_planner::plan::Plan;
use kwo_planner::resource::Desired;

use crate::providers::Home;

/// What is hit; nothing where nothing becomes narrower that objects could be looked at for. One LIST a kind, and one dry
/// run a namespace whose Pod Security level becomes stricter.
pub async fn hits(provider: &dyn Home, plan: &Plan, desired: &Desired, observed: &Observed) -> Option<Hits> {
    let around = provider.surroundings()?;
    let mut judge = Judge::new(plan, desired, observed);
    let (kinds, levels) = (judge.asks(), judge.levels().to_vec());
    if kinds.is_empty() && levels.is_empty() {
        return None;
    }
    let alone = judge.alone().cloned();
    for kind in kinds {
        let listed = around.each(kind, alone.as_deref(), &mut |object| judge.see(kind, object)).await;
        if let Err(why) = listed {
            judge.could_not(kind.facts().0, why);
        }
    }
    let asked = join_all(levels.iter().map(|step| async { (*step, around.rehearse(step).await) })).await;
    for (step, warnings) in asked {
        match warnings {
            Ok(warnings) => judge.warned(step, &warnings),
            Err(refusal) => judge.could_not(format!("Pod Security of {}", step.id.name), refusal.to_string()),
        }
    }
    Some(judge.hits())
}
