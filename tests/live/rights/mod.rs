//! What `kwo rbac` prints is enough, and not a rule too much: under accounts with just these rights kwo plans and
//! applies, and without any one verb, resource, group or name of them it does not. Against a real API server of its
//! own, whose only roster is the one under test.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod admin;
mod lacking;

use std::process::Command;
use std::sync::Mutex;

use admin::{Account, Admin};
use lacking::{Lacking, lacking, rules};
use serde_json::{Value, json};
use testkit::apiserver::{kubeconfig, kubectl, kubectl_ok, unique};
use testkit::crds::{counted, crds};
use testkit::run::{Bench, Ran};

/// There is one cluster, and each roster wants it whole.
static TURN: Mutex<()> = Mutex::new(());

const SMALLEST: &str = "tenants:\n  alice:\n    owners: [alice@example.com]\n";

const READS: [&str; 3] = ["get", "list", "watch"];

/// Every section, every access, every kind of object that goes with Traefik.
const EVERYTHING: &str = "cluster: {api: {hosts: [api.example.com]}, acme: {email: ops@example.com}}
dns:
  resolvers:
    letsencrypt-cloudflare:
      provider: cloudflare
      credentials: {CF_DNS_API_TOKEN: {kube: default/of-others/token}}
registry:
  hosts: [registry.example.com, mirror.example.com]
  users:
    ci: {password: {generate: 32}}
tenants:
  alice:
    namespaces: [alice-prod, alice-dev]
    owners: [alice@example.com, group:alice-team]
    members:
      - {identity: dora@example.com, access: deployer}
      - {identity: vera@example.com, access: viewer}
    domains: [alice.example.com]
operators:
  root: {identity: root@example.com, role: admin}
  power: {identity: power@example.com, role: power-user}
";

const CERT_MANAGER: &str = "cluster:
  acme: {email: ops@example.com, issuer: cert-manager, wildcard: {zone: apps.example.com}}
dns:
  resolvers:
    letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: CF_DNS_API_TOKEN}}}
tenants:
  alice: {owners: [alice@example.com], domains: [alice.example.com, \"*.alice.example.com\"], resolver: letsencrypt-cloudflare}
";

#[test]
fn the_smallest_roster_needs_each_right_that_is_printed() {
    World::with(SMALLEST, |world| {
        world.each_right_is_needed("plan");
        world.each_right_is_needed("apply");
    });
}

#[test]
fn a_roster_with_everything_needs_each_right_that_is_printed() {
    World::with(EVERYTHING, |world| {
        world.each_right_is_needed("plan");
        world.each_right_is_needed("apply");
    });
}

#[test]
fn a_roster_for_cert_manager_needs_each_right_that_is_printed() {
    World::with(CERT_MANAGER, |world| {
        world.each_right_is_needed("plan");
        world.each_right_is_needed("apply");
    });
}

#[test]
fn with_leftovers_what_is_no_longer_wanted_is_seen() {
    World::with(SMALLEST, |world| {
        world.settle();
        let old = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "old", "namespace": "kube-system",
            "labels": {"kwo.dev/managed": "true"}}, "spec": {"clusterIP": "None"}});
        world.admin.create(&old);
        kubectl_ok(&["label", "service", "old", "-n", "kube-system", "once=kwos", "--field-manager=kwo"]);
        let left = |more: &[&str]| {
            let account = world.account(&world.printed("plan", more));
            let ran = world.kwo(&["plan", "-o", "json"], Some(&account)).expect(0);
            ran.out.contains("kube:Service/kube-system/old")
        };
        assert!(!left(&[]) && left(&["--leftovers"]));
        kubectl_ok(&["delete", "service", "old", "-n", "kube-system"]);
    });
}

#[test]
fn with_verify_access_the_api_server_can_be_asked() {
    World::with(SMALLEST, |world| {
        world.settle();
        let asked = |more: &[&str]| {
            let account = world.account(&world.printed("apply", more));
            world.kwo(&["apply", "--yes", "--verify-access"], Some(&account))
        };
        let without = asked(&[]).expect(5);
        assert!(without.err.contains("Access could not be verified"), "{}", without.err);
        let with = asked(&["--verify-access"]).expect(0);
        assert!(with.err.contains("Everybody in the roster may do what it promises"), "{}", with.err);
    });
}

