//! What a run works on: a cluster or a directory, and the node beside it. The options are plain values, from a
//! command line or from the settings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::providers::{
    Composite, ConnectError, Cutter, Cutters, Dir, Home, Kube, KubeOptions, NAME_ONE, Node, Provider, Records,
};
use tokio::task::JoinHandle;

use kwo_planner::plan::{Adopt, tenant};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::systems::System;

/// What a run works on, and what it may do there.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// What is to agree.
    pub main: Main,
    /// The key that opens the age files of the roster, where it is not the usual one.
    pub age_identity: Option<PathBuf>,
    /// The folder that the files of the node lie below, where the node is looked at.
    pub node: Option<PathBuf>,
    /// k3s may be restarted.
    pub allow_restart: bool,
    /// What the roster is called in the cluster that it keeps, where the roster does not say it.
    pub roster_id: Option<String>,
    /// What another roster keeps may be taken over.
    pub take_over_roster: bool,
    /// The settings with the policy that the plan is checked against, besides that of the roster.
    pub settings: Option<PathBuf>,
    /// How many steps are done at a time.
    pub concurrency: usize,
    /// The tenants and objects whose objects without a mark are taken over; `*` is all of them.
    pub adopt: Vec<String>,
}

/// The system that objects are in.
#[derive(Clone, Debug)]
pub enum Main {
    /// A cluster.
    Cluster(Box<KubeOptions>),
    /// A directory of manifests.
    Directory(PathBuf),
}

/// Opens the target, and the node where the run is asked to look at it.
///
/// # Errors
/// When one of them cannot be opened.
pub async fn open(options: &TargetOptions, lock_duration: Duration) -> Result<Arc<dyn Home>, Failure> {
    let node = options.node.as_deref().map(node).transpose()?;
    let main: Arc<dyn Home> = match &options.main {
        Main::Directory(path) => Arc::new(Dir::new(path).map_err(|error| {
            Failure::new(format!("cannot use the directory {}", path.display())).because(&error)
        })?),
        Main::Cluster(options) => {
            Arc::new(connect(KubeOptions { lock_duration, ..KubeOptions::clone(options) }).await?)
        }
    };
    Ok(Arc::new(composite(main, node).patient(options.patience())))
}

/// A target that is being opened and asked while the caller has something else to do. It ends with this.
pub struct Opening(JoinHandle<Result<Arc<dyn Home>, Failure>>);

impl Opening {
    /// Begins, for a run that changes nothing.
    #[must_use]
    pub fn begin(options: &TargetOptions) -> Opening {
        let options = options.clone();
        Opening(tokio::spawn(async move {
            let home = open(&options, Duration::ZERO).await?;
            home.ahead();
            Ok(home)
        }))
    }

