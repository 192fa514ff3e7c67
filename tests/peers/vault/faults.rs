//! A server that is away, refuses, or answers half: what it holds is held, and everything else is done.

use serde_json::{Value, json};
use testkit::apiserver::unique;
use testkit::loopback::Reply;
use testkit::run::get;

use super::leaving::cut;
use super::{TOKEN, World};

#[test]
fn a_server_that_is_away_holds_what_is_in_it_and_nothing_else() {
    let Some(mut world) = World::new(&["alice"]) else { return };
    let name = unique("vd");
    world.write(&format!("  {name}: {{owners: [alice]}}\n"));
    world.bao.stop();
    let ran = world.apply(&[]).expect(5);
    get("rolebinding", &name, "alice-admin");
    assert!(ran.out.contains("connection refused by http://127.0.0.1:"), "{}", ran.out);
    let held = world.plan("held");
    assert_eq!(held.len(), 4, "{held:?}");
    // Where nothing is wanted, what may be left over is not known all the same, and that is no agreement.
    world.write("");
    let plan = world.kwo(&["plan"]).expect(5);
    assert!(plan.out.contains("connection refused by http://127.0.0.1:"), "{}", plan.out);
    assert!(!plan.out.contains("No changes."), "{}", plan.out);
    assert_eq!(world.plan("held"), ["vault:Policy/kwo-*"]);
}

#[test]
fn a_sealed_server_and_a_token_with_too_few_rights_are_told() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("vs");
    world.write(&format!("  {name}: {{owners: [alice]}}\n"));
    let narrow = "path \"sys/policies/detailed/acl\" { capabilities = [\"list\"] }\npath \"sys/policies/acl/kwo-*\" { capabilities = [\"read\", \"update\"] }\npath \"sys/auth\" { capabilities = [\"read\"] }";
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": narrow}));
    let ran = world.apply(&[]).expect(5);
    for path in ["list identity/group/id", "list identity/entity-alias/id"] {
        let said = format!("the token of kwo may not {path} in {}", world.bao.url());
        assert!(ran.out.contains(&said), "{}", ran.out);
    }
    std::fs::write(world.bench.path("token"), "s.not-a-token").unwrap();
    let plan = world.kwo(&["plan", "--full"]);
    assert!(plan.out.contains("the token of kwo may not list sys/policies/detailed/acl"), "{}", plan.out);
    std::fs::write(world.bench.path("token"), TOKEN).unwrap();
    world.bao.root("POST", "sys/seal", &Value::Null);
    let plan = world.kwo(&["plan", "--full"]);
    assert!(plan.out.contains(&format!("{} is sealed; unseal it first", world.bao.url())), "{}", plan.out);
    std::fs::remove_file(world.bench.path("token")).unwrap();
    let plan = world.kwo(&["plan", "--full"]);
    assert!(plan.out.contains("cannot be used: there is no file"), "{}", plan.out);
}

