//! A key for each namespace of a tenant that asks: who may use it, and that kwo takes none for its own that is another's.

use serde_json::{Value, json};
use testkit::apiserver::unique;

use super::World;
use super::pipelines::token;

pub(super) const TRANSIT: &str = "    transit: transit\n";

impl World {
    /// The roster with a transit engine and these lines more below `vault`.
    fn write_keys(&self, more: &str, tenants: &str) {
        self.write_with(&self.of_token(), &format!("{more}{TRANSIT}"), tenants);
    }

    fn enable_transit(&self) {
        self.bao.root("POST", "sys/mounts/transit", &json!({"type": "transit"}));
    }

    fn key(&self, name: &str) -> Value {
        self.bao.root("GET", &format!("transit/keys/{name}"), &Value::Null)
    }

    /// The status of one use of a key, and what came of it.
    fn uses(&self, token: &str, way: &str, key: &str, body: &Value) -> (u16, Value) {
        self.bao.ask(token, "POST", &format!("transit/{way}/{key}"), body)
    }

    fn ciphertext(&self, token: &str, key: &str) -> Value {
        let (status, told) = self.uses(token, "encrypt", key, &json!({"plaintext": "aGVsbG8K"}));
        assert_eq!(status, 200, "{told}");
        json!({"ciphertext": told["data"]["ciphertext"]})
    }
}

#[test]
fn the_people_and_the_pipelines_of_a_namespace_use_its_key_and_nobody_else_does() {
    let Some(world) = World::new(&["alice", "dora", "vera", "bob"]) else { return };
    let (a, b) = (unique("ta"), unique("tb"));
    let members = "members: [{identity: dora, access: deployer}, {identity: vera, access: viewer}]";
    let alice =
        format!("  {a}: {{owners: [alice], {members}, namespaces: [{a}, {a}-prod], transit: true}}\n");
    let tenants = format!("{alice}  {b}: {{owners: [bob]}}\n");
    world.connect();
    world.write_keys("    pipelines: {}\n", &tenants);

    // kwo makes no engine, and says who does; everything else is done.
    let ran = world.apply(&[]).expect(5);
    assert!(ran.out.contains("bao secrets enable -path=transit transit` makes one"), "{}", ran.out);
    let keys =
        [format!("vault:TransitKey/transit/kwo-{a}"), format!("vault:TransitKey/transit/kwo-{a}-prod")];
    assert_eq!(world.plan("held"), keys);
    world.enable_transit();
    world.apply(&[]).expect(0);
    for list in ["steps", "held", "leftovers"] {
        assert_eq!(world.plan(list), Vec::<String>::new(), "{list}");
    }
    let (key, other) = (format!("kwo-{a}"), format!("kwo-{b}"));
    let made = world.key(&key);
    assert_eq!((&made["type"], &made["exportable"]), (&json!("aes256-gcm96"), &json!(false)));
    assert_eq!(world.key(&other), Value::Null, "the other tenant did not ask");

    let login = |name: &str| world.bao.login(name);
    let pipeline = |namespace: &str| {
        let (status, told) =
            world.bao.login_of_cluster("kwo-deployer", &token(namespace, "deployer", "vault"));
        assert_eq!(status, 200, "{told}");
        told["auth"]["client_token"].as_str().unwrap().to_owned()
    };
    let secret = world.ciphertext(&login("alice"), &key);
    for user in [login("alice"), login("dora"), pipeline(&a)] {
        world.ciphertext(&user, &key);
        for way in ["decrypt", "rewrap"] {
            assert_eq!(world.uses(&user, way, &key, &secret).0, 200, "{way}");
        }
        for kind in ["plaintext", "wrapped"] {
            assert_eq!(world.uses(&user, &format!("datakey/{kind}"), &key, &json!({})).0, 200, "{kind}");
        }
    }
    assert_eq!(
        world.bao.ask(&login("alice"), "POST", &format!("transit/keys/{key}/rotate"), &json!({})).0,
        200
    );
    assert_eq!(
        world.uses(&login("alice"), "decrypt", &key, &secret).0,
        200,
        "what was encrypted before, too"
    );
    assert_eq!(
        world.bao.ask(&login("dora"), "POST", &format!("transit/keys/{key}/rotate"), &json!({})).0,
        403
    );

    for stranger in [login("vera"), login("bob"), pipeline(&b), pipeline(&format!("{a}-prod"))] {
        for way in ["encrypt", "decrypt", "rewrap"] {
            assert_eq!(world.uses(&stranger, way, &key, &secret).0, 403, "{way}");
        }
    }
    // Whoever may encrypt makes no key by it, and nobody lets a key out or go.
    let plain = json!({"plaintext": "aGVsbG8K"});
    assert_ne!(world.uses(&pipeline(&b), "encrypt", &other, &plain).0, 200);
    assert_eq!(world.key(&other), Value::Null);
    assert_eq!(world.uses(&login("alice"), "encrypt", &format!("{key}-x"), &plain).0, 403);
    let config = json!({"exportable": true, "deletion_allowed": true});
    for (method, path) in [
        ("POST", format!("transit/keys/{key}/config")),
        ("POST", format!("transit/keys/{key}")),
        ("GET", format!("transit/export/encryption-key/{key}")),
        ("GET", format!("transit/backup/{key}")),
        ("DELETE", format!("transit/keys/{key}")),
    ] {
        for user in [login("alice"), pipeline(&a)] {
            let body = if method == "POST" { &config } else { &Value::Null };
            assert_eq!(world.bao.ask(&user, method, &path, body).0, 403, "{method} {path}");
        }
    }
    world.kwo(&["plan", "--detailed-exitcode"]).expect(0);

    // The tenant asks no more: its policies lose the key, and the key stays.
    world.write_keys("    pipelines: {}\n", &tenants.replace(", transit: true", ""));
    world.apply(&[]).expect(0);
    assert_eq!(world.uses(&login("alice"), "decrypt", &key, &secret).0, 403);
    // The policy of pipelines is one for all of them, as the manual says.
    assert_eq!(world.uses(&pipeline(&a), "decrypt", &key, &secret).0, 200);
    assert_eq!(world.plan("leftovers"), Vec::<String>::new());
    // It asks again, and gets the one that it had.
    world.write_keys("    pipelines: {}\n", &tenants);
    world.apply(&[]).expect(0);
    assert_eq!(world.uses(&login("alice"), "decrypt", &key, &secret).0, 200);

    // The tenant is gone: the key is told, and what its end means.
    world.write_keys("    pipelines: {}\n", &format!("  {b}: {{owners: [bob]}}\n"));
    let plan = world.kwo(&["plan", "--full"]).out;
    assert!(plan.contains(&format!("? {}", keys[0])), "{plan}");
    assert!(plan.contains("to remove it (nobody can decrypt afterwards what it encrypted): "), "{plan}");
}

