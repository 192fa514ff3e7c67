//! The end of an upgrade, or of the way back: starts k3s, waits until it is as well as before, and notes that.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::cluster;
use super::perform::{Event, ended, note};
use super::ready::{self, Since};
use super::service::Service;
use super::upgrade::Job;
use crate::failure::Failure;
use crate::run::{Interrupted, unless_told};
use kwo_planner::k3s::{Cluster, KEPT, KUBECONFIG, Named, Record, Step, Upgrade, worse};
use kwo_planner::plain::counted;

/// Between two looks at the workloads.
const PAUSE: Duration = Duration::from_secs(2);
/// Where a k3s that was started says why it is not well.
const LOGS: &str = "`journalctl -u k3s -n 50` says why; k3s keeps trying";
/// So many things that are worse are named.
const MOST_WORSE: usize = 10;

/// Starts a k3s, waits for its node and its workloads, and notes that it is well.
pub(super) async fn started(
    job: &Job<'_>,
    upgrade: &mut Upgrade,
    swapped: bool,
    told: &mut impl FnMut(Event<'_>),
) -> Result<(), Failure> {
    let Job { machine, plan, patience, settle, stop, .. } = job;
    let (named, source) = match upgrade.back {
        true => (upgrade.from.clone(), KEPT.into()),
        false => (upgrade.to.clone(), upgrade.source.clone()),
    };
    let step = |id: &str| plan.steps.iter().find(|step: &&Step| step.id.starts_with(id));
    let started = Timestamp::now();
    let asked = if swapped { Service.restart().await } else { Service.start_again().await };
    asked.map_err(|why| {
        let failure = Failure::new("systemd does not start k3s, and it is stopped now");
        let failure = failure.hint("`systemctl status k3s` says more, and `systemctl start k3s` starts it");
        ways(Failure { causes: vec![why], ..failure }, upgrade)
    })?;
    // A terminal may hold back what is told, so nothing is told while k3s is stopped.
    let done = |step: &&Step| {
        ["node:Kept/", "node:Database/", "node:Binary/"].iter().any(|id| step.id.starts_with(id))
    };
    for step in plan.steps.iter().filter(done).filter(|_| swapped) {
        told(Event::Done(step));
    }
    if let Some(step) = step("node:Service/") {
        told(Event::Done(step));
    }
    let kubeconfig = machine.root.join(KUBECONFIG);
    if let Some(step) = step("node:Ready/") {
        told(Event::Begins(&step.detail));
        let since = Some(Since { started, version: &named.version });
        let waited = unless_told(stop, ready::wait(&kubeconfig, &upgrade.node, since, *patience)).await;
        let waited = waited.map_err(|Interrupted| ways(ended(false), upgrade))?;
        waited.map_err(|why| {
            let after = counted(patience.as_secs(), "second", "seconds");
            let failure = Failure::new(format!("k3s {} is not well after {after}", named.version)).hint(LOGS);
            ways(Failure { causes: vec![why], ..failure }, upgrade)
        })?;
        told(Event::Done(step));
    }
    if let Some(step) = step("node:Workloads/") {
        told(Event::Begins(&step.detail));
        // Whoever ignores them need not wait for them.
        let compares =
            Instant::now() + *settle + if job.ignores_workloads { Duration::ZERO } else { *patience };
        let waited = unless_told(stop, compared(&kubeconfig, &upgrade.before, *settle, compares)).await;
        let waited = waited.map_err(|Interrupted| ways(ended(false), upgrade))?;
        match waited {
            Ok(()) => {}
            Err(worse) if job.ignores_workloads => {
                told(Event::Begins(&format!("worse than before: {}", worse.join("; "))));
            }
            Err(causes) => {
                let message = format!("k3s {} runs, and not all is as before", named.version);
                let failure = Failure::new(message).hint(LOGS);
                let failure = ways(Failure { causes, ..failure }, upgrade);
                let ends = match job.planned {
                    // What is typed beside a plan does not count.
                    true => format!("`kwo node upgrade --version {} --ignore workloads`", named.version),
                    false => "the same command with `--ignore workloads`".to_owned(),
                };
                return Err(failure.hint(format!("if that is as it should be: {ends}")));
            }
        }
        told(Event::Done(step));
    }
    record(job, &named, &source)?;
    upgrade.ended = true;
    machine.note_upgrade(upgrade)
}

/// Waits until nothing is worse than before.
async fn compared(
    kubeconfig: &Path,
    before: &Cluster,
    settle: Duration,
    end: Instant,
) -> Result<(), Vec<String>> {
    sleep(settle).await;
    loop {
        let mut wrong = match cluster::look(kubeconfig).await {
            Ok(now) => worse(before, &now),
            Err(why) => vec![why],
        };
        if wrong.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            let more = wrong.len().saturating_sub(MOST_WORSE);
            wrong.truncate(MOST_WORSE);
            if more > 0 {
                wrong.push(format!("and {more} more"));
            }
            return Err(wrong);
        }
        sleep(PAUSE).await;
    }
}

/// What kwo notes of a k3s that it installed itself.
fn record(job: &Job<'_>, named: &Named, from: &str) -> Result<(), Failure> {
    let Some(record) = job.facts.here.record.as_ref() else { return Ok(()) };
    // A note of another k3s tells nothing of this one.
    let noted = job.sight.noted.as_ref();
    let mine = job.facts.here.program.as_ref().is_some_and(|program| program.sha256 == record.sha256)
        || noted.is_some_and(|noted| [&noted.from.sha256, &noted.to.sha256].contains(&&record.sha256));
    if record.sha256 == named.sha256 || !mine {
        return Ok(());
    }
    let Named { version, sha256 } = named.clone();
    note(job.machine, &Record { version, sha256, from: from.into(), ..record.clone() })
}

/// What a person can do from here on, where the run has not come to its end.
fn ways(failure: Failure, upgrade: &Upgrade) -> Failure {
    if upgrade.back {
        return failure.hint("the same command goes on from there");
    }
    let failure = failure.hint("to go on waiting: the same command once more");
    let Named { version, .. } = &upgrade.from;
    failure.hint(format!(
        "to go back to {version} and to the objects from before the upgrade: `kwo node upgrade --rollback`"
    ))
}