#[test]
fn half_an_answer_is_no_answer_and_creates_nothing() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("vx");
    let roster = format!("  {name}: {{owners: [alice]}}\n");
    let spoiled: [(&str, u16, &str); 9] = [
        ("identity/group/id?", 404, "<html>not here</html>"),
        ("identity/group/id?", 404, r#"{"errors":["no handler for route"]}"#),
        ("identity/group/id?", 200, r#"{"data":{"keys":["a","b"],"key_info":{"a":{"name":"kwo-x"}}}}"#),
        ("identity/group/id?", 200, r#"{"data":{"keys":["a"]}}"#),
        ("identity/entity-alias/id?", 200, r#"{"data":{"key_info":{}}}"#),
        ("identity/entity-alias/id?", 200, r#"{"data":{"keys":["a"],"key_info":{"a":{"name":"alice"}}}}"#),
        ("identity/entity-alias/id?", 200, r#"{"data":nul"#),
        ("sys/auth", 200, r#"{"data":{}}"#),
        ("sys/health", 200, r#"{"hello":"world"}"#),
    ];
    let spoil = std::sync::Arc::new(std::sync::Mutex::new(spoiled[0]));
    let now = std::sync::Arc::clone(&spoil);
    let _front = world.behind(move |asked| {
        let (path, status, body) = *now.lock().unwrap();
        asked.path.contains(path).then(|| Reply::Answer(status, "", body.to_owned()))
    });
    world.write(&roster);
    let member = format!("vault:Member/kwo-{name}-owner/alice");
    for case in spoiled {
        *spoil.lock().unwrap() = case;
        assert!(world.plan("held").contains(&member), "{case:?}");
        assert!(!world.plan("steps").contains(&member), "{case:?}");
    }
}

/// The server lets kwo in and refuses a list, or one thing: whoever leaves may still have something there.
#[test]
fn a_refused_look_for_what_is_left_over_is_no_agreement() {
    let ann = unique("ann");
    let Some(world) = World::new(&[&ann]) else { return };
    let (left, rest) = (unique("vl"), unique("vr"));
    world.write(&format!("  {left}: {{owners: [{ann}]}}\n  {rest}:\n"));
    world.apply(&[]).expect(0);
    let before = world.all();
    let group = world.group(&format!("kwo-{left}-owner"));
    let path = format!("identity/group/id/{}", group["id"].as_str().unwrap());
    let rights = world.bao.root("GET", "sys/policies/acl/kwo", &Value::Null)["policy"].clone();
    let without = |path: &str| {
        let text = format!("{}\npath \"{path}\" {{ capabilities = [\"deny\"] }}\n", rights.as_str().unwrap());
        world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": text}));
    };
    // Nothing in Vault is wanted without the one who leaves.
    std::fs::write(world.bench.path("token"), "s.not-a-token").unwrap();
    let typed = format!("offboard {left} (1 namespace)");
    let ran = world.kwo(&cut(&[&left], &typed, &[])).expect(5);
    let unproven = "kwo could not look everywhere, so somebody may still have access: vault:";
    let list = "the token of kwo may not list sys/policies/detailed/acl";
    assert!(ran.err.contains(&format!("{unproven}Entity/*: the token")), "{}", ran.err);
    world.write(&format!("  {rest}:\n"));
    let plan = world.kwo(&["plan", "--full"]).expect(5);
    assert_eq!(plan.out.matches(list).count(), 1, "{}", plan.out);
    assert!(!plan.out.contains("No changes."), "{}", plan.out);
    let held = ["Entity/*", "Group/kwo-*", "Policy/kwo-*"].map(|id| format!("vault:{id}"));
    assert!(held.iter().all(|id| plan.out.contains(id)), "{}", plan.out);
    std::fs::write(world.bench.path("token"), TOKEN).unwrap();

    // One group alone.
    without(&path);
    assert_eq!(world.plan("held"), [format!("vault:Group/kwo-{left}-owner")]);
    let ran = world.kwo(&cut(&[&left], &typed, &[])).expect(5);
    assert!(ran.err.contains(&format!("the token of kwo may not read {path} in ")), "{}", ran.err);
    assert_eq!(world.group(&format!("kwo-{left}-owner")), group);

    // The names of people, where the roster names nobody.
    without("identity/entity-alias/id");
    assert_eq!(world.plan("held"), ["vault:Entity/*"]);
    let who = ["--person", ann.as_str()];
    let page = world.kwo(&["offboard", "--person", &ann, "-o", "json"]).expect(0);
    let page: Value = serde_json::from_str(&page.out).unwrap();
    let ran = world.kwo(&cut(&who, page["confirm"].as_str().unwrap(), &[])).expect(5);
    assert!(ran.err.contains(&format!("{unproven}Entity/*: the token")), "{}", ran.err);
    assert_eq!(world.all()["groups"], before["groups"]);
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": rights}));
    assert_eq!(world.plan("held"), Vec::<String>::new());
}
