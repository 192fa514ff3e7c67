//! What a run works on: a cluster or a directory, and the node beside it, opened from what was typed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::TargetArgs;
use crate::failure::Failure;
use crate::providers::{Dir, Kube, KubeOptions, Node, Provider, Together};
use kwo_planner::plan::Adopt;

/// Opens the target, and the node where the run is asked to look at it.
///
/// # Errors
/// When the target is neither `kube` nor `dir:PATH`, or one of them cannot be opened.
pub async fn open(args: &TargetArgs, lock_duration: Duration) -> Result<Arc<dyn Provider>, Failure> {
    let node = args.node.then(|| node(&args.root)).transpose()?;
    let main = main(args, lock_duration).await?;
    Ok(Arc::new(Together::new(main, node)))
}

/// The node below this root. Another root than that of this machine has no services that run.
fn node(root: &Path) -> Result<Node, Failure> {
    let systemctl =
        (root.canonicalize().ok().as_deref() == Some(Path::new("/"))).then(|| PathBuf::from("systemctl"));
    Node::new(root, systemctl).map_err(|error| {
        Failure::new(format!("cannot use {} as the root of the node", root.display())).because(&error)
    })
}

async fn main(args: &TargetArgs, lock_duration: Duration) -> Result<Arc<dyn Provider>, Failure> {
    if let Some(path) = args.target.strip_prefix("dir:").filter(|path| !path.is_empty()) {
        let dir = Dir::new(path)
            .map_err(|error| Failure::new(format!("cannot use the directory {path}")).because(&error))?;
        return Ok(Arc::new(dir));
    }
    if args.target != "kube" {
        return Err(Failure::usage(format!("`{}` is no target", args.target))
            .hint("expected `kube` for a cluster, or `dir:PATH` for a directory of manifests"));
    }
    let options = KubeOptions {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        timeout: args.timeout,
        concurrency: usize::from(args.concurrency),
        lock_duration,
    };
    let kube = Kube::connect(options).await.map_err(|error| {
        let failure = Failure::new("cannot connect to the cluster").because(&error);
        error.hint.iter().fold(failure, |failure, hint| failure.hint(hint.as_str()))
    })?;
    Ok(Arc::new(kube))
}

/// What `--adopt` says.
#[must_use]
pub fn adopt(args: &TargetArgs) -> Adopt {
    if args.adopt.is_empty() {
        Adopt::Nothing
    } else if args.adopt.iter().any(|name| name == "*") {
        Adopt::Everything
    } else {
        Adopt::Only(args.adopt.iter().map(Into::into).collect())
    }
}
