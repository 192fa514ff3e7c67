//! A server that lies, breaks off or has another clock. What honest ones do is tested at a real one, in `tests/peers/dns`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::{Message, StreamTarget, Ttl, UnknownRecordData};
use domain::rdata::tsig::Time48;
use domain::tsig::{Algorithm, Key as Signer, ServerSequence};
use secrecy::SecretSlice;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Rfc2136;
use super::seen::Seen;
use super::transfer::transfer;
use super::wire::{Key, Line, Trouble, dns_name, key};
use crate::providers::dns::records::RecordSet;
use crate::providers::patience::BUDGET;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// One message of an answer.
#[derive(Clone)]
struct Piece {
    records: Vec<(&'static str, Rtype, Vec<u8>)>,
    rcode: Rcode,
    /// How far the clock of the server is ahead, where it signs at all.
    signed: Option<i64>,
    /// Another number than that of the question.
    other: bool,
    question: &'static str,
    secret: &'static [u8],
}

impl Piece {
    fn of(records: &[(&'static str, Rtype, &[u8])]) -> Piece {
        let records = records.iter().map(|(at, of, data)| (*at, *of, data.to_vec())).collect();
        let (rcode, signed, question) = (Rcode::NOERROR, Some(0), "example.com");
        Piece { records, rcode, signed, other: false, question, secret: SECRET }
    }
}

/// The data of an SOA record with this serial.
fn soa(serial: u8) -> Vec<u8> {
    let mut data = vec![1, b'n', 0, 1, b'h', 0];
    data.extend([0, 0, 0, serial]);
    data.extend([0; 16]);
    data
}

fn signer(secret: &[u8]) -> Signer {
    Signer::new(Algorithm::Sha256, secret, "kwo".parse().unwrap(), None, None).unwrap()
}

/// What is seen of a zone whose server answers with these messages and then closes.
async fn seen(pieces: Vec<Piece>) -> Result<Vec<RecordSet>, Trouble> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, pieces).await;
    });
    let line = Line::new("127.0.0.1", port, Duration::from_millis(500));
    let seen = transfer(&line, &own_key(), "example.com").await;
    served.abort();
    seen.map(|seen: Seen| seen.sets(None))
}

/// Answers the question of a connection with these messages.
async fn serve(mut stream: TcpStream, pieces: Vec<Piece>) {
    let length = stream.read_u16().await.unwrap();
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.unwrap();
    let mut question = Message::from_octets(bytes).unwrap();
    let id = question.header().id();
    let secret = pieces.first().map_or(SECRET, |piece| piece.secret);
    let own = signer(SECRET);
    // Without a word to say its clock is an hour ahead.
    let ahead = if pieces.is_empty() { 3600 } else { 0 };
    let now = Time48::from_u64(u64::from(Time48::now()) + ahead);
    let mut sequence = match ServerSequence::request(&own, &mut question, now) {
        Ok(sequence) => sequence.unwrap(),
        Err(error) => {
            let message = MessageBuilder::from_target(StreamTarget::new_vec()).unwrap();
            let message = error.build_message(&question, message).unwrap();
            return stream.write_all(message.finish().as_stream_slice()).await.unwrap();
        }
    };
    if secret != SECRET {
        // Whoever signs with another key has seen no question that the right one signed.
        return answer(&mut stream, pieces, id, None).await;
    }
    answer(&mut stream, pieces, id, Some(&mut sequence)).await;
}

fn own_key() -> Key {
    let secret: SecretSlice<u8> = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n".to_vec().into();
    key("kwo", "hmac-sha256", &secret).unwrap()
}

async fn answer(
    stream: &mut TcpStream,
    pieces: Vec<Piece>,
    id: u16,
    mut sequence: Option<&mut ServerSequence<Signer>>,
) {
    for piece in pieces {
        let mut message = MessageBuilder::from_target(StreamTarget::new_vec()).unwrap();
        message.header_mut().set_id(if piece.other { id ^ 1 } else { id });
        message.header_mut().set_qr(true);
        message.header_mut().set_rcode(piece.rcode);
        let mut message = message.question();
        message.push((dns_name(piece.question).unwrap(), Rtype::AXFR)).unwrap();
        let mut message = message.answer();
        for (at, of, data) in piece.records {
            let data = UnknownRecordData::from_octets(of, data).unwrap();
            message.push((dns_name(at).unwrap(), Class::IN, Ttl::from_secs(60), data)).unwrap();
        }
        let mut message = message.additional();
        match (piece.signed, &mut sequence) {
            (Some(ahead), Some(sequence)) => {
                let now = u64::from(Time48::now()).checked_add_signed(ahead).unwrap();
                sequence.answer(&mut message, Time48::from_u64(now)).unwrap();
            }
            (Some(_), None) => {
                let other = signer(piece.secret);
                domain::tsig::ClientTransaction::request(&other, &mut message, Time48::now()).unwrap();
            }
            (None, _) => {}
        }
        stream.write_all(message.finish().as_stream_slice()).await.unwrap();
    }
}

async fn why(pieces: Vec<Piece>) -> String {
    seen(pieces).await.unwrap_err().why()
}

