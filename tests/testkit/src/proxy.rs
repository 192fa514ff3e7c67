//! A proxy on loopback that leads every name to loopback, and writes down what it was asked for: HTTP's CONNECT and
//! SOCKS5, just as much of them as a client needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The proxy; ends with the process.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Reads what a client wants, answers, and gives what was asked and the port to go to, unless it is refused.
type Greeting = fn(&mut TcpStream) -> Option<(String, Option<u16>)>;

impl Proxy {
    /// Speaks CONNECT; what was asked is the whole head of the request.
    pub fn http() -> Proxy {
        Proxy::start(connect)
    }

    /// Speaks CONNECT, and leads to this port of loopback whatever is asked for.
    pub fn to(port: u16) -> Proxy {
        Proxy::leading(connect, Some(port))
    }

    /// Wants a name and a password, and takes none.
    pub fn locked() -> Proxy {
        Proxy::start(|client| {
            let head = head(client)?;
            client
                .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                .ok()?;
            Some((head, None))
        })
    }

    /// Speaks SOCKS5; what was asked is `host:port`.
    pub fn socks5() -> Proxy {
        Proxy::start(socks5)
    }

    fn start(greeting: Greeting) -> Proxy {
        Proxy::leading(greeting, None)
    }

    fn leading(greeting: Greeting, to: Option<u16>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                thread::spawn(move || serve(client, (greeting, to), &log));
            }
        });
        Proxy { address, asked }
    }

    /// Everything so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

fn serve(
    mut client: TcpStream,
    (greeting, to): (Greeting, Option<u16>),
    log: &Mutex<Vec<String>>,
) -> Option<()> {
    let (asked, port) = greeting(&mut client)?;
    log.lock().ok()?.push(asked);
    let server = TcpStream::connect(("127.0.0.1", to.or(port)?)).ok()?;
    let (from, to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || pass(from, to));
    pass(server, client);
    Some(())
}

/// Hands on all bytes, and then the end.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn connect(client: &mut TcpStream) -> Option<(String, Option<u16>)> {
    let head = head(client)?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    let port = target.rsplit_once(':')?.1.parse().ok()?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    Some((head, Some(port)))
}

/// A request's head, byte by byte, because what follows it is for somebody else.
fn head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    String::from_utf8(head).ok()
}

fn socks5(client: &mut TcpStream) -> Option<(String, Option<u16>)> {
    let mut two = [0; 2];
    client.read_exact(&mut two).ok()?;
    let mut methods = vec![0; usize::from(two[1])];
    client.read_exact(&mut methods).ok()?;
    client.write_all(&[5, 0]).ok()?;
    let mut request = [0; 5];
    client.read_exact(&mut request).ok()?;
    // A name follows its length; anything else is an address, which this test has no use for.
    let [5, 1, 0, 3, length] = request else { return None };
    let mut rest = vec![0; usize::from(length) + 2];
    client.read_exact(&mut rest).ok()?;
    let (name, port) = rest.split_at(usize::from(length));
    let port = u16::from_be_bytes(port.try_into().ok()?);
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    Some((format!("{}:{port}", String::from_utf8_lossy(name)), Some(port)))
}
