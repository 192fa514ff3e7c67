//! `kwo render`

use kwo_planner::order::order;
use kwo_planner::resource::{Desired, Resource};

use super::load::load;
use super::print::{data, json, yaml};
use crate::cli::{Render, YamlOrJson};
use crate::failure::{Exit, Failure};

pub(crate) fn render(args: &Render) -> Result<Exit, Failure> {
    let loaded = load(&args.roster.roster)?;
    let resources = in_order(&loaded.desired);
    match args.output {
        YamlOrJson::Yaml => {
            for resource in resources {
                data(&format!("---\n{}", yaml(&resource.body)?));
            }
        }
        YamlOrJson::Json => {
            let items: Vec<_> = resources.into_iter().map(|resource| &resource.body).collect();
            json(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
        }
    }
    Ok(Exit::Done)
}

/// Whatever is needed comes first, so that `kubectl apply` can take them one after the other.
fn in_order(desired: &Desired) -> Vec<&Resource> {
    let resources = desired.resources();
    let needs = resources.iter().enumerate().map(|(at, resource)| {
        (at, resource.needs.iter().filter_map(|need| desired.position(need)).collect())
    });
    order(&needs.collect()).sequence.into_iter().map(|at| &resources[at]).collect()
}
