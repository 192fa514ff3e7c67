//! What a tenant who leaves has in Vault stays there: the archive lists it by path, and so does the destroying. Nothing tells a
//! value, and what cannot be listed is not taken for nothing.

use serde_json::{Value, json};
use testkit::apiserver::unique;

use super::World;
use super::leaving::cut;
use super::transit::TRANSIT;
use super::users::USERS;

const SECRET: &str = "sentinel-19c4-of-alice";

#[test]
fn what_a_tenant_leaves_behind_is_listed_by_path() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("rm");
    world.bao.root("POST", "sys/mounts/transit", &json!({"type": "transit"}));
    let more = format!("{TRANSIT}{USERS}");
    let write = |tenants: &str| {
        world.write_with(&world.of_token(), &more, tenants);
        let path = world.bench.path("roster.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replacen("systems:", "cluster: {retain: 0s}\nsystems:", 1)).unwrap();
    };
    write(&format!("  {name}: {{owners: [alice], transit: true}}\n"));
    world.apply(&[]).expect(0);
    let value = json!({"data": {"password": SECRET}});
    let alice = world.bao.login("alice");
    for path in ["", "/db", "/a%20b/%3Fc/d", "/it%27s"] {
        let (status, told) = world.bao.ask(&alice, "POST", &format!("secret/data/{name}{path}"), &value);
        assert_eq!(status, 200, "{told}");
    }
    // Names that only begin like the namespace's are others'.
    world.bao.root("POST", &format!("secret/data/{name}-prod/x"), &value);

    // The list of users is a part of what ends by hand.
    let page = world.kwo(&["offboard", &name]).expect(0).out;
    assert!(page.contains(&format!("del(.[\"{name}\"])")), "{page}");
    write("  nobody-else:\n");
    let typed = format!("offboard {name} (1 namespace)");
    let archive =
        ["offboard", &name, "--stage", "archive", "--yes", "--confirm=x", "--lock-timeout=2m", "--out"];
    let archived = |folder: &str| {
        std::fs::create_dir_all(world.bench.path(folder)).unwrap();
        let ran = world.kwo(&[&archive[..], &[folder]].concat()).expect(0);
        let mut files = std::fs::read_dir(world.bench.path(folder)).unwrap().flatten();
        let file = files.next().unwrap().path().display().to_string();
        let listed = world.kwo(&["archive", "list", &file]).expect(0);
        (format!("{}{}", ran.out, ran.err), format!("{}{}", listed.out, listed.err))
    };
    // Without the right to list nobody knows, and the archive says so.
    let (said, listed) = archived("blind");
    for text in [&said, &listed] {
        assert!(
            text.contains(&format!("vault/secret/{name}: kwo could not look whether there is anything")),
            "{text}"
        );
        assert!(text.contains(&format!("vault/transit/keys/kwo-{name}: ")), "{text}");
    }
    world.lets_leave();
    world.kwo(&cut(&[&name], &typed, &[]));
    let (said, listed) = archived("kept");
    let paths = [
        format!("secret/{name}"),
        format!("secret/{name}/db"),
        format!("secret/{name}/a b/?c/d"),
        format!("secret/{name}/it's"),
    ];
    for text in [&said, &listed] {
        for path in &paths {
            assert!(
                text.contains(&format!("vault/{path}: no archive holds what is in it")),
                "{path}: {text}"
            );
        }
        assert!(text.contains(&format!("vault/transit/keys/kwo-{name}: no archive holds the key")), "{text}");
        assert!(!text.contains("could not look") && !text.contains(&format!("{name}-prod")), "{text}");
    }
    // The names are the tenant's, and do not fill an archive.
    let long = |method: &str, kind: &str| {
        for at in 0..300 {
            let path = format!("secret/{kind}/{name}/{at:0>900}");
            world.bao.root(method, &path, &if method == "POST" { value.clone() } else { Value::Null });
        }
    };
    long("POST", "data");
    let (_, listed) = archived("long");
    assert!(
        listed.contains("kwo lists no more than 1000 paths, 256 KiB and 200 folders of a namespace"),
        "{listed}"
    );
    long("DELETE", "metadata");
    let destroy = ["offboard", name.as_str(), "--stage", "destroy", "--yes", "--lock-timeout=2m"];
    let ran = world.kwo(&[&destroy[..], &["--confirm", "x"]].concat());
    assert!(ran.err.contains(&format!("kept    vault/secret/{name}/db: ")), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains(&format!("kept    vault/transit/keys/kwo-{name}: ")), "{}", ran.err);
    for end in
        ["kv metadata delete secret/N/db` ends it", "write transit/keys/kwo-N/config deletion_allowed=true"]
    {
        assert!(ran.err.contains(&end.replace('N', &name)), "{}", ran.err);
    }
    let typed = ran.err.lines().chain(ran.out.lines()).find_map(|line| {
        let (_, rest) = line.split_once(&format!("destroy {name} ("))?;
        Some(format!("destroy {name} ({})", rest.split_once(')')?.0))
    });
    let typed = typed.unwrap_or_else(|| panic!("{}{}", ran.out, ran.err));
    world.kwo(&[&destroy[..], &["--confirm", &typed]].concat()).expect(0);
    // All of it is there still.
    for path in ["", "/db", "/a%20b/%3Fc/d"] {
        let told = world.bao.root("GET", &format!("secret/data/{name}{path}"), &Value::Null);
        assert_eq!(told["data"]["password"], SECRET, "{path}");
    }
    assert_ne!(world.bao.root("GET", &format!("transit/keys/kwo-{name}"), &Value::Null), Value::Null);
    for text in world.said.borrow().iter() {
        assert!(!text.contains(SECRET), "{text}");
    }
}
