//! The session with the server: logged in once, then asked. What an answer means at all is decided here: what is there,
//! what is not, and what cannot be known. Nothing that opens the session is in any message.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use kwo_planner::endings::word;
use kwo_planner::tree::Tree;
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Value, json};
use smol_str::{SmolStr, format_smolstr};
use tokio::sync::OnceCell;

use crate::providers::{Answer, Api, ApiOptions, Ask, NoAnswer, Refusal, secret_header};
use crate::secrets::Credentials;

/// How many requests are under way at a time.
const CONNECTIONS: usize = 16;

/// No longer answer is read: the texts of some ten thousand policies.
const LONGEST: usize = 64 * 1024 * 1024;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
/// Says that it is no browser that was led here.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// How it logs in.
enum Way {
    Token(SecretSlice<u8>),
    AppRole { role_id: SmolStr, secret_id: SecretSlice<u8> },
    Kubernetes { role: SmolStr, token: SecretSlice<u8> },
}

/// What an answer has at a key; nothing where it is something that has no keys.
pub(super) fn part(answer: &mut Value, key: &str) -> Value {
    answer.get_mut(key).map(Value::take).unwrap_or_default()
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum At {
    /// This.
    Data(Value),
    /// The server says that nothing is there.
    Nothing,
    /// Nor is there anything that could have something there: no engine and no auth method.
    NoRoute,
}

/// A way to the server.
pub(super) struct Session {
    api: Api,
    way: Way,
    /// The path of the auth method that it logs in by.
    mount: SmolStr,
    /// The path of the auth method by which people log in.
    pub(super) people: SmolStr,
    /// That by which pipelines do, where they do.
    pub(super) pipelines: Option<SmolStr>,
    /// The path of the engine for their tokens, where there is to be one.
    pub(super) deployers: Option<SmolStr>,
    /// The path of the engine that has keys, where there is to be one.
    pub(super) transit: Option<SmolStr>,
    /// The namespaces that have roles of their own, where kwo looks for such roles.
    pub(super) own_roles: Option<Vec<SmolStr>>,
    /// The path of the store with the secrets.
    pub(super) kv: SmolStr,
    /// The path of the entry with the list of users, where there is to be one.
    pub(super) users: Option<SmolStr>,
    headers: OnceCell<Result<HeaderMap, SmolStr>>,
    /// Has it the detailed list of policies, and takes it the version of a policy with a write? OpenBao has and does.
    pub(super) versions: OnceCell<bool>,
}

impl Session {
    pub(super) fn new(login: &Credentials, timeout: Duration) -> Result<Session, String> {
        let settings = &login.connection.settings;
        let text = |name: &str| settings.get(name).and_then(Tree::as_text).cloned();
        let address = text("address").unwrap_or_default();
        let ca = text("ca");
        let ca = ca.as_ref().map(|ca| ca.as_bytes());
        let api = Api::new(&ApiOptions { address: &address, ca, connections: CONNECTIONS, timeout })?;
        let way = if let Some(role_id) = text("roleId") {
            Way::AppRole { role_id, secret_id: login.secret("secret id")?.clone() }
        } else if let Some(role) = text("role") {
            Way::Kubernetes { role, token: login.secret("token of the service account")?.clone() }
        } else {
            Way::Token(login.secret("token")?.clone())
        };
        Ok(Session {
            api,
            way,
            mount: text("login").unwrap_or_default(),
            people: text("people").unwrap_or_default(),
            pipelines: text("pipelines"),
            deployers: text("deployers"),
            transit: text("transit"),
            own_roles: settings.get("layout").map(|_| {
                let spaces = settings.get("namespaces").map(Tree::items).unwrap_or_default();
                spaces.iter().filter_map(Tree::as_text).cloned().collect()
            }),
            kv: text("kv").unwrap_or_default(),
            users: text("users"),
            headers: OnceCell::new(),
            versions: OnceCell::new(),
        })
    }

    /// The address, for people.
    pub(super) fn server(&self) -> &str {
        self.api.server()
    }

    /// The store, and the path in it, of an entry; nothing where it is in another store.
    pub(super) fn in_store<'p>(&'p self, path: &'p str) -> Option<(&'p str, &'p str)> {
        let inside = path.strip_prefix(self.kv.as_str())?.strip_prefix('/')?;
        Some((self.kv.as_str(), inside))
    }

    /// What a command for it begins with.
    pub(super) fn client(&self) -> String {
        let (variable, program) = match self.versions.get() {
            Some(false) => ("VAULT_ADDR", "vault"),
            Some(true) | None => ("BAO_ADDR", "bao"),
        };
        format!("{variable}={} {program}", word(self.server()))
    }

    /// Which server it is. Nobody has to be logged in for that.
    ///
    /// # Errors
    /// When it does not answer, is sealed, or is none.
    pub(super) async fn identity(&self) -> Result<SmolStr, SmolStr> {
        Ok(self.health().await?.0)
    }

    /// The same with the version that it says it has.
    ///
    /// # Errors
    /// When it does not answer, is sealed, or is none.
    pub(super) async fn health(&self) -> Result<(SmolStr, SmolStr), SmolStr> {
        const HEALTH: &str = "/v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200";
        let none = HeaderMap::new();
        let ask = Ask { method: Method::GET, path: HEALTH, headers: &none, json: None, longest: LONGEST };
        let answer = self.api.read(&ask).await?;
        let health = self.json(&answer)?;
        match (health["initialized"].as_bool(), health["sealed"].as_bool(), health["cluster_id"].as_str()) {
            (Some(false), _, _) => Err(format_smolstr!("{} is not initialized", self.server())),
            (_, Some(true), _) => Err(format_smolstr!("{} is sealed; unseal it first", self.server())),
            (_, Some(false), Some(id)) if !id.is_empty() => {
                Ok((id.into(), health["version"].as_str().unwrap_or_default().into()))
            }
            _ => Err(format_smolstr!("{} does not answer as Vault or OpenBao does", self.server())),
        }
    }

    /// What is at a path; nothing where the server says that nothing is there.
    ///
    /// # Errors
    /// When that cannot be known, with the reason.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Value>, SmolStr> {
        let answer = self.ask(path).await?;
        if is_nothing(&answer) {
            return Ok(None);
        }
        self.understood(&answer, "read", path).map(Some)
    }

    /// The same at the path of somebody's engine or auth method, which may not be there.
    ///
    /// # Errors
    /// When that cannot be known, with the reason.
    pub(super) async fn read_at(&self, path: &str) -> Result<At, SmolStr> {
        let answer = self.ask(path).await?;
        if is_nothing(&answer) {
            return Ok(At::Nothing);
        }
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = said["errors"][0].as_str().unwrap_or_default();
        let no_route = said.starts_with("no handler for route") || said.contains("unsupported path");
        if answer.status == StatusCode::NOT_FOUND && no_route {
            return Ok(At::NoRoute);
        }
        self.understood(&answer, "read", path).map(At::Data)
    }

    /// What a list at a path tells of each entry, by its key; nothing where the server has no such list.
    ///
    /// # Errors
    /// When that cannot be known, or the list is not whole.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<(SmolStr, Value)>, SmolStr> {
        let answer = self.ask(&format!("{path}?list=true")).await?;
        if is_nothing(&answer) {
            return Ok(Vec::new());
        }
        let data = self.understood(&answer, "list", path)?;
        let half = || format_smolstr!("the list {path} of {} is not whole", self.server());
        let keys = data["keys"].as_array().ok_or_else(half)?;
        let entry = |key: &Value| {
            let key = key.as_str()?;
            let told = match data.get("key_info") {
                Some(Value::Object(told)) => told.get(key)?.clone(),
                None | Some(Value::Null) => Value::Null,
                Some(_) => return None,
            };
            Some((SmolStr::from(key), told))
        };
        keys.iter().map(entry).collect::<Option<Vec<_>>>().ok_or_else(half)
    }

    /// Does the server know this list? One that does not says so with a status that means no empty list here.
    ///
    /// # Errors
    /// When that cannot be known.
    pub(super) async fn has_list(&self, path: &str) -> Result<Option<Vec<(SmolStr, Value)>>, SmolStr> {
        match self.list(path).await {
            Ok(entries) if entries.is_empty() => Ok(None),
            Ok(entries) => Ok(Some(entries)),
            Err(why) => match self.ask(&format!("{path}?list=true")).await {
                Ok(answer) if matches!(answer.status.as_u16(), 404 | 405) => Ok(None),
                _ => Err(why),
            },
        }
    }

    /// Asks for what is at a path, and gives the answer as it is.
    ///
    /// # Errors
    /// When there is none that counts.
    pub(super) async fn ask(&self, path: &str) -> Result<Answer, SmolStr> {
        let path = format!("/v1/{path}");
        let headers = self.headers().await?;
        let ask = Ask { method: Method::GET, path: &path, headers, json: None, longest: LONGEST };
        Ok(self.api.read(&ask).await?)
    }

    /// Posts this to a path. It is sent again only where the server has not done it.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.changed(Method::POST, "write", path, Some(&body.to_string())).await
    }

    /// Writes these parts of what is at a path, and leaves all others there. Where nothing is there the server says so.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.changed(Method::PATCH, "write", path, Some(&body.to_string())).await
    }

    /// Deletes what is at a path, for somebody who leaves. Nothing else in kwo does.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Refusal> {
        self.changed(Method::DELETE, "delete", path, None).await.map(drop)
    }

    async fn changed(
        &self,
        method: Method,
        verb: &str,
        path: &str,
        json: Option<&str>,
    ) -> Result<Value, Refusal> {
        let refused = |why: SmolStr| Refusal::Refused { why: why.into() };
        let headers = self.headers().await.map_err(refused)?;
        let mut own = HeaderMap::new();
        if method == Method::PATCH {
            own.clone_from(headers);
            own.insert(CONTENT_TYPE, HeaderValue::from_static("application/merge-patch+json"));
        }
        let headers = if own.is_empty() { headers } else { &own };
        let whole = format!("/v1/{path}");
        let ask = Ask { method, path: &whole, headers, json, longest: LONGEST };
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(Value::Null),
            StatusCode::OK => self.understood(&answer, verb, path).map_err(refused),
            status if status.is_server_error() => {
                Err(Refusal::Unreachable { why: format!("{} answers {status}", self.server()) })
            }
            _ => Err(Refusal::Refused { why: self.no(&answer, verb, path).into() }),
        }
    }

    /// Sends it until the server has time for it.
    async fn send(&self, ask: &Ask<'_>) -> Result<Answer, Refusal> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.api.once(ask).await {
                Ok(answer) if answer.is_busy() && self.api.pause(tries, answer.after).await => {}
                Err(NoAnswer::NotSent(_)) if tries < 3 && self.api.pause(tries, None).await => {}
                Ok(answer) if answer.is_busy() => {
                    let why = format!("{} answers {}", self.server(), answer.status);
                    return Err(Refusal::Unreachable { why });
                }
                Ok(answer) => return Ok(answer),
                Err(none) => return Err(Refusal::Unreachable { why: none.why().to_owned() }),
            }
        }
    }

    /// How kwo logs in, in words; fails where the server does not let it in. A token that was given is sent nowhere for that.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub(super) async fn logged_in(&self) -> Result<String, SmolStr> {
        self.headers().await?;
        Ok(match &self.way {
            Way::Token(_) => "kwo has a token".to_owned(),
            Way::AppRole { .. } => format!("kwo logs in at auth/{} by AppRole", self.mount),
            Way::Kubernetes { role, .. } => format!("kwo logs in at auth/{} as {role}", self.mount),
        })
    }

    /// The header lines of every request; logs in for them, once.
    async fn headers(&self) -> Result<&HeaderMap, SmolStr> {
        let made = self.headers.get_or_init(|| async {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST, HeaderValue::from_static("true"));
            let token = self.log_in(&headers).await?;
            let token = secret_header(token.expose_secret().trim_ascii());
            let token = token
                .map_err(|why| format_smolstr!("the token for {} cannot be used: {why}", self.server()))?;
            headers.insert(TOKEN, token);
            Ok(headers)
        });
        made.await.as_ref().map_err(SmolStr::clone)
    }

    async fn log_in(&self, headers: &HeaderMap) -> Result<SecretSlice<u8>, SmolStr> {
        let text = |bytes: &SecretSlice<u8>| {
            let text = std::str::from_utf8(bytes.expose_secret().trim_ascii()).map(str::to_owned);
            text.map_err(|_| SmolStr::new_static("what logs in to Vault is no text"))
        };
        let body = match &self.way {
            Way::Token(token) => return Ok(token.clone()),
            Way::AppRole { role_id, secret_id } => json!({"role_id": role_id, "secret_id": text(secret_id)?}),
            Way::Kubernetes { role, token } => json!({"role": role, "jwt": text(token)?}),
        };
        let (path, json) = (format!("/v1/auth/{}/login", self.mount), body.to_string());
        let ask = Ask { method: Method::POST, path: &path, headers, json: Some(&json), longest: LONGEST };
        let answer = self.send(&ask).await.map_err(|refusal| SmolStr::from(refusal.to_string()))?;
        let cannot = || format_smolstr!("kwo cannot log in to {} at auth/{}", self.server(), self.mount);
        if answer.status != StatusCode::OK {
            // The server may repeat what it was sent.
            return Err(format_smolstr!("{}: the answer is {}", cannot(), answer.status));
        }
        let answer: Value = serde_json::from_slice(&answer.body).map_err(|_| cannot())?;
        let token = answer["auth"]["client_token"].as_str().ok_or_else(cannot)?;
        Ok(token.as_bytes().to_vec().into())
    }

    fn json(&self, answer: &Answer) -> Result<Value, SmolStr> {
        match serde_json::from_slice(&answer.body) {
            Ok(value) if answer.status.is_success() => Ok(value),
            _ => Err(format_smolstr!(
                "{} does not answer as Vault or OpenBao does ({})",
                self.server(),
                answer.status
            )),
        }
    }

    /// The data of an answer.
    fn understood(&self, answer: &Answer, verb: &str, path: &str) -> Result<Value, SmolStr> {
        if !answer.status.is_success() {
            return Err(self.no(answer, verb, path));
        }
        let mut value = self.json(answer)?;
        match part(&mut value, "data") {
            data @ Value::Object(_) => Ok(data),
            _ => Err(format_smolstr!("the answer of {} for {path} has no data", self.server())),
        }
    }

    /// What the server said instead.
    fn no(&self, answer: &Answer, verb: &str, path: &str) -> SmolStr {
        if answer.status == StatusCode::FORBIDDEN {
            return format_smolstr!(
                "the token of kwo may not {verb} {path} in {}; give it a policy with this path",
                self.server()
            );
        }
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said: Vec<&str> = said["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::trim)
            .collect();
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
        format_smolstr!("{} answers {} to {verb} {path}{said}", self.server(), answer.status)
    }
}

/// Is it Vault's own way to say that nothing is there? A proxy, or a path that no engine serves, says more, or something
/// else.
fn is_nothing(answer: &Answer) -> bool {
    let empty = |body: Value| body["errors"].as_array().is_some_and(Vec::is_empty);
    answer.status == StatusCode::NOT_FOUND && serde_json::from_slice(&answer.body).is_ok_and(empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_object_has_no_parts() {
        for odd in [json!([]), json!("ok"), json!(42), json!(true), Value::Null, json!({})] {
            assert_eq!(part(&mut odd.clone(), "data"), Value::Null, "{odd}");
        }
        assert_eq!(part(&mut json!({"data": {"a": 1}}), "data"), json!({"a": 1}));
    }
}
