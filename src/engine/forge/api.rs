//! What the APIs of the forges have in common, and each says in its own way. The answers are JSON.

use http::{HeaderValue, Method};
use serde_json::Value;

use crate::providers::encoded;

/// Where the commits of a request come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// From the repository itself.
    Own,
    /// From a fork, of this name where it still has one.
    Fork(String),
}

/// How one kind of forge is spoken to. A project is percent-encoded already.
pub trait Api: Sync {
    /// Header lines that every request has.
    fn headers(&self) -> Vec<(&'static str, HeaderValue)>;

    /// The header that logs in, and what stands in it before the token.
    fn login(&self) -> (&'static str, &'static str);

    /// A repository by the name that people give it.
    fn project(&self, name: &str) -> String;

    /// A request to merge.
    fn request(&self, project: &str, number: u64) -> String;

    /// Its comments, to be listed and added to.
    fn comments(&self, project: &str, number: u64) -> String;

    /// How many comments a page has; nothing where all of them come at once.
    fn page(&self) -> Option<usize>;

    /// How one comment is changed.
    fn comment(&self, project: &str, number: u64, id: u64) -> (Method, String);

    /// Where the statuses of a commit go.
    fn status(&self, project: &str, commit: &str) -> String;

    /// Where a request comes from; nothing where the answer does not say.
    fn source(&self, request: &Value) -> Option<Source>;
}

/// Whether the repositories on both sides of a pull request are one.
pub fn of_pull(request: &Value) -> Option<Source> {
    let base = request.pointer("/base/repo/full_name")?.as_str()?;
    // A fork that was deleted has no repository any more.
    let head = request.pointer("/head/repo/full_name").and_then(Value::as_str);
    Some(match head {
        Some(head) if head == base => Source::Own,
        Some(head) => Source::Fork(head.to_owned()),
        None => Source::Fork("a repository that is gone".to_owned()),
    })
}

/// `owner/name` with each part percent-encoded.
pub(super) fn segments(name: &str) -> String {
    name.split('/').map(encoded).collect::<Vec<_>>().join("/")
}
