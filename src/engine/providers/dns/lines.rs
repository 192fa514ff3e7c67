//! What zones on one API have together, and what the rooms of such APIs have alike: the connection, how the key gets into a
//! request and the certificate into a command, and what is said of an answer that cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, header};
use kwo_planner::endings::word;
use kwo_planner::tree::SmolStr;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::server::ZoneWay;
use crate::providers::api::{Api, ApiOptions, secret_header};

/// The APIs, by address and CA. All zones there have one budget of waiting, and what else a line has.
pub(super) struct Lines<L>(BTreeMap<(SmolStr, Option<SmolStr>), Result<Arc<L>, String>>);

impl<L> Default for Lines<L> {
    fn default() -> Lines<L> {
        Lines(BTreeMap::new())
    }
}

impl<L> Lines<L> {
    /// The line to the API that a zone is on, made with the first zone there, and the address. Nothing is sent.
    ///
    /// # Errors
    /// When the way to it cannot be used.
    pub(super) fn to(
        &mut self,
        way: &ZoneWay<'_>,
        (usual, connections): (&'static str, usize),
        line: impl FnOnce(Api) -> L,
    ) -> Result<(Arc<L>, SmolStr), String> {
        let (url, ca) = (way.text("url").unwrap_or(SmolStr::new_static(usual)), way.text("ca"));
        let line = self.0.entry((url.clone(), ca.clone())).or_insert_with(|| {
            let ca = ca.as_ref().map(|ca| ca.as_bytes());
            let options = ApiOptions { address: &url, ca, connections, timeout: way.timeout };
            Api::new(&options).map(line).map(Arc::new)
        });
        Ok((Arc::clone(line.as_ref().map_err(Clone::clone)?), url))
    }
}

impl ZoneWay<'_> {
    /// The header that has a key as a token of this scheme.
    ///
    /// # Errors
    /// When a header cannot have it.
    pub(super) fn token(&self, scheme: &str, key: &SecretSlice<u8>) -> Result<HeaderMap, String> {
        let value = SecretSlice::from([scheme.as_bytes(), b" ", key.expose_secret()].concat());
        let value = secret_header(value.expose_secret())
            .map_err(|why| format!("the token of the zone {}: {why}", self.zone()))?;
        Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
    }

    /// What `curl` needs in bash to trust the CA of the zone, with a space in front; or nothing.
    pub(super) fn ca_in_bash(&self) -> String {
        self.text("ca").map_or_else(String::new, |ca| {
            format!(" --cacert <(printf '%b' {})", word(&ca.trim_end().replace('\n', "\\n")))
        })
    }
}

/// Why an answer is none of an API. The place of the mistake says enough; what stands there is a stranger's.
pub(super) fn unread((server, like): (&str, &str), error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("{server} does not answer like {like}: its answer is another one (line {line}, column {column})")
}
