//! The issuer for logins: whether it can be reached from here, and says who it is, as OpenID Connect Discovery wants.

use http::{HeaderMap, Method};
use kwo_planner::domains::Roster;
use serde::Deserialize;

use super::PATIENCE;
use super::check::{Check, OIDC};
use crate::providers::{Api, ApiOptions, Ask, NoAnswer};

/// Where an issuer says who it is.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// No longer answer is read.
const LONGEST: usize = 64 * 1024;

#[derive(Deserialize)]
struct Said {
    issuer: String,
    #[serde(default)]
    jwks_uri: String,
}

pub(super) async fn oidc(roster: Option<&Roster>) -> Check {
    let Some(roster) = roster else { return OIDC.not_asked("there is no roster") };
    let Some(oidc) = &roster.cluster().oidc else { return OIDC.not_asked("the roster names no issuer") };
    let issuer = oidc.issuer.value.to_string();
    let ca = oidc.ca.as_ref().map(|ca| ca.value.to_string());
    OIDC.within(async { asked(&issuer, ca.as_deref()).await }).await
}

/// Asks as the API server does: the authority of the roster is trusted, and where there is none, those of this machine.
async fn asked(issuer: &str, ca: Option<&str>) -> Check {
    let Some((address, below)) = split(issuer) else {
        return OIDC.cannot_tell(format!("{issuer} is not an address that can be asked"));
    };
    let ca = ca.map(str::as_bytes);
    let options = ApiOptions { address: &address, ca, connections: 1, timeout: PATIENCE / 2 };
    let api = match Api::new(&options) {
        Ok(api) => api,
        Err(why) => return OIDC.cannot_tell(why),
    };
    let (path, headers) = (format!("{below}{DISCOVERY}"), HeaderMap::new());
    let ask = Ask { method: Method::GET, path: &path, headers: &headers, json: None, longest: LONGEST };
    match api.once(&ask).await {
        Err(NoAnswer::Distrusted(why)) => OIDC.failed(why).todo(
            "renew the certificate of the issuer, or write its certificate authority under `cluster.oidc.ca`",
            format!("curl -sSv {}", shown(issuer)),
        ),
        Err(no) => OIDC
            .failed(no.why())
            .todo("let this machine and the node reach the issuer", format!("curl -sS {}", shown(issuer))),
        Ok(answer) => judged(issuer, answer.status.as_u16(), &answer.body),
    }
}

fn judged(issuer: &str, status: u16, body: &[u8]) -> Check {
    let command = format!("curl -sS {}", shown(issuer));
    if status != 200 {
        return OIDC
            .failed(format!("{issuer} answers {status} where it should say who it is"))
            .todo("write the issuer exactly as its tokens have it: `cluster.oidc.issuer`", command);
    }
    match serde_json::from_slice::<Said>(body) {
        Err(_) => OIDC
            .failed(format!("{issuer} does not answer as an issuer of OpenID Connect"))
            .todo("write the issuer exactly as its tokens have it: `cluster.oidc.issuer`", command),
        Ok(said) if said.issuer != issuer => {
            OIDC.failed(format!("it calls itself {}, and the roster calls it {issuer}", said.issuer)).todo(
                "write the issuer as it calls itself: otherwise the API server refuses its tokens",
                command,
            )
        }
        Ok(said) if said.jwks_uri.is_empty() => {
            OIDC.failed("it does not say where its keys are").todo("see what it says", command)
        }
        Ok(_) => OIDC.ok(format!("{issuer} can be reached, and is the one")),
    }
}

fn shown(issuer: &str) -> String {
    kwo_planner::endings::word(&format!("{}{DISCOVERY}", issuer.trim_end_matches('/')))
}

/// The address of its server, and the path below it.
fn split(issuer: &str) -> Option<(String, String)> {
    let uri: http::Uri = issuer.parse().ok()?;
    let api = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    Some((api, uri.path().trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn an_issuer_says_who_it_is() {
        let issuer = "https://login.example.com/realms/one";
        let said = |issuer: &str, keys: &str| format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"}}"#);
        let outcome = |status, body: &str| judged(issuer, status, body.as_bytes()).outcome;
        assert_eq!(outcome(200, &said(issuer, "https://k")), Outcome::Ok);
        assert_eq!(outcome(200, &said(&format!("{issuer}/"), "https://k")), Outcome::Failed);
        assert_eq!(outcome(200, &said(issuer, "")), Outcome::Failed);
        assert_eq!(outcome(200, "<html>"), Outcome::Failed);
        assert_eq!(outcome(404, ""), Outcome::Failed);
        assert_eq!(shown("https://a.b/c/"), "https://a.b/c/.well-known/openid-configuration");
        let parts = ("https://a.b:1".to_owned(), "/c".to_owned());
        assert_eq!(split("https://a.b:1/c/"), Some(parts));
    }

    #[tokio::test]
    async fn an_issuer_that_cannot_be_reached_is_said_so() {
        assert_eq!(asked("https://127.0.0.1:9/x", None).await.outcome, Outcome::Failed);
        assert_eq!(asked("https://127.0.0.1:9/x", Some("no certificate")).await.outcome, Outcome::CannotTell);
        assert_eq!(oidc(None).await.outcome, Outcome::NotAsked);
    }
}
