//! What a tenant gets: people log in and come to the secrets of their namespaces, and to no others.

use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::apiserver::unique;
use testkit::places;

use super::{World, uid};

#[test]
fn people_read_and_write_the_secrets_of_their_namespaces_and_of_no_others() {
    let Some(world) = World::new(&["alice", "bob", "carol", "dora"]) else { return };
    let (a, b) = (unique("va"), unique("vb"));
    // She has logged in before, and has an entity that is not kwo's.
    let dora = world.bao.login("dora");
    let before = world.all();
    world.write(&format!(
        "  {a}: {{owners: [alice, dora], members: [{{identity: carol, access: viewer}}]}}\n  \
           {b}: {{owners: [bob], namespaces: [{b}, {b}-prod], members: [{{identity: alice, access: deployer, namespaces: [{b}-prod]}}]}}\n"
    ));
    let plan = world.kwo(&["plan", "--full", "--out", "plan.json"]).expect(0);
    assert!(plan.out.contains(&format!("+ vault:Policy/kwo-{a}-owner")), "{}", plan.out);
    assert!(
        plan.out.contains("+ vault:Entity/alice") && !plan.out.contains("vault:Entity/dora"),
        "{}",
        plan.out
    );
    let saved = std::fs::read_to_string(world.bench.path("plan.json")).unwrap();
    let health = world.bao.ask("", "GET", "sys/health", &Value::Null).1;
    assert!(saved.contains(health["cluster_id"].as_str().unwrap()), "the plan is for this server");
    world.heard(world.bench.apply(&["-vv"])).expect(0);

    let value = json!({"data": {"password": "x"}});
    let status = |token: &str, method: &str, path: &str| {
        let body = if method == "POST" { &value } else { &Value::Null };
        world.bao.ask(token, method, path, body).0
    };
    let (alice, bob, carol) = (world.bao.login("alice"), world.bao.login("bob"), world.bao.login("carol"));
    for owner in [&alice, &dora] {
        assert_eq!(status(owner, "POST", &format!("secret/data/{a}/db")), 200);
        assert_eq!(status(owner, "GET", &format!("secret/data/{a}/db")), 200);
        assert_eq!(status(owner, "LIST", &format!("secret/metadata/{a}")), 200);
    }
    assert_eq!(status(&bob, "POST", &format!("secret/data/{b}-prod/db")), 200);
    assert_eq!(status(&bob, "POST", &format!("secret/data/{b}/db")), 200);
    assert_eq!(status(&alice, "GET", &format!("secret/data/{b}-prod/db")), 200, "a deployer reads");
    assert_eq!(status(&alice, "POST", &format!("secret/data/{b}-prod/db")), 403, "and writes nothing");
    assert_eq!(status(&carol, "LIST", &format!("secret/metadata/{a}")), 200, "a viewer sees names");
    assert_eq!(status(&carol, "GET", &format!("secret/data/{a}/db")), 403, "and no value");
    for path in [format!("secret/data/{a}/db"), format!("secret/data/{a}"), "secret/data/other".to_owned()] {
        assert_eq!(status(&bob, "GET", &path), 403, "{path}");
    }
    assert_eq!(status(&alice, "GET", &format!("secret/data/{b}/db")), 403);
    assert_eq!(status(&alice, "LIST", "secret/metadata"), 403);

    // What was there is there as it was, leaf by leaf; her entity is in a group now, and no more.
    let after = world.all();
    for entity in before["entities"].as_array().unwrap() {
        let now = after["entities"].as_array().unwrap().iter().find(|now| now["id"] == entity["id"]).unwrap();
        for (key, value) in entity.as_object().unwrap() {
            assert!(key.ends_with("group_ids") || now[key] == *value, "{key}: {value} {}", now[key]);
        }
    }
    assert_eq!(
        world.group(&format!("kwo-{a}-owner"))["metadata"],
        json!({"kwo_cluster": uid(), "kwo_tenant": a})
    );

    assert_eq!(world.plan("steps"), Vec::<String>::new());
    assert_eq!(world.plan("held"), Vec::<String>::new());
    assert_eq!(world.plan("leftovers"), Vec::<String>::new());
    world.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn whoever_is_taken_out_by_hand_comes_back_and_whoever_leaves_the_roster_is_told() {
    let Some(world) = World::new(&["alice", "eve"]) else { return };
    let name = unique("vm");
    world.write(&format!("  {name}: {{owners: [alice]}}\n"));
    world.apply(&[]).expect(0);
    let alice = world.bao.login("alice");
    let path = format!("secret/metadata/{name}/x");
    let may = |token: &str| world.bao.ask(token, "GET", &path, &Value::Null).0 != 403;
    assert!(may(&alice));
    let group = world.group(&format!("kwo-{name}-owner"));
    let at = format!("identity/group/id/{}", group["id"].as_str().unwrap());
    world.bao.root("POST", &at, &json!({"member_entity_ids": []}));
    assert!(!may(&alice), "a token that she has already");
    assert_eq!(world.plan("steps"), [format!("vault:Member/kwo-{name}-owner/alice")]);

    // Somebody else is put in, and stays when she comes back: kwo takes nobody out, and says so.
    world.bao.login("eve");
    let eve = json!({"alias_name": "eve", "alias_mount_accessor": accessor(&world)});
    let eve = world.bao.root("POST", "identity/lookup/entity", &eve)["id"].clone();
    world.bao.root("POST", &at, &json!({"member_entity_ids": [eve]}));
    let ran = world.apply(&[]);
    assert!(may(&alice), "{}{}", ran.out, ran.err);
    assert_eq!(world.group(&format!("kwo-{name}-owner"))["member_entity_ids"].as_array().unwrap().len(), 2);
    let said = format!("eve is still in the Vault group kwo-{name}-owner");
    let plan = world.kwo(&["plan", "--full"]);
    assert!(plan.out.contains(&said), "{}", plan.out);

    // The command that the plan names takes out eve and nobody else.
    let plan: Value = serde_json::from_str(&world.kwo(&["plan", "-o", "json"]).out).unwrap();
    let mut left = plan["leftovers"].as_array().unwrap().iter();
    let left = left.find(|left| left["id"].as_str().unwrap().ends_with("/eve")).unwrap();
    run(&world, left["command"].as_str().unwrap());
    assert_eq!(world.plan("leftovers"), Vec::<String>::new());
    assert!(may(&alice));

    // Whoever leaves is told with the membership that a cut would end.
    for who in [&[name.as_str()][..], &["--person", "alice"]] {
        let ran = world.kwo(&[&["offboard"], who].concat());
        let member = format!("vault:Member/kwo-{name}-owner/alice");
        assert!(ran.out.contains(&member), "{}{}", ran.out, ran.err);
    }

    // The tenant goes: all of it is left over, and the commands end it.
    world.write(&format!("  other-{name}:\n"));
    let mut left = world.plan("leftovers");
    left.sort();
    let own = ["Entity/alice", "Group/kwo-N-owner", "Member/kwo-N-owner/alice", "Policy/kwo-N-owner"];
    assert_eq!(left, own.map(|id| format!("vault:{}", id.replace('N', &name))));
    let plan: Value = serde_json::from_str(&world.kwo(&["plan", "-o", "json"]).out).unwrap();
    for left in plan["leftovers"].as_array().unwrap() {
        if left["id"].as_str().unwrap().starts_with("vault:") {
            run(&world, left["command"].as_str().unwrap());
        }
    }
    assert_eq!(world.plan("leftovers"), Vec::<String>::new());
    assert!(!may(&alice));
}

/// Runs a command that a plan names, as root.
pub(super) fn run(world: &World, command: &str) {
    let output = bao(world, command, testkit::peers::bao::ROOT);
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs one that the server refuses, and gives what it says.
pub(super) fn refused(world: &World, command: &str) -> String {
    let output = bao(world, command, testkit::peers::bao::ROOT);
    assert!(!output.status.success(), "{command}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command with OpenBao's own client, with this token.
fn bao(world: &World, command: &str, token: &str) -> Output {
    let program = testkit::peers::program("bao").unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program.parent().unwrap().display());
    let mut shell = Command::new("sh");
    shell.args(["-ec", command]).env("PATH", path).env("HOME", world.bench.path(""));
    shell.current_dir(world.bench.path(""));
    shell.env("BAO_ADDR", world.bao.url()).env("BAO_TOKEN", token).output().unwrap()
}

fn accessor(world: &World) -> String {
    world.bao.root("GET", "sys/auth", &Value::Null)["userpass/"]["accessor"].as_str().unwrap().to_owned()
}

#[test]
fn the_page_about_vault_shows_what_people_see() {
    let Some(world) = World::new(&["alice"]) else { return };
    let page = std::fs::read_to_string(places::root().join("docs/how-to/vault.md")).unwrap();
    world.write("  alice: {owners: [alice@example.com]}\n");
    let plan = world.kwo(&["plan", "--full"]).expect(0);
    let lines: Vec<&str> = plan.out.lines().filter(|line| line.contains("vault:")).collect();
    let block = format!("$ kwo plan --full | grep vault:\n{}\n```\n", lines.join("\n"));
    assert!(page.contains(&block), "{block}");

    let name = unique("vp");
    world.write(&format!("  {name}: {{owners: [alice]}}\n"));
    world.apply(&[]).expect(0);
    world.bao.root("POST", "secret/data/bob/db", &json!({"data": {"password": "bobs"}}));
    let shell = |command: &str| {
        let ran = bao(
            &world,
            &command.replace("secret/alice/", &format!("secret/{name}/")),
            &world.bao.login("alice"),
        );
        (ran.status.success(), String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
    };
    let after = page.split("$ bao login -method=oidc\n").nth(1).unwrap().split("```").next().unwrap();
    let commands: Vec<&str> = after.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(commands.len(), 3);
    assert!(shell(commands[0]).0);
    assert_eq!(shell(commands[1]).1.trim(), "correct-horse");
    let (read, out, err) = shell(commands[2]);
    assert!(!read && err.contains("403") && !out.contains("bobs"), "{out}{err}");
}

#[test]
fn groups_of_the_login_system_are_members_too() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("vg");
    world.write(&format!("  {name}: {{owners: ['group:/staff/a', alice]}}\n"));
    world.apply(&[]).expect(0);
    let external = world.all()["group aliases"].clone();
    let (_, alias) = external.as_object().unwrap().iter().next().unwrap();
    assert_eq!(alias["name"], "/staff/a");
    let group = world.group(&format!("kwo-{name}-owner"));
    assert_eq!(group["member_group_ids"], json!([alias["canonical_id"]]));
    assert_eq!(group["member_entity_ids"].as_array().unwrap().len(), 1);
    assert_eq!(world.plan("steps"), Vec::<String>::new());
    assert_eq!(world.plan("leftovers"), Vec::<String>::new());
}
