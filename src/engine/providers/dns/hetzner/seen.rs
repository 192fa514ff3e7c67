//! Record sets as Hetzner lists them, with labels and a comment on each record, and the record sets that kwo compares. kwo's
//! mark is four labels of a set; other labels and the comments of records are what others noted there.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::tree::SmolStr;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

use crate::providers::dns::records::{Comment, RecordSet, content, name};
use crate::providers::dns::server::Wanted;

/// The account of a comment that is a mark.
const ACCOUNT: &str = "kwo";

/// The label with the form of a mark, and those of its words.
const FORM: &str = "kwo";
const WORDS: [(&str, &str); 3] = [("cluster", "kwo-cluster"), ("tenant", "kwo-tenant"), ("sum", "kwo-sum")];

/// How the account of what others noted begins: of a label, and of a record.
const LABEL: &str = "label ";
const RECORD: &str = "record ";

/// The zone itself, as Hetzner writes it.
const APEX: &str = "@";

/// The types whose records are names.
const NAMES: [&str; 3] = ["CNAME", "NS", "DNAME"];

/// A record, as it is listed and sent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Record {
    pub(super) value: SmolStr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<SmolStr>,
}

/// A set as it is listed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(super) struct Listed {
    name: SmolStr,
    #[serde(rename = "type")]
    pub(super) of: SmolStr,
    ttl: Option<u32>,
    #[serde(default)]
    pub(super) labels: BTreeMap<SmolStr, SmolStr>,
    protection: Option<Protection>,
    pub(super) records: Vec<Record>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
struct Protection {
    #[serde(default)]
    change: bool,
}

/// A set as it is there, with what kwo compares of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) set: RecordSet,
    pub(super) listed: Listed,
}

impl Listed {
    /// In one form.
    ///
    /// # Errors
    /// When no record set of this zone is like it.
    pub(super) fn seen(self, zone: &str, default_ttl: u32) -> Result<Seen, String> {
        let Listed { name: at, of, ttl, labels, records, .. } = &self;
        let is_type =
            !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !is_type || at.is_empty() || records.is_empty() {
            return Err("a record set in its list has a name, type or records that none has".to_owned());
        }
        let at = if at == APEX { SmolStr::from(zone) } else { format_smolstr!("{}.{zone}", name(at)) };
        let on_records = records.iter().filter_map(|record| {
            let comment = record.comment.as_ref().filter(|comment| !comment.is_empty())?;
            let account = format_smolstr!("{RECORD}{}", text(of, &record.value, zone));
            Some(Comment { account, content: comment.clone(), modified_at: None })
        });
        // Hetzner lists records in any order.
        let mut on_records: Vec<Comment> = on_records.collect();
        on_records.sort_by(|one, other| one.account.cmp(&other.account));
        let mut comments = noted(labels);
        comments.extend(on_records);
        let records: BTreeSet<SmolStr> = records.iter().map(|record| text(of, &record.value, zone)).collect();
        let set = RecordSet {
            name: at,
            of: of.clone(),
            ttl: ttl.unwrap_or(default_ttl),
            records: records.into_iter().collect(),
            comments,
        };
        Ok(Seen { set, listed: self })
    }

    /// Does Hetzner refuse to change it?
    fn is_protected(&self) -> bool {
        self.protection.as_ref().is_some_and(|protection| protection.change)
    }
}

/// A record in one form. A name without a dot at its end is one below the zone.
pub(super) fn text(of: &str, value: &str, zone: &str) -> SmolStr {
    if !NAMES.contains(&of) || value.ends_with('.') {
        return content(of, value, false);
    }
    if value == APEX { content(of, zone, false) } else { content(of, &format!("{value}.{zone}"), false) }
}

/// A name as Hetzner writes it: below the zone.
pub(super) fn relative<'n>(at: &'n str, zone: &str) -> &'n str {
    let above = at.strip_suffix(zone).and_then(|above| above.strip_suffix('.'));
    above.unwrap_or(APEX)
}

fn is_own(label: &SmolStr) -> bool {
    label == FORM || WORDS.iter().any(|(_, own)| label == own)
}

/// The labels that are not kwo's.
pub(super) fn of_others(labels: &BTreeMap<SmolStr, SmolStr>) -> BTreeMap<SmolStr, SmolStr> {
    let others = labels.iter().filter(|(label, _)| !is_own(label));
    others.map(|(label, value)| (label.clone(), value.clone())).collect()
}

