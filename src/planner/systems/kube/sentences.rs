//! Rights as sentences: who can do what where, read off a binding or a role as it stands in the cluster, or off the
//! Secret with a token that never ends.
//! For people; nothing is decided by these words.

use crate::kinds::Kind;
use crate::named::{ACCOUNT, LONG_LIVED, NAVIGATION};
use crate::plain::user;
use crate::resource::ResourceId;
use crate::tree::{SmolStr, Tree};

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

/// The sentences for what an object as a whole still gives somebody whom the roster does not name.
#[must_use]
pub fn still(id: &ResourceId, body: &Tree) -> Vec<String> {
    match id.system.rules().still_gives(id) {
        Some(sentence) => vec![sentence],
        None => sentences(id, body, "is still"),
    }
}

/// The sentence for one rule of a role.
#[must_use]
pub fn rule(id: &ResourceId, rule: &Tree) -> Option<String> {
    let words = |key: &str| {
        let words: Vec<&str> =
            rule.get(key)?.items().iter().filter_map(Tree::as_text).map(|text| text.as_str()).collect();
        Some(words.join(", "))
    };
    let place = match id.known_kind()? {
        Kind::Role => id.scope.as_str(),
        Kind::ClusterRole => "the whole cluster",
        _ => return None,
    };
    let on = words("resources").or_else(|| words("nonResourceURLs"))?;
    Some(format!("whoever holds the role `{}` may still {} {on} in {place}", id.name, words("verbs")?))
}

/// The sentence for a role of which a controller writes the rules, by an addition at this pointer.
#[must_use]
pub fn aggregated(id: &ResourceId, pointer: &str) -> Option<String> {
    (id.known_kind() == Some(Kind::ClusterRole) && pointer == "/aggregationRule").then(|| {
        format!(
            "whoever holds the role `{}` may do what other roles give: its aggregationRule gathers them",
            id.name
        )
    })
}

/// Do these rules together give all that one rule gives?
#[must_use]
pub fn is_given(rule: &Tree, rules: &[Tree]) -> bool {
    let texts = |rule: &Tree, key: &str| -> Vec<SmolStr> {
        rule.get(key).map(Tree::items).unwrap_or_default().iter().filter_map(Tree::as_text).cloned().collect()
    };
    // Without a name it is about every one of them.
    let named = |rule: &Tree| match texts(rule, "resourceNames") {
        names if names.is_empty() => vec![SmolStr::default()],
        names => names,
    };
    let within = |all: &[SmolStr], one: &SmolStr| all.iter().any(|have| have == one || have == "*");
    let gives = |parts: &[(&str, &SmolStr)], name: Option<&SmolStr>| {
        rules.iter().any(|rule| {
            let given = parts.iter().all(|(key, one)| within(&texts(rule, key), one));
            given && name.is_none_or(|name| named(rule).iter().any(|have| have == name || have.is_empty()))
        })
    };
    let [verbs, groups, resources, urls] =
        ["verbs", "apiGroups", "resources", "nonResourceURLs"].map(|key| texts(rule, key));
    let names = named(rule);
    verbs.iter().all(|verb| {
        let urls = urls.iter().all(|url| gives(&[("verbs", verb), ("nonResourceURLs", url)], None));
        urls && groups.iter().all(|group| {
            resources.iter().all(|resource| {
                let parts = [("verbs", verb), ("apiGroups", group), ("resources", resource)];
                names.iter().all(|name| gives(&parts, Some(name)))
            })
        })
    })
}

/// The sentence for one subject of a binding.
#[must_use]
pub fn sentence(id: &ResourceId, body: &Tree, subject: &Tree, verb: &str) -> Option<String> {
    let text = |pointer: &str| body.at(pointer).and_then(Tree::as_text).map(|text| text.as_str());
    let who = who(subject)?;
    let what = right(id, text("/roleRef/kind").unwrap_or_default(), text("/roleRef/name")?)?;
    Some(format!("{who} {verb} {what}"))
}

/// What somebody is to whom a binding gives this role.
#[must_use]
pub fn right(id: &ResourceId, kind: &str, role: &str) -> Option<String> {
    // A Role in the namespace may have any name, that of a ClusterRole too.
    let of_cluster = kind != Kind::Role.name();
    Some(match (id.known_kind()?, role) {
        (Kind::RoleBinding, "admin") if of_cluster => format!("admin of {}", id.scope),
        (Kind::RoleBinding, "view") if of_cluster => format!("viewer of {}", id.scope),
        (Kind::RoleBinding, "tenant-deployer") if !of_cluster => format!("deployer of {}", id.scope),
        (Kind::RoleBinding, other) if !of_cluster => {
            format!("holder of the role `{other}` of {} itself", id.scope)
        }
        (Kind::RoleBinding, other) => format!("holder of the role `{other}` in {}", id.scope),
        (Kind::ClusterRoleBinding, "cluster-admin") => "admin of the whole cluster".to_owned(),
        (Kind::ClusterRoleBinding, "kwo-power-user") => {
            "power-user (reads the whole cluster, but no Secrets and no ConfigMaps)".to_owned()
        }
        (Kind::ClusterRoleBinding, NAVIGATION) => {
            "able to list the cluster's namespaces and nodes".to_owned()
        }
        (Kind::ClusterRoleBinding, other) => format!("holder of the role `{other}` in the whole cluster"),
        _ => return None,
    })
}

fn who(subject: &Tree) -> Option<String> {
    let text = |key: &str| subject.get(key).and_then(Tree::as_text);
    let name = text("name")?;
    Some(match text("kind").map(|kind| kind.as_str()) {
        Some("Group") => format!("group {name}"),
        Some("ServiceAccount") => {
            format!("service account {}/{name}", text("namespace").map_or("", |namespace| namespace.as_str()))
        }
        _ => user(name).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_gives_nothing_more_where_others_give_all_of_it() {
        let rule = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        let wanted = [
            rule(r#"{"apiGroups":["","apps"],"resources":["pods","secrets"],"verbs":["*"]}"#),
            rule(r#"{"apiGroups":["*"],"resources":["leases"],"resourceNames":["a"],"verbs":["get"]}"#),
            rule(r#"{"nonResourceURLs":["/healthz"],"verbs":["get"]}"#),
        ];
        for (json, given) in [
            (r#"{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}"#, true),
            (r#"{"apiGroups":[""],"resources":["pods"],"resourceNames":["x"],"verbs":["get"]}"#, true),
            (r#"{"apiGroups":[""],"resources":["pods","nodes"],"verbs":["get"]}"#, false),
            (r#"{"apiGroups":["batch"],"resources":["pods"],"verbs":["get"]}"#, false),
            (r#"{"apiGroups":["*"],"resources":["pods"],"verbs":["get"]}"#, false),
            (r#"{"apiGroups":["x"],"resources":["leases"],"resourceNames":["a"],"verbs":["get"]}"#, true),
            (r#"{"apiGroups":["x"],"resources":["leases"],"verbs":["get"]}"#, false),
            (r#"{"nonResourceURLs":["/healthz"],"verbs":["get"]}"#, true),
            (r#"{"nonResourceURLs":["/metrics"],"verbs":["get"]}"#, false),
        ] {
            assert_eq!(is_given(&rule(json), &wanted), given, "{json}");
        }
    }

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
