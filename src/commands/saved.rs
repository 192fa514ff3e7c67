//! Checks a saved plan: who made it, and whether it equals the plan that its roster gives now. kwo always runs the
//! new plan; the file only says what that plan has to be.

use std::path::{Path, PathBuf};

use kwo_planner::domains::parse;
use kwo_planner::endings::word;
use kwo_planner::plan::{Plan, roster_digest};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::revalidate::{Demand, Revalidated, revalidate};
use kwo_planner::saved::SavedPlan;
use serde::Serialize;

use super::load::{Loaded, compiled};
use super::print::talk;
use crate::cli::{ApplyOptions, option_with};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::out::{self, Went};
use kwo_engine::providers::{Home, Identity};
use kwo_engine::saved::{self, Keys, Opened, Seal, Signed, plain, signer};
use kwo_engine::target::TargetOptions;

/// How many of the steps that were left out are named.
const NAMED: usize = 5;

/// The roster of a saved plan, where it is, and what it is for.
pub(super) type Own = (Loaded, PathBuf, TargetOptions);

/// Is it a plan for the very roster that was given beside it?
pub(super) fn is_of(file: &Opened, loaded: &Loaded, options: &ApplyOptions) -> Result<(), Failure> {
    if file.plan.plan.provenance.roster_digest == roster_digest(loaded.roster.sources()) {
        return Ok(());
    }
    let name = name(options);
    let message = format!("the plan {name} is stale: it was made from a different roster");
    Err(Failure { exit: Exit::Stale, ..Failure::new(message) }.hint(
        "plan again; in a pipeline, bring the request up to date with the branch before it is merged, so that its plan \
         is for what is merged",
    ))
}

/// Puts a plan into a file, and its signature beside it.
pub(super) fn keep(
    plan: &impl Serialize,
    path: &Path,
    (of, sign): (Signed, Option<&Path>),
) -> Result<Went, Failure> {
    let text = serde_json::to_string_pretty(plan).map_err(|error| {
        Failure::new(format!("cannot save the plan to {}", path.display())).because(&error)
    })?;
    let text = format!("{text}\n");
    let signature = sign.map(|key| saved::sign(of, text.as_bytes(), key)).transpose()?;
    if signature.is_some() {
        out::check(&saved::beside(path), out::SIGNATURE)?;
    }
    let kind = match of {
        Signed::Plan => out::PLAN,
        Signed::Node(_) => out::NODE_PLAN,
    };
    let went = out::write(path, text.as_bytes(), kind)?;
    if let Some(signature) = &signature {
        let beside = saved::leave(path, signature)?;
        talk(&format!("signed; the signature is in {}\n", beside.display()));
    }
    Ok(went)
}

/// Who vouches for it: nobody has to where a roster was given. Else its own roster, as it was when it was made.
pub(super) async fn vouched(
    file: &Opened,
    given: bool,
    options: &ApplyOptions,
    provider: &dyn Home,
    identity: &Identity,
) -> Result<Option<Own>, Failure> {
    let SavedPlan { plan, saved, hits: _, overcommitted: _ } = &file.plan;
    let name = name(options);
    if plan.provenance.target != identity.id {
        return Err(Failure::new(format!(
            "the plan was made for {} ({}), but this is {} ({})",
            plain(&plan.provenance.address),
            plain(&plan.provenance.target),
            identity.address,
            identity.id
        ))
        .hint("--target, --kubeconfig and --context choose another"));
    }
    if let (Some(signers), Some(path)) = (&options.signers, &options.saved) {
        let who = signer(Signed::Plan, path, &file.bytes, signers)?;
        talk(&format!("the plan was signed by {who}\n"));
    }
    if given {
        return Ok(None);
    }
    let beside = || {
        let file = options.saved.as_ref().map(|path| option_with("--plan", &path.to_string_lossy()));
        let roster = word(&plain(&plan.provenance.roster));
        let command = format!("kwo apply {roster}{}{}", file.unwrap_or_default(), options.target.words);
        format!("give kwo the roster too, and it plans again: `{command}`")
    };
    let Some(saved) = saved else {
        return Err(Failure::new(format!(
            "{name} has no roster in it: it was printed, or saved by an older kwo"
        ))
        .hint("plan again with `kwo plan --out FILE`")
        .hint(beside()));
    };
    if options.signers.is_none() {
        match Keys::find(provider).await.check(&file.plan) {
            Some(Seal::Cluster | Seal::Person) => {}
            None => return Err(unknown(&name).hint(beside())),
        }
    }
    if !options.target.options.adopt.is_empty() {
        return Err(Failure::usage(
            "--adopt and --plan do not go together: the plan says what it takes over",
        )
        .hint("plan again with --adopt"));
    }
    let fault = || Failure::new(format!("this kwo cannot read the roster in {name}")).hint("plan again");
    let sources = saved.sources();
    if plan.provenance.roster_digest != roster_digest(&sources) {
        return Err(fault());
    }
    let loaded = compiled(parse(sources).map_err(|_| fault())?)?;
    let target = TargetOptions {
        adopt: saved.adopt.iter().map(ToString::to_string).collect(),
        allow_restart: saved.allow_restart,
        ..options.target.options.clone()
    };
    Ok(Some((loaded, PathBuf::from(plan.provenance.roster.as_str()), target)))
}

/// Nobody knows who made the plan, or it was changed since.
fn unknown(name: &str) -> Failure {
    let message = format!(
        "kwo cannot trust the plan {name}: it has no seal of yours or of this cluster, or somebody changed it after it was saved"
    );
    Failure::new(message)
        .hint(
            "kwo seals a plan for the person who made it, on the same machine, and for everybody who may read the Secret kwo-fingerprint in kube-system, if the cluster has it",
        )
        .hint("`kwo plan --out FILE --sign KEY` signs it for others, who apply it with `--signers FILE`")
}

/// What is to be done, what is stale and why, and how many steps are needed besides.
pub(super) type Compared = (Plan, Vec<(ResourceId, String)>, usize);

/// Holds the saved plan against the one of now.
pub(super) fn held_against(
    file: &Opened,
    now: Plan,
    desired: &Desired,
    options: &ApplyOptions,
) -> Result<Compared, Failure> {
    let demand = if options.roster.is_some() { Demand::Whole } else { Demand::Steps };
    let Revalidated { plan, stale, settled, beyond, strangers } =
        revalidate(&file.plan.plan, now, desired, demand);
    if let Some(first) = strangers.first() {
        return Err(Failure::new(format!(
            "the plan {} asks for {}, but the roster does not, or asks for it differently; nothing was changed",
            name(options),
            plain(&first.to_string())
        ))
        .hint("somebody may have changed the file; plan again"));
    }
    if !stale.is_empty() {
        return Ok((
            Plan { steps: Vec::new(), held: Vec::new(), leftovers: Vec::new(), ..plan }.sealed(),
            stale,
            0,
        ));
    }
    for id in &settled {
        talk(&format!("{id} is as the plan wants it already\n"));
    }
    if !beyond.is_empty() && demand == Demand::Steps {
        let names: Vec<String> = beyond.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match beyond.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        talk(&format!(
            "now also needed, but not in this plan (the next plan has it): {}{more}\n",
            names.join(", ")
        ));
    }
    Ok((plan, stale, beyond.len()))
}

fn name(options: &ApplyOptions) -> String {
    options.saved.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
}
