//! Pods as the API server names them, and which of them nobody would make again.

use super::{Hit, HitObject, Unseen};
use crate::change::Step;
use crate::tree::{SmolStr, Tree};

/// What a Pod Security level is called where it hits something.
const LEVEL: &str = "the API server says that it breaks the new Pod Security level";

/// Has it come to its end?
pub(super) fn has_ended(pod: &Tree) -> bool {
    let phase = pod.at("/status/phase").and_then(Tree::as_text);
    phase.is_some_and(|phase| phase == "Succeeded" || phase == "Failed")
}

/// Is it what cert-manager makes in its own name while a host is proved?
pub(super) fn is_solver(object: &Tree) -> bool {
    object.at("/metadata/labels/acme.cert-manager.io~1http01-solver").is_some()
}

/// What the API server warns of where the level of a namespace becomes stricter: what it could not look at, and what is hit.
pub(super) fn of_the_level(step: &Step, warnings: &[String]) -> (Option<Unseen>, Option<Hit>) {
    let namespace = &step.id.name;
    let partly =
        |text: &&String| text.starts_with("failed to list pods") || text.contains(" only checked against ");
    let unseen = warnings.iter().find(partly).map(|why| Unseen {
        what: smol_str::format_smolstr!("Pod Security of {namespace}"),
        why: why.into(),
    });
    // Before it stands whatever else is warned of.
    let Some(head) = warnings.iter().position(|text| text.starts_with("existing pods in namespace")) else {
        return (unseen, None);
    };
    let (mut objects, mut more) = (Vec::new(), 0);
    for text in warnings.get(head + 1..).unwrap_or_default().iter().filter(|text| !partly(text)) {
        if let Some(count) = text.strip_prefix("and ").and_then(|text| text.strip_suffix(" more warnings")) {
            more += count.parse::<usize>().unwrap_or(1);
            continue;
        }
        let (name, what) = text.split_once(": ").unwrap_or((text, ""));
        objects.push(HitObject { name: name.into(), what: what.into() });
    }
    let hit = Hit {
        namespace: namespace.clone(),
        tenant: step.tenant.clone(),
        by: step.id.clone(),
        kind: SmolStr::new_static("Pod"),
        why: SmolStr::new_static(LEVEL),
        objects,
        more,
    };
    (unseen, Some(hit))
}
