//! What the references of a roster lead to in Vault: keys of secrets in a store of version 1 or 2. Each path is read once a
//! run, and only what a roster names. No message here holds what was read.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use kwo_planner::systems::{Connection, System};
use kwo_planner::tree::Tree;
use secrecy::SecretSlice;
use serde_json::{Map, Value};
use smol_str::{SmolStr, format_smolstr};
use tokio::sync::Mutex;

use super::session::{Session, part};
use crate::secrets::Credentials;

/// The keys of a secret; nothing where what stands there is no text.
type Keys = BTreeMap<SmolStr, Option<SecretSlice<u8>>>;

/// The stores of a Vault, for reading.
pub struct Kv {
    session: Result<Session, String>,
    /// The stores whose version is known: is it the second one?
    stores: Mutex<BTreeMap<SmolStr, bool>>,
    read: Mutex<BTreeMap<SmolStr, Result<Keys, SmolStr>>>,
}

impl fmt::Debug for Kv {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the stores of Vault")
    }
}

impl Kv {
    /// The way to it, among those to all systems that a roster names.
    #[must_use]
    pub fn way(ways: &[Connection]) -> Option<&Connection> {
        ways.iter().find(|way| way.system == System::Vault)
    }

    /// The stores that this way leads to. Nothing is sent.
    #[must_use]
    pub fn new(login: &Credentials, timeout: Duration) -> Kv {
        // The roster says of this one that it is of version 2, so nobody has to ask.
        let kv = login.connection.settings.get("kv").and_then(Tree::as_text).cloned();
        let stores = Mutex::new(kv.into_iter().map(|kv| (kv, true)).collect());
        Kv { session: Session::new(login, timeout), stores, read: Mutex::default() }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it cannot be had; says why, as a sentence without a full stop.
    pub async fn value(&self, path: &str, key: &str) -> Result<SecretSlice<u8>, String> {
        let session = self.session.as_ref().map_err(Clone::clone)?;
        let mut read = self.read.lock().await;
        if !read.contains_key(path) {
            let keys = self.keys(session, path).await;
            read.insert(path.into(), keys);
        }
        let keys = read.get(path).ok_or("nobody looked")?.as_ref().map_err(ToString::to_string)?;
        match keys.get(key) {
            Some(Some(value)) => Ok(value.clone()),
            Some(None) => Err(format!("what is at the key {key} of {path} is no text")),
            None => Err(format!("there is no key {key} in the secret {path} of {}", session.server())),
        }
    }

    async fn keys(&self, session: &Session, path: &str) -> Result<Keys, SmolStr> {
        let (store, second) = self.store(session, path).await?;
        let at = match path.strip_prefix(&format!("{store}/")) {
            Some(rest) if second => format_smolstr!("{store}/data/{rest}"),
            _ => path.into(),
        };
        let answer = session.ask(&at).await?;
        let mut said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match answer.status {
            StatusCode::FORBIDDEN => Err(lacks(session, path, &at)),
            StatusCode::NOT_FOUND => Err(gone(session, path, &said)),
            status if status.is_success() => {
                let mut data = part(&mut said, "data");
                let keys = if second { part(&mut data, "data") } else { data };
                match keys {
                    Value::Object(keys) => Ok(told(keys)),
                    _ => Err(format_smolstr!("the answer of {} for {path} has no data", session.server())),
                }
            }
            // What the server says else is not repeated: it may hold anything.
            status => Err(format_smolstr!("{} answers {status} to read {path}", session.server())),
        }
    }

    /// The store that a path is in, and whether it is of version 2. It is asked for once a store.
    async fn store(&self, session: &Session, path: &str) -> Result<(SmolStr, bool), SmolStr> {
        let mut stores = self.stores.lock().await;
        // No store is in another one.
        let known = stores
            .iter()
            .find(|(store, _)| path.strip_prefix(store.as_str()).is_some_and(|rest| rest.starts_with('/')));
        if let Some((store, second)) = known {
            return Ok((store.clone(), *second));
        }
        let (store, second) = store_of(session, path).await?;
        stores.insert(store.clone(), second);
        Ok((store, second))
    }
}

/// The store that a path is in, as the server tells it, and whether it is of version 2.
pub(super) async fn store_of(session: &Session, path: &str) -> Result<(SmolStr, bool), SmolStr> {
    let answer = session.ask(&format!("sys/internal/ui/mounts/{path}")).await?;
    if answer.status == StatusCode::FORBIDDEN {
        // It says so too where there is no such store.
        let at = path
            .split_once('/')
            .map_or(SmolStr::from(path), |(store, rest)| format_smolstr!("{store}/data/{rest}"));
        let why = lacks(session, path, &at);
        return Err(format_smolstr!("{why} (`{path}` in a store of version 1), or there is no such store"));
    }
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let told = &told["data"];
    match (told["type"].as_str(), told["path"].as_str()) {
        (Some("kv" | "generic"), Some(store)) if answer.status.is_success() => {
            let second = told["options"]["version"].as_str() == Some("2");
            Ok((store.trim_end_matches('/').into(), second))
        }
        _ => Err(format_smolstr!("{} has no store with secrets at {path}", session.server())),
    }
}

/// The line that the policy of kwo lacks.
pub(super) fn lacks(session: &Session, path: &str, at: &str) -> SmolStr {
    format_smolstr!(
        "the token of kwo may not read {path} in {}; its policy lacks `path \"{at}\" {{ capabilities = [\"read\"] }}`",
        session.server()
    )
}

/// Why nothing is there.
pub(super) fn gone(session: &Session, path: &str, said: &Value) -> SmolStr {
    let metadata = &said["data"]["metadata"];
    let version = metadata["version"].as_u64().unwrap_or_default();
    match (metadata["destroyed"].as_bool(), metadata["deletion_time"].as_str()) {
        (Some(true), _) => format_smolstr!("the version {version} of {path} is destroyed; write another one"),
        (_, Some(when)) if !when.is_empty() => format_smolstr!(
            "the version {version} of {path} is deleted; `{} kv undelete -versions={version} {path}` brings it back",
            session.client()
        ),
        _ => format_smolstr!("there is no secret at {path} in {}", session.server()),
    }
}

fn told(keys: Map<String, Value>) -> Keys {
    let bytes = |value: Value| match value {
        Value::String(text) => Some(text.into_bytes().into()),
        Value::Number(number) => Some(number.to_string().into_bytes().into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    keys.into_iter().map(|(key, value)| (key.into(), bytes(value))).collect()
}
