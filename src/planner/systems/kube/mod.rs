//! Kubernetes: its kinds, how to compare their fields, and the commands for `kubectl`.

pub(crate) mod field_rules;
pub mod kinds;
pub(crate) mod kubectl;
mod leftovers;
pub mod named;
pub(crate) mod sentences;

use self::kinds::Kind;
use self::kubectl::kubectl;
use self::leftovers::{gather, hosts_left, tokens_left};
use self::named::{LONG_LIVED, auth_id};
use super::{Order, Rules};
use crate::change::Leftover;
use crate::endings::{edited, word};
use crate::leftovers::SYSTEM_NAMESPACES;
use crate::observed::{FIELD_MANAGER, Observed, Place, Present, Reach};
use crate::plain::shell_text;
use crate::resource::{Desired, ResourceId};
use crate::shapes::Shape;
use crate::tree::{SmolStr, Tree};

/// The Kubernetes API.
pub struct Kubernetes;

impl Rules for Kubernetes {
    fn name(&self) -> &'static str {
        "kube"
    }

    fn forms(&self) -> &'static [&'static str] {
        &["kube:Kind/name", "kube:Kind/namespace/name"]
    }

    fn pattern(&self) -> &'static str {
        "kube:[^/]+(/[^/]+){1,2}"
    }

    fn parts<'t>(&self, rest: &'t str) -> Option<[&'t str; 3]> {
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            [kind, name] => Some([kind, "", name]),
            [kind, scope, name] if !scope.is_empty() => Some([kind, scope, name]),
            _ => None,
        }
    }

    fn shape(&self, id: &ResourceId) -> Option<&'static Shape> {
        id.known_kind().map(Kind::shape)
    }

    fn recorded_sets(&self, _: &ResourceId) -> &'static [&'static str] {
        &[]
    }

    /// It is of a kind that kwo writes in this place, and kwo wrote to it, as far as there are records: a controller
    /// copies labels, and with them the mark, to what it makes for a tenant.
    fn can_be_kwos(&self, id: &ResourceId, present: &Present) -> bool {
        let Some(kind) = id.known_kind() else { return true };
        let place =
            kind.is_in_tenants() || SYSTEM_NAMESPACES.contains(&id.scope.as_str()) || !kind.namespaced();
        let wrote = present.owners.iter().any(|owner| owner.manager == FIELD_MANAGER);
        place && (wrote || present.owners.is_empty())
    }

    fn ending(&self, id: &ResourceId, reach: &Reach) -> String {
        match reach.places.get(id) {
            Some(Place::Alone(file)) => format!("rm -f {}", word(file)),
            Some(Place::Among(_)) => edited(id, reach),
            None => kubectl(id, reach, "delete", " --ignore-not-found"),
        }
    }

    fn ending_of_field(&self, id: &ResourceId, pointer: &str, value: Option<&Tree>, reach: &Reach) -> String {
        // In a text no patch can remove a part.
        if id.shape().is_some_and(|shape| shape.is_in_document(pointer)) {
            return kubectl(id, reach, "edit", "");
        }
        let operation = |op: &'static str| [("op", Tree::from(op)), ("path", Tree::from(pointer.to_owned()))];
        let test = value.map(|value| {
            let [op, path] = operation("test");
            Tree::map([op, path, ("value", value.clone())])
        });
        let operations: Vec<Tree> = test.into_iter().chain([Tree::map(operation("remove"))]).collect();
        let patch = shell_text(&Tree::list(operations).to_string());
        kubectl(id, reach, "patch", &format!(" --type=json --patch={patch}"))
    }

    fn showing(&self, id: &ResourceId, reach: &Reach) -> String {
        kubectl(id, reach, "describe", "")
    }

    fn editor(&self) -> &'static str {
        "${EDITOR:-vi}"
    }

    fn still_gives(&self, id: &ResourceId) -> Option<String> {
        let ResourceId { system: _, kind: _, scope, name } = id;
        match id.known_kind()? {
            Kind::ServiceAccount => {
                Some(format!("service account {scope}/{name} still exists, and its tokens log in"))
            }
            Kind::Secret if *id == auth_id() => {
                Some("whoever has a password of the registry is still let in".to_owned())
            }
            _ => None,
        }
    }

    fn together(&self, leftovers: &mut [Leftover], desired: &Desired, observed: &Observed) {
        gather(leftovers, &observed.reach);
        tokens_left(leftovers, observed);
        hosts_left(leftovers, desired, observed);
    }

    fn lost_with(&self, id: &ResourceId) -> Option<&'static str> {
        (id.known_kind() == Some(Kind::Namespace)).then_some("with everything in it")
    }

    fn loses(&self, id: &ResourceId, whole: bool) -> Order {
        match id.known_kind() {
            Some(Kind::RoleBinding | Kind::ClusterRoleBinding) => Order::Right,
            // Without the one that every namespace has no pod starts.
            Some(Kind::ServiceAccount) if whole && !id.is_every_namespaces() => Order::Credential,
            Some(Kind::Secret) if id.name == LONG_LIVED => Order::Credential,
            _ => Order::Rest,
        }
    }

    fn not_asked(&self) -> SmolStr {
        "kwo looks at the cluster only with `--target kube`".into()
    }
}

impl ResourceId {
    /// An object of the Kubernetes API. The scope is its namespace, or empty.
    pub fn kube(kind: Kind, scope: impl Into<SmolStr>, name: impl Into<SmolStr>) -> ResourceId {
        ResourceId {
            system: super::System::Kube,
            kind: SmolStr::new_static(kind.name()),
            scope: scope.into(),
            name: name.into(),
        }
    }

    /// The kind, where it is one of the Kubernetes API that kwo writes.
    #[must_use]
    pub fn known_kind(&self) -> Option<Kind> {
        Kind::named(&self.kind).filter(|_| self.system == super::System::Kube)
    }
}
