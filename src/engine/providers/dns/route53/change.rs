//! What a write sends: one batch of changes, done together or not at all. A set is made new, or the old one is ended exactly
//! as kwo saw it and the new one made in its place, so the batch fails if somebody else was there meanwhile. kwo never
//! writes over a set without that.

use std::collections::BTreeMap;

use kwo_planner::tree::SmolStr;
use quick_xml::escape::escape;
use serde::Serialize;

use super::seen::{Plain, Seen, quoted, unquoted, written};
use crate::providers::dns::records::RecordSet;
use crate::providers::dns::server::Patch;
use crate::providers::dns::texts::{MARK_TTL, MARK_TYPE, mark_name, marked, told};

/// How many values a batch has at most, and how many characters all of them.
const VALUES: usize = 1000;
const CHARACTERS: usize = 32_000;

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// What is there of a set, and what is to be.
#[derive(Debug)]
struct Pair {
    before: Option<Plain>,
    after: Option<Plain>,
    /// It is sent also where both are the same: then it says that this is as it was.
    compares: bool,
}

/// A batch, by the type and name of what it changes.
#[derive(Debug, Default)]
pub(super) struct Batch(BTreeMap<(SmolStr, SmolStr), Pair>);

/// As AWS' own client takes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Changes {
    changes: Vec<Change>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    action: &'static str,
    resource_record_set: Set,
}

#[derive(Serialize)]
struct Set {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Type")]
    of: SmolStr,
    #[serde(rename = "TTL")]
    ttl: u32,
    #[serde(rename = "ResourceRecords")]
    records: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Value {
    value: String,
}

impl Batch {
    /// The batch for these patches, by what was last seen.
    ///
    /// # Errors
    /// When Route 53 cannot make it, or kwo does not change what is there.
    pub(super) fn of(seen: &Seen, patches: &[Patch]) -> Result<Batch, String> {
        let mut batch = Batch::default();
        for patch in patches {
            batch.add(seen, &patch.after, patch.writes_records)?;
        }
        let sent = || batch.changes().flat_map(|(_, set)| &set.values);
        let (values, characters) = (sent().count(), sent().map(|value| value.chars().count()).sum::<usize>());
        if values > VALUES || characters > CHARACTERS {
            return Err(format!(
                "it would take {values} values of {characters} characters in all, and Route 53 takes {VALUES} of \
                 {CHARACTERS}"
            ));
        }
        Ok(batch)
    }

    /// The batch that ends a set with its marks.
    ///
    /// # Errors
    /// As [`Batch::of`].
    pub(super) fn ending(seen: &Seen, set: &RecordSet) -> Result<Batch, String> {
        let mut batch = Batch::default();
        let after = RecordSet { records: Vec::new(), comments: Vec::new(), ..set.clone() };
        batch.add(seen, &after, true).map(|()| batch)
    }

    fn add(&mut self, seen: &Seen, after: &RecordSet, writes_records: bool) -> Result<(), String> {
        let RecordSet { name: at, of, ttl, records, comments } = after;
        let set = self.pair(seen, of, at)?;
        set.compares = true;
        if writes_records {
            let new = |before: Option<&Plain>| Plain {
                name: before.map_or_else(|| written(at), |before| before.name.clone()),
                of: of.clone(),
                ttl: *ttl,
                values: records.iter().map(ToString::to_string).collect(),
            };
            set.after = (!records.is_empty()).then(|| new(set.before.as_ref()));
        }
        let place = mark_name(at);
        let marks = self.pair(seen, MARK_TYPE, &place)?;
        let mut mark = marks.after.take().unwrap_or_else(|| Plain {
            name: written(&place),
            of: SmolStr::new_static(MARK_TYPE),
            ttl: MARK_TTL,
            values: Vec::new(),
        });
        let new: Vec<String> = comments.iter().map(|comment| marked(&comment.content, of)).collect();
        let text = |value: &String| unquoted(value).unwrap_or_else(|| value.clone());
        // Marks of other types stay, and so does one that is as it is to be.
        mark.values.retain(|value| told(&text(value)).1 != Some(of.as_str()) || new.contains(&text(value)));
        let missing: Vec<String> = new
            .iter()
            .filter(|new| !mark.values.iter().any(|value| text(value) == **new))
            .map(|new| quoted(new))
            .collect();
        mark.values.extend(missing);
        marks.after = (!mark.values.is_empty()).then_some(mark);
        Ok(())
    }

