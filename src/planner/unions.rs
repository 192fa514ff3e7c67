//! Fields that exclude each other: `value` or `valueFrom`, one source of a volume, one kind of issuer; and keys that
//! only one entry may have. kwo only adds, so if another one is there, it can only say so. It never names the values
//! of others, because they may be secrets.

use std::sync::Arc;

use crate::compare::{Path, is_contained};
use crate::shapes::{EntryKey, Shape, matches_any};
use crate::tree::{SmolStr, Tree, beside, join};

/// A map that may have only one of some fields.
#[derive(Debug)]
pub struct Union {
    /// Where the map is, as a pattern.
    pub at: &'static str,
    /// The fields.
    pub of: Members,
}

/// The fields of which only one may stand.
#[derive(Clone, Copy, Debug)]
pub enum Members {
    /// These.
    These(&'static [&'static str]),
    /// All but these.
    AllBut(&'static [&'static str]),
}

impl Members {
    fn has(self, field: &str) -> bool {
        match self {
            Members::These(fields) => fields.contains(&field),
            Members::AllBut(fields) => !fields.contains(&field),
        }
    }
}

/// Why what is wanted cannot stand beside what was found; nothing where it can.
pub(crate) fn clash(wanted: &Tree, found: &Tree, shape: &Shape) -> Option<String> {
    let apart = shape.apart.iter().find_map(|(own, other)| apart(wanted, found, own, other));
    if shape.unions.is_empty() && shape.keyed.is_empty() {
        return apart;
    }
    apart.or_else(|| Walk { shape }.look(wanted, found, &Path::Top))
}

/// Two places of which only one may say something: of two fields unless they say the same, of two maps with `/*` in any case.
fn apart(wanted: &Tree, found: &Tree, own: &str, other: &str) -> Option<String> {
    let said = |own: &str, other: &str| {
        format!(
            "it has {other}, and the API does not accept {own} beside that; delete {other}, and the next run writes {own}"
        )
    };
    let (Some(own), Some(other)) = (own.strip_suffix("/*"), other.strip_suffix("/*")) else {
        let (value, there) = (wanted.at(own)?, found.at(other)?);
        return (there != value && !is_nothing(there)).then(|| said(own, other));
    };
    let (all, others) = (wanted.at(own)?, found.at(other)?);
    let (key, _) = all.entries().iter().find(|(key, _)| others.get(key).is_some())?;
    Some(said(&join(own, key), &join(other, key)))
}

fn is_nothing(value: &Tree) -> bool {
    *value == Tree::Null || value.as_text().is_some_and(|text| text.is_empty())
}

struct Walk<'s> {
    shape: &'s Shape,
}

