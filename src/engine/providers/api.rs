//! The HTTP API of a system beside the home, with what every such system gets alike: few connections at a time, the
//! proxies and roots of this machine or the certificate of a private CA, an answer that ends, and one budget of waiting
//! for the whole run. What is asked and what an answer means is the adapter's business.

use kwo_planner::plain::counted;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ::kube::client::Body;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::kube::{Trouble, Way, retry_after, way};
use super::patience::{LONGEST_WAIT, Patience, TRIES, wait};

const AGENT: &str = concat!("kwo/", env!("CARGO_PKG_VERSION"));

/// How long an answer may take from its head to its end.
const BODY: Duration = Duration::from_secs(60);

/// How to reach an API.
#[derive(Clone, Debug)]
pub struct ApiOptions<'o> {
    /// Its address; paths follow it.
    pub address: &'o str,
    /// The certificates of the CA that signs its own, in PEM, where that is not one that the machine trusts.
    pub ca: Option<&'o [u8]>,
    /// How many requests are under way at a time.
    pub connections: usize,
    /// How long the head of an answer may take.
    pub timeout: Duration,
}

/// One API.
pub struct Api {
    way: Way,
    seats: Semaphore,
    patience: Patience,
}

/// What to ask. A path begins with a slash.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// The path, with the query.
    pub path: &'a str,
    /// Header lines besides the usual ones.
    pub headers: &'a HeaderMap,
    /// Text to send: JSON, unless a header line says what else.
    pub json: Option<&'a str>,
    /// No longer answer is read.
    pub longest: usize,
}

/// An answer, read to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// How long the server asks to wait, if it does.
    pub after: Option<Duration>,
    /// The address where its list goes on, if it says so in a header line.
    pub next: Option<String>,
    /// Its header lines.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

#[cfg(test)]
impl Answer {
    /// One without any header lines.
    pub(super) fn of(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            after: None,
            next: None,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }
}

/// Why there is no answer, as a sentence without a full stop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// The request never arrived.
    NotSent(String),
    /// It may have arrived, or not.
    Lost(String),
    /// The certificate of the server is none that is trusted, so nothing was sent. Asking again cannot help.
    Distrusted(String),
    /// Asking again cannot help. It may have arrived, or not.
    Hopeless(String),
}

impl NoAnswer {
    /// The sentence.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            NoAnswer::NotSent(why)
            | NoAnswer::Lost(why)
            | NoAnswer::Distrusted(why)
            | NoAnswer::Hopeless(why) => why,
        }
    }
}

impl Answer {
    /// Has the server too much to do, or is it away for a moment? Then it has not done what it was asked.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS || self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// May it be another one in a moment?
    fn may_pass(&self) -> bool {
        self.is_busy() || matches!(self.status.as_u16(), 408 | 500 | 502 | 504)
    }
}

impl Api {
    /// The API at this address. Nothing is sent.
    ///
    /// # Errors
    /// When the address, the certificates or the proxy for it cannot be used.
    pub fn new(options: &ApiOptions<'_>) -> Result<Api, String> {
        let ApiOptions { address, ca, connections, timeout } = options;
        let way = way(address, *ca, *timeout, *connections).map_err(|error| error.to_string())?;
        Ok(Api { way, seats: Semaphore::new(*connections), patience: Patience::default() })
    }

