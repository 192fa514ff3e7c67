//! The API's paths, and the words in which messages speak of them. Names come from the roster or from a saved plan,
//! so nothing in them may change which object a path leads to.

use std::fmt::Write;

use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;

/// What every write carries: its author's name, and that a field the API does not know is an error.
pub(super) const WRITER: &str = "?fieldManager=kwo&fieldValidation=Strict";

/// All objects of a kind, in the whole cluster.
pub(super) fn all(kind: Kind) -> String {
    format!("{}/{}", group(kind), kind.plural())
}

/// The objects of its kind where this one belongs; where it is made.
pub(super) fn siblings(id: &ResourceId) -> Result<String, String> {
    let kind = id.known_kind().ok_or_else(|| format!("kwo does not know objects of the kind {}", id.kind))?;
    match (kind.namespaced(), id.scope.is_empty()) {
        (false, true) => Ok(all(kind)),
        (true, false) => Ok(format!("{}/namespaces/{}/{}", group(kind), segment(&id.scope)?, kind.plural())),
        (true, true) => Err(format!("a {} needs a namespace", id.kind)),
        (false, false) => Err(format!("a {} is in no namespace", id.kind)),
    }
}

/// One object.
pub(super) fn one(id: &ResourceId) -> Result<String, String> {
    Ok(format!("{}/{}", siblings(id)?, segment(&id.name)?))
}

/// What narrows a LIST down to the objects of one name.
pub(super) fn only(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for char in name.chars() {
        // These have a meaning in a selector.
        if matches!(char, '\\' | ',' | '=') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    format!("fieldSelector=metadata.name%3D{}", encoded(&escaped))
}

/// `networkpolicies.networking.k8s.io`, as in the API's own messages.
pub(super) fn words(kind: Kind) -> String {
    match kind.api_version().split_once('/') {
        Some((group, _)) => format!("{}.{group}", kind.plural()),
        None => kind.plural().to_owned(),
    }
}

fn group(kind: Kind) -> String {
    let prefix = if kind.api_version().contains('/') { "/apis" } else { "/api" };
    format!("{prefix}/{}", kind.api_version())
}

/// One name as one segment: what is not plain is percent-encoded; what would climb up is refused.
pub(super) fn segment(name: &str) -> Result<String, String> {
    if matches!(name, "" | "." | "..") {
        return Err(format!("`{name}` is not a valid name of an object"));
    }
    Ok(encoded(name))
}

/// Percent-encodes all but letters, digits and `-._~`.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_apis() {
        let path = |id: &str| one(&id.parse().unwrap());
        assert_eq!(path("kube:Namespace/alice").unwrap(), "/api/v1/namespaces/alice");
        assert_eq!(
            path("kube:RoleBinding/alice/kwo:x").unwrap(),
            "/apis/rbac.authorization.k8s.io/v1/namespaces/alice/rolebindings/kwo%3Ax"
        );
        assert_eq!(words(Kind::NetworkPolicy), "networkpolicies.networking.k8s.io");
        assert!(path("kube:Pod/alice/s").is_err());
        assert!(path("kube:Role/kwo").is_err());
        assert!(path("kube:Namespace/alice/alice").is_err());
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        let id = ResourceId::kube(Kind::Role, "a/../b", "x?y#z");
        assert!(one(&id).unwrap().ends_with("/namespaces/a%2F..%2Fb/roles/x%3Fy%23z"));
        assert!(one(&ResourceId::kube(Kind::ClusterRole, "", "..")).is_err());
        assert_eq!(only("a:b,c=d"), "fieldSelector=metadata.name%3Da%3Ab%5C%2Cc%5C%3Dd");
    }
}
