//! What stands between kwo and the server: it counts, spoils answers, or makes an OpenBao look like a Vault.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use testkit::apiserver::unique;
use testkit::loopback::{Asked, Loopback, Reply};
use testkit::peers::http::Request;

use super::World;

/// Asks the server, and gives its answer.
pub(super) fn forward(address: std::net::SocketAddr, asked: &Asked) -> Reply {
    let line = |name: &str| {
        let value = asked.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or("").trim()
    };
    let host = address.to_string();
    // A patch has a kind of its own.
    let kind = if asked.method == "PATCH" { line("content-type") } else { "application/json" };
    let headers = [("x-vault-token", line("x-vault-token")), ("content-type", kind)];
    let body = asked.body.as_bytes();
    let request = Request { method: &asked.method, path: &asked.path, host: &host, headers: &headers, body };
    match request.ask(address) {
        Ok(answer) => Reply::Answer(answer.status(), "", answer.text()),
        Err(_) => Reply::Drop,
    }
}

impl World {
    /// From here on kwo speaks to this, which may answer instead of the server.
    pub(super) fn behind(
        &self,
        instead: impl Fn(&mut Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Loopback {
        let address = self.bao.address;
        let front =
            Loopback::start(move |mut asked| instead(&mut asked).unwrap_or_else(|| forward(address, &asked)));
        *self.address.borrow_mut() = format!("http://{}", front.address);
        front
    }
}

#[test]
fn a_vault_without_the_detailed_list_and_without_versions_does_as_well() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("vh");
    let _front = world.behind(|asked| {
        if asked.path.contains("/detailed/") {
            return Some(Reply::Answer(
                404,
                "",
                r#"{"errors":["1 error occurred: unsupported path"]}"#.to_owned(),
            ));
        }
        let mut body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        assert!(body.get("cas").is_none(), "it would not know what that is");
        if let Some(body) = body.as_object_mut().filter(|body| !body.is_empty()) {
            body.remove("cas");
            asked.body = Value::Object(body.clone()).to_string();
        }
        None
    });
    world.write(&format!("  {name}: {{owners: [alice]}}\n"));
    world.apply(&[]).expect(0);
    assert_eq!(world.plan("steps"), Vec::<String>::new());
    let path = format!("sys/policies/acl/kwo-{name}-owner");
    let text = world.bao.root("GET", &path, &Value::Null)["policy"].clone();
    let wider = format!("{}path \"secret/*\" {{ capabilities = [\"read\"] }}\n", text.as_str().unwrap());
    world.bao.root("POST", &path, &json!({"policy": wider}));
    assert_eq!(world.plan("steps"), [format!("vault:Policy/kwo-{name}-owner")]);
    world.apply(&[]).expect(0);
    assert_eq!(world.bao.root("GET", &path, &Value::Null)["policy"], text);
    world.write("  nobody-here:\n");
    let plan = world.kwo(&["plan", "--full"]);
    assert!(plan.out.contains(&format!(" vault policy delete kwo-{name}-owner")), "{}", plan.out);
}

#[test]
fn a_quiet_plan_asks_for_each_group_once_and_for_little_else() {
    let Some(world) = World::new(&["alice"]) else { return };
    let names = [unique("vc1"), unique("vc2"), unique("vc3")];
    let tenants: String = names.iter().map(|name| format!("  {name}: {{owners: [alice]}}\n")).collect();
    world.write(&tenants);
    world.apply(&[]).expect(0);
    // Nothing of others is asked for one by one.
    for at in 0..20 {
        world.bao.root("POST", "identity/group", &json!({"name": format!("theirs-{at}")}));
        world.bao.root("POST", &format!("sys/policies/acl/theirs-{at}"), &json!({"policy": "path \"a\" {}"}));
    }
    let (asked, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (Arc::clone(&asked), Arc::clone(&written));
    let _front = world.behind(move |asked| {
        let count = if asked.method == "GET" { &counts.0 } else { &counts.1 };
        count.fetch_add(1, Ordering::SeqCst);
        None
    });
    world.write(&tenants);
    world.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(written.load(Ordering::SeqCst), 0);
    assert!(asked.load(Ordering::SeqCst) <= 5 + names.len(), "{asked:?}");
}