impl Walk<'_> {
    fn look(&self, wanted: &Tree, found: &Tree, path: &Path<'_>) -> Option<String> {
        let Shape { whole, unions, .. } = self.shape;
        match (wanted, found) {
            // What is wanted agrees with itself.
            (Tree::Map(want), Tree::Map(have)) if Arc::ptr_eq(want, have) => None,
            (Tree::List(want), Tree::List(have)) if Arc::ptr_eq(want, have) => None,
            (Tree::Map(want), Tree::Map(have)) => {
                // Only patterns ask for the pointer.
                let patterns = !whole.is_empty() || !unions.is_empty();
                let pointer = if patterns { path.pointer() } else { String::new() };
                if matches_any(whole, &pointer) {
                    return None;
                }
                self.rival(wanted, have, &pointer).or_else(|| {
                    beside(want, have)
                        .find_map(|(key, value, there)| self.look(value, there?, &Path::Key(path, key)))
                })
            }
            (Tree::List(want), Tree::List(have)) => {
                let list = path.pointer();
                let key = self.shape.key(&list)?;
                want.iter().find_map(|entry| self.entry(entry, have, key, (path, &list)))
            }
            _ => None,
        }
    }

    /// A field that may not stand beside those that are wanted.
    fn rival(&self, wanted: &Tree, have: &[(SmolStr, Tree)], pointer: &str) -> Option<String> {
        let union = self.shape.unions.iter().find(|union| matches_any(&[union.at], pointer))?;
        let wanted = wanted.entries();
        let (own, _) = wanted.iter().find(|(field, _)| union.of.has(field))?;
        let is_rival = |(field, value): &&(SmolStr, Tree)| {
            union.of.has(field) && !is_nothing(value) && !wanted.iter().any(|(own, _)| own == field)
        };
        let (other, _) = have.iter().find(is_rival)?;
        Some(format!(
            "{pointer} has `{other}`, and `{own}` may not be beside that; delete `{other}`, and the next run writes `{own}`"
        ))
    }

    fn entry(
        &self,
        entry: &Tree,
        have: &[Tree],
        key: EntryKey,
        (path, list): (&Path<'_>, &str),
    ) -> Option<String> {
        // Flags may be there many times, and the last one counts.
        if key == EntryKey::Flag {
            return None;
        }
        let same = have.iter().enumerate().filter(|(_, there)| key.same(entry, there));
        let same: Vec<(usize, &Tree)> = same.collect();
        let (last, there) = same.last().copied()?;
        if let Some((first, _)) = same.iter().find(|(_, other)| *other != there) {
            return Some(format!(
                "{list}/{first} and {list}/{last} are for the same and say different things, so one of them has no effect; delete one of them"
            ));
        }
        let place = Path::Index(path, last);
        if let [(first, _), _, ..] = same.as_slice()
            && !key.means_the_same(entry, there)
            && !is_contained(entry, there, self.shape, &place)
        {
            return Some(format!(
                "{list}/{first} and {list}/{last} are for the same, and a change of one would make them differ; delete one of them"
            ));
        }
        self.look(entry, there, &place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    fn said(kind: Kind, wanted: &str, found: &str) -> Option<String> {
        let tree = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        clash(&tree(wanted), &tree(found), kind.shape())
    }

    #[test]
    fn of_fields_that_exclude_each_other_none_is_put_beside_another() {
        let env = r#"{"spec":{"valuesContent":{"env":[{"name":"T","valueFrom":{"secretKeyRef":{"key":"T","name":"s"}}}]}}}"#;
        let pod = r#"{"spec":{"template":{"spec":{"containers":[{"name":"r","env":[{"name":"E","value":"1"}],
            "livenessProbe":{"httpGet":{"path":"/"},"periodSeconds":5}}],"securityContext":{"seccompProfile":{"type":"RuntimeDefault"}},
            "volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"v"}}]}}}}"#;
        let issuer = r#"{"spec":{"acme":{"email":"a","solvers":[{"dns01":{}}]}}}"#;
        let ingress = r#"{"spec":{"ingressClassName":"traefik","rules":[{"host":"a","http":{"paths":[{"path":"/","pathType":"Prefix",
            "backend":{"service":{"name":"s","port":{"number":80}}}}]}}]}}"#;
        let config = r#"{"data":{"acme-email":"a"}}"#;
        for (kind, wanted, there, instead, rival) in [
            (Kind::HelmChartConfig, env, r#""valueFrom":{"#, r#""value":"literal","x":{"#, "value"),
            (
                Kind::HelmChartConfig,
                env,
                r#"{"secretKeyRef":{"#,
                r#"{"configMapKeyRef":{"#,
                "configMapKeyRef",
            ),
            (
                Kind::HelmChartConfig,
                env,
                r#"{"secretKeyRef":{"#,
                r#"{"fieldRef":{},"secretKeyRef":{"#,
                "fieldRef",
            ),
            (Kind::Deployment, pod, r#""value":"1""#, r#""valueFrom":{"fieldRef":{}}"#, "valueFrom"),
            (Kind::Deployment, pod, r#""httpGet""#, r#""exec""#, "exec"),
            (Kind::Deployment, pod, r#""persistentVolumeClaim""#, r#""emptyDir""#, "emptyDir"),
            (
                Kind::Deployment,
                pod,
                r#""RuntimeDefault""#,
                r#""Localhost","localhostProfile":"p""#,
                "localhostProfile",
            ),
            (Kind::ClusterIssuer, issuer, r#""acme""#, r#""selfSigned""#, "selfSigned"),
            (Kind::Ingress, ingress, r#""service""#, r#""resource""#, "resource"),
            (Kind::Ingress, ingress, r#""number":80"#, r#""name":"http""#, "name"),
            (
                Kind::Ingress,
                ingress,
                r#"{"spec""#,
                r#"{"metadata":{"annotations":{"kubernetes.io/ingress.class":"nginx"}},"spec""#,
                "/metadata/annotations/kubernetes.io~1ingress.class",
            ),
            (Kind::ConfigMap, config, r#""data""#, r#""binaryData""#, "/binaryData/acme-email"),
        ] {
            let found = wanted.replacen(there, instead, 1);
            assert_ne!(found, wanted, "{there}");
            let why = said(kind, wanted, &found).unwrap_or_else(|| panic!("{found}"));
            assert!(why.contains(rival) && why.contains("delete ") && !why.contains("literal"), "{why}");
            assert_eq!(said(kind, wanted, wanted), None, "{wanted}");
        }
    }

    #[test]
    fn what_excludes_nothing_is_left_alone() {
        let env = r#"{"spec":{"valuesContent":{"env":[{"name":"T","valueFrom":{"secretKeyRef":{"key":"T","name":"s"}}}]}}}"#;
        for found in [
            r#"{"spec":{"valuesContent":{}}}"#,
            r#"{"spec":{"valuesContent":{"env":[{"name":"U","value":"1"}]}}}"#,
            r#"{"spec":{"valuesContent":{"env":[{"name":"T","value":"","valueFrom":{"secretKeyRef":{"key":"T","name":"old"}}}]}}}"#,
            r#"{"spec":{"valuesContent":{"env":[{"name":"T","value":null}]}}}"#,
        ] {
            assert_eq!(said(Kind::HelmChartConfig, env, found), None, "{found}");
        }
        let ingress = r#"{"spec":{"ingressClassName":"traefik"}}"#;
        let alike = r#"{"metadata":{"annotations":{"kubernetes.io/ingress.class":"traefik"}}}"#;
        assert_eq!(said(Kind::Ingress, ingress, alike), None);
    }

    #[test]
    fn of_two_entries_for_the_same_neither_is_taken_for_the_one_that_counts() {
        let own = r#"{"name":"T","valueFrom":{"secretKeyRef":{"key":"T","name":"s"}}}"#;
        let env = |entries: &str| format!(r#"{{"spec":{{"valuesContent":{{"env":[{entries}]}}}}}}"#);
        let other = r#"{"name":"T","value":"literal"}"#;
        for (first, second) in [(own, other), (other, own)] {
            let why =
                said(Kind::HelmChartConfig, &env(own), &env(&format!(r#"{first},{{"name":"U"}},{second}"#)));
            let why = why.unwrap();
            assert!(why.starts_with("/spec/valuesContent/env/0 and /spec/valuesContent/env/2 are"), "{why}");
        }
        assert_eq!(said(Kind::HelmChartConfig, &env(own), &env(&format!("{own},{own}"))), None);
        // Alike, and none of them as it is wanted: with a change of one they would not be alike any more.
        let old = own.replace("\"s\"", "\"old\"");
        let why = said(Kind::HelmChartConfig, &env(own), &env(&format!("{old},{old}"))).unwrap();
        assert!(why.starts_with("/spec/valuesContent/env/0 and /spec/valuesContent/env/1 are"), "{why}");
        let solvers = |all: &str| format!(r#"{{"spec":{{"acme":{{"solvers":[{all}]}}}}}}"#);
        let (mine, first) = (r#"{"dns01":{}}"#, r#"{"http01":{}}"#);
        let found = solvers(&format!("{first},{mine}"));
        assert!(said(Kind::ClusterIssuer, &solvers(mine), &found).is_some(), "the first one counts");
    }
}
