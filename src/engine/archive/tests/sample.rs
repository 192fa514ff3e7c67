//! A tenant to archive, and the keys of those who may open it.

use std::fs;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use kwo_planner::tree::Tree;
use serde_json::json;

use crate::archive::{Builder, Identities, Meta, Recipient, RosterLine};

pub(super) const SENTINEL: &str = "c2VudGluZWwtaHVudGVyMg==";

pub(super) fn meta() -> Meta {
    Meta {
        tenant: "alice".into(),
        cluster: "0e6ec6b4-2b8d-4d44-b8e0-6c6d4a4f0d6c".into(),
        time: "2026-11-29T12:00:00Z".parse().unwrap(),
        roster: vec![RosterLine { file: "roster.yaml".into(), line: 3, text: "  alice:".into() }],
        history: vec![json!({"number": 1, "share": 0.1})],
    }
}

pub(super) fn tree(json: &str) -> Tree {
    serde_json::from_str(json).unwrap()
}

pub(super) fn objects() -> Vec<Tree> {
    [
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"alice","uid":"1","resourceVersion":"10",
            "labels":{"kwo.dev/managed":"true","kwo.dev/tenant":"alice"}},"spec":{"finalizers":["kubernetes"]}}"#,
        &format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"db","namespace":"alice","uid":"2","resourceVersion":"11"}},
                "type":"Opaque","data":{{"password":"{SENTINEL}"}}}}"#
        ),
        r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"alice","uid":"3","resourceVersion":"12"},
            "spec":{"replicas":2},"status":{"replicas":2}}"#,
        r#"{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"web-1","namespace":"alice","uid":"4","resourceVersion":"13",
            "ownerReferences":[{"kind":"Deployment","name":"web","uid":"3","controller":true}]},"spec":{}}"#,
        &format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{{"name":"kwo:{}","namespace":"alice",
                "uid":"5","resourceVersion":"14"}},"subjects":[],"roleRef":{{}}}}"#,
            "x".repeat(200)
        ),
    ]
    .map(tree)
    .into()
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new(meta());
    objects().iter().for_each(|object| builder.object(object).unwrap());
    builder.file("registry/users", b"alice\n".to_vec(), false).unwrap();
    builder.file("node/registries.yaml", SENTINEL.into(), true).unwrap();
    builder
}

pub(super) struct Key {
    pub(super) recipient: Recipient,
    pub(super) file: PathBuf,
}

pub(super) fn key(folder: &Path, name: &str) -> Key {
    let key = age::x25519::Identity::generate();
    let file = folder.join(name);
    fs::write(&file, key.to_string().expose_secret()).unwrap();
    Key { recipient: key.to_public().to_string().parse().unwrap(), file }
}

pub(super) fn keys(key: &Key) -> Identities {
    Identities::read(&key.file).unwrap()
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap();
    let mut all: Vec<String> = all.map(|found| found.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

/// Bytes that nothing packs tighter.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}