fn a(last: u8) -> Vec<u8> {
    vec![192, 0, 2, last]
}

const TOP: &str = "example.com";

#[tokio::test]
async fn a_transfer_goes_over_several_messages_of_which_some_are_signed_later() {
    let pieces = vec![
        Piece::of(&[(TOP, Rtype::SOA, &soa(1)), ("a.example.com", Rtype::A, &a(1))]),
        Piece::of(&[("A.Example.com", Rtype::A, &a(2))]),
        Piece::of(&[("a.example.com", Rtype::A, &a(1)), (TOP, Rtype::SOA, &soa(1))]),
    ];
    let sets = seen(pieces).await.unwrap();
    let set = sets.iter().find(|set| set.of == "A").unwrap();
    assert_eq!((set.name.as_str(), set.records.len(), set.ttl), ("a.example.com", 2, 60));
}

#[tokio::test]
async fn what_is_not_all_of_the_zone_is_not_believed() {
    let begin = Piece::of(&[(TOP, Rtype::SOA, &soa(1)), ("a.example.com", Rtype::A, &a(1))]);
    // It ends early, between two messages.
    assert!(why(vec![begin.clone()]).await.contains("ended the connection early"));
    for (pieces, says) in [
        (vec![Piece::of(&[("a.example.com", Rtype::A, &a(1))])], "does not begin with the SOA record"),
        (
            vec![begin.clone(), Piece::of(&[(TOP, Rtype::SOA, &soa(2))])],
            "begins and ends with two SOA records",
        ),
        (
            vec![Piece::of(&[
                (TOP, Rtype::SOA, &soa(1)),
                (TOP, Rtype::SOA, &soa(1)),
                ("a.example.com", Rtype::A, &a(1)),
            ])],
            "there is more behind the last SOA record",
        ),
        (
            vec![begin.clone(), Piece::of(&[("a.example.org", Rtype::A, &a(1))])],
            "a record of its transfer is none of the zone",
        ),
        (
            vec![Piece { rcode: Rcode::REFUSED, ..Piece::of(&[]) }],
            "refuses the transfer of example.com (REFUSED)",
        ),
        (
            vec![Piece { rcode: Rcode::SERVFAIL, ..Piece::of(&[]) }],
            "answers SERVFAIL: it has a fault of its own",
        ),
        (vec![begin.clone(), Piece { rcode: Rcode::REFUSED, ..Piece::of(&[]) }], "(REFUSED)"),
    ] {
        let why = why(pieces).await;
        assert!(why.contains(says), "{why}");
    }
}

#[tokio::test]
async fn what_the_key_did_not_sign_is_not_believed() {
    let whole = Piece::of(&[(TOP, Rtype::SOA, &soa(1)), (TOP, Rtype::SOA, &soa(1))]);
    assert!(seen(vec![whole.clone()]).await.is_ok());
    let begin = Piece::of(&[(TOP, Rtype::SOA, &soa(1))]);
    let end = Piece::of(&[(TOP, Rtype::SOA, &soa(1))]);
    for (pieces, says) in [
        (vec![], "and the one of this machine are 3600 seconds apart (BADTIME); set both"),
        (vec![Piece { signed: None, ..whole.clone() }], "does not sign its answers"),
        (
            vec![Piece { signed: None, rcode: Rcode::REFUSED, ..Piece::of(&[]) }],
            "answers REFUSED, without a signature",
        ),
        (vec![begin, Piece { signed: None, ..end }], "the end of its answer is not signed"),
        (
            vec![Piece { secret: b"another secret of this length!!!", ..whole.clone() }],
            "is not signed with the TSIG key `kwo`",
        ),
        (vec![Piece { signed: Some(3600), ..whole.clone() }], "signs its answers with another time"),
        (vec![Piece { signed: Some(-3600), ..whole.clone() }], "signs its answers with another time"),
        (vec![Piece { other: true, ..whole.clone() }], "its answer is one to another question"),
        (vec![Piece { question: "example.org", ..whole.clone() }], "its answer is one to another question"),
    ] {
        let why = why(pieces).await;
        assert!(why.contains(says), "{why}");
    }
}

#[tokio::test]
async fn a_zone_with_a_fault_takes_no_other_one_of_its_server_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        let failed = Piece { rcode: Rcode::SERVFAIL, ..Piece::of(&[]) };
        let whole = Piece::of(&[(TOP, Rtype::SOA, &soa(1)), (TOP, Rtype::SOA, &soa(1))]);
        for piece in [failed, whole] {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            serve(stream, vec![piece]).await;
        }
    });
    let line = Arc::new(Line::new("127.0.0.1", port, Duration::from_millis(500)));
    // Nobody waits for a second try.
    line.patience.spend(BUDGET);
    let zone = || Rfc2136 {
        line: Arc::clone(&line),
        key: own_key(),
        zone: TOP.into(),
        seen: Mutex::default(),
        ailing: OnceLock::new(),
        command: String::new(),
    };
    let ailing = zone();
    for _ in 0..2 {
        let why = ailing.look().await.unwrap_err();
        assert!(why.contains("answers SERVFAIL") && why.ends_with(" (1 try)"), "{why}");
    }
    assert!(zone().look().await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
