//! Why a target could not be looked at, or why there is no plan for it, in the words of the command line.

use kwo_planner::endings::word;
use kwo_planner::keeper::Kept;
use kwo_planner::plan::Provenance;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::{Home, Identity, Refusal};
use kwo_engine::run::NoPlan;

/// What to do about a cluster that does not answer.
pub(crate) const AWAY: &str =
    "is it up, and is it the one you mean? --kubeconfig and --context choose another";

fn away(why: &str) -> Failure {
    Failure::new(format!("cannot reach the cluster: {why}")).hint(AWAY)
}

/// Where nothing could be looked at, that is no question of rights if nobody answers.
pub(crate) async fn answers(provider: &dyn Home) -> Result<(), Failure> {
    match provider.identity().await {
        Err(Refusal::Unreachable { why }) => Err(away(&why)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Asks the target who it is.
pub(crate) async fn identity(provider: &dyn Home) -> Result<Identity, Failure> {
    provider.identity().await.map_err(|refusal| match refusal {
        Refusal::Unreachable { why } => away(&why),
        refusal => Failure::new(format!("cannot tell which cluster this is: {refusal}"))
            .hint("kwo reads the uid of the namespace kube-system, so that a plan is never applied to another cluster"),
    })
}

/// Why there is no plan.
pub(crate) fn no_plan(none: &NoPlan, provenance: &Provenance) -> Failure {
    match none {
        NoPlan::Kept { kept, why } => {
            refused(kept, &format!("{} {why}; nothing was changed", provenance.address), provenance)
        }
        NoPlan::Broken(violations) => {
            let mut failure = Failure::new("the plan breaks a rule of kwo; nothing was changed")
                .hint("this is a bug in kwo (or the saved plan was edited): please report it with the plan");
            failure.causes = violations.iter().map(ToString::to_string).collect();
            failure
        }
    }
}

/// What is kept by another roster, or may be.
fn refused(kept: &Kept, what: &str, provenance: &Provenance) -> Failure {
    let failure = Failure { exit: Exit::Held, ..Failure::new(what) };
    // A directory is told apart by its path, which is absolute.
    let folder = provenance.target.starts_with('/');
    if let Kept::Unknown { .. } = kept {
        return match folder {
            true => failure.hint("make the file readable, or fix what is wrong in it, so that kwo can look"),
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
