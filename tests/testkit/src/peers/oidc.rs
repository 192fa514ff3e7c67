//! A real OpenID provider (npm's `oidc-provider`), and what stands in for kubectl's plugin `oidc-login`: its login is
//! a real one, but nobody has to click.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Running, free_port, local, program};
use crate::programs::runnable;

/// The provider; ends with this.
pub struct Issuer {
    /// By which it names itself.
    pub url: String,
    /// The certificate of its web server, which clients have to trust.
    pub ca: String,
    scripts: PathBuf,
    _running: Running,
    _folder: TempDir,
}

impl Issuer {
    /// Nothing where it cannot be had. The accounts by name, each with its claims.
    pub fn start(clients: &[&str], accounts: &Value) -> Option<Issuer> {
        Issuer::certified(clients, accounts, &certificate(4000))
    }

    /// One whose certificate has expired.
    pub fn expired() -> Option<Issuer> {
        Issuer::certified(&["kubernetes"], &json!({}), &certificate(2021))
    }

    fn certified(clients: &[&str], accounts: &Value, certificate: &[String; 2]) -> Option<Issuer> {
        let scripts = program("oidc")?;
        let folder = tempfile::tempdir().expect("a folder");
        let [ca, key] = certificate.clone();
        let port = free_port();
        let settings =
            json!({"port": port, "key": key, "cert": ca, "clients": clients, "accounts": accounts});
        let file = folder.path().join("settings.json");
        std::fs::write(&file, settings.to_string()).expect("a file");
        let args = [scripts.join("provider.mjs"), file].map(|path| path.display().to_string());
        let mut running = Running::start(Path::new("node"), &args, &[], folder.path());
        running.wait_for(local(port));
        let url = format!("https://localhost:{port}");
        Some(Issuer { url, ca, scripts, _running: running, _folder: folder })
    }

    /// Puts the plugin into a folder, so that a kubectl that has it on its PATH finds it.
    pub fn plugin(&self, folder: &Path) {
        let node = Command::new("sh").args(["-c", "command -v node"]).output().expect("a shell");
        let node = String::from_utf8(node.stdout).expect("a path");
        let script = self.scripts.join("login.mjs");
        let text = format!("#!/bin/sh\nexec {} {} \"$@\"\n", node.trim(), script.display());
        let plugin = folder.join("kubectl-oidc_login");
        std::fs::write(&plugin, text).expect("a file");
        runnable(&plugin);
    }

    /// Logs somebody in with these arguments of the plugin.
    pub fn login(&self, who: &str, args: &[String]) -> Output {
        let mut command = Command::new("node");
        command.arg(self.scripts.join("login.mjs")).args(args).env("KWO_TEST_LOGIN", who);
        command.stdin(Stdio::null()).output().expect("node is there")
    }
}

/// A certificate for `localhost` until this year, and its key.
fn certificate(until: i32) -> [String; 2] {
    let mut params =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("it is the name of a host");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let own = params.self_signed(&key).expect("a certificate");
    [own.pem(), key.serialize_pem()]
}
