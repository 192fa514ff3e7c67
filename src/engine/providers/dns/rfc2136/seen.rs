//! A zone as it was transferred: the bytes of each record, for the conditions of an update, and the record sets that kwo
//! compares, with kwo's marks of `texts`.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::tree::SmolStr;

use crate::providers::dns::records::RecordSet;
use crate::providers::dns::texts::{self, MARK_TYPE, mark_name, name_of_mark, told};

/// What a signed zone has at every name besides, and nobody writes.
const OF_SIGNING: [&str; 3] = ["RRSIG", "NSEC", "NSEC3"];

/// All records of one type at one name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Raw {
    pub(super) ttl: u32,
    /// The data of each as it is on the wire, with its text.
    pub(super) records: BTreeMap<Vec<u8>, SmolStr>,
}

/// By name and then by type.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen(pub(super) BTreeMap<SmolStr, BTreeMap<SmolStr, Raw>>);

impl Seen {
    /// All records of a type at a name.
    pub(super) fn get(&self, of: &str, at: &str) -> Option<&Raw> {
        self.0.get(at)?.get(of)
    }

    /// The marks beside a name that are for this type, as they are on the wire.
    pub(super) fn marks(&self, of: &str, at: &str) -> Vec<Vec<u8>> {
        let marks = self.get(MARK_TYPE, &mark_name(at)).into_iter().flat_map(|raw| &raw.records);
        marks.filter(|(_, text)| told(text).1 == Some(of)).map(|(data, _)| data.clone()).collect()
    }

    /// The record sets at these names, or all of them, each with its marks.
    pub(super) fn sets(&self, at: Option<&[SmolStr]>) -> Vec<RecordSet> {
        match at {
            None => {
                let marks = self.0.keys().filter_map(|name| name_of_mark(name));
                let names: BTreeSet<SmolStr> = self.0.keys().cloned().chain(marks).collect();
                names.iter().flat_map(|name| self.sets_at(name)).collect()
            }
            Some(names) => {
                let names: BTreeSet<&SmolStr> = names.iter().collect();
                names.into_iter().flat_map(|name| self.sets_at(name)).collect()
            }
        }
    }

    fn sets_at(&self, name: &SmolStr) -> Vec<RecordSet> {
        let here = self.0.get(name).into_iter().flatten();
        let mut sets: BTreeMap<SmolStr, RecordSet> = here
            .filter(|(of, _)| !OF_SIGNING.contains(&of.as_str()))
            // A place of marks is no place of records.
            .filter(|(of, _)| *of != MARK_TYPE || name_of_mark(name).is_none())
            .map(|(of, Raw { ttl, records })| {
                let mut records: Vec<SmolStr> = records.values().cloned().collect();
                records.sort();
                (
                    of.clone(),
                    RecordSet { name: name.clone(), of: of.clone(), ttl: *ttl, records, comments: vec![] },
                )
            })
            .collect();
        let marks = self.get(MARK_TYPE, &mark_name(name));
        texts::noted(name, &mut sets, marks.into_iter().flat_map(|raw| raw.records.values()));
        sets.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::dns::texts::marked;

    fn seen(records: &[(&str, &str, &str)]) -> Seen {
        let mut seen = Seen::default();
        for (of, name, text) in records {
            let raw = seen.0.entry((*name).into()).or_default().entry((*of).into()).or_default();
            raw.ttl = 60;
            raw.records.insert(text.as_bytes().to_vec(), (*text).into());
        }
        seen
    }

    #[test]
    fn a_mark_belongs_to_its_type_and_name() {
        let seen = seen(&[
            ("A", "www.example.com", "192.0.2.1"),
            ("AAAA", "www.example.com", "2001:db8::1"),
            ("TXT", "_kwo.www.example.com", "kwo1 cluster=u tenant=t sum=s type=A"),
            ("A", "*.w.example.com", "192.0.2.1"),
            ("RRSIG", "*.w.example.com", "A 13 3 300"),
            ("TXT", "_kwo-any.w.example.com", "kwo1 cluster=v tenant=t sum=s type=A"),
            ("TXT", "_kwo.gone.example.com", "kwo1 cluster=u tenant=t sum=s type=A"),
            ("A", "odd.example.com", "192.0.2.1"),
            ("TXT", "_kwo.odd.example.com", "something else"),
        ]);
        let told: Vec<String> = seen
            .sets(None)
            .iter()
            .map(|set| {
                let comments: Vec<&str> =
                    set.comments.iter().map(|comment| comment.content.as_str()).collect();
                format!("{} {} {} {comments:?}", set.of, set.name, set.records.len())
            })
            .collect();
        assert_eq!(
            told,
            [
                r#"A *.w.example.com 1 ["kwo1 cluster=v tenant=t sum=s"]"#,
                r#"A gone.example.com 0 ["kwo1 cluster=u tenant=t sum=s"]"#,
                r#"A odd.example.com 1 ["something else"]"#,
                r#"AAAA odd.example.com 0 ["something else"]"#,
                r#"CNAME odd.example.com 0 ["something else"]"#,
                r#"A www.example.com 1 ["kwo1 cluster=u tenant=t sum=s"]"#,
                r#"AAAA www.example.com 1 []"#,
            ]
        );
        assert_eq!(seen.marks("A", "*.w.example.com").len(), 1);
        assert_eq!(seen.marks("AAAA", "www.example.com").len(), 0);
        assert_eq!(seen.sets(Some(&["www.example.com".into()])).len(), 2);
    }

    #[test]
    fn what_is_marked_is_read_again() {
        let mark = marked("kwo1 cluster=u tenant=t sum=s", "AAAA");
        assert_eq!(mark, "kwo1 cluster=u tenant=t sum=s type=AAAA");
        assert_eq!(told(&mark), ("kwo1 cluster=u tenant=t sum=s".into(), Some("AAAA")));
        assert_eq!(told("kwo1 type=A B"), ("kwo1 type=A B".into(), None));
        assert_eq!((mark_name("a.b").as_str(), mark_name("*.a.b").as_str()), ("_kwo.a.b", "_kwo-any.a.b"));
    }
}
