//! Several systems as one: each step goes to the system of its id. Identity, lock, notes and Secrets are those of the
//! home, a cluster or a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;

use kwo_planner::change::Step;
use kwo_planner::observed::{Observed, Renewed, Sighting};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::systems::System;

use super::open_systems::{self, Surround};
use super::{
    Account, Checkup, Home, Identity, Issuer, Lock, LockRefusal, Promise, Provider, Refusal, Reviewer,
    Surroundings, Together, VersionedText,
};
use crate::departed::Departed;
use crate::secrets::SecretData;
use crate::secrets::Vault;

/// Several systems as one.
pub struct Composite {
    home: Arc<dyn Home>,
    /// Those that an option names.
    beside: BTreeMap<System, Arc<dyn Provider>>,
    /// Those that the roster names, from when the secrets of the run are known.
    named: OnceLock<BTreeMap<System, Arc<dyn Provider>>>,
    opens: Opens,
    /// Who the home said that it is when the run first asked.
    told: Arc<OnceLock<Identity>>,
    timeout: Duration,
}

/// Opens the systems that the roster names.
pub type Opens = Box<dyn Fn(&Vault, &Surround) -> BTreeMap<System, Arc<dyn Provider>> + Send + Sync>;

/// How long an answer of a system beside the home may take, where nobody says.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Composite {
    /// This home, and the systems beside it that the run was asked to look at.
    #[must_use]
    pub fn new(
        home: Arc<dyn Home>,
        beside: impl IntoIterator<Item = (System, Arc<dyn Provider>)>,
    ) -> Composite {
        let beside = beside.into_iter().collect();
        let opens: Opens = Box::new(|vault, around| open_systems::open(vault, around, &mut |_| {}));
        Composite { home, beside, named: OnceLock::new(), opens, told: Arc::default(), timeout: TIMEOUT }
    }

    /// The same, which opens in another way what the roster names.
    #[must_use]
    pub fn opened_by(self, opens: Opens) -> Composite {
        Composite { opens, ..self }
    }

    /// The same with another time for an answer of a system that the roster names.
    #[must_use]
    pub fn patient(self, timeout: Duration) -> Composite {
        Composite { timeout, ..self }
    }

    /// All that stands beside the home.
    fn others(&self) -> impl Iterator<Item = (&System, &Arc<dyn Provider>)> {
        self.beside.iter().chain(self.named.get().into_iter().flatten())
    }

    /// Who holds the objects of a system, where the run was asked to look at it.
    fn of(&self, system: System) -> Option<&dyn Provider> {
        match (system, self.others().find(|(other, _)| **other == system)) {
            (_, Some((_, beside))) => Some(&**beside),
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
        // Beside each other: it takes as long as the slowest, and not as all of them.
        let others = join_all(self.others().map(|(_, provider)| provider.observe(wanted)));
        let (mut observed, others) = tokio::join!(self.home.observe(wanted), others);
        others.into_iter().for_each(|other| observed.merge(other));
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

    fn ahead(&self) {
        self.home.ahead();
        self.others().for_each(|(_, provider)| provider.ahead());
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
            let of_home = self.of_home(ids);
            let others = join_all(self.others().map(|(_, provider)| provider.observe(wanted)));
            let (mut renewed, others) = tokio::join!(self.home.look_again(wanted, &of_home), others);
            others.into_iter().for_each(|other| renewed.seen.merge(other));
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

    fn gathers(&self, id: &ResourceId) -> bool {
        self.of(id.system).is_some_and(|provider| provider.gathers(id))
    }

    fn transaction(&self, steps: &[Arc<Step>]) -> BTreeSet<usize> {
        let provider = steps.first().and_then(|step| self.of(step.id.system));
        provider.map(|provider| provider.transaction(steps)).unwrap_or_default()
    }

    fn write_together<'a>(&'a self, steps: &'a [Arc<Step>]) -> Promise<'a, Together> {
        let provider = steps.first().and_then(|step| self.of(step.id.system));
        match provider {
            Some(provider) => provider.write_together(steps),
            // Each is written by itself in the end, which says why not.
            None => Box::pin(async { Together::divided(vec![true; steps.len()]) }),
        }
    }

    fn set_secrets(&self, vault: Arc<Vault>) {
        // The first one counts: a run looks at the systems that its roster names.
        self.named.get_or_init(|| {
            let (home, told) = (Arc::clone(&self.home), Arc::clone(&self.told));
            (self.opens)(&vault, &Surround { home, told, timeout: self.timeout })
        });
        self.others().for_each(|(_, provider)| provider.set_secrets(Arc::clone(&vault)));
        self.home.set_secrets(vault);
    }

    fn warnings(&self, id: &ResourceId) -> Vec<String> {
        self.of(id.system).map(|provider| provider.warnings(id)).unwrap_or_default()
    }

    fn given_up(&self) -> Option<String> {
        let beside = || self.others().find_map(|(_, provider)| provider.given_up());
        self.home.given_up().or_else(beside)
    }

    fn hurry(&self) {
        self.home.hurry();
        self.others().for_each(|(_, provider)| provider.hurry());
    }

    fn check_up(&self) -> Promise<'_, Vec<Checkup>> {
        Box::pin(async {
            let all = [self.home.check_up()].into_iter();
            join_all(all.chain(self.others().map(|(_, provider)| provider.check_up()))).await.concat()
        })
    }
}

impl Home for Composite {
    fn identity(&self) -> Promise<'_, Result<Identity, Refusal>> {
        Box::pin(async {
            let identity = self.home.identity().await?;
            self.told.get_or_init(|| identity.clone());
            Ok(identity)
        })
    }

    fn context(&self) -> Option<&str> {
        self.home.context()
    }

    fn lock(&self, patience: Duration) -> Promise<'_, Result<Lock, LockRefusal>> {
        self.home.lock(patience)
    }

    fn load_checkpoint(&self) -> Promise<'_, Result<Option<VersionedText>, Refusal>> {
        self.home.load_checkpoint()
    }

    fn save_checkpoint<'a>(
        &'a self,
        text: &'a str,
        seen: Option<&'a VersionedText>,
    ) -> Promise<'a, Result<VersionedText, Refusal>> {
        self.home.save_checkpoint(text, seen)
    }

    fn departed(&self) -> Promise<'_, Result<Vec<Departed>, Refusal>> {
        self.home.departed()
    }

    fn account(&self) -> Promise<'_, Result<Option<Account>, Refusal>> {
        self.home.account()
    }

    fn read_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Promise<'a, Result<Option<SecretData>, Refusal>> {
        self.home.read_secret(namespace, name)
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

