//! A node: looks at files and services, and does one step, by handing each to the file that does it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kwo_planner::change::Step;
use kwo_planner::node::NodeKind;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::resource::Desired;
use kwo_planner::systems::System;

use super::claims::KeptToken;
use super::file::root;
use super::service::Services;
use super::{issue, kubeconfigs, observe, rollback, write};
use crate::providers::restart::restart;
use crate::providers::{Home, Promise, Provider, Refusal};
use crate::secrets::Vault;

impl Provider for Node {
    fn observe<'a>(&'a self, wanted: &'a Desired) -> Promise<'a, Observed> {
        Box::pin(self.all(wanted))
    }

    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting> {
        Box::pin(async move {
            let seen = self.all(&Desired::of(step.resource())).await;
            seen.get(&step.id).cloned().unwrap_or(Sighting::Unknown { why: "nobody looked".into() })
        })
    }

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(self.pass(step))
    }

    fn set_secrets(&self, vault: Arc<Vault>) {
        // The first one counts: what was seen with it has to be written with it.
        let _ = self.vault.set(vault);
    }
}

/// A node, as far as it lies below a root.
pub struct Node {
    root: PathBuf,
    /// Only where the root is that of the machine itself.
    services: Option<Services>,
    vault: OnceLock<Arc<Vault>>,
    /// The record is one file for all others, so one write comes after the other.
    writing: Mutex<()>,
    /// The system that the tokens come from, and that a restart must not lock out.
    home: Option<Arc<dyn Home>>,
    /// How long the API may take to be there again after a restart.
    away: Duration,
}

/// How long the API may take to be there again after a restart: on a small machine k3s needs a minute.
const AWAY: Duration = Duration::from_secs(180);

impl Node {
    /// The node whose root folder this is. `systemctl` is the program that its services are asked and restarted with;
    /// without one they are left alone, as they have to be where the root is not that of this machine.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn new(root: impl Into<PathBuf>, systemctl: Option<PathBuf>) -> io::Result<Node> {
        let root = root.into();
        if !fs::metadata(&root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let services = systemctl.map(Services::new);
        Ok(Node { root, services, vault: OnceLock::new(), writing: Mutex::new(()), home: None, away: AWAY })
    }

    /// The node beside this system, whose tokens it is to keep.
    #[must_use]
    pub fn beside(self, home: Arc<dyn Home>) -> Node {
        Node { home: Some(home), ..self }
    }

    /// The same with another time for the API to be there again after a restart.
    #[must_use]
    pub fn away(self, away: Duration) -> Node {
        Node { away, ..self }
    }

    /// Every file, service and kubeconfig that is wanted, and all others that kwo wrote.
    async fn all(&self, wanted: &Desired) -> Observed {
        let mut observed = observe::files(&self.root, self.vault(), wanted);
        observed.reach.root = root(&self.root);
        observed.merge(kubeconfigs::look(&self.root, self.home.as_deref(), wanted).await);
        let restarts =
            wanted.resources().iter().filter(|have| have.id.node_kind() == Some(NodeKind::Restart));
        for resource in restarts {
            let sighting = match &self.services {
                None => Sighting::LeftOut { why: "kwo looks at services only where `--root` is `/`".into() },
                Some(services) => services.look(&self.root, resource).await,
            };
            observed.insert(resource.id.clone(), sighting);
        }
        for resource in wanted.resources().iter().filter(|have| have.id.system == System::Node) {
            if observed.get(&resource.id).is_none() {
                let why = smol_str::format_smolstr!("kwo knows no {} of a node", resource.id.kind);
                observed.insert(resource.id.clone(), Sighting::Unknown { why });
            }
        }
        observed
    }

    /// Since when a service runs, and nothing where it does not; nothing at all where the services are not looked at.
    pub async fn runs_since(&self, service: &str) -> Option<Result<Option<Timestamp>, String>> {
        match &self.services {
            Some(services) => Some(services.since(&service.into()).await),
            None => None,
        }
    }

    /// How the token in the kubeconfig of a namespace is; nothing where there is no file. Of two the one that ends first.
    ///
    /// # Errors
    /// When a file may not be read, or holds no token.
    pub fn token(&self, namespace: &str, now: Timestamp) -> Result<Option<KeptToken>, String> {
        kubeconfigs::token_in(&self.root, namespace, now)
    }

    async fn pass(&self, step: &Step) -> Result<(), Refusal> {
        match (step.id.node_kind(), &self.home) {
            (Some(NodeKind::File), _) => {
                let _one = self.one_write();
                write::write(&self.root, self.vault(), step)
            }
            (Some(NodeKind::Kubeconfig), _) => {
                issue::write(&self.root, self.home.as_deref(), &self.writing, step).await
            }
            (Some(NodeKind::Restart), Some(home)) => {
                restart(&**home, step, self.away, self.way_back(step), self.restart(step)).await
            }
            (Some(NodeKind::Restart), None) => self.restart(step).await,
            (None, _) => Err(Refusal::Refused { why: format!("kwo knows no {} of a node", step.id.kind) }),
        }
    }

    /// Restarts a service, whoever it serves.
    ///
    /// # Errors
    /// When it was restarted meanwhile, or the system says no.
    pub async fn restart(&self, step: &Step) -> Result<(), Refusal> {
        match &self.services {
            Some(services) => services.restart(step).await,
            None => Err(Refusal::Refused { why: "the services of this root are left alone".to_owned() }),
        }
    }

    /// How to go back to the files that a service has read, in words, as long as it has not been restarted.
    pub async fn way_back(&self, step: &Step) -> String {
        let since = match &self.services {
            Some(services) => services.since(&step.id.name).await.ok().flatten(),
            None => None,
        };
        rollback::way_back(&self.root, step, since)
    }

    /// The folder that its files lie below.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// As long as this is held, nobody else of this run writes a file or the record.
    pub(super) fn one_write(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn vault(&self) -> &Vault {
        self.vault.get_or_init(Arc::default)
    }
}
