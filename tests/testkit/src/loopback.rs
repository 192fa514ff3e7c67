//! A plain HTTP server on loopback, and the kubeconfig that leads there: for what stands between kwo and a cluster, or
//! in a cluster's place. Speaks just enough HTTP/1.1; what is answered is the test's to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use tempfile::TempDir;

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its verb.
    pub method: String,
    /// With the query.
    pub path: String,
    /// The header lines, in lower case.
    pub headers: Vec<String>,
    /// The same as they are.
    pub lines: Vec<String>,
    /// As text.
    pub body: String,
}

/// What to do about it.
pub enum Reply {
    /// A status, further header lines, and a JSON body.
    Answer(u16, &'static str, String),
    /// Close the connection without a word.
    Drop,
    /// The start of a body that goes on until the other side has enough.
    Begin(&'static str),
}

/// The server; ends with the process.
pub struct Loopback {
    /// Leads to it.
    pub kubeconfig: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Loopback {
    /// Answers as this says, each connection on a thread of its own.
    pub fn start(answer: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Loopback {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve(&stream, &*answer));
            }
        });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = folder.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: loopback\n\
             contexts: [{{name: loopback, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
        );
        std::fs::write(&kubeconfig, text).expect("a file");
        Loopback { kubeconfig, address, _folder: folder }
    }
}

/// Serves one connection until either side closes it.
fn serve(stream: &TcpStream, answer: &dyn Fn(Asked) -> Reply) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        match answer(read(&mut reader)?) {
            Reply::Drop => return stream.shutdown(Shutdown::Both).ok(),
            Reply::Begin(text) => {
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
                writer.write_all(format!("{head}{:x}\r\n{text}\r\n", text.len()).as_bytes()).ok()?;
            }
            Reply::Answer(status, headers, body) => {
                let length = body.len();
                // In one piece: a second small one would wait for the first to be acknowledged.
                let text = format!(
                    "HTTP/1.1 {status} Loopback\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
                );
                writer.write_all(text.as_bytes()).ok()?;
            }
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let (mut headers, mut lines, mut length) = (Vec::new(), Vec::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let as_is = header.trim().to_owned();
        let header = as_is.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        lines.push(as_is);
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push(header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, lines, body: String::from_utf8(body).ok()? })
}
