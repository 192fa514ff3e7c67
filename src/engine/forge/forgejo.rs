//! The REST API of Forgejo and Gitea, version 1. It is like GitHub's, with a login of its own and without pages.

use http::{HeaderValue, Method};
use serde_json::Value;

use super::api::segments;
use super::api::{Api, Source, of_pull};

pub(super) struct Forgejo;

impl Api for Forgejo {
    fn headers(&self) -> Vec<(&'static str, HeaderValue)> {
        Vec::new()
    }

    fn login(&self) -> (&'static str, &'static str) {
        ("authorization", "token ")
    }

    fn project(&self, name: &str) -> String {
        segments(name)
    }

    fn request(&self, project: &str, number: u64) -> String {
        format!("/repos/{project}/pulls/{number}")
    }

    fn comments(&self, project: &str, number: u64) -> String {
        format!("/repos/{project}/issues/{number}/comments")
    }

    fn page(&self) -> Option<usize> {
        None
    }

    fn comment(&self, project: &str, _: u64, id: u64) -> (Method, String) {
        (Method::PATCH, format!("/repos/{project}/issues/comments/{id}"))
    }

    fn status(&self, project: &str, commit: &str) -> String {
        format!("/repos/{project}/statuses/{commit}")
    }

    fn source(&self, request: &Value) -> Option<Source> {
        of_pull(request)
    }
}
