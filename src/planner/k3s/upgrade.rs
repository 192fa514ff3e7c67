//! From what was found on a machine with k3s and what is wanted to the steps that take k3s to another version, or back.
//!
//! Whether the new program is in its place decides all: before that, the old one is on and nothing is lost; after that, the
//! database belongs to the new one, and only the copy that was made before leads back. So a run that was killed is gone on
//! with by what is there, and by no count of steps.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::before::Seen;
use super::facts::{Facts, Here};
use super::gates::{alive, down, gates, machine, room};
use super::install::{Release, Step, What, Wish};
use super::moves::{Move, notes};
use super::preflight::{Check, Grade, Noticed};
use super::texts::KEPT;
use crate::plain::one_line;
use crate::roster::{K3sVersion, NodeName};

/// How far an upgrade is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing has begun.
    New,
    /// It began, and the old k3s is in its place.
    Begun,
    /// The new k3s is in its place, and is not known to be well.
    Swapped,
    /// The way back began.
    Back,
    /// There is nothing to do.
    Done,
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upgrading {
    /// How far it is.
    pub stage: Stage,
    /// The k3s that is there.
    pub from: Option<K3sVersion>,
    /// The one that will be.
    pub to: Option<K3sVersion>,
    /// What a person has to know.
    pub noticed: Vec<Noticed>,
    /// What to do, in order. Nothing where something keeps kwo from it.
    pub steps: Vec<Step>,
}

impl Upgrading {
    pub(super) fn stopped(stage: Stage, seen: Option<K3sVersion>, noticed: Vec<Noticed>) -> Upgrading {
        Upgrading { stage, from: seen, to: None, noticed, steps: Vec::new() }
    }

    /// Nothing keeps kwo from it.
    #[must_use]
    pub fn can_be_done(&self) -> bool {
        self.noticed.iter().all(|noticed| noticed.grade != Grade::Stop)
    }
}

/// The k3s that a release has to be found for: that of an upgrade which was begun goes on.
#[must_use]
pub fn to_find(here: &Here, seen: &Seen<'_>, wish: &Wish) -> Option<Wish> {
    match stage(here, seen) {
        Stage::New | Stage::Done => Some(wish.clone()),
        Stage::Begun => seen.noted.map(|noted| Wish::Version(noted.to.version.clone())),
        Stage::Swapped | Stage::Back => None,
    }
}

/// Whether it counts for this move which APIs somebody asks for: to look at them takes up to a minute.
#[must_use]
pub fn needs_apis(here: &Here, seen: &Seen<'_>, to: &K3sVersion) -> bool {
    let from = here.program.as_ref().and_then(|program| program.version.as_ref());
    stage(here, seen) == Stage::New && from.is_some_and(|from| Move::between(from, to) == Move::Minor)
}

fn stage(here: &Here, seen: &Seen<'_>) -> Stage {
    match seen.noted.filter(|noted| noted.is_open(here, seen.identity)) {
        Some(noted) if noted.back => Stage::Back,
        Some(noted) if noted.to.is_in(here) => Stage::Swapped,
        Some(_) if !here.active => Stage::Begun,
        // Where the old one runs nothing has changed, and what was noted may be old.
        _ => Stage::New,
    }
}

