//! Which words of a question mean something: verbs of Kubernetes, resources that the API server has, and whatever a rule of
//! the cluster names. Another word gets an answer, too, which is a no; so the person is told that it may be a slip.

use std::collections::BTreeSet;

use super::api::Api;
use super::cluster::Cluster;
use super::rules::ALL;
use crate::roster::spelling::did_you_mean;
use crate::tree::SmolStr;

/// The verbs that the API server itself asks about.
const VERBS: [&str; 16] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
    "approve",
    "sign",
    "attest",
    ALL,
];

/// Those of requests for a path that is no resource: the methods of HTTP.
const OF_PATHS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", ALL];

/// The subresources that any resource can have.
const OF_ANY: [&str; 2] = ["scale", "status"];

/// The words in the rules of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Words {
    verbs: BTreeSet<SmolStr>,
    /// Resources by their groups, as rules write them: with the subresource behind a slash.
    resources: BTreeSet<(SmolStr, SmolStr)>,
}

impl Words {
    /// All words of the rules.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Words {
        let mut words = Words::default();
        for rule in cluster.rules() {
            words.verbs.extend(rule.verbs.iter().cloned());
            for group in &rule.api_groups {
                words
                    .resources
                    .extend(rule.resources.iter().map(|resource| (group.clone(), resource.clone())));
            }
        }
        words
    }

    /// Does a rule name this resource, or this subresource behind a slash?
    pub(super) fn names(&self, group: &str, resource: &str) -> bool {
        [group, ALL].iter().any(|group| self.resources.contains(&((*group).into(), resource.into())))
    }

    /// All known subresources of a resource.
    fn parts<'w>(&'w self, api: &'w Api) -> impl Iterator<Item = &'w str> {
        let of_rules = self.resources.iter().filter(|(group, _)| *group == api.group || group == ALL);
        let of_rules = of_rules.filter_map(|(_, name)| name.split_once('/'));
        let of_rules = of_rules.filter(|(of, _)| *of == api.plural).map(|(_, part)| part);
        let of_any = (!api.served).then_some(OF_ANY).into_iter().flatten();
        api.parts.iter().map(SmolStr::as_str).chain(of_rules).chain(of_any)
    }

    /// Is it a subresource of one of these?
    pub(super) fn is_part(&self, found: &[Api], part: &str) -> bool {
        let every = self.names(ALL, &format!("*/{part}"));
        found.iter().any(|api| api.plural == ALL || every || self.parts(api).any(|known| known == part))
    }

    /// What may be wrong with a verb.
    #[must_use]
    pub fn doubt_of_verb(&self, verb: &str, what: &str) -> Option<String> {
        let (own, of): (&[&str], &str) = match what.starts_with('/') {
            true => (&OF_PATHS, " for paths"),
            false => (&VERBS, ""),
        };
        if own.contains(&verb) || self.verbs.contains(verb) {
            return None;
        }
        let known = own.iter().copied().chain(self.verbs.iter().map(SmolStr::as_str));
        let known = known.filter(|known| *known != ALL);
        // Whoever types a verb for resources has made no slip of the fingers.
        let hint = did_you_mean(verb, known).filter(|_| !VERBS.contains(&verb)).unwrap_or_else(|| {
            let own = own.iter().filter(|known| **known != ALL).copied();
            format!("Kubernetes has {}", own.collect::<Vec<_>>().join(", "))
        });
        Some(format!("`{verb}` is no verb of Kubernetes{of}, and no role has it; {hint}"))
    }

    /// What may be wrong with resources that the API server does not have: only rules can name them.
    pub(super) fn doubt_of_resource(&self, found: &[Api], apis: &[Api]) -> Option<String> {
        let strange = found.iter().find(|api| !api.served && api.plural != ALL)?;
        let Api { group, plural, .. } = strange;
        if self.names(group, plural) || super::api::is_of_rules(group, plural) {
            return None;
        }
        let alike = apis.iter().find(|api| api.plural == *plural || api.also.contains(plural));
        let hint = match alike {
            Some(api) => format!("; did you mean `{}`?", whole(api)),
            None => {
                let all: Vec<String> = apis.iter().map(whole).collect();
                let typed = whole(strange);
                let hint = did_you_mean(&typed, all.iter().map(String::as_str));
                hint.map(|hint| format!("; {hint}")).unwrap_or_default()
            }
        };
        Some(format!(
            "the API server has no resource `{plural}` in the group `{group}`, and no role names it{hint}"
        ))
    }

    /// What may be wrong with a word behind a slash that is taken for the name of an object.
    pub(super) fn doubt_of_name(&self, found: &[Api], name: &str) -> Option<String> {
        let api = found.first()?;
        let near = did_you_mean(name, found.iter().flat_map(|api| self.parts(api)))?;
        Some(format!(
            "`{}` has no subresource `{name}`, so kwo asks about the object of this name; {near}",
            api.plural
        ))
    }

    /// What may be wrong with a subresource that was named as one.
    pub(super) fn doubt_of_part(&self, found: &[Api], part: &str) -> Option<String> {
        if self.is_part(found, part) {
            return None;
        }
        let api = found.first()?;
        let near = did_you_mean(part, found.iter().flat_map(|api| self.parts(api)));
        let near = near.map(|near| format!("; {near}")).unwrap_or_default();
        Some(format!("`{}` has no subresource `{part}`, and no role names one{near}", api.plural))
    }
}

