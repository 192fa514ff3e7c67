//! Records as Cloudflare lists them, each with an id and a comment of its own, and the record sets that kwo compares. Here
//! is also what Cloudflare cannot make of a set, or not without a change for others.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::plain::counted;
use kwo_planner::systems::dns::{AUTOMATIC_TTL, PROXIED};
use kwo_planner::tree::SmolStr;
use serde::Deserialize;
use smol_str::format_smolstr;

use super::comment;
use crate::providers::dns::mark::{Mark, sum};
use crate::providers::dns::records::{Comment, RecordSet, content, name, told};
use crate::providers::dns::server::Wanted;

/// The TTL that means that there is none of its own.
const AUTOMATIC: u32 = 1;

/// The types whose requests can go through the proxy.
const PROXIABLE: [&str; 3] = ["A", "AAAA", "CNAME"];

/// The sum of a mark, in the form of `mark.rs`.
const SUM: &str = " sum=";

/// A record as it is listed.
#[derive(Deserialize)]
pub(super) struct Listed {
    id: SmolStr,
    name: String,
    #[serde(rename = "type")]
    of: SmolStr,
    content: Option<String>,
    ttl: u32,
    proxied: Option<bool>,
    comment: Option<SmolStr>,
    priority: Option<serde_json::Number>,
}

/// A record in one form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) id: SmolStr,
    pub(super) name: SmolStr,
    pub(super) of: SmolStr,
    /// Without what says that it is proxied.
    pub(super) content: SmolStr,
    /// What resolvers are told.
    pub(super) ttl: u32,
    pub(super) proxied: bool,
    pub(super) comment: SmolStr,
}

impl Listed {
    /// In one form.
    ///
    /// # Errors
    /// When no record of this zone is like it.
    pub(super) fn record(self, zone: &str) -> Result<Record, String> {
        let Listed { id, name: at, of, content: text, ttl, proxied, comment, priority } = self;
        let at = name(&at);
        let inside = at == zone || at.strip_suffix(zone).is_some_and(|above| above.ends_with('.'));
        let is_type =
            !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        // It becomes a part of a path.
        let is_id = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !inside || !is_type || !is_id {
            return Err("a record in its list has a name, type or id that none of this zone has".to_owned());
        }
        let proxied = proxied.unwrap_or_default() && PROXIABLE.contains(&of.as_str());
        let ttl = if proxied || ttl == AUTOMATIC { AUTOMATIC_TTL } else { ttl };
        let text = content(&of, &text.unwrap_or_default(), false);
        let content = priority.map_or(text.clone(), |priority| format_smolstr!("{priority} {text}"));
        Ok(Record { id, name: at, of, content, ttl, proxied, comment: comment.unwrap_or_default() })
    }
}

impl Record {
    /// Does it have a mark of kwo, also one that this kwo cannot read?
    pub(super) fn is_marked(&self) -> bool {
        comment::read(&self.comment).mark.is_some()
    }

    /// The mark of kwo.
    fn mark(&self) -> Option<Mark> {
        Mark::parse(&comment::read(&self.comment).mark?)
    }

    /// As a record of a set whose lowest TTL is this. One with another TTL says so: to DNS a set has one.
    pub(super) fn text(&self, lowest: u32) -> SmolStr {
        let proxied = if self.proxied { PROXIED } else { "" };
        if self.ttl == lowest {
            format_smolstr!("{}{proxied}", self.content)
        } else {
            format_smolstr!("{}{proxied} (TTL {})", self.content, self.ttl)
        }
    }
}

/// The record sets of these records.
pub(super) fn sets(records: &[Record]) -> Vec<RecordSet> {
    let mut by_set: BTreeMap<(&SmolStr, &SmolStr), Vec<&Record>> = BTreeMap::new();
    for record in records {
        by_set.entry((&record.name, &record.of)).or_default().push(record);
    }
    by_set.into_iter().map(|((name, of), records)| set(name, of, &records)).collect()
}

