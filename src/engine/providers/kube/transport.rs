//! Requests: sent at most so many at a time, each within its time, each again while that may help. What an answer
//! means is in `response.rs`; nothing here knows an object.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use ::kube::client::Body;
use backon::{BackoffBuilder, ExponentialBuilder};
use http::{Method, Request, header};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::ahead::{Ahead, Early};
use super::json_patch::{self, JSON_PATCH};
use super::outage::Outage;
use super::pace::Pace;
use super::response::{Next, Response, Trouble, next, retry_after};
use super::warned::warnings;
use super::way::Way;

/// How often a request is sent at most to a server that is there and has no good answer to it.
const TRIES: u32 = 5;

/// The first pause between tries; each is twice as long as the one before, give or take chance.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The requests to one API server.
pub(super) struct Transport {
    pub(super) way: Arc<Way>,
    pub(super) pace: Pace,
    /// Shared by all who speak to this server.
    pub(super) outage: Arc<Outage>,
    /// What is written along it takes the lock, where the run has one; the lock's own requests do not.
    pub(super) guarded: bool,
    /// Of a page of a list no more is read.
    pub(super) page_bytes: usize,
    /// What was asked for before it was wanted.
    pub(super) ahead: Ahead,
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
const MERGE_PATCH: &str = "application/merge-patch+json";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

/// Takes the body of a success while it comes.
pub(super) trait Reader: Send {
    /// It comes from its beginning, after a try that failed, too.
    fn begin(&mut self);
    /// The next piece of it.
    fn take(&mut self, piece: &[u8]);
}

/// What came of a request in the end.
pub(super) struct Asked {
    pub(super) outcome: Result<Response, Trouble>,
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

    /// Ends an object, with options that say in which state.
    pub(super) fn delete(path: impl Into<String>, options: Vec<u8>) -> Call {
        Call { method: Method::DELETE, path: path.into(), content: Some((JSON, options)), accept: JSON }
    }

    /// Changes an object by a JSON patch.
    pub(super) fn json_patch(path: impl Into<String>, patch: &impl Serialize) -> Result<Call, String> {
        Ok(Call::patch(path, JSON_PATCH, json_patch::body(patch)?))
    }

    /// Changes an object by a merge patch.
    pub(super) fn merge_patch(path: impl Into<String>, patch: &Value) -> Call {
        Call::patch(path, MERGE_PATCH, patch.to_string().into_bytes())
    }

    fn patch(path: impl Into<String>, content_type: &'static str, body: Vec<u8>) -> Call {
        Call { method: Method::PATCH, path: path.into(), content: Some((content_type, body)), accept: JSON }
    }

    /// Is it a page of a list, of which a smaller one can be had?
    fn is_page(&self) -> bool {
        self.method == Method::GET && self.path.contains("?limit=")
    }

    pub(super) fn request(&self) -> Result<Request<Body>, Trouble> {
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
        built.map_err(|error| Trouble::Hopeless(format!("{} is not a path: {error}", self.path)))
    }
}

impl Transport {
    /// Sends it, and again while that may help: as often as it takes, within the time that a run waits, where the
    /// server is away or asks to wait; a few times where it is there and has no good answer.
    pub(super) async fn ask(&self, call: &Call) -> Asked {
        self.read(call, None).await
    }