/// What labels say: those of others one by one, and kwo's together.
fn noted(labels: &BTreeMap<SmolStr, SmolStr>) -> Vec<Comment> {
    let (own, others): (Vec<_>, Vec<_>) = labels.iter().partition(|(label, _)| is_own(label));
    let comment = |account: SmolStr, content: SmolStr| Comment { account, content, modified_at: None };
    let mut comments: Vec<Comment> = others
        .into_iter()
        .map(|(key, value)| comment(format_smolstr!("{LABEL}{key}"), value.clone()))
        .collect();
    if !own.is_empty() {
        let form = labels.get(FORM).cloned().unwrap_or_default();
        let words = WORDS.iter().filter_map(|(word, label)| Some(format!(" {word}={}", labels.get(*label)?)));
        comments.push(comment(ACCOUNT.into(), format_smolstr!("{form}{}", words.collect::<String>())));
    }
    comments
}

/// The labels that say this.
pub(super) fn labels(comments: &[Comment]) -> BTreeMap<SmolStr, SmolStr> {
    let mut labels = BTreeMap::new();
    for Comment { account, content, .. } in comments {
        if let Some(key) = account.strip_prefix(LABEL) {
            labels.insert(key.into(), content.clone());
        } else if account == ACCOUNT {
            let mut words = content.split(' ');
            labels.insert(FORM.into(), words.next().unwrap_or_default().into());
            labels.extend(words.filter_map(|said| {
                let (word, value) = said.split_once('=')?;
                let (_, label) = WORDS.iter().find(|(known, _)| *known == word)?;
                Some((SmolStr::new_static(label), value.into()))
            }));
        }
    }
    labels
}

/// The records that say this: one that is there already goes as it is there.
pub(super) fn records(wanted: &RecordSet, there: Option<&Listed>, zone: &str) -> Vec<Record> {
    let comment = |record: &SmolStr| {
        let of = wanted.comments.iter().find(|comment| comment.account.strip_prefix(RECORD) == Some(record));
        of.map(|comment| comment.content.clone())
    };
    let as_is = |record: &SmolStr| {
        let all = there.into_iter().flat_map(|there| &there.records);
        let mut all = all.map(|record| &record.value);
        all.find(|value| text(&wanted.of, value, zone) == *record).unwrap_or(record).clone()
    };
    wanted.records.iter().map(|record| Record { value: as_is(record), comment: comment(record) }).collect()
}

/// What others noted, where the records become these: a comment on a record that goes moves to one that comes.
pub(super) fn carried(comments: Vec<Comment>, records: &[SmolStr]) -> Vec<Comment> {
    let on = |comment: &Comment| comment.account.strip_prefix(RECORD).map(SmolStr::from);
    let goes = |comment: &Comment| on(comment).is_some_and(|record| !records.contains(&record));
    let (homeless, mut stays): (Vec<Comment>, Vec<Comment>) = comments.into_iter().partition(goes);
    for comment in homeless {
        let bare = records.iter().find(|record| !stays.iter().any(|have| on(have).as_ref() == Some(*record)));
        match (bare, stays.iter_mut().rfind(|have| on(have).is_some())) {
            (Some(record), _) => {
                stays.push(Comment { account: format_smolstr!("{RECORD}{record}"), ..comment });
            }
            (None, Some(last)) => last.content = format_smolstr!("{}; {}", last.content, comment.content),
            (None, None) => {}
        }
    }
    stays
}

