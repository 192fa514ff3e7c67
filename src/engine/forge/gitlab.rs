//! The REST API of GitLab, version 4. A comment is a note there, and a project is named by its path in one segment or
//! by its number.

use http::{HeaderValue, Method};
use serde_json::Value;

use super::api::{Api, Source};
use crate::providers::encoded;

pub(super) struct GitLab;

impl Api for GitLab {
    fn headers(&self) -> Vec<(&'static str, HeaderValue)> {
        Vec::new()
    }

    fn login(&self) -> (&'static str, &'static str) {
        ("private-token", "")
    }

    fn project(&self, name: &str) -> String {
        encoded(name)
    }

    fn request(&self, project: &str, number: u64) -> String {
        format!("/projects/{project}/merge_requests/{number}")
    }

    fn comments(&self, project: &str, number: u64) -> String {
        format!("/projects/{project}/merge_requests/{number}/notes")
    }

    fn page(&self) -> Option<usize> {
        Some(100)
    }

    fn comment(&self, project: &str, number: u64, id: u64) -> (Method, String) {
        (Method::PUT, format!("/projects/{project}/merge_requests/{number}/notes/{id}"))
    }

    fn status(&self, project: &str, commit: &str) -> String {
        format!("/projects/{project}/statuses/{commit}")
    }

    fn source(&self, request: &Value) -> Option<Source> {
        let target = request.get("target_project_id")?.as_u64()?;
        Some(match request.get("source_project_id").and_then(Value::as_u64) {
            Some(source) if source == target => Source::Own,
            Some(source) => Source::Fork(format!("project {source}")),
            None => Source::Fork("a project that is gone".to_owned()),
        })
    }
}
