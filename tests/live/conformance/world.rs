//! A provider and a second one of the same system, with the few moves that all checks are made of. A world of its
//! own for each check: every name in it is unique.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kwo_engine::providers::{Home, Node, Provider, Refusal};
use kwo_planner::change::{Cause, Change, Step};
use kwo_planner::kinds::Kind;
use kwo_planner::node::NodeKind;
use kwo_planner::observed::{Observed, Present, Sighting, Version};
use kwo_planner::origin::Origin;
use kwo_planner::resource::{Desired, Reason, Resource, ResourceId};
use kwo_planner::tree::{SmolStr, Tree};
use serde_json::{Value, json};

/// Where a check takes place: in any system.
pub(crate) struct World {
    pub(crate) one: Arc<dyn Provider>,
    pub(crate) other: Arc<dyn Provider>,
    things: Things,
}

/// Something in a system with a map in which everything is allowed, and that no controller writes to.
enum Things {
    /// The annotations of the service accounts of this namespace.
    Accounts(String),
    /// The YAML files of the node below this root.
    Files(PathBuf),
}

/// Where a check takes place that only a cluster or a directory passes: every kind of object, locks, identity.
pub(crate) struct Homes {
    world: World,
    pub(crate) one: Arc<dyn Home>,
    pub(crate) other: Arc<dyn Home>,
    /// A namespace that exists.
    pub(crate) namespace: String,
}

impl Deref for Homes {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// An id and what is wanted of it.
pub(crate) type Wanted = (ResourceId, Tree);

impl World {
    /// The node below this root.
    pub(crate) fn node(root: &Path) -> World {
        let node = || Arc::new(Node::new(root, None).expect("a folder"));
        World { one: node(), other: node(), things: Things::Files(root.to_owned()) }
    }

    /// A wanted thing of this name, with kwo's mark and this map.
    pub(crate) fn thing(&self, name: &str, map: &Value) -> Wanted {
        let marked = json!({"kwo.dev/managed": "true", "kwo.dev/tenant": "alice"});
        match &self.things {
            Things::Accounts(namespace) => account(namespace, name, &marked, map),
            Things::Files(_) => {
                let file = json!({"content": map, "metadata": {"labels": {"kwo.dev/managed": "true"}}});
                (ResourceId::node(NodeKind::File, file_of(name)), tree(&file))
            }
        }
    }

    /// Where this key of the map is.
    pub(crate) fn at(&self, key: &str) -> String {
        match &self.things {
            Things::Accounts(_) => format!("/metadata/annotations/{key}"),
            Things::Files(_) => format!("/content/{key}"),
        }
    }

    /// Where the map is.
    pub(crate) fn map(&self) -> &'static str {
        match &self.things {
            Things::Accounts(_) => "/metadata/annotations",
            Things::Files(_) => "/content",
        }
    }

    /// Somebody else makes a thing of this name.
    pub(crate) async fn others(&self, name: &str, map: &Value) {
        match &self.things {
            Things::Accounts(namespace) => {
                let theirs = account(namespace, name, &json!({"team": "blue"}), map);
                self.create(&theirs).await.expect("it is made");
            }
            Things::Files(root) => {
                let path = root.join(file_of(name));
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(&path, map.to_string()).expect("a file");
            }
        }
    }

    /// Somebody else sets a key of the map of a thing.
    pub(crate) async fn meddle(&self, wanted: &Wanted, key: &str, value: &str) {
        match &self.things {
            Things::Accounts(_) => {
                let seen = self.present(wanted).await;
                let change = match seen.body.at(&self.at(key)) {
                    Some(from) => revise(&self.at(key), from, value),
                    None => extend(&self.at(key), &json!(value)),
                };
                let step = step(wanted, vec![change], Some(&seen.version));
                self.other.write(&step).await.expect("it is changed");
            }
            Things::Files(root) => {
                let path = root.join(wanted.0.name.as_str());
                let text = fs::read_to_string(&path).expect("a file");
                let lines = text.lines().filter(|line| !line.starts_with(&format!("{key}:")));
                let lines: String = lines.map(|line| format!("{line}\n")).collect();
                fs::write(&path, format!("{lines}{key}: \"{value}\"\n")).expect("a file");
            }
        }
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

impl Homes {
    /// Makes the namespace.
    pub(crate) async fn new(one: Arc<dyn Home>, other: Arc<dyn Home>) -> Homes {
        let namespace = testkit::apiserver::unique("conform");
        let things = Things::Accounts(namespace.clone());
        let world = World { one: Arc::clone(&one) as _, other: Arc::clone(&other) as _, things };
        let homes = Homes { world, one, other, namespace };
        let namespace = homes.object(Kind::Namespace, &homes.namespace, &json!({}));
        homes.create(&namespace).await.expect("the namespace is made");
        homes
    }

    /// A wanted object of this name with kwo's mark and these fields.
    pub(crate) fn object(&self, kind: Kind, name: &str, fields: &Value) -> Wanted {
        let marked = json!({"kwo.dev/managed": "true", "kwo.dev/tenant": "alice"});
        object(&self.namespace, kind, name, &marked, fields)
    }
}

fn account(namespace: &str, name: &str, labels: &Value, notes: &Value) -> Wanted {
    object(namespace, Kind::ServiceAccount, name, labels, &json!({"metadata": {"annotations": notes}}))
}

fn object(namespace: &str, kind: Kind, name: &str, labels: &Value, fields: &Value) -> Wanted {
    let mut body = fields.clone();
    body["apiVersion"] = json!(kind.api_version());
    body["kind"] = json!(kind.name());
    body["metadata"]["name"] = json!(name);
    body["metadata"]["labels"] = labels.clone();
    let scope = if kind.namespaced() { namespace } else { "" };
    if kind.namespaced() {
        body["metadata"]["namespace"] = json!(scope);
    }
    (ResourceId::kube(kind, scope, name), tree(&body))
}

/// The path of a file by its name.
fn file_of(name: &str) -> String {
    format!("etc/rancher/k3s/{name}.yaml")
}

/// A step for one object.
pub(crate) fn step(wanted: &Wanted, changes: Vec<Change>, seen: Option<&Version>) -> Step {
    Step {
        id: wanted.0.clone(),
        changes: changes.into(),
        seen: seen.cloned(),
        wanted: wanted.1.clone(),
        secrets: Vec::new(),
        needs: Arc::default(),
        follows: Arc::default(),
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
pub(crate) fn revise(pointer: &str, from: &Tree, to: &str) -> Change {
    Change::Revise {
        pointer: pointer.into(),
        from: from.clone(),
        to: Tree::from(to.to_owned()),
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
