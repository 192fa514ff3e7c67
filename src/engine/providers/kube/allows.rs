//! What others may do: one access review a question, and who the service accounts of a namespace are.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use kwo_planner::reviews::{Question, Verdict};
use kwo_planner::tree::Tree;
use serde::Deserialize;
use smol_str::SmolStr;

use super::connect::Kube;
use super::path::{all, only, segment};
use super::transport::Call;
use crate::providers::{Promise, Refusal, Reviewer};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

impl Reviewer for Kube {
    fn review<'a>(&'a self, question: &'a Question) -> Promise<'a, Result<Verdict, Refusal>> {
        Box::pin(self.verdict(question))
    }

    fn roles<'a>(
        &'a self,
        kind: Kind,
        name: &'a str,
    ) -> Promise<'a, Result<Vec<(ResourceId, Tree)>, Refusal>> {
        Box::pin(self.named(kind, name))
    }
}

impl Kube {
    /// The roles of this name: to list them takes no right that a plan does not need anyway.
    async fn named(&self, kind: Kind, name: &str) -> Result<Vec<(ResourceId, Tree)>, Refusal> {
        let path = format!("{}?{}", all(kind), only(name));
        let list: Option<Tree> = self.get(&path).await?;
        let items = list.as_ref().and_then(|list| list.get("items")).map(Tree::items).unwrap_or_default();
        let roles = items.iter().filter_map(|role| {
            let text = |pointer: &str| role.at(pointer).and_then(Tree::as_text).cloned();
            let scope = text("/metadata/namespace").unwrap_or_default();
            let id = ResourceId::kube(kind, scope, text("/metadata/name")?);
            Some((id, role.get("rules").cloned().unwrap_or_else(|| Tree::list([]))))
        });
        Ok(roles.collect())
    }

    /// Does the API server allow it?
    ///
    /// # Errors
    /// When it does not answer, or may not be asked.
    pub async fn allows(&self, question: &Question) -> Result<bool, Refusal> {
        Ok(self.verdict(question).await?.allowed)
    }

    async fn verdict(&self, question: &Question) -> Result<Verdict, Refusal> {
        let Question { user, groups, namespace, verb, group, resource } = question;
        let some = |text: &SmolStr| (!text.is_empty()).then(|| text.to_string());
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, below)) => (resource.to_owned(), Some(below.to_owned())),
            None => (resource.to_string(), None),
        };
        let attributes = ResourceAttributes {
            namespace: some(namespace),
            verb: Some(verb.to_string()),
            group: Some(group.to_string()),
            resource: Some(resource),
            subresource,
            ..ResourceAttributes::default()
        };
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: some(user),
                groups: Some(groups.iter().map(ToString::to_string).collect()),
                resource_attributes: Some(attributes),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let unlike =
            |error: serde_json::Error| Refusal::Unreachable { why: format!("an access review: {error}") };
        let body = serde_json::to_vec(&review).map_err(unlike)?;
        // It makes nothing, so asking again does no harm.
        let asked = self.transport.ask(&Call::post(REVIEWS, body)).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if !response.is_success() {
            return Err(response.refusal(asked.tries));
        }
        verdict(&response.body)
    }

    /// The names of the service accounts of a namespace.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn accounts_in(&self, namespace: &str) -> Result<Vec<SmolStr>, Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let path = format!("/api/v1/namespaces/{}/serviceaccounts", segment(namespace).map_err(refused)?);
        let asked = self.transport.ask(&Call::metadata(path)).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if !response.is_success() {
            return Err(response.refusal(asked.tries));
        }
        let list: Tree = serde_json::from_slice(&response.body)
            .map_err(|error| Refusal::Unreachable { why: format!("the answer cannot be read: {error}") })?;
        let items = list.get("items").map(Tree::items).unwrap_or_default();
        let name = |item: &Tree| item.at("/metadata/name").and_then(Tree::as_text).cloned();
        Ok(items.iter().filter_map(name).collect())
    }
}

/// An access review as it came back.
#[derive(Deserialize)]
struct Answered {
    status: Option<Status>,
}

/// Nothing in it has a value of its own: what an API server left out, it did not say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    allowed: Option<bool>,
    denied: Option<bool>,
    reason: Option<String>,
    evaluation_error: Option<String>,
}

