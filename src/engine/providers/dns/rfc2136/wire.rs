//! One request to a server over TCP, signed, and its answers, of which each is checked against its question, its number, its
//! signature and its time. What is asked and what an answer means is not known here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::base::iana::{Rcode, Rtype};
use domain::base::message_builder::{AdditionalBuilder, MessageBuilder};
use domain::base::{Message, Name, StreamTarget, ToName as _};
use domain::rdata::tsig::Time48;
use domain::tsig::{self, Algorithm, ClientSequence, KeyName, ValidationError};
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::providers::patience::Patience;

/// How many requests one server has under way at a time.
const CONNECTIONS: usize = 8;

/// A shorter secret can be guessed.
const LEAST_SECRET: usize = 16;

/// A request as it is made, before it is signed.
pub(super) type Request = AdditionalBuilder<StreamTarget<Vec<u8>>>;

/// A name of DNS.
pub(super) type DnsName = Name<Vec<u8>>;

/// A key that signs.
#[derive(Clone)]
pub(super) struct Key {
    key: Arc<tsig::Key>,
    name: String,
}

/// One server.
pub(super) struct Line {
    /// For people: the host and the port.
    pub(super) server: String,
    host: String,
    port: u16,
    timeout: Duration,
    seats: Semaphore,
    pub(super) patience: Patience,
}

/// Why there is no answer that counts, as a sentence without a full stop.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The request never arrived.
    NotSent(String),
    /// It may have arrived, or not; asking again may help.
    Lost(String),
    /// It arrived, and the server has a fault with this zone; asking again may help. Its other zones may be well.
    Ailing(String),
    /// Asking again cannot help.
    Stands(String),
}

/// A request under way. What a transfer has unsigned in its middle is signed by a later message, and by the last one.
pub(super) struct Asked<'l> {
    line: &'l Line,
    key: &'l Key,
    stream: TcpStream,
    sequence: ClientSequence<Arc<tsig::Key>>,
    id: u16,
    zone: DnsName,
    of: Rtype,
    _seat: Option<SemaphorePermit<'l>>,
}

/// A key by its name, how it signs, and its secret in Base64.
///
/// # Errors
/// When the secret is none; it is not shown.
pub(super) fn key(name: &str, algorithm: &str, secret: &SecretSlice<u8>) -> Result<Key, String> {
    let text = secret.expose_secret().trim_ascii();
    let bytes = STANDARD.decode(text).map(Zeroizing::new).map_err(|_| {
        "it is no Base64; expected the `secret` of the TSIG key alone, as `tsig-keygen` and `keymgr -t` print it"
            .to_owned()
    })?;
    if bytes.len() < LEAST_SECRET {
        return Err(format!("it has {} bytes, and under {LEAST_SECRET} it can be guessed", bytes.len()));
    }
    let wrong = |what: &dyn fmt::Display| format!("the TSIG key cannot be used: {what}");
    let algorithm: Algorithm = algorithm.parse().map_err(|error| wrong(&error))?;
    let signer: KeyName = name.parse().map_err(|error| wrong(&error))?;
    let key = tsig::Key::new(algorithm, &bytes, signer, None, None).map_err(|error| wrong(&error))?;
    Ok(Key { key: Arc::new(key), name: name.to_owned() })
}

/// A name as DNS has it.
///
/// # Errors
/// When DNS has no such name.
pub(super) fn dns_name(text: &str) -> Result<DnsName, String> {
    text.parse().map_err(|error| format!("{text} is no name of DNS: {error}"))
}

/// An empty request with a number of its own.
///
/// # Errors
/// When the system gives no random number.
pub(super) fn begin() -> Result<MessageBuilder<StreamTarget<Vec<u8>>>, String> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| format!("there is no random number: {error}"))?;
    let mut message = MessageBuilder::new_stream_vec();
    message.header_mut().set_id(u16::from_be_bytes(id));
    Ok(message)
}

impl Trouble {
    /// The sentence.
    pub(super) fn why(self) -> String {
        match self {
            Trouble::NotSent(why) | Trouble::Lost(why) | Trouble::Ailing(why) | Trouble::Stands(why) => why,
        }
    }
}

impl Line {
    /// A server. Nothing is sent.
    pub(super) fn new(host: &str, port: u16, timeout: Duration) -> Line {
        let server = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Line {
            server,
            host: host.to_owned(),
            port,
            timeout,
            seats: Semaphore::new(CONNECTIONS),
            patience: Patience::default(),
        }
    }

