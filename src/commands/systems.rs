//! `kwo systems`: does each system that the roster names let kwo in, and is there what kwo needs?

use std::sync::Arc;

use super::load::load;
use super::print::{report, talk};
use crate::cli::{Systems, SystemsCheck};
use crate::report::systems::CheckedUp;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::Provider as _;
use kwo_engine::run::set_secrets;
use kwo_engine::target::{composite, connect};

pub(crate) async fn systems(args: &Systems) -> Result<Exit, Failure> {
    match args {
        Systems::Check(args) => check(args).await,
    }
}

async fn check(args: &SystemsCheck) -> Result<Exit, Failure> {
    let desired = load(&args.roster.roster)?.desired;
    if desired.connections().is_empty() {
        talk("the roster names no system beside the cluster, so there is nothing to check\n");
        report(&CheckedUp::new(Vec::new()), args.output)?;
        return Ok(Exit::Done);
    }
    let options = args.kube.options()?;
    let timeout = options.timeout;
    let home = composite(Arc::new(connect(options).await?), None).patient(timeout);
    set_secrets(desired, &args.age.places(&args.roster.roster), &home).await;
    let found = CheckedUp::new(home.check_up().await);
    report(&found, args.output)?;
    if found.is_well() { Ok(Exit::Done) } else { Err(Failure::silent(Exit::Failed)) }
}
