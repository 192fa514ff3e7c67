//! What a run is given: its secrets, of which the plan gets the fingerprints and the provider the bytes, and leave for
//! what disturbs others.

use std::path::Path;
use std::sync::Arc;

use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::resource::Desired;

use crate::cli::{AgeArgs, TargetArgs};
use kwo_engine::providers::Home;
use kwo_engine::references::{Places, resolve};

/// What is wanted, with the fingerprints of the secrets in it and with the leave that was given. The provider has the
/// bytes.
pub(crate) async fn entrust(
    desired: Desired,
    roster: &Path,
    args: &TargetArgs,
    provider: &dyn Home,
) -> Desired {
    let desired = given(desired, roster, &args.age, provider).await;
    if args.allow_restart { desired.allowing(ALLOW_RESTART) } else { desired }
}

/// The same without leave for anything.
pub(crate) async fn given(desired: Desired, roster: &Path, args: &AgeArgs, provider: &dyn Home) -> Desired {
    let (desired, vault) = resolve(desired, &places(roster, args), provider).await;
    provider.entrust(Arc::new(vault));
    desired
}

/// Where the references of a roster lead.
pub(crate) fn places(roster: &Path, args: &AgeArgs) -> Places {
    let folder = roster.parent().unwrap_or(Path::new("")).to_owned();
    Places::usual(folder, args.age_identity.clone())
}
