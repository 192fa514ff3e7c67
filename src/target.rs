//! What a run works on: a cluster or a directory, and the node beside it, opened from what was typed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::{ClusterArgs, KubeArgs, TargetArgs};
use crate::failure::Failure;
use crate::providers::{ConnectError, Dir, Kube, KubeOptions, Node, Provider, Together};
use kwo_planner::plan::{Adopt, tenant};
use kwo_planner::resource::{Desired, ResourceId};

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
///
/// # Errors
/// When it is no folder.
pub fn node(root: &Path) -> Result<Node, Failure> {
    let systemctl =
        (root.canonicalize().ok().as_deref() == Some(Path::new("/"))).then(|| PathBuf::from("systemctl"));
    Node::new(root, systemctl).map_err(|error| {
        Failure::new(format!("cannot use {} as the root of the node", root.display())).because(&error)
    })
}

/// Opens the cluster only to look at single things in it.
///
/// # Errors
/// When what was typed and the kubeconfig lead to none.
pub async fn glance(args: &KubeArgs) -> Result<Arc<dyn Provider>, Failure> {
    let kube = Kube::connect(options(args)?).await.map_err(|error| unconnected(&error))?;
    Ok(Arc::new(kube))
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
    Ok(Arc::new(kube(&args.cluster, lock_duration).await?))
}

/// Opens the cluster.
///
/// # Errors
/// When what was typed and the kubeconfig lead to none.
pub async fn kube(args: &ClusterArgs, lock_duration: Duration) -> Result<Kube, Failure> {
    let options =
        KubeOptions { concurrency: usize::from(args.concurrency), lock_duration, ..options(&args.kube)? };
    Kube::connect(options).await.map_err(|error| unconnected(&error))
}

/// Opens the cluster for one request at a time.
///
/// # Errors
/// When what was typed and the kubeconfig lead to none.
pub async fn single(args: &KubeArgs, lock_duration: Duration) -> Result<Kube, Failure> {
    let options = KubeOptions { lock_duration, ..options(args)? };
    Kube::connect(options).await.map_err(|error| unconnected(&error))
}

/// How to reach the cluster that was typed.
///
/// # Errors
/// When groups are to be impersonated without a user.
pub fn options(args: &KubeArgs) -> Result<KubeOptions, Failure> {
    let said = |name: &&String| !name.is_empty();
    let as_groups: Vec<String> = args.as_group.iter().filter(said).cloned().collect();
    let as_user = args.as_user.as_ref().filter(said).cloned();
    if as_user.is_none() && !as_groups.is_empty() {
        return Err(Failure::usage(
            "--as-group without --as: groups can only be impersonated together with a user",
        )
        .hint("add `--as USER`; a user of that name need not exist"));
    }
    Ok(KubeOptions {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        as_user,
        as_groups,
        timeout: args.timeout,
        api_wait: args.api_wait,
        // Talk for a person, wherever the data of the command goes.
        tell: crate::log::say,
        passing: args.passing,
        ..KubeOptions::default()
    })
}

/// The failure to find a cluster.
pub fn unconnected(error: &ConnectError) -> Failure {
    let failure = Failure::new("cannot connect to the cluster").because(error);
    error.hint.iter().fold(failure, |failure, hint| failure.hint(hint.as_str()))
}

/// What `--adopt` says.
///
/// # Errors
/// When it names what the roster does not want: a slip would look like a foreign object that cannot be had.
pub fn adopt(args: &TargetArgs, desired: &Desired) -> Result<Adopt, Failure> {
    let names: BTreeSet<&str> =
        args.adopt.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
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
    use clap::Parser as _;
    use kwo_planner::domains::compile;
    use kwo_planner::roster::{SourceFile, Sources, parse};

    use super::*;
    use crate::cli::{Cli, Command};

    fn adopted(option: &str) -> Result<Adopt, String> {
        let Command::Plan(args) = Cli::try_parse_from(["kwo", "plan", option]).unwrap().command else {
            panic!("it is a plan")
        };
        let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: , bob: }}".to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        adopt(&args.target, &compile(&roster).unwrap()).map_err(|failure| failure.text())
    }

    #[test]
    fn what_is_adopted_is_there() {
        let only = |names: &[&str]| Ok(Adopt::Only(names.iter().map(|name| (*name).into()).collect()));
        assert_eq!(adopted("--full"), Ok(Adopt::Nothing));
        // An empty variable says as much, and must not be taken for the tenant of what no tenant has.
        assert_eq!(adopted("--adopt="), Ok(Adopt::Nothing));
        assert_eq!(adopted("--adopt"), Ok(Adopt::Everything));
        assert_eq!(adopted("--adopt=bob,alice"), only(&["alice", "bob"]));
        assert_eq!(adopted("--adopt=kube:Namespace/bob"), only(&["kube:Namespace/bob"]));
        for stranger in ["bbo", "kube:Namespace/carol", "kube:"] {
            let said = adopted(&format!("--adopt=alice,{stranger}")).unwrap_err();
            assert!(said.contains(&format!("--adopt={stranger}: ")) && said.contains("alice, bob"), "{said}");
        }
    }
}
