//! Makes one update of patches, with their marks: all of it is done or nothing, and only if each record set that a patch was
//! decided by is there as it was seen. Conditions compare no TTL; whoever changes only that is seen by the next look.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::PushError;
use domain::base::{Ttl, UnknownRecordData};
use kwo_planner::tree::SmolStr;

use super::seen::{Raw, Seen};
use super::wire::{DnsName, Key, Line, Request, Trouble, begin, dns_name};
use crate::providers::dns::records::{Content, RecordSet};
use crate::providers::dns::server::{Patch, Wrote};
use crate::providers::dns::texts::{LONGEST_STRING, MARK_TTL, MARK_TYPE, mark_name, marked};

/// One entry of an update; its class says what is asked of the data, or done with it.
struct Entry {
    at: DnsName,
    class: Class,
    ttl: u32,
    of: Rtype,
    data: Vec<u8>,
}

impl Entry {
    fn new(at: &str, class: Class, of: &str, data: Vec<u8>) -> Result<Entry, String> {
        let of = of.parse().map_err(|_| format!("DNS has no type {of}"))?;
        Ok(Entry { at: dns_name(at)?, class, ttl: 0, of, data })
    }

    /// A record to be added.
    fn added(at: &str, of: &str, data: Vec<u8>, ttl: u32) -> Result<Entry, String> {
        Ok(Entry { ttl, ..Entry::new(at, Class::IN, of, data)? })
    }
}

/// The update for these patches, before it is signed.
///
/// # Errors
/// When it cannot be said in DNS.
pub(super) fn request(zone: &str, seen: &Seen, patches: &[Patch]) -> Result<Request, String> {
    let too_long = |_: PushError| "it is too long for one update of DNS".to_owned();
    let mut message = begin()?;
    message.header_mut().set_opcode(Opcode::UPDATE);
    let mut question = message.question();
    question.push((dns_name(zone)?, Rtype::SOA)).map_err(too_long)?;
    let mut conditions = question.answer();
    let mut asked = BTreeSet::new();
    for patch in patches {
        for Entry { at, class, ttl, of, data } in conditions_of(zone, seen, patch, &mut asked)? {
            let data = UnknownRecordData::from_octets(of, data).map_err(|error| error.to_string())?;
            conditions.push((at, class, Ttl::from_secs(ttl), data)).map_err(too_long)?;
        }
    }
    let mut changes = conditions.authority();
    for patch in patches {
        for Entry { at, class, ttl, of, data } in changes_of(seen, patch)? {
            let data = UnknownRecordData::from_octets(of, data).map_err(|error| error.to_string())?;
            changes.push((at, class, Ttl::from_secs(ttl), data)).map_err(too_long)?;
        }
    }
    Ok(changes.additional())
}

/// What has to be so: each set that the patch was decided by is as it was seen, or is not there.
fn conditions_of(
    zone: &str,
    seen: &Seen,
    patch: &Patch,
    asked: &mut BTreeSet<(SmolStr, SmolStr)>,
) -> Result<Vec<Entry>, String> {
    let RecordSet { name: at, of, .. } = &patch.after;
    let mut entries = Vec::new();
    // A server leaves out a CNAME record beside others without a word.
    if of == "CNAME" && !has_records(patch) {
        entries.push(Entry::new(at, Class::NONE, "ANY", Vec::new())?);
    }
    let mark = (SmolStr::new_static(MARK_TYPE), mark_name(at));
    for (of, at) in Content::decisive(of, at, zone).into_iter().chain([mark]) {
        if !asked.insert((of.clone(), at.clone())) {
            continue;
        }
        match seen.get(&of, &at) {
            None => entries.push(Entry::new(&at, Class::NONE, &of, Vec::new())?),
            Some(Raw { ttl: _, records }) => {
                for data in records.keys() {
                    entries.push(Entry::new(&at, Class::IN, &of, data.clone())?);
                }
            }
        }
    }
    Ok(entries)
}

/// What is done then.
fn changes_of(seen: &Seen, patch: &Patch) -> Result<Vec<Entry>, String> {
    let RecordSet { name: at, of, ttl, records, comments: _ } = &patch.after;
    let mut entries = Vec::new();
    if patch.writes_records {
        if has_records(patch) {
            entries.push(Entry::new(at, Class::ANY, of, Vec::new())?);
        }
        for text in records {
            entries.push(Entry::added(at, of, data(of, text)?, *ttl)?);
        }
    }
    let (old, new, place) = (seen.marks(of, at), marks(&patch.after), mark_name(at));
    for data in old.iter().filter(|data| !new.iter().any(|(new, _)| new == *data)) {
        entries.push(Entry::new(&place, Class::NONE, MARK_TYPE, data.clone())?);
    }
    for (data, _) in new.into_iter().filter(|(data, _)| !old.contains(data)) {
        entries.push(Entry::added(&place, MARK_TYPE, data, MARK_TTL)?);
    }
    Ok(entries)
}

