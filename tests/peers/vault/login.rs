//! People who log in by OpenID Connect: a real provider, and `bao login` as they type it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::apiserver::unique;
use testkit::peers::oidc::Issuer;
use testkit::peers::{free_port, program};

use super::World;

/// The token that `bao login` gives this person, with `curl` as the browser.
fn log_in(world: &World, issuer: &Issuer, who: &str) -> Result<String, String> {
    let (folder, ca) = (world.bench.path(""), world.bench.path("issuer.pem"));
    std::fs::write(&ca, &issuer.ca).unwrap();
    let mut login = Command::new(program("bao").unwrap());
    login.args(["login", "-method=oidc", "-field=token", "-no-store", "skip_browser=true"]);
    login.arg(format!("port={}", free_port())).env("BAO_ADDR", world.bao.url()).env("HOME", &folder);
    let mut login = login.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(login.stderr.take().unwrap()).lines();
    let url =
        said.by_ref().find_map(|line| line.ok().filter(|line| line.trim().starts_with("https://"))).unwrap();
    let mut browser = Command::new("curl");
    browser.args(["-sSL", "--cacert"]).arg(&ca).args(["-b", "", &format!("{}&login_hint={who}", url.trim())]);
    let browser = browser.output().unwrap();
    let mut token = String::new();
    login.stdout.take().unwrap().read_to_string(&mut token).unwrap();
    let page = String::from_utf8_lossy(&browser.stdout);
    match login.wait().unwrap().success() {
        true => Ok(token.trim().to_owned()),
        false => Err(format!("{page}{}", said.map_while(Result::ok).collect::<String>())),
    }
}

#[test]
fn people_who_log_in_by_openid_connect_come_to_what_the_roster_gives_them() {
    let Some(world) = World::new(&[]) else { return };
    let people = json!({
        "alice": {"email": "alice@example.com"},
        "bob": {"email": "bob@example.com"},
        "eve": {"email": "eve@example.com"},
    });
    let Some(issuer) = Issuer::start(&["openbao:of-the-tests"], &people) else { return };
    let root = |path: &str, body: &Value| world.bao.root("POST", path, body);
    root("sys/auth/oidc", &json!({"type": "oidc"}));
    let config = json!({
        "oidc_discovery_url": issuer.url, "oidc_discovery_ca_pem": issuer.ca, "oidc_client_id": "openbao",
        "oidc_client_secret": "of-the-tests", "default_role": "people",
    });
    root("auth/oidc/config", &config);
    let role = json!({
        "role_type": "oidc", "user_claim": "email", "oidc_scopes": ["email"],
        "allowed_redirect_uris": ["http://localhost:8250/oidc/callback"],
    });
    root("auth/oidc/role/people", &role);
    // She has logged in before, so her login has an entity that is not kwo's; Alice and Bob have none yet.
    let eve = log_in(&world, &issuer, "eve").unwrap();
    let (a, b) = (unique("la"), unique("lb"));
    let roster = |owners: &str| {
        let token = world.bench.path("token");
        world.bench.write(&format!(
            "systems:\n  vault:\n    address: {}\n    login: {{token: {{file: {}}}}}\n    people: oidc\ntenants:\n  \
             {a}: {{owners: [{owners}]}}\n  {b}: {{owners: [bob@example.com]}}\n",
            world.bao.url(),
            token.display()
        ));
    };
    roster("alice@example.com, eve@example.com");
    world.apply(&[]).expect(0);

    let alice = log_in(&world, &issuer, "alice").unwrap();
    let value = json!({"data": {"password": "x"}});
    let write =
        |token: &str, name: &str| world.bao.ask(token, "POST", &format!("secret/data/{name}/db"), &value).0;
    let read = |token: &str, name: &str| {
        world.bao.ask(token, "GET", &format!("secret/data/{name}/db"), &Value::Null).0
    };
    assert_eq!((write(&alice, &a), read(&alice, &a)), (200, 200));
    assert_eq!((write(&alice, &b), read(&alice, &b)), (403, 403), "what is Bob's");
    assert_eq!(read(&eve, &a), 200, "a token from before the roster named her");
    let bob = log_in(&world, &issuer, "bob").unwrap();
    assert_eq!((write(&bob, &b), read(&bob, &b), read(&bob, &a)), (200, 200, 403));
    assert_eq!(world.plan("steps"), Vec::<String>::new(), "the logins changed nothing that kwo made");

    // Whoever leaves the group loses it at once, and the next login gives it back to nobody.
    roster("alice@example.com");
    let [member] = world.plan("leftovers").try_into().unwrap();
    assert!(member.ends_with("/eve@example.com"), "{member}");
    let mut group = world.group(&format!("kwo-{a}-owner"));
    let entity = world.bao.ask(&eve, "GET", "auth/token/lookup-self", &Value::Null).1;
    group["member_entity_ids"].as_array_mut().unwrap().retain(|id| *id != entity["data"]["entity_id"]);
    let members = json!({"member_entity_ids": group["member_entity_ids"]});
    root(&format!("identity/group/id/{}", group["id"].as_str().unwrap()), &members);
    let again = log_in(&world, &issuer, "eve").unwrap();
    assert_eq!((read(&eve, &a), read(&again, &a), read(&alice, &a)), (403, 403, 200));
    world.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}
