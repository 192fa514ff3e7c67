//! From what was found on a machine and what is wanted to the steps that make it a node. A k3s that somebody else installed
//! is never touched, and one that kwo installed is never replaced.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::facts::{Arch, Facts, Found, Here, Record};
use super::preflight::{Check, Grade, Noticed, preflight};
use super::texts::{DROP_IN, PROGRAM, UNIT, config, unit};
use crate::plain::one_line;
use crate::roster::scalar::quote;
use crate::roster::{K3sChannel, K3sVersion, NodeName};
use crate::tree::SmolStr;

/// Which k3s somebody wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wish {
    /// This one.
    Version(K3sVersion),
    /// The one that this leads to.
    Channel(K3sChannel),
}

/// A file with images that k3s loads when it starts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Image {
    /// Its name.
    pub name: SmolStr,
    /// SHA-256 of it.
    pub sha256: SmolStr,
}

/// What is to be installed, as its place says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Release {
    /// Which k3s.
    pub version: K3sVersion,
    /// What for.
    pub arch: Arch,
    /// Where it comes from.
    pub from: SmolStr,
    /// SHA-256 of the program.
    pub sha256: SmolStr,
    /// The images beside it.
    pub images: Vec<Image>,
}

/// A file of k3s that the roster has something to say in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RosterFile {
    /// Where, from the root.
    pub path: SmolStr,
    /// What is to be done, or why nothing can be.
    pub what: Result<What, String>,
}

/// What the roster says of the node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roster {
    /// Its name.
    pub name: Option<NodeName>,
    /// The files.
    pub files: Vec<RosterFile>,
}

/// How far a machine is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There is no k3s.
    New,
    /// kwo began to install it.
    Begun,
    /// kwo installed it.
    Installed,
    /// Somebody else installed it.
    Adopted,
}

/// What is done in a step.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A file is made.
    Create,
    /// A file that kwo wrote, or may write to, is changed.
    Change,
    /// Something is done, and no file of kwo's written.
    Run,
    /// It is so already.
    Unchanged,
}

/// One step.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Step {
    /// What it is about.
    pub id: String,
    /// What is done.
    pub what: What,
    /// In words.
    pub detail: String,
}

/// What is to be done on a machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Install {
    /// How far it is.
    pub state: State,
    /// The name of the node, as far as it is known.
    pub node: Option<NodeName>,
    /// Which k3s there is, or will be.
    pub version: Option<K3sVersion>,
    /// What a person has to know.
    pub noticed: Vec<Noticed>,
    /// What to do, in order. Nothing where something keeps kwo from it.
    pub steps: Vec<Step>,
}

impl Install {
    /// No run has brought it to its end yet, so nobody relies on this k3s.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.state, State::New | State::Begun)
    }

    /// Nothing keeps kwo from it.
    #[must_use]
    pub fn can_be_done(&self) -> bool {
        self.noticed.iter().all(|noticed| noticed.grade != Grade::Stop)
    }

    /// The steps that are not so already.
    pub fn to_do(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.what != What::Unchanged)
    }

    /// What is done to the object with this id.
    #[must_use]
    pub fn of(&self, id: &str) -> What {
        self.steps.iter().find(|step| step.id == id).map_or(What::Unchanged, |step| step.what)
    }
}

impl Wish {
    /// The k3s that a release has to be found for; nothing where what is there is enough, or stays in any case.
    #[must_use]
    pub fn to_find(&self, here: &Here, images: bool) -> Option<Wish> {
        let Found::Own(record) = here.found() else {
            return (here.found() == Found::Nothing).then(|| self.clone());
        };
        let kept = Wish::Version(record.version.clone());
        let is_there = here.program.as_ref().is_some_and(|program| program.sha256 == record.sha256);
        match self {
            Wish::Version(wanted) if *wanted != record.version => (!started(here)).then(|| self.clone()),
            _ if record.installed && here.program.is_some() => None,
            _ if is_there && !images => None,
            _ => Some(kept),
        }
    }
}

/// k3s has run: what it wrote belongs to its version.
fn started(here: &Here) -> bool {
    here.data || here.active || here.record.as_ref().is_some_and(|record| record.installed)
}

