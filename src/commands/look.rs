//! Look at the target and plan: what `plan` and `apply` have in common.

use kwo_planner::endings::word;
use kwo_planner::keeper::{Keeper, Kept, keeper, kept};
use kwo_planner::observed::Observed;
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::Desired;
use kwo_planner::verify::verify;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::{Home, Identity, Refusal};

/// Asks the target who it is.
pub(crate) async fn identity(provider: &dyn Home) -> Result<Identity, Failure> {
    provider.identity().await.map_err(|refusal| match refusal {
        Refusal::Unreachable { why } => Failure::new(format!("cannot reach the cluster: {why}"))
            .hint("is it up, and is it the one you mean? --kubeconfig and --context choose another"),
        refusal => Failure::new(format!("cannot tell which cluster this is: {refusal}"))
            .hint("kwo reads the uid of the namespace kube-system, so that a plan is never applied to another cluster"),
    })
}

/// Which roster looks, and what for.
#[derive(Clone, Copy)]
pub(crate) struct Guard<'k> {
    pub this: &'k Keeper,
    /// It may take over what another one keeps.
    pub takes_over: bool,
    /// It is to write.
    pub writes: bool,
}

/// What was seen, and the plan made from it, checked. Without a guard it may be whose it likes.
pub(crate) async fn look(
    provider: &dyn Home,
    desired: &Desired,
    adopt: &Adopt,
    provenance: Provenance,
    guard: Option<Guard<'_>>,
) -> Result<(Plan, Observed), Failure> {
    let observed = provider.observe(desired).await;
    let kept = guard.map(|guard| kept(&observed, desired, guard.this));
    if let Some((guard, kept)) = guard.zip(kept.as_ref())
        && let Some(why) = kept.refused(guard.takes_over)
        && (guard.writes || kept.note().is_none())
    {
        return Err(refused(kept, &format!("{} {why}; nothing was done", provenance.address), &provenance));
    }
    let kept_by = keeper(&observed).map(|keeper| keeper.to_string().into());
    let provenance = Provenance { kept_by, keeper_note: kept.and_then(|kept| kept.note()), ..provenance };
    let plan = plan(desired, &observed, adopt, provenance);
    check(&plan, &observed)?;
    Ok((plan, observed))
}

/// What is kept by another roster, or may be.
fn refused(kept: &Kept, what: &str, provenance: &Provenance) -> Failure {
    let failure = Failure { exit: Exit::Held, ..Failure::new(what) };
    // A directory is told apart by its path, which is absolute.
    let folder = provenance.target.starts_with('/');
    if let Kept::Unknown { .. } = kept {
        return match folder {
            true => failure.hint("make the file readable, or put it right, so that kwo can look"),
            false => failure
                .hint(format!(
                    "`kwo rbac {} --for apply` prints the rights that it takes",
                    word(&provenance.roster)
                ))
                .hint("to let this roster keep it anyway, pass `--take-over-roster` once"),
        };
    }
    let mean = match folder {
        true => "is it the directory that you mean? `--target dir:PATH` names another",
        false => "is it the cluster that you mean? --kubeconfig and --context choose another",
    };
    failure
        .hint(mean)
        .hint("if you moved or renamed the roster, or want it to keep this from now on, pass `--take-over-roster` once")
        .hint("if the roster has a name (`cluster: {name: …}`), you can move its file")
}

/// The independent check that a plan only adds.
pub(crate) fn check(plan: &Plan, observed: &Observed) -> Result<(), Failure> {
    let violations = verify(plan, observed);
    if violations.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new("the plan breaks a rule of kwo; nothing was done")
        .hint("this is a fault in kwo (or the saved plan was edited): please report it with the plan");
    failure.causes = violations.iter().map(ToString::to_string).collect();
    Err(failure)
}
