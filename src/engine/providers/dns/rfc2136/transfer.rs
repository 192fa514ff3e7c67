//! Reads a zone by a transfer (AXFR). It begins and ends with the same SOA record; what does not is not all of the zone.

use std::time::Duration;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::name::ToName as _;
use domain::base::rdata::ComposeRecordData as _;
use domain::base::record::ParsedRecord;
use domain::base::{Message, Name};
use domain::rdata::AllRecordData;
use kwo_planner::tree::SmolStr;
use smol_str::{ToSmolStr as _, format_smolstr};
use tokio::time::timeout;

use super::seen::Seen;
use super::wire::{DnsName, Key, Line, Trouble, begin, dns_name};
use crate::providers::dns::records::{content, name};

/// How long a transfer may take in all.
const WHOLE: Duration = Duration::from_secs(60);

/// How many bytes a transfer may have, and how many may be kept of it. A zone of a million records is shorter.
const LONGEST: usize = 256 << 20;

/// One record, in the forms that are compared and sent.
struct Record {
    at: SmolStr,
    of: SmolStr,
    ttl: u32,
    data: Vec<u8>,
    text: SmolStr,
}

/// What was taken of a transfer so far.
#[derive(Default)]
struct Taken {
    seen: Seen,
    /// The first record.
    soa: Option<Vec<u8>>,
    /// How many bytes are kept. A long name or an escaped text is much longer here than on the wire.
    kept: usize,
}

/// The zone as it is now.
pub(super) async fn transfer(line: &Line, key: &Key, zone: &str) -> Result<Seen, Trouble> {
    let late = |_| Trouble::Lost(format!("the transfer from {} did not end within {WHOLE:?}", line.server));
    timeout(WHOLE, whole(line, key, zone)).await.map_err(late)?
}

async fn whole(line: &Line, key: &Key, zone: &str) -> Result<Seen, Trouble> {
    let top = dns_name(zone).map_err(Trouble::Stands)?;
    let mut question = begin().map_err(Trouble::Stands)?.question();
    let too_long = |_| Trouble::Stands("the request is too long for DNS".to_owned());
    question.push((&top, Rtype::AXFR)).map_err(too_long)?;
    let mut asked = line.ask(key, (top.clone(), Rtype::AXFR), question.additional()).await?;
    let (mut taken, mut bytes) = (Taken::default(), 0);
    loop {
        let (message, rcode) = asked.answer().await?;
        if rcode != Rcode::NOERROR {
            return Err(refused(line, zone, rcode));
        }
        if message.header().opcode() != Opcode::QUERY {
            return Err(line.unlike("its answer is one to another question"));
        }
        bytes += message.as_slice().len();
        if bytes > LONGEST {
            return Err(line.unlike(&format!("the transfer has more than {LONGEST} bytes")));
        }
        if take(line, (&message, &top), &mut taken)? {
            asked.end()?;
            return Ok(taken.seen);
        }
    }
}

/// Takes the records of a message; says whether the zone ends with it.
fn take(
    line: &Line,
    (message, top): (&Message<Vec<u8>>, &DnsName),
    Taken { seen, soa, kept }: &mut Taken,
) -> Result<bool, Trouble> {
    let unreadable = || line.unlike("a record of its transfer cannot be read");
    let records = message.answer().map_err(|_| unreadable())?;
    let mut ends = false;
    for parsed in records {
        let parsed = parsed.map_err(|_| unreadable())?;
        if ends {
            return Err(line.unlike("there is more behind the last SOA record of its transfer"));
        }
        if parsed.class() != Class::IN || !parsed.owner().ends_with(top) {
            return Err(line.unlike("a record of its transfer is none of the zone"));
        }
        let is_soa = parsed.rtype() == Rtype::SOA && parsed.owner().name_eq(top);
        let record = record(&parsed).ok_or_else(unreadable)?;
        match (is_soa, &soa) {
            (true, None) => *soa = Some(record.data.clone()),
            (true, Some(first)) if *first == record.data => {
                ends = true;
                continue;
            }
            (true, Some(_)) => return Err(line.unlike("its transfer begins and ends with two SOA records")),
            (false, None) => return Err(line.unlike("its transfer does not begin with the SOA record")),
            (false, Some(_)) => {}
        }
        let Record { at, of, ttl, data, text } = record;
        *kept += at.len() + data.len() + text.len();
        if *kept > LONGEST {
            return Err(line.unlike(&format!("the zone has more than {LONGEST} bytes")));
        }
        let raw = seen.0.entry(at).or_default().entry(of).or_default();
        raw.ttl = if raw.records.is_empty() { ttl } else { raw.ttl.min(ttl) };
        raw.records.insert(data, text);
    }
    Ok(ends)
}

fn record(parsed: &ParsedRecord<'_, Vec<u8>>) -> Option<Record> {
    let record = parsed.to_any_record::<AllRecordData<_, _>>().ok()?;
    let owner: Name<Vec<u8>> = record.owner().to_name();
    let (of, data) = (parsed.rtype().to_smolstr(), record.data());
    let mut bytes = Vec::new();
    data.compose_rdata(&mut bytes).ok()?;
    let text = match data {
        // As text, and not as a file has it.
        AllRecordData::Txt(txt) => {
            let strings: Vec<String> =
                txt.iter().map(|string| String::from_utf8_lossy(string).into_owned()).collect();
            format_smolstr!("{}", strings.concat())
        }
        other => content(&of, &other.to_string(), false),
    };
    Some(Record { at: name(&owner.to_string()), of, ttl: parsed.ttl().as_secs(), data: bytes, text })
}

/// What a signed refusal means.
fn refused(line: &Line, zone: &str, rcode: Rcode) -> Trouble {
    let server = &line.server;
    match rcode {
        Rcode::REFUSED => Trouble::Stands(format!(
            "{server} refuses the transfer of {zone} (REFUSED); the key has to be allowed `transfer` and `update` there"
        )),
        Rcode::NOTAUTH | Rcode::NXDOMAIN => Trouble::Stands(format!(
            "{server} has no zone {zone}, or does not let this key transfer it ({rcode}); name the primary server of the \
             zone, and allow the key `transfer` and `update` there"
        )),
        Rcode::SERVFAIL => {
            Trouble::Ailing(format!("{server} answers {rcode}: it has a fault of its own with {zone}"))
        }
        other => Trouble::Stands(format!("{server} answers {other} to the transfer of {zone}")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use domain::base::message_builder::MessageBuilder;
    use domain::rdata::A;

    use super::*;

    #[test]
    fn what_is_kept_is_counted_and_not_only_what_was_sent() {
        let top = dns_name("example.com").unwrap();
        let mut message = MessageBuilder::new_vec().answer();
        let at = dns_name("www.example.com").unwrap();
        message.push((&at, Class::IN, 60, A::new(Ipv4Addr::LOCALHOST))).unwrap();
        let message = message.into_message();
        let line = Line::new("127.0.0.1", 53, Duration::from_secs(1));
        // The name, the address on the wire and the address as text.
        let more = "www.example.com".len() + 4 + "127.0.0.1".len();
        for (kept, fits) in [(LONGEST - more, true), (LONGEST - more + 1, false)] {
            let mut taken = Taken { kept, soa: Some(Vec::new()), ..Taken::default() };
            assert_eq!(take(&line, (&message, &top), &mut taken).is_ok(), fits);
        }
    }
}
