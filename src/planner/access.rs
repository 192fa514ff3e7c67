//! Rights as sentences: who can do what where, read off a binding or a role as it stands in the cluster, or off the
//! Secret with a token that never ends.
//! For people; nothing is decided by these words.

use crate::domains::ACCOUNT;
use crate::kinds::Kind;
use crate::node::LONG_LIVED;
use crate::resource::ResourceId;
use crate::tree::Tree;

/// The sentences for what this object grants, with a verb such as `becomes` or `is still`.
#[must_use]
pub fn sentences(id: &ResourceId, body: &Tree, verb: &str) -> Vec<String> {
    if *id == ResourceId::kube(Kind::Secret, id.scope.clone(), LONG_LIVED) {
        let who = format!("whoever has the token in the Secret {LONG_LIVED} of {}", id.scope);
        return vec![format!("{who} {verb} its service account {ACCOUNT}, without an end")];
    }
    let subjects = body.get("subjects").map(Tree::items).unwrap_or_default();
    subjects.iter().filter_map(|subject| sentence(id, body, subject, verb)).collect()
}

/// The sentence for one subject of a binding.
#[must_use]
pub fn sentence(id: &ResourceId, body: &Tree, subject: &Tree, verb: &str) -> Option<String> {
    let kind = id.known_kind()?;
    let text = |pointer: &str| body.at(pointer).and_then(Tree::as_text).map(|text| text.as_str());
    let who = who(subject)?;
    let role = text("/roleRef/name")?;
    let what = match (kind, role) {
        (Kind::RoleBinding, "admin") => format!("admin of {}", id.scope),
        (Kind::RoleBinding, "view") => format!("viewer of {}", id.scope),
        (Kind::RoleBinding, "tenant-deployer") => format!("deployer of {}", id.scope),
        (Kind::RoleBinding, other) => format!("holder of the role `{other}` in {}", id.scope),
        (Kind::ClusterRoleBinding, "cluster-admin") => "admin of the whole cluster".to_owned(),
        (Kind::ClusterRoleBinding, "kwo-power-user") => {
            "power-user (reads the whole cluster, but no Secrets and no ConfigMaps)".to_owned()
        }
        (Kind::ClusterRoleBinding, "kwo-navigation") => {
            "able to list the cluster's namespaces and nodes".to_owned()
        }
        (Kind::ClusterRoleBinding, other) => format!("holder of the role `{other}` in the whole cluster"),
        _ => return None,
    };
    Some(format!("{who} {verb} {what}"))
}

fn who(subject: &Tree) -> Option<String> {
    let text = |key: &str| subject.get(key).and_then(Tree::as_text);
    let name = text("name")?;
    Some(match text("kind").map(|kind| kind.as_str()) {
        Some("Group") => format!("group {name}"),
        Some("ServiceAccount") => {
            format!("service account {}/{name}", text("namespace").map_or("", |namespace| namespace.as_str()))
        }
        _ => name.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_reads_as_a_sentence() {
        let body: Tree = serde_json::from_str(
            r#"{"roleRef":{"kind":"ClusterRole","name":"admin"},
                "subjects":[{"kind":"User","name":"alice@example.com"},{"kind":"Group","name":"team"}]}"#,
        )
        .unwrap();
        assert_eq!(
            sentences(&ResourceId::kube(Kind::RoleBinding, "alice-prod", "alice-admin"), &body, "becomes"),
            ["alice@example.com becomes admin of alice-prod", "group team becomes admin of alice-prod"]
        );
        assert_eq!(
            sentences(&ResourceId::kube(Kind::Secret, "a", "deployer-token"), &Tree::Null, "is still"),
            [
                "whoever has the token in the Secret deployer-token of a is still its service account deployer, without an end"
            ]
        );
        assert!(sentences(&ResourceId::kube(Kind::Secret, "a", "other"), &Tree::Null, "becomes").is_empty());
    }
}
