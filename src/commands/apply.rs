//! `kwo apply`: lock, look, plan, ask, do, look again.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use kwo_planner::hits::Hits;
use kwo_planner::keeper::{Keeper, is_said_by, unsaid};
use kwo_planner::observed::Reach;
use kwo_planner::plan::{Adopt, Plan, Provenance};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::units::lasted;
use tokio::sync::watch::Receiver;

use super::consent::{confirm, lock};
use super::load::{Loaded, load, rules};
use super::look::{identity, no_plan};
use super::print::{end, meanwhile, talk};
use super::saved::{self, held_against};
use super::signals;
use crate::cli::{Apply, ApplyOptions, folder};
use crate::report::again::completed;
use crate::report::applied::Applied;
use crate::report::plan::{Detail, text};
use crate::report::run::{self as shown, settled};
use crate::report::{hits, policy};
use kwo_engine::execute::Report;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::policy::judge;
use kwo_engine::providers::{Home, Identity};
use kwo_engine::run::{
    Access, Before, Carried, Event, Guard, Interrupted, Locked, Looked, Promised, Work, carry, given, hits,
    look, unless_told, verify_access,
};
use kwo_engine::strict::fails;
use kwo_engine::target::{self, Main};
use kwo_planner::counts::Counts;

/// The roster, where none is named.
const ROSTER: &str = "roster.yaml";

/// What is to be done, once everything has been looked at.
struct Task {
    desired: Desired,
    adopt: Adopt,
    plan: Plan,
    stale: Vec<(ResourceId, String)>,
    /// What was seen for it, where it is of use afterwards.
    before: Option<Before>,
    /// How many steps are needed by now that the saved plan does not have.
    beyond: usize,
    /// For the commands that show more.
    reach: Reach,
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
    /// What the last look found, where it is why the run failed.
    pub(super) trouble: Option<String>,
}

/// What the run came to, with what `Done` has of it.
type Ended = (Exit, Option<Report>, Option<String>);

pub(crate) async fn apply(args: &Apply) -> Result<Exit, Failure> {
    Ok(run(&args.options()?, None).await?.exit)
}

/// The same for other commands; `stop` is there where signals are listened for already.
pub(super) async fn run(options: &ApplyOptions, stop: Option<Receiver<bool>>) -> Result<Done, Failure> {
    run_of(options, None, stop).await
}

