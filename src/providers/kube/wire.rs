//! Requests: sent at most so many at a time, each within its time, each again while that may help. What an answer
//! means is in `answer.rs`; nothing here knows an object.

use std::error::Error;
use std::io;
use std::ops::{ControlFlow, Deref};
use std::time::{Duration, Instant};

use ::kube::Client;
use ::kube::client::Body;
use backon::{BackoffBuilder, ExponentialBuilder};
use http::{Method, Request, Response, header};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::answer::{Answer, Next, Trouble, next, retry_after};

/// How often a request is sent at most.
const TRIES: usize = 5;

/// The first pause between tries; each is twice as long as the one before, give or take chance.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The way to one API server.
pub(super) struct Wire {
    pub(super) client: Client,
    /// Its address, for people.
    pub(super) server: String,
    /// The proxy that leads to it, for people.
    pub(super) proxy: Option<String>,
    /// For one try, from sending to the answer's head, and again between any two pieces of its body.
    pub(super) timeout: Duration,
    pub(super) slots: Semaphore,
}

/// One request, which can be sent more than once.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content: Option<(&'static str, Vec<u8>)>,
    pub(super) accept: &'static str,
}

const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

/// What came of a request in the end.
pub(super) struct Asked {
    pub(super) outcome: Result<Answer, Trouble>,
    /// How often it was sent.
    pub(super) tries: u32,
    /// A try before the last one may have been carried out.
    pub(super) unsure: bool,
}

impl Call {
    /// Reads.
    pub(super) fn get(path: impl Into<String>) -> Call {
        Call { method: Method::GET, path: path.into(), content: None, accept: JSON }
    }

    /// Lists without the content of the objects.
    pub(super) fn metadata(path: impl Into<String>) -> Call {
        Call { accept: METADATA, ..Call::get(path) }
    }

    /// Makes an object.
    pub(super) fn post(path: impl Into<String>, body: Vec<u8>) -> Call {
        Call { method: Method::POST, path: path.into(), content: Some((JSON, body)), accept: JSON }
    }

    /// Changes an object by a patch of this content type.
    pub(super) fn patch(path: impl Into<String>, content_type: &'static str, body: Vec<u8>) -> Call {
        Call { method: Method::PATCH, path: path.into(), content: Some((content_type, body)), accept: JSON }
    }

    fn request(&self) -> Result<Request<Body>, Trouble> {
        let request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::ACCEPT, self.accept);
        let built = match &self.content {
            Some((content_type, body)) => {
                request.header(header::CONTENT_TYPE, *content_type).body(Body::from(body.clone()))
            }
            None => request.body(Body::empty()),
        };
        built.map_err(|error| Trouble::Hopeless(format!("{} is no path: {error}", self.path)))
    }
}

impl Wire {
    /// Sends it, and again while that may help.
    pub(super) async fn ask(&self, call: &Call) -> Asked {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_factor(2.0)
            .with_max_times(TRIES - 1)
            .with_jitter()
            .build();
        let (mut tries, mut unsure) = (0, false);
        loop {
            let outcome = self.once(call).await;
            tries += 1;
            let Next::Again { after, unsure: this_one } = next(&outcome) else {
                return Asked { outcome, tries, unsure };
            };
            let Some(pause) = pauses.next() else { return Asked { outcome, tries, unsure } };
            unsure |= this_one;
            sleep(after.unwrap_or_default().max(pause)).await;
        }
    }

    /// Sends it once.
    pub(super) async fn once(&self, call: &Call) -> Result<Answer, Trouble> {
        // The semaphore is never closed, so this only waits.
        let _slot = self.slots.acquire().await;
        let started = Instant::now();
        let outcome = self.send(call).await;
        let ms = started.elapsed().as_millis();
        match &outcome {
            Ok(answer) => {
                tracing::debug!(method = %call.method, path = call.path, status = answer.status.as_u16(), ms);
            }
            Err(trouble) => {
                tracing::debug!(method = %call.method, path = call.path, error = trouble.why(), ms);
            }
        }
        outcome
    }

    async fn send(&self, call: &Call) -> Result<Answer, Trouble> {
        let mut body = Vec::new();
        let mut answer = self.open(call).await?;
        while let Some(piece) = self.piece(&mut answer, Some(self.timeout)).await? {
            body.extend_from_slice(&piece);
        }
        let (head, _) = answer.into_parts();
        Ok(Answer { status: head.status, retry_after: retry_after(&head.headers), body })
    }