    fn pair(&mut self, seen: &Seen, of: &str, at: &SmolStr) -> Result<&mut Pair, String> {
        let before = seen.plain(of, at)?.cloned();
        let pair = || Pair { before: before.clone(), after: before, compares: false };
        Ok(self.0.entry((of.into(), at.clone())).or_insert_with(pair))
    }

    /// Each change: what is ended stands right before what is made in its place.
    fn changes(&self) -> impl Iterator<Item = (&'static str, &Plain)> {
        let sent = self.0.values().filter(|pair| pair.compares || pair.before != pair.after);
        sent.flat_map(|Pair { before, after, .. }| {
            let old = before.iter().map(|set| ("DELETE", set));
            old.chain(after.iter().map(|set| ("CREATE", set)))
        })
    }

    /// As it is sent.
    pub(super) fn xml(&self) -> String {
        let changes = self.changes().map(|(action, Plain { name, of, ttl, values })| {
            let value = |value: &String| {
                format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", escape(value.as_str()))
            };
            format!(
                "<Change><Action>{action}</Action><ResourceRecordSet><Name>{}</Name><Type>{of}</Type><TTL>{ttl}</TTL>\
                 <ResourceRecords>{}</ResourceRecords></ResourceRecordSet></Change>",
                escape(name.as_str()),
                values.iter().map(value).collect::<String>()
            )
        });
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ChangeResourceRecordSetsRequest xmlns=\"{NAMESPACE}\"><ChangeBatch>\
             <Changes>{}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>",
            changes.collect::<String>()
        )
    }

