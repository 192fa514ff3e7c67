//! What the account of this run may do: one access review a question.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};

use super::allows::verdict;
use super::connect::Kube;
use super::transport::Call;
use crate::providers::Refusal;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// A question: may this run do that? Empty means every namespace, and every name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names are Kubernetes' own")]
pub struct May {
    pub namespace: String,
    pub verb: String,
    pub group: String,
    pub resource: String,
    pub name: String,
}

impl Kube {
    /// Does the API server allow it to the account of this run?
    ///
    /// # Errors
    /// When it does not answer, or may not be asked.
    pub async fn may(&self, question: &May) -> Result<bool, Refusal> {
        let May { namespace, verb, group, resource, name } = question;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, below)) => (resource, Some(below.to_owned())),
            None => (resource.as_str(), None),
        };
        let attributes = ResourceAttributes {
            namespace: some(namespace),
            verb: some(verb),
            group: Some(group.clone()),
            resource: some(resource),
            subresource,
            name: some(name),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let unlike =
            |error: serde_json::Error| Refusal::Unreachable { why: format!("an access review: {error}") };
        let body = serde_json::to_vec(&review).map_err(unlike)?;
        // It makes nothing, so asking again does no harm.
        let asked = self.transport.ask(&Call::post(REVIEWS, body)).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if !response.is_success() {
            return Err(response.refusal(asked.tries));
        }
        Ok(verdict(&response.body)?.allowed)
    }
}