    /// Its address, for people.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.way.server
    }

    /// Asks what changes nothing: again where that may help and the budget allows it.
    ///
    /// # Errors
    /// When there is no answer that counts; says why, and how often it was asked.
    pub async fn read(&self, ask: &Ask<'_>) -> Result<Answer, String> {
        self.again(ask, None).await
    }

    /// The same about one part of it. Where the server answers that it has failed, nobody asks for this part any more: `fault`
    /// keeps why, and its other parts may be well.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn read_part(&self, ask: &Ask<'_>, fault: &OnceLock<String>) -> Result<Answer, String> {
        self.again(ask, Some(fault)).await
    }

    /// The same of a question that has to do with no other one: it is asked a few times, whatever the others met, and takes nothing
    /// from their budget. Whoever asks bounds how long all of it may take.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn read_alone(&self, ask: &Ask<'_>) -> Result<Answer, String> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (why, after) = match self.once(ask).await {
                Ok(answer) if answer.may_pass() => {
                    (format!("{} answers {}", self.server(), answer.status), answer.after)
                }
                Ok(answer) => return Ok(answer),
                Err(NoAnswer::Distrusted(why) | NoAnswer::Hopeless(why)) => return Err(why),
                Err(NoAnswer::NotSent(why) | NoAnswer::Lost(why)) => (why, None),
            };
            if tries == TRIES {
                return Err(format!("{why} ({})", counted(tries, "try", "tries")));
            }
            self.patience.keep_pace(wait(tries, after).min(LONGEST_WAIT)).await;
        }
    }

    async fn again(&self, ask: &Ask<'_>, fault: Option<&OnceLock<String>>) -> Result<Answer, String> {
        let mut tries = 0;
        loop {
            if let Some(why) = fault.and_then(OnceLock::get).cloned().or_else(|| self.patience.away()) {
                return Err(why);
            }
            tries += 1;
            let began = Instant::now();
            let mut failed = false;
            let (why, after, busy) = match self.once(ask).await {
                Ok(answer) if answer.may_pass() => {
                    let why = format!("{} answers {}", self.server(), answer.status);
                    failed = answer.status == StatusCode::INTERNAL_SERVER_ERROR;
                    (why, answer.after, answer.is_busy())
                }
                Ok(answer) => return Ok(answer),
                Err(NoAnswer::Distrusted(why) | NoAnswer::Hopeless(why)) => return Err(why),
                Err(NoAnswer::NotSent(why) | NoAnswer::Lost(why)) => {
                    self.patience.spend(began.elapsed());
                    (why, None, false)
                }
            };
            if !busy && tries == TRIES || !self.pause(tries, after).await {
                let why = format!("{why} ({})", counted(tries, "try", "tries"));
                return Err(match fault.filter(|_| failed) {
                    Some(fault) => fault.get_or_init(|| why).clone(),
                    None => self.patience.give_up(why),
                });
            }
        }
    }

    /// Sends it once. What it asked may have been done although there is no answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn once(&self, ask: &Ask<'_>) -> Result<Answer, NoAnswer> {
        // Nobody closes the semaphore.
        let _seat = self.seats.acquire().await;
        let (request, way) = (self.request(ask)?, &self.way);
        let mut answer = way.open(request, way.timeout).await.map_err(no_answer)?;
        let (status, after) = (answer.status(), retry_after(answer.headers()));
        let (next, headers) = (next(answer.headers()), answer.headers().clone());
        let body = timeout(BODY, async {
            let mut body = Vec::new();
            while let Some(piece) = way.piece(&mut answer, Some(way.timeout)).await.map_err(no_answer)? {
                if body.len() + piece.len() > ask.longest {
                    let why = format!("the answer of {} has more than {} bytes", self.server(), ask.longest);
                    return Err(NoAnswer::Hopeless(why));
                }
                body.extend_from_slice(&piece);
            }
            Ok(body)
        });
        let late = || NoAnswer::Lost(format!("the answer of {} did not end within {BODY:?}", self.server()));
        let body = body.await.map_err(|_| late())??;
        Ok(Answer { status, after, next, headers, body })
    }

    /// Waits before the next try; says whether that was within the budget.
    pub async fn pause(&self, tries: u32, after: Option<Duration>) -> bool {
        self.patience.pause(tries, after).await
    }

    /// How long a run waits for it.
    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request<Body>, NoAnswer> {
        let Ask { method, path, headers, json, longest: _ } = ask;
        let mut request = Request::builder().method(method).uri(*path);
        request = request.header(header::ACCEPT, "application/json").header(header::USER_AGENT, AGENT);
        let body = match json {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(json.as_bytes().to_vec())
            }
            None => Body::empty(),
        };
        let cannot =
            |error: http::Error| NoAnswer::Hopeless(format!("{} cannot be asked: {error}", self.server()));
        let mut request = request.body(body).map_err(cannot)?;
        request.headers_mut().extend((*headers).clone());
        Ok(request)
    }
}

/// A header line that no log shows.
///
/// # Errors
/// When the secret has characters that no header has; it is not shown.
pub fn secret_header(value: &[u8]) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_bytes(value)
        .map_err(|_| "it holds characters that no header of a request may have".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The address that the header lines name as the next one (RFC 8288).
fn next(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::LINK).into_iter().filter_map(|line| line.to_str().ok());
    let links = lines.flat_map(|line| line.split('<').skip(1)).filter_map(|link| link.split_once('>'));
    let mut next = links.filter(|(_, says)| {
        let words = says.split([';', ',']).filter_map(|word| word.trim().strip_prefix("rel="));
        words.map(|relation| relation.trim_matches('"')).any(|relation| relation == "next")
    });
    next.next().map(|(address, _)| address.to_owned())
}