    /// As AWS' own client takes it.
    ///
    /// # Errors
    /// When it cannot be said in JSON.
    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        let change = |(action, set): (&'static str, &Plain)| {
            let Plain { name, of, ttl, values } = set.clone();
            let records = values.into_iter().map(|value| Value { value }).collect();
            Change { action, resource_record_set: Set { name, of, ttl, records } }
        };
        serde_json::to_string(&Changes { changes: self.changes().map(change).collect() })
    }

    /// What is seen after it was done.
    pub(super) fn noted(self, seen: &mut Seen) {
        for ((of, at), Pair { after, .. }) in self.0 {
            seen.put(&of, &at, after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::dns::records::Comment;

    fn plain(name: &str, of: &str, ttl: u32, values: &[&str]) -> Plain {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Plain { name: name.to_owned(), of: of.into(), ttl, values }
    }

    fn seen(sets: &[Plain]) -> Seen {
        let mut seen = Seen::default();
        for set in sets {
            let at = set.name.trim_end_matches('.').replace(r"\052", "*");
            seen.put(&set.of, &at.into(), Some(set.clone()));
        }
        seen
    }

    fn patch(of: &str, records: &[&str], mark: Option<&str>, writes_records: bool) -> Patch {
        let comment =
            |content: &str| Comment { account: "kwo".into(), content: content.into(), modified_at: None };
        let after = RecordSet {
            name: "*.w.example.com".into(),
            of: of.into(),
            ttl: 60,
            records: records.iter().map(|record| SmolStr::from(*record)).collect(),
            comments: mark.into_iter().map(comment).collect(),
        };
        Patch { before: None, after, writes_records }
    }

    fn told(batch: &Batch) -> Vec<String> {
        let told = |(action, Plain { name, of, ttl, values }): (&str, &Plain)| {
            format!("{action} {of} {name} {ttl} {}", values.join(","))
        };
        batch.changes().map(told).collect()
    }

    const NAME: &str = r"\052.w.example.com.";
    const MARK: &str = "_kwo-any.w.example.com.";

    #[test]
    fn a_change_ends_exactly_what_was_there_and_never_writes_over_it() {
        let new = Batch::of(&Seen::default(), &[patch("A", &["192.0.2.1"], Some("m"), true)]).unwrap();
        let made = [format!("CREATE A {NAME} 60 192.0.2.1"), format!("CREATE TXT {MARK} 300 \"m type=A\"")];
        assert_eq!(told(&new), made);
        // Values and the mark of another type stay as they were, in their order.
        let there = seen(&[
            plain(NAME, "A", 90, &["192.0.2.9", "192.0.2.1"]),
            plain(MARK, "TXT", 77, &["\"x type=AAAA\"", "\"old type=A\""]),
        ]);
        let change = Batch::of(&there, &[patch("A", &["192.0.2.1"], Some("m"), true)]).unwrap();
        let changed = [
            format!("DELETE A {NAME} 90 192.0.2.9,192.0.2.1"),
            format!("CREATE A {NAME} 60 192.0.2.1"),
            format!("DELETE TXT {MARK} 77 \"x type=AAAA\",\"old type=A\""),
            format!("CREATE TXT {MARK} 77 \"x type=AAAA\",\"m type=A\""),
        ];
        assert_eq!(told(&change), changed);
        assert!(!change.xml().contains("UPSERT"));
        // Where only the mark is written, the batch still says what the records were.
        let marks = Batch::of(&there, &[patch("A", &["192.0.2.1"], Some("m"), false)]).unwrap();
        assert_eq!(told(&marks)[1], format!("CREATE A {NAME} 90 192.0.2.9,192.0.2.1"));
        let mut after = there;
        change.noted(&mut after);
        let again = Batch::of(&after, &[patch("A", &["192.0.2.1"], Some("m"), true)]).unwrap();
        assert_eq!(told(&again).len(), 2);
    }

    #[test]
    fn a_set_ends_with_its_own_mark_alone() {
        let there = seen(&[
            plain(NAME, "A", 90, &["192.0.2.9"]),
            plain(MARK, "TXT", 77, &["\"x type=AAAA\"", "\"old type=A\""]),
        ]);
        let set = &there.sets(Some(&["*.w.example.com".into()]))[0];
        let batch = Batch::ending(&there, set).unwrap();
        let ends = [
            format!("DELETE A {NAME} 90 192.0.2.9"),
            format!("DELETE TXT {MARK} 77 \"x type=AAAA\",\"old type=A\""),
            format!("CREATE TXT {MARK} 77 \"x type=AAAA\""),
        ];
        assert_eq!(told(&batch), ends);
        let json: serde_json::Value = serde_json::from_str(&batch.json().unwrap()).unwrap();
        let first = &json["Changes"][0];
        assert_eq!(first["Action"], "DELETE");
        assert_eq!(
            first["ResourceRecordSet"],
            serde_json::json!({"Name": NAME, "Type": "A", "TTL": 90, "ResourceRecords": [{"Value": "192.0.2.9"}]})
        );
    }

    #[test]
    fn two_sets_of_a_name_have_one_set_of_marks_and_what_is_too_much_is_refused() {
        let patches =
            [patch("A", &["192.0.2.1"], Some("m"), true), patch("AAAA", &["2001:db8::1"], Some("<n>"), true)];
        let batch = Batch::of(&Seen::default(), &patches).unwrap();
        assert_eq!(told(&batch)[2], format!("CREATE TXT {MARK} 300 \"m type=A\",\"<n> type=AAAA\""));
        assert!(batch.xml().contains("<Value>&quot;&lt;n&gt; type=AAAA&quot;</Value>"), "{}", batch.xml());
        for (many, long) in [(1001, 1), (1, 32_001)] {
            let records = vec!["x".repeat(long); many];
            let records: Vec<&str> = records.iter().map(String::as_str).collect();
            assert!(Batch::of(&Seen::default(), &[patch("A", &records, None, true)]).is_err());
        }
    }
}