#[test]
fn a_key_that_is_otherwise_or_of_another_cluster_is_held() {
    let Some(world) = World::new(&["alice"]) else { return };
    let (own, odd, far) = (unique("tk"), unique("to"), unique("tf"));
    let of = |name: &str| format!("  {name}: {{owners: [alice], transit: true}}\n");
    let tenants = format!("{}{}{}", of(&own), of(&odd), of(&far));
    world.enable_transit();
    for (name, body) in [(&own, json!({})), (&odd, json!({"exportable": true})), (&far, json!({}))] {
        world.bao.root("POST", &format!("transit/keys/kwo-{name}"), &body);
    }
    let policy = format!(
        "# kwo cluster=another tenant=x\npath \"transit/encrypt/kwo-{far}\" {{\n  capabilities = [\"update\"]\n}}\n"
    );
    world.bao.root("POST", "sys/policies/acl/kwo-x-owner", &json!({"policy": policy}));
    let keys = || [&own, &odd, &far].map(|name| world.key(&format!("kwo-{name}")));
    let before = keys();
    world.write_keys("", &tenants);
    let adopt = format!("--adopt=vault:TransitKey/transit/kwo-{far}");
    for more in [&[][..], &[adopt.as_str()]] {
        let ran = world.apply(more).expect(5);
        let mut held: Vec<String> =
            world.plan("held").into_iter().filter(|id| id.contains("TransitKey")).collect();
        held.sort();
        let mut both = [&odd, &far].map(|name| format!("vault:TransitKey/transit/kwo-{name}"));
        both.sort();
        assert_eq!(held, both, "{}{}", ran.out, ran.err);
    }
    // The one that has kwo's name and is as kwo makes them is the namespace's now. None was changed.
    assert_eq!(keys(), before);

    // Without the right to see it, nothing is said of a key.
    let narrow = world.bao.root("GET", "sys/policies/acl/kwo", &Value::Null)["policy"].clone();
    let narrow = narrow.as_str().unwrap().replace("transit/keys/kwo-*", "transit/keys/other-*");
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": narrow}));
    let plan = world.kwo(&["plan", "--full"]).expect(5).out;
    assert!(plan.contains(&format!("the token of kwo may not read transit/keys/kwo-{own}")), "{plan}");
    let check = world.kwo(&["systems", "check"]).expect(1).out;
    assert!(check.contains("path \"transit/keys/kwo-*\" {"), "{check}");
}
