//! What kwo keeps on a node beside the cluster: files, restarts of the services that read them, kubeconfigs. Their ids,
//! where they are and how their fields are compared; what is in them is the domains' business.

use std::collections::BTreeSet;

use smol_str::format_smolstr;

use super::{Order, Rules, System};
use crate::change::{Leftover, Step};
use crate::endings::{edited, word};
use crate::named::ACCOUNT;
use crate::observed::{Observed, Place, Present, Reach, Sighting};
use crate::resource::{Desired, ResourceId};
use crate::shapes::{PLAIN, Shape};
use crate::tree::{SmolStr, Tree, is_below, join, tokens};

/// What k3s is started with.
pub const K3S_CONFIG: &str = "etc/rancher/k3s/config.yaml";

/// Which registries k3s pulls from, and how.
pub const K3S_REGISTRIES: &str = "etc/rancher/k3s/registries.yaml";

/// Who may log in to the API server of k3s besides Kubernetes' own accounts.
pub const K3S_AUTHENTICATION: &str = "etc/rancher/k3s/authentication.yaml";

/// The key of k3s' settings with the arguments of the API server.
pub const APISERVER_ARGS: &str = "kube-apiserver-arg";

/// The argument that leads to the file of those who may log in.
pub const AUTHENTICATION_CONFIG: &str = "authentication-config";

/// A kind of thing on a node.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum NodeKind {
    /// A file that holds YAML. Its body is `content`, `mode` and `owner`, and kwo's mark where kwo keeps it.
    File,
    /// A service that has to be started anew when a file that it reads has changed. Its body is `current`, which says
    /// whether it has read its files as they are, and `running`.
    Restart,
    /// The kubeconfig of a namespace's pipelines, as two files: YAML, and JSON on one line. Its body says what has to be
    /// true of both; the token is never in it.
    Kubeconfig,
}

/// Where the kubeconfigs are. Nobody but their owner can read the folder.
pub const KUBECONFIGS: &str = "var/lib/kwo/kubeconfigs";

/// What the token of a kubeconfig has to be: of the account, with more than a third of its time left.
pub const GOOD: &str = "good";

/// … or this, where it is to be the one that never ends.
pub const FROM_SECRET: &str = "that of the Secret deployer-token";

/// Where a kubeconfig has to lead, as far as the roster does not say it.
pub const IN_USE: &str = "that of the kubeconfig in use";

/// Both files of a kubeconfig, as they have to be.
pub const BOTH_COPIES: &str = "YAML and JSON, alike";

/// No service reads these of its files.
const QUIET: &[&str] = &["/metadata", "/mode", "/owner"];

static FILE: Shape = Shape { quiet: QUIET, ..PLAIN };
static CONFIG: Shape = Shape {
    sets: &["/content/kube-apiserver-arg", "/content/tls-san"],
    rivals: &[("/content/kube-apiserver-arg", is_rival)],
    // Volumes of the local-path provisioner are bound to the name.
    immutable: &["/content/node-name"],
    quiet: QUIET,
    ..PLAIN
};
static REGISTRIES: Shape = Shape {
    shared: &["/content/configs", "/content/mirrors", "/content/mirrors/*/rewrite"],
    quiet: QUIET,
    ..PLAIN
};
static KUBECONFIG: Shape = Shape { passing: &["/endpoint", "/token"], ..PLAIN };
static RESTART: Shape = Shape { anew: Some("/running"), ..PLAIN };

/// Does the API server not start with both of these arguments? Only its own way to name who may log in, and the older
/// one, are at odds.
fn is_rival(wanted: &Tree, other: &Tree) -> bool {
    let flag = |arg: &Tree| {
        let text = arg.as_text()?.trim_start_matches('-');
        Some(text.split_once('=').map_or(text, |(flag, _)| flag).replace('_', "-"))
    };
    let rival = |flag: &String| flag == AUTHENTICATION_CONFIG || flag.starts_with("oidc-");
    wanted != other
        && flag(wanted).is_some_and(|wanted| wanted == AUTHENTICATION_CONFIG)
        && flag(other).as_ref().is_some_and(rival)
}

/// What becomes of a file.
const ARCHIVED: &str = "kwo copies the file as it is to /var/lib/kwo/archive";

/// What becomes of a kubeconfig.
const ANEW: &str = "kwo writes both files again, and copies the old ones to /var/lib/kwo/archive";

/// The node that kwo runs on.
pub struct OfNode;

