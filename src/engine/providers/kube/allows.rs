//! What others may do: one access review a question, and who the service accounts of a namespace are.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use kwo_planner::reviews::{Question, Verdict};
use kwo_planner::tree::Tree;
use smol_str::SmolStr;

use super::connect::Kube;
use super::path::{all, only, segment};
use super::wire::Call;
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
        let asked = self.wire.ask(&Call::post(REVIEWS, body)).await;
        let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if !answer.is_success() {
            return Err(answer.refusal(asked.tries));
        }
        let review: SubjectAccessReview = serde_json::from_slice(&answer.body).map_err(unlike)?;
        let status = review.status.ok_or_else(|| Refusal::Unreachable {
            why: "an access review came back without an answer".to_owned(),
        })?;
        // What could not be judged whole is told in the reason, and is no yes.
        let why = status.reason.or(status.evaluation_error).unwrap_or_default().into();
        Ok(Verdict { allowed: status.allowed, why })
    }

    /// The names of the service accounts of a namespace.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn accounts_in(&self, namespace: &str) -> Result<Vec<SmolStr>, Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let path = format!("/api/v1/namespaces/{}/serviceaccounts", segment(namespace).map_err(refused)?);
        let asked = self.wire.ask(&Call::metadata(path)).await;
        let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if !answer.is_success() {
            return Err(answer.refusal(asked.tries));
        }
        let list: Tree = serde_json::from_slice(&answer.body)
            .map_err(|error| Refusal::Unreachable { why: format!("the answer cannot be read: {error}") })?;
        let items = list.get("items").map(Tree::items).unwrap_or_default();
        let name = |item: &Tree| item.at("/metadata/name").and_then(Tree::as_text).cloned();
        Ok(items.iter().filter_map(name).collect())
    }
}
