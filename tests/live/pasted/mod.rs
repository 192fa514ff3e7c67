//! What is left over of each kind that kwo writes, ended by the very command that is shown: an object as a whole, and a
//! field of one that stays. The kinds are those of kwo's own tables, so a kind of which nothing was pasted fails here. An API
//! server of its own, whose only roster is the one under test.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use kwo_planner::systems::System;
use kwo_planner::systems::node::NodeKind;
use serde_json::{Value, json};
use testkit::apiserver::{kubectl, kubectl_ok};
use testkit::crds::{counted, crds};
use testkit::places;
use testkit::run::{Bench, Ran};

const RESOLVER: &str = "dns:
  resolvers:
    letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: CF_DNS_API_TOKEN}}}
";

/// What a roster asks for that goes with Traefik, and what it asks of the node.
const FIRST: &str =
    "cluster: {api: {hosts: [api.example.com]}, acme: {email: ops@example.com}, kubeconfigs: {lifetime: 30m},
  oidc: {issuer: 'https://login.example.com', client: kubernetes}}
registry: {hosts: [registry.example.com], users: {ci: {password: {generate: 32}}, web: {password: {generate: 32}, access: pull}}}
operators: {root: {identity: root@example.com, role: admin}}
tenants:
  gone: {owners: [alice@example.com], domains: [alice.example.com], longLivedToken: true}
";

/// And with cert-manager.
const SECOND: &str = "cluster: {acme: {email: ops@example.com, issuer: cert-manager}}
tenants:
  certs: {owners: [alice@example.com], domains: ['*.alice.example.com'], resolver: letsencrypt-cloudflare}
";

/// A label that kwo once wrote, as the API server has it on record.
const ONCE: &str = "once.example.com/kwos";

/// No roster asks for one any more, and clusters of an older kwo have one.
const OLD: Kind = Kind::Middleware;

#[test]
fn of_each_kind_an_object_and_a_field_end_by_their_commands() {
    let Some(world) = World::new() else { return };
    let (mut fields, mut wholes) = (BTreeSet::new(), BTreeSet::new());
    for roster in [FIRST, SECOND] {
        world.bench.write(&format!("{RESOLVER}{roster}"));
        world.kwo(&["apply", "--yes"]).expect(0);
        let first = |id: &ResourceId| fields.insert(id.known_kind().unwrap());
        let ids: BTreeSet<ResourceId> = world.rendered().into_iter().filter(first).collect();
        for id in &ids {
            label(id);
        }
        let of_fields =
            || world.left().into_iter().filter(|(id, left)| ids.contains(id) && left["pointer"].is_string());
        let left: Vec<(ResourceId, Value)> = of_fields().collect();
        assert_eq!(left.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>(), ids, "{left:#?}");
        left.iter().for_each(|(_, left)| world.paste(&command(left)));
        assert_eq!(of_fields().count(), 0);
    }
    fields.insert(OLD);
    assert_eq!(fields, BTreeSet::from(Kind::ALL), "a field of each was pasted");

    world.bench.write("tenants: {}\n");
    old("traefik.io/v1alpha1", "Middleware", "middleware", &json!({"spec": {"compress": {}}}));
    old("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterrole", &json!({"rules": []}));
    let mut nodes = BTreeSet::new();
    let left = world.left();
    for (id, left) in &left {
        assert!(left["pointer"].is_null(), "{left:#}");
        world.paste(&command(left));
        if id.system == System::Kube {
            // What goes with its namespace has a command of its own, too.
            assert_gone(id);
        }
        wholes.extend(id.known_kind());
        nodes.extend(id.node_kind());
    }
    assert_eq!(wholes, BTreeSet::from(Kind::ALL), "one of each was pasted");
    // A restart leaves nothing behind.
    nodes.insert(NodeKind::Restart);
    assert_eq!(nodes, BTreeSet::from(NodeKind::ALL), "one of each was pasted");
    assert_eq!(world.left(), []);
    // Twice does no harm.
    left.iter().for_each(|(_, left)| world.paste(&command(left)));
    world.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}

/// The tests that paste the commands of each system go through its table of kinds.
#[test]
fn each_system_has_such_a_test() {
    for system in System::ALL {
        let test = match system {
            System::Kube | System::Node => "tests/live/pasted/mod.rs",
            System::Vault => "tests/peers/vault/endings.rs",
            System::Dns => "tests/peers/dns/records.rs",
        };
        let text = fs::read_to_string(places::root().join(test)).unwrap();
        assert!(text.contains("[\"command\"]"), "{test}");
    }
}

