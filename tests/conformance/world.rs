//! A provider and a second one of the same system, with the few moves that all checks are made of. A world of its
//! own for each check: every name in it is unique.

use std::sync::Arc;

use kwo_engine::providers::{Home, Refusal};
use kwo_planner::change::{Cause, Change, Step};
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Present, Sighting, Version};
use kwo_planner::origin::Origin;
use kwo_planner::resource::{Desired, Reason, Resource, ResourceId};
use kwo_planner::tree::{SmolStr, Tree};
use serde_json::{Value, json};

/// Where a check takes place.
pub(crate) struct World {
    pub(crate) one: Arc<dyn Home>,
    pub(crate) other: Arc<dyn Home>,
    /// A namespace that exists.
    pub(crate) namespace: String,
}

/// An id and what is wanted of it.
pub(crate) type Wanted = (ResourceId, Tree);

impl World {
    /// Makes the namespace.
    pub(crate) async fn new(one: Arc<dyn Home>, other: Arc<dyn Home>) -> World {
        let world = World { one, other, namespace: crate::common::apiserver::unique("conform") };
        let namespace = world.object(Kind::Namespace, &world.namespace, &json!({}));
        world.create(&namespace).await.expect("the namespace is made");
        world
    }

    /// A wanted object of this name with kwo's mark and these fields.
    pub(crate) fn object(&self, kind: Kind, name: &str, fields: &Value) -> Wanted {
        let marked = json!({"kwo.dev/managed": "true", "kwo.dev/tenant": "alice"});
        self.labelled(kind, name, &marked, fields)
    }

    /// A wanted object with these labels and fields.
    pub(crate) fn labelled(&self, kind: Kind, name: &str, labels: &Value, fields: &Value) -> Wanted {
        let mut body = fields.clone();
        body["apiVersion"] = json!(kind.api_version());
        body["kind"] = json!(kind.name());
        body["metadata"]["name"] = json!(name);
        body["metadata"]["labels"] = labels.clone();
        let mut scope = "";
        if kind.namespaced() {
            scope = &self.namespace;
            body["metadata"]["namespace"] = json!(scope);
        }
        (ResourceId::kube(kind, scope, name), tree(&body))
    }

    /// A ServiceAccount with these annotations: a map in which everything is allowed, of an object that no
    /// controller writes to.
    pub(crate) fn account(&self, name: &str, notes: &Value) -> Wanted {
        self.object(Kind::ServiceAccount, name, &json!({"metadata": {"annotations": notes}}))
    }

    /// Makes an object.
    pub(crate) async fn create(&self, wanted: &Wanted) -> Result<(), Refusal> {
        self.one.write(&step(wanted, vec![Change::Create], None)).await
    }

    /// Looks at one object, which is there.
    pub(crate) async fn present(&self, wanted: &Wanted) -> Present {
        match self.look(std::slice::from_ref(wanted)).await.get(&wanted.0) {
            Some(Sighting::Present(present)) => present.clone(),
            other => unreachable!("{} is not there: {other:?}", wanted.0),
        }
    }

    /// Looks.
    pub(crate) async fn look(&self, wanted: &[Wanted]) -> Observed {
        self.one.observe(&desired(wanted)).await
    }
}

/// A step for one object.
pub(crate) fn step(wanted: &Wanted, changes: Vec<Change>, seen: Option<&Version>) -> Step {
    Step {
        id: wanted.0.clone(),
        changes,
        seen: seen.cloned(),
        wanted: wanted.1.clone(),
        secrets: Vec::new(),
        needs: Vec::new(),
        follows: Vec::new(),
        disrupts: None,
        tightens: None,
        adopts: false,
        tenant: SmolStr::default(),
        because: origin(),
    }
}

/// Adds.
pub(crate) fn extend(pointer: &str, value: &Value) -> Change {
    Change::Extend { pointer: pointer.into(), value: tree(value), tightens: None, because: origin() }
}

/// Replaces.
pub(crate) fn revise(pointer: &str, from: &Value, to: &Value) -> Change {
    Change::Revise {
        pointer: pointer.into(),
        from: tree(from),
        to: tree(to),
        cause: Cause::RosterChanged,
        tightens: None,
        because: origin(),
    }
}

/// All that is wanted.
pub(crate) fn desired(wanted: &[Wanted]) -> Desired {
    let resources = wanted
        .iter()
        .map(|(id, body)| Resource::new(id.clone(), body.clone(), Arc::new([]), Reason::Always))
        .collect();
    Desired::new(resources, Arc::default()).expect("each id once")
}

/// JSON as a tree.
pub(crate) fn tree(value: &Value) -> Tree {
    serde_json::from_value(value.clone()).expect("JSON is a tree")
}

fn origin() -> Origin {
    Origin { place: "roster.yaml:1:1".into(), line: SmolStr::default() }
}
