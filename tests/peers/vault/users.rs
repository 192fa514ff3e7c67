//! The list of users for stacks of Terraform: kwo writes it beside the secrets of others, after the version that it read, and
//! takes no user out of it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::apiserver::unique;
use testkit::loopback::Reply;
use testkit::peers::bao::ROOT;
use testkit::peers::http::Request;

use super::apply::{refused, run};
use super::{World, uid};

pub(super) const USERS: &str = "    k8sUsers: secret/platform\n";
const LIST: &str = "vault:UserList/secret/platform";
/// A secret of somebody else's beside the list.
const SECRET: &str = "sentinel-77aa-of-others";

impl World {
    fn write_users(&self, tenants: &str) {
        self.write_with(&self.of_token(), USERS, tenants);
    }

    /// The last version of the entry: what is in it, and its metadata.
    fn entry(&self) -> Value {
        self.bao.root("GET", "secret/data/platform", &Value::Null)
    }

    fn users(&self) -> String {
        self.entry()["data"]["k8s_users"].as_str().unwrap_or_default().to_owned()
    }

    fn patch(&self, path: &str, body: &Value) {
        patch(self.bao.address, path, body);
    }

    /// Of what is in the plan only the list.
    fn of_list(&self, what: &str) -> Vec<String> {
        self.plan(what).into_iter().filter(|id| id == LIST).collect()
    }

    /// The commands that end what is left over in the list.
    fn commands(&self) -> Vec<(String, String)> {
        let plan: Value = serde_json::from_str(&self.kwo(&["plan", "-o", "json"]).out).unwrap();
        let left = plan["leftovers"].as_array().unwrap().iter().filter(|left| left["id"] == LIST);
        let text = |left: &Value, key: &str| left[key].as_str().unwrap().to_owned();
        left.map(|left| (text(left, "pointer"), text(left, "command"))).collect()
    }
}

fn patch(address: std::net::SocketAddr, path: &str, body: &Value) {
    let (host, path, body) = (address.to_string(), format!("/v1/{path}"), body.to_string());
    let headers = [("x-vault-token", ROOT), ("content-type", "application/merge-patch+json")];
    let request =
        Request { method: "PATCH", path: &path, host: &host, headers: &headers, body: body.as_bytes() };
    let answer = request.ask(address).unwrap();
    assert!(matches!(answer.status(), 200 | 204), "{}", answer.text());
}