/// What to do to have another version.
#[must_use]
pub fn upgrade(
    facts: &Facts,
    seen: &Seen<'_>,
    wish: &Wish,
    release: Option<&Release>,
    ignored: &BTreeSet<Check>,
) -> Upgrading {
    let here = &facts.here;
    let version = here.program.as_ref().and_then(|program| program.version.clone());
    let stage = stage(here, seen);
    let mut noticed = machine(facts);
    let stops = noticed.iter().any(|noticed| noticed.grade == Grade::Stop);
    let Some(version) = version.clone().filter(|_| !stops) else {
        return Upgrading::stopped(stage, version, noticed);
    };
    noticed.extend(down(facts, stage));
    if stage == Stage::Back {
        let hint = "go on with the way back: `kwo node upgrade --rollback`";
        noticed.push(Noticed::stop(Check::Version, "kwo was going back to the previous version", hint));
        return Upgrading::stopped(stage, Some(version), noticed);
    }
    let begun = seen.noted.filter(|_| matches!(stage, Stage::Begun | Stage::Swapped));
    if let (Some(begun), Wish::Version(wanted)) = (begun, wish)
        && *wanted != begun.to.version
    {
        noticed.push(Noticed::stop(
            Check::Version,
            format!("an upgrade to {} has begun, and {wanted} is wanted", begun.to.version),
            format!(
                "end it first: `kwo node upgrade --version {}`, or `kwo node upgrade --rollback`",
                begun.to.version
            ),
        ));
    }
    let to = begun.map(|begun| &begun.to.version).or(release.map(|release| &release.version));
    let Some(to) = to.cloned() else {
        return Upgrading::stopped(stage, Some(version), noticed);
    };
    if stage == Stage::New {
        match Move::between(&version, &to) {
            Move::Same => {
                alive(facts, seen, &version, &mut noticed);
                ignore(&mut noticed, ignored);
                let to = Some(to);
                return Upgrading { to, ..Upgrading::stopped(Stage::Done, Some(version), noticed) };
            }
            Move::Patch | Move::Minor => {}
            Move::TooFar(next) => noticed.push(Noticed::stop(
                Check::Version,
                format!("from {version} to {to} is more than one minor version"),
                format!("go to the next one first: `kwo node upgrade --channel {next}`"),
            )),
            Move::Older => noticed.push(Noticed::stop(
                Check::Version,
                format!("{to} is older than {version}, and cannot read what that wrote"),
                "to go back to what was there before the last upgrade: `kwo node upgrade --rollback`",
            )),
        }
    }
    if stage == Stage::New {
        gates(facts, seen, &version, &to, &mut noticed);
    }
    if stage != Stage::Swapped {
        noticed.extend(room(facts, seen));
        noticed.extend(notes(&version, &to, facts));
        let hint = "pass `--recipient age1…`, as for `kwo node backup`; with `--ignore backup` there is only the copy on this machine";
        let made = begun.is_some_and(|begun| begun.backup.is_some());
        if !seen.recipient && !made {
            let what = "nobody is named who can open the backup that kwo makes first";
            noticed.push(Noticed::stop(Check::Backup, what, hint));
        }
    }
    ignore(&mut noticed, ignored);
    let mut planned =
        Upgrading { stage, from: Some(version), to: Some(to.clone()), noticed, steps: Vec::new() };
    if let (true, Some(node)) = (planned.can_be_done(), begun.map(|begun| &begun.node).or(seen.node)) {
        if let Some(begun) = begun {
            planned.from = Some(begun.from.version.clone());
        }
        planned.steps = steps(facts, seen, release, node, &to, stage);
    }
    planned
}

/// Makes a warning of what a person says does not count.
fn ignore(noticed: &mut [Noticed], ignored: &BTreeSet<Check>) {
    for noticed in noticed {
        if ignored.contains(&noticed.check) && UPGRADE_IGNORES.contains(&noticed.check) {
            noticed.grade = Grade::Warning;
            "`--ignore` says that it does not count".clone_into(&mut noticed.hint);
        }
    }
}

/// What can be said not to count.
pub const UPGRADE_IGNORES: [Check; 5] =
    [Check::Disk, Check::Backup, Check::Nodes, Check::Apis, Check::Workloads];

fn steps(
    facts: &Facts,
    seen: &Seen<'_>,
    release: Option<&Release>,
    node: &NodeName,
    to: &K3sVersion,
    stage: Stage,
) -> Vec<Step> {
    let step = |id: String, what: What, detail: String| Step { id, what, detail };
    let mut steps = Vec::new();
    if stage != Stage::Swapped {
        // Whoever can have a new one gets it: the old one may be of long ago.
        let made = seen.noted.filter(|_| stage == Stage::Begun && !seen.recipient);
        let made = made.and_then(|noted| noted.backup.clone());
        if seen.recipient || made.is_some() {
            let what = if made.is_some() { What::Unchanged } else { What::Create };
            let detail =
                made.map_or("encrypted, and read back".to_owned(), |file| one_line(&file).into_owned());
            steps.push(step("node:Backup/k3s".to_owned(), what, detail));
        }
        for image in release.iter().flat_map(|release| &release.images) {
            let detail = super::install::of_image(facts, &image.name, &image.sha256);
            steps.push(step(format!("node:Images/{}", image.name), What::Create, detail));
        }
        let detail = format!("stop k3s, and copy its database and its program to /{KEPT}; pods go on");
        steps.push(step("node:Kept/k3s".to_owned(), What::Create, detail));
        let detail = release.map_or_else(|| to.to_string(), super::install::of);
        steps.push(step("node:Binary/k3s".to_owned(), What::Change, detail));
    }
    steps.extend(started(node, to));
    steps
}

/// The steps that start a k3s and see whether all is as before.
pub(super) fn started(node: &NodeName, version: &K3sVersion) -> [Step; 3] {
    let run = |id: String, detail: String| Step { id, what: What::Run, detail };
    [
        run("node:Service/k3s".to_owned(), "start k3s".to_owned()),
        run(format!("node:Ready/{node}"), format!("wait until the node is ready and says {version}")),
        run(
            "node:Workloads/k3s".to_owned(),
            "wait until each workload has as many ready pods as before".to_owned(),
        ),
    ]
}
