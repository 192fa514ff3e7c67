//! One question to one server, and its answer: by UDP, and by TCP where the answer does not fit. The library draws the number
//! of a question and the port that it leaves from, and hears only the server that was asked; it drops what does not have the
//! number and the question. What an answer says stays a stranger's word: only records that belong to the question count.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::{Message, Name, ToName as _};
use domain::net::client::protocol::{TcpConnect, UdpConnect};
use domain::net::client::request::{ComposeRequest as _, RequestMessage, SendRequest as _};
use domain::net::client::{dgram, dgram_stream, multi_stream};
use domain::rdata::AllRecordData;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// How many questions are under way at once, to all servers together.
const AT_ONCE: usize = 32;

/// How long an answer may take before the question is sent again, and how often it is.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN: u8 = 1;

/// How many records of an answer are read. One with more has nothing to do with what is asked for here, and is not believed.
const RECORDS: usize = 512;

/// How many names an answer may lead through before it leads in circles.
const HOPS: usize = 16;

/// A name of DNS.
pub(super) type DnsName = Name<Vec<u8>>;

type Request = RequestMessage<Vec<u8>>;
type Line = dgram_stream::Connection<UdpConnect, Request>;

/// Asks servers, until its time is over.
pub(super) struct Asker {
    lines: Mutex<BTreeMap<SocketAddr, Line>>,
    seats: Semaphore,
    until: Instant,
    whole: Duration,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'q> {
    pub(super) name: &'q DnsName,
    pub(super) of: Rtype,
    /// Is the server to find out what it does not have?
    pub(super) recursive: bool,
    /// Is it to answer also if DNSSEC says that the answer is forged?
    pub(super) unchecked: bool,
}

/// What a server answers.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) rcode: Rcode,
    /// Does it say that the zone is its own?
    pub(super) authoritative: bool,
    /// Does it say that DNSSEC proves it?
    pub(super) authentic: bool,
    pub(super) answer: Vec<Record>,
    pub(super) authority: Vec<Record>,
}

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) owner: DnsName,
    pub(super) ttl: u32,
    pub(super) data: Data,
}

/// What it says, of those that are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Data {
    Address(IpAddr),
    Alias(DnsName),
    Server(DnsName),
    /// The serial of the zone, and how long it may be remembered that a name is not there.
    Soa(u32, u32),
    Caa {
        critical: bool,
        tag: String,
        value: String,
    },
    Ds,
    Other,
}

/// A name by its text.
///
/// # Errors
/// When DNS has no such name.
pub(super) fn dns_name(text: &str) -> Result<DnsName, String> {
    text.parse().map_err(|error| format!("{text} is no name of DNS: {error}"))
}

/// A name as the roster writes it.
pub(super) fn text(name: &DnsName) -> String {
    let text = name.to_string().to_ascii_lowercase();
    if text.is_empty() { ".".to_owned() } else { text }
}

impl Asker {
    /// One that asks for so long in all.
    pub(super) fn new(whole: Duration) -> Asker {
        let (lines, seats) = (Mutex::default(), Semaphore::new(AT_ONCE));
        Asker { lines, seats, until: Instant::now() + whole, whole }
    }

    /// Asks this server.
    ///
    /// # Errors
    /// When it gives no answer that can be read; says why, beginning with the server.
    pub(super) async fn ask(&self, server: SocketAddr, question: Question<'_>) -> Result<Reply, String> {
        let request = request(question)?;
        let asked = async {
            let _seat = self.seats.acquire().await;
            // Made where it is needed: a task carries what goes by TCP.
            let mut answer = self.line(server).send_request(request);
            answer.get_response().await
        };
        let late = |_| format!("{server} was not asked within the {} seconds for all", self.whole.as_secs());
        let message = timeout_at(self.until, asked).await.map_err(late)?;
        let message = message.map_err(|error| format!("{server} does not answer ({error})"))?;
        read(&message).ok_or_else(|| format!("the answer of {server} cannot be read"))
    }

