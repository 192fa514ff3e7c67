//! A Vault or an OpenBao as kwo sees every system: looks, and does one step, by handing each to the file that does it.

use std::sync::Arc;

use kwo_planner::change::Step;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::resource::Desired;
use kwo_planner::tree::Tree;
use smol_str::SmolStr;
use tokio::sync::OnceCell;

use super::session::Session;
use super::turns::Turns;
use super::{checkup, observe, write};
use crate::providers::{Checkup, Promise, Provider, Refusal, Surround, cluster};
use crate::secrets::{Credentials, Vault};

/// A Vault or an OpenBao.
pub struct VaultServer {
    address: SmolStr,
    session: Result<Session, SmolStr>,
    around: Surround,
    /// The uid of the cluster, for the marks.
    uid: OnceCell<Result<SmolStr, Sighting>>,
    turns: Turns,
}

impl VaultServer {
    /// The server that this way leads to. Nothing is sent.
    #[must_use]
    pub fn new(login: &Credentials, around: &Surround) -> VaultServer {
        let session = Session::new(login, around.timeout).map_err(SmolStr::from);
        let address = login.connection.settings.get("address").and_then(Tree::as_text).cloned();
        VaultServer {
            address: address.unwrap_or_default(),
            session,
            around: around.clone(),
            uid: OnceCell::new(),
            turns: Turns::default(),
        }
    }

    /// The way to the server, and whose the marks on it are.
    ///
    /// # Errors
    /// When there is none of the two: with what is seen of every object then.
    pub(super) async fn open(&self) -> Result<(&Session, &SmolStr), Sighting> {
        let session = self.session.as_ref().map_err(|why| Sighting::Unknown { why: why.clone() })?;
        let uid = self.uid.get_or_init(|| cluster(&self.around)).await;
        Ok((session, uid.as_ref().map_err(Sighting::clone)?))
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }
}

/// Why there is no way to the server.
pub(super) fn unseen(seen: Sighting) -> Refusal {
    let why = match seen {
        Sighting::Unknown { why } | Sighting::LeftOut { why } => why.into(),
        Sighting::Absent | Sighting::Present(_) => "nobody looked".to_owned(),
    };
    Refusal::Refused { why }
}

impl Provider for VaultServer {
    fn observe<'a>(&'a self, wanted: &'a Desired) -> Promise<'a, Observed> {
        Box::pin(async move {
            match self.open().await {
                Ok((session, uid)) => observe::all(session, uid, wanted).await,
                Err(seen) => observe::nothing(wanted, &seen),
            }
        })
    }

    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting> {
        Box::pin(async move {
            let seen = self.observe(&Desired::of(step.resource())).await;
            seen.get(&step.id).cloned().unwrap_or(Sighting::Unknown { why: "nobody looked".into() })
        })
    }

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let (session, uid) = self.open().await.map_err(unseen)?;
            write::step(&self.turns, session, uid, step).await
        })
    }

    /// The way to the server has its secrets already.
    fn set_secrets(&self, _: Arc<Vault>) {}

    fn check_up(&self) -> Promise<'_, Vec<Checkup>> {
        Box::pin(async {
            let found = match &self.session {
                Ok(session) => checkup::check(session, cluster(&self.around).await).await,
                Err(why) => Checkup::new("vault", self.address.as_str()).with("login", Err(why.to_string())),
            };
            vec![found]
        })
    }
}
