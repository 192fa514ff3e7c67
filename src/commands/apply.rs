//! `kwo apply`: lock, look, plan, ask, do, look again.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use kwo_planner::observed::Observed;
use kwo_planner::plan::{Adopt, FORMAT_VERSION, Plan, Provenance, plan};
use kwo_planner::refresh::{refresh, wanted};
use kwo_planner::resource::{Desired, ResourceId};

use tokio::sync::watch::Receiver;

use super::consent::{confirm, lock};
use super::entrust::entrust;
use super::load::load;
use super::look::{check, fails, identity, look};
use super::print::{data, json, talk};
use super::stop;
use crate::cli::{Apply, TextOrJson};
use crate::execute::{Brakes, Report, execute};
use crate::failure::{Exit, Failure};
use crate::fight::{fights, pause, waited};
use crate::providers::{Identity, Provider};
use crate::report::plan::{Counts, Detail, text};
use crate::report::run::{self as shown, settled};
use crate::target;

/// What is to be done, once everything has been looked at.
struct Task {
    desired: Desired,
    adopt: Adopt,
    plan: Plan,
    stale: Vec<(ResourceId, String)>,
}

/// What was done.
pub(super) struct Done {
    pub(super) exit: Exit,
    /// What was to be done.
    pub(super) plan: Plan,
    /// What became of it, where there was anything to do.
    pub(super) report: Option<Report>,
    /// The steps of a saved plan that no longer hold, each with the reason.
    pub(super) stale: Vec<(ResourceId, String)>,
}

pub(crate) async fn apply(args: &Apply) -> Result<Exit, Failure> {
    Ok(run(args, None).await?.exit)
}

/// The same for other commands; `stop` is there where signals are listened for already.
pub(super) async fn run(args: &Apply, stop: Option<Receiver<bool>>) -> Result<Done, Failure> {
    let loaded = match &args.plan {
        Some(path) => Err(read(path)?),
        None => Ok(load(&args.roster.roster)?),
    };
    let provider = target::open(&args.target, args.lock_duration).await?;
    let identity = identity(&*provider).await?;
    let mut interrupted = stop.map_or_else(stop::on_signal, Ok)?;
    let lock = lock(&*provider, args.lock_timeout, &mut interrupted).await?;
    let brakes = Brakes { interrupted: interrupted.clone(), lock_lost: lock.lost.clone() };
    let work = async {
        let task = match loaded {
            Err(saved) => saved_task(args, saved, &*provider, &identity).await?,
            Ok(loaded) => {
                let adopt = target::adopt(&args.target, &loaded.desired)?;
                let provenance = loaded.provenance(&args.roster.roster);
                let provenance = Provenance { target: identity.id, address: identity.address, ..provenance };
                let desired = entrust(loaded.desired, &args.roster.roster, &args.target, &*provider).await;
                let (plan, _) = look(&*provider, &desired, &adopt, provenance).await?;
                Task { desired, adopt, plan, stale: Vec::new() }
            }
        };
        show_and_ask(args, &task).await?;
        Ok(task)
    };
    let result = tokio::select! {
        task = work => match task {
            Ok(task) => {
                finish(args, &task, &provider, &brakes).await.map(|(exit, report)| {
                    let Task { desired: _, adopt: _, plan, stale } = task;
                    Done { exit, plan, report, stale }
                })
            }
            Err(failure) => Err(failure),
        },
        () = stop::told(&mut interrupted) => Err(stop::nothing_done()),
    };
    lock.release.await;
    result
}

/// Does the plan, reports, and looks again.
async fn finish(
    args: &Apply,
    task: &Task,
    provider: &Arc<dyn Provider>,
    brakes: &Brakes,
) -> Result<(Exit, Option<Report>), Failure> {
    let Task { desired, adopt, plan: planned, stale } = task;
    if planned.steps.is_empty() {
        if args.output == TextOrJson::Json {
            json(&shown::json(planned, None, None))?;
        }
        return Ok((failing(args, exit(planned, None, stale), planned), None));
    }
    let progress = Progress::new(planned.steps.len());
    let report = execute(planned, provider, usize::from(args.target.cluster.concurrency), brakes, |result| {
        progress.result(&shown::line(result));
    })
    .await;
    progress.end();
    talk(&shown::summary(&report));
    let look = async || {
        let observed: Observed = provider.observe(desired).await;
        plan(desired, &observed, adopt, planned.provenance.clone())
    };
    let mut again = match &report.stopped {
        Some(_) => None,
        None => Some(look().await),
    };
    if let Some(now) = &again
        && fights(now, &report).is_empty()
        && let Some(pause) = pause(&report, args.settle)
    {
        talk(&format!("something was put right; looking once more in {pause:?}\n"));
        if waited(pause, brakes.interrupted.clone()).await {
            again = Some(look().await);
        }
    }
    if let Some(again) = &again {
        talk(&shown::second_look(again, &report));
    }
    if args.output == TextOrJson::Json {
        json(&shown::json(planned, Some(&report), again.as_ref()))?;
    }
    let fought = again.as_ref().is_some_and(|again| !fights(again, &report).is_empty());
    let end = if fought { Exit::Failed } else { exit(planned, Some(&report), stale) };
    Ok((failing(args, end, again.as_ref().unwrap_or(planned)), Some(report)))
}

