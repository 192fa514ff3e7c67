//! Where the API server is and how it proves to be the one, for a kubeconfig that is given to somebody else. What the
//! kubeconfig in use says of its user never gets here.

use ::kube::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::kubeconfig::Endpoint;

use super::causes::ConnectError;
use super::connect::{KubeOptions, find, server};

impl Endpoint {
    /// What the kubeconfig in use leads to. Speaks to nobody and runs no login.
    ///
    /// # Errors
    /// When there is no kubeconfig, or it does not lead to a server, or does not check who that is.
    pub async fn find(options: &KubeOptions) -> Result<Endpoint, ConnectError> {
        Endpoint::of(&find(options).await?.config)
    }

    /// What this configuration leads to.
    pub(super) fn of(config: &Config) -> Result<Endpoint, ConnectError> {
        if config.accept_invalid_certs {
            return Err(ConnectError {
                why: format!("the kubeconfig does not check who {} is", server(config)),
                hint: Some("replace its insecure-skip-tls-verify with certificate-authority-data".to_owned()),
            });
        }
        let authorities = config.root_cert.as_ref().filter(|certificates| !certificates.is_empty());
        Ok(Endpoint {
            server: server(config),
            tls_server_name: config.tls_server_name.clone(),
            authorities: authorities
                .map(|certificates| certificates.iter().map(|certificate| pem(certificate)).collect()),
        })
    }
}

/// A certificate as PEM.
fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    // Base64 is ASCII: every place is one between two characters.
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|start| &text[start..text.len().min(start + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