impl Rules for OfNode {
    fn name(&self) -> &'static str {
        "node"
    }

    fn forms(&self) -> &'static [&'static str] {
        &["node:File/path/of/it"]
    }

    fn pattern(&self) -> &'static str {
        "node:[^/]+(/[^/]+)+"
    }

    /// The name of a file has slashes of its own; nothing on a node has a scope.
    fn parts<'t>(&self, rest: &'t str) -> Option<[&'t str; 3]> {
        let (kind, name) = rest.split_once('/')?;
        let odd = |part: &str| matches!(part, "" | "." | "..");
        (!name.split('/').any(odd)).then_some([kind, "", name])
    }

    fn shape(&self, id: &ResourceId) -> Option<&'static Shape> {
        Some(id.node_kind()?.shape(&id.name))
    }

    /// A file is shared with others.
    fn recorded_sets(&self, id: &ResourceId) -> &'static [&'static str] {
        self.shape(id).map(|shape| shape.sets).unwrap_or_default()
    }

    fn can_be_kwos(&self, _: &ResourceId, _: &Present) -> bool {
        true
    }

    fn ending(&self, id: &ResourceId, reach: &Reach) -> String {
        match (id.node_kind(), reach.places.get(id)) {
            (Some(NodeKind::Kubeconfig), _) => {
                let files = kubeconfig_files(&id.name).map(|file| word(&format!("{}/{file}", reach.root)));
                format!("sudo rm -f {}", files.join(" "))
            }
            (_, Some(Place::Alone(file))) => format!("sudo rm -f {}", word(file)),
            _ => edited(id, reach),
        }
    }

    fn ending_of_field(&self, id: &ResourceId, _: &str, _: Option<&Tree>, reach: &Reach) -> String {
        edited(id, reach)
    }

    fn showing(&self, id: &ResourceId, reach: &Reach) -> String {
        format!("cat {}", word(&format!("{}/{}", reach.root, id.name)))
    }

    fn editor(&self) -> &'static str {
        "sudoedit"
    }

    fn still_gives(&self, id: &ResourceId) -> Option<String> {
        let name = &id.name;
        match id.node_kind()? {
            NodeKind::Kubeconfig => Some(format!(
                "whoever has the kubeconfig of {name} still logs in as its service account {ACCOUNT}"
            )),
            NodeKind::File if name == K3S_AUTHENTICATION => Some(format!(
                "whoever has an account at the issuer in /{name} still logs in to the API server"
            )),
            NodeKind::File | NodeKind::Restart => None,
        }
    }

    fn together(&self, leftovers: &mut [Leftover], _: &Desired, observed: &Observed) {
        logins_left(leftovers, observed);
        registries_left(leftovers, observed);
    }

    fn kept(&self, step: &Step) -> Option<&'static str> {
        let changes =
            |is: fn(&str) -> bool| step.changes.iter().any(|change| change.pointer().is_some_and(is));
        match step.id.node_kind()? {
            NodeKind::File => changes(|at| at.starts_with("/content")).then_some(ARCHIVED),
            NodeKind::Kubeconfig => changes(|at| !at.starts_with("/metadata")).then_some(ANEW),
            NodeKind::Restart => None,
        }
    }

    fn anew(&self, id: &ResourceId) -> Option<&'static str> {
        (id.node_kind()? == NodeKind::Kubeconfig).then_some(ANEW)
    }

    fn loses(&self, id: &ResourceId, whole: bool) -> Order {
        match id.node_kind() {
            Some(NodeKind::Kubeconfig) if whole => Order::Credential,
            _ => Order::Rest,
        }
    }

    fn not_asked(&self) -> SmolStr {
        "kwo looks at node files only with `--node`".into()
    }
}

/// Says of the argument by which the API server reads a file with logins that it goes first: while it is there, k3s does
/// not start without the file.
fn logins_left(leftovers: &mut [Leftover], observed: &Observed) {
    let file = ResourceId::node(NodeKind::File, K3S_AUTHENTICATION);
    let argument = Tree::from(format!("{AUTHENTICATION_CONFIG}=/{K3S_AUTHENTICATION}"));
    let args = join("/content", APISERVER_ARGS);
    let config = ResourceId::node(NodeKind::File, K3S_CONFIG);
    // What is no longer wanted is not kept, but on record as kwo's.
    let named = matches!(observed.get(&config), Some(Sighting::Present(config)) if config.kwo_added(&args, &argument));
    let is = |left: &Leftover| match left.pointer.as_deref() {
        Some(pointer) => named && left.id == config && is_below(pointer, &args),
        // As a whole it has the argument, too: kwo writes neither without the other.
        None => left.id == config,
    };
    let Some(at) = leftovers.iter().position(is) else { return };
    if named && matches!(observed.get(&file), Some(Sighting::Absent)) {
        leftovers[at].in_force = Some(format_smolstr!(
            "the API server will not start again: its argument names /{K3S_AUTHENTICATION}, which is not there"
        ));
    }
    let first = leftovers[at].command.clone();
    if let Some(file) = leftovers.iter_mut().find(|left| left.id == file && left.pointer.is_none()) {
        file.command = format_smolstr!("{first} && {}", file.command);
    }
}

