//! The secrets of a run: every reference looked up, the fingerprints to the plan, the bytes to the provider.

use std::path::{Path, PathBuf};

use kwo_planner::resource::Desired;

use crate::cli::TargetArgs;
use crate::providers::Provider;
use crate::secrets::{Places, resolve};

/// Where the key that opens age files is looked for when nothing names it.
const AGE_IDENTITY: &str = "/etc/kwo/age.key";

/// What is wanted, with the fingerprints of the secrets in it. The provider has the bytes.
pub(crate) async fn entrust(
    desired: Desired,
    roster: &Path,
    args: &TargetArgs,
    provider: &dyn Provider,
) -> Desired {
    let usual = Some(PathBuf::from(AGE_IDENTITY)).filter(|path| path.exists());
    let places = Places {
        folder: roster.parent().unwrap_or(Path::new("")).to_owned(),
        age_identity: args.age_identity.clone().or(usual),
    };
    let (desired, vault) = resolve(desired, &places, provider).await;
    provider.entrust(vault);
    desired
}
