//! A registry that says what a test wants, also lies.

use super::super::{Client, Closed, Held, walk};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(super) const PASSWORD: &str = "Zentinel-4711";
pub(super) const TENANTS: [&str; 3] = ["alice", "bob", "mallory"];

/// An answer: status, header lines, body.
pub(super) type Said = (u16, String, Vec<u8>);

/// What stands at each method and path, and what was asked for.
#[derive(Clone, Default)]
pub(super) struct Fake {
    pub(super) pages: Arc<Mutex<BTreeMap<String, Said>>>,
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

pub(super) fn digest(bytes: &[u8]) -> String {
    let hex: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

pub(super) fn digest_of(number: usize) -> String {
    format!("sha256:{number:064x}")
}

impl Fake {
    pub(super) fn new() -> Fake {
        let fake = Fake::default();
        fake.says("GET /v2/", (200, String::new(), b"{}".to_vec()));
        fake
    }

    pub(super) fn says(&self, what: &str, said: Said) {
        self.pages.lock().unwrap().insert(what.to_owned(), said);
    }

    pub(super) fn list(&self, path: &str, names: &Value, link: &str) {
        let link = if link.is_empty() { String::new() } else { format!("link: <{link}>; rel=\"next\"\r\n") };
        let body = if path.contains("tags") {
            json!({"name": "x", "tags": names})
        } else {
            json!({"repositories": names})
        };
        self.says(&format!("GET {path}"), (200, link, body.to_string().into_bytes()));
    }

    /// Repositories, each with tags that lead to these digests.
    pub(super) fn holds(&self, repositories: &[(&str, &[(&str, &str)])]) {
        let names: Vec<&str> = repositories.iter().map(|(name, _)| *name).collect();
        self.list("/v2/_catalog?n=100", &json!(names), "");
        for (name, tags) in repositories {
            let names: Vec<&str> = tags.iter().map(|(tag, _)| *tag).collect();
            self.list(&format!("/v2/{name}/tags/list?n=100"), &json!(names), "");
            for (tag, digest) in *tags {
                let header = format!("docker-content-digest: {digest}\r\n");
                self.says(&format!("HEAD /v2/{name}/manifests/{tag}"), (200, header, Vec::new()));
            }
        }
    }

    /// A manifest in this repository; gives its digest.
    pub(super) fn manifest(&self, name: &str, body: &Value) -> String {
        let bytes = body.to_string().into_bytes();
        let digest = digest(&bytes);
        self.says(&format!("GET /v2/{name}/manifests/{digest}"), (200, String::new(), bytes));
        digest
    }

    /// A blob that takes so much.
    pub(super) fn blob(&self, name: &str, digest: &str, size: usize) {
        self.says(&format!("HEAD /v2/{name}/blobs/{digest}"), (200, String::new(), vec![0; size]));
    }

    /// How often this was asked for.
    pub(super) fn count(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.starts_with(what)).count()
    }

    pub(super) async fn address(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let fake = self.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let fake = fake.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap_or(b'\n'));
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let what = head.split(" HTTP/").next().unwrap_or_default().to_owned();
                    fake.asked.lock().unwrap().push(head.clone());
                    let none = || (404, String::new(), Vec::new());
                    let (status, headers, body) =
                        fake.pages.lock().unwrap().get(&what).cloned().unwrap_or_else(none);
                    let length = if headers.contains("content-length") {
                        String::new()
                    } else {
                        format!("content-length: {}\r\n", body.len())
                    };
                    let text =
                        format!("HTTP/1.1 {status} Fake\r\nconnection: close\r\n{headers}{length}\r\n");
                    let _ = stream.write_all(text.as_bytes()).await;
                    if !what.starts_with("HEAD") {
                        let _ = stream.write_all(&body).await;
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        address
    }

    pub(super) async fn open(&self, whole: Duration) -> Result<Client, Closed> {
        let password = PASSWORD.as_bytes().to_vec().into();
        Client::open(&self.address().await, "pull", &password, whole).await
    }

    pub(super) async fn held(&self) -> Held {
        walk(self.open(Duration::from_secs(60)).await.ok().unwrap(), TENANTS.map(String::from)).await
    }
}

pub(super) fn image(config: &str, layers: &[(&str, Value)]) -> Value {
    let layers: Vec<Value> =
        layers.iter().map(|(digest, size)| json!({"digest": digest, "size": size})).collect();
    json!({"schemaVersion": 2, "config": {"digest": config, "size": 10}, "layers": layers})
}

/// Bytes and parts that were not read, of a repository.
pub(super) fn of(held: &Held, name: &str) -> (u64, usize, usize) {
    let found = held.holdings.repositories.iter().find(|one| one.name == name).unwrap();
    let bytes = found.blobs.iter().map(|blob| held.holdings.sizes[*blob]).sum();
    (bytes, found.tags, found.unread)
}

pub(super) fn told(held: &Held) -> Vec<String> {
    held.unread.iter().map(|unread| format!("{}: {}", unread.what, unread.why)).collect()
}
