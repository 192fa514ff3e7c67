//! From what was found on a machine with k3s and what is wanted to the steps that take k3s to another version, or back.
//!
//! Whether the new program is in its place decides all: before that, the old one is on and nothing is lost; after that, the
//! database belongs to the new one, and only the copy that was made before leads back. So a run that was killed is gone on
//! with by what is there, and by no count of steps.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::before::{Cluster, Database, NodeSaid, Seen};
use super::facts::{Facts, Found, Here};
use super::install::{Release, Step, What, Wish, masked, unfit};
use super::moves::{Move, falls_behind, notes};
use super::preflight::{Check, Grade, LEAST_DATA, LEAST_PROGRAM, Noticed, tight};
use super::texts::{KEPT, PROGRAM};
use crate::plain::{counted, one_line};
use crate::roster::{K3sVersion, NodeName};
use crate::units::size;

/// The program, and some to spare.
const SPARE: u64 = 400 << 20;
/// kwo copies a database in memory, and SQLite takes no longer one there.
const MOST_BYTES: u64 = 1 << 30;
/// A k3s that runs writes every few seconds.
const MOST_IDLE: u64 = 3600;

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
        noticed.push(Noticed::stop(Check::Version, "kwo was going back to the version of before", hint));
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
        planned.steps = steps(seen, release, node, &to, stage);
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
pub const UPGRADE_IGNORES: [Check; 4] = [Check::Disk, Check::Backup, Check::Nodes, Check::Workloads];

/// What keeps kwo from any upgrade of this machine.
pub(super) fn machine(facts: &Facts) -> Vec<Noticed> {
    let here = &facts.here;
    let mut noticed = Vec::new();
    if !facts.may_write {
        noticed.push(Noticed::stop(Check::Root, "kwo does not run as root", "run it with sudo"));
    }
    let mut stop = |what: String, hint: &str| noticed.push(Noticed::stop(Check::K3s, what, hint));
    if here.found() == Found::Nothing && facts.live {
        stop("there is no k3s on this machine".to_owned(), "`kwo node install` installs one");
        return noticed;
    }
    if !facts.live {
        stop(
            "k3s does not run below another root than /".to_owned(),
            "run this on the machine itself; an image gets another k3s by `kwo node install` as long as it never started",
        );
        return noticed;
    }
    match &here.program {
        None => stop(
            "there is no program of k3s".to_owned(),
            "put it back: an older one cannot read what a newer one wrote",
        ),
        Some(program) if program.path != PROGRAM => stop(
            format!("the program of k3s is /{}, and kwo replaces only /{PROGRAM}", program.path),
            "upgrade k3s as it was installed: by its package, or by the tool that put it there",
        ),
        Some(program) if program.sha256.is_empty() => stop(
            format!("/{} is a symbolic link", program.path),
            "kwo replaces no link; upgrade k3s as it was installed",
        ),
        Some(program) if program.version.is_none() && here.loose.is_empty() => {
            stop(format!("/{} does not say its version", program.path), "`k3s --version` says it");
        }
        Some(_) => {}
    }
    if here.program.is_none() {
        noticed.extend(masked(facts));
    }
    let mut stop = |what: String, hint: &str| noticed.push(Noticed::stop(Check::K3s, what, hint));
    match here.unit.as_ref().filter(|_| !here.masked) {
        None if here.masked => {}
        None => stop(
            "k3s has no unit of systemd that kwo knows".to_owned(),
            "kwo restarts `k3s.service`, and nothing else",
        ),
        Some(unit) if unit.path.ends_with("k3s-agent.service") => stop(
            "this machine is an agent of k3s".to_owned(),
            "upgrade its server first; then follow https://docs.k3s.io/upgrades/manual here",
        ),
        Some(unit) if !unit.text.contains(&format!("/{PROGRAM}")) => stop(
            format!("/{} does not start /{PROGRAM}", unit.path),
            "upgrade k3s as it was installed: by its package, or by the tool that put it there",
        ),
        Some(_) => {}
    }
    if facts.selinux {
        noticed.push(Noticed::stop(
            Check::Os,
            "SELinux enforces its rules, and a program that kwo puts there has no label of its own",
            "upgrade k3s by its own script: https://docs.k3s.io/upgrades/manual",
        ));
    }
    if here.program.is_some() {
        noticed.extend(unfit(facts, false));
    }
    if let Found::Own(record) = here.found()
        && !record.installed
    {
        let hint = "go on with it first: the same `kwo node install` as before";
        noticed.push(Noticed::stop(Check::K3s, "kwo has not ended the installation of k3s", hint));
    }
    noticed
}

/// That a run which was cut short has left k3s stopped.
pub(super) fn down(facts: &Facts, stage: Stage) -> Option<Noticed> {
    let cut = matches!(stage, Stage::Begun | Stage::Swapped | Stage::Back) && facts.live;
    (cut && !facts.here.active).then(|| {
        let hint = "this command starts it; until then `systemctl start k3s` does";
        Noticed::warning(Check::K3s, "k3s does not run now", hint)
    })
}

