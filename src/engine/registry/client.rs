//! One registry that lets kwo in. The password goes to this host alone, over TLS: no redirection is followed, and a list
//! that goes on at another host does not go on.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use kwo_planner::plain::one_line;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::manifest::{ACCEPT, LONGEST, Manifest};
use super::names::Digest;
use crate::providers::{Answer, Api, ApiOptions, Ask, secret_header};

/// How many requests are under way at a time.
pub(super) const AT_ONCE: usize = 16;

/// How long the head of an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Registries give this many names at once, and some refuse to be asked for more than a few hundred.
const PAGE: usize = 100;

/// No page of a list is longer: the 2.8 gives all tags of a repository at once.
const LONGEST_PAGE: usize = 16 * 1024 * 1024;

/// How many names one list may have.
const LONGEST_LIST: usize = 100_000;

/// A registry that lets kwo in.
pub struct Client {
    api: Api,
    headers: HeaderMap,
    /// When nobody asks it any more.
    pub(super) end: Instant,
}

/// Why a registry lets nobody in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Closed {
    /// It refuses the name or the password.
    Refused,
    /// It does not answer as a registry does; says how.
    Away(String),
}

/// Why there is nothing to say of a manifest or a blob.
pub(super) enum Missing {
    /// The registry does not have it.
    Gone(String),
    /// The registry did not say.
    Unread(String),
}

/// What there is of a list, and why it is not all of it, where it is not.
pub(super) struct List {
    pub(super) names: Vec<String>,
    pub(super) broken: Option<String>,
}

/// A page of a list, by whichever name.
#[derive(Deserialize)]
struct Page {
    #[serde(default, alias = "repositories", alias = "tags")]
    names: Option<Vec<String>>,
}