#[test]
fn accounts_of_kube_system_pass_the_guard_anyway() {
    World::with(SMALLEST, |world| {
        let printed = world.printed("apply", &["--namespace=kube-system"]);
        let text = serde_json::to_string(&printed).unwrap();
        assert!(!text.contains("\"update\"") && !text.contains("\"Namespace\""), "{text}");
        world.settle();
        world.unmark();
        let account = world.account(&printed);
        world.kwo(&["apply", "--yes", "--adopt"], Some(&account)).expect(0);
    });
}

struct World {
    bench: Bench,
    admin: Admin,
    roster: &'static str,
    /// What the roster wants, as kubectl takes it.
    objects: Vec<Value>,
    target: String,
}

impl World {
    /// Nothing where the live tests cannot run.
    fn with(roster: &'static str, test: impl FnOnce(&World)) {
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(()) = crds() else { return };
        if roster == CERT_MANAGER {
            counted("certificates.cert-manager.io");
        }
        let Some(bench) = Bench::new(roster) else { return };
        let ran = bench.kwo(&["render", "-o", "json"]).expect(0);
        let objects = serde_json::from_str::<Value>(&ran.out).unwrap()["items"].as_array().unwrap().clone();
        let target = bench.plan(&["--as=nobody"])["provenance"]["target"].as_str().unwrap().to_owned();
        assert!(target.starts_with("server "), "{target}");
        let admin = Admin::new(kubeconfig().unwrap());
        let world = World { bench, admin, roster, objects, target };
        kubectl(&["create", "namespace", "cert-manager"]);
        kubectl(&["create", "secret", "generic", "of-others", "--from-literal=token=t"]);
        test(&world);
        world.empty();
    }

    fn kwo(&self, args: &[&str], account: Option<&Account>) -> Ran {
        let mut command: Command = self.bench.command(args);
        command.env("CF_DNS_API_TOKEN", "a-token").env("KWO_LOCK_TIMEOUT", "1m").env("KWO_SETTLE", "0s");
        if let Some(Account { user, groups }) = account {
            command.args(["--as", user]);
            groups.iter().for_each(|group| {
                command.args(["--as-group", group]);
            });
        }
        Ran::of(&command.output().unwrap())
    }

    /// What `kwo rbac` prints.
    fn printed(&self, purpose: &str, more: &[&str]) -> Vec<Value> {
        let ran = self.bench.kwo(&[&["rbac", "--for", purpose], more].concat()).expect(0);
        ran.out.split("---\n").skip(1).map(|document| serde_yaml::from_str(document).unwrap()).collect()
    }

    /// An account with what was printed, under a name that no other has, once the API server knows of it.
    fn account(&self, printed: &[Value]) -> Account {
        let name = unique("account");
        let mut objects = printed.to_vec();
        let namespace = account_of(printed)["metadata"]["namespace"].as_str().unwrap().to_owned();
        let user = format!("system:serviceaccount:{namespace}:{name}");
        for object in &mut objects {
            if object["kind"] != "Namespace" {
                object["metadata"]["name"] = name.as_str().into();
            }
            if object["roleRef"].is_object() {
                object["roleRef"]["name"] = name.as_str().into();
                object["subjects"][0]["name"] = name.as_str().into();
            }
        }
        objects.iter().for_each(|object| self.admin.create(object));
        let groups = ["system:authenticated", "system:serviceaccounts"].map(str::to_owned);
        let [authenticated, accounts] = groups;
        let account = Account {
            groups: [authenticated, accounts, format!("system:serviceaccounts:{namespace}")],
            user,
        };
        for role in objects.iter().filter(|object| object["rules"][0].is_object()) {
            self.admin.knows(&account, &role["rules"][0], &role["metadata"]["namespace"]);
        }
        account
    }

