//! Look and plan: the secrets that the roster refers to, what is there, whose it is, and the checked plan.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::keeper::{Keeper, Kept, keeper, kept};
use kwo_planner::observed::Observed;
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::verify::{Violation, verify};
use smol_str::SmolStr;

use crate::issued::{over, taken, weigh};
use crate::providers::Home;
use crate::references::{Places, resolve};
use crate::target::TargetOptions;

/// Which roster looks, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'k> {
    /// The roster.
    pub this: &'k Keeper,
    /// It may take over what another one keeps.
    pub takes_over: bool,
    /// It is to write. One that only reads may also look at what nobody is known to keep.
    pub writes: bool,
    /// The plan says who keeps it.
    pub names: bool,
}

/// What was seen, and the plan made from it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The plan, checked.
    pub plan: Plan,
    /// What was seen.
    pub observed: Observed,
}

/// Why there is no plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoPlan {
    /// Another roster keeps what was looked at, or may.
    Kept {
        /// Who.
        kept: Kept,
        /// What is said of it: `is kept by …`.
        why: String,
    },
    /// The plan breaks rules of kwo; there is at least one.
    Broken(Vec<Violation>),
}

/// What is wanted, as this run can do it: with the fingerprints of its secrets, and with the leave that was given. The
/// target has the bytes. `folder` is where the relative paths of the roster begin.
pub async fn given(desired: Desired, folder: &Path, options: &TargetOptions, home: &dyn Home) -> Desired {
    let places = Places::usual(folder.to_owned(), options.age_identity.clone());
    let desired = set_secrets(desired, &places, home).await;
    if options.allow_restart { desired.allowing(ALLOW_RESTART) } else { desired }
}

/// The same without leave for anything.
pub async fn set_secrets(desired: Desired, places: &Places, home: &dyn Home) -> Desired {
    let (desired, vault) = resolve(desired, places, home).await;
    home.set_secrets(Arc::new(vault));
    desired
}

/// Looks at the target, and plans. Without a guard it may be whose it likes.
///
/// # Errors
/// When another roster keeps it, or the plan does not pass the check.
pub async fn look(
    home: &dyn Home,
    desired: &Desired,
    adopt: &Adopt,
    provenance: &Provenance,
    guard: Option<Guard<'_>>,
) -> Result<Looked, NoPlan> {
    let mut observed = home.observe(desired).await;
    works(home, desired, &mut observed);
    let mut provenance = provenance.clone();
    provenance.systems.clone_from(&observed.identities);
    provenance.notes.clone_from(&observed.notes);
    if let Some(Guard { this, takes_over, writes, names }) = guard {
        let kept = kept(&observed, desired, this);
        let note = kept.note();
        if let Some(why) = kept.refused(takes_over).filter(|_| writes || note.is_none()) {
            return Err(NoPlan::Kept { kept, why });
        }
        provenance.keeper_note = note;
        provenance.kept_by =
            names.then(|| keeper(&observed)).flatten().map(|keeper| keeper.to_string().into());
    }
    let plan = planned(home, desired, &mut observed, adopt, provenance).await;
    check(&plan, &observed)?;
    Ok(Looked { plan, observed })
}

/// The plan, with the new certificates held for which there is no room: because others have the Secret, or because the week
/// has none. Only those that would be made take room, so it takes a plan to know, and a further one where there is too
/// little. A directory asks nobody for certificates.
pub(super) async fn planned(
    home: &dyn Home,
    desired: &Desired,
    observed: &mut Observed,
    adopt: &Adopt,
    provenance: Provenance,
) -> Plan {
    let all = plan(desired, observed, adopt, provenance);
    let Some(cluster) = home.surroundings() else { return all };
    let taken = taken(&all, observed, cluster).await;
    let all = without(taken, all, desired, observed, adopt);
    // What is held already takes no room.
    let over = over(&all, desired, observed, Timestamp::now());
    without(over, all, desired, observed, adopt)
}

/// The plan in which these are held, too.
fn without(
    held: BTreeMap<ResourceId, SmolStr>,
    all: Plan,
    desired: &Desired,
    observed: &mut Observed,
    adopt: &Adopt,
) -> Plan {
    if held.is_empty() {
        return all;
    }
    observed.blocked.extend(held);
    plan(desired, observed, adopt, all.provenance)
}

/// Notes what is there and does not work. A directory runs nothing.
pub(super) fn works(home: &dyn Home, desired: &Desired, observed: &mut Observed) {
    if home.surroundings().is_some() {
        weigh(desired, observed, Timestamp::now());
    }
}

/// The independent check that a plan only adds.
///
/// # Errors
/// When it does not.
pub fn check(plan: &Plan, observed: &Observed) -> Result<(), NoPlan> {
    let violations = verify(plan, observed);
    if violations.is_empty() { Ok(()) } else { Err(NoPlan::Broken(violations)) }
}
