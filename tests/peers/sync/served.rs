//! Repositories behind TLS, as a forge has them: git's own `http-backend`, which answers to one token only, and an
//! authority that was made for the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::sync::world::plain;

/// The server; ends with the process.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    /// The certificate of its authority.
    pub(crate) ca: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What it answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The repositories below this folder, to whoever has these credentials, in Base64.
    Repositories { below: PathBuf, credentials: String },
    /// Look elsewhere.
    Redirect(String),
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

impl Served {
    pub(crate) fn start(folder: &Path, answer: &Answer) -> Served {
        let (key, root_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ca = folder.join(format!("ca-{}.pem", address.port()));
        std::fs::write(&ca, root.self_signed(&root_key).unwrap().pem()).unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        let own: CertificateDer<'static> =
            params.signed_by(&key, &Issuer::new(root, root_key)).unwrap().der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let (config, asked) = (Arc::new(config), Arc::new(Mutex::new(Vec::new())));
        let (log, answer, home) = (Arc::clone(&asked), answer.clone(), folder.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let (log, answer, home) = (Arc::clone(&log), answer.clone(), home.clone());
                thread::spawn(move || serve(StreamOwned::new(connection, stream), &answer, &home, &log));
            }
        });
        Served { address, ca, asked }
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request and closes the connection.
fn serve(stream: Stream, answer: &Answer, home: &Path, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    log.lock().unwrap().push(head.clone());
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (have, value) = line.split_once(": ")?;
            have.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let mut body = vec![0; field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut stream = reader.into_inner();
    let reply = match answer {
        Answer::Redirect(to) => plain_reply("302 Found", &format!("Location: {to}\r\n")),
        Answer::Repositories { below, credentials } => {
            if field("authorization").as_deref() == Some(&format!("Basic {credentials}")) {
                backend(below, home, &head, &field, &body)
            } else {
                plain_reply("401 Unauthorized", "WWW-Authenticate: Basic realm=\"git\"\r\n")
            }
        }
    };
    stream.write_all(&reply).ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}

fn plain_reply(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// What git's own CGI program says.
fn backend(
    below: &Path,
    home: &Path,
    head: &str,
    field: &dyn Fn(&str) -> Option<String>,
    body: &[u8],
) -> Vec<u8> {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = plain("git", home);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", below)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "deploy")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_LENGTH", body.len().to_string());
    for (name, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "HTTP_GIT_PROTOCOL"),
    ] {
        if let Some(value) = field(name) {
            command.env(variable, value);
        }
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let _ = input.write_all(body);
    drop(input);
    let said = child.wait_with_output().unwrap().stdout;
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let headers = String::from_utf8_lossy(&said[..end]);
    let status = headers.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let length = said.len() - end - 4;
    let mut reply =
        format!("HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
            .into_bytes();
    reply.extend(&said[end + 4..]);
    reply
}
