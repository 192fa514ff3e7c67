//! What is brought back, as if a roster wanted it, so that it is checked against the same rules as a plan: whoever could write to a
//! record, or made an archive, could have put something into it that no roster may want.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cut, list_of};
use crate::kinds::Kind;
use crate::observed::{Observed, Sighting};
use crate::resource::{Clash, Desired, Reason, Resource, ResourceId};
use crate::tree::Tree;

/// What is wanted once something is back.
#[derive(Clone, Debug)]
pub struct Brought {
    /// All of it. Roles that the roster does not want are not in it, for what kwo wants of roles is kwo's own.
    pub desired: Desired,
    /// The rules of such roles.
    pub roles: Vec<(ResourceId, Tree)>,
}

impl Brought {
    /// What a record brings back, beside what the roster wants.
    ///
    /// # Errors
    /// Never, for each id is there once.
    pub fn by<'c>(
        desired: &Desired,
        cuts: impl IntoIterator<Item = &'c Cut>,
        observed: &Observed,
    ) -> Result<Brought, Clash> {
        let mut bodies: BTreeMap<&ResourceId, Tree> = BTreeMap::new();
        // Who the registry lets in is no part of an object that a rule reads.
        let counts = |cut: &&Cut| {
            let id = cut.id();
            // Outside the cluster what the roster wants is judged as it wants it.
            let outside = (id.vault_kind().is_some() || id.record().is_some()) && desired.get(id).is_none();
            (id.known_kind().is_some() || outside) && cut.logins().is_none()
        };
        for cut in cuts.into_iter().filter(counts) {
            if cut.parts().is_empty() {
                bodies.insert(cut.id(), cut.inverse().clone());
                continue;
            }
            let there = || match observed.get(cut.id()) {
                Some(Sighting::Present(present)) => Some(present.body.clone()),
                _ => desired.get(cut.id()).map(|resource| resource.body.clone()),
            };
            // A part of what is not there does not come back.
            let Some(body) = bodies.remove(cut.id()).or_else(there) else { continue };
            bodies.insert(cut.id(), cut.parts().iter().fold(body, |body, part| with(&body, part)));
        }
        let mut roles = Vec::new();
        let mut resources: Vec<Resource> = desired.resources().to_vec();
        for (id, body) in bodies {
            match desired.position(id) {
                Some(at) => resources[at].body = body,
                None if is_role(id) => roles.push((id.clone(), rules(&body))),
                None => resources.push(Resource::new(id.clone(), body, Arc::new([]), Reason::Always)),
            }
        }
        Ok(Brought { desired: Desired::new(resources, Arc::new(desired.sources().clone()))?, roles })
    }

    /// What an archive brings: the roles in it are anybody's.
    ///
    /// # Errors
    /// Never, for each id is there once.
    pub fn all(desired: &Desired) -> Result<Brought, Clash> {
        let (roles, rest): (Vec<_>, Vec<_>) =
            desired.resources().iter().cloned().partition(|resource| is_role(&resource.id));
        let roles = roles.into_iter().map(|role| (role.id, rules(&role.body))).collect();
        Ok(Brought { desired: Desired::new(rest, Arc::new(desired.sources().clone()))?, roles })
    }
}

/// A value put back where it stood; an entry of a list anywhere in it.
fn with(body: &Tree, part: &super::Entry) -> Tree {
    match list_of(&part.pointer) {
        None => body.with(&part.pointer, part.value.clone()),
        Some(list) => {
            let items = body.at(list).map(Tree::items).unwrap_or_default().iter();
            body.with(list, Tree::list(items.chain([&part.value]).cloned()))
        }
    }
}

fn is_role(id: &ResourceId) -> bool {
    matches!(id.known_kind(), Some(Kind::Role | Kind::ClusterRole))
}

fn rules(role: &Tree) -> Tree {
    role.get("rules").cloned().unwrap_or(Tree::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_wanted_beside_the_rest_and_a_role_is_nobodys() {
        let cut = |json: &str| serde_json::from_str::<Cut>(json).unwrap();
        let binding = cut(
            r#"{"id":"kube:RoleBinding/a/b","seen":"u/7","order":"right","why":"w","inverse":{"kind":"RoleBinding"}}"#,
        );
        let part =
            cut(r#"{"id":"kube:RoleBinding/a/b","seen":"u/7","order":"right","why":"w","inverse":null,
            "parts":[{"pointer":"/subjects/3","value":{"kind":"User","name":"eve"}}]}"#);
        let role = cut(
            r#"{"id":"kube:ClusterRole/r","seen":"u/7","order":"right","why":"w","inverse":{"rules":[{"verbs":["*"]}]}}"#,
        );
        let nobody = Observed::default();
        let brought = Brought::by(&Desired::default(), [&binding, &part, &role], &nobody).unwrap();
        let bodies: Vec<String> =
            brought.desired.resources().iter().map(|resource| resource.body.to_string()).collect();
        assert_eq!(bodies, [r#"{"kind":"RoleBinding","subjects":[{"kind":"User","name":"eve"}]}"#]);
        assert_eq!(brought.roles.len(), 1);
        let member = cut(r#"{"id":"vault:Member/kwo-a-owner/eve","seen":"u","order":"right","why":"w",
            "inverse":{"group":"kwo-a-owner","identity":"eve"}}"#);
        let outside = Brought::by(&Desired::default(), [&member], &nobody).unwrap();
        assert_eq!(outside.desired.resources()[0].id, *member.id());
        let alone = Brought::by(&Desired::default(), [&part], &nobody).unwrap();
        assert!(alone.desired.resources().is_empty(), "a part of what is not there does not come back");
    }
}