struct World {
    bench: Bench,
}

impl World {
    /// Nothing where the live tests cannot run.
    #[track_caller]
    fn new() -> Option<World> {
        crds()?;
        // A new server may need longer for that than kwo waits.
        counted("certificates.cert-manager.io");
        let bench = Bench::new("")?;
        kubectl(&["create", "namespace", "cert-manager"]);
        for (name, text) in [("sudo", "exec \"$@\"\n"), ("sudoedit", ": > \"$1\"\n")] {
            let program = bench.path(name);
            fs::write(&program, format!("#!/bin/sh\n{text}")).unwrap();
            testkit::programs::runnable(&program);
        }
        fs::create_dir(bench.path("root")).unwrap();
        Some(World { bench })
    }

    fn kwo(&self, args: &[&str]) -> Ran {
        let root = self.bench.path("root");
        let mut command = self.bench.command(args);
        command.args(["--node", "--root"]).arg(root).env("CF_DNS_API_TOKEN", "t").env("KWO_SETTLE", "0s");
        Ran::of(&command.output().unwrap())
    }

    /// What is left over.
    fn left(&self) -> Vec<(ResourceId, Value)> {
        let ran = self.kwo(&["plan", "-o", "json"]).expect(0);
        let plan: Value = serde_json::from_str(&ran.out).unwrap();
        let left = plan["leftovers"].as_array().unwrap().iter();
        left.map(|left| (left["id"].as_str().unwrap().parse().unwrap(), left.clone())).collect()
    }

    /// The objects of the cluster that the roster asks for.
    fn rendered(&self) -> Vec<ResourceId> {
        let mut command = self.bench.command(&["render", "-o", "json"]);
        let ran = Ran::of(&command.env("CF_DNS_API_TOKEN", "t").output().unwrap()).expect(0);
        let items: Value = serde_json::from_str(&ran.out).unwrap();
        let id = |item: &Value| {
            let text = |pointer| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let kind = Kind::named(&text("/kind"))?;
            Some(ResourceId::kube(kind, text("/metadata/namespace"), text("/metadata/name")))
        };
        items["items"].as_array().unwrap().iter().filter_map(id).collect()
    }

    /// Runs a command as a person pastes it, with an editor that empties the file.
    fn paste(&self, line: &str) {
        let kubectl = places::tmp().join("apiserver");
        let own = self.bench.path("");
        let path = format!("{}:{}:/usr/bin:/bin", own.display(), Path::new(&kubectl).display());
        let mut command = Command::new("sh");
        command.args(["-ec", line]).env_clear().env("PATH", path).env("HOME", &own);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn command(left: &Value) -> String {
    left["command"].as_str().unwrap().to_owned()
}

/// The words by which kubectl finds it.
fn found(id: &ResourceId) -> Vec<String> {
    let kind = id.known_kind().unwrap();
    let group = kind.api_version().rsplit_once('/').map(|(group, _)| format!(".{group}"));
    let mut words = vec![format!("{}{}", kind.plural(), group.unwrap_or_default()), id.name.to_string()];
    if !id.scope.is_empty() {
        words.push(format!("--namespace={}", id.scope));
    }
    words
}

#[track_caller]
fn label(id: &ResourceId) {
    let words = found(id);
    let mut args = vec!["label", "--field-manager=kwo"];
    args.extend(words.iter().map(String::as_str));
    let label = format!("{ONCE}=yes");
    args.push(&label);
    kubectl_ok(&args);
}

#[track_caller]
fn assert_gone(id: &ResourceId) {
    let words = found(id);
    let args: Vec<&str> = ["get"].into_iter().chain(words.iter().map(String::as_str)).collect();
    let output = kubectl(&args);
    assert!(String::from_utf8_lossy(&output.stderr).contains("not found"), "{id} is there");
}

/// Something that an older kwo made.
#[track_caller]
fn old(version: &str, kind: &str, plural: &str, rest: &Value) {
    let namespace = if plural == "clusterrole" { "" } else { "kube-system" };
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "old", "namespace": namespace,
        "labels": {"kwo.dev/managed": "true"}}});
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), object.to_string()).unwrap();
    kubectl_ok(&["create", "--field-manager=kwo", "-f", file.path().to_str().unwrap()]);
}
