//! The parts that bodies of Kubernetes objects have in common: head, metadata, labels, references.
//! Which objects there are and why is the other files' business.

use crate::kinds::Kind;
use crate::observed::{MANAGED_BY, MARK, TENANT_LABEL};
use crate::resource::ResourceId;
use crate::roster::Identity;
use crate::tree::{SmolStr, Tree, join};

/// A map of literal keys.
pub(crate) fn map<const N: usize>(entries: [(&'static str, Tree); N]) -> Tree {
    Tree::map(entries.into_iter().map(|(key, value)| (SmolStr::new_static(key), value)))
}

/// A list of literal strings.
pub(crate) fn words(words: &[&'static str]) -> Tree {
    Tree::list(words.iter().map(|word| Tree::from(*word)))
}

/// The labels of everything that is made for a tenant, or for the cluster where there is no tenant.
pub(crate) fn labels(tenant: Option<&str>) -> Tree {
    mark(tenant).with(&join("", MANAGED_BY.0), Tree::from(MANAGED_BY.1))
}

/// The labels by which kwo knows its own, without those that are for others to read.
pub(crate) fn mark(tenant: Option<&str>) -> Tree {
    let mark = (SmolStr::new_static(MARK.0), Tree::from(MARK.1));
    let tenant = tenant.map(|name| (SmolStr::new_static(TENANT_LABEL), Tree::from(SmolStr::from(name))));
    Tree::map([mark].into_iter().chain(tenant))
}

/// `apiVersion`, `kind` and `metadata` of an object, and the parts given.
pub(crate) fn object<const N: usize>(
    id: &ResourceId,
    kind: Kind,
    labels: &Tree,
    parts: [(&'static str, Tree); N],
) -> Tree {
    object_with(id, kind, [("labels", labels.clone())], parts)
}

/// As [`object`], with the whole of the metadata but the names.
pub(crate) fn object_with<const M: usize, const N: usize>(
    id: &ResourceId,
    kind: Kind,
    metadata: [(&'static str, Tree); M],
    parts: [(&'static str, Tree); N],
) -> Tree {
    let name = ("name", Tree::from(&id.name));
    let namespace = (!id.scope.is_empty()).then(|| ("namespace", Tree::from(&id.scope)));
    let metadata = Tree::map(metadata.into_iter().chain([name]).chain(namespace).map(fixed));
    let head = [
        ("apiVersion", Tree::from(kind.api_version())),
        ("kind", Tree::from(kind.name())),
        ("metadata", metadata),
    ];
    Tree::map(head.into_iter().chain(parts).map(fixed))
}

fn fixed((key, value): (&'static str, Tree)) -> (SmolStr, Tree) {
    (SmolStr::new_static(key), value)
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// A reference to a role.
pub(crate) fn role_ref(kind: Kind, name: impl Into<SmolStr>) -> Tree {
    let name = Tree::from(name.into());
    map([("apiGroup", Tree::from(RBAC)), ("kind", Tree::from(kind.name())), ("name", name)])
}

/// A person or a group as the subject of a binding.
pub(crate) fn subject(identity: &Identity) -> Tree {
    let (kind, name) = match identity {
        Identity::User(name) => ("User", name),
        Identity::Group(name) => ("Group", name),
    };
    map([("apiGroup", Tree::from(RBAC)), ("kind", Tree::from(kind)), ("name", Tree::from(name))])
}

/// One rule of a role.
pub(crate) fn rule(groups: &[&'static str], resources: &[&'static str], verbs: &[&'static str]) -> Tree {
    map([("apiGroups", words(groups)), ("resources", words(resources)), ("verbs", words(verbs))])
}
