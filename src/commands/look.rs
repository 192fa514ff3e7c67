//! Look at the target and plan: what `plan` and `apply` have in common.

use kwo_planner::keeper::{Keeper, keeper, other};
use kwo_planner::observed::Observed;
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::Desired;
use kwo_planner::verify::verify;

use crate::cli::FailOn;
use crate::failure::{Exit, Failure};
use crate::providers::{Identity, Provider, Refusal};

/// Does the run fail on what the plan finds left over, or not to be kwo's?
pub(crate) fn fails(on: &[FailOn], plan: &Plan) -> bool {
    on.iter().any(|on| match on {
        FailOn::LeftoverAccess => plan.access_left().next().is_some(),
        // What could not be looked at is not nothing.
        FailOn::ForeignAccess => !plan.foreign_access.is_empty() || !plan.unseen_access.is_empty(),
    })
}

/// Asks the target who it is.
pub(crate) async fn identity(provider: &dyn Provider) -> Result<Identity, Failure> {
    provider.identity().await.map_err(|refusal| match refusal {
        Refusal::Unreachable { why } => Failure::new(format!("cannot reach the cluster: {why}"))
            .hint("is it up, and is it the one you mean? --kubeconfig and --context choose another"),
        refusal => Failure::new(format!("cannot tell which cluster this is: {refusal}"))
            .hint("kwo reads the uid of the namespace kube-system, so that a plan is never applied to another cluster"),
    })
}

/// What was seen, and the plan made from it, checked. `this` is the roster, unless it may take over what another one keeps.
pub(crate) async fn look(
    provider: &dyn Provider,
    desired: &Desired,
    adopt: &Adopt,
    provenance: Provenance,
    this: Option<&Keeper>,
) -> Result<(Plan, Observed), Failure> {
    let observed = provider.observe(desired).await;
    if let Some(keeper) = this.and_then(|this| other(&observed, this)) {
        let what = format!(
            "{} is kept by {keeper}, and this is another roster; nothing was done",
            provenance.address
        );
        return Err(Failure { exit: Exit::Held, ..Failure::new(what) }
            .hint("is it the cluster that you mean? --kubeconfig and --context choose another")
            .hint("where the roster was moved or renamed, or is to keep this cluster from now on, pass `--take-over-roster` once")
            .hint("with a name in the roster (`cluster: {name: …}`) its file can be moved"));
    }
    let kept_by = keeper(&observed).map(|keeper| keeper.to_string().into());
    let provenance = Provenance { kept_by, ..provenance };
    let plan = plan(desired, &observed, adopt, provenance);
    check(&plan, &observed)?;
    Ok((plan, observed))
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