/// The same of a roster that was read already.
pub(super) async fn run_of(
    options: &ApplyOptions,
    read: Option<Loaded>,
    stop: Option<Receiver<bool>>,
) -> Result<Done, Failure> {
    if let (true, Main::Directory(_)) = (options.verify_access, &options.target.options.main) {
        return Err(Failure::usage("--verify-access: a directory has no API server that could be asked")
            .hint("leave the option out, or name a cluster with `--target kube`"));
    }
    // What was read already is that of an installation, whose plan may have to go on with it. All else goes before such a plan.
    let is_newer = read.is_none();
    let file = options.saved.as_deref().map(kwo_engine::saved::open).transpose()?;
    let beside = match (&file, &options.roster) {
        _ if read.is_some() => read,
        (Some(_), None) => None,
        (_, roster) => Some(load(roster.as_deref().unwrap_or(Path::new(ROSTER)))?),
    };
    if let (Some(file), Some(loaded)) = (&file, &beside) {
        saved::is_of(file, loaded, options)?;
    }
    let provider = target::open(&options.target.options, options.lock_duration).await?;
    let identity = identity(&*provider).await?;
    let vouched = match &file {
        Some(file) => Some(saved::vouched(file, beside.is_some(), options, &*provider, &identity).await?),
        None => None,
    };
    let (loaded, roster, target) = match (beside, vouched) {
        (None, Some(Some(own))) => own,
        (Some(loaded), _) => {
            let roster = options.roster.clone().unwrap_or_else(|| ROSTER.into());
            (loaded, roster, options.target.options.clone())
        }
        (None, _) => return Err(Failure::new("there is no roster to plan from")),
    };
    let rules = rules(&loaded, &options.target.options)?;
    let place = place(&loaded, &*provider, &identity);
    let interrupted = stop.map_or_else(signals::on_signal, Ok)?;
    let lock = lock(&*provider, options.lock_timeout, &interrupted).await?;
    let work = async {
        let adopt = target::adopt(&target.adopt, &loaded.desired)?;
        let provenance = loaded.provenance(&roster);
        let provenance = Provenance { target: identity.id, address: identity.address, ..provenance };
        let keeper = loaded.keeper(&roster, &target);
        let kept = |desired: Desired| desired.kept_by(&keeper, target.take_over_roster);
        // The file that a saved plan was made from may have stood elsewhere: then it does not say who keeps the cluster.
        let (desired, stands, file) = match file {
            None => (kept(loaded.desired), keeper.place.clone(), None),
            Some(file) if is_said_by(&file.plan.plan, &kept(loaded.desired.clone())) => {
                (kept(loaded.desired), None, Some(file))
            }
            Some(mut file) => {
                file.plan.plan = unsaid(file.plan.plan);
                (loaded.desired, None, Some(file))
            }
        };
        drop(loaded.roster);
        let this = Keeper { place: stands, ..keeper };
        let desired = given(desired, &folder(&roster), &target, &*provider).await;
        let guard = Guard { this: &this, takes_over: target.take_over_roster, writes: true, names: true };
        let looked = look(&*provider, &desired, &adopt, &provenance, Some(guard)).await;
        let Looked { plan, observed } = looked.map_err(|none| no_plan(&none, &provenance))?;
        let (plan, stale, beyond) = match &file {
            Some(file) => held_against(file, plan, &desired, options)?,
            None => (plan, Vec::new(), 0),
        };
        let judged = judge(&*provider, &desired, &plan, &rules).await;
        if let Some(refused) = policy::refused(&judged) {
            return Err(refused);
        }
        // Whoever is asked is told what they say yes to.
        let hits = if options.yes { None } else { hits(&*provider, &plan, &desired, &observed).await };
        let reach = if options.verify_access { observed.reach.clone() } else { Reach::default() };
        let before = Before::keep(&*provider, &plan, observed);
        let task = Task { desired, adopt, plan, stale, before, beyond, reach };
        meanwhile(options.output)(&policy::text(Some(&judged)));
        show_and_ask(options, &task, hits.as_ref(), &place).await?;
        if let (true, Some(node)) = (is_newer, &options.target.options.node) {
            kwo_engine::k3s::forget_plan(node)?;
        }
        Ok(task)
    };
    let result = match unless_told(&interrupted, work).await {
        Ok(Ok(mut task)) => {
            let before = task.before.take();
            finish(options, &task, before, &provider, &lock).await.map(|(exit, report, trouble)| {
                let Task { plan, stale, .. } = task;
                Done { exit, plan, report, stale, trouble }
            })
        }
        Ok(Err(failure)) => Err(failure),
        Err(Interrupted) => Err(signals::nothing_done()),
    };
    lock.release().await;
    result
}

/// Does the plan, reports, and looks again.
async fn finish(
    options: &ApplyOptions,
    task: &Task,
    before: Option<Before>,
    provider: &Arc<dyn Home>,
    lock: &Locked,
) -> Result<Ended, Failure> {
    let Task { desired, adopt, plan: planned, stale, before: _, beyond, reach: _ } = task;
    let command = plan_again(options, planned);
    if planned.steps.is_empty() {
        let access = verified(options, task, None, &**provider, lock).await;
        let nothing = Applied {
            plan: planned,
            report: None,
            again: None,
            extent: None,
            blind: None,
            stale,
            beyond: *beyond,
            access: access.as_ref(),
        };
        let found = completed(&nothing.found(), &command);
        talk(&found);
        end(&nothing, options.output)?;
        let ended = differing(failing(options, exit(planned, None, stale), planned), access.as_ref());
        return Ok((ended, None, nothing.is_amiss().then_some(found)));
    }
    let progress = Progress::new(planned.steps.len());
    let mut lines = shown::Lines::default();
    let work = Work {
        plan: planned,
        desired,
        adopt,
        concurrency: options.target.options.concurrency,
        settle: options.settle,
    };
    let carried = carry(provider, work, before, lock, |event| match event {
        Event::Step(result) => progress.result(&lines.next(result)),
        Event::Ended(report) => {
            progress.end();
            talk(&shown::summary(report));
        }
        Event::LooksOnceMore(pause) => {
            talk(&format!("kwo corrected something, and looks once more in {}\n", lasted(pause)));
        }
    })
    .await;
    let again = carried.now();
    let blind = unseen(&carried, &planned.provenance);
    let access = match &carried.again {
        Some(_) => verified(options, task, again, &**provider, lock).await,
        // The run was stopped, and says so.
        None => None,
    };
    let applied = Applied {
        plan: planned,
        report: Some(&carried.report),
        again,
        extent: again.map(|_| carried.extent),
        blind: blind.as_deref(),
        stale,
        beyond: *beyond,
        access: access.as_ref(),
    };
    let found = completed(&applied.found(), &command);
    talk(&found);
    end(&applied, options.output)?;
    let failed = applied.is_fought() || blind.is_some();
    let ended = if failed { Exit::Failed } else { exit(planned, Some(&carried.report), stale) };
    let ended = differing(failing(options, ended, again.unwrap_or(planned)), access.as_ref());
    let trouble = (failed || applied.is_amiss()).then_some(found);
    Ok((ended, Some(carried.report), trouble))
}

