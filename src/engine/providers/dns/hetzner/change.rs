//! The requests that make of a set what it is to become. A new one is made whole, with its mark, by one request, which Hetzner
//! refuses if the set is there. One that is there is marked first: the answer to that shows its records once more, right before
//! they change.

use std::collections::BTreeMap;

use kwo_planner::tree::SmolStr;
use serde::Serialize;

use super::seen::{self, Record, Seen};
use crate::providers::dns::server::Patch;

/// One request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Request {
    /// Makes a set that is not there.
    Make(String),
    /// Writes the labels of one; nothing of its records.
    Label(String),
    /// Writes its records.
    Set(String),
    /// Writes its TTL.
    Keep(String),
    /// Takes these records out of it. A set without records is none.
    End(String),
    /// Takes kwo's mark off what somebody added meanwhile and that is left of it.
    Free(String),
}

#[derive(Serialize)]
struct New<'n> {
    name: &'n str,
    #[serde(rename = "type")]
    of: &'n str,
    ttl: u32,
    labels: BTreeMap<SmolStr, SmolStr>,
    records: Vec<Record>,
}

#[derive(Serialize)]
struct Labels<'l> {
    labels: &'l BTreeMap<SmolStr, SmolStr>,
}

#[derive(Serialize)]
struct Ttl {
    ttl: u32,
}

#[derive(Serialize)]
struct Records {
    records: Vec<Record>,
}

/// The records that a set has now, as they are named where they end.
///
/// # Errors
/// When they cannot be written; they always can.
pub(super) fn ended(there: &Seen) -> Result<String, String> {
    let records = there.listed.records.iter();
    json(&Records { records: records.map(|record| Record { comment: None, ..record.clone() }).collect() })
}

/// The labels of a set without those of kwo.
///
/// # Errors
/// When they cannot be written; they always can.
pub(super) fn unmarked(there: &Seen) -> Result<String, String> {
    json(&Labels { labels: &seen::of_others(&there.listed.labels) })
}

/// The labels of a set as they were seen.
///
/// # Errors
/// When they cannot be written; they always can.
pub(super) fn as_before(there: &Seen) -> Result<String, String> {
    json(&Labels { labels: &there.listed.labels })
}

/// The requests of a write, in order.
///
/// # Errors
/// When they cannot be written; they always can.
pub(super) fn requests(patch: &Patch, there: Option<&Seen>, zone: &str) -> Result<Vec<Request>, String> {
    let Patch { before: _, after, writes_records } = patch;
    let Some(there) = there else {
        if after.records.is_empty() {
            return Ok(Vec::new());
        }
        let new = New {
            name: seen::relative(&after.name, zone),
            of: &after.of,
            ttl: after.ttl,
            labels: seen::labels(&after.comments),
            records: seen::records(after, None, zone),
        };
        return Ok(vec![Request::Make(json(&new)?)]);
    };
    if after.records.is_empty() {
        return Ok(vec![Request::End(ended(there)?), Request::Free(unmarked(there)?)]);
    }
    let mut requests = Vec::new();
    let labels = seen::labels(&after.comments);
    if labels != there.listed.labels {
        requests.push(Request::Label(json(&Labels { labels: &labels })?));
    }
    if *writes_records {
        if after.records != there.set.records {
            let records = seen::records(after, Some(&there.listed), zone);
            requests.push(Request::Set(json(&Records { records })?));
        }
        if after.ttl != there.set.ttl {
            requests.push(Request::Keep(json(&Ttl { ttl: after.ttl })?));
        }
    }
    Ok(requests)
}

fn json<T: Serialize>(body: &T) -> Result<String, String> {
    serde_json::to_string(body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::dns::mark::Mark;
    use crate::providers::dns::records::RecordSet;

    fn there(json: &str) -> Seen {
        serde_json::from_str::<seen::Listed>(json).unwrap().seen("example.com", 3600).unwrap()
    }

    fn told(records: &[&str], ttl: u32, writes_records: bool, there: Option<&Seen>) -> Vec<String> {
        let mut after = RecordSet {
            name: "www.example.com".into(),
            of: "A".into(),
            ttl,
            records: records.iter().map(|record| SmolStr::from(*record)).collect(),
            comments: there.map(|there| there.set.comments.clone()).unwrap_or_default(),
        };
        after.comments = seen::carried(after.comments, &after.records);
        if !records.is_empty() {
            after.comments.push(Mark { cluster: "u".into(), tenant: "t".into(), sum: "s".into() }.comment());
        }
        let patch = Patch { before: there.map(|there| there.set.clone()), after, writes_records };
        let requests = requests(&patch, there, "example.com").unwrap();
        requests.iter().map(|request| format!("{request:?}").replace('\\', "")).collect()
    }

    #[test]
    fn a_new_set_is_made_whole_and_one_that_is_there_is_marked_first() {
        let mark = r#""kwo":"kwo1","kwo-cluster":"u","kwo-sum":"s","kwo-tenant":"t""#;
        assert_eq!(
            told(&["192.0.2.1"], 300, true, None),
            [format!(
                r#"Make("{{"name":"www","type":"A","ttl":300,"labels":{{{mark}}},"records":[{{"value":"192.0.2.1"}}]}}")"#
            )]
        );
        assert_eq!(told(&[], 300, true, None), Vec::<String>::new());
        let theirs = there(
            r#"{"name":"www","type":"A","ttl":60,"labels":{"env":"prod"},"records":[{"value":"192.0.2.1","comment":"by hand"}]}"#,
        );
        let label = format!(r#"Label("{{"labels":{{"env":"prod",{mark}}}}}")"#);
        assert_eq!(told(&["192.0.2.1"], 60, false, Some(&theirs)), std::slice::from_ref(&label));
        assert_eq!(
            told(&["192.0.2.2"], 300, true, Some(&theirs)),
            [
                label.as_str(),
                r#"Set("{"records":[{"value":"192.0.2.2","comment":"by hand"}]}")"#,
                r#"Keep("{"ttl":300}")"#
            ]
        );
        let own = there(&format!(
            r#"{{"name":"www","type":"A","ttl":60,"labels":{{{mark}}},"records":[{{"value":"192.0.2.1"}}]}}"#
        ));
        assert_eq!(told(&["192.0.2.1"], 300, true, Some(&own)), [r#"Keep("{"ttl":300}")"#]);
        assert_eq!(
            told(&[], 60, true, Some(&own)),
            [r#"End("{"records":[{"value":"192.0.2.1"}]}")"#, r#"Free("{"labels":{}}")"#]
        );
    }
}
