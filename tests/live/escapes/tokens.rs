//! Tokens that outlive the one who made them, and identities of others.

use serde_json::{Value, json};

use crate::escapes::way::{MERGE, Way, core, object};
use crate::escapes::world::{ONE, TENANTS, Who, World};

#[test]
fn no_token_outlives_its_day() {
    let Some(world) = World::with("registry: {hosts: [registry.example.com]}\n") else { return };
    let secrets = core(ONE, "secrets");
    let secret = |name: &str, kind: &str, account: &str| {
        let metadata = json!({"annotations": {"kubernetes.io/service-account.name": account}});
        Way::create(
            name,
            &secrets,
            &object("v1", "Secret", "escape", &json!({"metadata": metadata, "type": kind})),
        )
        .by("kwo-inside")
    };
    let token = |name: &str, account: &str, seconds: u64| {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}});
        Way::create(name, &format!("{}/{account}/token", core(ONE, "serviceaccounts")), &body)
    };
    let endless = "kubernetes.io/service-account-token";
    let generated = json!({"apiVersion": "v1", "kind": "Secret", "type": endless, "metadata": {"generateName": "x-",
        "annotations": {"kubernetes.io/service-account.name": "deployer"}}});
    let mut ways = vec![
        secret("the deployer's without end", endless, "deployer"),
        secret("the default account's without end", endless, "default"),
        secret("one for joining nodes", "bootstrap.kubernetes.io/token", "deployer"),
        Way::create("under a name that is made up", &secrets, &generated).by("kwo-inside"),
        token("a year of the deployer's", "deployer", 31_536_000).by("kwo-inside"),
        token("a year of the default account's", "default", 31_536_000).by("kwo-inside"),
        token("a second more than a day", "deployer", 86_401).by("kwo-inside"),
    ];
    world.works_for_an_admin(&ways);
    // One from before, which nobody may turn into another account's.
    let there: Value = json!({"apiVersion": "v1", "kind": "Secret", "type": endless, "metadata": {"name": "older", "namespace": ONE,
        "annotations": {"kubernetes.io/service-account.name": "default"}}});
    world.put(&there);
    let mut named = there;
    named["metadata"]["name"] = json!("mine");
    let to =
        |account: &str| json!({"metadata": {"annotations": {"kubernetes.io/service-account.name": account}}});
    ways.extend([
        Way::patch("turned into another's", &format!("{secrets}/older"), MERGE, &to("deployer"))
            .by("kwo-inside"),
        Way::patch("the type of its own", &format!("{secrets}/mine"), MERGE, &json!({"type": endless})),
        Way::new("the type of its own by PUT", "PUT", &format!("{secrets}/mine"), &named),
    ]);
    world.refuses(&TENANTS, &ways);
    let hour = token("an hour", "deployer", 3600);
    let day = token("a day", "deployer", 86_400);
    world.allows(Who::Owner, &[hour, day]);
    // Nobody's but the owner's.
    let elsewhere = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    world.refuses(
        &[Who::Deployer, Who::Token, Who::Viewer, Who::PowerUser],
        &[token("an hour", "deployer", 3600)],
    );
    world.refuses(
        &[Who::Owner, Who::Deployer, Who::Token],
        &[
            Way::create(
                "another tenant's",
                &format!("{}/deployer/token", core("two", "serviceaccounts")),
                &elsewhere,
            ),
            Way::create(
                "the system's",
                &format!("{}/generic-garbage-collector/token", core("kube-system", "serviceaccounts")),
                &elsewhere,
            ),
        ],
    );
}