/// Says of what is left over in `registries.yaml` what the node does by it. Of a file that is left over as a whole, all that kwo
/// wrote in it.
fn registries_left(leftovers: &mut [Leftover], observed: &Observed) {
    let registries = ResourceId::node(NodeKind::File, K3S_REGISTRIES);
    for left in leftovers.iter_mut().filter(|left| left.id == registries) {
        let told = match (&left.pointer, observed.get(&left.id)) {
            (Some(pointer), _) => by_entry(pointer).filter(|(_, whole)| *whole).map(|(told, _)| told),
            (None, Some(Sighting::Present(file))) => {
                let written = file.written_by_kwo();
                let told: BTreeSet<String> =
                    written.iter().filter_map(|pointer| Some(by_entry(pointer)?.0)).collect();
                (!told.is_empty()).then(|| told.into_iter().collect::<Vec<_>>().join("; "))
            }
            (None, _) => None,
        };
        left.in_force = told.map(SmolStr::from).or(left.in_force.take());
    }
}

/// What the node does by the entry of `registries.yaml` that this leads to or into, and whether it is the whole entry.
fn by_entry(pointer: &str) -> Option<(String, bool)> {
    let mut keys = tokens(pointer).skip(1);
    let told = match (keys.next().as_deref(), keys.next()?) {
        (Some("mirrors"), name) => format!("the node still pulls images of {name} from this mirror"),
        (Some("configs"), name) => format!("the node still logs in to {name}"),
        _ => return None,
    };
    Some((told, keys.next().is_none()))
}

impl NodeKind {
    /// All of them.
    pub const ALL: [NodeKind; 3] = [NodeKind::File, NodeKind::Restart, NodeKind::Kubeconfig];

    /// Its name in ids.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            NodeKind::File => "File",
            NodeKind::Restart => "Restart",
            NodeKind::Kubeconfig => "Kubeconfig",
        }
    }

    /// How the fields of the one with this name are compared.
    #[must_use]
    pub fn shape(self, name: &str) -> &'static Shape {
        match self {
            NodeKind::File if name == K3S_CONFIG => &CONFIG,
            NodeKind::File if name == K3S_REGISTRIES => &REGISTRIES,
            NodeKind::File => &FILE,
            NodeKind::Restart => &RESTART,
            NodeKind::Kubeconfig => &KUBECONFIG,
        }
    }
}

/// The two files of a namespace's kubeconfig, as YAML and as JSON, by their paths from the root.
#[must_use]
pub fn kubeconfig_files(namespace: &str) -> [String; 2] {
    ["yaml", "json"].map(|form| format!("{KUBECONFIGS}/{namespace}-kubeconfig.{form}"))
}

impl ResourceId {
    /// Something on the node: a file by its path from the root, without a leading slash, a service by its name, or a
    /// kubeconfig by its namespace.
    pub fn node(kind: NodeKind, name: impl Into<SmolStr>) -> ResourceId {
        ResourceId {
            system: System::Node,
            kind: SmolStr::new_static(kind.name()),
            scope: SmolStr::default(),
            name: name.into(),
        }
    }

    /// The kind, where it is one of the node's.
    #[must_use]
    pub fn node_kind(&self) -> Option<NodeKind> {
        NodeKind::ALL.into_iter().find(|kind| self.system == System::Node && self.kind == kind.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_know_their_kind_and_are_no_objects_of_the_cluster() {
        for kind in [NodeKind::File, NodeKind::Restart, NodeKind::Kubeconfig] {
            let id = ResourceId::node(kind, K3S_CONFIG);
            assert_eq!(id.node_kind(), Some(kind));
            assert_eq!(id.known_kind(), None);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        let secret: ResourceId = "node:Secret/x".parse().unwrap();
        assert_eq!((secret.node_kind(), secret.known_kind()), (None, None));
        assert!(secret.shape().is_none());
    }
}