/// What the API server says of the access that the roster promises, where it is to be asked.
async fn verified(
    options: &ApplyOptions,
    task: &Task,
    again: Option<&Plan>,
    provider: &dyn Home,
    lock: &Locked,
) -> Option<Access> {
    // A saved plan that no longer holds was not carried out.
    if !options.verify_access || !task.stale.is_empty() {
        return None;
    }
    let plan = again.unwrap_or(&task.plan);
    let wrote = !task.plan.steps.is_empty();
    let promised = Promised { desired: &task.desired, plan, reach: &task.reach, wrote };
    let asked = verify_access(provider, promised, options.target.options.concurrency);
    let interrupted = || Access { unverified: vec!["the run was interrupted".into()], ..Access::default() };
    Some(unless_told(&lock.brakes().interrupted, asked).await.unwrap_or_else(|Interrupted| interrupted()))
}

/// The exit, or a worse one where access is not as promised.
fn differing(exit: Exit, access: Option<&Access>) -> Exit {
    let differs = access.is_some_and(|access| !access.is_as_promised());
    if exit == Exit::Done && differs { Exit::Held } else { exit }
}

/// Why it is not known what came of it, where the run looked again.
fn unseen(carried: &Carried, provenance: &Provenance) -> Option<String> {
    match (&carried.again, &carried.blind) {
        (Some(Err(none)), _) => Some(no_plan(none, provenance).to_string()),
        (_, blind) => blind.as_ref().map(ToString::to_string),
    }
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
fn failing(options: &ApplyOptions, exit: Exit, plan: &Plan) -> Exit {
    if exit == Exit::Done && fails(&options.fail_on, plan) { Exit::Held } else { exit }
}

async fn show_and_ask(
    options: &ApplyOptions,
    task: &Task,
    hits: Option<&Hits>,
    place: &str,
) -> Result<(), Failure> {
    let Task { plan, stale, beyond, .. } = task;
    if !stale.is_empty() {
        stale.iter().for_each(|(id, why)| talk(&format!("stale: {id}: {why}\n")));
        talk("the saved plan is stale; nothing was changed. Plan again, and read the new plan\n");
        return Ok(());
    }
    let shown = text(plan, Detail::full(options.full)) + &hits::text(hits, &[]);
    let shown = completed(&shown, &plan_again(options, plan));
    meanwhile(options.output)(&shown);
    if plan.steps.is_empty() {
        talk(&match () {
            () if plan.holds() => "Nothing that can be done now\n".to_owned(),
            () if *beyond > 0 => {
                let command = plan_again(options, plan);
                format!("The saved plan has nothing left to do; `{command}` shows what there is to do now\n")
            }
            () => format!("{}: nothing to do\n", settled(plan)),
        });
        return Ok(());
    }
    if options.yes {
        return Ok(());
    }
    let question = format!("Apply this ({}) to {place}?", Counts::of(plan).line());
    confirm(&question, "pass --yes to apply without being asked").await
}

/// The command that plans for the same target and roster.
fn plan_again(options: &ApplyOptions, plan: &Plan) -> String {
    let roster = options.roster.clone().unwrap_or_else(|| plan.provenance.roster.as_str().into());
    options.target.plan_again(&roster)
}

/// Where it is to be applied, so that nobody says yes to another cluster than the one meant.
fn place(loaded: &Loaded, provider: &dyn Home, identity: &Identity) -> String {
    let name = loaded.roster.cluster().name.as_ref();
    let name = name.map(|name| format!("the cluster `{}` at ", name.value.as_str())).unwrap_or_default();
    let context = provider.context().map(|context| format!(" (context `{context}`)")).unwrap_or_default();
    format!("{name}{}{context}", identity.address)
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