/// As people write it.
fn whole(api: &Api) -> String {
    let Api { group, plural, .. } = api;
    if group.is_empty() { plural.to_string() } else { format!("{plural}.{group}") }
}

#[cfg(test)]
mod tests {
    use super::super::api::tests::apis;
    use super::super::{Parts, Role, Rule, Typed, asked};
    use super::*;

    #[test]
    fn a_word_that_nothing_knows_is_doubted_with_the_nearest_one() {
        let rules: Vec<Rule> = serde_json::from_str(
            r#"[{"verbs":["reload"],"apiGroups":["example.com"],"resources":["gadgets","gadgets/spin"]}]"#,
        )
        .unwrap();
        let mut parts = Parts::default();
        parts.roles.insert((SmolStr::default(), "own".into()), Role { rules, gathered: false });
        let words = Words::of(&Cluster::new(parts));
        let doubts = |verb: &str, what: &str, part: Option<&str>| {
            let typed = Typed { verb, what, name: None, part, namespace: None };
            let doubts = asked(typed, &apis(), &words).unwrap().doubts;
            words.doubt_of_verb(verb, what).into_iter().chain(doubts).collect::<Vec<_>>().join(" | ")
        };
        for (verb, what, part, doubt) in [
            ("get", "secrets", None, ""),
            ("*", "*", None, ""),
            ("create", "pods/exec", None, ""),
            ("get", "pods/web-1", None, ""),
            ("get", "/metrics", None, ""),
            ("impersonate", "users", None, ""),
            ("approve", "signers.certificates.k8s.io", None, ""),
            // What a rule names is known.
            ("reload", "gadgets.example.com/spin", None, ""),
            (
                "gte",
                "secrets",
                None,
                "`gte` is no verb of Kubernetes, and no role has it; did you mean `get`?",
            ),
            (
                "GET",
                "secrets",
                None,
                "`GET` is no verb of Kubernetes, and no role has it; did you mean `get`?",
            ),
            (
                "list",
                "/metrics",
                None,
                "`list` is no verb of Kubernetes for paths, and no role has it; Kubernetes has get, head, post, put, patch, delete, options",
            ),
            (
                "get",
                "pods/exce",
                None,
                "`pods` has no subresource `exce`, so kwo asks about the object of this name; did you mean `exec`?",
            ),
            (
                "get",
                "pods",
                Some("lgo"),
                "`pods` has no subresource `lgo`, and no role names one; did you mean `log`?",
            ),
            (
                "get",
                "deployments.app",
                None,
                "the API server has no resource `deployments` in the group `app`, and no role names it; did you mean `deployments.apps`?",
            ),
            (
                "get",
                "secrets.v1",
                None,
                "the API server has no resource `secrets` in the group `v1`, and no role names it; did you mean `secrets`?",
            ),
            (
                "get",
                "gadget.example.com",
                None,
                "the API server has no resource `gadget` in the group `example.com`, and no role names it",
            ),
        ] {
            assert_eq!(doubts(verb, what, part), doubt, "{verb} {what}");
        }
        assert!(doubts("create", "secrets/db", None).contains("without its name"));
    }
}
