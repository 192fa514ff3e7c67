//! The admin, on one kept connection: thousands of small requests, for which a kubectl each would take minutes.

use std::path::Path;
use std::thread;
use std::time::Duration;

use http::{Request, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use kwo_planner::kinds::Kind;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// A service account, and what it is impersonated by.
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) groups: [String; 3],
}

pub(crate) struct Admin {
    client: Client,
    runtime: Runtime,
}

impl Admin {
    pub(crate) fn new(kubeconfig: &Path) -> Admin {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let read = Kubeconfig::read_from(kubeconfig).unwrap();
            let mut config =
                Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
            if config.cluster_url.host() == Some("127.0.0.1") {
                config.proxy_url = None;
            }
            Client::try_from(config).unwrap()
        });
        Admin { client, runtime }
    }

    fn ask(&self, method: &str, path: &str, content: &str, body: &Value) -> (u16, Value) {
        self.runtime.block_on(async {
            let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, content);
            let request = request.body(Body::from(body.to_string().into_bytes())).unwrap();
            let answer = self.client.send(request).await.unwrap();
            let status = answer.status().as_u16();
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            (status, serde_json::from_slice(&bytes).unwrap_or_default())
        })
    }

    /// Makes it; one that is there stays as it is.
    pub(crate) fn create(&self, object: &Value) {
        let (status, answer) = self.ask("POST", &place(object), "application/json", object);
        assert!([200, 201, 409].contains(&status), "{object}: {answer}");
    }

    /// Takes the object away, and waits until it is gone.
    pub(crate) fn delete(&self, object: &Value) {
        let path = one(object);
        for _ in 0..1200 {
            let (status, answer) = self.ask("DELETE", &path, "application/json", &json!({}));
            match status {
                404 => return,
                // It is on its way.
                200 | 202 | 409 => thread::sleep(Duration::from_millis(50)),
                _ => panic!("{path}: {answer}"),
            }
        }
        panic!("{path} is still there");
    }

    /// Takes these labels away.
    pub(crate) fn unlabel(&self, object: &Value, labels: &[&str]) {
        let none: Value = labels.iter().map(|label| ((*label).to_owned(), Value::Null)).collect();
        let patch = json!({"metadata": {"labels": none}});
        let (status, answer) = self.ask("PATCH", &one(object), "application/merge-patch+json", &patch);
        assert_eq!(status, 200, "{object}: {answer}");
    }

    /// Waits until the API server knows of a role by one of its rules.
    pub(crate) fn knows(&self, account: &Account, rule: &Value, namespace: &Value) {
        let first = |part: &str| rule[part][0].as_str().unwrap_or_default();
        let attributes = json!({"namespace": namespace.as_str().unwrap_or_default(), "verb": first("verbs"),
            "group": first("apiGroups"), "resource": first("resources"), "name": first("resourceNames")});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": account.user, "groups": account.groups, "resourceAttributes": attributes}});
        for _ in 0..500 {
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            let (_, answer) = self.ask("POST", path, "application/json", &review);
            if answer["status"]["allowed"] == true {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{} never got {rule}", account.user);
    }
}

/// Where objects of its kind are, in its namespace.
fn place(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, version) = (text(&object["kind"]), text(&object["apiVersion"]));
    let plural = match (kind.as_str(), Kind::named(&kind)) {
        ("Lease", _) => "leases",
        (_, Some(kind)) => kind.plural(),
        (_, None) => panic!("{object}"),
    };
    let root = if version.contains('/') { "apis" } else { "api" };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
        None => format!("/{root}/{version}/{plural}"),
    }
}

fn one(object: &Value) -> String {
    format!("{}/{}", place(object), object["metadata"]["name"].as_str().unwrap_or_default())
}