    /// Sends it once and hands on the body of a success piece by piece as it comes, until `take` has enough. The
    /// answer then has no body; one that is no success has. With `patient` a body may be silent for any time.
    pub(super) async fn stream(
        &self,
        call: &Call,
        patient: bool,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Answer, Trouble> {
        let mut answer = {
            // Only for the head: a body that goes on for hours must not keep others waiting.
            let _slot = self.slots.acquire().await;
            self.open(call).await?
        };
        let patience = (!patient).then_some(self.timeout);
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut answer, patience).await? {
            if !status.is_success() {
                body.extend_from_slice(&piece);
            } else if take(&piece).is_break() {
                break;
            }
        }
        Ok(Answer { status, retry_after, body })
    }

    /// Sends it, and waits for the head of the answer.
    async fn open(&self, call: &Call) -> Result<Response<Body>, Trouble> {
        let response = timeout(self.timeout, self.client.send(call.request()?)).await;
        response.map_err(|_| self.silence())?.map_err(|error| self.trouble(&error))
    }

    /// The next piece of the body; nothing at its end.
    async fn piece(
        &self,
        answer: &mut Response<Body>,
        patience: Option<Duration>,
    ) -> Result<Option<impl Deref<Target = [u8]>>, Trouble> {
        loop {
            let next = answer.body_mut().frame();
            let frame = match patience {
                Some(patience) => timeout(patience, next).await.map_err(|_| self.silence())?,
                None => next.await,
            };
            let Some(frame) = frame else { return Ok(None) };
            // What is no data are trailers, which say nothing here.
            if let Ok(data) = frame.map_err(|error| self.trouble(&error))?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    fn silence(&self) -> Trouble {
        Trouble::Lost(format!("{} did not answer within {:?}", self.way(), self.timeout))
    }

    /// The server, and the proxy where there is one.
    fn way(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("{} through the proxy {proxy}", self.server),
            None => self.server.clone(),
        }
    }

    /// Sorts an error of the client and puts it into words.
    fn trouble(&self, error: &(dyn Error + 'static)) -> Trouble {
        let server = &self.way();
        if let Some(::kube::Error::Auth(auth)) = error.downcast_ref() {
            return Trouble::Hopeless(format!("could not log in to {server}: {}", chain(auth)));
        }
        let links = links(error);
        for link in &links {
            match link.downcast_ref::<rustls::Error>() {
                Some(rustls::Error::InvalidCertificate(why)) => {
                    return Trouble::Hopeless(format!(
                        "the certificate of {server} is not to be trusted: {why:?}"
                    ));
                }
                Some(rustls::Error::AlertReceived(alert)) => {
                    return Trouble::Hopeless(format!("{server} refuses the secure connection: {alert:?}"));
                }
                _ => {}
            }
        }
        let refused = links.iter().any(|link| {
            link.downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        });
        if refused {
            return Trouble::NotSent(match &self.proxy {
                Some(proxy) => {
                    format!("connection refused by the proxy {proxy}, which leads to {}", self.server)
                }
                None => format!("connection refused by {server}"),
            });
        }
        let connecting = links.iter().any(|link| {
            link.downcast_ref::<hyper_util::client::legacy::Error>()
                .is_some_and(hyper_util::client::legacy::Error::is_connect)
        });
        if connecting {
            Trouble::NotSent(format!("could not connect to {server}: {}", last(&links)))
        } else {
            Trouble::Lost(format!("lost the connection to {server}: {}", last(&links)))
        }
    }
}

/// An error and all that caused it, also where one is wrapped by an I/O error.
fn links<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut links = vec![error];
    let mut here = error;
    loop {
        let wrapped = here.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let Some(cause) = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| here.source())
        else {
            return links;
        };
        links.push(cause);
        here = cause;
    }
}

/// The deepest cause, in words.
fn last(links: &[&(dyn Error + 'static)]) -> String {
    links.last().map(ToString::to_string).unwrap_or_default()
}

/// An error and its causes in one line; a cause that the one before it has already told is left out.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for link in links(error) {
        let said = link.to_string();
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}
