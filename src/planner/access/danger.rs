//! Rights that lead to more than they say: whoever has one of them can become somebody else, or get out of the namespace.
//! `docs/how-to/who-may-do-what.md` lists them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::api::never_named;
use super::rules::{Question, Rule, What};
use crate::tree::SmolStr;

/// What makes a right dangerous, the worst first.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Danger {
    /// Everything.
    Everything,
    /// To write roles with rights that one does not have.
    Escalate,
    /// To bind roles with rights that one does not have.
    Bind,
    /// To act as somebody else.
    Impersonate,
    /// To reach the kubelet of a node, and with it every container there.
    NodesProxy,
    /// To mount the files of a node.
    HostPaths,
    /// To read Secrets.
    ReadSecrets,
    /// To make tokens of service accounts.
    Tokens,
    /// To run commands in containers.
    Exec,
}

/// Any of these verbs, on any of these resources of one of these groups, with this subresource.
struct Sign {
    danger: Danger,
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    part: &'static str,
}

const CORE: &[&str] = &[""];
const RBAC: &[&str] = &["rbac.authorization.k8s.io"];
const ROLES: &[&str] = &["roles", "clusterroles"];

const SIGNS: [Sign; 12] = [
    Sign { danger: Danger::Escalate, verbs: &["escalate"], groups: RBAC, resources: ROLES, part: "" },
    Sign { danger: Danger::Bind, verbs: &["bind"], groups: RBAC, resources: ROLES, part: "" },
    Sign {
        danger: Danger::Impersonate,
        verbs: &["impersonate"],
        groups: &["", "authentication.k8s.io"],
        resources: &["users", "groups", "serviceaccounts", "uids"],
        part: "",
    },
    Sign {
        danger: Danger::NodesProxy,
        verbs: &["get", "create", "update", "patch", "delete"],
        groups: CORE,
        resources: &["nodes"],
        part: "proxy",
    },
    Sign {
        danger: Danger::HostPaths,
        verbs: &["create", "update", "patch"],
        groups: CORE,
        resources: &["persistentvolumes"],
        part: "",
    },
    Sign {
        danger: Danger::ReadSecrets,
        verbs: &["get", "list", "watch"],
        groups: CORE,
        resources: &["secrets"],
        part: "",
    },
    Sign {
        danger: Danger::Tokens,
        verbs: &["create"],
        groups: CORE,
        resources: &["serviceaccounts"],
        part: "token",
    },
    Sign {
        danger: Danger::Exec,
        verbs: &["create", "get"],
        groups: CORE,
        resources: &["pods"],
        part: "exec",
    },
    Sign {
        danger: Danger::Exec,
        verbs: &["create", "get"],
        groups: CORE,
        resources: &["pods"],
        part: "attach",
    },
    Sign {
        danger: Danger::Exec,
        verbs: &["update", "patch"],
        groups: CORE,
        resources: &["pods"],
        part: "ephemeralcontainers",
    },
    // What makes pods makes them with any volume, where the namespace does not refuse it.
    Sign {
        danger: Danger::HostPaths,
        verbs: WRITES,
        groups: CORE,
        resources: &["pods", "replicationcontrollers"],
        part: PODS,
    },
    Sign {
        danger: Danger::HostPaths,
        verbs: WRITES,
        groups: &["apps", "batch"],
        resources: &["deployments", "daemonsets", "statefulsets", "replicasets", "jobs", "cronjobs"],
        part: PODS,
    },
];

const WRITES: &[&str] = &["create", "update", "patch"];

/// In place of a subresource: it is about what pods may be there.
const PODS: &str = "?";

/// The levels of pod security that let no pod mount the files of a node.
const SAFE: [&str; 2] = ["baseline", "restricted"];

/// Which dangers rules hold in a place whose pods are held to this level of pod security, and of which names only; none
/// is all of them.
#[must_use]
pub fn dangers(rules: &[Rule], enforces: &str) -> BTreeMap<Danger, Vec<SmolStr>> {
    let mut found: BTreeMap<Danger, Vec<SmolStr>> = BTreeMap::new();
    for rule in rules {
        if rule.is_everything() {
            return [(Danger::Everything, Vec::new())].into();
        }
        for sign in &SIGNS {
            if sign.part == PODS && SAFE.contains(&enforces) || !sign.is_in(rule) {
                continue;
            }
            match found.get_mut(&sign.danger) {
                // All of them are more than some.
                Some(names) if rule.resource_names.is_empty() => names.clear(),
                Some(names) if !names.is_empty() => names.extend(rule.resource_names.iter().cloned()),
                Some(_) => {}
                None => drop(found.insert(sign.danger, rule.resource_names.clone())),
            }
        }
    }
    for names in found.values_mut() {
        names.sort();
        names.dedup();
    }
    found
}

