//! Roles of single namespaces, as setups from before kwo name them: each is for the service account `deployer` of its
//! namespace, and for nobody else.

use serde_json::{Value, json};
use testkit::apiserver::unique;

use super::World;
use super::apply::run;
use super::pipelines::{ASKED, token};

#[test]
fn a_role_of_a_namespace_is_for_its_deployer_and_for_nobody_else() {
    let Some(world) = World::new(&["alice", "bob"]) else { return };
    let (a, b) = (unique("la"), unique("lb"));
    let prod = format!("{a}-prod");
    let tenants =
        format!("  {a}: {{owners: [alice], namespaces: [{a}, {prod}]}}\n  {b}: {{owners: [bob]}}\n");
    world.connect();
    let role = |auth: bool, name: &str| {
        let path = if auth { "auth/kubernetes/role" } else { "kubernetes/roles" };
        world.bao.root("GET", &format!("{path}/{name}-deployer"), &Value::Null)
    };
    // One that is there already, for somebody else, and one that is nobody's business.
    let theirs = json!({"bound_service_account_names": "default", "bound_service_account_namespaces": "x", "token_policies": "theirs", "audience": "vault", "token_period": "720h"});
    for name in [b.as_str(), "special"] {
        world.bao.root("POST", &format!("auth/kubernetes/role/{name}-deployer"), &theirs);
    }
    // Also one that gives tokens, of the namespace of somebody else: an owner with the right name must not get them.
    let gives =
        json!({"service_account_name": "deployer", "allowed_kubernetes_namespaces": [a], "extra_labels": {}});
    let give = || world.bao.root("POST", &format!("kubernetes/roles/{b}-deployer"), &gives);
    give();
    let (before, special) = ((role(true, &b), role(false, &b)), role(true, "special"));

    // The rights that the manual names for it, for each namespace.
    let layout = format!("{ASKED}    layout: per-namespace\n");
    world.write_with(&world.of_token(), &layout, &tenants);
    let check = world.kwo(&["systems", "check"]).expect(1).out;
    assert!(check.contains(&format!("path \"auth/kubernetes/role/{prod}-deployer\" {{")), "{check}");
    let page = std::fs::read_to_string(testkit::places::root().join("docs/how-to/vault.md")).unwrap();
    let lines = page.split("```hcl\n").nth(2).and_then(|text| text.split("```").next()).unwrap();
    let mut rights =
        world.bao.root("GET", "sys/policies/acl/kwo", &Value::Null)["policy"].as_str().unwrap().to_owned();
    let roles: Vec<&str> = lines.split_inclusive("}\n").collect();
    for role in roles {
        let of = |name: &str| role.replace("alice", name);
        let all = if role.contains("alice") { vec![of(&a), of(&prod), of(&b)] } else { vec![of("")] };
        rights.extend(all);
    }
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": rights}));
    world.kwo(&["systems", "check"]).expect(0);

    let creds = |who: &str, name: &str, body: &Value| {
        let path = format!("kubernetes/creds/{name}-deployer");
        world.bao.ask(&world.bao.login(who), "POST", &path, body)
    };
    let of = |namespace: &str| json!({"kubernetes_namespace": namespace, "ttl": "10m"});
    let gets_none = || {
        for body in [json!({}), json!({"ttl": "10m"}), of(&a), of(&b)] {
            let (status, told) = creds("bob", &b, &body);
            assert_ne!(status, 200, "{body}: {told}");
        }
    };
    let held = || {
        let mut held = world.plan("held");
        held.sort();
        held
    };
    let full = world.kwo(&["plan", "--full", "--adopt=*"]).expect(5).out;
    assert!(full.contains("/period is 2592000, and not 0"), "{full}");
    let [auth, secrets] =
        ["AuthRole", "SecretsRole"].map(|kind| format!("vault:{kind}/kubernetes/{b}-deployer"));
    let [group, member, policy] =
        ["Group", "Member", "Policy"].map(|kind| format!("vault:{kind}/kwo-{b}-owner"));
    for more in [&[][..], &["--adopt=*"]] {
        world.apply(more).expect(5);
        assert_eq!(held(), [auth.as_str(), &group, &format!("{member}/bob"), &policy, &secrets]);
        assert_eq!((role(true, &b), role(false, &b)), before);
        gets_none();
    }
    world.apply(&[&format!("--adopt={auth}"), &format!("--adopt={secrets}")]).expect(0);
    assert_eq!(creds("bob", &b, &of(&b)).0, 200);
    // It is somebody else's again, and the policy is there: that is no agreement.
    give();
    let rules = json!({"kubernetes_role_name": "theirs", "service_account_name": "", "allowed_kubernetes_namespaces": [b]});
    world.bao.root("POST", &format!("kubernetes/roles/{a}-deployer"), &rules);
    let plan = world.kwo(&["plan", "--full"]).expect(5).out;
    assert!(plan.contains("/roleName: theirs → "), "{plan}");
    assert_eq!(held(), [group.as_str(), &policy, &secrets]);
    let plan = world.kwo(&["plan", "--full"]).expect(5).out;
    assert!(plan.contains(&format!("it grants {secrets}, which is held")), "{plan}");
    gets_none();
    world.apply(&[&format!("--adopt={secrets}")]).expect(0);
    assert_eq!(role(true, &b)["token_policies"], json!(["kwo-deployer", "theirs"]), "nothing is taken away");
    let plan = world.kwo(&["plan", "--full"]).out;
    assert!(plan.contains("still have the policy theirs"), "{plan}");
    for list in ["steps", "held"] {
        assert_eq!(world.plan(list), Vec::<String>::new(), "{list}");
    }
    assert_eq!(role(true, "special"), special);

    // The pipeline of the namespace logs in by it, and nobody else; it gets what the shared role gives.
    let login = |name: &str, (namespace, account): (&str, &str)| {
        world.bao.login_of_cluster(&format!("{name}-deployer"), &token(namespace, account, "vault"))
    };
    let (status, told) = login(&a, (&a, "deployer"));
    assert_eq!(status, 200, "{told}");
    let pipeline = told["auth"]["client_token"].as_str().unwrap();
    let value = json!({"data": {"password": "x"}});
    assert_eq!(world.bao.ask(pipeline, "POST", &format!("secret/data/{a}/db"), &value).0, 200);
    for space in [&b, &prod] {
        assert_eq!(world.bao.ask(pipeline, "GET", &format!("secret/data/{space}/db"), &Value::Null).0, 403);
    }
    for who in [(b.as_str(), "deployer"), (&prod, "deployer"), (&a, "default"), ("default", "default")] {
        assert_ne!(login(&a, who).0, 200, "{who:?}");
    }
    assert_ne!(login(&b, ("default", "default")).0, 200, "whom the role let in before");
    // Nobody renews a token for ever, as the role allowed before.
    let (status, told) = login(&b, (&b, "deployer"));
    assert_eq!((status, &told["auth"]["lease_duration"]), (200, &json!(3600)), "{told}");
    assert_eq!(role(true, &b)["token_period"], 0);
    // A selector that selects every namespace is none that kwo takes for no selector.
    let wide = json!({"bound_service_account_namespace_selector": "{\"matchLabels\":{}}"});
    world.bao.root("POST", &format!("auth/kubernetes/role/{a}-deployer"), &wide);
    assert_eq!(login(&a, (&b, "deployer")).0, 200);
    assert_eq!(world.plan("steps"), [format!("vault:AuthRole/kubernetes/{a}-deployer")]);
    world.apply(&[]);
    assert_ne!(login(&a, (&b, "deployer")).0, 200);
    assert_eq!(login(&a, (&a, "deployer")).0, 200);

    // An owner gets tokens by the role of her namespaces, and of no other one.
    for space in [&a, &prod] {
        let (status, told) = creds("alice", space, &of(space));
        assert_eq!(status, 200, "{told}");
        assert_eq!(told["data"]["service_account_namespace"], **space);
    }
    for (who, name, body) in [
        ("alice", &b, of(&b)),
        ("alice", &a, of(&b)),
        ("alice", &a, of(&prod)),
        ("bob", &a, of(&a)),
        ("bob", &b, of(&a)),
        ("bob", &b, json!({})),
    ] {
        assert_ne!(creds(who, name, &body).0, 200, "{who} {name} {body}");
    }
    // Also not for whoever may say what they want: the role is for one namespace.
    let path = format!("kubernetes/creds/{a}-deployer");
    let (status, told) = world.bao.ask(testkit::peers::bao::ROOT, "POST", &path, &of(&b));
    assert_ne!(status, 200, "{told}");

    // The move is over: the earlier roles are told, with the commands that end them.
    world.write_with(&world.of_token(), &format!("{ASKED}    layout: shared\n"), &tenants);
    world.apply(&[]);
    let plan: Value = serde_json::from_str(&world.kwo(&["plan", "-o", "json"]).out).unwrap();
    // One that kwo may not read is no agreement, whoever it is of.
    let rights = world.bao.root("GET", "sys/policies/acl/kwo", &Value::Null)["policy"].clone();
    let denied = format!("path \"kubernetes/roles/{a}-deployer\" {{\n  capabilities = [\"deny\"]\n}}\n");
    let denied = json!({"policy": format!("{}{denied}", rights.as_str().unwrap())});
    world.bao.root("POST", "sys/policies/acl/kwo", &denied);
    world.kwo(&["plan"]).expect(5);
    assert_eq!(held(), [format!("vault:SecretsRole/kubernetes/{a}-deployer")]);
    world.bao.root("POST", "sys/policies/acl/kwo", &json!({"policy": rights}));
    let left = plan["leftovers"].as_array().unwrap().iter();
    let left: Vec<&Value> = left.filter(|left| left["id"].as_str().unwrap().starts_with("vault:")).collect();
    assert_eq!(left.len(), 6, "{left:?}");
    for left in left {
        run(&world, left["command"].as_str().unwrap());
    }
    assert_eq!(world.plan("leftovers"), Vec::<String>::new());
    assert_ne!(login(&a, (&a, "deployer")).0, 200);
    assert_eq!(login("kwo", (&a, "deployer")).0, 200, "by the shared one");
    assert_eq!(role(true, "special"), special);
}
