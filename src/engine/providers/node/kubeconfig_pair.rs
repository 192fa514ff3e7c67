//! The two files of a kubeconfig as they are: their state, and where each leads and as whom.

use std::collections::BTreeSet;
use std::path::Path;

use ::kube::config::Kubeconfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kwo_planner::node::kubeconfig_files;
use kwo_planner::observed::Version;
use kwo_planner::roster::Name;
use secrecy::{ExposeSecret, SecretString};
use smol_str::format_smolstr;
use zeroize::Zeroizing;

use super::file::{File, read};
use super::record::Pair;
use crate::providers::manifest;

/// The files of one namespace: YAML, then JSON.
pub(super) struct KubeconfigPair {
    pub(super) paths: [String; 2],
    pub(super) files: [Option<File>; 2],
}

/// What a kubeconfig says, as far as its current context leads to it.
#[derive(Default)]
pub(super) struct Said {
    pub(super) cluster: String,
    pub(super) namespace: String,
    pub(super) server: String,
    pub(super) tls_server_name: Option<String>,
    /// The certificates of who signs the server's, each as one line of base64.
    pub(super) authorities: BTreeSet<String>,
    pub(super) token: Option<SecretString>,
}

impl KubeconfigPair {
    /// Reads both.
    ///
    /// # Errors
    /// When the namespace is none, or one of them may not be looked at.
    pub(super) fn read(root: &Path, namespace: &str) -> Result<KubeconfigPair, String> {
        // The name may come from a saved plan or from the record, and becomes a part of a path.
        namespace.parse::<Name>().map_err(|refusal| refusal.message)?;
        let paths = kubeconfig_files(namespace);
        let file = |path: &String| read(root, Path::new(path)).map_err(|why| format!("/{path}: {why}"));
        let files = [file(&paths[0])?, file(&paths[1])?];
        Ok(KubeconfigPair { paths, files })
    }

    /// Is neither there?
    pub(super) fn none(&self) -> bool {
        self.files.iter().all(Option::is_none)
    }

    /// The state of both.
    pub(super) fn version(&self) -> Version {
        let [yaml, json] = self
            .files
            .each_ref()
            .map(|file| file.as_ref().map_or_else(|| "none".into(), |file| file.version().0));
        Version(format_smolstr!("{yaml} {json}"))
    }

    /// Their hashes.
    pub(super) fn hashes(&self) -> Pair {
        Pair(self.files.each_ref().map(|file| file.as_ref().map(|file| manifest::version(&file.bytes))))
    }

    /// What each says; nothing of one that cannot be read.
    pub(super) fn said(&self) -> [Option<Said>; 2] {
        self.files.each_ref().map(|file| file.as_ref().and_then(Said::of))
    }
}

impl Said {
    /// What the file says, if it is a kubeconfig. Why it is none is not told: who decodes quotes what it decodes.
    fn of(file: &File) -> Option<Said> {
        let text = Zeroizing::new(String::from_utf8(file.bytes.clone()).ok()?);
        let config = Kubeconfig::from_yaml(&text).ok()?;
        let current = config.current_context?;
        let context = config.contexts.into_iter().find(|have| have.name == current)?.context?;
        let cluster = config.clusters.into_iter().find(|have| have.name == context.cluster)?.cluster?;
        let user = config.auth_infos.into_iter().find(|have| Some(&have.name) == context.user.as_ref());
        let authorities = cluster.certificate_authority_data.and_then(|data| STANDARD.decode(data).ok());
        Some(Said {
            cluster: context.cluster,
            namespace: context.namespace.unwrap_or_default(),
            server: cluster.server.unwrap_or_default().trim_end_matches('/').to_owned(),
            tls_server_name: cluster.tls_server_name,
            authorities: certificates(&String::from_utf8(authorities.unwrap_or_default()).ok()?),
            token: user.and_then(|user| user.auth_info?.token),
        })
    }
}

impl PartialEq for Said {
    fn eq(&self, other: &Said) -> bool {
        let Said { cluster, namespace, server, tls_server_name, authorities, token } = self;
        (cluster, namespace, server) == (&other.cluster, &other.namespace, &other.server)
            && (tls_server_name, authorities) == (&other.tls_server_name, &other.authorities)
            && bytes(token.as_ref()) == bytes(other.token.as_ref())
    }
}

fn bytes(token: Option<&SecretString>) -> Option<&str> {
    token.map(ExposeSecret::expose_secret)
}

/// The certificates in a PEM text, however its lines are broken.
pub(super) fn certificates(pem: &str) -> BTreeSet<String> {
    let parts = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    parts.filter_map(|part| Some(part.split_once("-----END")?.0.split_whitespace().collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_the_same_whatever_their_lines() {
        let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        assert_eq!(certificates(&pem("AAAA\nBB==")), certificates(&pem("AA\nAABB==")));
        assert_eq!(certificates(&(pem("A") + &pem("B"))).len(), 2);
        assert!(certificates("nothing").is_empty());
    }
}
