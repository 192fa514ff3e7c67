//! Record sets as deSEC lists them, and the record sets that kwo compares, with kwo's marks of `texts`; and what a write sends.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::tree::SmolStr;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

use crate::providers::dns::records::{RecordSet, content, name};
use crate::providers::dns::texts::{self, MARK_TTL, MARK_TYPE, mark_name, marked, name_of_mark, told};

/// The longest name below a zone that deSEC keeps, in characters.
const LONGEST: usize = 178;

/// A set as it is listed and sent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Listed {
    /// Below the zone; empty where it is the zone itself.
    pub(super) subname: SmolStr,
    #[serde(rename = "type")]
    pub(super) of: SmolStr,
    /// Not sent where the set ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<u32>,
    pub(super) records: Vec<SmolStr>,
}

/// By name and then by type.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen(BTreeMap<SmolStr, BTreeMap<SmolStr, Listed>>);

/// A name as deSEC writes it: below the zone.
pub(super) fn below<'n>(at: &'n str, zone: &str) -> &'n str {
    at.strip_suffix(zone).and_then(|above| above.strip_suffix('.')).unwrap_or_default()
}

impl Listed {
    /// Its name in one form.
    ///
    /// # Errors
    /// When no record set of this zone is like it.
    pub(super) fn at(&self, zone: &str) -> Result<SmolStr, String> {
        let Listed { subname, of, ttl, records } = self;
        let is_type =
            !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !is_type || ttl.is_none() || records.is_empty() || subname.ends_with('.') {
            return Err("a record set in its list has a name, type, TTL or records that none has".to_owned());
        }
        Ok(if subname.is_empty() { zone.into() } else { format_smolstr!("{}.{zone}", name(subname)) })
    }
}

impl Seen {
    /// These are all sets at the name now.
    pub(super) fn renew(&mut self, at: &str, listed: impl IntoIterator<Item = Listed>) {
        let sets: BTreeMap<SmolStr, Listed> = listed.into_iter().map(|set| (set.of.clone(), set)).collect();
        if sets.is_empty() {
            self.0.remove(at);
        } else {
            self.0.insert(at.into(), sets);
        }
    }

    /// One more set. Says whether it is a new one.
    pub(super) fn insert(&mut self, at: SmolStr, listed: Listed) -> bool {
        self.0.entry(at).or_default().insert(listed.of.clone(), listed).is_none()
    }

    pub(super) fn get(&self, of: &str, at: &str) -> Option<&Listed> {
        self.0.get(at)?.get(of)
    }

    /// The record sets at this name, or all of them, each with its marks.
    pub(super) fn sets(&self, at: Option<&str>) -> Vec<RecordSet> {
        match at {
            Some(at) => self.sets_at(&at.into()),
            None => {
                let marks = self.0.keys().filter_map(|name| name_of_mark(name));
                let names: BTreeSet<SmolStr> = self.0.keys().cloned().chain(marks).collect();
                names.iter().flat_map(|name| self.sets_at(name)).collect()
            }
        }
    }

    fn sets_at(&self, at: &SmolStr) -> Vec<RecordSet> {
        let here = self.0.get(at).into_iter().flatten();
        let mut sets: BTreeMap<SmolStr, RecordSet> = here
            // A place of marks is no place of records.
            .filter(|(of, _)| *of != MARK_TYPE || name_of_mark(at).is_none())
            .map(|(of, Listed { ttl, records, .. })| {
                let records: BTreeSet<SmolStr> =
                    records.iter().map(|record| content(of, record, false)).collect();
                let set = RecordSet {
                    name: at.clone(),
                    of: of.clone(),
                    ttl: ttl.unwrap_or_default(),
                    records: records.into_iter().collect(),
                    comments: Vec::new(),
                };
                (of.clone(), set)
            })
            .collect();
        let marks = self.get(MARK_TYPE, &mark_name(at)).into_iter().flat_map(|marks| &marks.records);
        let marks: Vec<SmolStr> = marks.map(|mark| text(mark)).collect();
        texts::noted(at, &mut sets, &marks);
        sets.into_values().collect()
    }

