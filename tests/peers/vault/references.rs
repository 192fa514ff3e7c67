//! References into Vault: a secret goes where the roster needs it, and into nothing else; what cannot be read is told in words.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::apiserver::unique;
use testkit::loopback::{Loopback, Reply};

use super::World;

/// The secret. Header lines come in lower case.
const SECRET: &str = "sentinel-5d20-of-the-zone";

impl World {
    /// A roster whose zones have these keys, on a server at this address.
    fn zones(&self, server: &Loopback, keys: &[&str], tenants: &str) {
        let login = format!("{{token: {{file: {}}}}}", self.bench.path("token").display());
        let zone = |(at, key): (usize, &&str)| {
            format!(
                "    zone-{at}.example: {{provider: powerdns, url: 'http://{}', key: {{vault: {key}}}, target: {{addresses: [192.0.2.10]}}}}\n",
                server.address
            )
        };
        let zones: String = keys.iter().enumerate().map(zone).collect();
        self.write_with(&login, "", tenants);
        let path = self.bench.path("roster.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}dns:\n  zones:\n{zones}")).unwrap();
    }
}

#[test]
fn a_secret_from_vault_goes_where_it_is_needed_and_nowhere_else() {
    let Some(world) = World::new(&[]) else { return };
    let policy = world.bao.root("GET", "sys/policies/acl/kwo", &Value::Null)["policy"].clone();
    let reads = ["secret/data/platform/*", "old/*"]
        .map(|path| format!("path \"{path}\" {{ capabilities = [\"read\"] }}\n"));
    let policy = json!({"policy": format!("{}{}", policy.as_str().unwrap(), reads.concat())});
    world.bao.root("POST", "sys/policies/acl/kwo", &policy);
    let value = json!({"data": {"token": SECRET, "number": 42, "list": ["a"], "empty": ""}});
    world.bao.root("POST", "secret/data/platform/dns", &value);
    world.bao.root("POST", "secret/data/elsewhere", &value);
    world.bao.root("POST", "sys/mounts/old", &json!({"type": "kv", "options": {"version": "1"}}));
    world.bao.root("POST", "old/dns", &json!({"token": SECRET}));
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let keys: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&told);
    let _front = world.behind(move |asked| {
        heard
            .lock()
            .unwrap()
            .push(format!("{} {} {:?} {}", asked.method, asked.path, asked.headers, asked.body));
        None
    });
    let got = Arc::clone(&keys);
    let server = Loopback::start(move |asked| {
        let line = asked.headers.iter().find_map(|line| line.strip_prefix("x-api-key:"));
        got.lock().unwrap().push(line.unwrap_or_default().trim().to_owned());
        Reply::Answer(401, "", "{\"error\":\"no\"}".to_owned())
    });

    // Two keys of one path, and one in a store of version 1.
    let tenant = unique("vr");
    let tenants = format!("  {tenant}: {{domains: [www.zone-0.example]}}\n");
    world.zones(
        &server,
        &["secret/platform/dns#token", "secret/platform/dns#number", "old/dns#token"],
        &tenants,
    );
    let ran = world.kwo(&["plan", "--full", "-vv", "--out", "plan.json"]);
    assert_eq!(ran.code, 5, "the server of the zones refuses every key\n{}{}", ran.out, ran.err);
    let mut got = std::mem::take(&mut *keys.lock().unwrap());
    got.sort();
    got.dedup();
    assert_eq!(got, ["42", SECRET]);
    let asked = |what: &str| told.lock().unwrap().iter().filter(|asked| asked.contains(what)).count();
    assert_eq!(asked("GET /v1/secret/data/platform/dns "), 1, "one request a path");
    assert_eq!((asked("GET /v1/sys/internal/ui/mounts/"), asked("GET /v1/old/dns ")), (1, 1));
    assert_eq!(asked(SECRET), 0, "it goes back to nobody");
    // What only opens a system is in no plan, and the rest of it is planned as before.
    let mut held = world.plan("held");
    held.retain(|id| id.starts_with("vault:"));
    assert_eq!(held, Vec::<String>::new());

    // What cannot be read is told in words.
    world.bao.root("POST", "secret/data/platform/gone", &value);
    world.bao.root("DELETE", "secret/data/platform/gone", &Value::Null);
    world.bao.root("POST", "secret/data/platform/over", &value);
    world.bao.root("POST", "secret/destroy/platform/over", &json!({"versions": [1]}));
    let url = world.address.borrow().clone();
    let cases = [
        (
            "secret/platform/dns#nope",
            format!("there is no key nope in the secret secret/platform/dns of {url}"),
        ),
        ("secret/platform/dns#list", "what is at the key list of secret/platform/dns is no text".to_owned()),
        ("secret/platform/dns#empty", "it is empty".to_owned()),
        ("secret/platform/nothing#token", format!("there is no secret at secret/platform/nothing in {url}")),
        (
            "secret/platform/gone#token",
            "kv undelete -versions=1 secret/platform/gone` brings it back".to_owned(),
        ),
        ("secret/platform/over#token", "the version 1 of secret/platform/over is destroyed".to_owned()),
        (
            "secret/elsewhere#token",
            "its policy lacks `path \"secret/data/elsewhere\" { capabilities = [\"read\"] }`".to_owned(),
        ),
        ("nowhere/dns#token", "its policy lacks `path \"nowhere/data/dns\"".to_owned()),
        ("old/nothing#token", format!("there is no secret at old/nothing in {url}")),
    ];
    let paths: Vec<&str> = cases.iter().map(|(path, _)| *path).collect();
    world.zones(&server, &paths, "");
    let ran = world.kwo(&["systems", "check"]).expect(1);
    for (path, why) in &cases {
        let start = format!("the key vault {path} cannot be used: ");
        let line = ran.out.lines().find(|line| line.contains(&start)).unwrap_or_default();
        assert!(line.contains(why), "{path}: {}", ran.out);
    }

    // Where the roster names no Vault, nobody can read it.
    let text = std::fs::read_to_string(world.bench.path("roster.yaml")).unwrap();
    let (_, zones) = text.split_once("dns:\n").unwrap();
    world.bench.write(&format!("tenants: {{{tenant}: {{domains: [www.zone-0.example]}}}}\ndns:\n{zones}"));
    let ran = world.kwo(&["plan", "--full"]);
    assert!(
        ran.out.contains("the roster has no `systems.vault`, by whose login kwo would read it"),
        "{}",
        ran.out
    );

    // It is in nothing that kwo said or wrote.
    for text in world.said.borrow().iter() {
        assert!(!text.contains(SECRET), "{text}");
    }
    for entry in std::fs::read_dir(world.bench.path("")).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            let text = std::fs::read(entry.path()).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(SECRET), "{}", entry.path().display());
        }
    }
}