impl Client {
    /// Logs in at the registry of this address. It is asked for this long in all.
    ///
    /// # Errors
    /// When it does not let kwo in.
    pub async fn open(
        address: &str,
        user: &str,
        password: &SecretSlice<u8>,
        whole: Duration,
    ) -> Result<Client, Closed> {
        if !is_safe(address) {
            return Err(Closed::Away(format!(
                "{address} is no https address, and a password crosses no other"
            )));
        }
        let mut pair = Zeroizing::new(format!("{user}:").into_bytes());
        pair.extend_from_slice(password.expose_secret());
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, secret_header(basic.as_bytes()).map_err(Closed::Away)?);
        headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPT));
        let options = ApiOptions { address, ca: None, connections: AT_ONCE, timeout: PATIENCE };
        let api = Api::new(&options).map_err(Closed::Away)?;
        let client = Client { api, headers, end: Instant::now() + whole };
        let answer = client.ask(Method::GET, "/v2/", LONGEST).await.map_err(Closed::Away)?;
        match answer.status.as_u16() {
            200 => Ok(client),
            401 | 403 => Err(Closed::Refused),
            status => Err(Closed::Away(format!(
                "{address} answers, and not as a registry that is ready ({status})"
            ))),
        }
    }

    /// The names of all repositories.
    pub(super) async fn repositories(&self) -> List {
        self.list("/v2/_catalog").await
    }

    /// The tags of a repository. One that has none any more is no longer known to some registries.
    pub(super) async fn tags(&self, repository: &str) -> List {
        self.list(&format!("/v2/{repository}/tags/list")).await
    }

    /// The digest of what a tag means now.
    pub(super) async fn tag(&self, repository: &str, tag: &str) -> Result<Digest, String> {
        let answer = self.ask(Method::HEAD, &format!("/v2/{repository}/manifests/{tag}"), LONGEST).await?;
        let digest = ok(&answer)?.get("docker-content-digest").and_then(|digest| digest.to_str().ok());
        digest.and_then(Digest::new).ok_or_else(|| "the registry does not say its digest".to_owned())
    }

    /// A manifest.
    pub(super) async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Manifest, Missing> {
        let path = format!("/v2/{repository}/manifests/{}", digest.as_str());
        let answer = self.ask(Method::GET, &path, LONGEST).await.map_err(Missing::Unread)?;
        there(&answer)?;
        Manifest::read(&answer.body, digest).map_err(Missing::Unread)
    }

    /// How much of the registry a blob takes. `None` where the registry leads elsewhere, because it keeps its blobs there.
    pub(super) async fn size(&self, repository: &str, digest: &Digest) -> Result<Option<u64>, Missing> {
        let path = format!("/v2/{repository}/blobs/{}", digest.as_str());
        let answer = self.ask(Method::HEAD, &path, LONGEST).await.map_err(Missing::Unread)?;
        if answer.status.is_redirection() {
            return Ok(None);
        }
        let length = there(&answer)?.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let length = length.and_then(|length| length.parse::<u64>().ok());
        let length = length.filter(|length| i64::try_from(*length).is_ok());
        length.map(Some).ok_or_else(|| Missing::Unread("the registry does not say its size".to_owned()))
    }

    /// All pages of a list.
    async fn list(&self, path: &str) -> List {
        let (mut names, mut known, mut next) =
            (Vec::new(), BTreeSet::new(), Some(format!("{path}?n={PAGE}")));
        let mut broken = None;
        while let Some(here) = next.take() {
            let before = names.len();
            match self.page(&here).await {
                Ok((page, further)) => {
                    names.extend(page.into_iter().filter(|name| known.insert(name.clone())));
                    let new = names.len() > before;
                    match further.map(|further| self.below(path, &further)).transpose() {
                        _ if names.len() > LONGEST_LIST => {
                            names.truncate(LONGEST_LIST);
                            broken = Some(format!("the list has more than {LONGEST_LIST} names"));
                        }
                        Ok(Some(_)) if !new => {
                            broken = Some("the list goes on and on without a new name".to_owned());
                        }
                        Ok(further) => next = further,
                        Err(why) => broken = Some(why),
                    }
                }
                Err(why) => broken = Some(why),
            }
        }
        List { names, broken }
    }

    /// The names of one page, and where the list goes on.
    async fn page(&self, path: &str) -> Result<(Vec<String>, Option<String>), String> {
        let answer = self.ask(Method::GET, path, LONGEST_PAGE).await?;
        if answer.status == StatusCode::NOT_FOUND && path.contains("/tags/list") {
            return Ok((Vec::new(), None));
        }
        ok(&answer)?;
        let page: Page =
            serde_json::from_slice(&answer.body).map_err(|_| "the list cannot be read".to_owned())?;
        Ok((page.names.unwrap_or_default(), answer.next))
    }

    /// The path of the same list at the same registry that an address leads to.
    fn below(&self, list: &str, address: &str) -> Result<String, String> {
        let astray = || format!("the list goes on at another place, {}", one_line(address));
        let uri: Uri = address.parse().map_err(|_| astray())?;
        let own: Uri = self.api.server().parse().map_err(|_| astray())?;
        let same = match uri.authority() {
            None => address.starts_with('/'),
            Some(host) => uri.scheme() == own.scheme() && Some(host) == own.authority(),
        };
        let path = uri.path_and_query().filter(|path| same && path.path() == list);
        path.map(|path| path.as_str().to_owned()).ok_or_else(astray)
    }

    async fn ask(&self, method: Method, path: &str, longest: usize) -> Result<Answer, String> {
        let ask = Ask { method, path, headers: &self.headers, json: None, longest };
        let late = || "there was no time left to ask for it".to_owned();
        if self.end <= Instant::now() {
            return Err(late());
        }
        // What the registry cannot give of one image keeps nobody from the next one, and the end bounds them all.
        timeout_at(self.end, self.api.read_alone(&ask)).await.map_err(|_| late())?
    }
}

/// The header lines of an answer that is one.
fn ok(answer: &Answer) -> Result<&HeaderMap, String> {
    match answer.status {
        StatusCode::OK => Ok(&answer.headers),
        StatusCode::NOT_FOUND => Err("the registry does not have it (404)".to_owned()),
        status if status.is_redirection() => {
            Err(format!("the registry leads elsewhere ({}), and kwo does not follow", status.as_u16()))
        }
        status => Err(format!("the registry answers {}", status.as_u16())),
    }
}

/// The same of something that may be in another repository.
fn there(answer: &Answer) -> Result<&HeaderMap, Missing> {
    ok(answer).map_err(|why| match answer.status {
        StatusCode::NOT_FOUND => Missing::Gone(why),
        _ => Missing::Unread(why),
    })
}

/// May a password go there? Over plain http it may to this very machine alone.
fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => uri.host().is_some_and(|host| matches!(host, "127.0.0.1" | "[::1]")),
        _ => false,
    }
}
