//! Commands for `kubectl`, for an object of the cluster.

use crate::endings::word;
use crate::kinds::Kind;
use crate::observed::Reach;
use crate::resource::ResourceId;

/// A command for one object.
pub(crate) fn kubectl(id: &ResourceId, reach: &Reach, verb: &str, options: &str) -> String {
    let Reach { kubectl, root: _, places: _, parts: _, commands: _, stays: _ } = reach;
    let namespace =
        if id.scope.is_empty() { String::new() } else { format!(" --namespace={}", word(&id.scope)) };
    let (kind, name) = (word(&kind(id)), word(&id.name));
    // A name that begins with a dash would be taken for an option, in quotes too.
    match id.name.starts_with('-') {
        false => format!("kubectl{kubectl} {verb} {kind} {name}{namespace}{options}"),
        true => format!("kubectl{kubectl} {verb}{namespace}{options} -- {kind} {name}"),
    }
}

/// What `kubectl` takes for a kind. What is no part of Kubernetes itself may have a namesake in another group.
fn resource(kind: Kind) -> String {
    match kind.api_version().rsplit_once('/') {
        Some((group, _)) if group.contains('.') && !group.ends_with(".k8s.io") => {
            format!("{}.{group}", kind.plural())
        }
        _ => kind.plural().to_owned(),
    }
}

/// What `kubectl` takes for the kind of this object.
pub(crate) fn kind(id: &ResourceId) -> String {
    id.known_kind().map_or_else(|| id.kind.to_lowercase(), resource)
}