/// What to do.
#[must_use]
pub fn install(
    facts: &Facts,
    wish: &Wish,
    release: Option<&Release>,
    roster: &Roster,
    ignored: &BTreeSet<Check>,
) -> Install {
    let here = &facts.here;
    let record = match here.found() {
        Found::Others => return adopted(here, wish),
        Found::Own(record) => Some(record),
        Found::Nothing => None,
    };
    let installed = record.is_some_and(|record| record.installed);
    let state = match record {
        None => State::New,
        Some(_) if installed => State::Installed,
        Some(_) => State::Begun,
    };
    let mut noticed = Vec::new();
    if !installed && !here.active {
        noticed = preflight(facts, ignored);
    } else if !facts.may_write {
        noticed.push(Noticed::stop(Check::Root, "kwo does not run as root", "run it with sudo"));
    }
    // Of a record alone nobody knows what there was.
    match record {
        Some(_) => noticed.extend(unfit(facts, installed)),
        None => noticed.extend(loose(here)),
    }
    noticed.extend(other_name(here, release));
    let node = name(facts, roster, record, &mut noticed);
    let runs = here.program.as_ref().filter(|_| started(here)).and_then(|program| program.version.as_ref());
    let runs = runs.or(record.filter(|_| started(here)).map(|record| &record.version));
    if let (Some(runs), Wish::Version(wanted)) = (runs, wish) {
        noticed.extend(other_version(runs, wanted));
    }
    let version = runs.or(release.map(|release| &release.version)).or(record.map(|record| &record.version));
    if !started(here) {
        noticed.extend(facts.joins.iter().map(|(key, file)| joins(key, file)));
    }
    if record.is_none() && here.drop_in.is_some() {
        noticed.push(Noticed::stop(
            Check::Config,
            format!("/{DROP_IN} is there, and kwo did not write it"),
            "move it away, and what it says into /etc/rancher/k3s/config.yaml",
        ));
    }
    for RosterFile { path, what } in &roster.files {
        if let Err(why) = what {
            let hint = format!(
                "move it away, or take it over first: `kwo apply --target dir:/tmp/manifests --node --adopt=node:File/{path}`"
            );
            noticed.push(Noticed::stop(Check::Config, format!("/{path}: {}", one_line(why)), hint));
        }
    }
    let mut steps = Vec::new();
    if let (Some(node), true) = (&node, noticed.iter().all(|noticed| noticed.grade != Grade::Stop)) {
        files(here, release, node, &mut steps, &mut noticed);
        let at = steps.iter().position(|step| step.id.starts_with("node:Unit/")).unwrap_or(steps.len());
        let rosters = roster.files.iter().filter_map(|RosterFile { path, what }| {
            let (id, detail) = (format!("node:File/{path}"), "as the roster says".to_owned());
            what.as_ref().ok().map(|what| Step { id, what: *what, detail })
        });
        steps.splice(at..at, rosters);
        if facts.live {
            running(here, node, &mut steps);
        }
    }
    Install { state, node, version: version.cloned(), noticed, steps }
}

/// k3s would become a part of another cluster, with the first start and for good.
fn joins(key: &str, file: &str) -> Noticed {
    let what = match key {
        "server" => "which makes k3s join another cluster",
        _ => "which makes k3s keep its objects elsewhere, maybe beside those of another cluster",
    };
    Noticed::stop(
        Check::Config,
        format!("{} says `{}`, {what}; kwo makes a single server", one_line(file), one_line(key)),
        format!(
            "take `{}` out of that file, or install k3s as its manual says: https://docs.k3s.io/installation",
            one_line(key)
        ),
    )
}

/// What somebody else than root may change.
fn loose(here: &Here) -> impl Iterator<Item = Noticed> {
    here.loose.iter().map(|file| {
        let is_program = here.program.as_ref().is_some_and(|program| program.path == *file);
        let mode = if is_program { "755" } else { "u+rwX,go-w" };
        Noticed::stop(
            Check::K3s,
            format!("somebody else than root may change /{file}, or it cannot be run"),
            format!("look at what is in it; then `chown root: /{file} && chmod {mode} /{file}`"),
        )
    })
}

/// What keeps kwo from a k3s that it installed itself.
pub(super) fn unfit(facts: &Facts, installed: bool) -> Vec<Noticed> {
    let here = &facts.here;
    let mut noticed: Vec<Noticed> = loose(here).collect();
    if here.program.is_none() && started(here) {
        noticed.push(Noticed::stop(
            Check::K3s,
            format!("k3s has run here, and its program /{PROGRAM} is gone"),
            "put the program of the version that ran last there: an older one cannot read what a newer one wrote",
        ));
    }
    if facts.live && installed && here.unit.is_some() && !here.active {
        noticed.push(Noticed::stop(
            Check::K3s,
            "kwo has installed k3s, and it does not run",
            "`systemctl enable --now k3s` starts it, unless somebody stopped it for a restore or an upgrade; `journalctl -u k3s -n 50` says more",
        ));
    }
    noticed
}

