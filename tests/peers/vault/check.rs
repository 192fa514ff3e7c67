//! `kwo systems check` at a real OpenBao: it says what is missing with what mends it, and writes nothing.

use serde_json::{Value, json};
use testkit::schemas::fits;

use super::pipelines::ASKED;
use super::transit::TRANSIT;
use super::users::USERS;
use super::{TOKEN, World};

#[test]
fn a_check_says_which_rights_are_missing_and_writes_nothing() {
    let Some(mut world) = World::new(&["alice"]) else { return };
    world.bao.root("POST", "sys/auth/kubernetes", &json!({"type": "kubernetes"}));
    let login = format!("{{token: {{file: {}}}}}", world.bench.path("token").display());
    world.write_with(&login, &format!("{ASKED}{TRANSIT}{USERS}"), "  anybody:\n");
    let before = world.all();
    let check = |world: &World, code: i32| {
        let ran = world.kwo(&["systems", "check", "-o", "json"]).expect(code);
        let json: Value = serde_json::from_str(&ran.out).unwrap();
        fits("systems", &json);
        assert_eq!(json["well"], code == 0);
        json["systems"][0].clone()
    };
    let failed = |found: &Value| -> Vec<Value> {
        found["tests"].as_array().unwrap().iter().filter(|test| test["ok"] == false).cloned().collect()
    };

    // The engines for the tokens of pipelines and for keys are not there.
    let found = check(&world, 1);
    assert!(found["version"].as_str().unwrap().starts_with("2."), "{found}");
    let missing: [Value; 2] = failed(&found).try_into().unwrap();
    for (test, (what, kind)) in missing.iter().zip([("deployers", "kubernetes"), ("transit", "transit")]) {
        assert_eq!(test["what"], what);
        let said = format!("bao secrets enable -path={kind} {kind}` makes one");
        assert!(test["found"].as_str().unwrap().contains(&said), "{test}");
        world.bao.root("POST", &format!("sys/mounts/{kind}"), &json!({"type": kind}));
    }
    let found = check(&world, 0);
    // The policy of the manual is all that kwo asks for, and kwo asks for all of it.
    let page = std::fs::read_to_string(testkit::places::root().join("docs/how-to/vault.md")).unwrap();
    let rights = page.split("```hcl\n").nth(1).and_then(|text| text.split("```").next()).unwrap();
    let asked: Vec<String> = found["rights"].as_array().unwrap().iter().map(lines).collect();
    assert_eq!(asked.concat(), rights);

    // Without some of the rights it names these, and the lines that give them.
    let less = rights.replace("[\"create\", \"read\", \"update\"]", "[\"read\"]");
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": less}));
    let ran = world.kwo(&["systems", "check"]).expect(1);
    assert!(ran.out.contains("kwo may not create and update sys/policies/acl/kwo-*, create and update auth/kubernetes/role/kwo-deployer"), "{}", ran.out);
    for line in ["path \"sys/policies/acl/kwo-*\" {", "  capabilities = [\"create\", \"read\", \"update\"]"] {
        assert!(ran.out.contains(line), "{}", ran.out);
    }
    world.bao.root(
        "POST",
        "sys/policies/acl/kwo",
        &json!({"policy": "path \"sys/auth\" { capabilities = [\"read\"] }"}),
    );
    let failures = failed(&check(&world, 1));
    let of_rights = failures.iter().find(|test| test["what"] == "rights").unwrap();
    assert_eq!(of_rights["todo"][0], "path \"sys/capabilities-self\" {");
    assert!(failures.iter().any(|test| test["what"] == "read"), "{failures:?}");
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": rights}));

    // A login that is not let in, a server that is sealed, and one that is away.
    world.write_with("{appRole: {roleId: nobody, secretId: {file: /dev/null}}}", "", "  anybody:\n");
    let [login_failed] = failed(&check(&world, 1)).try_into().unwrap();
    assert_eq!(login_failed["what"], "login");
    world.write_with(&login, "", "  anybody:\n");
    let after = world.all();
    assert_eq!(after["groups"], before["groups"]);
    assert_eq!(after["entities"], before["entities"]);
    let named = |all: &Value| all["policies"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(named(&after), named(&before));
    world.bao.root("POST", "sys/seal", &Value::Null);
    let ran = world.kwo(&["systems", "check"]).expect(1);
    assert!(ran.out.contains("is sealed; unseal it first"), "{}", ran.out);
    world.bao.stop();
    let ran = world.kwo(&["systems", "check"]).expect(1);
    assert!(ran.out.contains("connection refused"), "{}", ran.out);
    assert!(!ran.out.contains(TOKEN));
}

/// A right as a policy has it.
fn lines(right: &Value) -> String {
    assert_eq!(right["missing"], json!([]));
    let can: Vec<String> = right["has"].as_array().unwrap().iter().map(ToString::to_string).collect();
    format!("path {} {{\n  capabilities = [{}]\n}}\n", right["path"], can.join(", "))
}
