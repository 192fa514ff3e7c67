//! `kwo plan`

use std::path::Path;
use std::time::Duration;

use kwo_planner::plan::{Plan, Provenance};

use super::entrust::entrust;
use super::load::{Loaded, load};
use super::look::{fails, identity, look};
use super::print::{data, json, talk, yaml};
use crate::cli::{self, PlanFormat, TargetArgs};
use crate::failure::{Exit, Failure};
use crate::report::markdown::markdown;
use crate::report::plan::{Detail, text};
use crate::target;

pub(crate) async fn plan(args: &cli::Plan) -> Result<Exit, Failure> {
    let plan = made(load(&args.roster.roster)?, &args.roster.roster, &args.target).await?;
    let detail = Detail { full: args.full };
    match args.output {
        PlanFormat::Text => data(&text(&plan, detail)),
        PlanFormat::Json => json(&plan)?,
        PlanFormat::Yaml => data(&yaml(&plan)?),
        PlanFormat::Markdown => data(&markdown(&plan, detail)),
    }
    if let Some(path) = &args.out {
        save(&plan, path)?;
    }
    Ok(match () {
        () if plan.holds() || fails(&args.fail_on, &plan) => Exit::Held,
        () if args.detailed_exitcode && !plan.steps.is_empty() => Exit::Changes,
        () => Exit::Done,
    })
}

/// The plan for the target as it is now.
pub(super) async fn made(loaded: Loaded, roster: &Path, args: &TargetArgs) -> Result<Plan, Failure> {
    let provider = target::open(args, Duration::ZERO).await?;
    let identity = identity(&*provider).await?;
    let provenance =
        Provenance { target: identity.id, address: identity.address, ..loaded.provenance(roster) };
    let adopt = target::adopt(args, &loaded.desired)?;
    let desired = entrust(loaded.desired, roster, args, &*provider).await;
    let (plan, _) = look(&*provider, &desired, &adopt, provenance).await?;
    Ok(plan)
}

/// Saves a plan, for `kwo apply --plan`.
pub(super) fn save(plan: &Plan, path: &Path) -> Result<(), Failure> {
    let cannot = |error: &dyn std::error::Error| {
        Failure::new(format!("cannot save the plan to {}", path.display())).because(error)
    };
    let text = serde_json::to_string_pretty(plan).map_err(|error| cannot(&error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| cannot(&error))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(|error| cannot(&error))?;
    file.persist(path).map_err(|error| cannot(&error))?;
    talk(&format!("saved to {0}; `kwo apply --plan {0}` does exactly this\n", path.display()));
    Ok(())
}
