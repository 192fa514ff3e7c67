//! kwo's mark: the uid of the cluster and the tenant, as the first line of a policy and in the metadata of groups and
//! entities. In a body it is the labels that every other object of kwo has.

use kwo_planner::observed::{CLUSTER_LABEL, MARK, TENANT_LABEL};
use kwo_planner::tree::Tree;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;

/// The keys in the metadata. Dots and slashes are not allowed in them.
const CLUSTER: &str = "kwo_cluster";
const TENANT: &str = "kwo_tenant";
/// Whose login an entity or a group is for that kwo made.
pub(super) const LOGIN: &str = "kwo_login";

/// What the first line of a policy begins with.
const LINE: &str = "# kwo cluster=";

/// Whose something is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    pub(super) cluster: SmolStr,
    pub(super) tenant: SmolStr,
}

impl Mark {
    /// The mark in metadata, where it is there.
    pub(super) fn of_metadata(metadata: &Map<String, Value>) -> Option<Mark> {
        let text = |key| metadata.get(key).and_then(Value::as_str).map(SmolStr::from);
        Some(Mark { cluster: text(CLUSTER)?, tenant: text(TENANT).unwrap_or_default() })
    }

    /// The same metadata with the mark.
    pub(super) fn in_metadata(&self, mut metadata: Map<String, Value>) -> Value {
        metadata.insert(CLUSTER.to_owned(), json!(self.cluster));
        if !self.tenant.is_empty() {
            metadata.insert(TENANT.to_owned(), json!(self.tenant));
        }
        Value::Object(metadata)
    }

    /// The mark of a policy, and what follows it.
    pub(super) fn of_policy(text: &str) -> (Option<Mark>, &str) {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let parts = first.trim_end().strip_prefix(LINE).and_then(|parts| parts.split_once(" tenant="));
        match parts {
            Some((cluster, tenant)) => (Some(Mark { cluster: cluster.into(), tenant: tenant.into() }), rest),
            None => (None, text),
        }
    }

    /// The text of a policy with the mark.
    pub(super) fn in_policy(&self, lines: &[Tree]) -> String {
        let mut text = format!("{LINE}{} tenant={}\n", self.cluster, self.tenant);
        for line in lines.iter().filter_map(Tree::as_text) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// The metadata of a body, as the cluster with this uid sees the mark.
pub(super) fn labels(mark: Option<&Mark>, uid: &str) -> Tree {
    let entries: Vec<(&'static str, Tree)> = match mark {
        None => Vec::new(),
        Some(Mark { cluster, tenant }) if cluster == uid => {
            let tenant = (!tenant.is_empty()).then(|| (TENANT_LABEL, Tree::from(tenant)));
            [(MARK.0, Tree::from(MARK.1))].into_iter().chain(tenant).collect()
        }
        Some(Mark { cluster, tenant: _ }) => vec![(CLUSTER_LABEL, Tree::from(cluster))],
    };
    Tree::map([("labels", Tree::map(entries))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_knows_its_mark_again() {
        let mark = Mark { cluster: "u".into(), tenant: "alice".into() };
        let lines = [Tree::from("path \"a\" {"), Tree::from("}")];
        let text = mark.in_policy(&lines);
        assert_eq!(text, "# kwo cluster=u tenant=alice\npath \"a\" {\n}\n");
        assert_eq!(Mark::of_policy(&text), (Some(mark), "path \"a\" {\n}\n"));
        for text in ["", "path \"a\" {}\n# kwo cluster=u tenant=alice\n", "# kwo cluster=u"] {
            assert_eq!(Mark::of_policy(text), (None, text));
        }
    }

    #[test]
    fn what_another_cluster_marked_is_not_marked_here() {
        let mark = Mark { cluster: "u".into(), tenant: "alice".into() };
        assert_eq!(
            labels(Some(&mark), "u").to_string(),
            r#"{"labels":{"kwo.dev/managed":"true","kwo.dev/tenant":"alice"}}"#
        );
        assert_eq!(labels(Some(&mark), "v").to_string(), r#"{"labels":{"kwo.dev/cluster":"u"}}"#);
        assert_eq!(labels(None, "v").to_string(), r#"{"labels":{}}"#);
    }
}
