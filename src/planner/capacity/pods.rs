//! What one pod asks for, as the scheduler counts it.

use super::amounts::{Amounts, add, raise, read};
use crate::roster::Quantity;
use crate::tree::{SmolStr, Tree};

/// A pod that takes room: where it is, and what it asks for.
pub(super) struct Asks {
    pub(super) namespace: SmolStr,
    /// Empty where it waits for a node.
    pub(super) node: SmolStr,
    pub(super) amounts: Amounts,
}

/// What a pod asks for; nothing where it has ended.
pub(super) fn pod(pod: &Tree) -> Option<Asks> {
    let text = |pointer: &str| pod.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default();
    if ["Succeeded", "Failed"].contains(&text("/status/phase").as_str()) {
        return None;
    }
    let amounts = requests(pod);
    Some(Asks { namespace: text("/metadata/namespace"), node: text("/spec/nodeName"), amounts })
}

/// Its containers together, or the largest step of its start if that is more; sidecars stay from their turn on.
fn requests(pod: &Tree) -> Amounts {
    let items = |pointer: &str| pod.at(pointer).map_or(&[][..], Tree::items);
    let of = |container: &Tree| read(container.at("/resources/requests"));
    let (mut running, mut most) = (Amounts::new(), Amounts::new());
    for init in items("/spec/initContainers") {
        if init.get("restartPolicy").and_then(Tree::as_text).is_some_and(|policy| policy == "Always") {
            add(&mut running, &of(init));
        } else {
            let mut step = running.clone();
            add(&mut step, &of(init));
            raise(&mut most, &step);
        }
    }
    items("/spec/containers").iter().for_each(|container| add(&mut running, &of(container)));
    raise(&mut most, &running);
    // What is said of the pod as a whole counts instead of what its containers say.
    most.extend(read(pod.at("/spec/resources/requests")));
    add(&mut most, &read(pod.at("/spec/overhead")));
    most.insert(SmolStr::new_static("pods"), Quantity::zero().and(1));
    most
}
