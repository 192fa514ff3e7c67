//! From a path to the checked roster and what it wants, or to the findings on standard error.

use std::path::Path;

use kwo_planner::domains::{Refused, Roster};
use kwo_planner::domains::{compile, count};
use kwo_planner::keeper::Keeper;
use kwo_planner::plan::{Provenance, roster_digest};
use kwo_planner::policy::Layer;
use kwo_planner::resource::{Clash, Desired};

use super::print::talk;
use super::sync::wrong;
use crate::report::diagnostic;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::identity::of_file;
use kwo_engine::policy::layers;
use kwo_engine::source;
use kwo_engine::target::TargetOptions;

/// A roster and what it wants.
pub(crate) struct Loaded {
    pub roster: Roster,
    pub desired: Desired,
}

impl Loaded {
    /// Which roster it is among others.
    pub(crate) fn keeper(&self, path: &Path, target: &TargetOptions) -> Keeper {
        of_file(&self.roster, path, target.roster_id.as_deref())
    }

    /// Where it comes from, for a plan made of it.
    pub(crate) fn provenance(&self, path: &Path) -> Provenance {
        Provenance {
            roster: path.display().to_string().into(),
            roster_digest: roster_digest(self.roster.sources()),
            ..Provenance::default()
        }
    }
}

/// Reads, checks and compiles.
pub(crate) fn load(path: &Path) -> Result<Loaded, Failure> {
    checked(path).map_err(|refused| told(&refused))
}

/// The rules that its plan is checked against.
pub(crate) fn rules(loaded: &Loaded, target: &TargetOptions) -> Result<Vec<Layer>, Failure> {
    layers(Some(&loaded.roster), target.settings.as_deref()).map_err(|refused| wrong(&refused))
}

/// What a roster is called for people.
pub(crate) fn called(path: &Path) -> String {
    if source::is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// Says what is wrong.
pub(crate) fn told(refused: &Refused) -> Failure {
    talk(&diagnostic::text(refused));
    Failure::silent(Exit::Failed)
}

/// The same, with all that is wrong as data.
pub(crate) fn checked(path: &Path) -> Result<Loaded, Box<Refused>> {
    wanted(source::load(path)?)
}

/// The same of a roster whose files are called something else than their paths.
pub(crate) fn checked_as(path: &Path, named: &dyn Fn(&Path) -> String) -> Result<Loaded, Box<Refused>> {
    wanted(source::load_as(path, named)?)
}

fn wanted(roster: Roster) -> Result<Loaded, Box<Refused>> {
    match compile(&roster) {
        Ok(desired) => Ok(Loaded { roster, desired }),
        Err(clash) => Err(twice(&roster, &clash)),
    }
}

/// Reads and checks, and gives how many objects the roster wants instead of the objects.
pub(crate) fn judged(path: &Path) -> Result<(Roster, usize), Box<Refused>> {
    let roster = source::load(path)?;
    match count(&roster) {
        Ok(objects) => Ok((roster, objects)),
        Err(clash) => Err(twice(&roster, &clash)),
    }
}

fn twice(roster: &Roster, clash: &Clash) -> Box<Refused> {
    let sources = (**roster.sources()).clone();
    Box::new(Refused { sources, findings: vec![clash.finding()], more: 0 })
}

/// What a checked roster wants.
pub(crate) fn compiled(roster: Roster) -> Result<Loaded, Failure> {
    let desired = compile(&roster).map_err(|clash| two(&clash))?;
    Ok(Loaded { roster, desired })
}

/// How many objects a checked roster wants.
pub(crate) fn counted(roster: &Roster) -> Result<usize, Failure> {
    count(roster).map_err(|clash| two(&clash))
}

fn two(clash: &Clash) -> Failure {
    Failure::new("the roster asks for one object twice").because(clash)
}
