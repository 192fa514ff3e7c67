//! A cluster or a directory together with the node beside it: each id goes to the system that holds it. Identity, lock
//! and Secrets are those of the cluster or the directory.

use std::sync::Arc;
use std::time::Duration;

use kwo_planner::change::Step;
use kwo_planner::node::{self, NodeKind};
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::resource::{Desired, ResourceId};

use super::{
    Account, Identity, Issuer, Lock, LockRefusal, Node, Note, Promise, Provider, Refusal, SecretData,
    Surroundings, restart,
};
use crate::secrets::Vault;

/// Why the node is left out.
const NOT_ASKED: &str = "node files are looked at with `--node`";

/// How long the API may take to be there again after a restart: on a small machine k3s needs a minute.
const AWAY: Duration = Duration::from_secs(180);

/// Two systems as one.
pub struct Together {
    main: Arc<dyn Provider>,
    node: Option<Node>,
    away: Duration,
}

impl Together {
    /// This system, and the node if the run was asked to look at it.
    #[must_use]
    pub fn new(main: Arc<dyn Provider>, node: Option<Node>) -> Together {
        let node = node.map(|node| node.beside(Arc::clone(&main)));
        Together { main, node, away: AWAY }
    }

    /// The same with another time for the API to be there again after a restart.
    #[must_use]
    pub fn away(self, away: Duration) -> Together {
        Together { away, ..self }
    }

    async fn all(&self, wanted: &Desired) -> Observed {
        let mut observed = self.main.observe(wanted).await;
        match &self.node {
            Some(node) => observed.merge(node.observe(wanted).await),
            None => observed.merge(
                wanted
                    .resources()
                    .iter()
                    .filter(|resource| resource.id.provider == node::PROVIDER)
                    .map(|resource| (resource.id.clone(), Sighting::LeftOut { why: NOT_ASKED.into() }))
                    .collect(),
            ),
        }
        observed
    }

    async fn pass(&self, step: &Step) -> Result<(), Refusal> {
        match &self.node {
            _ if step.id.provider != node::PROVIDER => self.main.write(step).await,
            Some(node) if step.id.node_kind() == Some(NodeKind::Restart) => {
                restart::restart(&*self.main, node, step, self.away).await
            }
            Some(node) => node.write(step).await,
            None => Err(Refusal::Refused { why: NOT_ASKED.to_owned() }),
        }
    }
}

impl Provider for Together {
    fn observe<'a>(&'a self, wanted: &'a Desired) -> Promise<'a, Observed> {
        Box::pin(self.all(wanted))
    }

    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting> {
        match &self.node {
            _ if step.id.provider != node::PROVIDER => self.main.look(step),
            Some(node) => Box::pin(async move {
                let seen = node.observe(&Desired::of(step.resource())).await;
                seen.get(&step.id).cloned().unwrap_or(Sighting::Unknown { why: "nobody looked".into() })
            }),
            None => Box::pin(async { Sighting::LeftOut { why: NOT_ASKED.into() } }),
        }
    }

    fn entrust(&self, vault: Arc<Vault>) {
        if let Some(node) = &self.node {
            node.entrust(Arc::clone(&vault));
        }
        self.main.entrust(vault);
    }

    fn reveal<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Promise<'a, Result<Option<SecretData>, Refusal>> {
        self.main.reveal(namespace, name)
    }

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(self.pass(step))
    }

    fn warnings(&self, id: &ResourceId) -> Vec<String> {
        self.main.warnings(id)
    }

    fn identity(&self) -> Promise<'_, Result<Identity, Refusal>> {
        self.main.identity()
    }

    fn context(&self) -> Option<&str> {
        self.main.context()
    }

    fn recall(&self) -> Promise<'_, Result<Option<Note>, Refusal>> {
        self.main.recall()
    }

    fn remember<'a>(&'a self, text: &'a str, seen: Option<&'a Note>) -> Promise<'a, Result<Note, Refusal>> {
        self.main.remember(text, seen)
    }

    fn account(&self) -> Promise<'_, Result<Option<Account>, Refusal>> {
        self.main.account()
    }

    fn issuer(&self) -> Option<&dyn Issuer> {
        self.main.issuer()
    }

    fn surroundings(&self) -> Option<&dyn Surroundings> {
        self.main.surroundings()
    }

    fn given_up(&self) -> Option<String> {
        self.main.given_up()
    }

    fn hurry(&self) {
        self.main.hurry();
    }

    fn lock(&self, patience: Duration) -> Promise<'_, Result<Lock, LockRefusal>> {
        self.main.lock(patience)
    }
}
