//! What is left over of each kind in a directory of manifests, ended by the command that is shown, where the object has a
//! file of its own and where it shares one. The kinds are those of kwo's own table.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use serde_json::Value;

use crate::cli::transcript_with;

const FIRST: &str = "cluster: {api: {hosts: [api.example.com]}, acme: {email: ops@example.com}}
registry: {hosts: [registry.example.com], users: {ci: {password: {generate: 32}}, web: {password: {generate: 32}, access: pull}}}
operators: {root: {identity: root@example.com, role: admin}}
tenants: {gone: {owners: [alice@example.com], domains: [alice.example.com], longLivedToken: true}}
";
const SECOND: &str = "cluster: {acme: {email: ops@example.com, issuer: cert-manager}}
tenants: {certs: {owners: [a@example.com], domains: ['*.alice.example.com'], resolver: letsencrypt-cloudflare}}
";
const RESOLVER: &str = "dns: {resolvers: {letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: TOKEN}}}}}";

/// No roster asks for one of these kinds, or not for this one: an older kwo made them.
const OLD: [(&str, &str); 2] = [
    (
        "cluster/clusterrole-old.yaml",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: old, labels: {kwo.dev/managed: 'true'}}, rules: []}\n",
    ),
    (
        "namespaces/kube-system/middleware-old.yaml",
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: old, namespace: kube-system, labels: {kwo.dev/managed: 'true'}}}\n",
    ),
];

fn kwo(folder: &Path, args: &[&str]) -> String {
    transcript_with(folder, &[args, &["--target", "dir:d"]].concat(), &[("TOKEN", "t")])
}

fn left(folder: &Path) -> Vec<(ResourceId, Value)> {
    let text = kwo(folder, &["plan", "-o", "json"]);
    let from = text.find('\n').unwrap() + 1;
    let plan: Value = serde_json::from_str(&text[from..text.find("---- stderr").unwrap()]).unwrap();
    let left = plan["leftovers"].as_array().unwrap().iter();
    left.map(|left| (left["id"].as_str().unwrap().parse().unwrap(), left.clone())).collect()
}

/// As a person pastes it, with an editor that empties the file.
fn paste(folder: &Path, left: &Value) {
    let line = left["command"].as_str().unwrap().replace("FOLDER", &folder.to_string_lossy());
    let ran = Command::new("sh").args(["-ec", &line]).env("EDITOR", "truncate -s 0").status().unwrap();
    assert!(ran.success(), "{line}");
}

#[test]
fn of_each_kind_one_ends_by_its_command() {
    for shared in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let write = |roster: &str| {
            let text = format!("apiVersion: kwo/v1\nkind: Roster\n{roster}\n");
            fs::write(folder.join("roster.yaml"), text).unwrap();
        };
        for roster in [FIRST, SECOND] {
            write(&format!("{RESOLVER}\n{roster}"));
            let said = kwo(folder, &["apply", "--yes"]);
            assert!(said.ends_with("---- exit 0 ----\n"), "{said}");
        }
        for (file, text) in OLD {
            fs::write(folder.join("d").join(file), text).unwrap();
        }
        write("tenants: {}");
        if shared {
            let mut all = String::new();
            for (id, left) in left(folder) {
                let line = left["command"].as_str().unwrap().replace("FOLDER", &folder.to_string_lossy());
                // With a namespace go the files of what is in it.
                if id.known_kind() == Some(Kind::Namespace) {
                    continue;
                }
                let words = shlex::split(&line).unwrap();
                let [_, _, file] = words.as_slice() else { panic!("{line}") };
                all.push_str(&format!("---\n{}", fs::read_to_string(file).unwrap()));
                fs::remove_file(file).unwrap();
            }
            for name in ["gone", "certs"] {
                let file = folder.join(format!("d/cluster/namespace-{name}.yaml"));
                all.push_str(&format!("---\n{}", fs::read_to_string(&file).unwrap()));
                fs::remove_file(file).unwrap();
            }
            fs::write(folder.join("d/all.yaml"), all).unwrap();
        }
        let all = left(folder);
        let mut kinds: BTreeSet<Kind> = all.iter().filter_map(|(id, _)| id.known_kind()).collect();
        // Into a directory kwo writes no Secret.
        assert!(kinds.insert(Kind::Secret));
        assert_eq!(kinds, BTreeSet::from(Kind::ALL), "there is one of each");
        for (id, left) in &all {
            let edits = left["command"].as_str().unwrap().starts_with("${EDITOR:-vi} ");
            assert_eq!(edits, shared, "{id}: {left:#}");
            paste(folder, left);
        }
        assert_eq!(left(folder), []);
        all.iter().for_each(|(_, left)| paste(folder, left));
        let said = kwo(folder, &["plan", "--detailed-exitcode"]);
        assert!(said.ends_with("---- exit 0 ----\n"), "{said}");
    }
}