/// The steps that write files.
fn files(
    here: &Here,
    release: Option<&Release>,
    node: &NodeName,
    steps: &mut Vec<Step>,
    noticed: &mut Vec<Noticed>,
) {
    let program = here.program.as_ref();
    let (what, detail) = match (program, release) {
        (Some(program), Some(release)) if program.sha256 != release.sha256 && !started(here) => {
            (What::Change, of(release))
        }
        (None, Some(release)) => (What::Create, of(release)),
        (Some(program), _) => {
            let version = program.version.as_ref().map_or("", |version| version.as_str());
            (What::Unchanged, format!("{version} sha256:{}", program.sha256).trim().to_owned())
        }
        (None, None) => (What::Unchanged, String::new()),
    };
    if let (Some(program), Some(record)) = (program, &here.record)
        && started(here)
        && program.sha256 != record.sha256
    {
        noticed.push(Noticed::warning(
            Check::K3s,
            format!("/{} is not the program that kwo installed", program.path),
            "kwo leaves it as it is",
        ));
    }
    steps.push(Step { id: "node:Binary/k3s".to_owned(), what, detail });
    for Image { name, sha256 } in release.iter().flat_map(|release| &release.images) {
        let what = match here.images.get(name) {
            Some(have) if have == sha256 => What::Unchanged,
            Some(_) => What::Change,
            None => What::Create,
        };
        let detail = format!("sha256:{sha256}");
        steps.push(Step { id: format!("node:Images/{name}"), what, detail });
    }
    let mut text = |id: String, have: Option<&str>, wanted: &str, path: &str, detail: String| {
        let what = match have {
            None => What::Create,
            Some(have) if have == wanted => What::Unchanged,
            Some(_) if !started(here) => What::Change,
            Some(_) => {
                let hint = "kwo leaves it as it is";
                noticed.push(Noticed::warning(Check::Config, format!("somebody changed /{path}"), hint));
                What::Unchanged
            }
        };
        steps.push(Step { id, what, detail });
    };
    let detail = format!("node-name {node}, kubeconfig for root alone");
    text(format!("node:File/{DROP_IN}"), here.drop_in.as_deref(), &config(node), DROP_IN, detail);
    let have = here.unit.as_ref().filter(|unit| unit.path == UNIT).map(|unit| unit.text.as_str());
    text("node:Unit/k3s.service".to_owned(), have, &unit(), UNIT, format!("/{UNIT}"));
}

/// The steps that start k3s.
fn running(here: &Here, node: &NodeName, steps: &mut Vec<Step>) {
    // systemd has to read a unit that comes back.
    let unit = steps.iter().any(|step| step.id.starts_with("node:Unit/") && step.what != What::Unchanged);
    let what = if here.enabled && here.active && !unit { What::Unchanged } else { What::Run };
    let detail = "start it now, and whenever the machine starts".to_owned();
    steps.push(Step { id: "node:Service/k3s".to_owned(), what, detail });
    let installed = here.record.as_ref().is_some_and(|record| record.installed);
    let what = if here.active && here.ready && installed { What::Unchanged } else { What::Run };
    let detail = "wait until the API answers and the node is ready".to_owned();
    steps.push(Step { id: format!("node:Ready/{node}"), what, detail });
}

pub(super) fn of(Release { version, from, sha256, arch: _, images: _ }: &Release) -> String {
    format!("{version} from {}, sha256:{sha256}", one_line(from))
}

