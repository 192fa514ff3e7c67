//! A real container registry, whose users are in an htpasswd file.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::http::{Message, Request};
use super::{Running, free_port, local, program};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The registry; ends with this.
pub struct Registry {
    /// Where it listens.
    pub address: SocketAddr,
    /// The host that it is asked for.
    host: String,
    _work: Option<(Running, TempDir)>,
}

/// Who asks the registry.
#[derive(Clone, Copy)]
pub struct User<'a> {
    /// As in the htpasswd file.
    pub name: &'a str,
    /// In the clear.
    pub password: &'a str,
}

impl User<'_> {
    /// The value of the header that logs in.
    pub fn basic(&self) -> String {
        let credentials = k8s_openapi::ByteString(format!("{}:{}", self.name, self.password).into_bytes());
        // As JSON this type is Base64.
        let encoded = serde_json::to_value(credentials).expect("JSON");
        format!("Basic {}", encoded.as_str().expect("text"))
    }
}

impl Registry {
    /// Nothing where there is no such program.
    pub fn start(htpasswd: &Path) -> Option<Registry> {
        Registry::serving(htpasswd, None)
    }

    /// One that speaks TLS, with a certificate and a key in files; only others ask it.
    pub fn secured(htpasswd: &Path, certificate: &Path, key: &Path) -> Option<Registry> {
        Registry::serving(htpasswd, Some((certificate, key)))
    }

    fn serving(htpasswd: &Path, tls: Option<(&Path, &Path)>) -> Option<Registry> {
        let program = program("docker-registry")?;
        let folder = tempfile::tempdir().expect("a folder");
        let address = local(free_port());
        let mut http = json!({"addr": address, "secret": "for tests"});
        if let Some((certificate, key)) = tls {
            http["tls"] = json!({"certificate": certificate, "key": key});
        }
        let config = json!({
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": folder.path().join("data")}, "delete": {"enabled": true}},
            "http": http,
            "auth": {"htpasswd": {"realm": "test", "path": htpasswd}},
        });
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config.to_string()).expect("a file");
        let args = ["serve".to_owned(), file.display().to_string()];
        let mut running = Running::start(&program, &args, &[], folder.path());
        running.wait_for(address);
        Some(Registry { address, host: address.to_string(), _work: Some((running, folder)) })
    }

    /// One that somebody else started there.
    pub fn at(address: SocketAddr) -> Registry {
        Registry::behind(address, &address.to_string())
    }

    /// What answers for this host at that address.
    pub fn behind(address: SocketAddr, host: &str) -> Registry {
        Registry { address, host: host.to_owned(), _work: None }
    }

    /// With this configuration and these variables, as a container has them. Nothing where there is no such program.
    pub fn with(address: SocketAddr, config: &str, variables: &[(&str, &str)]) -> Option<Registry> {
        let program = program("docker-registry")?;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).expect("a file");
        let args = ["serve".to_owned(), file.display().to_string()];
        let mut running = Running::start(&program, &args, variables, folder.path());
        running.wait_for(address);
        Some(Registry { address, host: address.to_string(), _work: Some((running, folder)) })
    }

    /// Asks it as this user.
    pub fn ask(&self, user: User, method: &str, path: &str, body: &[u8]) -> Message {
        self.try_ask(user, method, path, body).expect("an answer")
    }

    /// The same, where there may be no answer.
    pub fn try_ask(&self, user: User, method: &str, path: &str, body: &[u8]) -> io::Result<Message> {
        let basic = user.basic();
        let kind = if path.contains("/manifests/") { MANIFEST } else { "application/octet-stream" };
        let headers = [("authorization", basic.as_str()), ("content-type", kind), ("accept", MANIFEST)];
        let request = Request { method, path, host: &self.host, headers: &headers, body };
        request.ask(self.address)
    }

    /// Pushes an image of one layer, which is also its configuration; answers with the digest of the layer.
    pub fn push(&self, user: User, repository: &str, tag: &str, layer: &[u8]) -> String {
        let digest = digest(layer);
        let begun = self.ask(user, "POST", &format!("/v2/{repository}/blobs/uploads/"), b"");
        assert_eq!(begun.status(), 202, "{begun:?}");
        let location = begun.header("location").expect("where to put it");
        let path = location.strip_prefix(&format!("http://{}", self.host)).unwrap_or(location);
        let mark = if path.contains('?') { '&' } else { '?' };
        let put = self.ask(user, "PUT", &format!("{path}{mark}digest={digest}"), layer);
        assert_eq!(put.status(), 201, "{put:?}");
        let part = |kind: &str| json!({"mediaType": kind, "digest": digest, "size": layer.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": part("application/vnd.oci.image.config.v1+json"),
            "layers": [part("application/vnd.oci.image.layer.v1.tar")],
        });
        let path = format!("/v2/{repository}/manifests/{tag}");
        let put = self.ask(user, "PUT", &path, manifest.to_string().as_bytes());
        assert_eq!(put.status(), 201, "{put:?}");
        digest
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