    /// Signs a request about this zone and sends it.
    pub(super) async fn ask<'l>(
        &'l self,
        key: &'l Key,
        (zone, of): (DnsName, Rtype),
        mut request: Request,
    ) -> Result<Asked<'l>, Trouble> {
        let seat = self.seats.acquire().await.ok();
        let within = |what: &str| format!("{} {what} within {:?}", self.server, self.timeout);
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let mut stream = timeout(self.timeout, connect)
            .await
            .map_err(|_| Trouble::NotSent(within("took no connection")))?
            .map_err(|error| Trouble::NotSent(format!("could not connect to {}: {error}", self.server)))?;
        // Signed after the connection stands: a signature is good for some minutes only.
        let id = request.header().id();
        let sequence = ClientSequence::request(Arc::clone(&key.key), &mut request, Time48::now())
            .map_err(|_| Trouble::Stands("the request is too long for DNS".to_owned()))?;
        let bytes = request.finish();
        timeout(self.timeout, stream.write_all(bytes.as_stream_slice()))
            .await
            .map_err(|_| Trouble::Lost(within("did not take the request")))?
            .map_err(|error| Trouble::Lost(self.lost(&error)))?;
        Ok(Asked { line: self, key, stream, sequence, id, zone, of, _seat: seat })
    }

    fn lost(&self, error: &std::io::Error) -> String {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => format!("{} ended the connection early", self.server),
            _ => format!("lost the connection to {}: {error}", self.server),
        }
    }

    /// What is no answer to the question.
    pub(super) fn unlike(&self, why: &str) -> Trouble {
        Trouble::Stands(format!("{} does not answer as DNS servers do: {why}", self.server))
    }
}

impl Asked<'_> {
    /// The next message of the answer, signed by the key or followed by one that is, and what it says became of the
    /// request.
    pub(super) async fn answer(&mut self) -> Result<(Message<Vec<u8>>, Rcode), Trouble> {
        let Asked { line, stream, .. } = self;
        let receive = async {
            let length = stream.read_u16().await?;
            let mut bytes = vec![0; usize::from(length)];
            stream.read_exact(&mut bytes).await?;
            Ok(bytes)
        };
        let late = |_| Trouble::Lost(format!("{} did not answer within {:?}", line.server, line.timeout));
        let bytes = timeout(line.timeout, receive).await.map_err(late)?;
        let bytes: Vec<u8> = bytes.map_err(|error| Trouble::Lost(line.lost(&error)))?;
        let mut message = Message::from_octets(bytes)
            .map_err(|_| line.unlike("its answer is shorter than the head of one"))?;
        let header = message.header();
        if !header.qr() || header.id() != self.id {
            return Err(line.unlike("its answer is one to another question"));
        }
        let rcode = header.rcode();
        self.sequence.answer(&mut message, Time48::now()).map_err(|error| self.unsigned(error, rcode))?;
        // Later messages of a transfer, and answers to updates, may leave it out.
        if message.header_counts().qdcount() > 0 {
            let same = message
                .sole_question()
                .is_ok_and(|question| question.qname().name_eq(&self.zone) && question.qtype() == self.of);
            if !same {
                return Err(self.line.unlike("its answer is one to another question"));
            }
        }
        Ok((message, rcode))
    }

    /// Ends it, where the last message was signed.
    pub(super) fn end(self) -> Result<(), Trouble> {
        let unlike = |_| self.line.unlike("the end of its answer is not signed");
        self.sequence.done().map_err(unlike)
    }

    /// Why an answer is not believed.
    fn unsigned(&self, error: ValidationError, rcode: Rcode) -> Trouble {
        let (server, key) = (&self.line.server, &self.key.name);
        let algorithm = self.key.key.algorithm();
        Trouble::Stands(match error {
            ValidationError::ServerBadKey => format!(
                "{server} knows no TSIG key `{key}` for {algorithm} that may do this (BADKEY); its name and algorithm there \
                 have to be the same as under `tsig`, and it has to be allowed `transfer` and `update`"
            ),
            ValidationError::ServerBadSig => format!(
                "{server} has another secret for the TSIG key `{key}` (BADSIG); `key` has to be the one of the server"
            ),
            ValidationError::ServerBadTime { client, server: there } => {
                let (here, there) = (u64::from(client), u64::from(there));
                format!(
                    "the clock of {server} and the one of this machine are {} seconds apart (BADTIME); set both, by NTP",
                    here.abs_diff(there)
                )
            }
            ValidationError::BadTime => {
                format!(
                    "{server} signs its answers with another time than that of this machine; set both clocks, by NTP"
                )
            }
            ValidationError::BadSig | ValidationError::BadKey | ValidationError::BadAlg => {
                format!(
                    "the answer of {server} is not signed with the TSIG key `{key}`, so kwo does not believe it"
                )
            }
            ValidationError::ServerUnsigned if rcode != Rcode::NOERROR => {
                format!("{server} answers {rcode}, without a signature; does it know the TSIG key `{key}`?")
            }
            ValidationError::ServerUnsigned | ValidationError::TooManyUnsigned => {
                format!(
                    "{server} does not sign its answers, so kwo does not believe them; does it know the TSIG key `{key}`?"
                )
            }
            other => format!("the signature of {server} cannot be read ({other})"),
        })
    }
}
