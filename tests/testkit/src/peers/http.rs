//! A little HTTP client, with and without TLS. It speaks HTTP/1.0: one request a connection, and every answer ends with
//! it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A request or an answer, as it arrived.
#[derive(Debug)]
pub struct Message {
    /// Its first line.
    pub first: String,
    headers: Vec<(String, String)>,
    /// What follows the head.
    pub body: Vec<u8>,
}

impl Message {
    /// Of an answer.
    pub fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// The value of a header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What to ask for.
pub struct Request<'a> {
    /// The verb.
    pub method: &'a str,
    /// With the query.
    pub path: &'a str,
    /// The header, and the name that a certificate has to have.
    pub host: &'a str,
    /// Beside those that each request has.
    pub headers: &'a [(&'a str, &'a str)],
    /// What follows the head.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// To get this path.
    pub fn get(host: &'a str, path: &'a str) -> Request<'a> {
        Request { method: "GET", path, host, headers: &[], body: &[] }
    }

    /// Asks over plain HTTP.
    pub fn ask(&self, address: SocketAddr) -> io::Result<Message> {
        self.over(connect(address)?)
    }

    /// Asks over TLS with the host as server name; its certificate has to come from this root.
    pub fn ask_tls(&self, address: SocketAddr, root: &CertificateDer<'static>) -> io::Result<Message> {
        self.over(self.tls(address, root)?)
    }

    /// The same with a body of this length, which is written bit by bit.
    pub fn stream_tls(
        &self,
        address: SocketAddr,
        root: &CertificateDer<'static>,
        length: u64,
        body: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Message> {
        let mut stream = self.tls(address, root)?;
        self.head(&mut stream, length)?;
        body(&mut stream)?;
        stream.flush()?;
        read(stream)
    }

    fn tls(
        &self,
        address: SocketAddr,
        root: &CertificateDer<'static>,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(self.host.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, connect(address)?))
    }

    fn over(&self, mut stream: impl Read + Write) -> io::Result<Message> {
        self.head(&mut stream, self.body.len() as u64)?;
        stream.write_all(self.body)?;
        stream.flush()?;
        read(stream)
    }

    fn head(&self, stream: &mut impl Write, length: u64) -> io::Result<()> {
        let Request { method, path, host, headers, body: _ } = self;
        let mut head = format!("{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-length: {length}\r\n");
        for (name, value) in *headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// Reads a message: as much of a body as its length says, or else all there is.
pub fn read(stream: impl Read) -> io::Result<Message> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut lines = lines.into_iter();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    let headers = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let mut message = Message { first, headers, body: Vec::new() };
    let length = message.header("content-length").and_then(|length| length.parse().ok());
    reader.take(length.unwrap_or(u64::MAX)).read_to_end(&mut message.body)?;
    Ok(message)
}