#[cfg(test)]
mod tests {
    use tokio::sync::Barrier;

    use super::*;
    use crate::providers::Dir;

    /// A system that answers when so many others are asked, too.
    struct Waits(Arc<Barrier>);

    impl Provider for Waits {
        fn observe<'a>(&'a self, _: &'a Desired) -> Promise<'a, Observed> {
            Box::pin(async {
                self.0.wait().await;
                Observed::default()
            })
        }

        fn look<'a>(&'a self, _: &'a Step) -> Promise<'a, Sighting> {
            Box::pin(async { Sighting::Absent })
        }

        fn write<'a>(&'a self, _: &'a Step) -> Promise<'a, Result<(), Refusal>> {
            Box::pin(async { Ok(()) })
        }

        fn set_secrets(&self, _: Arc<Vault>) {}
    }

    #[tokio::test]
    async fn systems_are_looked_at_beside_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let home = Arc::new(Dir::new(folder.path()).unwrap());
        let barrier = Arc::new(Barrier::new(2));
        let waits = || Arc::new(Waits(Arc::clone(&barrier))) as Arc<dyn Provider>;
        let both = Composite::new(home, [(System::Kube, waits()), (System::Node, waits())]);
        let looks = async {
            both.observe(&Desired::default()).await;
            both.look_again(&Desired::default(), &[]).await;
        };
        tokio::time::timeout(Duration::from_secs(20), looks).await.unwrap();
    }
}