    /// The same with a reader for the body of a success; the answer then has none.
    pub(super) async fn read(&self, call: &Call, mut reader: Option<&mut dyn Reader>) -> Asked {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_factor(2.0)
            .without_max_times()
            .with_jitter()
            .build();
        let (mut tries, mut failed, mut unsure, mut asked_to_wait, mut early) = (0, 0, false, None, false);
        let wait = self.outage.limits.wait;
        // Before there is a place: what was asked ahead may still wait for one.
        let mut ahead = self.ahead.take(call).await;
        loop {
            let place = self.pace.enter().await;
            if let Err(why) = self.may(call).await {
                return Asked { outcome: Err(Trouble::Hopeless(why)), tries, unsure };
            }
            let ahead = ahead.take();
            let sent = ahead.as_ref().map_or_else(Instant::now, |(sent, _)| *sent);
            let outcome = self.once(call, ahead, again(&mut reader)).await;
            drop(place);
            tries += 1;
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            let pause = match next(&outcome) {
                Next::Done => {
                    self.outage.answered();
                    self.pace.faster();
                    if early {
                        self.outage.judged();
                    }
                    return Asked { outcome, tries, unsure };
                }
                Next::Early => {
                    self.outage.answered();
                    early = true;
                    let left = self.outage.early();
                    if left.is_zero() {
                        return Asked { outcome, tries, unsure };
                    }
                    pause.min(left)
                }
                Next::Wait { after } => {
                    self.outage.answered();
                    self.pace.slower();
                    let since = *asked_to_wait.get_or_insert(sent);
                    let left = wait.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        return Asked { outcome, tries, unsure };
                    }
                    after.unwrap_or_default().max(pause).min(left)
                }
                Next::Doubt { after, unsure: this_one } => {
                    let why = match &outcome {
                        Ok(response) => response.says(),
                        Err(trouble) => trouble.why().into_owned(),
                    };
                    // Where the server was away the try says nothing about the request.
                    if !self.outage.doubt(&self.way, sent, &why).await {
                        failed += 1;
                    }
                    if failed == TRIES {
                        return Asked { outcome, tries, unsure };
                    }
                    unsure |= this_one;
                    after.unwrap_or_default().max(pause)
                }
            };
            sleep(pause).await;
        }
    }

    /// Waits until the server answers, as far as anybody knows, and until a write has the lock behind it.
    async fn may(&self, call: &Call) -> Result<(), String> {
        self.outage.pass().await?;
        if self.guarded && call.method != Method::GET {
            self.outage.sure().await?;
            self.outage.pass().await?;
        }
        Ok(())
    }

    /// Sends it once.
    async fn once(
        &self,
        call: &Call,
        ahead: Option<Early>,
        reader: Option<&mut dyn Reader>,
    ) -> Result<Response, Trouble> {
        let started = Instant::now();
        let outcome = self.send(call, ahead, reader).await;
        let ms = started.elapsed().as_millis();
        match &outcome {
            Ok(response) => {
                tracing::debug!(method = %call.method, path = call.path, status = response.status.as_u16(), ms);
            }
            Err(trouble) => {
                tracing::debug!(method = %call.method, path = call.path, error = %trouble.why(), ms);
            }
        }
        outcome
    }

    async fn send(
        &self,
        call: &Call,
        ahead: Option<Early>,
        reader: Option<&mut dyn Reader>,
    ) -> Result<Response, Trouble> {
        let (mut body, mut length) = (Vec::new(), 0);
        let patience = self.way.timeout;
        let mut response = match ahead {
            Some((_, response)) => response?,
            None => self.way.open(call.request()?, patience).await?,
        };
        let mut reader = reader.filter(|_| response.status().is_success());
        if let Some(reader) = &mut reader {
            reader.begin();
        }
        while let Some(piece) = self.way.piece(&mut response, Some(patience)).await? {
            length += piece.len();
            if call.is_page() && length > self.page_bytes {
                return Err(Trouble::TooLarge(length));
            }
            match &mut reader {
                Some(reader) => reader.take(&piece),
                None => body.extend_from_slice(&piece),
            }
        }
        let (head, _) = response.into_parts();
        let (retry_after, warnings) = (retry_after(&head.headers), warnings(&head.headers));
        Ok(Response { status: head.status, retry_after, warnings, body })
    }

    /// Sends it once and hands on the body of a success piece by piece as it comes, until `take` has enough. The
    /// answer then has no body; one that is no success has. With `patient` a body may be silent for any time.
    pub(super) async fn stream(
        &self,
        call: &Call,
        patient: bool,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Response, Trouble> {
        let mut response = {
            // Only for the head: a body that goes on for hours must not keep others waiting.
            let _place = self.pace.enter().await;
            self.way.open(call.request()?, self.way.timeout).await?
        };
        let patience = (!patient).then_some(self.way.timeout);
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let warnings = warnings(response.headers());
        let mut body = Vec::new();
        while let Some(piece) = self.way.piece(&mut response, patience).await? {
            if !status.is_success() {
                body.extend_from_slice(&piece);
            } else if take(&piece).is_break() {
                break;
            }
        }
        Ok(Response { status, retry_after, warnings, body })
    }
}

/// The same reader for one more try.
fn again<'r>(reader: &'r mut Option<&mut dyn Reader>) -> Option<&'r mut dyn Reader> {
    match reader {
        Some(reader) => Some(&mut **reader),
        None => None,
    }
}
