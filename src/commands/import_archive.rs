//! `kwo archive import`: what of an archive is missing, a yes, and the executor that also applies rosters. What is there stays.

use std::path::Path;
use std::sync::Arc;

use kwo_planner::counts::Counts;
use kwo_planner::offboard::Brought;
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::policy::{Judged, Layer};
use kwo_planner::resource::Desired;

use super::archive_file::{failed, keys};
use super::consent::{confirm, lock};
use super::load::told;
use super::look::{identity, no_plan};
use super::print::{end, meanwhile, talk};
use super::signals;
use super::sync::wrong;
use crate::cli::ArchiveImport;
use crate::report::applied::Applied;
use crate::report::archive::{Imported, missing, not_made, not_unpacked};
use crate::report::plan::{Detail, text};
use crate::report::policy;
use crate::report::run as shown;
use kwo_engine::archive::{Import, NotMade, Verified, only_new};
use kwo_engine::execute::{Brakes, execute};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::policy::{judge_with, layers};
use kwo_engine::providers::Home;
use kwo_engine::run::{Extent, Interrupted, check, unless_told};
use kwo_engine::source;
use kwo_engine::target;

/// What is to be brought back.
#[derive(Clone, Copy)]
struct Task<'t> {
    archive: &'t Verified,
    desired: &'t Desired,
    not_made: &'t [NotMade],
}

pub(super) async fn import(args: &ArchiveImport) -> Result<Exit, Failure> {
    let (archive, import) = {
        let keys = keys(&args.archive)?;
        Import::read(&args.archive.file, &keys).map_err(|error| failed(&error))?
    };
    let Import { desired, vault, not_made } = import;
    let rules = rules(args)?;
    let provider = target::open(&args.options()?, args.lock_duration).await?;
    provider.set_secrets(Arc::new(vault));
    let identity = identity(&*provider).await?;
    let provenance = Provenance {
        roster: args.archive.file.display().to_string().into(),
        roster_digest: archive.sha256().clone(),
        target: identity.id,
        address: identity.address,
        ..Provenance::default()
    };
    let interrupted = signals::on_signal()?;
    let lock = lock(&*provider, args.lock_timeout, &interrupted).await?;
    let work = async {
        let plan = missing_there(&*provider, &desired, provenance).await?;
        allowed(&*provider, &desired, &plan, &rules).await?;
        show_and_ask(args, &archive, &not_made, &plan).await?;
        Ok(plan)
    };
    let ended = match unless_told(&interrupted, work).await {
        Ok(Ok(plan)) => {
            let task = Task { archive: &archive, desired: &desired, not_made: &not_made };
            finish(args, task, plan, &provider, lock.brakes()).await
        }
        Ok(Err(failure)) => Err(failure),
        Err(Interrupted) => Err(signals::nothing_done()),
    };
    lock.release().await;
    ended
}

/// The rules that it is checked against: those of the roster, if there is one, and of the settings.
fn rules(args: &ArchiveImport) -> Result<Vec<Layer>, Failure> {
    let usual = Path::new("roster.yaml");
    let file = args.roster.as_deref().or_else(|| Some(usual).filter(|file| file.exists()));
    let roster = file.map(source::load).transpose().map_err(|refused| told(&refused))?;
    layers(roster.as_ref(), args.settings.as_deref()).map_err(|refused| wrong(&refused))
}

/// Nothing comes by an archive that no plan may bring.
async fn allowed(
    provider: &dyn Home,
    desired: &Desired,
    plan: &Plan,
    rules: &[Layer],
) -> Result<(), Failure> {
    let unfit = |clash| Failure::new("the archive has one object twice").because(&clash);
    let mut brought = Brought::all(desired).map_err(unfit)?;
    // A role that is there stays as it is.
    brought.roles.retain(|(id, _)| plan.steps.iter().any(|step| step.id == *id));
    let judged = judge_with(provider, (&brought.desired, &brought.roles), plan, rules).await.of_steps();
    talk(&policy::text(Some(&Judged { violations: Vec::new(), ..judged.clone() })));
    policy::refused_to_bring("the import", &judged).map_or(Ok(()), Err)
}

/// What of it is not there.
async fn missing_there(
    provider: &dyn Home,
    desired: &Desired,
    provenance: Provenance,
) -> Result<Plan, Failure> {
    let observed = provider.observe(desired).await;
    // What is there is compared whoever made it; nothing of it is taken over.
    let plan = only_new(plan(desired, &observed, &Adopt::Everything, provenance), desired, &observed);
    check(&plan, &observed).map_err(|none| no_plan(&none, &plan.provenance))?;
    Ok(plan)
}

async fn show_and_ask(
    args: &ArchiveImport,
    archive: &Verified,
    all: &[NotMade],
    plan: &Plan,
) -> Result<(), Failure> {
    let text = text(plan, Detail::full(args.full)) + &not_made(all) + &missing(&archive.index().left_out);
    let text = text + &not_unpacked(&archive.index().parts);
    meanwhile(args.output)(&text);
    if plan.steps.is_empty() || args.yes {
        return Ok(());
    }
    let question = format!("Make this ({}) at {}?", Counts::of(plan).line(), plan.provenance.address);
    confirm(&question, "pass --yes to import without being asked").await
}

/// Does the plan, reports, and looks again.
async fn finish(
    args: &ArchiveImport,
    task: Task<'_>,
    planned: Plan,
    provider: &Arc<dyn Home>,
    brakes: &Brakes,
) -> Result<Exit, Failure> {
    let Task { archive, desired, not_made } = task;
    let held = planned.holds() || not_made.iter().any(|one| !one.by_itself);
    let exit = if held { Exit::Held } else { Exit::Done };
    let left_out = &archive.index().left_out;
    let applied = Applied {
        access: None,
        plan: &planned,
        report: None,
        again: None,
        extent: None,
        blind: None,
        stale: &[],
        beyond: 0,
    };
    if planned.steps.is_empty() {
        talk("Everything that an import could make is there already\n");
        end(&Imported { applied, not_made, left_out }, args.output)?;
        return Ok(exit);
    }
    let mut lines = shown::Lines::default();
    let concurrency = usize::from(args.cluster.concurrency);
    let done = execute(&planned, provider, concurrency, brakes, |result| {
        talk(&format!("{}\n", lines.next(result)));
    })
    .await;
    talk(&shown::summary(&done));
    let again = missing_there(&**provider, desired, planned.provenance.clone()).await?;
    for step in again.steps.iter().filter(|_| done.complete()) {
        talk(&format!("{} is gone right after it was made\n", step.id));
    }
    let extent = Some(Extent::Everything);
    let applied = Applied { report: Some(&done), again: Some(&again), extent, ..applied };
    end(&Imported { applied, not_made, left_out }, args.output)?;
    Ok(if done.complete() && again.steps.is_empty() { exit } else { Exit::Failed })
}
