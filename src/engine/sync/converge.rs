//! From a commit to what may be done: lay out its roster, say why there is no plan, hold a plan against the limits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kwo_planner::domains::compile;
use kwo_planner::domains::{Refused, Roster};
use kwo_planner::keeper::Kept;
use kwo_planner::limits::{self, Limit};
use kwo_planner::plan::{Plan, Provenance, roster_digest};
use kwo_planner::resource::Desired;
use kwo_planner::settings::Settings;
use kwo_planner::tree::SmolStr;

use super::commit_selection::{problem, short};
use super::options::Allowed;
use super::state::State;
use crate::git::{Clone, GitError, export};
use crate::history::{Problem, ProblemKind};
use crate::providers::Identity;
use crate::run::NoPlan;
use crate::source;

/// What to do where this node cannot keep what it needs.
pub(super) const FULL: &str = "is the disk of this node full, or the folder that `state:` names read-only?";

/// The roster of a commit, laid out and checked.
pub(super) struct Checked {
    pub(super) commit: String,
    pub(super) roster: Roster,
    pub(super) desired: Desired,
    pub(super) digest: String,
    /// The file, for as long as the folder is kept.
    pub(super) path: PathBuf,
    pub(super) _folder: tempfile::TempDir,
}

/// Why the roster of a commit cannot be used.
pub(super) enum Unusable {
    /// It is not valid, or not there; that of another commit may be.
    Roster(Problem),
    /// This node cannot lay it out, nor that of any other commit.
    Node(Problem),
}

/// Lays out the roster of a commit and checks it; `found` gets the findings.
///
/// # Errors
/// When it cannot be had, or is not valid.
pub(super) async fn check_out(
    clone: &Clone,
    commit: &str,
    settings: &Settings,
    state: &State,
    found: &mut dyn FnMut(&Refused),
) -> Result<Checked, Unusable> {
    let name = Path::new(settings.repository.roster());
    let unusable = |text: String, hint: &str| Unusable::Roster(problem(ProblemKind::Roster, text, hint));
    let wrong = |text: String| unusable(text, "");
    let full = |text: String| Unusable::Node(problem(ProblemKind::Step, text, FULL));
    let folder = state.checkout().map_err(|error| full(error.to_string()))?;
    let beside = name.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
    export(clone, commit, &beside, folder.path()).await.map_err(|error| {
        let text = format!("kwo cannot read the files of {}: {error}", short(commit));
        match error {
            GitError::TooMuch { .. } | GitError::TooMany { .. } => {
                unusable(text, "give the roster a folder of its own in the repository")
            }
            GitError::Io { .. } | GitError::Program { .. } => full(text),
            _ => wrong(text),
        }
    })?;
    let path = folder.path().join(name);
    if !path.is_file() {
        let text = format!("{} has no file {}", short(commit), name.display());
        return Err(unusable(text, "see `repository.roster`; a link does not count"));
    }
    let roster = source::load_below(folder.path(), &path).map_err(|refused| {
        found(&refused);
        let count = refused.count();
        let text = match refused.findings.first() {
            Some(first) => format!("the roster of {} is not valid: {}", short(commit), first.message),
            None => format!("the roster of {} is not valid", short(commit)),
        };
        let more = count.saturating_sub(1);
        wrong(if more == 0 { text } else { format!("{text}, and {more} more") })
    })?;
    let desired = compile(&roster).map_err(|clash| wrong(clash.to_string()))?;
    let digest = roster_digest(roster.sources()).to_string();
    Ok(Checked { commit: commit.to_owned(), roster, desired, digest, path, _folder: folder })
}

/// The tenants of a roster.
pub(super) fn tenants(roster: &Roster) -> BTreeSet<String> {
    limits::tenants(roster).into_iter().map(String::from).collect()
}

/// What a plan for this roster is made from, and for what.
pub(super) fn provenance(checked: &Checked, identity: &Identity) -> Provenance {
    Provenance {
        roster: format!("{} of {}", checked.roster.sources().files()[0].name, checked.commit).into(),
        roster_digest: checked.digest.as_str().into(),
        target: identity.id.clone(),
        address: identity.address.clone(),
        ..Provenance::default()
    }
}

/// Why there is no plan for this address.
pub(super) fn no_plan(none: &NoPlan, address: &str) -> Problem {
    match none {
        NoPlan::Kept { kept, why } => {
            let text = format!("{address} {why}; nothing was changed");
            let hint = match kept {
                Kept::Unknown { .. } => {
                    "`kwo rbac --for sync` prints the rights that it takes; to let this roster keep it anyway, run `kwo sync --allow roster` once"
                }
                _ => {
                    "if you renamed the repository, or want this roster to keep it from now on, run `kwo sync --allow roster` once; if the roster has a name (`cluster: {name: …}`), you can move its file"
                }
            };
            problem(ProblemKind::Limit, text, hint)
        }
        NoPlan::Broken(violations) => {
            let first = violations.iter().map(ToString::to_string).next().unwrap_or_default();
            let text = format!("the plan breaks a rule of kwo: {first}; nothing was changed");
            problem(ProblemKind::Target, text, "this is a bug in kwo: please report it")
        }
    }
}

/// The limits that a plan goes beyond and that this run has no leave for. `before` are the tenants of the roster that was
/// applied last; where nobody knows them, they are those whose objects are left over.
pub(super) fn beyond(
    settings: &Settings,
    plan: &Plan,
    before: Option<&BTreeSet<String>>,
    roster: &Roster,
    allowed: &BTreeSet<Allowed>,
) -> Vec<Problem> {
    let before: BTreeSet<SmolStr> = match before {
        None => limits::left_over(plan),
        Some(before) => before.iter().map(SmolStr::from).collect(),
    };
    let found = limits::check(settings.limits.as_ref(), plan, &before, &limits::tenants(roster));
    let flag = |limit| match limit {
        Limit::Revise => Allowed::Revise,
        Limit::Drop => Allowed::Drop,
        Limit::Tenants => Allowed::Tenants,
    };
    let found = found.into_iter().map(|excess| (flag(excess.limit), excess.why));
    let found: Vec<(Allowed, String)> = found.filter(|(flag, _)| !allowed.contains(flag)).collect();
    // One command has to let everything pass, with what it was allowed already.
    let flags: BTreeSet<Allowed> =
        found.iter().map(|(flag, _)| *flag).chain(allowed.iter().copied()).collect();
    let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
    let hint = format!("if that is meant, `kwo sync --allow {}` lets it pass once", flags.join(","));
    found.into_iter().map(|(_, why)| problem(ProblemKind::Limit, why, hint.as_str())).collect()
}
