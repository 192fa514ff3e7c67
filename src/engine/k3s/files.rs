//! The files of k3s that the roster has something to say in, before there is a cluster. The node's own room looks at them and
//! writes them, so that what it holds later it holds now, and an `apply` afterwards finds them as it would have written them.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;

use super::machine::Machine;
use crate::execute::{Outcome, execute};
use crate::failure::Failure;
use crate::providers::{Dir, Home};
use crate::run::{lock, look};
use crate::target::{composite, node};
use kwo_planner::change::Change;
use kwo_planner::k3s::{RosterFile, What};
use kwo_planner::node::{K3S_AUTHENTICATION, K3S_CONFIG, NodeKind};
use kwo_planner::plan::{Adopt, Plan, Provenance};
use kwo_planner::resource::{Desired, ResourceId};

/// What is to be done to them.
pub struct RosterFiles {
    home: Arc<dyn Home>,
    plan: Plan,
    /// Each by itself.
    pub files: Vec<RosterFile>,
    /// In the place of a cluster. Nothing is written there.
    _folder: TempDir,
}

impl RosterFiles {
    /// Looks at those of this machine.
    ///
    /// # Errors
    /// When its root is no folder.
    pub async fn look(machine: &Machine, desired: &Desired) -> Result<RosterFiles, Failure> {
        let cannot = |error: &dyn std::error::Error| {
            Failure::new("cannot look at the files of the node").because(error)
        };
        let folder = tempfile::tempdir().map_err(|error| cannot(&error))?;
        let dir = Dir::new(folder.path()).map_err(|error| cannot(&error))?;
        let home: Arc<dyn Home> = Arc::new(composite(Arc::new(dir), Some(node(&machine.root)?)));
        let ids = [K3S_AUTHENTICATION, K3S_CONFIG].map(|path| ResourceId::node(NodeKind::File, path));
        let wanted = desired.resources().iter().filter(|resource| ids.contains(&resource.id)).cloned();
        let wanted = Desired::new(wanted.collect(), Arc::new(desired.sources().clone()))
            .map_err(|error| cannot(&error))?;
        let looked = look(&*home, &wanted, &Adopt::Nothing, &Provenance::default(), None).await;
        let plan =
            looked.map_err(|_| Failure::new("the plan for the files of the node breaks rules of kwo"))?.plan;
        let files = wanted.resources().iter().map(|resource| {
            let held = plan.held.iter().find(|held| held.id == resource.id);
            let step = plan.steps.iter().find(|step| step.id == resource.id);
            let creates = |change: &Change| matches!(change, Change::Create);
            let what = match (held, step) {
                (Some(held), _) => Err(held.hold.to_string()),
                (None, None) => Ok(What::Unchanged),
                (None, Some(step)) if step.changes.iter().any(creates) => Ok(What::Create),
                (None, Some(_)) => Ok(What::Change),
            };
            let path = resource.id.name.clone();
            let wanted = serde_json::to_vec(&resource.body).unwrap_or_default();
            RosterFile { wanted: machine.digest(&wanted), had: machine.digest_of(&path), path, what }
        });
        let files = files.collect();
        Ok(RosterFiles { home, plan, files, _folder: folder })
    }

    /// Writes them.
    pub(super) async fn write(&self, stop: &watch::Receiver<bool>) -> Result<(), Failure> {
        if self.plan.steps.is_empty() {
            return Ok(());
        }
        let failed =
            |why: String| Failure { causes: vec![why], ..Failure::new("cannot write the files of the node") };
        let locked = lock(&*self.home, Duration::ZERO, stop).await;
        let locked =
            locked.map_err(|_| failed("the folder in the place of a cluster is locked".to_owned()))?;
        let report = execute(&self.plan, &self.home, 1, locked.brakes(), |_| {}).await;
        locked.release().await;
        let wrong = report.results.iter().find_map(|result| match &result.outcome {
            Outcome::Done | Outcome::Settled => None,
            Outcome::Refused(refusal) => Some(format!("{}: {refusal}", result.step.id)),
            Outcome::Skipped(needed) => Some(format!("{}: {needed} was not written", result.step.id)),
        });
        match wrong.or(report.stopped) {
            None => Ok(()),
            Some(why) => Err(failed(why)),
        }
    }
}