    /// The way to a server.
    fn line(&self, server: SocketAddr) -> Line {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || {
            let mut udp = dgram::Config::new();
            udp.set_read_timeout(PATIENCE);
            udp.set_max_retries(AGAIN);
            let mut tcp = multi_stream::Config::default();
            tcp.set_response_timeout(PATIENCE * 2);
            let config = dgram_stream::Config::from_parts(udp, tcp);
            let (line, carrier) = Line::with_config(UdpConnect::new(server), TcpConnect::new(server), config);
            // It ends with the last line.
            tokio::spawn(carrier.run());
            line
        };
        lines.entry(server).or_insert_with(begin).clone()
    }
}

fn request(question: Question<'_>) -> Result<Request, String> {
    let Question { name, of, recursive, unchecked } = question;
    let mut message = MessageBuilder::new_vec().question();
    message.push((name, of)).map_err(|_| "the question is too long for DNS".to_owned())?;
    let mut request = Request::new(message.into_message()).map_err(|error| error.to_string())?;
    request.header_mut().set_rd(recursive);
    request.header_mut().set_cd(unchecked);
    if recursive {
        // Only so a resolver tells what DNSSEC proves.
        request.set_dnssec_ok(true);
    }
    Ok(request)
}

fn read<Octets: AsRef<[u8]>>(message: &Message<Octets>) -> Option<Reply> {
    let message = Message::from_slice(message.as_slice()).ok()?;
    let header = message.header();
    // Without its question only a failure is believed, and that a name is not there is none.
    if header.rcode() == Rcode::NXDOMAIN && message.header_counts().qdcount() == 0 {
        return None;
    }
    let section = |section: domain::base::message::RecordSection<'_, [u8]>| -> Option<Vec<Record>> {
        let mut records = Vec::new();
        for parsed in section {
            let parsed = parsed.ok()?;
            if parsed.class() != Class::IN {
                continue;
            }
            // What is behind the last one that is read could turn what stands before it.
            if records.len() == RECORDS {
                return None;
            }
            let record = parsed.to_any_record::<AllRecordData<_, _>>().ok()?;
            let data = data(record.data());
            records.push(Record { owner: record.owner().to_name(), ttl: record.ttl().as_secs(), data });
        }
        Some(records)
    };
    Some(Reply {
        rcode: header.rcode(),
        authoritative: header.aa(),
        authentic: header.ad(),
        answer: section(message.answer().ok()?)?,
        authority: section(message.authority().ok()?)?,
    })
}

fn data<O: AsRef<[u8]>, N: domain::base::ToName>(data: &AllRecordData<O, N>) -> Data {
    match data {
        AllRecordData::A(a) => Data::Address(a.addr().into()),
        AllRecordData::Aaaa(aaaa) => Data::Address(aaaa.addr().into()),
        AllRecordData::Cname(alias) => Data::Alias(alias.cname().to_name()),
        AllRecordData::Ns(server) => Data::Server(server.nsdname().to_name()),
        AllRecordData::Soa(soa) => Data::Soa(soa.serial().into_int(), soa.minimum().as_secs()),
        AllRecordData::Ds(_) => Data::Ds,
        AllRecordData::Caa(caa) => Data::Caa {
            critical: caa.flags().bits() & 0x80 != 0,
            tag: caa.tag().to_string().to_ascii_lowercase(),
            value: String::from_utf8_lossy(caa.value().as_ref()).into_owned(),
        },
        _ => Data::Other,
    }
}

impl Reply {
    /// What the answer has for a name, by way of its aliases: the last name, and its records. Others in the answer do not
    /// belong to the question.
    ///
    /// # Errors
    /// When the aliases lead in circles.
    pub(super) fn of(&self, name: &DnsName) -> Result<(DnsName, Vec<&Record>), String> {
        let mut last = name.clone();
        for _ in 0..HOPS {
            let own = self.answer.iter().filter(|record| record.owner == last);
            match own.clone().find_map(|record| record.alias()) {
                Some(alias) => last = alias.clone(),
                None => return Ok((last.clone(), own.collect())),
            }
        }
        Err(format!("the aliases of {} lead in circles, or through more than {HOPS} names", text(name)))
    }