#[test]
fn a_list_of_others_is_taken_over_by_name_and_keeps_all_that_they_wrote() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("ua");
    let carol = r#"{ "role":"namespace-owner", "namespaces":["carol"], "n":12345678901234567890123, "token":"sentinel-77aa-of-others" }"#;
    let theirs = format!(r#"{{"carol":{carol},"{name}":{{"role":"power-user","namespaces":["own"]}}}}"#);
    let data = json!({"data": {"db": SECRET, "list": [1, {"a": null}], "k8s_users": theirs}});
    world.bao.root("POST", "secret/data/platform", &data);
    world.bao.root("POST", "secret/metadata/platform", &json!({"custom_metadata": {"why": "mine"}}));
    let before = world.entry();
    let tenants =
        format!("  {name}: {{owners: [alice], namespaces: [{name}], domains: [www.example.com]}}\n");
    world.write_users(&tenants);
    for more in [&[][..], &["--adopt=*"]] {
        world.apply(more).expect(5);
        assert_eq!(world.of_list("held"), [LIST]);
        assert_eq!(world.entry(), before);
    }
    let said = world.kwo(&["plan", "--full", "--adopt=*"]).expect(5).out;
    assert!(said.contains(&format!("`--adopt={LIST}` does that")), "{said}");
    // Another cluster's it is for good.
    world.patch("secret/metadata/platform", &json!({"custom_metadata": {"kwo_cluster": "another"}}));
    world.apply(&[&format!("--adopt={LIST}")]).expect(5);
    assert_eq!(world.users(), theirs);
    world.patch("secret/metadata/platform", &json!({"custom_metadata": {"kwo_cluster": null}}));

    let plan = world.kwo(&["plan", "--full", &format!("--adopt={LIST}"), "--out", "plan.json"]).out;
    assert!(plan.contains(&format!("/users/{name}/role: power-user → namespace-owner")), "{plan}");
    assert!(plan.contains("roster.yaml:"), "{plan}");
    world.heard(world.bench.apply(&[&format!("--adopt={LIST}"), "-vv"])).expect(0);
    let after = world.entry();
    for key in ["db", "list"] {
        assert_eq!(after["data"][key], before["data"][key], "{key}");
    }
    assert_eq!(after["metadata"]["custom_metadata"], json!({"why": "mine", "kwo_cluster": uid()}));
    assert_eq!(after["metadata"]["version"], 2, "one write for all users");
    assert!(world.users().starts_with(&format!("{{\"carol\":{carol},")), "{}", world.users());
    let users: Value = serde_json::from_str(&world.users()).unwrap();
    let user = &users[&name];
    assert_eq!((&user["role"], &user["email"]), (&json!("namespace-owner"), &json!("alice")));
    assert_eq!(user["namespaces"], json!(["own", name]));
    assert_eq!(user["domains"], json!(["www.example.com"]));
    assert!(user["quota"]["pods"].is_string() && user["quota"]["cpu_requests"].is_string(), "{user}");
    assert_eq!((world.of_list("steps"), world.of_list("held")), (Vec::new(), Vec::new()));
    world.kwo(&["explain", LIST]).expect(0);

    // What the roster does not say is told, and ended by the command that is shown; one from before writes nothing.
    let mut left = world.commands();
    left.sort();
    let places: Vec<&str> = left.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(places, ["/users/carol", &format!("/users/{name}/namespaces/0")]);
    let plan = world.kwo(&["plan", "--full"]).out;
    assert!(plan.contains("stacks that read secret/platform still find the user carol there"), "{plan}");
    run(&world, &left[0].1);
    assert!(refused(&world, &left[1].1).contains("check-and-set"));
    let again = world.commands();
    assert_eq!(again.len(), 1);
    run(&world, &again[0].1);
    assert_eq!(world.commands(), []);
    let users: Value = serde_json::from_str(&world.users()).unwrap();
    assert_eq!((&users["carol"], &users[&name]["namespaces"]), (&Value::Null, &json!([name])));
    assert_eq!(world.entry()["data"]["db"], SECRET);
    // A look that fails leaves the list alone.
    let broken = again[0].1.replace("kv get", "kv nothing");
    refused(&world, &broken);
    assert_eq!(serde_json::from_str::<Value>(&world.users()).unwrap(), users);

    for text in world.said.borrow().iter() {
        assert!(!text.contains(SECRET), "{text}");
    }
    let saved = std::fs::read_to_string(world.bench.path("plan.json")).unwrap();
    assert!(!saved.contains(SECRET) && saved.contains(LIST));
}

