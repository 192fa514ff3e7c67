//! The users of the registry when one of them leaves: their lines move within the Secret, in one write that fails if anybody
//! has changed the Secret since. Beyond this file and `secrets/` only their names are known.

use kwo_planner::named::auth_id;
use kwo_planner::observed::Version;
use kwo_planner::offboard::{Logins, SEEN};
use kwo_planner::tree::{SmolStr, Tree};
use secrecy::SecretSlice;

use super::connect::Kube;
use super::secret::StoredSecret;
use crate::providers::{Refusal, Restored, Whole};
use crate::secrets::offboarded::{Back, given, known_of, names, passwords, taken};
use crate::secrets::{Known, SecretData};

impl Kube {
    /// Whom the registry lets in, by the Secret that kwo keeps for it; nobody where there is none. Where the roster has a
    /// registry (`kept`), a Secret of that name that is not kwo's lets in nobody knows whom.
    ///
    /// # Errors
    /// When nobody can tell.
    pub async fn logins(&self, kept: bool) -> Result<Vec<SmolStr>, Refusal> {
        match self.secret(&auth_id()).await? {
            Some(secret) if secret.is_marked() => names(&secret.data).map_err(refused),
            Some(_) if kept => Err(refused(format!(
                "{} is not kwo's, so kwo does not know who can log in with it; `kwo apply --adopt={}` takes it over",
                auth_id(),
                auth_id()
            ))),
            Some(_) | None => Ok(Vec::new()),
        }
    }

    /// The passwords of those that were cut, as far as one of these or of those in the Secret is the one that was.
    ///
    /// # Errors
    /// When nobody can tell.
    pub async fn passwords(
        &self,
        logins: &Logins,
        known: &[(SmolStr, SecretSlice<u8>)],
    ) -> Result<Vec<Known>, Refusal> {
        let Some(secret) = self.own().await? else { return Ok(known_of(&SecretData::new(), logins, known)) };
        let mut all = passwords(&secret.data);
        all.extend(known.iter().cloned());
        Ok(known_of(&secret.data, logins, &all))
    }

    pub(super) async fn users(&self) -> Result<Option<Whole>, Refusal> {
        let Some(secret) = self.own().await? else { return Ok(None) };
        let names = names(&secret.data).map_err(refused)?;
        Ok(Some(Whole {
            object: Tree::map([(SEEN, Tree::texts(names))]),
            version: secret.version(),
            doubt: None,
        }))
    }

    pub(super) async fn shut_out(&self, logins: &Logins, seen: &Version) -> Result<(), Refusal> {
        let Some(secret) = self.own().await? else { return Ok(()) };
        let Some(keys) = taken(&secret.data, logins).map_err(refused)? else { return Ok(()) };
        if secret.version() != *seen {
            return Err(Refusal::Changed {
                why: "somebody changed who may log in at the registry".to_owned(),
            });
        }
        self.set(&secret, &keys).await
    }

    pub(super) async fn let_in(&self, logins: &Logins) -> Result<Restored, Refusal> {
        let Some(secret) = self.own().await? else { return Ok(Restored::ByRoster) };
        let (keys, back) = match given(&secret.data, logins).map_err(refused)? {
            Back::Here(keys) => (keys, Restored::Back),
            Back::Missing(keys) => (keys, Restored::ByRoster),
        };
        if let Some(keys) = keys {
            self.set(&secret, &keys).await?;
        }
        Ok(back)
    }

    /// The Secret, where it is kwo's.
    async fn own(&self) -> Result<Option<StoredSecret>, Refusal> {
        Ok(self.secret(&auth_id()).await?.filter(StoredSecret::is_marked))
    }
}

fn refused(why: String) -> Refusal {
    Refusal::Refused { why }
}
