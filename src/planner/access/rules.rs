//! One rule of a role against one question, exactly as the RBAC authorizer of the API server compares them. Nothing here
//! knows a binding.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::tree::SmolStr;

/// What stands for everything in a rule.
pub(super) const ALL: &str = "*";

/// One rule of a role. The API server writes `null` for a list that is empty.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// What it allows to do; `*` is everything.
    #[serde(deserialize_with = "or_null")]
    pub verbs: Vec<SmolStr>,
    /// In which API groups; `*` is all of them, and the empty one is that of pods and Secrets.
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<SmolStr>,
    /// With which resources; a subresource stands behind a slash.
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<SmolStr>,
    /// Only with the objects of these names; none is all of them.
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<SmolStr>,
    /// With these paths that are no resources.
    #[serde(rename = "nonResourceURLs", deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<SmolStr>,
}

/// One question: may somebody do this?
#[derive(Clone, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Question {
    /// What is to be done: `get`, `create`, `escalate`.
    pub verb: SmolStr,
    /// With what.
    #[serde(flatten)]
    pub what: What,
    /// In which namespace; empty for what is in none, and for all of them together.
    pub namespace: SmolStr,
}

/// What a question is about.
#[derive(Clone, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(untagged)]
pub enum What {
    /// A resource.
    Resource {
        /// Its API group; empty for that of pods and Secrets.
        group: SmolStr,
        /// Its name in the API, in the plural.
        resource: SmolStr,
        /// A part of it such as `exec`; or empty.
        #[serde(skip_serializing_if = "SmolStr::is_empty")]
        subresource: SmolStr,
        /// One object by its name; empty for any.
        #[serde(skip_serializing_if = "SmolStr::is_empty")]
        name: SmolStr,
    },
    /// A path of the API server that is no resource.
    Url {
        /// The path.
        url: SmolStr,
    },
}

fn or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SmolStr>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn has(list: &[SmolStr], one: &str) -> bool {
    list.iter().any(|have| have == ALL || have == one)
}

impl Rule {
    /// Does the rule allow it?
    #[must_use]
    pub fn allows(&self, question: &Question) -> bool {
        let Question { verb, what, namespace: _ } = question;
        match what {
            What::Resource { group, resource, subresource, name } => {
                self.covers(verb, group, resource, subresource)
                    // A name is never a pattern: `*` is the object that is called so.
                    && (self.resource_names.is_empty() || self.resource_names.contains(name))
            }
            What::Url { url } => has(&self.verbs, verb) && self.urls.iter().any(|have| is_at(have, url)),
        }
    }

    /// Would it allow it for an object of some name?
    #[must_use]
    pub fn covers(&self, verb: &str, group: &str, resource: &str, subresource: &str) -> bool {
        has(&self.verbs, verb)
            && has(&self.api_groups, group)
            && self.resources.iter().any(|have| is_of(have, resource, subresource))
    }

    /// Is it about everything that can be done with everything?
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let all = |list: &[SmolStr]| list.iter().any(|have| have == ALL);
        all(&self.verbs) && all(&self.api_groups) && all(&self.resources) && self.resource_names.is_empty()
    }
}

/// Does a resource of a rule mean this one? `*` is all with all of their subresources, `*/scale` that of each, and
/// `pods/*` no pattern.
fn is_of(have: &str, resource: &str, subresource: &str) -> bool {
    if have == ALL {
        return true;
    }
    if subresource.is_empty() {
        return have == resource;
    }
    let named = have.strip_prefix(resource).and_then(|rest| rest.strip_prefix('/'));
    named == Some(subresource) || have.strip_prefix("*/") == Some(subresource)
}

/// Does a path of a rule mean this one? Only stars at its end are a pattern.
fn is_at(have: &str, url: &str) -> bool {
    have == ALL || have == url || have.ends_with('*') && url.starts_with(have.trim_end_matches('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    fn asked(verb: &str, group: &str, resource: &str, name: &str) -> Question {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let [group, resource, subresource, name] = [group, resource, subresource, name].map(SmolStr::from);
        let what = What::Resource { group, resource, subresource, name };
        Question { verb: verb.into(), what, namespace: SmolStr::default() }
    }

    #[test]
    fn a_rule_is_read_as_the_api_server_reads_it() {
        let cases = [
            (r#"{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}"#, "delete", "a", "b/c", "d", true),
            (r#"{"verbs":["get"],"apiGroups":[""],"resources":["*/scale"]}"#, "get", "", "x/scale", "", true),
            (
                r#"{"verbs":["get"],"apiGroups":[""],"resources":["*/scale"]}"#,
                "get",
                "",
                "x/status",
                "",
                false,
            ),
            (r#"{"verbs":["get"],"apiGroups":[""],"resources":["*/scale"]}"#, "get", "", "scale", "", false),
            (
                r#"{"verbs":["get"],"apiGroups":[""],"resources":["pods/*"]}"#,
                "get",
                "",
                "pods/log",
                "",
                false,
            ),
            (r#"{"verbs":["get"],"apiGroups":[""],"resources":["pods/*"]}"#, "get", "", "pods/*", "", true),
            (r#"{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}"#, "get", "", "pods/log", "", false),
            (r#"{"verbs":["get"],"apiGroups":[""],"resources":["pods/log"]}"#, "get", "", "pods", "", false),
            (
                r#"{"verbs":["get"],"apiGroups":[""],"resources":["p"],"resourceNames":["*"]}"#,
                "get",
                "",
                "p",
                "a",
                false,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":[""],"resources":["p"],"resourceNames":["*"]}"#,
                "get",
                "",
                "p",
                "*",
                true,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":[""],"resources":["p"],"resourceNames":["a"]}"#,
                "get",
                "",
                "p",
                "",
                false,
            ),
            (r#"{"verbs":["get"],"apiGroups":null,"resources":["p"]}"#, "get", "", "p", "", false),
            (r#"{"verbs":["GET"],"apiGroups":[""],"resources":["p"]}"#, "get", "", "p", "", false),
            (r#"{"verbs":["get*"],"apiGroups":[""],"resources":["p"]}"#, "get", "", "p", "", false),
            (r#"{"verbs":["get"],"nonResourceURLs":["*"]}"#, "get", "", "p", "", false),
        ];
        for (json, verb, group, resource, name, allowed) in cases {
            assert_eq!(rule(json).allows(&asked(verb, group, resource, name)), allowed, "{json} {resource}");
        }
    }

    #[test]
    fn a_path_ends_in_stars_or_is_meant_to_the_letter() {
        for (have, url, allowed) in [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/etcd", false),
            ("/healthz*", "/healthzz", true),
            ("/healthz/*", "/healthz", false),
            ("/healthz/**", "/healthz/a", true),
            ("/*/a", "/b/a", false),
            ("*", "", true),
        ] {
            let rule = Rule { verbs: vec!["get".into()], urls: vec![have.into()], ..Rule::default() };
            let what = What::Url { url: url.into() };
            let question = Question { verb: "get".into(), what, namespace: SmolStr::default() };
            assert_eq!(rule.allows(&question), allowed, "{have} {url}");
        }
    }
}
