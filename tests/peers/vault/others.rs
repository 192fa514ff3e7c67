//! What others made: it is never changed, and never taken over unasked.

use serde_json::{Value, json};
use testkit::apiserver::unique;

use super::World;

/// The members of a list, by what they are called.
fn by_name(list: &Value) -> std::collections::BTreeMap<String, Value> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| (item["name"].as_str().unwrap().to_owned(), item.clone())).collect()
}

#[test]
fn policies_groups_and_logins_of_others_stay_as_they_are() {
    let Some(world) = World::new(&["alice", "mallory"]) else { return };
    let name = unique("vo");
    world.bao.root(
        "POST",
        "sys/policies/acl/theirs",
        &json!({"policy": "path \"secret/data/x\" { capabilities = [\"read\"] }"}),
    );
    world.bao.root(
        "POST",
        "identity/group",
        &json!({"name": "theirs", "policies": ["theirs"], "metadata": {"a": "b"}}),
    );
    world.bao.root("POST", "identity/entity", &json!({"name": "theirs", "policies": ["theirs"]}));
    // Another auth method, on which somebody else has the name of the owner.
    world.bao.root("POST", "sys/auth/elsewhere", &json!({"type": "userpass"}));
    world.bao.root("POST", "auth/elsewhere/users/alice", &json!({"password": "p"}));
    let (_, other) = world.bao.ask("", "POST", "auth/elsewhere/login/alice", &json!({"password": "p"}));
    let other = other["auth"]["client_token"].as_str().unwrap().to_owned();
    world.bao.login("mallory");
    let before = world.all();
    world.write(&format!("  {name}: {{owners: [alice]}}\n"));
    world.apply(&[]).expect(0);
    let after = world.all();
    for (key, policy) in before["policies"].as_object().unwrap() {
        assert_eq!(after["policies"][key], *policy, "{key}");
    }
    for list in ["groups", "entities"] {
        let after = by_name(&after[list]);
        for (key, thing) in by_name(&before[list]) {
            assert_eq!(after[&key], thing, "{key}");
        }
    }
    for (key, alias) in before["aliases"].as_object().unwrap() {
        assert_eq!(after["aliases"][key], *alias, "{key}");
    }
    let path = format!("secret/metadata/{name}/x");
    assert_eq!(
        world.bao.ask(&other, "GET", &path, &Value::Null).0,
        403,
        "a name on another method is somebody else"
    );
    let alice = world.bao.login("alice");
    assert_eq!(world.bao.ask(&alice, "GET", &path, &Value::Null).0, 404);
}

#[test]
fn a_login_that_is_there_is_never_moved_to_another_entity() {
    let Some(world) = World::new(&["alice", "bob"]) else { return };
    let name = unique("vl");
    let alice = world.bao.login("alice");
    let who = |token: &str| {
        world.bao.ask(token, "GET", "auth/token/lookup-self", &Value::Null).1["data"]["entity_id"].clone()
    };
    let entity = who(&alice);
    world.write(&format!("  {name}: {{owners: [alice, BOB]}}\n"));
    // Between the look and the write somebody logs in for the first time, by a name that is the same to the server.
    let address = world.bao.address;
    let once = std::sync::Once::new();
    let front = world.behind(move |asked| {
        if asked.path == "/v1/identity/entity" {
            once.call_once(|| {
                let body = br#"{"password": "bob"}"#;
                let host = address.to_string();
                let path = "/v1/auth/userpass/login/bob";
                let request =
                    testkit::peers::http::Request { method: "POST", path, host: &host, headers: &[], body };
                assert_eq!(request.ask(address).unwrap().status(), 200);
            });
        }
        None
    });
    world.write(&format!("  {name}: {{owners: [alice, BOB]}}\n"));
    let ran = world.apply(&[]);
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(who(&world.bao.login("alice")), entity);
    let aliases = world.all()["aliases"].clone();
    let bob = aliases.as_object().unwrap().values().find(|alias| alias["name"] == "bob").unwrap().clone();
    assert_eq!(who(&world.bao.login("bob")), bob["canonical_id"]);
    assert_eq!(bob["custom_metadata"], Value::Null, "it is as the login made it");
    // From then on the plan says why he is not in the group.
    let held = world.kwo(&["plan", "--full"]);
    assert!(held.out.contains("the login there is `bob`"), "{}", held.out);
    assert_eq!(
        world.plan("held"),
        ["vault:Entity/BOB".to_owned(), format!("vault:Member/kwo-{name}-owner/BOB")]
    );
    drop(front);
}

#[test]
fn what_is_there_without_a_mark_is_taken_over_only_when_asked_and_what_another_cluster_marked_never() {
    let Some(world) = World::new(&["alice", "eve"]) else { return };
    let (name, far) = (unique("vt"), unique("vf"));
    let policy = |name: &str| format!("sys/policies/acl/kwo-{name}-owner");
    let mine = json!({"policy": "# mine\npath \"secret/data/*\" { capabilities = [\"read\"] }\n"});
    world.bao.root("POST", &policy(&name), &mine);
    let theirs =
        json!({"name": format!("kwo-{name}-owner"), "policies": ["mine"], "metadata": {"why": "mine"}});
    world.bao.root("POST", "identity/group", &theirs);
    let other = "11111111-2222-3333-4444-555555555555";
    let text = format!(
        "# kwo cluster={other} tenant={far}\npath \"secret/data/*\" {{ capabilities = [\"read\"] }}\n"
    );
    world.bao.root("POST", &policy(&far), &json!({"policy": text}));
    let marked =
        json!({"name": format!("kwo-{far}-owner"), "metadata": {"kwo_cluster": other, "kwo_tenant": far}});
    world.bao.root("POST", "identity/group", &marked);
    let before = world.all();
    world.write(&format!("  {name}: {{owners: [alice]}}\n  {far}: {{owners: [alice]}}\n"));
    world.apply(&[]).expect(5);
    assert_eq!(by_name(&world.all()["groups"]), by_name(&before["groups"]));
    let of_both = |held: &[String]| held.iter().filter(|id| id.contains(&far) || id.contains(&name)).count();
    assert_eq!(of_both(&world.plan("held")), 6);

    let ran = world.apply(&["--adopt=*"]).expect(5);
    assert!(ran.out.contains(&format!("belongs to another cluster: kwo marked it for the one whose namespace kube-system has the uid {other}")), "{}", ran.out);
    let after = world.all();
    for what in ["policies", "groups"] {
        let find = |all: &Value| match &all[what] {
            Value::Array(list) => by_name(&Value::Array(list.clone()))[&format!("kwo-{far}-owner")].clone(),
            map => map[format!("kwo-{far}-owner")].clone(),
        };
        assert_eq!(find(&after), find(&before));
    }
    let group = world.group(&format!("kwo-{name}-owner"));
    assert_eq!(group["metadata"]["why"], "mine");
    assert_eq!(group["metadata"]["kwo_tenant"], *name);
    assert_eq!(group["policies"], json!([format!("kwo-{name}-owner"), "mine"]), "nothing is taken away");
    // What it still gives is told.
    let plan = world.kwo(&["plan", "--full"]);
    let said = format!("whoever is in the Vault group kwo-{name}-owner still has the policy mine");
    assert!(plan.out.contains(&said), "{}", plan.out);
    assert_eq!(world.plan("steps"), Vec::<String>::new());
}