fn no_answer(trouble: Trouble) -> NoAnswer {
    match trouble {
        Trouble::NotSent(why) => NoAnswer::NotSent(why),
        Trouble::Lost(why) => NoAnswer::Lost(why),
        Trouble::Distrusted(why) => NoAnswer::Distrusted(why),
        Trouble::Hopeless(why) => NoAnswer::Hopeless(why),
        Trouble::TooLarge(bytes) => NoAnswer::Hopeless(format!("the answer has more than {bytes} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::patience::BUDGET;
    use super::*;

    /// A server that gives these answers, each on a connection of its own; what is empty is never answered. Gives its
    /// address and how many it was asked for.
    async fn server(answers: Vec<String>) -> (String, std::sync::Arc<Mutex<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::sync::Arc::new(Mutex::new(0));
        let counted = std::sync::Arc::clone(&asked);
        tokio::spawn(async move {
            let mut open = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                *counted.lock().unwrap() += 1;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer.is_empty() {
                    open.push(stream);
                }
            }
            std::future::pending::<()>().await;
        });
        (address, asked)
    }

    fn answer(status: &str, more: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{more}connection: close\r\ncontent-length: {length}\r\n\r\n{body}")
    }

    fn api(address: &str) -> Api {
        let timeout = Duration::from_millis(400);
        Api::new(&ApiOptions { address, ca: None, connections: 2, timeout }).unwrap()
    }

    async fn read(api: &Api) -> Result<Answer, String> {
        let headers = HeaderMap::new();
        api.read(&Ask { method: Method::GET, path: "/x", headers: &headers, json: None, longest: 100 }).await
    }

    #[tokio::test]
    async fn a_server_with_too_much_to_do_is_asked_again_when_it_says() {
        let busy = answer("429 Too Many Requests", "retry-after: 0\r\n", "");
        let (address, asked) = server(vec![busy.clone(), busy, answer("200 OK", "", "{}")]).await;
        assert_eq!(read(&api(&address)).await.unwrap().body, b"{}");
        assert_eq!(*asked.lock().unwrap(), 3);
    }

    #[tokio::test]
    async fn nobody_waits_beyond_the_budget() {
        let busy = answer("503 Service Unavailable", "retry-after: 30\r\n", "");
        let (address, _) = server(vec![busy]).await;
        let api = api(&address);
        api.patience.spend(Duration::from_secs(31));
        let began = Instant::now();
        let why = read(&api).await.unwrap_err();
        assert_eq!(why, format!("{address} answers 503 Service Unavailable (1 try)"));
        // Nor does the next one ask.
        assert_eq!(read(&api).await.unwrap_err(), why);
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_part_that_has_a_fault_keeps_no_other_one_waiting() {
        let failed = answer("500 Internal Server Error", "", "");
        let (address, asked) = server(vec![failed, answer("200 OK", "", "{}")]).await;
        let api = api(&address);
        api.patience.spend(BUDGET);
        let headers = HeaderMap::new();
        let ask = Ask { method: Method::GET, path: "/x", headers: &headers, json: None, longest: 100 };
        let fault = OnceLock::new();
        for _ in 0..2 {
            let why = api.read_part(&ask, &fault).await.unwrap_err();
            assert_eq!(why, format!("{address} answers 500 Internal Server Error (1 try)"));
        }
        assert_eq!(api.read_part(&ask, &OnceLock::new()).await.unwrap().body, b"{}");
        assert_eq!(*asked.lock().unwrap(), 2);
    }

    #[tokio::test]
    async fn what_is_an_answer_is_one_and_what_is_none_is_lost() {
        let (address, asked) = server(vec![
            answer("401 Unauthorized", "", "no"),
            answer("200 OK", "", &"x".repeat(101)),
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_owned(),
            String::new(),
        ])
        .await;
        let api = api(&address);
        assert_eq!(read(&api).await.unwrap().status, StatusCode::UNAUTHORIZED);
        let long = read(&api).await.unwrap_err();
        assert_eq!(long, format!("the answer of {address} has more than 100 bytes"));
        // Half an answer is none, and neither is silence.
        api.patience.spend(BUDGET);
        let half = read(&api).await.unwrap_err();
        assert!(half.starts_with(&format!("lost the connection to {address}: ")), "{half}");
        api.patience.forget();
        let silent = read(&api).await.unwrap_err();
        assert_eq!(silent, format!("{address} did not answer within 400ms (1 try)"));
        assert_eq!(*asked.lock().unwrap(), 4);
    }

    #[test]
    fn a_list_goes_on_where_the_header_says() {
        let lines = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (header::LINK, HeaderValue::from_static(line)));
            next(&lines.collect::<HeaderMap>())
        };
        let all =
            r#"<https://a/?c=>; rel="first", <https://a/?c=1>; rel="prev", <https://a/?c=3,4>; rel="next""#;
        assert_eq!(lines(&[all]).as_deref(), Some("https://a/?c=3,4"));
        assert_eq!(
            lines(&["<https://a/?c=>; rel=first", "<https://a/2>; title=x; rel=next"]).as_deref(),
            Some("https://a/2")
        );
        for none in ["<https://a/?c=>; rel=\"first\"", "rel=next", "<https://a", ""] {
            assert_eq!(lines(&[none]), None, "{none}");
        }
        assert_eq!(lines(&[]), None);
    }

    #[test]
    fn a_secret_is_shown_by_no_header() {
        assert!(!format!("{:?}", secret_header(b"s3cret").unwrap()).contains("s3cret"));
        assert!(!secret_header(b"s3\ncret").unwrap_err().contains("cret"));
    }
}
