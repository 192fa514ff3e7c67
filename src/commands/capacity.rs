//! `kwo capacity`

use std::io::IsTerminal as _;

use kwo_planner::capacity::Gather;
use kwo_planner::hits::Beside;

use super::load::load;
use super::look::answers;
use super::print::report;
use crate::cli::Capacity;
use crate::report::capacity::Capacities;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::run::capacity as gathered;
use kwo_engine::target;

pub(crate) async fn capacity(args: &Capacity) -> Result<Exit, Failure> {
    let loaded = load(&args.roster.roster)?;
    let gather = Gather::new(&loaded.roster, &loaded.desired);
    drop(loaded);
    let kube = target::connect(args.cluster.options()?).await?;
    let Some(capacity) = gathered(&kube, gather).await else {
        return Err(Failure::new("this target has no nodes"));
    };
    let capacities = Capacities::new(capacity, kube.address(), std::io::stdout().is_terminal());
    if capacities.capacity.unseen.len() == Beside::OF_CAPACITY.len() {
        answers(&kube).await?;
    }
    report(&capacities, args.output)?;
    match capacities.capacity.unseen.as_slice() {
        [] => Ok(Exit::Done),
        _ => Err(Failure::new("not everything could be looked at")
            .hint("`kwo rbac --for plan` prints the rights that it takes; set `cluster.overcommit` first")),
    }
}