#[test]
fn a_list_is_made_after_a_cut_and_never_over_what_somebody_else_wrote() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("ub");
    let tenants = format!("  {name}: {{owners: [alice]}}\n");
    let address = world.bao.address;
    // Somebody else makes the entry between the look and the write: kwo leaves it to them.
    let first = Arc::new(Mutex::new(true));
    let once = Arc::clone(&first);
    let theirs = json!({"data": {"k8s_users": "{\"zed\":{}}", "db": SECRET}});
    let front = world.behind(move |asked| {
        if asked.method == "POST"
            && asked.path == "/v1/secret/data/platform"
            && std::mem::take(&mut *once.lock().unwrap())
        {
            let (host, body) = (address.to_string(), theirs.to_string());
            let headers = [("x-vault-token", ROOT)];
            let request = Request {
                method: "POST",
                path: &asked.path,
                host: &host,
                headers: &headers,
                body: body.as_bytes(),
            };
            assert_eq!(request.ask(address).unwrap().status(), 200);
        }
        None
    });
    world.write_users(&tenants);
    let ran = world.apply(&[]);
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(!*first.lock().unwrap());
    assert_eq!(world.entry()["data"]["db"], SECRET);
    assert_eq!(world.users(), "{\"zed\":{}}");
    assert_eq!(world.entry()["metadata"]["custom_metadata"].get("kwo_cluster"), None);
    assert_eq!(world.of_list("held"), [LIST]);

    // A run that ended after its first write: the entry has kwo's list and no mark, and is taken over by name only.
    world.bao.root("DELETE", "secret/metadata/platform", &Value::Null);
    drop(front);
    let cut = Arc::new(Mutex::new(true));
    let now = Arc::clone(&cut);
    let front = world.behind(move |asked| {
        let cuts = asked.method == "PATCH" && asked.path.ends_with("/metadata/platform");
        (cuts && *now.lock().unwrap()).then_some(Reply::Drop)
    });
    world.write_users(&tenants);
    for _ in 0..2 {
        let ran = world.apply(&[]);
        assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
        let list = world.entry();
        assert_eq!((&list["metadata"]["version"], list["data"].as_object().unwrap().len()), (&json!(1), 1));
        assert_eq!(list["metadata"]["custom_metadata"], Value::Null);
        assert_eq!(world.of_list("held"), [LIST]);
    }
    *cut.lock().unwrap() = false;
    world.apply(&[&format!("--adopt={LIST}")]).expect(0);
    let list = world.entry();
    assert_eq!(list["metadata"]["version"], 1, "there was nothing to write but the mark");
    assert_eq!(list["metadata"]["custom_metadata"], json!({"kwo_cluster": uid()}));
    assert_eq!(world.of_list("steps"), Vec::<String>::new());

    // Somebody writes between the look and the write: kwo looks again, and both are there.
    world.patch("secret/data/platform", &json!({"data": {"k8s_users": "{}"}}));
    *first.lock().unwrap() = true;
    drop(front);
    let once = Arc::clone(&first);
    let front = world.behind(move |asked| {
        if asked.method == "PATCH"
            && asked.path.ends_with("/data/platform")
            && std::mem::take(&mut *once.lock().unwrap())
        {
            patch(
                address,
                "secret/data/platform",
                &json!({"data": {"k8s_users": "{\"zed\":{\"x\":1}}", "db": "d"}}),
            );
        }
        None
    });
    world.write_users(&tenants);
    let ran = world.apply(&[]);
    assert!(!*first.lock().unwrap(), "{}{}", ran.out, ran.err);
    let users: Value = serde_json::from_str(&world.users()).unwrap();
    assert_eq!((&users["zed"], &world.entry()["data"]["db"]), (&json!({"x": 1}), &json!("d")));
    world.apply(&[]).expect(0);
    let users: Value = serde_json::from_str(&world.users()).unwrap();
    assert_eq!((&users["zed"], &users[&name]["role"]), (&json!({"x": 1}), &json!("namespace-owner")));
    assert_eq!(world.of_list("steps"), Vec::<String>::new());
    drop(front);
}

