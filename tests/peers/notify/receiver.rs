//! A server on loopback that writes down what it is sent, byte by byte, and answers as the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use testkit::peers::http::{Message, read};

/// What it does about a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// Answers with this status.
    Status(u16),
    /// Leads elsewhere.
    Elsewhere(SocketAddr),
    /// Says nothing.
    Silence,
}

/// The server; ends with the process.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    /// Answers with these, the last one for ever.
    pub(crate) fn answering(replies: &'static [Reply]) -> Receiver {
        Receiver::start(move |count| replies[count.min(replies.len() - 1)])
    }

    /// Takes everything.
    pub(crate) fn taking() -> Receiver {
        Receiver::answering(&[Reply::Status(200)])
    }

    /// Takes everything, over TLS.
    pub(crate) fn secured(config: ServerConfig) -> Receiver {
        let config = Arc::new(config);
        Receiver::over(
            move |stream| {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                StreamOwned::new(connection, stream)
            },
            |_| Reply::Status(200),
        )
    }

    pub(crate) fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Receiver {
        Receiver::over(|stream| stream, reply)
    }

    fn over<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        reply: impl Fn(usize) -> Reply + Send + Sync + 'static,
    ) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let (log, reply, wrap) = (Arc::clone(&got), Arc::new(reply), Arc::new(wrap));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, reply, wrap) = (Arc::clone(&log), Arc::clone(&reply), Arc::clone(&wrap));
                thread::spawn(move || serve(wrap(stream), &log, &*reply));
            }
        });
        Receiver { address, got }
    }

    /// What it was sent, in order.
    pub(crate) fn got(&self) -> Vec<Message> {
        std::mem::take(&mut self.got.lock().unwrap())
    }

    /// The one message that it was sent.
    pub(crate) fn only(&self) -> Message {
        let mut got = self.got();
        assert_eq!(got.len(), 1, "{got:?}");
        got.remove(0)
    }
}

fn serve(
    mut stream: impl Read + Write,
    log: &Mutex<Vec<Message>>,
    reply: &dyn Fn(usize) -> Reply,
) -> Option<()> {
    let message = read(&mut stream).ok()?;
    let count = {
        let mut log = log.lock().ok()?;
        log.push(message);
        log.len() - 1
    };
    let head = match reply(count) {
        Reply::Status(status) => format!("HTTP/1.1 {status} Said\r\n"),
        Reply::Elsewhere(address) => format!("HTTP/1.1 307 Moved\r\nlocation: http://{address}/\r\n"),
        Reply::Silence => {
            thread::sleep(Duration::from_secs(60));
            return None;
        }
    };
    // Others repeat what they were sent; nothing of it may be told further.
    let body = "you sent SENTINEL";
    let length = body.len();
    stream
        .write_all(format!("{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes())
        .ok()
}