fn exit(plan: &Plan, report: Option<&Report>, stale: &[(ResourceId, String)]) -> Exit {
    match report {
        Some(report) if !report.complete() => Exit::Failed,
        _ if !stale.is_empty() => Exit::Stale,
        _ if plan.holds() => Exit::Held,
        _ => Exit::Done,
    }
}

/// The exit, or a worse one where the run is to fail on what is left over.
fn failing(args: &Apply, exit: Exit, plan: &Plan) -> Exit {
    if exit == Exit::Done && fails(&args.fail_on, plan) { Exit::Held } else { exit }
}

async fn show_and_ask(args: &Apply, task: &Task) -> Result<(), Failure> {
    let Task { desired: _, adopt: _, plan, stale } = task;
    let shown = text(plan, Detail { full: args.full });
    match args.output {
        TextOrJson::Text => data(&shown),
        TextOrJson::Json => talk(&shown),
    }
    for (id, why) in stale {
        talk(&format!("stale: {id}: {why}\n"));
    }
    if plan.steps.is_empty() {
        if stale.is_empty() {
            match plan.holds() {
                false => talk(&format!("{}: nothing to do\n", settled(plan))),
                true => talk("Nothing that can be done now\n"),
            }
        }
        return Ok(());
    }
    if args.yes {
        return Ok(());
    }
    let question = format!("Apply this ({})?", Counts::of(plan).line());
    confirm(&question, "pass --yes to apply without being asked").await
}

/// Reads a saved plan.
pub(super) fn read(path: &Path) -> Result<Plan, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read the plan {name}")).because(&error))?;
    let plan: Plan = serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!("{name} is no saved plan"))
            .because(&error)
            .hint("`kwo plan --out FILE` saves one")
    })?;
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&plan.format_version) != major(FORMAT_VERSION) {
        return Err(Failure::new(format!(
            "{name} has the form {}, this kwo knows {FORMAT_VERSION}",
            plan.format_version
        ))
        .hint("plan again with this version of kwo"));
    }
    if !plan.is_intact() {
        return Err(Failure::new(format!("{name} was changed after it was saved: its digest does not fit"))
            .hint("plan again"));
    }
    Ok(plan)
}

/// Holds a saved plan against the cluster as it is now.
async fn saved_task(
    args: &Apply,
    saved: Plan,
    provider: &dyn Provider,
    identity: &Identity,
) -> Result<Task, Failure> {
    if saved.provenance.target != identity.id {
        return Err(Failure::new(format!(
            "the plan was made for {} ({}), this is {} ({})",
            saved.provenance.address, saved.provenance.target, identity.address, identity.id
        )));
    }
    let twice = |error| Failure::new("the saved plan makes no sense").because(&error);
    let desired = wanted(&saved).map_err(twice)?;
    let roster = Path::new(saved.provenance.roster.as_str());
    let desired = entrust(desired, roster, &args.target, provider).await;
    let observed = provider.observe(&desired).await;
    let refreshed = refresh(&saved, &desired, &observed);
    for id in &refreshed.settled {
        talk(&format!("{id} is as the plan wants it already\n"));
    }
    check(&refreshed.plan, &observed)?;
    Ok(Task { desired, adopt: Adopt::Nothing, plan: refreshed.plan, stale: refreshed.stale })
}

/// A line a result, and a bar under them where a person is looking.
struct Progress {
    bar: indicatif::ProgressBar,
}

impl Progress {
    fn new(steps: usize) -> Progress {
        let bar = if std::io::stderr().is_terminal() && std::env::var_os("CI").is_none() {
            indicatif::ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX))
        } else {
            indicatif::ProgressBar::hidden()
        };
        Progress { bar }
    }

    fn result(&self, line: &str) {
        self.bar.suspend(|| talk(&format!("{line}\n")));
        self.bar.inc(1);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
