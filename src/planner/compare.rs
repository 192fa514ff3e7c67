//! Is what is wanted contained in what was found? If not: what is missing, and what is different.
//! Generic over kinds; what is peculiar to a kind stands in its [`Shape`]. Says nothing of what to do about it.

use crate::kinds::{EntryKey, Shape, matches_any};
use crate::roster::Quantity;
use crate::tree::{SmolStr, Tree, beside, join};

/// One way in which what was found falls short of what is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Difference {
    /// Nothing is there. A pointer that ends in `-` means an entry of a set.
    Missing {
        /// Where.
        pointer: SmolStr,
        /// What should be there.
        value: Tree,
    },
    /// Something else is there.
    Other {
        /// Where.
        pointer: SmolStr,
        /// The value found.
        from: Tree,
        /// The value wanted.
        to: Tree,
    },
}

impl Difference {
    /// Where it is.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Difference::Missing { pointer, .. } | Difference::Other { pointer, .. } => pointer,
        }
    }
}

/// All differences, in the order of their pointers.
#[must_use]
pub fn compare(wanted: &Tree, found: &Tree, shape: &Shape) -> Vec<Difference> {
    let mut walk = Walk { shape, differences: Vec::new() };
    walk.contained(wanted, found, &Path::Top);
    walk.differences
}

/// Is all that is wanted at this place there?
pub(crate) fn is_contained(wanted: &Tree, found: &Tree, shape: &Shape, place: &Path<'_>) -> bool {
    let mut walk = Walk { shape, differences: Vec::new() };
    walk.contained(wanted, found, place);
    walk.differences.is_empty()
}

