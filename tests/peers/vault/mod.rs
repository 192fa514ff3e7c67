//! Vault beside the cluster: a real OpenBao and a real API server. kwo logs in with the very rights that the manual names.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod apply;
mod check;
mod crash;
mod endings;
mod faults;
mod front;
mod layout;
mod leaving;
mod login;
mod others;
mod pipelines;
mod references;
mod remains;
mod transit;
mod users;

use std::cell::RefCell;

use serde_json::{Value, json};
use testkit::apiserver::kubectl_ok;
use testkit::peers::bao::Bao;
use testkit::places;
use testkit::run::{Bench, Ran};

/// The token of kwo: nothing that kwo writes may hold it.
const TOKEN: &str = "sentinel-8c1f-of-kwo";

/// A server, a roster for it, and all that kwo said.
struct World {
    bao: Bao,
    bench: Bench,
    address: RefCell<String>,
    said: RefCell<Vec<String>>,
}

impl World {
    /// Nothing where one of the two cannot be had. These people can log in.
    #[track_caller]
    fn new(people: &[&str]) -> Option<World> {
        let bench = Bench::new("")?;
        let bao = Bao::start(people)?;
        let page = std::fs::read_to_string(places::root().join("docs/how-to/vault.md")).unwrap();
        let rights = page.split("```hcl\n").nth(1).and_then(|text| text.split("```").next()).unwrap();
        bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": rights}));
        let token = json!({"id": TOKEN, "policies": ["kwo", "of-leaving"], "no_parent": true, "no_default_policy": true});
        bao.root("POST", "auth/token/create", &token);
        std::fs::write(bench.path("token"), TOKEN).unwrap();
        let address = RefCell::new(bao.url());
        Some(World { bao, bench, address, said: RefCell::default() })
    }

    /// The roster, with these lines below `tenants`.
    fn write(&self, tenants: &str) {
        let login = format!("{{token: {{file: {}}}}}", self.bench.path("token").display());
        self.write_with(&login, "", tenants);
    }

    /// The roster with this login, and these lines besides below `vault`.
    fn write_with(&self, login: &str, more: &str, tenants: &str) {
        self.bench.write(&format!(
            "systems:\n  vault:\n    address: {}\n    login: {login}\n    people: userpass\n{more}tenants:\n{tenants}",
            self.address.borrow(),
        ));
    }

    fn kwo(&self, args: &[&str]) -> Ran {
        self.heard(self.bench.kwo(args))
    }

    fn apply(&self, more: &[&str]) -> Ran {
        self.heard(self.bench.apply(more))
    }

    fn heard(&self, ran: Ran) -> Ran {
        self.said.borrow_mut().extend([ran.out.clone(), ran.err.clone()]);
        ran
    }

    /// The ids in the plan: what is to do, what is held, what is left over.
    fn plan(&self, list: &str) -> Vec<String> {
        let ran = self.kwo(&["plan", "-o", "json"]);
        let plan: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}{}", ran.out, ran.err));
        let ids = plan[list].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned());
        ids.filter(|id| id.starts_with("vault:")).collect()
    }

    /// A group, all of it.
    fn group(&self, name: &str) -> Value {
        self.bao.root("GET", &format!("identity/group/name/{name}"), &Value::Null)
    }

    /// What the server has of all that is shared.
    fn all(&self) -> Value {
        let list = |path: &str| self.bao.root("LIST", path, &Value::Null)["key_info"].clone();
        let each = |path: &str| -> Value {
            let found = list(path);
            let ids = found.as_object().into_iter().flatten();
            ids.map(|(id, _)| self.bao.root("GET", &format!("{path}/{id}"), &Value::Null)).collect()
        };
        json!({
            "policies": list("sys/policies/detailed/acl"),
            "groups": each("identity/group/id"),
            "entities": each("identity/entity/id"),
            "aliases": list("identity/entity-alias/id"),
            "group aliases": list("identity/group-alias/id"),
        })
    }
}

/// The token is nowhere that kwo wrote.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for text in self.said.borrow().iter() {
            assert!(!text.contains(TOKEN), "{text}");
        }
        for entry in std::fs::read_dir(self.bench.path("")).unwrap().flatten() {
            if entry.file_name() != "token" && entry.file_type().unwrap().is_file() {
                let text = std::fs::read(entry.path()).unwrap();
                assert!(!String::from_utf8_lossy(&text).contains(TOKEN), "{}", entry.path().display());
            }
        }
    }
}

/// The uid that marks carry.
#[track_caller]
fn uid() -> String {
    kubectl_ok(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"])
}
