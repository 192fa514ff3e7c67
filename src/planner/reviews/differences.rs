//! An answer that is not the promised one: what is said of it, which binding may be the reason, and the command that
//! shows more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

use super::matrix::Asked;
use crate::endings::{showing, word};
use crate::foreign::{self, ForeignAccess};
use crate::kinds::Kind;
use crate::observed::Reach;
use crate::plan::Plan;
use crate::resource::{Desired, ResourceId};
use crate::tree::SmolStr;

/// What the API server answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// Yes?
    pub allowed: bool,
    /// Why, in its own words; it need not say.
    pub why: SmolStr,
}

/// An answer that is not what the roster promises.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Who it is about.
    pub who: SmolStr,
    /// The namespace; empty for the whole cluster.
    pub namespace: SmolStr,
    /// The verb.
    pub verb: SmolStr,
    /// The resource, as `kubectl` takes it.
    pub resource: SmolStr,
    /// Does the roster promise it?
    pub expected: bool,
    /// Does the API server let it?
    pub found: bool,
    /// Why, as far as it is known.
    pub why: SmolStr,
    /// What may be the reason: a binding of others, a role, or the binding that should give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ResourceId>,
    /// The command that shows more.
    pub command: SmolStr,
}

impl Difference {
    /// What an answer says that is not the promised one; nothing where it is.
    #[must_use]
    pub fn of(
        asked: &Asked,
        verdict: &Verdict,
        plan: &Plan,
        desired: &Desired,
        reach: &Reach,
    ) -> Option<Difference> {
        let Asked { who, question, expected, by } = asked;
        if *expected == verdict.allowed {
            return None;
        }
        let (by, why) = match by {
            Some(binding) => {
                let held = plan.held.iter().find(|held| held.id == *binding);
                let why = held.map(|held| format_smolstr!("kwo holds {binding}: {}", held.hold));
                let usual = || format_smolstr!("{binding} should give it");
                (Some(binding.clone()), why.unwrap_or_else(usual))
            }
            None => {
                let given = binding(&verdict.why, &question.namespace);
                // What kwo wrote gives more than the roster says only if its role does.
                let given = given.map(|(id, role)| if desired.get(&id).is_some() { role } else { id });
                let names = foreign::told(&question.user, &question.groups);
                let of_others = |foreign: &&ForeignAccess| {
                    let scope = &foreign.id.scope;
                    names.contains(&foreign.who) && (scope.is_empty() || *scope == question.namespace)
                };
                let of_others =
                    || plan.foreign_access.iter().find(of_others).map(|foreign| foreign.id.clone());
                let by = given.or_else(of_others);
                let why = match (verdict.why.as_str(), &by) {
                    ("", Some(id)) => format_smolstr!("{id} may give it"),
                    ("", None) => SmolStr::new_static("the API server does not say why"),
                    (says, _) => format_smolstr!("the API server says: {}", foreign::clipped(says)),
                };
                (by, why)
            }
        };
        let command = by.as_ref().map_or_else(|| ask_again(asked, reach), |id| showing(id, reach));
        Some(Difference {
            who: who.clone(),
            namespace: question.namespace.clone(),
            verb: question.verb.clone(),
            resource: question.what().into(),
            expected: *expected,
            found: verdict.allowed,
            why,
            by,
            command,
        })
    }

    /// As a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Difference { who, namespace, verb, resource, found, .. } = self;
        let may = if *found { "may" } else { "may not" };
        let right = match verb.as_str() {
            "*" => "do everything".to_owned(),
            verb => format!("{verb} {resource}"),
        };
        let place = if namespace.is_empty() { "the whole cluster" } else { namespace };
        let promise = if *found { "the roster gives no such right" } else { "the roster promises it" };
        format!("{who} {may} {right} in {place}, but {promise}")
    }
}

/// The same question for `kubectl`.
fn ask_again(asked: &Asked, reach: &Reach) -> SmolStr {
    let question = &asked.question;
    let place = match question.namespace.as_str() {
        "" => "--all-namespaces".to_owned(),
        namespace => format!("--namespace={}", word(namespace)),
    };
    let (verb, what) = (word(&question.verb), word(&question.what()));
    // Groups are impersonated only together with a user.
    let user = if question.user.is_empty() { "nobody" } else { &question.user };
    let groups: String = question.groups.iter().map(|group| format!(" --as-group={}", word(group))).collect();
    format_smolstr!("kubectl{} auth can-i {verb} {what} {place} --as={}{groups}", reach.kubectl, word(user))
}

/// The binding and the role that RBAC's authorizer names: `RBAC: allowed by RoleBinding "a/b" of ClusterRole "c" to …`.
/// Nothing where the words are others.
fn binding(says: &str, namespace: &str) -> Option<(ResourceId, ResourceId)> {
    let (_, said) = says.split_once("allowed by ")?;
    let (kind, said) = said.split_once(" \"")?;
    let (name, said) = said.split_once("\" of ")?;
    let (of, said) = said.split_once(" \"")?;
    let (role, _) = said.split_once("\" to ")?;
    if [name, role].iter().any(|name| name.contains(['"', '\\'])) {
        return None;
    }
    let binding = match Kind::named(kind)? {
        kind @ Kind::ClusterRoleBinding => ResourceId::kube(kind, "", name),
        kind @ Kind::RoleBinding => {
            let (name, place) = name.rsplit_once('/').filter(|(_, place)| *place == namespace)?;
            ResourceId::kube(kind, place, name)
        }
        _ => return None,
    };
    let role = match Kind::named(of)? {
        kind @ Kind::ClusterRole => ResourceId::kube(kind, "", role),
        kind @ Kind::Role => ResourceId::kube(kind, namespace, role),
        _ => return None,
    };
    Some((binding, role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binding_is_read_off_the_words_of_the_server() {
        let says = r#"RBAC: allowed by RoleBinding "x/bob" of ClusterRole "admin" to User "mallory""#;
        let (id, role) = binding(says, "bob").unwrap();
        assert_eq!(id.to_string(), "kube:RoleBinding/bob/x");
        assert_eq!(role.to_string(), "kube:ClusterRole/admin");
        assert_eq!(binding(says, "alice"), None);
        let says = r#"RBAC: allowed by ClusterRoleBinding "x" of ClusterRole "y" to Group "z""#;
        assert_eq!(binding(says, "bob").unwrap().0.to_string(), "kube:ClusterRoleBinding/x");
        for odd in [
            "",
            "allowed by ",
            r#"RBAC: allowed by ClusterRoleBinding "a\"b" of ClusterRole "y" to Group "z""#,
            r#"RBAC: allowed by Secret "a" of ClusterRole "y" to Group "z""#,
            "node: allowed",
        ] {
            assert_eq!(binding(odd, "bob"), None, "{odd}");
        }
    }
}
