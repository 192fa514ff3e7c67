//! A real OpenBao server in dev mode: everything is in memory, and it is unsealed. One is up in less than a second.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::Request;
use super::{Running, free_port, local, program};

/// The token that may do everything.
pub const ROOT: &str = "root-of-the-tests";

/// The server; ends with this.
pub struct Bao {
    /// Where it listens, in plain HTTP.
    pub address: SocketAddr,
    running: Option<Running>,
    _folder: TempDir,
}

impl Bao {
    /// Nothing where there is no such program. It has a store `secret/` with versions, and users who log in by their
    /// names at `userpass/`; the password of each is the name.
    pub fn start(people: &[&str]) -> Option<Bao> {
        let program = program("bao")?;
        let folder = tempfile::tempdir().expect("a folder");
        let address = local(free_port());
        let args = [
            "server".to_owned(),
            "-dev".to_owned(),
            "-dev-no-store-token".to_owned(),
            format!("-dev-root-token-id={ROOT}"),
            format!("-dev-listen-address={address}"),
        ];
        let home = folder.path().display().to_string();
        let mut running = Running::start(&program, &args, &[("HOME", &home)], folder.path());
        running.wait_for(address);
        let bao = Bao { address, running: Some(running), _folder: folder };
        while bao.ask(ROOT, "LIST", "sys/policies/acl", &Value::Null).0 != 200 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        bao.root("POST", "sys/auth/userpass", &json!({"type": "userpass"}));
        for name in people {
            bao.root("POST", &format!("auth/userpass/users/{name}"), &json!({"password": name}));
        }
        Some(bao)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The status and the answer to one request; `null` where there is none.
    pub fn ask(&self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let host = self.address.to_string();
        let path = format!("/v1/{path}");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let headers = [("x-vault-token", token)];
        let request = Request { method, path: &path, host: &host, headers: &headers, body: &body };
        match request.ask(self.address) {
            Ok(answer) => (answer.status(), serde_json::from_slice(&answer.body).unwrap_or_default()),
            Err(_) => (0, Value::Null),
        }
    }

    /// The same as root; it has to work. What is not there is `null`.
    pub fn root(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(ROOT, method, path, body);
        assert!(matches!(status, 200 | 204 | 404), "{method} {path}: {status} {answer}");
        if status == 404 { Value::Null } else { answer["data"].clone() }
    }

    /// A token of this person, who logs in for it.
    pub fn login(&self, name: &str) -> String {
        let path = format!("auth/userpass/login/{name}");
        let (status, answer) = self.ask("", "POST", &path, &json!({"password": name}));
        assert_eq!(status, 200, "{answer}");
        answer["auth"]["client_token"].as_str().expect("a token").to_owned()
    }

    /// Makes an auth method and a secrets engine for this cluster, both at `kubernetes/`: what an admin does once. The
    /// server comes to the cluster by this token.
    pub fn of_cluster(&self, server: &str, ca: &str, token: &str) {
        self.root("POST", "sys/auth/kubernetes", &json!({"type": "kubernetes"}));
        self.root("POST", "sys/mounts/kubernetes", &json!({"type": "kubernetes"}));
        let way = |name: &str| json!({"kubernetes_host": server, "kubernetes_ca_cert": ca, name: token, "disable_local_ca_jwt": true});
        self.root("POST", "auth/kubernetes/config", &way("token_reviewer_jwt"));
        self.root("POST", "kubernetes/config", &way("service_account_jwt"));
    }

    /// The status and the answer to a login by the auth method at `kubernetes/`.
    pub fn login_of_cluster(&self, role: &str, token: &str) -> (u16, Value) {
        self.ask("", "POST", "auth/kubernetes/login", &json!({"role": role, "jwt": token}))
    }

    /// Ends it, as a machine does that goes away.
    pub fn stop(&mut self) {
        drop(self.running.take());
    }
}
