//! What the users of the registry log in with: each password where the roster says it is, and what kwo made in the cluster.

use jiff::Timestamp;
use kwo_planner::domains::Roster;
use kwo_planner::domains::registry_users::Account;
use kwo_planner::named::auth_id;
use kwo_planner::roster::SecretRef;
use kwo_planner::systems::Connection;

use crate::cli::KubeArgs;
use kwo_engine::failure::Failure;
use kwo_engine::providers::{Home, Kube, Refusal};
use kwo_engine::references::{Answer, Places, follow};
use kwo_engine::secrets::{SecretData, Standing, standing};
use kwo_engine::target;

/// Where the logins of these users are.
pub(super) struct Reach {
    /// The cluster, where it is needed.
    pub(super) cluster: Option<Kube>,
    places: Places,
    /// What is in the Secret with the users; nothing where there is none yet.
    stored: SecretData,
}

impl Reach {
    /// Looks where their names are, and, if they are wanted, their passwords.
    pub(super) async fn to(
        roster: &Roster,
        accounts: &[Account],
        places: Places,
        kube: &KubeArgs,
        passwords: bool,
    ) -> Result<Reach, Failure> {
        // What logs in to Vault may be in the cluster.
        let in_vault = |account: &Account| matches!(account.password, SecretRef::Vault { .. });
        let ways: Vec<Connection> = (passwords && accounts.iter().any(in_vault))
            .then(|| roster.vault().map(|(_, vault)| vault.connection()))
            .flatten()
            .into_iter()
            .collect();
        let is_kube = |reference: &SecretRef| matches!(reference, SecretRef::Kube { .. });
        let asks = |account: &Account| account.made.is_some() || (passwords && is_kube(&account.password));
        let in_cluster =
            accounts.iter().any(asks) || ways.iter().flat_map(|way| way.secrets.values()).any(is_kube);
        let cluster = if in_cluster { Some(target::connect(kube.options()?).await?) } else { None };
        let mut stored = SecretData::new();
        let provider = cluster.as_ref().map(|kube| kube as &dyn Home);
        let places = places.with_vault(&ways, provider).await;
        if let Some(provider) = provider.filter(|_| accounts.iter().any(|user| user.made.is_some())) {
            stored = users(provider).await.map_err(|refusal| {
                Failure::new(format!("cannot tell by which names the users log in: {refusal}"))
            })?;
        }
        Ok(Reach { cluster, places, stored })
    }

    /// The password of a user; why there is none.
    pub(super) async fn password(&self, account: &Account) -> Answer {
        let made = account.made.as_ref();
        match made.and_then(|made| self.stored.get(&made.password)).cloned() {
            Some(bytes) => Ok(bytes),
            None => {
                let provider = self.cluster.as_ref().map(|kube| kube as &dyn Home);
                follow(&account.password, &self.places, provider).await
            }
        }
    }

    /// By which name a user logs in whose password kwo makes.
    pub(super) fn now(&self, account: &Account) -> Option<Standing> {
        now(account, &self.stored)
    }
}

/// What is in the Secret with the users; nothing where there is none yet.
pub(super) async fn users(provider: &dyn Home) -> Result<SecretData, Refusal> {
    let id = auth_id();
    Ok(provider.read_secret(&id.scope, &id.name).await?.unwrap_or_default())
}

/// By which name a user logs in whose password kwo makes.
pub(super) fn now(account: &Account, stored: &SecretData) -> Option<Standing> {
    let made = account.made.as_ref()?;
    Some(standing(stored, &account.user, &made.username, Timestamp::now()))
}