    /// The target.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn home(mut self) -> Result<Arc<dyn Home>, Failure> {
        match (&mut self.0).await {
            Ok(opened) => opened,
            Err(broken) => Err(Failure::new("opening the target was broken off").because(&broken)),
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TargetOptions {
    /// How long an answer may take: of the cluster, and of what stands beside it.
    fn patience(&self) -> Duration {
        match &self.main {
            Main::Cluster(options) => options.timeout,
            Main::Directory(_) => KubeOptions::default().timeout,
        }
    }
}

/// The same for somebody who leaves: with the systems that they can leave.
///
/// # Errors
/// When one of them cannot be opened.
pub async fn open_to_leave(options: &TargetOptions, lock_duration: Duration) -> Result<Leavable, Failure> {
    let node = options.node.as_deref().map(node).transpose()?;
    match &options.main {
        Main::Directory(path) => {
            let dir = Arc::new(Dir::new(path).map_err(|error| {
                Failure::new(format!("cannot use the directory {}", path.display())).because(&error)
            })?);
            Ok(leavable(&dir, node, None, options.patience()))
        }
        Main::Cluster(options) => {
            let patience = options.timeout;
            let kube = Arc::new(connect(KubeOptions { lock_duration, ..KubeOptions::clone(options) }).await?);
            Ok(leavable(&kube, node, Some(Arc::clone(&kube)), patience))
        }
    }
}

fn leavable<H: Home + Cutter + Records + 'static>(
    home: &Arc<H>,
    node: Option<Node>,
    kube: Option<Arc<Kube>>,
    patience: Duration,
) -> Leavable {
    let node = node.map(|node| Arc::new(node.beside(Arc::clone(home) as Arc<dyn Home>)));
    let beside = node.clone().map(|node| (System::Node, node as Arc<dyn Provider>));
    let systems = [(System::Kube, Arc::clone(home) as Arc<dyn Cutter>)];
    let systems = systems.into_iter().chain(node.map(|node| (System::Node, node as Arc<dyn Cutter>)));
    let cutters = Cutters::new(Arc::clone(home) as _, Arc::clone(home) as _, systems);
    let home = Composite::new(Arc::clone(home) as Arc<dyn Home>, beside).opened_by(cutters.opens());
    let home = Arc::new(home.patient(patience));
    Leavable { home, cutters, kube }
}

/// A target that somebody can leave.
pub struct Leavable {
    /// All systems as one.
    pub home: Arc<dyn Home>,
    /// The systems that somebody can leave.
    pub cutters: Cutters,
    /// The cluster, where it is one: access is reviewed there.
    pub kube: Option<Arc<Kube>>,
}

/// The home, with the systems beside it that the run is asked to look at.
#[must_use]
pub fn composite(home: Arc<dyn Home>, node: Option<Node>) -> Composite {
    let node = node.map(|node| Arc::new(node.beside(Arc::clone(&home))) as Arc<dyn Provider>);
    let beside = [(System::Node, node)];
    Composite::new(home, beside.into_iter().filter_map(|(system, provider)| Some((system, provider?))))
}

/// The node below this root. Another root than that of this machine has no services that run.
///
/// # Errors
/// When it is no folder.
pub fn node(root: &Path) -> Result<Node, Failure> {
    let systemctl =
        (root.canonicalize().ok().as_deref() == Some(Path::new("/"))).then(|| PathBuf::from("systemctl"));
    Node::new(root, systemctl).map_err(|error| {
        Failure::new(format!("cannot use {} as the root of the node", root.display()))
            .because(&error)
            .hint("`--root` names the folder above the files of a machine or of an image")
    })
}

/// Opens a cluster.
///
/// # Errors
/// When the options and the kubeconfig lead to none.
pub async fn connect(options: KubeOptions) -> Result<Kube, Failure> {
    Kube::connect(options).await.map_err(|error| unconnected(&error))
}

/// The failure to find a cluster.
#[must_use]
pub fn unconnected(error: &ConnectError) -> Failure {
    let failure = Failure::new("cannot connect to the cluster").because(error);
    let failure = error.hint.iter().fold(failure, |failure, hint| failure.hint(hint.as_str()));
    // A hint with an option is shown where the command has it.
    match error.hint.as_deref() == Some(NAME_ONE) {
        true => failure.hint("to work without a cluster, use --target dir:PATH"),
        false => failure,
    }
}

/// What `--adopt` says.
///
/// # Errors
/// When it names what the roster does not want: a slip would look like a foreign object that cannot be had.
pub fn adopt(names: &[String], desired: &Desired) -> Result<Adopt, Failure> {
    let names: BTreeSet<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Ok(Adopt::Nothing);
    }
    if names.contains("*") {
        return Ok(Adopt::Everything);
    }
    let tenants: BTreeSet<_> = desired.resources().iter().map(|resource| tenant(&resource.body)).collect();
    let known = |name: &str| {
        tenants.contains(name) || name.parse().is_ok_and(|id: ResourceId| desired.get(&id).is_some())
    };
    if let Some(stranger) = names.iter().find(|name| !known(name)) {
        let some: Vec<&str> =
            tenants.iter().map(|name| name.as_str()).filter(|name| !name.is_empty()).take(20).collect();
        return Err(Failure::usage(format!("--adopt={stranger}: the roster has no such tenant or object"))
            .hint(format!("its tenants are: {}; `kwo explain TENANT` shows its objects", some.join(", "))));
    }
    Ok(Adopt::Only(names.into_iter().map(Into::into).collect()))
}

#[cfg(test)]
mod tests {
    use kwo_planner::domains::compile;
    use kwo_planner::domains::parse;

    use kwo_planner::roster::{SourceFile, Sources};

    use super::*;

    fn adopted(names: &[&str]) -> Result<Adopt, Failure> {
        let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: , bob: }}".to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        adopt(&names, &compile(&roster).unwrap())
    }

    #[test]
    fn what_is_adopted_is_there() {
        let only = |names: &[&str]| Ok(Adopt::Only(names.iter().map(|name| (*name).into()).collect()));
        assert_eq!(adopted(&[]), Ok(Adopt::Nothing));
        // An empty variable says as much, and must not be taken for the tenant of what no tenant has.
        assert_eq!(adopted(&[""]), Ok(Adopt::Nothing));
        assert_eq!(adopted(&["*"]), Ok(Adopt::Everything));
        assert_eq!(adopted(&["bob", "alice"]), only(&["alice", "bob"]));
        assert_eq!(adopted(&["kube:Namespace/bob"]), only(&["kube:Namespace/bob"]));
        for stranger in ["bbo", "kube:Namespace/carol", "kube:"] {
            let said = adopted(&["alice", stranger]).unwrap_err();
            assert!(said.message.contains(&format!("--adopt={stranger}: ")), "{said:?}");
            assert!(said.hints[0].contains("alice, bob"), "{said:?}");
        }
    }
}
