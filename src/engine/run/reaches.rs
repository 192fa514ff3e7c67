//! How far a plan reaches, with the pods that run there now: one LIST of their metadata, and none where nothing exists yet.

use std::collections::BTreeMap;

use kwo_planner::plan::Plan;
use kwo_planner::radius::Radius;
use kwo_planner::resource::Desired;
use smol_str::SmolStr;

use crate::providers::Home;

/// How far a plan reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reaches {
    /// What it touches.
    pub radius: Radius,
    /// How many pods run in the namespaces that exist; nothing where the target has no pods, and otherwise why it is not
    /// known.
    pub pods: Option<Result<usize, SmolStr>>,
}

/// How far a plan for what is wanted reaches. The hosts are those of each tenant.
pub async fn reaches(
    provider: &dyn Home,
    plan: &Plan,
    desired: &Desired,
    hosts: &BTreeMap<SmolStr, Vec<SmolStr>>,
) -> Reaches {
    let radius = Radius::of(plan, desired, hosts);
    let pods = match provider.surroundings() {
        None => None,
        Some(_) if radius.namespaces.is_empty() => Some(Ok(0)),
        Some(around) => Some(around.running(&radius.namespaces).await),
    };
    Reaches { radius, pods }
}
