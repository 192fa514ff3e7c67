//! The REST API of GitHub, version 2022-11-28. To it, a pull request is an issue too.

use http::{HeaderValue, Method};
use serde_json::Value;

use super::api::segments;
use super::api::{Api, Source, of_pull};

pub(super) struct GitHub;

impl Api for GitHub {
    fn headers(&self) -> Vec<(&'static str, HeaderValue)> {
        vec![
            ("accept", HeaderValue::from_static("application/vnd.github+json")),
            ("x-github-api-version", HeaderValue::from_static("2022-11-28")),
        ]
    }

    fn login(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
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
        Some(100)
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
