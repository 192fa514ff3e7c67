//! A server on loopback that answers as a test tells it to, request by request: for what a real API server does only
//! on a bad day. Speaks just enough HTTP/1.1.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// The header lines, in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// What to do about it.
pub(crate) enum Reply {
    /// A status, further header lines, and a JSON body.
    Answer(u16, &'static str, String),
    /// Close the connection without a word.
    Drop,
}

/// The server; ends with the process.
pub(crate) struct Scripted {
    pub(crate) kubeconfig: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
    _folder: TempDir,
}

type Script = dyn FnMut(&Asked) -> Reply + Send;

impl Scripted {
    /// Answers by this script.
    pub(crate) fn start(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                thread::spawn(move || serve(&stream, &script, &log));
            }
        });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = folder.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: scripted\n\
             contexts: [{{name: scripted, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
        );
        std::fs::write(&kubeconfig, text).expect("a file");
        Scripted { kubeconfig, asked, _folder: folder }
    }

    /// Answers with these, one after the other.
    pub(crate) fn playing(replies: Vec<Reply>) -> Scripted {
        let mut replies = replies.into_iter();
        Scripted::start(move |_| {
            replies.next().unwrap_or(Reply::Answer(418, "", r#"{"message":"the script is over"}"#.to_owned()))
        })
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

/// Serves one connection until either side closes it.
fn serve(stream: &TcpStream, script: &Mutex<Box<Script>>, log: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let asked = read(&mut reader)?;
        let reply = (script.lock().ok()?)(&asked);
        log.lock().ok()?.push(asked);
        match reply {
            Reply::Drop => return stream.shutdown(std::net::Shutdown::Both).ok(),
            Reply::Answer(status, headers, body) => {
                let length = body.len();
                write!(
                    writer,
                    "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
                )
                .ok()?;
            }
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push(header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body: String::from_utf8(body).ok()? })
}
