//! `kwo explain`

use kwo_planner::domains::dns::annotation;
use kwo_planner::plan::tenant;
use kwo_planner::resource::{Resource, ResourceId};

use super::load::{Loaded, load};
use super::print::{data, json};
use crate::cli::{Explain, TextOrJson};
use crate::report::explain as report;
use kwo_engine::failure::{Exit, Failure};

pub(crate) fn explain(args: &Explain) -> Result<Exit, Failure> {
    let loaded = load(&args.roster.roster)?;
    let found = find(&loaded, &args.what)?;
    let roster = &loaded.roster;
    let annotation = roster
        .tenants()
        .get(args.what.as_str())
        .and_then(|tenant| annotation(&tenant.value, roster.cluster(), roster.dns()));
    match args.output {
        TextOrJson::Text => {
            data(&report::text(&found, &loaded.desired));
            if let Some(annotation) = annotation {
                data(&report::certificates(annotation));
            }
        }
        TextOrJson::Json => {
            let mut value = report::json(&found, &loaded.desired);
            if let Some((key, resolver)) = annotation {
                value["ingress_annotation"] = serde_json::json!({key: resolver});
            }
            json(&value)?;
        }
    }
    Ok(Exit::Done)
}

fn find<'l>(loaded: &'l Loaded, what: &str) -> Result<Vec<&'l Resource>, Failure> {
    if what.contains(':') {
        let id: ResourceId =
            what.parse().map_err(|error| Failure::usage("what is to be explained?").because(&error))?;
        return match loaded.desired.get(&id) {
            Some(resource) => Ok(vec![resource]),
            None => Err(Failure::new(format!("the roster does not ask for {id}"))
                .hint("`kwo render` prints everything that it asks for")),
        };
    }
    let found: Vec<&Resource> =
        loaded.desired.resources().iter().filter(|resource| tenant(&resource.body) == what).collect();
    if found.is_empty() {
        let known: Vec<&str> = loaded.roster.tenants().keys().map(|name| name.as_str()).take(20).collect();
        return Err(Failure::new(format!("the roster has no tenant `{what}`"))
            .hint(format!("its tenants are: {}", known.join(", "))));
    }
    Ok(found)
}
