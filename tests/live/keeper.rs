//! A node that keeps kubeconfigs: its root folder, what is in the files, and what a token says of itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testkit::apiserver::{kubectl, unique};
use testkit::run::{Bench, Ran};

pub(crate) const FOLDER: &str = "var/lib/kwo/kubeconfigs";
pub(crate) const RECORD: &str = "var/lib/kwo/node/files.json";

/// A roster, its cluster, and a root folder of its own.
pub(crate) struct Node {
    pub(crate) bench: Bench,
    pub(crate) name: String,
}

impl Node {
    /// With one tenant, of which the roster says this.
    pub(crate) fn new(cluster: &str, tenant: &str) -> Option<Node> {
        let name = unique("keeps");
        let bench = Bench::new("")?;
        fs::create_dir(bench.path("root")).unwrap();
        let node = Node { bench, name };
        node.roster(cluster, tenant);
        Some(node)
    }

    pub(crate) fn roster(&self, cluster: &str, tenant: &str) {
        let name = &self.name;
        self.bench.write(&format!("cluster: {cluster}\ntenants: {{{name}: {tenant}}}\n"));
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.bench.path("root").join(path)
    }

    pub(crate) fn file(&self, form: &str) -> PathBuf {
        self.path(&format!("{FOLDER}/{}-kubeconfig.{form}", self.name))
    }

    pub(crate) fn files(&self) -> [String; 2] {
        ["yaml", "json"].map(|form| fs::read_to_string(self.file(form)).unwrap())
    }

    /// Puts both files there as somebody else would.
    pub(crate) fn put(&self, files: [&str; 2]) {
        fs::create_dir_all(self.path(FOLDER)).unwrap();
        fs::set_permissions(self.path(FOLDER), fs::Permissions::from_mode(0o700)).unwrap();
        for (form, text) in ["yaml", "json"].into_iter().zip(files) {
            fs::write(self.file(form), text).unwrap();
            fs::set_permissions(self.file(form), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    pub(crate) fn kwo(&self, command: &str, more: &[&str]) -> Ran {
        let root = self.path("");
        let args = [&[command, "--node", "--root", root.to_str().unwrap()], more].concat();
        self.bench.kwo(&args)
    }

    pub(crate) fn apply(&self, more: &[&str]) -> Ran {
        self.kwo("apply", &[&["--yes", "--lock-timeout=2m"], more].concat())
    }

    #[track_caller]
    pub(crate) fn settled(&self) {
        self.kwo("plan", &["--detailed-exitcode"]).expect(0);
    }

    /// What the archive has of these files.
    pub(crate) fn archived(&self) -> Vec<String> {
        let Ok(folder) = fs::read_dir(self.path("var/lib/kwo/archive")) else { return Vec::new() };
        let copies = folder.map(|entry| entry.unwrap().path());
        copies.map(|copy| fs::read_to_string(copy).unwrap()).collect()
    }

    pub(crate) fn id(&self) -> String {
        format!("node:Kubeconfig/{}", self.name)
    }

    /// kubectl with the kubeconfig in this file.
    pub(crate) fn kubectl(&self, form: &str, args: &[&str]) -> Result<String, String> {
        let file = self.file(form);
        let output = kubectl(&[&["--kubeconfig", file.to_str().unwrap()], args].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

pub(crate) fn token(text: &str) -> String {
    let config: Value = serde_yaml::from_str(text).unwrap();
    config["users"][0]["user"]["token"].as_str().unwrap().to_owned()
}

pub(crate) fn hash(text: &str) -> String {
    Sha256::digest(text).iter().fold("sha256:".to_owned(), |all, byte| format!("{all}{byte:02x}"))
}

/// The token with other claims, which nobody signed.
pub(crate) fn forged(token: &str, change: impl Fn(&mut Value)) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    change(&mut claims);
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
}

/// Nothing that a run says holds the token or a part of it that only its owner has.
#[track_caller]
pub(crate) fn silent(ran: &Ran, tokens: &[&str]) {
    for token in tokens {
        let signature = token.rsplit('.').next().unwrap();
        for said in [&ran.out, &ran.err] {
            assert!(!said.contains(token) && !said.contains(signature), "{said}");
        }
    }
}

/// Makes the files those of kwo with a token that was made and ends this many seconds from now.
pub(crate) fn age(node: &Node, made: i64, ends: i64) -> [String; 2] {
    let now = jiff::Timestamp::now().as_second();
    let files = node.files();
    let old = token(&files[0]);
    let new = forged(&old, |claims| {
        claims["iat"] = (now + made).into();
        claims["exp"] = (now + ends).into();
    });
    let aged = files.each_ref().map(|text| text.replace(&old, &new));
    node.put(aged.each_ref().map(String::as_str));
    let mut record = fs::read_to_string(node.path(RECORD)).unwrap();
    for (before, after) in files.iter().zip(&aged) {
        record = record.replace(&hash(before), &hash(after));
    }
    fs::write(node.path(RECORD), record).unwrap();
    aged
}