    /// What a write sends that makes this of a set and its mark; of a set that ends, nothing is left but marks of other types.
    pub(super) fn changes(
        &self,
        after: &RecordSet,
        writes_records: bool,
        (zone, least_ttl): (&str, u32),
    ) -> Vec<Listed> {
        let RecordSet { name: at, of, ttl, records, comments } = after;
        let new: Vec<SmolStr> =
            comments.iter().map(|comment| quoted(&marked(&comment.content, of))).collect();
        let set = writes_records.then(|| listed((at, zone), of, *ttl, records.clone()));
        set.into_iter().chain(self.marks(at, &[of], new, (zone, least_ttl))).collect()
    }

    /// What a write sends that ends the sets of these types at a name, with their marks.
    pub(super) fn ended(&self, at: &str, types: &[&str], (zone, least_ttl): (&str, u32)) -> Vec<Listed> {
        let sets = types.iter().map(|of| listed((at, zone), of, 0, Vec::new()));
        sets.chain(self.marks(at, types, Vec::new(), (zone, least_ttl))).collect()
    }

    /// The marks at a name with these in place of those of these types. Marks of other types stay as they are.
    fn marks(
        &self,
        at: &str,
        types: &[&str],
        new: Vec<SmolStr>,
        (zone, least_ttl): (&str, u32),
    ) -> Option<Listed> {
        let place = mark_name(at);
        let there = self.get(MARK_TYPE, &place);
        let old = there.into_iter().flat_map(|there| &there.records);
        let stays = |mark: &&SmolStr| told(&text(mark)).1.is_none_or(|of| !types.contains(&of));
        let marks: Vec<SmolStr> = old.filter(stays).cloned().chain(new).collect();
        let ttl = there.and_then(|there| there.ttl).unwrap_or(MARK_TTL.max(least_ttl));
        (there.is_some() || !marks.is_empty()).then(|| listed((&place, zone), MARK_TYPE, ttl, marks))
    }

    /// Are these sets all new, as far as kwo has seen?
    pub(super) fn has_none_of(&self, changes: &[Listed], zone: &str) -> bool {
        changes.iter().all(|set| set.at(zone).is_ok_and(|at| self.get(&set.of, &at).is_none()))
    }
}

/// A set as it is sent; without records it ends.
fn listed((at, zone): (&str, &str), of: &str, ttl: u32, records: Vec<SmolStr>) -> Listed {
    Listed {
        subname: below(at, zone).into(),
        of: of.into(),
        ttl: (!records.is_empty()).then_some(ttl),
        records,
    }
}

/// Why deSEC has no room for kwo's mark beside a name of the zone.
pub(super) fn has_no_room(at: &str, zone: &str) -> Option<String> {
    let mark = mark_name(at);
    let length = below(&mark, zone).len();
    (length > LONGEST).then(|| {
        format!(
            "kwo's mark at {mark} would be a name of {length} characters below the zone, and deSEC has {LONGEST}; give the host a \
             shorter name"
        )
    })
}

/// What the strings of a TXT record say together; the record itself where it is none.
fn text(record: &str) -> SmolStr {
    unquoted(record).map_or_else(|| record.into(), SmolStr::from)
}

fn unquoted(record: &str) -> Option<String> {
    let (mut text, mut inside) = (Vec::new(), false);
    let mut bytes = record.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => match bytes.next()? {
                digit if digit.is_ascii_digit() => {
                    let code = [digit, bytes.next()?, bytes.next()?];
                    text.push(std::str::from_utf8(&code).ok()?.parse().ok()?);
                }
                byte => text.push(byte),
            },
            byte if inside => text.push(byte),
            b' ' => {}
            _ => return None,
        }
    }
    (!inside).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// A text as a TXT record. A mark is shorter than what one string has.
