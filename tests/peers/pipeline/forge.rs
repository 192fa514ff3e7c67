//! A forge in memory: the part of its API that kwo uses, by the published descriptions. What they do not have is
//! answered as they answer what they do not know.
//!
//! | forge | description | endpoints |
//! |---|---|---|
//! | GitHub | REST API, version 2022-11-28 | `GET /repos/{owner}/{repo}/pulls/{n}`, `GET` and `POST /repos/{owner}/{repo}/issues/{n}/comments` (`per_page`, `page`), `PATCH /repos/{owner}/{repo}/issues/comments/{id}` |
//! | Forgejo, Gitea | swagger of `/api/v1` | the same, with all comments at once |
//! | GitLab | REST API, version 4 | `GET /projects/{id}/merge_requests/{iid}`, `GET` and `POST …/notes` (`per_page`, `page`), `PUT …/notes/{id}` |

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::loopback::{Asked, Loopback, Reply};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    GitHub,
    Forgejo,
    GitLab,
}

/// What it knows.
#[derive(Default)]
struct State {
    comments: Vec<Comment>,
    asked: Vec<Asked>,
}

struct Comment {
    id: u64,
    body: String,
    /// Is it by the owner of the token?
    own: bool,
}

pub(crate) struct Forge {
    pub(crate) kind: Kind,
    /// Its address, without the path of the API.
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _server: Loopback,
}

pub(crate) const TOKEN: &str = "a-token-of-the-forge";
pub(crate) const REQUEST: u64 = 7;

impl Forge {
    /// A forge whose request comes from this repository; the one that it is to is `group/rosters`.
    pub(crate) fn start(kind: Kind, source: &str) -> Forge {
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, source) = (Arc::clone(&state), source.to_owned());
        let server = Loopback::start(move |asked| {
            let mut state = shared.lock().unwrap();
            state.asked.push(asked.clone());
            let (status, body) = answer(kind, &source, &mut state.comments, &asked);
            Reply::Answer(status, "", body.to_string())
        });
        let kubeconfig = std::fs::read_to_string(&server.kubeconfig).unwrap();
        let url = kubeconfig.split('\'').nth(1).unwrap().to_owned();
        Forge { kind, url, state, _server: server }
    }

    /// The address of its API.
    pub(crate) fn api(&self) -> String {
        let path = match self.kind {
            Kind::GitHub => "/api/v3",
            Kind::Forgejo => "/api/v1",
            Kind::GitLab => "/api/v4",
        };
        format!("{}{path}", self.url)
    }

    /// A comment by somebody else.
    pub(crate) fn talk(&self, body: &str) {
        let mut state = self.state.lock().unwrap();
        let id = state.comments.len() as u64 + 1;
        state.comments.push(Comment { id, body: body.to_owned(), own: false });
    }

    pub(crate) fn comments(&self) -> Vec<String> {
        self.state.lock().unwrap().comments.iter().map(|comment| comment.body.clone()).collect()
    }

    /// The requests since the last time this was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn answer(kind: Kind, source: &str, comments: &mut Vec<Comment>, asked: &Asked) -> (u16, Value) {
    let prefix = match kind {
        Kind::GitHub => "/api/v3/repos/group/rosters",
        Kind::Forgejo => "/api/v1/repos/group/rosters",
        // By its path in one segment, or by its number.
        Kind::GitLab if asked.path.starts_with("/api/v4/projects/51/") => "/api/v4/projects/51",
        Kind::GitLab => "/api/v4/projects/group%2Frosters",
    };
    let Some(path) = asked.path.strip_prefix(prefix) else { return (404, json!({"message": "Not Found"})) };
    let login = match kind {
        Kind::GitHub => format!("authorization: bearer {TOKEN}"),
        Kind::Forgejo => format!("authorization: token {TOKEN}"),
        Kind::GitLab => format!("private-token: {TOKEN}"),
    };
    let logged_in = asked.headers.contains(&login);
    if kind == Kind::GitHub
        && !asked.headers.iter().any(|header| header == "x-github-api-version: 2022-11-28")
    {
        return (400, json!({"message": "no version"}));
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (list, one, pull) = match kind {
        Kind::GitHub | Kind::Forgejo => (
            format!("/issues/{REQUEST}/comments"),
            "/issues/comments/".to_owned(),
            format!("/pulls/{REQUEST}"),
        ),
        Kind::GitLab => {
            let request = format!("/merge_requests/{REQUEST}");
            (format!("{request}/notes"), format!("{request}/notes/"), request)
        }
    };
    let change = if kind == Kind::GitLab { "PUT" } else { "PATCH" };
    match asked.method.as_str() {
        "GET" if path == pull => (200, request(kind, source)),
        "GET" if path == list => (200, page(kind, comments, query)),
        _ if !logged_in => (401, json!({"message": "Bad credentials"})),
        "POST" if path == list => {
            let made = Comment { id: comments.len() as u64 + 1, body: body(asked), own: true };
            let answer = comment(kind, &made);
            comments.push(made);
            (201, answer)
        }
        method if method == change => {
            let number: u64 = path.strip_prefix(&one).and_then(|number| number.parse().ok()).unwrap_or(0);
            match comments.iter_mut().find(|comment| comment.id == number) {
                Some(found) if found.own => {
                    found.body = body(asked);
                    (200, comment(kind, found))
                }
                Some(_) => (403, json!({"message": "Forbidden"})),
                None => (404, json!({"message": "Not Found"})),
            }
        }
        _ => (405, json!({"message": "Method Not Allowed"})),
    }
}

