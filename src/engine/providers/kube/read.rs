//! What `kwo status` and `kwo logs` read in addition to the objects of a plan: an object or a list as JSON, the keys
//! of a Secret without their values, the last run, and a log as it arrives.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use http::StatusCode;
use kwo_planner::resource::ResourceId;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::connect::Kube;
use super::lease::{self, LastRun};
use super::path::{encoded, one};
use super::response::Response;
use super::transport::Call;
use crate::providers::Refusal;

/// The log of one container.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// Where its pod is.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// The container.
    pub container: &'a str,
    /// How many of the last lines to begin with.
    pub tail: u32,
    /// Does it go on with what is written from now on?
    pub follow: bool,
}

impl Kube {
    /// The address of the server, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.transport.way.server
    }

    /// What kubectl needs to be told to speak to the same cluster, with a space in front of each option.
    #[must_use]
    pub fn kubectl_options(&self) -> &str {
        &self.kubectl
    }

    /// What the server has at this path; nothing where it has nothing there.
    ///
    /// # Errors
    /// When it does not answer, refuses, or answers something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Refusal> {
        self.read(&Call::get(path), path).await
    }

    /// The same without the content of the objects in the list that is there.
    ///
    /// # Errors
    /// When it does not answer, refuses, or answers something else.
    pub async fn heads<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Refusal> {
        self.read(&Call::metadata(path), path).await
    }

    async fn read<T: DeserializeOwned>(&self, call: &Call, path: &str) -> Result<Option<T>, Refusal> {
        let asked = self.transport.ask(call).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.is_success() {
            return Err(response.refusal(asked.tries));
        }
        // Not with the words of the decoder, which could quote a Secret.
        let unreadable = || Refusal::Refused { why: format!("the answer to GET {path} cannot be read") };
        serde_json::from_slice(&response.body).map(Some).map_err(|_| unreadable())
    }

    /// The keys of a Secret; nothing where there is no such Secret. What is in them is never decoded.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn keys(&self, secret: &ResourceId) -> Result<Option<Vec<String>>, Refusal> {
        #[derive(Deserialize)]
        struct Secret {
            #[serde(default)]
            data: BTreeMap<String, IgnoredAny>,
        }
        let path = one(secret).map_err(|why| Refusal::Refused { why })?;
        let secret: Option<Secret> = self.get(&path).await?;
        Ok(secret.map(|secret| secret.data.into_keys().collect()))
    }

    /// The last run that took the cluster's lock; nothing where none ever did.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn last_run(&self) -> Result<Option<LastRun>, Refusal> {
        lease::last(&self.transport).await
    }

    /// Hands on the lines of a log as they come, until its end or until `take` has enough.
    ///
    /// # Errors
    /// When the server does not answer, refuses, or is lost on the way.
    pub async fn log(
        &self,
        log: Log<'_>,
        mut take: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), Refusal> {
        let Log { namespace, pod, container, tail, follow } = log;
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={tail}{}",
            encoded(namespace),
            encoded(pod),
            encoded(container),
            if follow { "&follow=true" } else { "" }
        );
        let mut rest = Vec::new();
        let pieces = |piece: &[u8]| {
            rest.extend_from_slice(piece);
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
                return ControlFlow::Continue(());
            };
            let lines: Vec<u8> = rest.drain(..=end).collect();
            String::from_utf8_lossy(&lines).lines().try_for_each(&mut take)
        };
        let response: Response = self
            .transport
            .stream(&Call::get(path), follow, pieces)
            .await
            .map_err(|trouble| trouble.refusal(1))?;
        if !response.is_success() {
            return Err(response.refusal(1));
        }
        // A last line without an end.
        if !rest.is_empty() {
            let _ = take(&String::from_utf8_lossy(&rest));
        }
        Ok(())
    }
}
