//! What quotas promise beside what the nodes can give: a LIST each of nodes, quotas and pods. A plan asks for them only
//! where its roster sets `cluster.overcommit`.

use kwo_planner::capacity::{Capacity, Gather};
use kwo_planner::hits::Beside;

use crate::providers::Home;

/// What comes of it; nothing where the home is no cluster.
pub async fn capacity(home: &dyn Home, mut gather: Gather) -> Option<Capacity> {
    let around = home.surroundings()?;
    for kind in Beside::OF_CAPACITY {
        let listed = around.each(kind, None, &mut |object| gather.see(kind, object)).await;
        if let Err(why) = listed {
            gather.could_not(kind, why);
        }
    }
    Some(gather.capacity())
}