/// Where the walk stands; becomes a pointer only when there is something to say about the place.
pub(crate) enum Path<'a> {
    Top,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    pub(crate) fn pointer(&self) -> String {
        match self {
            Path::Top => String::new(),
            Path::Key(parent, key) => join(&parent.pointer(), key),
            Path::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

struct Walk<'s> {
    shape: &'s Shape,
    differences: Vec<Difference>,
}

impl Walk<'_> {
    fn contained(&mut self, wanted: &Tree, found: &Tree, path: &Path<'_>) {
        match (wanted, found) {
            (Tree::Map(want), Tree::Map(have)) => {
                if std::sync::Arc::ptr_eq(want, have) {
                    return;
                }
                if self.is(self.shape.whole, path) {
                    return self.equal(wanted, found, path);
                }
                for (key, value, there) in beside(want, have) {
                    let here = Path::Key(path, key);
                    match there {
                        Some(there) => self.contained(value, there, &here),
                        None => self.missing(here.pointer(), value),
                    }
                }
            }
            (Tree::List(want), Tree::List(have)) => {
                if std::sync::Arc::ptr_eq(want, have) {
                    return;
                }
                if let Some(key) = self.key(path) {
                    return self.entries(want, have, key, path);
                }
                if !self.is(self.shape.sets, path) {
                    return self.equal(wanted, found, path);
                }
                for entry in want.iter().filter(|entry| !have.contains(entry)) {
                    self.missing(format!("{}/-", path.pointer()), entry);
                }
            }
            _ => self.equal(wanted, found, path),
        }
    }

    /// Each entry beside the one with its key; of several the last, which is the one that counts for flags.
    fn entries(&mut self, want: &[Tree], have: &[Tree], key: EntryKey, path: &Path<'_>) {
        for entry in want {
            let found = have.iter().enumerate().rfind(|(_, there)| key.same(entry, there));
            if let Some((at, _)) = found
                && let Some(apart) = key.apart(entry, have, at)
            {
                self.other(&Path::Index(path, at + 1), entry, apart);
                continue;
            }
            match found {
                None if have.contains(entry) => {}
                None => self.missing(format!("{}/-", path.pointer()), entry),
                Some((_, there)) if key.means_the_same(entry, there) => {}
                Some((at, there)) => self.contained(entry, there, &Path::Index(path, at)),
            }
        }
    }

    /// One value: the same keys, the same length, the same leaves. Where just leaves differ each is named by
    /// itself, since that is what a person wants to read; otherwise the value as a whole is different.
    fn equal(&mut self, wanted: &Tree, found: &Tree, path: &Path<'_>) {
        let before = self.differences.len();
        if !self.same_form(wanted, found, path) {
            self.differences.truncate(before);
            self.other(path, wanted, found);
        }
    }

    fn same_form(&mut self, wanted: &Tree, found: &Tree, path: &Path<'_>) -> bool {
        match (wanted, found) {
            (Tree::Map(want), Tree::Map(have)) => {
                want.len() == have.len()
                    && want.iter().zip(have.iter()).all(|((key, value), (other, there))| {
                        key == other && self.same_form(value, there, &Path::Key(path, key))
                    })
            }
            (Tree::List(want), Tree::List(have)) => {
                want.len() == have.len()
                    && want
                        .iter()
                        .zip(have.iter())
                        .enumerate()
                        .all(|(at, (value, there))| self.same_form(value, there, &Path::Index(path, at)))
            }
            (Tree::Map(_) | Tree::List(_), _) | (_, Tree::Map(_) | Tree::List(_)) => false,
            _ => {
                if wanted != found && !(self.is(self.shape.quantities, path) && same_quantity(wanted, found))
                {
                    self.other(path, wanted, found);
                }
                true
            }
        }
    }

    fn is(&self, patterns: &[&str], path: &Path<'_>) -> bool {
        !patterns.is_empty() && matches_any(patterns, &path.pointer())
    }

    fn key(&self, path: &Path<'_>) -> Option<EntryKey> {
        if self.shape.keyed.is_empty() { None } else { self.shape.key(&path.pointer()) }
    }

    fn missing(&mut self, pointer: String, value: &Tree) {
        let assumed =
            |(at, text): &(&str, &str)| *at == pointer && value.as_text().is_some_and(|value| value == text);
        if self.shape.assumed.iter().any(assumed) {
            return;
        }
        self.differences.push(Difference::Missing { pointer: pointer.into(), value: value.clone() });
    }

    fn other(&mut self, path: &Path<'_>, wanted: &Tree, found: &Tree) {
        if self.is(self.shape.yielding, path) {
            return;
        }
        self.differences.push(Difference::Other {
            pointer: path.pointer().into(),
            from: found.clone(),
            to: wanted.clone(),
        });
    }
}

/// The quantity that a value means; numbers count as their text.
#[must_use]
pub fn quantity(value: &Tree) -> Option<Quantity> {
    match value {
        Tree::Text(text) => text.parse().ok(),
        Tree::Number(number) => number.to_string().parse().ok(),
        Tree::Null | Tree::Bool(_) | Tree::List(_) | Tree::Map(_) => None,
    }
}