/// What the API server said, where it said yes or no. A no of authorizers of which one did not answer is none.
pub(super) fn verdict(body: &[u8]) -> Result<Verdict, Refusal> {
    let unlike = |why: String| Refusal::Unreachable { why: format!("an access review {why}") };
    let answered: Answered =
        serde_json::from_slice(body).map_err(|error| unlike(format!("cannot be read: {error}")))?;
    let Some(Status { allowed: Some(allowed), denied, reason, evaluation_error }) = answered.status else {
        return Err(unlike("came back without an answer".to_owned()));
    };
    let denied = denied.unwrap_or_default();
    if allowed && denied {
        return Err(unlike("came back with both a yes and a no".to_owned()));
    }
    let error = evaluation_error.filter(|error| !error.is_empty());
    if let Some(error) = &error
        && !allowed
        && !denied
        && !is_missing_role(error)
    {
        return Err(unlike(format!("could not be judged whole: {error}")));
    }
    let why = reason.filter(|reason| !reason.is_empty()).or(error).unwrap_or_default().into();
    Ok(Verdict { allowed, why })
}

/// Is this only RBAC's word that a role is missing, which gives nothing then? Others have errors that end alike.
fn is_missing_role(error: &str) -> bool {
    let error = error.strip_prefix("RBAC: ").unwrap_or(error);
    let all = error.strip_prefix('[').and_then(|error| error.strip_suffix(']')).unwrap_or(error);
    all.split(", ").all(|one| {
        let (kind, name) = one.split_once(' ').unwrap_or_default();
        let kinds = ["role", "roles", "clusterrole", "clusterroles"];
        let is_role =
            kind.strip_suffix(".rbac.authorization.k8s.io").is_some_and(|kind| kinds.contains(&kind));
        let name = name.strip_suffix(" not found").and_then(|name| name.strip_prefix('"')?.strip_suffix('"'));
        is_role && name.is_some_and(|name| !name.contains('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_or_a_no_of_all_authorizers_is_an_answer() {
        let said = |status: &str| verdict(format!(r#"{{"status": {status}}}"#).as_bytes());
        let no = r#"clusterrole.rbac.authorization.k8s.io \"gone\" not found"#;
        for (status, allowed, why) in [
            (r#"{"allowed": true, "reason": "RBAC: allowed by x"}"#.to_owned(), true, "RBAC: allowed by x"),
            (r#"{"allowed": false}"#.to_owned(), false, ""),
            (r#"{"allowed": false, "reason": "", "evaluationError": ""}"#.to_owned(), false, ""),
            // Somebody said so, whatever the others did not.
            (r#"{"allowed": true, "evaluationError": "webhook: late"}"#.to_owned(), true, "webhook: late"),
            (
                r#"{"allowed": false, "denied": true, "evaluationError": "webhook: late"}"#.to_owned(),
                false,
                "webhook: late",
            ),
            (
                format!(r#"{{"allowed": false, "evaluationError": "{no}"}}"#),
                false,
                r#"clusterrole.rbac.authorization.k8s.io "gone" not found"#,
            ),
            (
                format!(r#"{{"allowed": false, "reason": "no", "evaluationError": "RBAC: [{no}, {no}]"}}"#),
                false,
                "no",
            ),
        ] {
            assert_eq!(said(&status), Ok(Verdict { allowed, why: why.into() }), "{status}");
        }
        for status in [
            "{}".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            r#"{"allowed": null}"#.to_owned(),
            r#"{"allowed": "false"}"#.to_owned(),
            r#"{"denied": true}"#.to_owned(),
            r#"{"allowed": true, "denied": true}"#.to_owned(),
            r#"{"allowed": false, "evaluationError": "webhook: context deadline exceeded"}"#.to_owned(),
            r#"{"allowed": false, "reason": "no", "evaluationError": "host \"authz\" not found"}"#.to_owned(),
            format!(r#"{{"allowed": false, "evaluationError": "[{no}, webhook: late]"}}"#),
            format!(r#"{{"allowed": false, "evaluationError": "webhook: {no}"}}"#),
        ] {
            assert!(
                matches!(said(&status), Err(Refusal::Unreachable { .. })),
                "{status}: {:?}",
                said(&status)
            );
        }
        assert!(verdict(b"{}").is_err() && verdict(b"").is_err());
    }
}
