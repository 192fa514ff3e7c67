//! What stands between kwo and a server of a zone: it passes requests on, counts them, and does with one of them what a test
//! says.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use super::Ask;
use crate::loopback::{Asked, Loopback, Reply};

/// More than any answer to a write may have.
const FLOOD: usize = 20 << 20;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// It is passed on, unless it was, and answered.
    Answer,
    /// Its connection ends without an answer.
    Drop,
    /// It ends in the middle of the answer.
    Half,
    /// More bytes follow than anybody reads; over DNS, the connection ends.
    Flood,
    /// Nothing, for longer than anybody waits.
    Silence,
}

/// Says what becomes of a request; what it is given passes the request on at once.
pub type Meddle = Box<dyn Fn(&Ask, &mut dyn FnMut()) -> Then + Send + Sync>;

/// The front; ends with the process.
pub struct Front {
    /// Where it listens.
    pub address: SocketAddr,
    /// Keeps it.
    pub kept: Box<dyn std::any::Any + Send + Sync>,
}

impl Front {
    /// One for an API: it answers a request itself where this says how, and asks the server for the rest.
    pub(super) fn before(
        answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
        server: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Front {
        let front = Loopback::start(move |asked| answer(&asked).unwrap_or_else(|| server(&asked)));
        Front { address: front.address, kept: Box::new(front) }
    }
}

/// What a test says of a request whose answer is fetched by this: what then, and the answer if it was fetched already.
pub fn what<T>(meddle: &Meddle, ask: &Ask, fetch: impl Fn() -> T) -> (Then, Option<T>) {
    let mut answer = None;
    let then = meddle(ask, &mut || answer = Some(fetch()));
    if then == Then::Silence {
        std::thread::sleep(Duration::from_secs(30));
    }
    (then, answer)
}

/// The same as a reply over HTTP.
pub(super) fn replied(meddle: &Meddle, ask: &Ask, fetch: impl Fn() -> Reply) -> Reply {
    match what(meddle, ask, &fetch) {
        (Then::Answer, answer) => answer.unwrap_or_else(fetch),
        (Then::Drop | Then::Silence, _) => Reply::Drop,
        (Then::Half, answer) => match answer.unwrap_or_else(fetch) {
            Reply::Answer(status, headers, body) => {
                Reply::Answer(status, headers, body[..body.len() / 2].to_owned())
            }
            other => other,
        },
        (Then::Flood, answer) => match answer.unwrap_or_else(fetch) {
            // 204 has no body.
            Reply::Answer(204, headers, _) => Reply::Answer(200, headers, " ".repeat(FLOOD)),
            Reply::Answer(status, headers, body) => Reply::Answer(status, headers, body + &" ".repeat(FLOOD)),
            other => other,
        },
    }
}

/// Serves each connection of a port of its own on a thread.
pub(super) fn serve(each: impl Fn(TcpStream) + Send + Sync + 'static) -> Front {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let each = std::sync::Arc::new(each);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = std::sync::Arc::clone(&each);
            std::thread::spawn(move || each(stream));
        }
    });
    Front { address, kept: Box::new(Mutex::new(())) }
}
