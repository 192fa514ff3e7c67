//! The contract of a provider, kept by handing each promise to the file that fulfils it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use k8s_openapi::api::core::v1::Namespace;
use kwo_planner::change::Step;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Renewed, Sighting};
use kwo_planner::resource::{Desired, ResourceId};
use smol_str::SmolStr;

use super::causes::ConnectError;
use super::connect::Kube;
use super::transport::{Call, Transport};
use super::{again, cutter, lease, observe, review, token, versioned_text, write};
use crate::departed::Departed;
use crate::kubeconfig::Endpoint;
use crate::providers::{
    Account, Home, Identity, Issuer, Lock, LockRefusal, Promise, Provider, Refusal, Reviewer, Surroundings,
    Token, VersionedText,
};
use crate::secrets::{SecretData, Vault};

/// The namespace that every cluster has, and whose uid no other cluster has.
const SYSTEM: &str = "/api/v1/namespaces/kube-system";

impl Provider for Kube {
    fn observe<'a>(&'a self, wanted: &'a Desired) -> Promise<'a, Observed> {
        Box::pin(async move {
            let mut observed = observe::observe(&self.transport, self.vault(), wanted).await;
            observed.reach.kubectl = self.kubectl.clone();
            observed
        })
    }

    fn ahead(&self) {
        observe::ahead(&self.transport);
    }

    fn set_secrets(&self, vault: Arc<Vault>) {
        // The first one counts: what was seen with it has to be written with it.
        let _ = self.vault.set(vault);
    }

    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting> {
        Box::pin(observe::look(&self.transport, self.vault(), step))
    }

    fn requests(&self, ids: &[ResourceId]) -> Option<usize> {
        Some(again::requests(ids))
    }

    fn look_again<'a>(&'a self, wanted: &'a Desired, ids: &'a [ResourceId]) -> Promise<'a, Renewed> {
        Box::pin(again::look_again(&self.transport, self.vault(), wanted, ids))
    }

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(write::write(&self.transport, self.vault(), &self.warned, step))
    }

    fn warnings(&self, id: &ResourceId) -> Vec<String> {
        self.warned.take(id)
    }

    fn given_up(&self) -> Option<String> {
        self.transport.outage.given_up()
    }

    fn hurry(&self) {
        self.transport.outage.hurry();
    }
}

impl Home for Kube {
    fn read_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Promise<'a, Result<Option<SecretData>, Refusal>> {
        Box::pin(async move {
            let found = self.secret(&ResourceId::kube(Kind::Secret, namespace, name)).await?;
            Ok(found.map(|secret| secret.data))
        })
    }

    fn identity(&self) -> Promise<'_, Result<Identity, Refusal>> {
        Box::pin(identity(&self.transport))
    }

    fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    fn load_checkpoint(&self) -> Promise<'_, Result<Option<VersionedText>, Refusal>> {
        Box::pin(async move { versioned_text::load(&self.transport, &versioned_text::sync()).await })
    }

    fn save_checkpoint<'a>(
        &'a self,
        text: &'a str,
        seen: Option<&'a VersionedText>,
    ) -> Promise<'a, Result<VersionedText, Refusal>> {
        Box::pin(
            async move { versioned_text::save(&self.transport, &versioned_text::sync(), text, seen).await },
        )
    }

    fn departed(&self) -> Promise<'_, Result<Vec<Departed>, Refusal>> {
        Box::pin(cutter::departed(&self.transport))
    }

    fn account(&self) -> Promise<'_, Result<Option<Account>, Refusal>> {
        Box::pin(review::account(&self.transport))
    }

    fn issuer(&self) -> Option<&dyn Issuer> {
        Some(self)
    }

    fn surroundings(&self) -> Option<&dyn Surroundings> {
        Some(self)
    }

    fn reviewer(&self) -> Option<&dyn Reviewer> {
        Some(self)
    }

    fn lock(&self, patience: Duration) -> Promise<'_, Result<Lock, LockRefusal>> {
        Box::pin(lease::lock(Arc::clone(&self.lock_wire), self.lock_duration, patience, self.tell))
    }
}

impl Issuer for Kube {
    fn endpoint(&self) -> Result<Endpoint, Refusal> {
        self.endpoint.clone().map_err(|ConnectError { why, hint }| Refusal::Refused {
            why: [why].into_iter().chain(hint).collect::<Vec<_>>().join("; "),
        })
    }

    fn accounts<'a>(&'a self, name: &'a str) -> Promise<'a, Result<BTreeMap<SmolStr, SmolStr>, Refusal>> {
        Box::pin(token::accounts(&self.transport, name))
    }

    fn token<'a>(
        &'a self,
        namespace: &'a str,
        account: &'a str,
        lifetime: Duration,
    ) -> Promise<'a, Result<Token, Refusal>> {
        Box::pin(Kube::token(self, namespace, account, lifetime))
    }
}

impl Kube {
    fn vault(&self) -> &Arc<Vault> {
        self.vault.get_or_init(Arc::default)
    }
}

async fn identity(transport: &Transport) -> Result<Identity, Refusal> {
    let asked = transport.ask(&Call::get(SYSTEM)).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if response.status == StatusCode::FORBIDDEN {
        // A narrow account may not look at kube-system; then the server's address has to tell clusters apart.
        let id = smol_str::format_smolstr!("server {}", transport.way.server);
        return Ok(Identity { id, address: transport.way.server.as_str().into() });
    }
    if !response.is_success() {
        return Err(response.refusal(asked.tries));
    }
    let unlike = |why: String| Refusal::Refused {
        why: format!("{} does not answer like a Kubernetes API server: {why}", transport.way.server),
    };
    let namespace: Namespace =
        serde_json::from_slice(&response.body).map_err(|error| unlike(error.to_string()))?;
    let uid = namespace.metadata.uid.ok_or_else(|| unlike("kube-system has no uid".to_owned()))?;
    Ok(Identity { id: uid.into(), address: transport.way.server.as_str().into() })
}
