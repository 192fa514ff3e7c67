//! Takes k3s to another version, or back. The program is what decides: until the new one is in its place, whatever goes wrong
//! starts the old one again; from then on the copies that it kept lead back, and only a person asks for that.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use smol_str::{SmolStr, format_smolstr};
use tempfile::TempPath;
use tokio::sync::watch;

use super::fetch::Lost;
use super::machine::Machine;
use super::perform::{Event, copy, ended, put, read, stage, unwritten};
use super::release::{Place, sum_in};
use super::service::Service;
use super::settled::started;
use super::sight::Sight;
use crate::archive::Recipient;
use crate::backup::{self, BackupError};
use crate::failure::Failure;
use crate::providers::{in_root, named_temporary, sweep};
use crate::run::{Interrupted, unless_told};
use kwo_planner::k3s::{Facts, KEPT, Named, PROGRAM, Release, Stage, Upgrade, Upgrading, What};
use kwo_planner::plain::one_line;

/// No program of k3s is longer.
const LONGEST_PROGRAM: u64 = 512 << 20;

/// What is to be done.
pub struct Job<'j> {
    /// The machine.
    pub machine: &'j Machine,
    /// What was found on it.
    pub facts: &'j Facts,
    /// The steps.
    pub plan: &'j Upgrading,
    /// What else was found.
    pub sight: &'j Sight,
    /// What is put in the place of the program, where something has to be got.
    pub release: Option<&'j Release>,
    /// Where from.
    pub place: &'j Place,
    /// Who can open the backup, where it goes, and how many stay.
    pub backup: (&'j [Recipient], &'j Path, Option<usize>),
    /// How long the node and the workloads may take.
    pub patience: Duration,
    /// How long kwo waits before it compares the workloads: what the API says first is from before the restart.
    pub settle: Duration,
    /// A saved plan says all of it.
    pub planned: bool,
    /// Workloads that are worse than before do not count.
    pub ignores_workloads: bool,
    /// Turns true when the run is to end.
    pub stop: &'j watch::Receiver<bool>,
}

/// Takes k3s to the other version.
///
/// # Errors
/// When a step cannot be taken; it says which k3s runs then, and what goes on or back.
pub async fn upgrade(job: &Job<'_>, mut told: impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let Job { machine, plan, sight, release, place, stop, .. } = job;
    let mut upgrade = match (&sight.noted, plan.stage) {
        (Some(noted), Stage::Swapped) => {
            return started(job, &mut noted.clone(), false, &mut told).await;
        }
        (Some(noted), Stage::Begun) => noted.clone(),
        _ => begun(job)?,
    };
    let release = release.ok_or_else(|| Failure::new("kwo does not know which k3s to install"))?;
    if release.sha256 != upgrade.to.sha256 {
        return Err(Failure::new(format!(
            "{} has another k3s {} now than when the upgrade began",
            one_line(&release.from),
            release.version
        ))
        .hint("nothing was changed; find out why, or end that upgrade: `kwo node upgrade --rollback`"));
    }
    told(Event::Begins(&format!("getting k3s {} from {}", release.version, one_line(&release.from))));
    let got = unless_told(stop, stage(machine, release, place, job.planned)).await;
    let (program, path) = got.map_err(|Interrupted| ended(true))??;
    for step in &plan.steps {
        let image = step.id.strip_prefix("node:Images/");
        let image = release.images.iter().find(|have| Some(have.name.as_str()) == image);
        if step.id == "node:Backup/k3s" && step.what != What::Unchanged {
            told(Event::Begins("backing up the node"));
            upgrade.backup = Some(back_up(job).await?);
            told(Event::Done(step));
        } else if let Some(image) = image {
            copy(machine, &place.of(&release.version, &image.name), &image.name, &image.sha256)?;
            told(Event::Done(step));
        }
    }
    machine.note_upgrade(&upgrade)?;
    let kept = keep_program(machine, &upgrade);
    if kept.is_err() || *stop.borrow() {
        // Nothing has changed. A note that stays would tell a later run of this time.
        machine.forget_upgrade();
        return kept.and(Err(ended(true)));
    }
    told(Event::Begins("stopping k3s; pods go on"));
    if let Err(failure) = swap(job, &mut upgrade, program, &path).await {
        let failure = again(failure).await;
        if sum_in(&path).is_ok_and(|sum| upgrade.from.sha256 == sum) {
            machine.forget_upgrade();
        }
        return Err(failure);
    }
    started(job, &mut upgrade, true, &mut told).await
}