/// What is seen after a patch that was done.
pub(super) fn noted(seen: &mut Seen, patch: &Patch) {
    let RecordSet { name: at, of, ttl, records, comments: _ } = &patch.after;
    if patch.writes_records {
        let of_text = |text: &SmolStr| Some((data(of, text).ok()?, text.clone()));
        let raw = Raw { ttl: *ttl, records: records.iter().filter_map(of_text).collect() };
        seen.0.entry(at.clone()).or_default().insert(of.clone(), raw);
    }
    let old = seen.marks(of, at);
    let place = seen.0.entry(mark_name(at)).or_default().entry(MARK_TYPE.into()).or_default();
    place.ttl = MARK_TTL;
    place.records.retain(|data, _| !old.contains(data));
    place.records.extend(marks(&patch.after));
    // What is gone is asked for as what is not there.
    for place in [at.clone(), mark_name(at)] {
        if let Some(sets) = seen.0.get_mut(&place) {
            sets.retain(|_, raw| !raw.records.is_empty());
        }
    }
}

fn has_records(patch: &Patch) -> bool {
    patch.before.as_ref().is_some_and(|before| !before.records.is_empty())
}

/// The marks of a set, on the wire and as text.
fn marks(set: &RecordSet) -> Vec<(Vec<u8>, SmolStr)> {
    let marks = set.comments.iter().map(|comment| marked(&comment.content, &set.of));
    let wire = |text: String| {
        let strings = text.as_bytes().chunks(LONGEST_STRING);
        let strings = strings.flat_map(|part| {
            // No part is longer than a byte can say.
            u8::try_from(part.len()).into_iter().chain(part.iter().copied())
        });
        (strings.collect(), text.as_str().into())
    };
    marks.map(wire).collect()
}

/// The data of a record on the wire.
fn data(of: &str, text: &str) -> Result<Vec<u8>, String> {
    let none = || format!("{text} is no {of} record");
    Ok(match of {
        "A" => text.parse::<Ipv4Addr>().map_err(|_| none())?.octets().to_vec(),
        "AAAA" => text.parse::<Ipv6Addr>().map_err(|_| none())?.octets().to_vec(),
        "CNAME" => dns_name(text)?.as_slice().to_vec(),
        _ => return Err(format!("kwo writes no {of} records")),
    })
}

/// Sends an update once.
pub(super) async fn send(line: &Line, key: &Key, zone: &str, request: Request) -> Wrote {
    let top = match dns_name(zone) {
        Ok(top) => top,
        Err(why) => return Wrote::Refused(why),
    };
    let answered = async {
        let mut asked = line.ask(key, (top, Rtype::SOA), request).await?;
        // From here on it may have been done.
        let (_, rcode) = asked.answer().await.map_err(|trouble| Trouble::Lost(trouble.why()))?;
        asked.end().map(|()| rcode)
    };
    match answered.await {
        Ok(rcode) => became(line, zone, rcode),
        Err(Trouble::NotSent(why)) => Wrote::NotSent(why),
        Err(Trouble::Lost(why) | Trouble::Ailing(why)) => Wrote::Unsure(why),
        Err(Trouble::Stands(why)) => Wrote::Closed(why),
    }
}

/// What a signed answer says became of it.
fn became(line: &Line, zone: &str, rcode: Rcode) -> Wrote {
    let server = &line.server;
    match rcode {
        Rcode::NOERROR => Wrote::Done,
        Rcode::YXRRSET | Rcode::NXRRSET | Rcode::YXDOMAIN | Rcode::NXDOMAIN => {
            Wrote::Changed(format!("{server} has other records by now than kwo saw ({rcode})"))
        }
        Rcode::REFUSED => Wrote::Denied(format!(
            "{server} refuses the update of {zone} (REFUSED); the key has to be allowed `update` there"
        )),
        Rcode::NOTAUTH | Rcode::NOTZONE => Wrote::Closed(format!(
            "{server} takes no update of {zone} ({rcode}); name the primary server of the zone"
        )),
        Rcode::NOTIMP => Wrote::Closed(format!("{server} takes no updates (NOTIMP)")),
        Rcode::SERVFAIL => {
            Wrote::Unsure(format!("{server} answers {rcode}: it has a fault of its own with {zone}"))
        }
        other => Wrote::Refused(format!("{server} answers {other} to the update of {zone}")),
    }
}
