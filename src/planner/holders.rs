//! Who else has a hold on an object that is about to be taken over: the objects that it belongs to, and the finalizers
//! of others. Nothing here is about what kwo made.

use crate::endings::ending_of_field;
use crate::observed::{Present, Reach};
use crate::resource::ResourceId;
use crate::tree::{SmolStr, Tree};

/// Whom an object belongs to that is about to be taken over, and who keeps it from being deleted, where that is not the
/// cluster itself: the garbage collector deletes what an owner leaves behind, and would take kwo's object with it.
#[must_use]
pub(crate) fn foreign_holders(id: &ResourceId, present: &Present, reach: &Reach) -> Option<String> {
    let list =
        |part: &str| present.body.at(&format!("/metadata/{part}")).map(Tree::items).unwrap_or_default();
    let owner = |owner: &Tree| {
        let word = |part: &str| owner.get(part).and_then(Tree::as_text).map_or("?", SmolStr::as_str);
        format!("{}/{}", word("kind"), word("name"))
    };
    let owners: Vec<String> = list("ownerReferences").iter().map(owner).collect();
    let finalizers: Vec<&SmolStr> =
        list("finalizers").iter().filter_map(Tree::as_text).filter(|name| !is_of_the_cluster(name)).collect();
    let mut said = Vec::new();
    let mut commands = Vec::new();
    if !owners.is_empty() {
        said.push(format!("it belongs to {} and would be deleted with it", owners.join(", ")));
        commands.push(ending_of_field(id, "/metadata/ownerReferences", None, reach));
    }
    if !finalizers.is_empty() {
        said.push(format!("it cannot be deleted without the finalizers {}", join_words(&finalizers)));
        commands.push(ending_of_field(id, "/metadata/finalizers", None, reach));
    }
    if said.is_empty() {
        return None;
    }
    Some(format!("{}; remove that before kwo takes it over: {}", said.join(", and "), commands.join(" && ")))
}

/// Is it a finalizer of Kubernetes or of k3s?
fn is_of_the_cluster(finalizer: &str) -> bool {
    let domain = finalizer.split_once('/').map_or(finalizer, |(domain, _)| domain);
    let known = ["kubernetes.io", "k8s.io", "cattle.io"];
    let below =
        |known: &&str| domain.strip_suffix(*known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !finalizer.contains('/') || known.iter().any(below)
}

fn join_words(words: &[&SmolStr]) -> String {
    words.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", ")
}