/// Why Hetzner does not make what is wanted of a set.
pub(super) fn objection(wanted: &Wanted<'_>, there: &Seen) -> Option<String> {
    let Wanted { of, name, ttl, records, .. } = wanted;
    let is = ttl.is_none_or(|ttl| ttl == there.set.ttl) && *records == there.set.records;
    (there.listed.is_protected() && !is).then(|| {
        format!(
            "a protection at Hetzner keeps {of} {name} as it is; end the protection there, and run kwo again"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::dns::mark::{Mark, Whose, whose};

    fn seen(json: &str) -> Seen {
        serde_json::from_str::<Listed>(json).unwrap().seen("example.com", 3600).unwrap()
    }

    #[test]
    fn a_set_is_read_with_its_mark_and_with_what_others_noted() {
        let set = seen(
            r#"{"id":"www/A","name":"www","type":"A","ttl":null,"labels":{"env":"prod","kwo":"kwo1","kwo-cluster":"uid-1",
            "kwo-tenant":"alice","kwo-sum":"s"},"protection":{"change":false},"zone":42,
            "records":[{"value":"192.0.2.2","comment":"by hand"},{"value":"192.0.2.1","comment":""}]}"#,
        );
        assert_eq!((set.set.name.as_str(), set.set.ttl), ("www.example.com", 3600));
        assert_eq!(set.set.records, ["192.0.2.1", "192.0.2.2"]);
        let told: Vec<String> = set
            .set
            .comments
            .iter()
            .map(|comment| format!("{}: {}", comment.account, comment.content))
            .collect();
        assert_eq!(
            told,
            ["label env: prod", "kwo: kwo1 cluster=uid-1 tenant=alice sum=s", "record 192.0.2.2: by hand"]
        );
        // What is written is what was read.
        assert_eq!(labels(&set.set.comments), set.listed.labels);
        assert_eq!(
            serde_json::to_string(&records(&set.set, Some(&set.listed), "example.com")).unwrap(),
            r#"[{"value":"192.0.2.1"},{"value":"192.0.2.2","comment":"by hand"}]"#
        );
        let mark = Mark::of("uid-1", "", &set.set);
        assert_eq!(labels(&[mark.comment()]).get("kwo-tenant"), Some(&"".into()));
    }

    #[test]
    fn a_part_of_a_mark_is_nobodys_to_write_over() {
        for label in [r#""kwo":"kwo2""#, r#""kwo-cluster":"uid""#, r#""kwo":"kwo1","kwo-tenant":"alice""#] {
            let set = seen(&format!(
                r#"{{"name":"@","type":"A","ttl":60,"labels":{{{label}}},"records":[{{"value":"192.0.2.1"}}]}}"#
            ));
            assert_eq!(whose(&set.set, "uid"), Whose::Others("that this kwo cannot read".into()), "{label}");
            assert_eq!(set.set.name, "example.com");
        }
    }

    #[test]
    fn a_name_without_a_dot_at_its_end_is_one_below_the_zone() {
        for (value, is) in
            [("LB", "lb.example.com."), ("lb.example.net.", "lb.example.net."), ("@", "example.com.")]
        {
            assert_eq!(text("CNAME", value, "example.com"), is);
        }
        assert_eq!(text("A", "192.0.2.1", "example.com"), "192.0.2.1");
        for (at, is) in [("example.com", "@"), ("*.w.example.com", "*.w"), ("www.example.com", "www")] {
            assert_eq!(relative(at, "example.com"), is);
        }
        let set = seen(r#"{"name":"a","type":"CNAME","ttl":60,"labels":{},"records":[{"value":"lb"}]}"#);
        assert_eq!(records(&set.set, Some(&set.listed), "example.com")[0].value, "lb");
        assert_eq!(records(&set.set, None, "example.com")[0].value, "lb.example.com.");
    }

    #[test]
    fn a_comment_outlives_the_record_that_it_was_on() {
        let comment = |account: &str, content: &str| Comment {
            account: account.into(),
            content: content.into(),
            modified_at: None,
        };
        let told = |comments: &[Comment]| -> Vec<String> {
            comments.iter().map(|comment| format!("{}: {}", comment.account, comment.content)).collect()
        };
        let before =
            vec![comment("label env", "prod"), comment("record 1", "one"), comment("record 2", "two")];
        for (records, is) in [
            (vec!["1", "2"], vec!["label env: prod", "record 1: one", "record 2: two"]),
            (vec!["2", "3"], vec!["label env: prod", "record 2: two", "record 3: one"]),
            (vec!["3"], vec!["label env: prod", "record 3: one; two"]),
        ] {
            let records: Vec<SmolStr> = records.into_iter().map(SmolStr::from).collect();
            assert_eq!(told(&carried(before.clone(), &records)), is);
        }
    }

    #[test]
    fn a_protected_set_is_held_where_it_would_change() {
        let set = seen(
            r#"{"name":"www","type":"A","ttl":300,"labels":{},"protection":{"change":true},"records":[{"value":"192.0.2.1"}]}"#,
        );
        let wanted = |record: &str| Wanted {
            of: "A",
            name: "www.example.com",
            tenant: "alice".into(),
            ttl: Some(300),
            records: vec![record.into()],
        };
        assert_eq!(objection(&wanted("192.0.2.1"), &set), None);
        let why = objection(&wanted("192.0.2.2"), &set).unwrap();
        assert!(why.starts_with("a protection at Hetzner keeps A www.example.com as it is"), "{why}");
    }
}