/// The records of a set with kwo's mark: those that have a mark of the same cluster and tenant, and all others.
pub(super) fn parted<'r>(set: &RecordSet, seen: &'r [Record]) -> (Vec<&'r Record>, Vec<&'r Record>) {
    let marks = set.comments.iter().filter(|comment| comment.account == comment::ACCOUNT);
    let keeper = marks.filter_map(Mark::parse).next();
    let same = |mark: &Mark, own: &Mark| mark.cluster == own.cluster && mark.tenant == own.tenant;
    let here = seen.iter().filter(|record| record.name == set.name && record.of == set.of);
    here.partition(|record| {
        record.mark().is_some_and(|mark| keeper.as_ref().is_some_and(|own| same(&mark, own)))
    })
}

/// Those of the records of a set that kwo may change: beside its own ones the others stay as they are.
pub(super) fn changeable<'r>(there: &[&'r Record]) -> (Vec<&'r Record>, Vec<&'r Record>) {
    let marked = there.iter().any(|record| record.is_marked());
    there.iter().copied().partition(|record| !marked || record.is_marked())
}

fn set(name: &SmolStr, of: &SmolStr, records: &[&Record]) -> RecordSet {
    let ttl = records.iter().map(|record| record.ttl).min().unwrap_or_default();
    let mut texts: Vec<SmolStr> = records.iter().map(|record| record.text(ttl)).collect();
    texts.sort();
    let mut set = RecordSet { name: name.clone(), of: of.clone(), ttl, records: texts, comments: Vec::new() };
    let notes: Vec<comment::CommentParts> =
        records.iter().map(|record| comment::read(&record.comment)).collect();
    let others: BTreeSet<SmolStr> =
        notes.iter().map(|note| note.others.clone()).filter(|others| !others.is_empty()).collect();
    let is = sum(&set);
    let marks = notes.into_iter().filter_map(|note| note.mark);
    let marks: BTreeSet<SmolStr> = marks.map(|mark| whole(&mark.content, &is)).collect();
    let comment =
        |account: &'static str, content| Comment { account: account.into(), content, modified_at: None };
    set.comments = others.into_iter().map(|content| comment("", content)).collect();
    set.comments.extend(marks.into_iter().map(|content| comment(comment::ACCOUNT, content)));
    set
}

/// A mark with the whole sum, where what it has of one is that of the set as it is.
fn whole(mark: &str, is: &str) -> SmolStr {
    match mark.rsplit_once(SUM) {
        Some((rest, part)) if part.len() == comment::SUM_DIGITS && is.starts_with(part) => {
            format_smolstr!("{rest}{SUM}{is}")
        }
        _ => mark.into(),
    }
}

/// What a record says: its content, and whether it is proxied.
pub(super) fn said(record: &str) -> (&str, bool) {
    match record.strip_suffix(PROXIED) {
        Some(content) => (content, true),
        None => (record, false),
    }
}

