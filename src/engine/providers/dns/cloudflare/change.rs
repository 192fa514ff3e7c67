//! What a write sends: records to make and records to change, in one transaction. There is no third list, so kwo ends no
//! record, and of a record that is changed only what differs is sent.

use std::collections::VecDeque;

use kwo_planner::tree::SmolStr;
use serde::Serialize;

use super::comment;
use super::seen::{Record, changeable, said};
use crate::providers::dns::records::RecordSet;
use crate::providers::dns::server::Patch;

/// The TTL that means that there is none of its own.
const AUTOMATIC: u32 = 1;

/// A transaction.
#[derive(Debug, Default, Serialize)]
pub(super) struct Batch {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patches: Vec<Change>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    posts: Vec<New>,
}

/// A change of one record: what it does not name stays.
#[derive(Debug, Default, Serialize)]
struct Change {
    id: SmolStr,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<SmolStr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

/// A new record.
#[derive(Debug, Serialize)]
struct New {
    name: SmolStr,
    #[serde(rename = "type")]
    of: SmolStr,
    content: SmolStr,
    ttl: u32,
    proxied: bool,
    comment: String,
}

impl Batch {
    /// Nothing to send?
    pub(super) fn is_empty(&self) -> bool {
        self.patches.is_empty() && self.posts.is_empty()
    }
}

/// What makes these sets of the records that were last seen.
///
/// # Errors
/// When Cloudflare cannot have that.
pub(super) fn batch(seen: &[Record], patches: &[Patch]) -> Result<Batch, String> {
    let mut batch = Batch::default();
    for Patch { before: _, after, writes_records } in patches {
        let mark = after.comments.iter().rev().find(|comment| comment.account == comment::ACCOUNT);
        let mark = mark.map(|mark| mark.content.as_str()).unwrap_or_default();
        let there: Vec<&Record> =
            seen.iter().filter(|record| record.name == after.name && record.of == after.of).collect();
        if *writes_records {
            write(&mut batch, after, &there, mark)?;
        } else {
            for record in changeable(&there).0 {
                let change = Change { id: record.id.clone(), ..Change::default() };
                batch.change(record, change, mark)?;
            }
        }
    }
    Ok(batch)
}

impl Batch {
    /// Adds a change of this record, with the mark, if anything differs.
    fn change(&mut self, record: &Record, mut change: Change, mark: &str) -> Result<(), String> {
        let comment = comment::written(&record.comment, mark)?;
        change.comment = Some(comment).filter(|comment| *comment != record.comment.as_str());
        let Change { id: _, content, ttl, proxied, comment } = &change;
        if content.is_some() || ttl.is_some() || proxied.is_some() || comment.is_some() {
            self.patches.push(change);
        }
        Ok(())
    }
}

/// Adds what makes this set of the records that are there.
fn write(batch: &mut Batch, after: &RecordSet, there: &[&Record], mark: &str) -> Result<(), String> {
    let mut wanted: Vec<(&str, bool)> = after.records.iter().map(|record| said(record)).collect();
    let mut others: VecDeque<&Record> = VecDeque::new();
    let mut pairs = Vec::new();
    let (own, strangers) = changeable(there);
    for record in strangers {
        let same = |(content, proxied): &(&str, bool)| {
            *content == record.content && *proxied == record.proxied && after.ttl == record.ttl
        };
        let Some(at) = wanted.iter().position(same) else {
            return Err(format!("{} {} {} is a record of others", record.of, record.name, record.content));
        };
        // It stays as it is and without a mark, so it is theirs also when kwo's own are ended.
        wanted.remove(at);
    }
    for record in own {
        match wanted.iter().position(|(content, _)| *content == record.content) {
            Some(at) => pairs.push((record, wanted.remove(at))),
            None => others.push_back(record),
        }
    }
    let ttl = |proxied: bool| if proxied { AUTOMATIC } else { after.ttl };
    for (content, proxied) in wanted {
        match others.pop_front() {
            Some(record) => pairs.push((record, (content, proxied))),
            None => batch.posts.push(New {
                name: after.name.clone(),
                of: after.of.clone(),
                content: on_the_wire(content),
                ttl: ttl(proxied),
                proxied,
                comment: comment::written("", mark)?,
            }),
        }
    }
    if let Some(record) = others.front() {
        return Err(format!("{} {} has more records than the roster wants", record.of, record.name));
    }
    for (record, (content, proxied)) in pairs {
        // Whether it is proxied and its TTL depend on each other.
        let differs = record.proxied != proxied || record.ttl != after.ttl;
        let change = Change {
            id: record.id.clone(),
            content: (content != record.content).then(|| on_the_wire(content)),
            ttl: differs.then(|| ttl(proxied)),
            proxied: differs.then_some(proxied),
            comment: None,
        };
        batch.change(record, change, mark)?;
    }
    Ok(())
}

/// Cloudflare writes names without a dot at their ends.
fn on_the_wire(content: &str) -> SmolStr {
    content.strip_suffix('.').unwrap_or(content).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::dns::mark::Mark;

    const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    fn record(id: &str, content: &str, ttl: u32, proxied: bool, comment: &str) -> Record {
        Record {
            id: id.into(),
            name: "www.example.com".into(),
            of: "A".into(),
            content: content.into(),
            ttl,
            proxied,
            comment: comment.into(),
        }
    }

    fn sent(seen: &[Record], records: &[&str], writes_records: bool) -> Result<String, String> {
        let mut after = RecordSet {
            name: "www.example.com".into(),
            of: "A".into(),
            ttl: 300,
            records: records.iter().map(|record| SmolStr::from(*record)).collect(),
            comments: Vec::new(),
        };
        after.comments.push(Mark::of(UID, "alice", &after).comment());
        let patch = Patch { before: None, after, writes_records };
        let batch = batch(seen, std::slice::from_ref(&patch))?;
        let mut sent = serde_json::to_value(&batch).unwrap();
        // What a mark says is tested beside it.
        for list in ["patches", "posts"] {
            for item in sent[list].as_array_mut().into_iter().flatten() {
                if let Some(comment) = item.get_mut("comment") {
                    let text = comment.as_str().unwrap();
                    *comment = text.split_once("kwo1 ").unwrap().0.into();
                }
            }
        }
        Ok(sent
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, list)| !list.is_null())
            .map(|(key, list)| format!("{key} {list}"))
            .collect())
    }

    #[test]
    fn what_is_new_is_made_and_what_is_there_is_changed_where_it_differs() {
        let new = r#"posts [{"comment":"","content":"192.0.2.1","name":"www.example.com","proxied":true,"ttl":1,"type":"A"}]"#;
        assert_eq!(sent(&[], &["192.0.2.1 (proxied)"], true).unwrap(), new);
        let theirs = record("a1", "203.0.113.9", 60, false, "by hand");
        // The mark alone.
        assert_eq!(
            sent(std::slice::from_ref(&theirs), &["203.0.113.9"], false).unwrap(),
            r#"patches [{"comment":"by hand ","id":"a1"}]"#
        );
        assert_eq!(
            sent(&[theirs], &["192.0.2.1"], true).unwrap(),
            r#"patches [{"comment":"by hand ","content":"192.0.2.1","id":"a1","proxied":false,"ttl":300}]"#
        );
        // One stays and is marked, one becomes what is wanted, and one is new.
        let two = [record("a1", "192.0.2.9", 300, false, ""), record("a2", "192.0.2.1", 300, false, "")];
        assert_eq!(
            sent(&two, &["192.0.2.1", "192.0.2.2", "192.0.2.3"], true).unwrap(),
            r#"patches [{"comment":"","id":"a2"},{"comment":"","content":"192.0.2.2","id":"a1"}]posts [{"comment":"","content":"192.0.2.3","name":"www.example.com","proxied":false,"ttl":300,"type":"A"}]"#
        );
        // Beside kwo's own, what is of others stays as it is and gets no mark; or nothing is sent.
        let own = record("a1", "192.0.2.1", 300, false, "kwo1 ASNFZ4mrze8BI0VniavN7w ABEiM0RV bob");
        let theirs = record("a2", "192.0.2.2", 300, false, "by hand");
        let mixed = [own, theirs];
        for writes_records in [true, false] {
            assert_eq!(
                sent(&mixed, &["192.0.2.1", "192.0.2.2"], writes_records).unwrap(),
                r#"patches [{"comment":"","id":"a1"}]"#
            );
        }
        assert_eq!(
            sent(&mixed, &["192.0.2.3", "192.0.2.2"], true).unwrap(),
            r#"patches [{"comment":"","content":"192.0.2.3","id":"a1"}]"#
        );
        for wanted in [["192.0.2.1", "192.0.2.3"], ["192.0.2.1", "192.0.2.2 (proxied)"]] {
            let why = sent(&mixed, &wanted, true).unwrap_err();
            assert_eq!(why, "A www.example.com 192.0.2.2 is a record of others");
        }
        assert!(sent(&two, &["192.0.2.1"], true).unwrap_err().contains("more records than the roster wants"));
    }
}