fn quoted(text: &str) -> SmolStr {
    let escaped: String = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            byte => format!("\\{byte:03}"),
        })
        .collect();
    format_smolstr!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::dns::mark::Mark;

    const MARK: &str = "\"kwo1 cluster=u tenant=t sum=s type=A\"";

    fn seen(sets: &[(&str, &str, &str)]) -> Seen {
        let mut seen = Seen::default();
        for (of, subname, record) in sets {
            let listed = Listed {
                subname: (*subname).into(),
                of: (*of).into(),
                ttl: Some(60),
                records: vec![(*record).into()],
            };
            seen.insert(listed.at("example.com").unwrap(), listed);
        }
        seen
    }

    fn sent(seen: &Seen, at: &str, records: &[&str], writes_records: bool) -> String {
        let mut after = RecordSet {
            name: at.into(),
            of: "A".into(),
            ttl: 3600,
            records: records.iter().map(|record| SmolStr::from(*record)).collect(),
            comments: Vec::new(),
        };
        if !records.is_empty() {
            after.comments.push(Mark { cluster: "u".into(), tenant: "t".into(), sum: "s".into() }.comment());
        }
        let changes = seen.changes(&after, writes_records, ("example.com", 3600));
        format!("{} {}", seen.has_none_of(&changes, "example.com"), serde_json::to_string(&changes).unwrap())
            .replace('\\', "")
    }

    #[test]
    fn a_set_is_read_and_written_with_its_mark_and_marks_of_other_types_stay() {
        let of_six = "\"kwo1 cluster=v tenant=t sum=s type=AAAA\"";
        let both =
            seen(&[("A", "www", "192.0.2.1"), ("TXT", "_kwo.www", MARK), ("CNAME", "", "LB.example.net.")]);
        let told: Vec<String> = both
            .sets(None)
            .iter()
            .map(|set| format!("{} {} {:?} {}", set.of, set.name, set.records, set.comments.len()))
            .collect();
        assert_eq!(
            told,
            [r#"CNAME example.com ["lb.example.net."] 0"#, r#"A www.example.com ["192.0.2.1"] 1"#]
        );
        let new = r#"{"subname":"www","type":"A","ttl":3600,"records":["192.0.2.2"]}"#;
        let mark = format!(r#"{{"subname":"_kwo.www","type":"TXT","ttl":3600,"records":["{MARK}"]}}"#);
        // A new set and one that is there, of which the mark has its own TTL.
        assert_eq!(
            sent(&Seen::default(), "www.example.com", &["192.0.2.2"], true),
            format!("true [{new},{mark}]")
        );
        let mark = mark.replace("3600", "60");
        assert_eq!(sent(&both, "www.example.com", &["192.0.2.2"], true), format!("false [{new},{mark}]"));
        assert_eq!(sent(&both, "www.example.com", &["192.0.2.1"], false), format!("false [{mark}]"));
        // What ends takes its mark along, and that alone.
        let ends = r#"{"subname":"www","type":"A","records":[]}"#;
        let gone = r#"{"subname":"_kwo.www","type":"TXT","records":[]}"#;
        assert_eq!(sent(&both, "www.example.com", &[], true), format!("false [{ends},{gone}]"));
        let others = seen(&[("A", "www", "192.0.2.1"), ("TXT", "_kwo.www", of_six)]);
        let left = format!(r#"{{"subname":"_kwo.www","type":"TXT","ttl":60,"records":["{of_six}"]}}"#);
        assert_eq!(sent(&others, "www.example.com", &[], true), format!("false [{ends},{left}]"));
        // Of two that end, neither command leaves the mark of the other.
        let mut two =
            seen(&[("A", "www", "192.0.2.1"), ("AAAA", "www", "2001:db8::1"), ("TXT", "_kwo.www", MARK)]);
        two.0.get_mut("_kwo.www.example.com").unwrap().get_mut("TXT").unwrap().records.push(of_six.into());
        let both = two.ended("www.example.com", &["AAAA", "A"], ("example.com", 3600));
        let both = serde_json::to_string(&both).unwrap();
        assert_eq!(both, format!("[{},{ends},{gone}]", ends.replace("\"A\"", "\"AAAA\"")));
        assert_eq!(
            sent(&Seen::default(), "example.com", &["192.0.2.2"], true),
            format!(
                "true [{},{}]",
                new.replace("www", ""),
                mark.replace("60", "3600").replace("_kwo.www", "_kwo")
            )
        );
    }

    #[test]
    fn texts_are_read_as_they_are_written_there() {
        for (record, says) in [
            ("\"a b\"", "a b"),
            ("\"a\" \"b\"", "ab"),
            (r#""a\"b\\c\013""#, "a\"b\\c\r"),
            ("a b", "a b"),
            ("\"a", "\"a"),
        ] {
            assert_eq!(text(record), says);
        }
        assert_eq!(quoted("a\"b\r"), r#""a\"b\013""#);
        let long = format!("{}.example.com", ["x".repeat(60), "y".repeat(60), "z".repeat(52)].join("."));
        assert!(
            has_no_room(&long, "example.com").unwrap().contains("a name of 179 characters below the zone")
        );
        assert_eq!(has_no_room(&long[1..], "example.com"), None);
    }
}
