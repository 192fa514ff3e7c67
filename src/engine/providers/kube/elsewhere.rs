//! The way to an HTTP API that is not the API server: by the same proxies, with the roots that this machine trusts or the
//! certificate of a private CA. Opens nothing.

use std::env;
use std::time::Duration;

use ::kube::{Client, Config};
use http::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::causes::{ConnectError, chain};
use super::connect::{client, server};
use super::proxy;
use super::way::Way;

/// The way to any other HTTP API, through the same proxies. Its certificate has to be one that the system trusts.
///
/// # Errors
/// When it is no address, or the proxy for it cannot be used.
pub fn web(api: &str, patience: Duration) -> Result<Client, ConnectError> {
    way(api, None, patience, 1).map(|way| way.client)
}

/// The same for several requests at a time. Its certificate may be one that this CA signed instead.
///
/// # Errors
/// When it is no address, the proxy for it cannot be used, or the CA has no certificate.
pub(in crate::providers) fn way(
    api: &str,
    ca: Option<&[u8]>,
    patience: Duration,
    connections: usize,
) -> Result<Way, ConnectError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cannot = |why: String| ConnectError { why: format!("cannot use {api}: {why}"), hint: None };
    let uri: Uri = api.parse().map_err(|error: http::uri::InvalidUri| cannot(error.to_string()))?;
    let proxy = proxy::choose(None, &uri, |name| env::var(name).ok())?;
    let mut config = Config::new(uri);
    // A request is sent once, also through a proxy.
    config.default_retry = false;
    config.connect_timeout = Some(patience);
    config.proxy_url = proxy.as_ref().map(|proxy| proxy.url.clone());
    if let Some(ca) = ca {
        let unreadable = || cannot("there is no certificate in the PEM format in `ca`".to_owned());
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(ca).collect();
        let roots: Vec<Vec<u8>> =
            found.map_err(|_| unreadable())?.into_iter().map(|root| root.to_vec()).collect();
        if roots.is_empty() {
            return Err(unreadable());
        }
        config.root_cert = Some(roots);
    }
    let server = server(&config);
    let client = client(config, connections).map_err(|error| cannot(chain(&error)))?;
    Ok(Way { client, server, proxy: proxy.map(|proxy| proxy.name), timeout: patience, by_kubeconfig: false })
}