/// The text of a comment that is sent: JSON, and nothing in it but `body`.
fn body(asked: &Asked) -> String {
    assert!(asked.headers.iter().any(|header| header == "content-type: application/json"), "{asked:?}");
    let sent: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["body"]);
    sent["body"].as_str().unwrap().to_owned()
}

/// GitHub and GitLab hand comments out in pages, of 30 and of 20 unless asked.
fn page(kind: Kind, comments: &[Comment], query: &str) -> Value {
    let number = |name: &str, default: usize| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found.map_or(default, |value| value.parse().unwrap())
    };
    let (size, first) = match kind {
        Kind::Forgejo => (usize::MAX, 1),
        Kind::GitHub => (number("per_page", 30).min(100), number("page", 1)),
        Kind::GitLab => (number("per_page", 20).min(100), number("page", 1)),
    };
    let all = comments.iter().skip((first - 1).saturating_mul(size)).take(size);
    Value::Array(all.map(|one| comment(kind, one)).collect())
}

fn comment(kind: Kind, Comment { id, body, own: _ }: &Comment) -> Value {
    let time = "2026-11-21T14:29:02Z";
    let user = json!({"id": 1, "login": "bot", "username": "bot"});
    match kind {
        Kind::GitHub => {
            json!({"id": id, "node_id": "IC_x", "url": "u", "html_url": "h", "body": body, "user": user,
            "created_at": time, "updated_at": time, "issue_url": "i", "author_association": "NONE"})
        }
        Kind::Forgejo => {
            json!({"id": id, "html_url": "h", "pull_request_url": "p", "issue_url": "", "user": user,
            "original_author": "", "original_author_id": 0, "body": body, "assets": [],
            "created_at": time, "updated_at": time})
        }
        Kind::GitLab => json!({"id": id, "type": null, "body": body, "author": user, "created_at": time,
            "updated_at": time, "system": false, "noteable_id": 3, "noteable_type": "MergeRequest",
            "noteable_iid": REQUEST, "project_id": 51, "resolvable": false, "confidential": false,
            "internal": false}),
    }
}

fn request(kind: Kind, source: &str) -> Value {
    match kind {
        Kind::GitHub | Kind::Forgejo => json!({"id": 1, "number": REQUEST, "state": "open",
            "head": {"ref": "topic", "sha": "a", "repo": {"full_name": source}},
            "base": {"ref": "main", "sha": "b", "repo": {"full_name": "group/rosters"}}}),
        Kind::GitLab => json!({"id": 1, "iid": REQUEST, "state": "opened", "target_project_id": 51,
            "source_project_id": if source == "group/rosters" { 51 } else { 52 }}),
    }
}