fn same_quantity(a: &Tree, b: &Tree) -> bool {
    matches!((quantity(a), quantity(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    fn differences(kind: Kind, wanted: &str, found: &str) -> Vec<String> {
        let tree = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        compare(&tree(wanted), &tree(found), kind.shape())
            .into_iter()
            .map(|difference| match difference {
                Difference::Missing { pointer, value } => format!("+ {pointer} {value}"),
                Difference::Other { pointer, from, to } => format!("~ {pointer} {from} → {to}"),
            })
            .collect()
    }

    #[test]
    fn what_others_added_is_no_difference() {
        let found = r#"{"metadata":{"labels":{"a":"1","theirs":"x"}},"spec":{"finalizers":["kubernetes"]}}"#;
        assert!(differences(Kind::Namespace, r#"{"metadata":{"labels":{"a":"1"}}}"#, found).is_empty());
    }

    #[test]
    fn the_standard_label_is_set_only_where_nothing_stands() {
        let wanted =
            r#"{"metadata":{"labels":{"app.kubernetes.io/managed-by":"kwo","kwo.dev/managed":"true"}}}"#;
        for kind in Kind::ALL {
            let found = r#"{"metadata":{"labels":{"app.kubernetes.io/managed-by":"Helm"}}}"#;
            assert_eq!(
                differences(kind, wanted, found),
                [r#"+ /metadata/labels/kwo.dev~1managed "true""#],
                "{kind:?}"
            );
            let found = r#"{"metadata":{"labels":{"kwo.dev/managed":"true"}}}"#;
            assert_eq!(
                differences(kind, wanted, found),
                [r#"+ /metadata/labels/app.kubernetes.io~1managed-by "kwo""#],
                "{kind:?}"
            );
        }
    }

    #[test]
    fn the_highest_missing_part_is_named() {
        assert_eq!(
            differences(
                Kind::Namespace,
                r#"{"metadata":{"labels":{"a":"1","b":"2"}}}"#,
                r#"{"metadata":{}}"#
            ),
            [r#"+ /metadata/labels {"a":"1","b":"2"}"#]
        );
    }

    #[test]
    fn what_the_system_assumes_is_not_missing_and_another_value_is_different() {
        let key = "pod-security.kubernetes.io/enforce-version";
        let labels = |version: &str| format!(r#"{{"metadata":{{"labels":{{"a":"1"{version}}}}}}}"#);
        let pinned = |version: &str| labels(&format!(r#","{key}":"{version}""#));
        assert!(differences(Kind::Namespace, &pinned("latest"), &labels("")).is_empty());
        assert_eq!(
            differences(Kind::Namespace, &pinned("latest"), &pinned("v1.0")),
            [r#"~ /metadata/labels/pod-security.kubernetes.io~1enforce-version "v1.0" → "latest""#]
        );
    }

    #[test]
    fn quantities_are_compared_by_value() {
        let wanted = r#"{"spec":{"hard":{"requests.cpu":"1000m","requests.memory":"1Gi","pods":"20"}}}"#;
        let found = r#"{"spec":{"hard":{"requests.cpu":"1","requests.memory":"1024Mi","pods":"10"}}}"#;
        assert_eq!(differences(Kind::ResourceQuota, wanted, found), [r#"~ /spec/hard/pods "10" → "20""#]);
        assert_eq!(
            differences(
                Kind::LimitRange,
                r#"{"spec":{"limits":[{"max":{"memory":"4Gi"},"type":"Container"}]}}"#,
                r#"{"spec":{"limits":[{"max":{"memory":"4096Mi"},"type":"Container"}]}}"#,
            ),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_list_is_one_value_unless_it_is_a_set() {
        assert_eq!(
            differences(
                Kind::NetworkPolicy,
                r#"{"spec":{"ingress":[{"a":"1"}]}}"#,
                r#"{"spec":{"ingress":[]}}"#
            ),
            [r#"~ /spec/ingress [] → [{"a":"1"}]"#]
        );
        assert_eq!(
            differences(
                Kind::RoleBinding,
                r#"{"subjects":[{"name":"a"},{"name":"b"}]}"#,
                r#"{"subjects":[{"name":"x"},{"name":"b"}]}"#
            ),
            [r#"+ /subjects/- {"name":"a"}"#]
        );
    }

    #[test]
    fn entries_with_a_key_are_compared_one_by_one() {
        let wanted = r#"{"spec":{"valuesContent":{"additionalArguments":["--a.email=me","--a.storage=/data/a"],
            "env":[{"name":"TOKEN","valueFrom":{"secretKeyRef":{"key":"TOKEN","name":"mine"}}}]}}}"#;
        let found = r#"{"spec":{"valuesContent":{"additionalArguments":["--log=DEBUG","--A.Email=you","--A.Storage=/data/a"],
            "env":[{"name":"TZ","value":"UTC"},{"name":"TOKEN","valueFrom":{"secretKeyRef":{"key":"TOKEN","name":"old"}}}],
            "image":{"tag":"x"}}}}"#;
        assert_eq!(
            differences(Kind::HelmChartConfig, wanted, found),
            [
                r#"~ /spec/valuesContent/additionalArguments/1 "--A.Email=you" → "--a.email=me""#,
                r#"~ /spec/valuesContent/env/1/valueFrom/secretKeyRef/name "old" → "mine""#,
            ]
        );
        // A value that is an entry of its own is none to Traefik; one dash is as good as two.
        let apart = r#"{"spec":{"valuesContent":{"additionalArguments":["--a.email","you","-a.storage=/data/a"],
            "env":[{"name":"TOKEN","valueFrom":{"secretKeyRef":{"key":"TOKEN","name":"mine"}}}]}}}"#;
        for (found, value) in [(apart.to_owned(), "you"), (apart.replace("you", "me"), "me")] {
            let right = format!(r#"~ /spec/valuesContent/additionalArguments/1 "{value}" → "--a.email=me""#);
            assert_eq!(differences(Kind::HelmChartConfig, wanted, &found), [right]);
        }
        // Of a flag that is there twice the last one counts.
        let twice = r#"{"spec":{"valuesContent":{"additionalArguments":["--a.email=me","--a.storage=/data/a","--a.email=you"],
            "env":[{"name":"TOKEN","valueFrom":{"secretKeyRef":{"key":"TOKEN","name":"mine"}}}]}}}"#;
        assert_eq!(
            differences(Kind::HelmChartConfig, wanted, twice),
            [r#"~ /spec/valuesContent/additionalArguments/2 "--a.email=you" → "--a.email=me""#]
        );
        let found = r#"{"spec":{"valuesContent":{"additionalArguments":["--a.email=me"]}}}"#;
        assert_eq!(
            differences(Kind::HelmChartConfig, wanted, found),
            [
                r#"+ /spec/valuesContent/additionalArguments/- "--a.storage=/data/a""#,
                r#"+ /spec/valuesContent/env [{"name":"TOKEN","valueFrom":{"secretKeyRef":{"key":"TOKEN","name":"mine"}}}]"#,
            ]
        );
    }

    #[test]
    fn the_entries_and_fields_of_others_in_a_list_with_keys_are_no_difference() {
        let wanted = r#"{"spec":{"limits":[{"max":{"memory":"4Gi"},"type":"Container"}]}}"#;
        let found = r#"{"spec":{"limits":[{"max":{"storage":"10Gi"},"type":"PersistentVolumeClaim"},
            {"max":{"memory":"8Gi"},"min":{"cpu":"10m"},"type":"Container"}]}}"#;
        assert_eq!(
            differences(Kind::LimitRange, wanted, found),
            [r#"~ /spec/limits/1/max/memory "8Gi" → "4Gi""#]
        );
        let rules = |host: &str| {
            format!(r#"{{"host":"{host}","http":{{"paths":[{{"path":"/","pathType":"Prefix"}}]}}}}"#)
        };
        assert_eq!(
            differences(
                Kind::Ingress,
                &format!(r#"{{"spec":{{"rules":[{}]}}}}"#, rules("a")),
                &format!(r#"{{"spec":{{"rules":[{},{}]}}}}"#, rules("b"), rules("a")),
            ),
            Vec::<String>::new()
        );
        assert_eq!(
            differences(
                Kind::ClusterIssuer,
                r#"{"spec":{"acme":{"solvers":[{"dns01":{"a":{"t":"1"}}}]}}}"#,
                r#"{"spec":{"acme":{"solvers":[{"http01":{},"selector":{"dnsZones":["z"]}},{"http01":{}}]}}}"#,
            ),
            [r#"~ /spec/acme/solvers/1 {"http01":{}} → {"dns01":{"a":{"t":"1"}}}"#]
        );
    }

    #[test]
    fn a_selector_with_a_key_too_many_is_different() {
        assert_eq!(
            differences(
                Kind::NetworkPolicy,
                r#"{"spec":{"podSelector":{}}}"#,
                r#"{"spec":{"podSelector":{"matchLabels":{"never":"true"}}}}"#
            ),
            [r#"~ /spec/podSelector {"matchLabels":{"never":"true"}} → {}"#]
        );
    }
}