/// The name of the node: as it is noted, as the configuration says, as the roster says, or as the machine is called.
fn name(
    facts: &Facts,
    roster: &Roster,
    record: Option<&Record>,
    noticed: &mut Vec<Noticed>,
) -> Option<NodeName> {
    let said = facts.said_name.as_ref().map(|said| said.parse::<NodeName>().map_err(|why| (said, why)));
    let said = match said.transpose() {
        Ok(said) => said,
        Err((said, _)) => {
            let what =
                format!("k3s' configuration names the node {}, which is no name of a node", quote(said));
            noticed.push(Noticed::stop(Check::Name, what, "correct `node-name` there"));
            return None;
        }
    };
    // A name counts for good once k3s has started with it. Before that, the configuration may say another one.
    let noted = record.map(|record| record.node.clone());
    let fixed = if started(&facts.here) { noted.or(said) } else { said.or(noted) };
    // An image may have become another machine.
    if let (Some(fixed), None, true) = (&fixed, &roster.name, facts.live && record.is_some())
        && !started(&facts.here)
        && fixed.to_string() != facts.host.to_ascii_lowercase()
    {
        noticed.push(Noticed::warning(
            Check::Name,
            format!("the node is called {fixed}, as its files say, and the machine {}", quote(&facts.host)),
            format!("nobody can change it later; to call it otherwise, write `cluster.node.name` in the roster, or remove /{DROP_IN} first"),
        ));
    }
    if let (Some(fixed), Some(wanted)) = (&fixed, &roster.name)
        && fixed != wanted
    {
        noticed.push(Noticed::stop(
            Check::Name,
            format!("the node is called {fixed}, and the roster calls it {wanted}"),
            "write the node's name in the roster: nobody can change it on the node",
        ));
        return None;
    }
    if let Some(name) = fixed.or(roster.name.clone()) {
        return Some(name);
    }
    let host = facts.host.to_ascii_lowercase();
    let own = !matches!(host.split('.').next(), None | Some("" | "localhost"));
    match host.parse() {
        Ok(name) if own => Some(name),
        _ => {
            let what = format!("the machine is called {}, which is no name for a node", quote(&facts.host));
            let hint = "give it a name of its own, such as `hostnamectl set-hostname node-1`, or write `cluster.node.name` in the roster";
            noticed.push(Noticed::stop(Check::Name, what, hint));
            None
        }
    }
}

/// The program of one version under the name of another one. What kwo puts in its place says its version first; what is there
/// has said it before.
fn other_name(here: &Here, release: Option<&Release>) -> Option<Noticed> {
    let (program, release) = (here.program.as_ref()?, release?);
    let says = program.version.as_ref().filter(|says| **says != release.version)?;
    (program.sha256 == release.sha256).then(|| {
        Noticed::stop(
            Check::K3s,
            format!(
                "the program from {} says that it is {says}; expected {}",
                one_line(&release.from),
                release.version
            ),
            format!("pass `--version {says}`, or get the program of {}", release.version),
        )
    })
}

/// Why another version than the one that is there is not installed.
fn other_version(runs: &K3sVersion, wanted: &K3sVersion) -> Option<Noticed> {
    let hint = "`kwo node install` changes no version. To stay, write the version that is there; to upgrade, run `kwo node upgrade`";
    match wanted.parts().cmp(&runs.parts()) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => {
            Some(Noticed::stop(Check::K3s, format!("k3s {runs} is there, and {wanted} is wanted"), hint))
        }
        std::cmp::Ordering::Less => {
            let what = format!("k3s {runs} is there, and the older {wanted} is wanted");
            let hint = "an older k3s cannot read what a newer one wrote. To go back, restore a backup of that version: `kwo node restore`";
            Some(Noticed::stop(Check::K3s, what, hint))
        }
    }
}

/// A k3s that somebody else installed: what it is, and what differs.
fn adopted(here: &Here, wish: &Wish) -> Install {
    let version = here.program.as_ref().and_then(|program| program.version.clone());
    let mut noticed = Vec::new();
    if here.program.is_none() {
        let what = match &here.unit {
            Some(unit) => format!("there is /{}, and no program of k3s", unit.path),
            None => "there is data of k3s, and no program of it".to_owned(),
        };
        let hint = "install k3s as it was installed before; if nobody needs what is left of it, remove it";
        noticed.push(Noticed::stop(Check::K3s, what, hint));
    }
    if let (Some(runs), Wish::Version(wanted)) = (&version, wish) {
        noticed.extend(other_version(runs, wanted));
    }
    if let (Some(program), None) = (&here.program, &version) {
        let what = format!("/{} does not say its version to kwo", program.path);
        noticed.push(Noticed::warning(Check::K3s, what, "`k3s --version` says it"));
    }
    if here.unit.as_ref().is_none_or(|unit| !unit.path.ends_with("/k3s.service")) {
        let what = "k3s has no unit of systemd that kwo knows";
        noticed.push(Noticed::warning(
            Check::K3s,
            what,
            "kwo looks for `k3s.service`, and restarts nothing else",
        ));
    }
    Install { state: State::Adopted, node: None, version, noticed, steps: Vec::new() }
}
