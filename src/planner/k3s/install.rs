//! From what was found on a machine and what is wanted to the steps that make it a node. A k3s that somebody else installed
//! is never touched, and one that kwo installed is never replaced.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::{Arch, Facts, Found, Here};
use super::names::name;
use super::preflight::{Check, Grade, Noticed, preflight};
use super::texts::{DROP_IN, UNIT, config, unit};
use super::unfit::{joins, loose, masked, other_name, other_version, unfit};
use crate::plain::one_line;
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
    /// A digest of what the roster wants there.
    pub wanted: SmolStr,
    /// A digest of what is there, and nobody else can tell that from it.
    pub had: Option<SmolStr>,
}

/// What the roster says of the node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roster {
    /// Its name.
    pub name: Option<NodeName>,
    /// The files.
    pub files: Vec<RosterFile>,
    /// What a command is told to work on the same roster and the same root, with a space in front of each word.
    pub again: String,
}

/// Stands before the digest of what a file is written in place of.
pub(super) const IN_PLACE_OF: &str = " in place of ";

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
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
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
pub(super) fn started(here: &Here) -> bool {
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
        Found::Others => return adopted(facts, wish),
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
        None => noticed.extend(loose(facts)),
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
        noticed.extend(facts.joins.iter().map(|found| joins(facts, found)));
    }
    if record.is_none() && here.drop_in.is_some() {
        noticed.push(Noticed::stop(
            Check::Config,
            format!("{} is there, and kwo did not write it", facts.path(DROP_IN)),
            format!("move it away, and what it says into {}", facts.path("etc/rancher/k3s/config.yaml")),
        ));
    }
    for RosterFile { path, what, .. } in &roster.files {
        if let Err(why) = what {
            let command = format!(
                "kwo apply{} --target dir:/tmp/manifests --node --adopt=node:File/{path}",
                roster.again
            );
            let hint = format!("move it away, or take it over first: `{command}`");
            let what = format!("{}: {}", facts.path(path), one_line(why));
            noticed.push(Noticed::stop(Check::Config, what, hint));
        }
    }
    let mut steps = Vec::new();
    if let (Some(node), true) = (&node, noticed.iter().all(|noticed| noticed.grade != Grade::Stop)) {
        files(facts, release, node, &mut steps, &mut noticed);
        let at = steps.iter().position(|step| step.id.starts_with("node:Unit/")).unwrap_or(steps.len());
        let rosters = roster.files.iter().filter_map(|RosterFile { path, what, wanted, had }| {
            let id = format!("node:File/{path}");
            // A saved plan is checked against these: the same change of another file is another one.
            let mut detail = format!("as the roster says, digest {wanted}");
            if let (Ok(What::Change), Some(had)) = (what, had) {
                detail += &format!("{IN_PLACE_OF}{had}");
            }
            what.as_ref().ok().map(|what| Step { id, what: *what, detail })
        });
        steps.splice(at..at, rosters);
        if facts.live {
            running(here, node, &mut steps);
        }
    }
    Install { state, node, version: version.cloned(), noticed, steps }
}

/// The steps that write files.
fn files(
    facts: &Facts,
    release: Option<&Release>,
    node: &NodeName,
    steps: &mut Vec<Step>,
    noticed: &mut Vec<Noticed>,
) {
    let here = &facts.here;
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
            format!("{} is not the program that kwo installed", facts.path(&program.path)),
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
        steps.push(Step { id: format!("node:Images/{name}"), what, detail: of_image(facts, name, sha256) });
    }
    let mut text = |id: String, have: Option<&str>, wanted: &str, path: &str, mut detail: String| {
        let what = match have {
            None => What::Create,
            Some(have) if have == wanted => What::Unchanged,
            Some(_) if !started(here) => What::Change,
            Some(_) => {
                let hint = "kwo leaves it as it is";
                noticed.push(Noticed::warning(
                    Check::Config,
                    format!("somebody changed {}", facts.path(path)),
                    hint,
                ));
                "as somebody changed it".clone_into(&mut detail);
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

/// A file with images: where it goes, and what it is.
pub(super) fn of_image(facts: &Facts, name: &str, sha256: &str) -> String {
    format!("{}/agent/images/{name}, sha256:{sha256}", one_line(facts.data.folder.trim_end_matches('/')))
}

pub(super) fn of(Release { version, from, sha256, arch: _, images: _ }: &Release) -> String {
    format!("{version} from {}, sha256:{sha256}", one_line(from))
}

/// A k3s that somebody else installed: what it is, and what differs.
fn adopted(facts: &Facts, wish: &Wish) -> Install {
    let here = &facts.here;
    let version = here.program.as_ref().and_then(|program| program.version.clone());
    let mut noticed = Vec::new();
    let masked = masked(facts);
    if here.program.is_none() && masked.is_none() {
        let what = match &here.unit {
            Some(unit) => format!("there is {}, and no program of k3s", facts.path(&unit.path)),
            None => "there is data of k3s, and no program of it".to_owned(),
        };
        let hint = "install k3s as it was installed before; if nobody needs what is left of it, remove it";
        noticed.push(Noticed::stop(Check::K3s, what, hint));
    }
    noticed.extend(masked);
    if let (Some(runs), Wish::Version(wanted)) = (&version, wish) {
        noticed.extend(other_version(runs, wanted));
    }
    if let (Some(program), None) = (&here.program, &version) {
        let path = facts.path(&program.path);
        let (what, hint) = if facts.live {
            (format!("{path} does not say its version to kwo"), "`k3s --version` says it")
        } else {
            let hint = "where the image runs, `k3s --version` says it";
            (format!("kwo does not know the version of {path}, because it runs no program of an image"), hint)
        };
        noticed.push(Noticed::warning(Check::K3s, what, hint));
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
