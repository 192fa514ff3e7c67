//! `kwo logs`: of pods, through the API server, and of k3s, from the journal of the node. Follows only when asked to.

use std::ops::ControlFlow;
use std::process::Stdio;

use futures_util::future::join_all;
use tokio::process::Command;

use super::load::load;
use super::print::{line, talk};
use super::signals;
use crate::cli::{Logs, LogsOf};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::{Kube, Log, Refusal};
use kwo_engine::status::{Container, containers};
use kwo_engine::target;

pub(crate) async fn logs(args: &Logs) -> Result<Exit, Failure> {
    tokio::select! {
        ended = print(args) => ended,
        asked = signals::asked() => asked.map(|()| Exit::Done),
    }
}

async fn print(args: &Logs) -> Result<Exit, Failure> {
    let system = || vec!["kube-system".to_owned()];
    let (namespaces, label) = match &args.what {
        LogsOf::K3s => return journal(args).await,
        LogsOf::Traefik => (system(), Some("app.kubernetes.io/name=traefik")),
        LogsOf::Registry => (system(), Some("app=registry")),
        LogsOf::Tenant(name) => (spaces(args, name)?, None),
    };
    let kube = target::connect(args.cluster.options()?).await?;
    let mut containers = Vec::new();
    for namespace in &namespaces {
        containers.extend(find(&kube, namespace, label).await?);
    }
    if containers.is_empty() {
        let with = label.map_or_else(String::new, |label| format!(" with the label {label}"));
        return Err(Failure::new(format!("there are no pods{with} in {}", namespaces.join(", ")))
            .hint("`kwo status` shows what is there"));
    }
    let several = containers.len() > 1;
    let prints = containers.iter().map(|container| one(&kube, args, container, several));
    let whole = if args.follow {
        join_all(prints).await.into_iter().all(|whole| whole)
    } else {
        // One after the other, so that each log stands in one piece.
        let mut whole = true;
        for print in prints {
            whole &= print.await;
        }
        whole
    };
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

/// Prints the log of one container; false where it could not be read, which has been said then.
async fn one(kube: &Kube, args: &Logs, container: &Container, several: bool) -> bool {
    let Container { namespace, pod, name } = container;
    let log = Log { namespace, pod, container: name, tail: args.tail, follow: args.follow };
    let prefix = if several { format!("{pod}/{name}: ") } else { String::new() };
    let print = |text: &str| match line(&format!("{prefix}{text}")) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    match kube.log(log, print).await {
        Ok(()) => true,
        Err(refusal) => {
            talk(&format!("{namespace}/{pod}/{name}: its log could not be read: {refusal}\n"));
            false
        }
    }
}

/// The namespaces of a tenant of the roster.
fn spaces(args: &Logs, name: &str) -> Result<Vec<String>, Failure> {
    let loaded = load(&args.roster.roster)?;
    let tenants = loaded.roster.tenants();
    let Some((name, entry)) = tenants.get_key_value(name) else {
        let known: Vec<&str> = tenants.keys().map(|name| name.as_str()).take(20).collect();
        return Err(Failure::new(format!("the roster has no tenant `{name}`"))
            .hint(format!("its tenants are: {}", known.join(", "))));
    };
    Ok(entry.value.spaces(name).map(ToString::to_string).collect())
}

/// All containers of the pods in a namespace.
async fn find(kube: &Kube, namespace: &str, label: Option<&str>) -> Result<Vec<Container>, Failure> {
    let failed = |refusal: Refusal| {
        Failure::new(format!("cannot list the pods of {namespace}: {refusal}"))
            .hint("this needs the right to list pods and to get pods/log there")
    };
    containers(kube, namespace, label).await.map_err(failed)
}

/// The log of the service, which only the journal of its node has.
async fn journal(args: &Logs) -> Result<Exit, Failure> {
    let mut command = Command::new("journalctl");
    command.args(["--no-pager", "-u", "k3s", "-n"]).arg(args.tail.to_string());
    if args.follow {
        command.arg("-f");
    }
    let hint = "the log of k3s is in the journal of the node that it runs on: run this there";
    let status = command.stdin(Stdio::null()).kill_on_drop(true).status().await;
    let status = status.map_err(|error| Failure::new("cannot run journalctl").because(&error).hint(hint))?;
    if status.success() {
        return Ok(Exit::Done);
    }
    Err(Failure::new(format!("journalctl failed: {status}")).hint(hint))
}