/// Puts the previous version and its database back.
///
/// # Errors
/// As for an upgrade.
pub async fn rollback(job: &Job<'_>, mut told: impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let Job { machine, plan, sight, stop, .. } = job;
    let Some(mut upgrade) = sight.noted.clone() else { return Ok(()) };
    let swapped = plan.steps.iter().any(|step| step.id == "node:Binary/k3s");
    let mut aside = None;
    if swapped {
        let (program, path) = staged_back(machine, &upgrade)?;
        let live = machine.of_backup().database().map_err(|error| not_back(&error))?.path;
        let kept = machine.kept_database()?;
        if *stop.borrow() {
            return Err(ended(true));
        }
        told(Event::Begins("stopping k3s; pods go on"));
        if let Err(why) = stopped().await {
            return Err(again(why).await);
        }
        // From here on only the way back leads to a k3s that fits its database.
        let before = upgrade.clone();
        (upgrade.back, upgrade.ended) = (true, false);
        if let Err(failure) = machine.note_upgrade(&upgrade) {
            return Err(again(failure).await);
        }
        let end = format!("after-{}", upgrade.to.version);
        let moved = tokio::task::spawn_blocking(move || backup::put_back(&kept, &live, &end)).await;
        let moved = moved.map_err(|error| Failure::new("the way back broke off").because(&error));
        let moved = match moved.and_then(|moved| moved.map_err(|error| not_back(&error))) {
            Ok(moved) => moved,
            Err(mut failure) => {
                // The newer database is in its place, so the upgrade is as it was.
                if let Err(unnoted) = machine.note_upgrade(&before) {
                    failure.causes.push(unnoted.message);
                }
                return Err(again(failure).await);
            }
        };
        if let Err(error) = put(program, &path)
            && !sum_in(&path).is_ok_and(|sum| upgrade.from.sha256 == sum)
        {
            return Err(unwritten(PROGRAM, &error.into())
                .hint("k3s is stopped; `kwo node upgrade --rollback` goes on from there"));
        }
        aside = Some(format!("the newer database is {}", one_line(&moved.display().to_string())));
    }
    upgrade.back = true;
    let ended = started(job, &mut upgrade, swapped, &mut told).await;
    if let Some(aside) = aside {
        told(Event::Begins(&aside));
    }
    ended
}

/// What kwo notes before it changes anything.
fn begun(job: &Job<'_>) -> Result<Upgrade, Failure> {
    let Job { facts, sight, release, .. } = job;
    let unknown = || Failure::new("kwo does not know which k3s is there, or which one to install");
    let program = facts.here.program.as_ref().ok_or_else(unknown)?;
    let release = release.ok_or_else(unknown)?;
    Ok(Upgrade {
        from: Named { version: program.version.clone().ok_or_else(unknown)?, sha256: program.sha256.clone() },
        to: Named { version: release.version.clone(), sha256: release.sha256.clone() },
        source: release.from.clone(),
        node: sight.node.clone().ok_or_else(unknown)?,
        begun: now(),
        backup: None,
        before: sight.cluster.clone().map_err(Failure::new)?,
        copy: None,
        identity: sight.identity.clone().ok_or_else(unknown)?,
        ended: false,
        back: false,
    })
}

async fn back_up(job: &Job<'_>) -> Result<SmolStr, Failure> {
    let (recipients, folder, keep) = job.backup;
    let (recipients, folder, told) = (recipients.to_vec(), folder.to_owned(), job.stop.clone());
    let machine = job.machine.of_backup();
    let work = tokio::task::spawn_blocking(move || {
        let wanted = backup::Wanted {
            machine: &machine,
            recipients: &recipients,
            folder: &folder,
            keep,
            kwo: env!("CARGO_PKG_VERSION"),
            now: Timestamp::now(),
        };
        backup::make(&wanted, &|| *told.borrow())
    });
    let made = work.await.map_err(|error| Failure::new("the backup broke off").because(&error))?;
    let made = made.map_err(|error| {
        Failure::new("no backup was made, so nothing was changed")
            .because(&error)
            .hint("`kwo node backup` says what to do")
    })?;
    let missing = made.checked.missing();
    if !missing.is_empty() {
        let causes = missing.into_iter().map(|left| format!("{}: {}", left.path, left.why)).collect();
        let message = format!("the backup {} lacks something, so nothing was changed", made.file.display());
        let hint = match job.planned {
            true => {
                "`kwo node backup` says what to do; a plan that is made with `--ignore backup`, `--out` and no recipient has only the copy on this machine"
            }
            false => {
                "`kwo node backup` says what to do; with `--ignore backup` and no recipient there is only the copy on this machine"
            }
        };
        return Err(Failure { causes, ..Failure::new(message) }.hint(hint));
    }
    Ok(made.file.display().to_string().into())
}

