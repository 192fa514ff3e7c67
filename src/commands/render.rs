//! `kwo render`

use kwo_planner::order::order;
use kwo_planner::resource::{Desired, Resource};
use kwo_planner::systems::System;
use kwo_planner::tree::Tree;

use super::load::load;
use super::print::report;
use crate::cli::Render;
use crate::report::manifests::Manifests;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::fold;

pub(crate) fn render(args: &Render) -> Result<Exit, Failure> {
    let loaded = load(&args.roster.roster)?;
    // What is on a node is nothing that Kubernetes takes.
    let resources =
        in_order(&loaded.desired).into_iter().filter(|resource| resource.id.system == System::Kube);
    let resources = resources.map(manifest).collect::<Result<Vec<_>, _>>()?;
    report(&Manifests(resources), args.output)?;
    Ok(Exit::Done)
}

/// The object as Kubernetes takes it. Of secrets there is only the reference, which Kubernetes refuses.
fn manifest(resource: &Resource) -> Result<Tree, Failure> {
    let body = resource.body.clone();
    match resource.id.known_kind() {
        Some(kind) => fold(kind, body).map_err(|why| Failure::new(format!("{}: {why}", resource.id))),
        None => Ok(body),
    }
}

/// Whatever is needed comes first, so that `kubectl apply` can take them one after the other.
fn in_order(desired: &Desired) -> Vec<&Resource> {
    let resources = desired.resources();
    let needs = resources.iter().enumerate().map(|(at, resource)| {
        (at, resource.needs.iter().filter_map(|need| desired.position(need)).collect())
    });
    order(&needs.collect()).sequence.into_iter().map(|at| &resources[at]).collect()
}
