//! A Secret as a whole: read at one moment, copied before it changes, and some of its keys set, all or none of them and
//! only in the state that was read. No key can be removed here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Version, is_mark};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::{Tree, join};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Deserialize;
use serde_json::json;
use smol_str::{SmolStr, format_smolstr};
use zeroize::Zeroizing;

use super::connect::Kube;
use super::path::{WRITER, one, siblings};
use super::transport::{Asked, Call};
use super::write::{Operation, cut_short};
use crate::providers::Refusal;
use crate::secrets::SecretData;

/// The label of a copy: whose it is.
const COPY_OF: &str = "kwo.dev/archive-of";

/// A Secret in the state in which it was read.
#[derive(Debug)]
pub struct StoredSecret {
    /// What is in it.
    pub data: SecretData,
    id: ResourceId,
    head: Metadata,
}

/// The API's form of it.
#[derive(Deserialize)]
struct Secret {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<SmolStr, SecretString>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    uid: SmolStr,
    resource_version: SmolStr,
    #[serde(default)]
    labels: BTreeMap<SmolStr, SmolStr>,
}

impl StoredSecret {
    /// Is it kwo's?
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.head.labels.iter().any(|(key, value)| is_mark(key, value))
    }

    /// The state that it was read in.
    #[must_use]
    pub fn version(&self) -> Version {
        Version(format_smolstr!("{}/{}", self.head.uid, self.head.resource_version))
    }

    fn holds(&self, other: &SecretData) -> bool {
        other.iter().all(|(key, value)| {
            self.data.get(key).is_some_and(|found| found.expose_secret() == value.expose_secret())
        })
    }
}

impl Kube {
    /// The Secret as it is now; nothing where there is none.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn secret(&self, id: &ResourceId) -> Result<Option<StoredSecret>, Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let asked = self.transport.ask(&Call::get(one(id).map_err(refused)?)).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.is_success() {
            return Err(response.refusal(asked.tries));
        }
        let body = Zeroizing::new(response.body);
        // The errors of the decoders could quote what they decode.
        let unreadable = || refused(format!("the Secret {} of {} cannot be read", id.name, id.scope));
        let Secret { metadata, data } = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        let bytes = |(key, text): (SmolStr, SecretString)| {
            let bytes = STANDARD.decode(text.expose_secret()).map_err(|_| unreadable())?;
            Ok((key, SecretSlice::from(bytes)))
        };
        let data = data.into_iter().map(bytes).collect::<Result<SecretData, Refusal>>()?;
        Ok(Some(StoredSecret { data, id: id.clone(), head: metadata }))
    }

    /// Keeps what is in it under this name beside it. The copy has no mark: no roster asks for it.
    ///
    /// # Errors
    /// When it cannot be made, or another Secret has that name.
    pub async fn keep_copy(&self, secret: &StoredSecret, name: &str) -> Result<(), Refusal> {
        let id = ResourceId::kube(Kind::Secret, secret.id.scope.clone(), name);
        let encode = |(key, value): (&SmolStr, &SecretSlice<u8>)| {
            (key.to_string(), STANDARD.encode(value.expose_secret()))
        };
        let body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": secret.id.scope,
                "labels": {COPY_OF: secret.id.name},
                "annotations": {"kwo.dev/archived-at-version": secret.head.resource_version},
            },
            "type": "Opaque",
            "immutable": true,
            "data": secret.data.iter().map(encode).collect::<BTreeMap<String, String>>(),
        });
        let place = siblings(&id).map_err(|why| Refusal::Refused { why })?;
        let asked =
            self.transport.ask(&Call::post(format!("{place}{WRITER}"), body.to_string().into_bytes())).await;
        let Err(refusal) = outcome(asked) else { return Ok(()) };
        // It may be this very copy, made by a try whose answer was lost.
        match self.secret(&id).await {
            Ok(Some(there)) if there.data.len() == secret.data.len() && there.holds(&secret.data) => Ok(()),
            _ => Err(refusal),
        }
    }

    /// Sets these keys in it, all at once, unless it has changed since it was read.
    ///
    /// # Errors
    /// When it has changed or the server refuses: then nothing was done. When there is no answer, nobody can tell.
    pub async fn set(&self, secret: &StoredSecret, keys: &SecretData) -> Result<(), Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let text = |text: &SmolStr| Tree::from(text.clone());
        let pointers: Vec<String> = keys.keys().map(|key| join("/data", key)).collect();
        let mut patch = vec![
            Operation::Test { path: "/metadata/uid", value: text(&secret.head.uid) },
            Operation::Test { path: "/metadata/resourceVersion", value: text(&secret.head.resource_version) },
        ];
        patch.extend(pointers.iter().zip(keys.values()).map(|(path, value)| Operation::Add {
            path,
            value: Tree::from(STANDARD.encode(value.expose_secret())),
        }));
        let path = format!("{}{WRITER}", one(&secret.id).map_err(refused)?);
        let asked = self.transport.ask(&Call::json_patch(path, &patch).map_err(refused)?).await;
        let Err(refusal) = outcome(asked) else { return Ok(()) };
        match self.secret(&secret.id).await {
            // Its own work, of which it never heard.
            Ok(Some(now)) if now.head.uid == secret.head.uid && now.holds(keys) => Ok(()),
            Ok(Some(now)) if now.head.resource_version == secret.head.resource_version => match refusal {
                // It may still be on its way.
                Refusal::Unreachable { why } => Err(Refusal::Unreachable { why }),
                Refusal::Changed { why } | Refusal::Refused { why } => Err(Refusal::Refused { why }),
            },
            Ok(_) => Err(Refusal::Changed { why: "somebody else has changed or replaced it".to_owned() }),
            Err(_) => Err(refusal),
        }
    }
}

fn outcome(asked: Asked) -> Result<(), Refusal> {
    match asked.outcome {
        Err(trouble) => Err(trouble.refusal(asked.tries)),
        Ok(response) if response.is_success() => Ok(()),
        Ok(response) => Err(cut_short(response.refusal(asked.tries))),
    }
}