/// Copies the previous program to where it leads back from.
fn keep_program(machine: &Machine, upgrade: &Upgrade) -> Result<(), Failure> {
    let to = machine.kept_program()?;
    if sum_in(&to).is_ok_and(|sum| upgrade.from.sha256 == sum) {
        return Ok(());
    }
    let path = in_root(&machine.root, Path::new(PROGRAM), None).map_err(|error| unwritten(KEPT, &error))?;
    let (made, to) = staged(&path, &to, &upgrade.from)?;
    put(made, &to).map_err(|error| unwritten(KEPT, &error.into()))
}

/// The previous program, beside the place that it goes to.
fn staged_back(machine: &Machine, upgrade: &Upgrade) -> Result<(TempPath, PathBuf), Failure> {
    let path = in_root(&machine.root, Path::new(PROGRAM), None);
    let path = path.map_err(|error| unwritten(PROGRAM, &error))?;
    staged(&machine.kept_program()?, &path, &upgrade.from)
}

/// A copy of a program, beside the place that it goes to, if it is this one.
fn staged(from: &Path, to: &Path, named: &Named) -> Result<(TempPath, PathBuf), Failure> {
    let shown = to.display().to_string();
    let cannot = |error: io::Error| unwritten(&shown, &error.into());
    let folder = to.parent().unwrap_or(Path::new("/"));
    sweep(folder);
    let mut made = named_temporary(folder).map_err(cannot)?;
    let sum = read(&from.display().to_string(), LONGEST_PROGRAM, &mut made).map_err(|lost| match lost {
        Lost::Source(why) => {
            let message = format!("cannot copy the program of k3s {}", named.version);
            Failure { causes: vec![why], ..Failure::new(message) }
                .hint("make that file readable; the same command goes on from there")
        }
        Lost::Here(error) => cannot(error),
    })?;
    if named.sha256 != sum {
        let message =
            format!("{} is not k3s {} any more", one_line(&from.display().to_string()), named.version);
        return Err(Failure::new(message).hint("nothing was changed; somebody is at work on this machine"));
    }
    made.as_file().set_permissions(Permissions::from_mode(0o755)).map_err(cannot)?;
    made.as_file().sync_all().map_err(cannot)?;
    Ok((made.into_temp_path(), to.to_owned()))
}

/// From the stop of the old k3s to the new program in its place.
async fn swap(job: &Job<'_>, upgrade: &mut Upgrade, program: TempPath, path: &Path) -> Result<(), Failure> {
    let machine = job.machine;
    stopped().await?;
    // What is written from here on is not in the copy.
    upgrade.begun = now();
    let live = machine.of_backup().database().map_err(|error| unkept(&error))?.path;
    let kept = machine.kept_database()?;
    let copied = tokio::task::spawn_blocking(move || backup::keep(&live, &kept)).await;
    let copied =
        copied.map_err(|error| Failure::new("the copy of the database broke off").because(&error))?;
    upgrade.copy = Some(copied.map_err(|error| unkept(&error))?.into());
    machine.note_upgrade(upgrade)?;
    // While nobody looked somebody may have replaced it.
    if !sum_in(path).is_ok_and(|sum| upgrade.from.sha256 == sum) {
        return Err(Failure::new(format!("somebody has replaced /{PROGRAM} meanwhile")));
    }
    if !Service.has_ended().await.map_err(|why| unstopped(&why))? {
        return Err(Failure::new("somebody has started k3s meanwhile"));
    }
    match put(program, path) {
        Err(error) if !sum_in(path).is_ok_and(|sum| upgrade.to.sha256 == sum) => {
            Err(unwritten(PROGRAM, &error.into()))
        }
        _ => Ok(()),
    }
}

fn now() -> SmolStr {
    format_smolstr!("{}", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"))
}

/// After something went wrong while k3s was stopped: starts what is there, and says so.
async fn again(failure: Failure) -> Failure {
    match Service.start_again().await {
        Ok(()) => failure.hint(
            "kwo asked systemd to start k3s again: `systemctl status k3s` shows it; the same command tries once more",
        ),
        Err(why) => {
            let mut failure = failure;
            failure.causes.push(why);
            failure.hint("k3s is stopped: `systemctl start k3s`")
        }
    }
}

/// Stops k3s.
async fn stopped() -> Result<(), Failure> {
    Service.stop().await.map_err(|why| unstopped(&why))
}

fn unstopped(why: &str) -> Failure {
    Failure { causes: vec![why.to_owned()], ..Failure::new("systemd does not stop k3s") }
}

fn unkept(error: &BackupError) -> Failure {
    Failure::new(format!("cannot copy the database to /{KEPT}")).because(error)
}

fn not_back(error: &BackupError) -> Failure {
    Failure::new("cannot put the previous database back").because(error)
}
