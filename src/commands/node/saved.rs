//! Saves a plan for a node, and holds a saved one against the plan of now.

use std::path::Path;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::k3s::Machine;
use kwo_engine::out::{self, Went};
use kwo_engine::saved::{Keys, Signed};
use kwo_planner::k3s::{By, Facts, NODE_PLAN_FORMAT, NodePlan, Noticed, Now, PlanOf, Release, Step};
use kwo_planner::roster::K3sVersion;
use kwo_planner::saved::Seals;

use super::super::print::{report, talk};
use super::super::saved::keep;
use super::asked::Asked;
use crate::cli::{Format, NodeSavedArgs, option_with};
use crate::report::printed::Report;

/// What was planned.
pub(super) struct Planned<'p> {
    /// By which command.
    pub(super) of: PlanOf,
    /// What was asked for.
    pub(super) asked: &'p Asked,
    /// The machine.
    pub(super) machine: &'p Machine,
    /// What was found on it.
    pub(super) facts: &'p Facts,
    /// What is got, where something is.
    pub(super) release: Option<&'p Release>,
    /// Which k3s there will be.
    pub(super) version: Option<&'p K3sVersion>,
    /// The steps.
    pub(super) steps: &'p [Step],
    /// The other options that the same machine takes.
    pub(super) again: String,
}

/// Is there one place for one thing?
pub(super) fn fits(args: &NodeSavedArgs, output: Format, dry_run: bool) -> Result<(), Failure> {
    if !output.is_text() && !dry_run && args.out.is_none() {
        return Err(Failure::usage("`-o` prints what would be done, and the run itself prints text")
            .hint("add `--dry-run`, or leave `-o` out"));
    }
    let Some(path) = args.out.as_deref().filter(|path| out::is_stdout(path)) else { return Ok(()) };
    if !output.is_text() {
        return Err(Failure::usage("standard output takes only one of `-o …` and `--out -`"));
    }
    match args.sign {
        Some(_) => Err(Failure::usage(format!(
            "--sign writes the signature beside the file of the plan, and `{}` is not a file",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Shows a plan; on standard error where the saved plan is the data.
pub(super) fn show<R: Report>(shown: &R, args: &NodeSavedArgs, output: Format) -> Result<(), Failure> {
    if args.out.as_deref().is_some_and(out::is_stdout) {
        talk(&shown.text());
        return Ok(());
    }
    report(shown, output)
}

/// Saves it.
pub(super) fn save(planned: &Planned<'_>, path: &Path, sign: Option<&Path>) -> Result<(), Failure> {
    let Planned { of, asked, machine, facts, release, version, steps, again } = planned;
    let command = of.command();
    let before = facts.here.program.as_ref().map(|program| program.sha256.clone());
    let sha256 = release.map(|release| release.sha256.clone()).or_else(|| before.clone());
    let (Some(version), Some(sha256)) = (version, sha256) else {
        return Err(Failure::new("there is no plan to save, because kwo does not install this k3s")
            .hint(format!("`{command} --dry-run` shows what kwo finds")));
    };
    let mut plan = NodePlan {
        kind: *of,
        format_version: NODE_PLAN_FORMAT.into(),
        machine: machine.whose(),
        version: (*version).clone(),
        sha256,
        before,
        from: asked.source()?,
        ignored: asked.ignored.iter().map(|check| check.to_string().into()).collect(),
        roster: asked.kept()?,
        backup: if *of == PlanOf::Upgrade { Some(asked.backup()?) } else { None },
        steps: steps.to_vec(),
        seals: Seals::default(),
    };
    plan.seals = Keys::of_person().seals_of_node(&plan);
    let sealed = plan.seals != Seals::default();
    if keep(&plan, path, (Signed::Node(*of), sign))? == Went::Along {
        return Ok(());
    }
    let file = option_with("--plan", &path.to_string_lossy());
    talk(&match (sealed, sign) {
        (true, _) => {
            format!("saved to {}; `{command}{file}{again}` does exactly this\n", path.display())
        }
        (false, Some(_)) => format!(
            "saved to {}; `{command}{file} --signers signers{again}` does exactly this, where the file `signers` allows the key\n",
            path.display()
        ),
        (false, None) => format!(
            "saved to {}, without a seal: there is no key for one here, and kwo does no plan that nobody vouches for; `--sign KEY` signs it\n",
            path.display()
        ),
    });
    Ok(())
}

/// Says no where the plan of now is not that of the file.
pub(super) fn held_against(
    saved: Option<&NodePlan>,
    args: &NodeSavedArgs,
    facts: &Facts,
    steps: &[Step],
    noticed: &[Noticed],
    by: By,
) -> Result<(), Failure> {
    let (Some(saved), Some(path)) = (saved, &args.plan) else { return Ok(()) };
    let program = facts.here.program.as_ref().map(|program| &program.sha256);
    let differs = saved.differs(&Now { steps, program, noticed, by });
    if differs.is_empty() {
        return Ok(());
    }
    let message = format!("the plan {} is stale, and nothing was changed", path.display());
    let stale = Failure { exit: Exit::Stale, causes: differs, ..Failure::new(message) };
    Err(stale.hint("plan again, and read the new plan: the same command as for the first one, with `--out`"))
}
