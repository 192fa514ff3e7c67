//! A forge as kwo uses it. The token is in the requests and in nothing that is said.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use kwo_planner::plain::one_line;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::api::{Api, Source};
use super::forgejo::Forgejo;
use super::github::GitHub;
use super::gitlab::GitLab;
use crate::web::{Question, ask};

/// For one request.
const PATIENCE: Duration = Duration::from_secs(30);
/// A page of the longest comments.
const LONGEST: usize = 16 * 1024 * 1024;
/// How many pages of comments are looked through for kwo's own.
const PAGES: usize = 50;

/// Which API a forge has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForgeKind {
    /// GitHub.
    GitHub,
    /// Forgejo, or Gitea.
    Forgejo,
    /// GitLab.
    GitLab,
}

/// A forge, and the repository there.
#[derive(Clone, Debug)]
pub struct Forge {
    /// Which API it has.
    pub kind: ForgeKind,
    /// The address of that API, such as `https://git.example.com/api/v1`.
    pub api: String,
    /// The repository, as `owner/name`; with GitLab also its number.
    pub project: String,
    /// What logs in there.
    pub token: Option<SecretString>,
}

/// What became of a comment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Commented {
    /// There was none yet.
    New,
    /// The one that was there says this now.
    Changed,
    /// The one that was there says this already.
    Same,
}

/// A comment, as far as it matters here.
#[derive(Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
}

impl ForgeKind {
    /// How it is spoken to.
    pub fn api(self) -> &'static dyn Api {
        match self {
            ForgeKind::GitHub => &GitHub,
            ForgeKind::Forgejo => &Forgejo,
            ForgeKind::GitLab => &GitLab,
        }
    }
}

impl Forge {
    /// Where the commits of a request come from.
    ///
    /// # Errors
    /// When the forge does not say.
    pub async fn source(&self, request: u64) -> Result<Source, String> {
        let api = self.kind.api();
        let path = api.request(&api.project(&self.project), request);
        let answer = self.ask(Method::GET, &path, None).await?;
        api.source(&answer)
            .ok_or_else(|| format!("the answer of {} to GET {path} is not a request", self.api))
    }

    /// Makes the comment of this request that begins with the marker say this: the one that is there, or a new one.
    ///
    /// # Errors
    /// When the forge does not let it be read or written.
    pub async fn comment(&self, request: u64, marker: &str, body: &str) -> Result<Commented, String> {
        let api = self.kind.api();
        let project = api.project(&self.project);
        let comments = api.comments(&project, request);
        let body = format!("{marker}\n{body}");
        for Comment { id, body: there } in self.find(&comments, api.page(), marker).await? {
            // Some forges hand out the ends of lines as they are in mail.
            if there.is_some_and(|there| there.replace("\r\n", "\n").trim_end() == body.trim_end()) {
                return Ok(Commented::Same);
            }
            let (method, path) = api.comment(&project, request, id);
            match self.ask(method, &path, Some(json!({"body": body}))).await {
                Ok(_) => return Ok(Commented::Changed),
                // Anybody may write a comment that begins like kwo's, and only its author may change it.
                Err(Refused { status: Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), why: _ }) => {}
                Err(refused) => return Err(refused.why),
            }
        }
        self.ask(Method::POST, &comments, Some(json!({"body": body}))).await?;
        Ok(Commented::New)
    }

    /// The comments that begin with the marker.
    async fn find(&self, comments: &str, page: Option<usize>, marker: &str) -> Result<Vec<Comment>, String> {
        let mut found = Vec::new();
        for number in 1..=PAGES {
            let path = match page {
                Some(size) => format!("{comments}?per_page={size}&page={number}"),
                None => comments.to_owned(),
            };
            let answer = self.ask(Method::GET, &path, None).await?;
            let list: Vec<Comment> = serde_json::from_value(answer)
                .map_err(|_| format!("the answer of {} to GET {path} is not a list of comments", self.api))?;
            let last = page.is_none_or(|size| list.len() < size);
            let own = |comment: &Comment| comment.body.as_ref().is_some_and(|body| body.starts_with(marker));
            found.extend(list.into_iter().filter(own));
            if last {
                return Ok(found);
            }
        }
        Err(format!("{} has over {PAGES} pages of comments", self.api))
    }

    async fn ask(&self, method: Method, path: &str, json: Option<Value>) -> Result<Value, Refused> {
        let api = self.kind.api();
        let mut headers = api.headers();
        if let Some(token) = &self.token {
            let (name, before) = api.login();
            let value = Zeroizing::new(format!("{before}{}", token.expose_secret()));
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| "the token for the forge has characters that a token cannot have".to_owned())?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        let json = json.map(|json| json.to_string());
        let question = Question { method: method.clone(), path, headers, json, longest: LONGEST };
        let (status, body) = ask(&self.api, question, PATIENCE).await?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|_| Refused::from(format!("{} does not answer like the API of a forge", self.api)));
        }
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let said =
            ["message", "error"].into_iter().find_map(|key| said.get(key)?.as_str()).unwrap_or_default();
        let said = if said.is_empty() { String::new() } else { format!(": {}", one_line(said)) };
        let logged_in = match (&self.token, status) {
            (None, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
                " (without a token)"
            }
            _ => "",
        };
        let number = status.as_u16();
        let why = format!("{} answered {method} {path} with {number}{logged_in}{said}", self.api);
        Err(Refused { status: Some(status), why })
    }
}

/// No answer, or another than was asked for.
struct Refused {
    status: Option<StatusCode>,
    why: String,
}

impl From<String> for Refused {
    fn from(why: String) -> Refused {
        Refused { status: None, why }
    }
}

impl From<Refused> for String {
    fn from(refused: Refused) -> String {
        refused.why
    }
}