    /// The name that this one is an alias of.
    pub(super) fn alias(&self, name: &DnsName) -> Option<&DnsName> {
        self.answer.iter().filter(|record| record.owner == *name).find_map(Record::alias)
    }

    /// The addresses that a name leads to.
    ///
    /// # Errors
    /// When the aliases lead in circles.
    pub(super) fn addresses(&self, name: &DnsName) -> Result<Vec<IpAddr>, String> {
        let address = |record: &&Record| match record.data {
            Data::Address(address) => Some(address),
            _ => None,
        };
        Ok(self.of(name)?.1.iter().filter_map(address).collect())
    }

    /// The name servers of a zone, in the answer or in what leads to them.
    pub(super) fn servers(&self, zone: &DnsName) -> Vec<DnsName> {
        let all = self.answer.iter().chain(&self.authority).filter(|record| record.owner == *zone);
        let mut servers: Vec<DnsName> = all
            .filter_map(|record| match &record.data {
                Data::Server(server) => Some(server.clone()),
                _ => None,
            })
            .collect();
        servers.sort_by_key(text);
        servers.dedup();
        servers
    }

    /// How long it may be remembered that something is not there (RFC 2308).
    pub(super) fn negative(&self) -> Option<u32> {
        self.authority.iter().find_map(|record| match record.data {
            Data::Soa(_, minimum) => Some(record.ttl.min(minimum)),
            _ => None,
        })
    }
}

impl Record {
    fn alias(&self) -> Option<&DnsName> {
        match &self.data {
            Data::Alias(alias) => Some(alias),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use domain::rdata::{A, Cname};

    use super::*;

    fn name(text: &str) -> DnsName {
        dns_name(text).unwrap()
    }

    #[test]
    fn an_answer_with_more_than_is_read_is_not_believed() {
        let of = |count: usize| {
            let mut message = MessageBuilder::new_vec().question();
            message.push((name("www.example.com"), Rtype::A)).unwrap();
            let mut message = message.answer();
            for _ in 0..count {
                message.push((name("www.example.com"), Class::IN, 60, A::new(Ipv4Addr::LOCALHOST))).unwrap();
            }
            read(&message.into_message())
        };
        assert_eq!(of(RECORDS).unwrap().answer.len(), RECORDS);
        assert!(of(RECORDS + 1).is_none());
    }

    #[test]
    fn that_a_name_is_not_there_is_believed_only_with_the_question() {
        let mut message = MessageBuilder::new_vec();
        message.header_mut().set_rcode(Rcode::NXDOMAIN);
        assert!(read(&message.clone().into_message()).is_none());
        let mut message = message.question();
        message.push((name("www.example.com"), Rtype::A)).unwrap();
        assert!(read(&message.into_message()).is_some());
    }

    #[test]
    fn only_records_that_aliases_lead_to_belong_to_the_question() {
        let mut message = MessageBuilder::new_vec().answer();
        let address = |last| A::new(Ipv4Addr::new(192, 0, 2, last));
        let alias = Cname::new(name("b.example.com"));
        message.push((name("other.example.com"), Class::IN, 60, address(1))).unwrap();
        message.push((name("B.example.com"), Class::IN, 60, address(2))).unwrap();
        message.push((name("a.example.com"), Class::IN, 60, alias)).unwrap();
        let reply = read(&message.into_message()).unwrap();
        assert_eq!(reply.addresses(&name("a.example.com")), Ok(vec![IpAddr::from([192, 0, 2, 2])]));
        assert_eq!(reply.addresses(&name("c.example.com")), Ok(Vec::new()));
    }
}
