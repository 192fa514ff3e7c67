//! Several systems as one: each step goes to the system of its id. Identity, lock, notes and Secrets are those of the
//! home, a cluster or a directory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kwo_planner::change::Step;
use kwo_planner::observed::{Observed, Renewed, Sighting};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::systems::System;

use super::{
    Account, Home, Identity, Issuer, Lock, LockRefusal, Note, Promise, Provider, Refusal, Reviewer,
    Surroundings,
};
use crate::departed::Departed;
use crate::secrets::SecretData;
use crate::secrets::Vault;

/// Several systems as one.
pub struct Composite {
    home: Arc<dyn Home>,
    beside: BTreeMap<System, Arc<dyn Provider>>,
}

impl Composite {
    /// This home, and the systems beside it that the run was asked to look at.
    #[must_use]
    pub fn new(
        home: Arc<dyn Home>,
        beside: impl IntoIterator<Item = (System, Arc<dyn Provider>)>,
    ) -> Composite {
        Composite { home, beside: beside.into_iter().collect() }
    }

    /// Who holds the objects of a system, where the run was asked to look at it.
    fn of(&self, system: System) -> Option<&dyn Provider> {
        match (system, self.beside.get(&system)) {
            (_, Some(beside)) => Some(&**beside),
            (System::Kube, None) => Some(&*self.home),
            (_, None) => None,
        }
    }

    /// Those that the home holds.
    fn of_home(&self, ids: &[ResourceId]) -> Vec<ResourceId> {
        let home = |id: &&ResourceId| id.system == System::Kube && !self.beside.contains_key(&id.system);
        ids.iter().filter(home).cloned().collect()
    }

    async fn all(&self, wanted: &Desired) -> Observed {
        let mut observed = self.home.observe(wanted).await;
        for provider in self.beside.values() {
            observed.merge(provider.observe(wanted).await);
        }
        let left_out = wanted.resources().iter().filter(|resource| self.of(resource.id.system).is_none());
        observed
            .merge(left_out.map(|resource| (resource.id.clone(), not_asked(resource.id.system))).collect());
        observed
    }
}

/// What is seen of a system that the run was not asked to look at.
fn not_asked(system: System) -> Sighting {
    Sighting::LeftOut { why: system.rules().not_asked() }
}

impl Provider for Composite {
    fn observe<'a>(&'a self, wanted: &'a Desired) -> Promise<'a, Observed> {
        Box::pin(self.all(wanted))
    }

    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting> {
        match self.of(step.id.system) {
            Some(provider) => provider.look(step),
            None => Box::pin(async { not_asked(step.id.system) }),
        }
    }

    /// What stands beside the home is looked at as a whole: it is near, and small.
    fn requests(&self, ids: &[ResourceId]) -> Option<usize> {
        self.home.requests(&self.of_home(ids))
    }

    fn look_again<'a>(&'a self, wanted: &'a Desired, ids: &'a [ResourceId]) -> Promise<'a, Renewed> {
        Box::pin(async move {
            let mut renewed = self.home.look_again(wanted, &self.of_home(ids)).await;
            for provider in self.beside.values() {
                renewed.seen.merge(provider.observe(wanted).await);
            }
            renewed
        })
    }

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        match self.of(step.id.system) {
            Some(provider) => provider.write(step),
            None => {
                let why = step.id.system.rules().not_asked().to_string();
                Box::pin(async { Err(Refusal::Refused { why }) })
            }
        }
    }

    fn entrust(&self, vault: Arc<Vault>) {
        self.beside.values().for_each(|provider| provider.entrust(Arc::clone(&vault)));
        self.home.entrust(vault);
    }

    fn warnings(&self, id: &ResourceId) -> Vec<String> {
        self.of(id.system).map(|provider| provider.warnings(id)).unwrap_or_default()
    }

    fn given_up(&self) -> Option<String> {
        let beside = || self.beside.values().find_map(|provider| provider.given_up());
        self.home.given_up().or_else(beside)
    }

    fn hurry(&self) {
        self.home.hurry();
        self.beside.values().for_each(|provider| provider.hurry());
    }
}

impl Home for Composite {
    fn identity(&self) -> Promise<'_, Result<Identity, Refusal>> {
        self.home.identity()
    }

    fn context(&self) -> Option<&str> {
        self.home.context()
    }

    fn lock(&self, patience: Duration) -> Promise<'_, Result<Lock, LockRefusal>> {
        self.home.lock(patience)
    }

    fn recall(&self) -> Promise<'_, Result<Option<Note>, Refusal>> {
        self.home.recall()
    }

    fn remember<'a>(&'a self, text: &'a str, seen: Option<&'a Note>) -> Promise<'a, Result<Note, Refusal>> {
        self.home.remember(text, seen)
    }

    fn departed(&self) -> Promise<'_, Result<Vec<Departed>, Refusal>> {
        self.home.departed()
    }

    fn account(&self) -> Promise<'_, Result<Option<Account>, Refusal>> {
        self.home.account()
    }

    fn reveal<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Promise<'a, Result<Option<SecretData>, Refusal>> {
        self.home.reveal(namespace, name)
    }

    fn issuer(&self) -> Option<&dyn Issuer> {
        self.home.issuer()
    }

    fn surroundings(&self) -> Option<&dyn Surroundings> {
        self.home.surroundings()
    }

    fn reviewer(&self) -> Option<&dyn Reviewer> {
        self.home.reviewer()
    }
}