    /// With all that is printed it works; with anything taken out it does not, because something is forbidden.
    fn each_right_is_needed(&self, purpose: &str) {
        let printed = self.printed(purpose, &[]);
        let enough = |printed: &[Value], worlds: &[&str]| {
            let account = self.account(printed);
            self.plans(&account)?;
            let worlds = if purpose == "apply" { worlds } else { &[] };
            worlds.iter().try_for_each(|world| self.applies(&account, world))
        };
        self.settle();
        if purpose == "plan" {
            // A new certificate has to be planned, too.
            let certificates = self.objects.iter().filter(|object| object["kind"] == "Certificate");
            certificates.for_each(|certificate| self.admin.delete(certificate));
        }
        assert_eq!(enough(&printed, &["empty", "unmarked"]), Ok(()), "{printed:#?}");
        let mut lacking = lacking(&printed);
        assert!(lacking.len() > 10, "{}", lacking.len());
        if purpose == "apply" && self.roster != SMALLEST {
            // Of a rule that the smallest roster needs too, that roster shows it.
            self.bench.write(SMALLEST);
            let shown: Vec<String> = self.printed(purpose, &[]).iter().flat_map(rules).collect();
            self.bench.write(self.roster);
            lacking.retain(|lack| !shown.contains(&lack.rule));
            assert!(!lacking.is_empty());
        }
        for Lacking { verbs, rule, word, rest } in lacking {
            let what = format!("{} {rule}", word.map_or("rule".to_owned(), |word| format!("`{word}` of")));
            // The world in which it matters comes first, and is mostly the only one.
            let worlds = match () {
                () if verbs.iter().all(|verb| READS.contains(&verb.as_str())) => {
                    ["roleless", "empty", "unmarked"]
                }
                () if verbs.iter().any(|verb| verb == "patch" || verb == "update") => {
                    ["unmarked", "empty", "roleless"]
                }
                () => ["empty", "roleless", "unmarked"],
            };
            match enough(&rest, &worlds) {
                Ok(()) => panic!("{purpose} needs no {what}"),
                Err(why) => assert!(why.contains("forbidden"), "{what}: {why}"),
            }
        }
    }

    /// Does it see everything, and know which cluster this is?
    fn plans(&self, account: &Account) -> Result<(), String> {
        let ran = self.kwo(&["plan", "--adopt", "-o", "json"], Some(account));
        let plan: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        match () {
            () if ran.code != 0 => Err(ran.out + &ran.err),
            () if plan["provenance"]["target"] == *self.target => Err("the uid is forbidden".to_owned()),
            () => Ok(()),
        }
    }

    /// Does it make what is not there, and take over what others made?
    fn applies(&self, account: &Account, world: &str) -> Result<(), String> {
        match world {
            "empty" => self.empty(),
            "unmarked" => {
                self.settle();
                self.unmark();
            }
            _ => {
                self.settle();
                let roles = self.objects.iter().filter(|object| object["kind"] == "ClusterRole");
                roles.for_each(|role| self.admin.delete(role));
            }
        }
        let ran = self.kwo(&["apply", "--yes", "--adopt"], Some(account));
        if ran.code == 0 { Ok(()) } else { Err(ran.out + &ran.err) }
    }

    /// Every object is there as the roster wants it.
    fn settle(&self) {
        self.unlock();
        self.kwo(&["apply", "--yes", "--adopt"], None).expect(0);
    }

    /// Nothing that the roster wants is there.
    fn empty(&self) {
        self.unlock();
        let made: Vec<&Value> = self.objects.iter().filter(|object| object["kind"] == "Namespace").collect();
        // With a namespace goes what is in it.
        let inside = |object: &&Value| {
            made.iter().any(|namespace| namespace["metadata"]["name"] == object["metadata"]["namespace"])
        };
        self.objects.iter().filter(|object| !inside(object)).for_each(|object| self.admin.delete(object));
    }

    /// Every object is there without kwo's mark, so that each has to be written to be taken over.
    fn unmark(&self) {
        let labels = ["kwo.dev/managed", "app.kubernetes.io/managed-by"];
        self.objects.iter().for_each(|object| self.admin.unlabel(object, &labels));
    }

    /// Takes the lock away from a run that was not allowed to give it back.
    fn unlock(&self) {
        let metadata = json!({"name": "kwo", "namespace": "kube-system"});
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata});
        self.admin.delete(&lease);
    }
}

fn account_of(printed: &[Value]) -> &Value {
    printed.iter().find(|object| object["kind"] == "ServiceAccount").unwrap()
}