#[test]
fn what_kwo_cannot_read_whole_it_does_not_write() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("uc");
    let tenants = format!("  {name}: {{owners: [alice]}}\n");
    world.write_users(&tenants);
    // An entry that kwo could not make has no mark either: what others put there later would be kwo's.
    let rights = world.bao.root("GET", "sys/policies/acl/kwo", &Value::Null)["policy"].clone();
    let whole = "path \"secret/data/platform\" {\n  capabilities = [\"create\", \"read\"";
    let less = rights
        .as_str()
        .unwrap()
        .replace(whole, "path \"secret/data/platform\" {\n  capabilities = [\"read\"");
    assert_ne!(less, rights);
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": less}));
    assert_ne!(world.apply(&[]).code, 0);
    assert_eq!(world.bao.ask(ROOT, "GET", "secret/metadata/platform", &Value::Null).0, 404);
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": rights}));
    world.apply(&[]).expect(0);
    let holds = |said: &str| {
        let plan = world.kwo(&["plan", "--full"]).expect(5).out;
        assert!(plan.contains(said), "{said}: {plan}");
        world.apply(&[&format!("--adopt={LIST}")]).expect(5);
        assert_eq!((world.of_list("held"), world.of_list("steps")), (vec![LIST.to_owned()], Vec::new()));
    };
    // Somebody wrote the entry without the list. Of the others who were in it, a list of the roster's would say that they are gone.
    let before = world.users();
    for (version, data) in [(2, json!({"db": "new"})), (3, json!({"db": "new", "k8s_users": null}))] {
        world.bao.root("POST", "secret/data/platform", &json!({"data": data}));
        holds(&format!("without its key k8s_users, so version {version} has no list of users"));
        let entry = world.entry();
        assert_eq!((&entry["metadata"]["version"], &entry["data"]), (&json!(version), &data));
    }
    let plan = world.kwo(&["plan", "--full"]).out;
    assert!(plan.contains("kv rollback -version=2 secret/platform` every key"), "{plan}");
    let command =
        plan.split("if version 2 has it, `").nth(1).and_then(|text| text.split('`').next()).unwrap();
    // Where that version has no list, nothing is written.
    refused(&world, command);
    assert_eq!(world.entry()["metadata"]["version"], 3);
    run(&world, &command.replace("-version=2", "-version=1"));
    assert_eq!((world.users(), &world.entry()["data"]["db"]), (before, &json!("new")));
    assert_eq!((world.of_list("held"), world.of_list("steps")), (Vec::new(), Vec::new()));
    // A new version without the users of others would tell the stacks that these are gone.
    world.bao.root("DELETE", "secret/data/platform", &Value::Null);
    holds("kv undelete -versions=4 secret/platform` brings it back");
    world.bao.root("POST", "secret/undelete/platform", &json!({"versions": [4]}));
    assert_eq!(world.of_list("held"), Vec::<String>::new());
    world.bao.root("POST", "secret/destroy/platform", &json!({"versions": [4]}));
    holds("the version 4 of secret/platform is destroyed");
    let twice = "{\"a\":{},\"a\":{}}";
    for (text, said) in
        [("not json", "it is no object of JSON"), ("", "is no list of users"), (twice, "is no list of users")]
    {
        world.bao.root("POST", "secret/data/platform", &json!({"data": {"k8s_users": text}}));
        holds(said);
        assert_eq!(world.users(), text);
    }
    world.bao.root("POST", "secret/data/platform", &json!({"data": {"k8s_users": {"a": {}}}}));
    holds("is no text");
    let odd = json!({"data": {"k8s_users": format!("{{\"{name}\":{{\"namespaces\":\"{name}\"}}}}")}});
    world.bao.root("POST", "secret/data/platform", &odd);
    holds("has a field with a value of another kind");

    // Half an answer, and a wrong one.
    world.bao.root("POST", "secret/data/platform", &json!({"data": {"k8s_users": "{}"}}));
    let spoiled = [
        (404, "<html>not here</html>"),
        (404, r#"{"errors":["no handler for route"]}"#),
        (200, r#"{"data":{"data":{}}}"#),
        (200, r#"{"data":{"data":null,"metadata":{"version":3}}}"#),
        (200, r#"{"data":{"metadata":{"version":3,"custom_metadata":null}}}"#),
        (200, r#"{"data":{"data":{"k8s_users":"{}"},"metadata":{"version":3,"custom_metadata":"x"}}}"#),
        (200, "{\"data\":nul"),
    ];
    let spoil = Arc::new(Mutex::new(spoiled[0]));
    let now = Arc::clone(&spoil);
    let front = world.behind(move |asked| {
        let (status, body) = *now.lock().unwrap();
        asked.path.ends_with("/data/platform").then(|| Reply::Answer(status, "", body.to_owned()))
    });
    world.write_users(&tenants);
    for case in spoiled {
        *spoil.lock().unwrap() = case;
        assert_eq!(
            (world.of_list("held"), world.of_list("steps")),
            (vec![LIST.to_owned()], Vec::new()),
            "{case:?}"
        );
    }
    drop(front);
    *world.address.borrow_mut() = world.bao.url();
    world.write_users(&tenants);
    let none = format!(
        "{}\npath \"secret/data/platform\" {{ capabilities = [\"deny\"] }}\n",
        rights.as_str().unwrap()
    );
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": none}));
    holds("the token of kwo may not read secret/platform");
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": rights}));

    // A store of version 1 compares nothing.
    world.bao.root("POST", "sys/mounts/old", &json!({"type": "kv", "options": {"version": "1"}}));
    let wide = format!(
        "{}\npath \"old/*\" {{ capabilities = [\"create\", \"read\", \"update\"] }}\n",
        rights.as_str().unwrap()
    );
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": wide}));
    world.write_with(&world.of_token(), "    kv: old\n    k8sUsers: old/platform\n", &tenants);
    let plan = world.kwo(&["plan", "--full"]).expect(5).out;
    assert!(plan.contains("old/platform is in the store old of version 1"), "{plan}");
    assert!(world.plan("held").contains(&"vault:UserList/old/platform".to_owned()));
}