/// Whether k3s and this node are well, and which cluster that is.
fn alive<'s>(
    facts: &Facts,
    seen: &Seen<'s>,
    from: &K3sVersion,
    noticed: &mut Vec<Noticed>,
) -> Option<&'s Cluster> {
    if !facts.here.active {
        noticed.push(Noticed::stop(
            Check::K3s,
            "k3s does not run",
            "start it first: `systemctl start k3s`; `journalctl -u k3s -n 50` says why it does not run",
        ));
        return None;
    }
    let cluster = match seen.cluster {
        Ok(cluster) => cluster,
        Err(why) => {
            let hint = "kwo upgrades only what is well; `journalctl -u k3s -n 50` says more";
            noticed.push(Noticed::stop(Check::K3s, one_line(why), hint));
            return None;
        }
    };
    let this = seen.node.map(NodeName::as_str).unwrap_or_default();
    match cluster.nodes.get(this) {
        None => noticed.push(Noticed::stop(
            Check::Name,
            format!("the cluster has no node `{this}`"),
            "`kubectl get nodes` shows the names; `node-name` in /etc/rancher/k3s/config.yaml says that of this machine",
        )),
        Some(NodeSaid { version, .. }) if version != from.as_str() => {
            let version = one_line(version);
            noticed.push(Noticed::stop(
                Check::K3s,
                format!("the node {this} runs {version}, and /{PROGRAM} is {from}"),
                format!("somebody replaced the program, and k3s was not restarted since; put k3s {version} back at /{PROGRAM} first"),
            ));
        }
        Some(NodeSaid { ready: false, .. }) => noticed.push(Noticed::stop(
            Check::Nodes,
            format!("the node {this} is not ready"),
            "mend it first: an upgrade would hide the cause",
        )),
        Some(_) => {}
    }
    Some(cluster)
}

/// What has to be so before the first change.
fn gates(facts: &Facts, seen: &Seen<'_>, from: &K3sVersion, to: &K3sVersion, noticed: &mut Vec<Noticed>) {
    let stop = |what: String, hint: &str| Noticed::stop(Check::Datastore, what, hint);
    match seen.database {
        Err(why) => noticed.push(stop(
            one_line(why).into_owned(),
            "kwo upgrades a single server that keeps its objects in SQLite; for another one follow https://docs.k3s.io/upgrades/manual",
        )),
        Ok(Database { bytes, .. }) if bytes > MOST_BYTES => noticed.push(stop(
            format!("the database has {}, and kwo copies at most {}", size(bytes), size(MOST_BYTES)),
            "remove objects and events that nobody needs; k3s makes the database smaller by and by",
        )),
        Ok(Database { idle: Some(idle), .. }) if facts.here.active && idle > MOST_IDLE => noticed.push(stop(
            format!("k3s runs, and nobody has written to the database that kwo found for {}", counted(idle / 60, "minute", "minutes")),
            "k3s may keep its objects elsewhere: `systemctl cat k3s` shows the options",
        )),
        Ok(_) => {}
    }
    let Some(cluster) = alive(facts, seen, from, noticed) else { return };
    let this = seen.node.map(NodeName::as_str).unwrap_or_default();
    for (name, said) in cluster.nodes.iter().filter(|(name, _)| *name != this) {
        let name = one_line(name);
        let version: Option<K3sVersion> = said.version.parse().ok();
        if version.as_ref().is_some_and(|version| falls_behind(version, to)) {
            noticed.push(Noticed::stop(
                Check::Nodes,
                format!(
                    "the node {name} runs {}, which is too old for a server of {to}",
                    one_line(&said.version)
                ),
                "upgrade that node first: https://docs.k3s.io/upgrades/manual",
            ));
        } else if !said.ready {
            let hint = "kwo goes on all the same; it compares with what is there now";
            noticed.push(Noticed::warning(Check::Nodes, format!("the node {name} is not ready"), hint));
        }
    }
}

/// Whether the copies have room.
fn room(facts: &Facts, seen: &Seen<'_>) -> Vec<Noticed> {
    let mut noticed = tight(&[(&facts.data, LEAST_DATA), (&facts.programs, LEAST_PROGRAM)]);
    let bytes = seen.database.map_or(0, |database| database.bytes);
    let need = bytes.saturating_add(SPARE);
    if let Some(free) = seen.free.filter(|free| *free < need) {
        noticed.push(Noticed::stop(
            Check::Disk,
            format!("{} is free for /{KEPT}; expected at least {}", size(free), size(need)),
            "free some space, or mount another disk there",
        ));
    }
    noticed
}

fn steps(
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
            let detail = format!("sha256:{}", image.sha256);
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