/// The dangers of the roles that Kubernetes has by itself, for where no cluster is at hand that says what is in them.
pub(super) fn of_kubernetes(role: &str) -> BTreeMap<Danger, Vec<SmolStr>> {
    let all: &[Danger] = match role {
        "cluster-admin" => &[Danger::Everything],
        "admin" | "edit" => &[Danger::Impersonate, Danger::ReadSecrets, Danger::Tokens, Danger::Exec],
        _ => &[],
    };
    all.iter().map(|danger| (*danger, Vec::new())).collect()
}

impl Sign {
    fn is_in(&self, rule: &Rule) -> bool {
        let Sign { danger: _, verbs, groups, resources, part } = self;
        let part = if *part == PODS { "" } else { part };
        let named = !rule.resource_names.is_empty();
        verbs.iter().filter(|verb| !named || !never_named(verb, part)).any(|verb| {
            groups
                .iter()
                .any(|group| resources.iter().any(|resource| rule.covers(verb, group, resource, part)))
        })
    }
}

impl Danger {
    /// In words: what one can do.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Danger::Everything => "everything",
            Danger::Escalate => "write roles with rights of others (escalate)",
            Danger::Bind => "give roles of others away (bind)",
            Danger::Impersonate => "act as others (impersonate)",
            Danger::NodesProxy => "reach the kubelets (nodes/proxy)",
            Danger::HostPaths => "mount files of the node (host paths)",
            Danger::ReadSecrets => "read Secrets",
            Danger::Tokens => "make tokens (serviceaccounts/token)",
            Danger::Exec => "run commands in pods (exec)",
        }
    }

    /// What makes what a question asks for dangerous.
    #[must_use]
    pub fn of(question: &Question) -> Option<Danger> {
        let What::Resource { group, resource, subresource, .. } = &question.what else { return None };
        let own = |text: &str| vec![SmolStr::from(text)];
        let whole = match subresource.as_str() {
            "" => resource.clone(),
            part => smol_str::format_smolstr!("{resource}/{part}"),
        };
        let rule = Rule {
            verbs: own(&question.verb),
            api_groups: own(group),
            resources: own(&whole),
            ..Rule::default()
        };
        dangers(&[rule], "").into_keys().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, enforces: &str) -> String {
        let rules: Vec<Rule> = serde_json::from_str(json).unwrap();
        format!("{:?}", dangers(&rules, enforces))
    }

    #[test]
    fn what_leads_to_more_is_marked_however_it_is_written() {
        for (json, enforces, marks) in [
            (r#"[{"verbs":["get"],"apiGroups":[""],"resources":["pods","pods/log"]}]"#, "", "{}"),
            (r#"[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]"#, "", "{Everything: []}"),
            (r#"[{"verbs":["watch"],"apiGroups":["*"],"resources":["secrets"]}]"#, "", "{ReadSecrets: []}"),
            (
                r#"[{"verbs":["get"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["b","a"]}]"#,
                "",
                r#"{ReadSecrets: ["a", "b"]}"#,
            ),
            (
                r#"[{"verbs":["get"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["a"]},
                    {"verbs":["list"],"apiGroups":[""],"resources":["secrets"]}]"#,
                "",
                "{ReadSecrets: []}",
            ),
            (r#"[{"verbs":["create"],"apiGroups":[""],"resources":["*/token"]}]"#, "", "{Tokens: []}"),
            (r#"[{"verbs":["create"],"apiGroups":[""],"resources":["pods/*"]}]"#, "", "{}"),
            (r#"[{"verbs":["create"],"apiGroups":[""],"resources":["pods"]}]"#, "", "{HostPaths: []}"),
            (
                r#"[{"verbs":["create"],"apiGroups":["apps"],"resources":["*"]}]"#,
                "privileged",
                "{HostPaths: []}",
            ),
            (r#"[{"verbs":["create"],"apiGroups":["apps"],"resources":["*"]}]"#, "baseline", "{}"),
            // Nothing is created by its name, but what is there is changed by it, and so is what server-side apply makes.
            (
                r#"[{"verbs":["create"],"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["a"]}]"#,
                "",
                "{}",
            ),
            (
                r#"[{"verbs":["create","patch"],"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["a"]}]"#,
                "",
                r#"{HostPaths: ["a"]}"#,
            ),
            (
                r#"[{"verbs":["create"],"apiGroups":[""],"resources":["serviceaccounts/token"],"resourceNames":["a"]}]"#,
                "",
                r#"{Tokens: ["a"]}"#,
            ),
            (
                r#"[{"verbs":["patch"],"apiGroups":[""],"resources":["persistentvolumes"]}]"#,
                "restricted",
                "{HostPaths: []}",
            ),
            (
                r#"[{"verbs":["escalate","bind"],"apiGroups":["*"],"resources":["roles"]}]"#,
                "",
                "{Escalate: [], Bind: []}",
            ),
            (
                r#"[{"verbs":["impersonate"],"apiGroups":[""],"resources":["groups"]}]"#,
                "",
                "{Impersonate: []}",
            ),
            (r#"[{"verbs":["get"],"apiGroups":[""],"resources":["nodes/proxy"]}]"#, "", "{NodesProxy: []}"),
        ] {
            assert_eq!(found(json, enforces), marks, "{json}");
        }
    }
}