/// Why Cloudflare cannot make what is wanted, or not without a change for others.
pub(super) fn objection(
    wanted: &Wanted<'_>,
    there: Option<&RecordSet>,
    others: &[&RecordSet],
    seen: &[Record],
) -> Option<String> {
    let Wanted { of, name, tenant, ttl, records } = wanted;
    let at = format!("{of} {name}");
    if let Some(there) = there {
        if there.records.len() > records.len() {
            let more: Vec<SmolStr> =
                there.records.iter().filter(|record| !records.contains(record)).cloned().collect();
            return Some(format!(
                "{at} has {}, and the roster wants {}; kwo ends none at Cloudflare, so end there what is too many ({}) and \
                 run kwo again",
                counted(there.records.len(), "record", "records"),
                records.len(),
                told(&more)
            ));
        }
        let here = seen.iter().filter(|record| record.name == there.name && record.of == there.of);
        let (own, others) = changeable(&here.collect::<Vec<_>>());
        // One that is as the roster wants it stays; a write would change any other one.
        let mut texts = others.iter().map(|record| record.text(ttl.unwrap_or(there.ttl)));
        if let Some(stray) = texts.find(|text| !records.contains(text)) {
            return Some(format!(
                "a record of others is there beside kwo's, {at} {}; end it there, or let the target of the zone have it, too, and \
                 run kwo again",
                told(&[stray])
            ));
        }
        // Where a mark of this tenant stands is room for one.
        let mut bare = own.iter().filter(|record| record.mark().is_none_or(|mark| mark.tenant != *tenant));
        if let Some(why) = bare.find_map(|record| comment::has_room_for(&record.comment, tenant).err()) {
            return Some(format!("{at} cannot be marked: {why}"));
        }
    }
    // At one name all addresses go through the proxy as soon as one of them does.
    let proxied = |records: &[SmolStr]| records.iter().any(|record| said(record).1);
    let mut addresses = others.iter().filter(|_| matches!(*of, "A" | "AAAA"));
    let clash = addresses.find(|set| {
        matches!(set.of.as_str(), "A" | "AAAA") && proxied(&set.records) != proxied(records.as_slice())
    })?;
    let would = if proxied(&clash.records) {
        "is proxied, so what is not to be proxied would be, too"
    } else {
        "is not proxied, and would be, too"
    };
    Some(format!(
        "a record of others is there, {} {name} {}, which {would}: at Cloudflare all addresses of a name are proxied as soon \
         as one of them is",
        clash.of,
        told(&clash.records)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(of: &str, content: &str, ttl: u32, proxied: bool, comment: &str) -> Record {
        let listed = serde_json::json!({"id": "a1", "name": "WWW.example.com", "type": of, "content": content, "ttl": ttl,
            "proxied": proxied, "comment": comment});
        serde_json::from_value::<Listed>(listed).unwrap().record("example.com").unwrap()
    }

    const MARK: &str = "kwo1 ASNFZ4mrze8BI0VniavN7w ABEiM0RV alice";

    #[test]
    fn what_means_the_same_is_the_same() {
        let told = |records: &[Record]| {
            let sets = sets(records);
            assert_eq!(sets.len(), 1);
            format!("{} {} {:?}", sets[0].name, sets[0].ttl, sets[0].records)
        };
        // Whatever TTL a proxied record reads back with, resolvers are told 300; and automatic is that everywhere.
        for ttl in [1, 60, 300] {
            let records = [record("A", "192.0.2.1", ttl, true, "")];
            assert_eq!(told(&records), r#"www.example.com 300 ["192.0.2.1 (proxied)"]"#);
        }
        assert_eq!(
            told(&[record("CNAME", "LB.example.net", 1, false, "")]),
            r#"www.example.com 300 ["lb.example.net."]"#
        );
        // What can go through no proxy does not, whatever is said of it.
        assert_eq!(told(&[record("TXT", "a", 120, true, "")]), r#"www.example.com 120 ["a"]"#);
        let two = [record("A", "192.0.2.1", 600, false, ""), record("A", "192.0.2.2", 60, false, "")];
        assert_eq!(told(&two), r#"www.example.com 60 ["192.0.2.1 (TTL 600)", "192.0.2.2"]"#);
    }

    #[test]
    fn a_record_that_none_of_the_zone_is_like_is_refused() {
        for (id, name, of) in [
            ("../x", "www.example.com", "A"),
            ("", "www.example.com", "A"),
            ("a1", "www.example.org", "A"),
            ("a1", "xexample.com", "A"),
            ("a1", "www.example.com", "a b"),
        ] {
            let listed =
                serde_json::json!({"id": id, "name": name, "type": of, "content": "192.0.2.1", "ttl": 1});
            assert!(
                serde_json::from_value::<Listed>(listed).unwrap().record("example.com").is_err(),
                "{id}{name}{of}"
            );
        }
    }

    #[test]
    fn a_mark_has_the_whole_sum_as_long_as_its_part_is_that_of_the_set() {
        let plain = record("A", "192.0.2.1", 300, false, "");
        let is = sum(&sets(std::slice::from_ref(&plain))[0]);
        let long = format!("kwo1 cluster=01234567-89ab-cdef-0123-456789abcdef tenant=alice sum={is}");
        let comment = comment::written("by hand", &long).unwrap();
        let marked = |content: &str| {
            let sets = sets(&[record("A", content, 300, false, &comment)]);
            sets[0].comments.iter().map(|comment| comment.content.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(marked("192.0.2.1"), ["by hand".to_owned(), long]);
        assert_eq!(marked("192.0.2.2")[1].rsplit_once('=').unwrap().1, &is[..comment::SUM_DIGITS]);
    }

    #[test]
    fn only_what_has_the_mark_of_the_tenant_is_kwos_to_end() {
        let of = |content: &str, comment: &str| record("A", content, 1, false, comment);
        let bobs = MARK.replace("alice", "bob");
        let seen = [
            of("192.0.2.1", MARK),
            of("192.0.2.2", ""),
            of("192.0.2.3", "by hand"),
            of("192.0.2.4", &format!("by hand {MARK}")),
            of("192.0.2.5", &bobs),
        ];
        let told = |records: Vec<&Record>| -> Vec<SmolStr> {
            records.iter().map(|record| record.content.clone()).collect()
        };
        let (own, others) = parted(&sets(&seen)[0], &seen);
        assert_eq!(told(own), ["192.0.2.1", "192.0.2.4"]);
        assert_eq!(told(others), ["192.0.2.2", "192.0.2.3", "192.0.2.5"]);
        // Without a mark nothing is kwo's.
        let theirs = [of("192.0.2.2", "")];
        assert_eq!(parted(&sets(&theirs)[0], &theirs).0, Vec::<&Record>::new());
    }

    #[test]
    fn kwo_ends_no_record_and_changes_none_of_others() {
        let wanted = |records: &[&str]| Wanted {
            of: "A",
            name: "www.example.com",
            tenant: "alice".into(),
            ttl: Some(300),
            records: records.iter().map(|record| SmolStr::from(*record)).collect(),
        };
        let of_two = |comment: &str| {
            [record("A", "192.0.2.1", 1, false, MARK), record("A", "192.0.2.2", 1, false, comment)]
        };
        let (ours, mixed) = (of_two(MARK), of_two("by hand"));
        let objects = |wanted: &Wanted<'_>, seen: &[Record], others: &[&RecordSet]| {
            objection(wanted, sets(seen).first(), others, seen)
        };
        let why = objects(&wanted(&["192.0.2.1"]), &ours, &[]).unwrap();
        assert!(
            why.contains("has 2 records, and the roster wants 1") && why.contains("(192.0.2.2)"),
            "{why}"
        );
        // As many as are wanted: kwo's own becomes another one, and that of somebody else does not.
        let two = wanted(&["192.0.2.1", "192.0.2.3"]);
        assert_eq!(objects(&two, &ours, &[]), None);
        let why = objects(&two, &mixed, &[]).unwrap();
        assert!(
            why.contains("a record of others is there beside kwo's, A www.example.com 192.0.2.2;"),
            "{why}"
        );
        assert_eq!(objects(&wanted(&["192.0.2.1", "192.0.2.2"]), &mixed, &[]), None);
        // That it has another TTL than the roster wants is a change for others, too.
        let slow = Wanted { ttl: Some(600), ..wanted(&["192.0.2.1", "192.0.2.2"]) };
        let why = objects(&slow, &mixed, &[]).unwrap();
        assert!(why.contains("beside kwo's, A www.example.com 192.0.2.2 (TTL 300);"), "{why}");
        // The mark that stands there already has room, on whatever plan.
        for behind in [60, 450] {
            let comment = format!("{MARK} {}", "x".repeat(behind));
            let marked = [record("A", "192.0.2.1", 1, false, &comment)];
            assert_eq!(objects(&wanted(&["192.0.2.1"]), &marked, &[]), None, "{behind}");
        }
        let long = [record("A", "192.0.2.1", 1, false, &"x".repeat(90))];
        let why = objects(&wanted(&["192.0.2.1"]), &long, &[]).unwrap();
        assert!(why.contains("cannot be marked: it has a comment of 90 characters"), "{why}");
        for (theirs, ours, says) in [
            (true, "192.0.2.1", "which is proxied, so what is not"),
            (false, "192.0.2.1 (proxied)", "which is not proxied, and would be"),
            (true, "192.0.2.1 (proxied)", ""),
            (false, "192.0.2.1", ""),
        ] {
            let others = sets(&[record("AAAA", "2001:db8::1", 1, theirs, "")]);
            let others: Vec<&RecordSet> = others.iter().collect();
            let why = objects(&wanted(&[ours]), &[], &others).unwrap_or_default();
            assert!(why.contains(says) && why.is_empty() == says.is_empty(), "{why}");
        }
    }
}
