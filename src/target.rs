//! What a run works on: a cluster or a directory, opened from what was typed.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::TargetArgs;
use crate::failure::Failure;
use crate::providers::{Dir, Kube, KubeOptions, Provider};
use kwo_planner::plan::Adopt;

/// Opens the target.
///
/// # Errors
/// When it is neither `kube` nor `dir:PATH`, or cannot be opened.
pub async fn open(args: &TargetArgs, lock_duration: Duration) -> Result<Arc<dyn Provider>, Failure> {
    if let Some(path) = args.target.strip_prefix("dir:").filter(|path| !path.is_empty()) {
        let dir = Dir::new(path)
            .map_err(|error| Failure::new(format!("cannot use the directory {path}")).because(&error))?;
        return Ok(Arc::new(dir));
    }
    if args.target != "kube" {
        return Err(Failure::usage(format!("`{}` is no target", args.target))
            .hint("expected `kube` for a cluster, or `dir:PATH` for a directory of manifests"));
    }
    let said = |name: &&String| !name.is_empty();
    let as_groups: Vec<String> = args.as_group.iter().filter(said).cloned().collect();
    let as_user = args.as_user.as_ref().filter(said).cloned();
    if as_user.is_none() && !as_groups.is_empty() {
        return Err(Failure::usage(
            "--as-group without --as: groups can only be impersonated together with a user",
        )
        .hint("add `--as USER`; a user of that name need not exist"));
    }
    let options = KubeOptions {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        as_user,
        as_groups,
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
