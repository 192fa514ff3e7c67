//! Pipelines: a service account comes to the secrets of its namespace, an owner to a token for a pipeline, and nobody to
//! those of others. The OpenBao knows the API server as its Kubernetes, with the rights that the manual names.

use serde_json::{Value, json};
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::places;

use super::apply::run;
use super::{TOKEN, World, uid};

pub(super) const ASKED: &str = "    pipelines: {}\n    deployers: kubernetes\n";

/// A token of a service account, for this audience.
pub(super) fn token(namespace: &str, account: &str, audience: &str) -> String {
    kubectl_ok(&["create", "token", account, "-n", namespace, "--audience", audience]).trim().to_owned()
}

impl World {
    pub(super) fn of_token(&self) -> String {
        format!("{{token: {{file: {}}}}}", self.bench.path("token").display())
    }

    /// Lets the server come to the cluster as the manual says.
    pub(super) fn connect(&self) {
        let page = std::fs::read_to_string(places::root().join("docs/how-to/vault.md")).unwrap();
        let rights = page.split("```yaml\napiVersion: rbac").nth(1).and_then(|text| text.split("```").next());
        let name = unique("bao");
        kubectl_ok(&["create", "namespace", &name]);
        kubectl_ok(&["create", "serviceaccount", "openbao", "-n", &name]);
        let rights = format!("apiVersion: rbac{}", rights.unwrap()).replace("openbao-of-kwo", &name);
        std::fs::write(
            self.bench.path("rights.yaml"),
            rights.replace("namespace: openbao", &format!("namespace: {name}")),
        )
        .unwrap();
        kubectl_ok(&["apply", "-f", &self.bench.path("rights.yaml").display().to_string()]);
        let of_cluster = |what: &str| {
            let template = format!("go-template={{{{{what}}}}}");
            kubectl_ok(&["config", "view", "--raw", "--flatten", "-o", &template])
        };
        let server = of_cluster("(index .clusters 0).cluster.server");
        let ca =
            of_cluster("index (index .clusters 0).cluster \"certificate-authority-data\" | base64decode");
        let jwt = kubectl_ok(&["create", "token", "openbao", "-n", &name]);
        self.bao.of_cluster(&server, &ca, jwt.trim());
    }

    fn role(&self, auth: bool) -> Value {
        let path = if auth { "auth/kubernetes/role/kwo-deployer" } else { "kubernetes/roles/kwo-deployer" };
        self.bao.root("GET", path, &Value::Null)
    }
}

#[test]
fn a_pipeline_comes_to_the_secrets_of_its_namespace_and_to_no_others() {
    let Some(world) = World::new(&["alice", "bob"]) else { return };
    let (a, b) = (unique("pa"), unique("pb"));
    let tenants =
        format!("  {a}: {{owners: [alice], namespaces: [{a}, {a}-prod]}}\n  {b}: {{owners: [bob]}}\n");
    world.write_with(&world.of_token(), ASKED, &tenants);

    // kwo makes neither the auth method nor the engine, and says who does; everything else is done.
    let ran = world.apply(&[]).expect(5);
    for command in ["auth enable", "secrets enable"] {
        let said = format!("bao {command} -path=kubernetes kubernetes` makes one");
        assert!(ran.out.contains(&said), "{}", ran.out);
    }
    let mut held = world.plan("held");
    held.sort();
    let shared =
        ["AuthRole/kubernetes/kwo-deployer", "Policy/kwo-deployer", "SecretsRole/kubernetes/kwo-deployer"];
    assert_eq!(held, shared.map(|id| format!("vault:{id}")));

    world.connect();
    let theirs =
        json!({"bound_service_account_names": "x", "bound_service_account_namespaces": "y", "token_ttl": 60});
    world.bao.root("POST", "auth/kubernetes/role/theirs", &theirs);
    world.bao.root(
        "POST",
        "kubernetes/roles/theirs",
        &json!({"allowed_kubernetes_namespaces": "y", "service_account_name": "x"}),
    );
    let of_others = || {
        [
            "auth/kubernetes/role/theirs",
            "kubernetes/roles/theirs",
            "auth/kubernetes/config",
            "kubernetes/config",
        ]
        .map(|path| world.bao.root("GET", path, &Value::Null))
    };
    let before = (of_others(), world.all());
    world.apply(&[]).expect(0);
    for list in ["steps", "held", "leftovers"] {
        assert_eq!(world.plan(list), Vec::<String>::new(), "{list}");
    }
    world.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(world.role(false)["extra_labels"], json!({"kwo_cluster": uid()}));

    // A pipeline logs in with a token that its pod is given.
    let login = |namespace: &str, account: &str, audience: &str| {
        world.bao.login_of_cluster("kwo-deployer", &token(namespace, account, audience))
    };
    let (status, pipeline) = login(&a, "deployer", "vault");
    assert_eq!(status, 200, "{pipeline}");
    assert_eq!(pipeline["auth"]["lease_duration"], 3600);
    let pipeline = pipeline["auth"]["client_token"].as_str().unwrap().to_owned();
    let value = json!({"data": {"password": "x"}});
    let status = |token: &str, method: &str, path: &str| {
        let body = if method == "POST" { &value } else { &Value::Null };
        world.bao.ask(token, method, path, body).0
    };
    assert_eq!(status(&pipeline, "POST", &format!("secret/data/{a}/db")), 200);
    assert_eq!(status(&pipeline, "GET", &format!("secret/data/{a}/db")), 200);
    assert_eq!(status(&pipeline, "LIST", &format!("secret/metadata/{a}")), 200);
    assert_eq!(status(&pipeline, "DELETE", &format!("secret/metadata/{a}/db")), 403, "it ends none");
    // The other namespace of the same tenant is another one, too: its pipeline is not this one.
    for path in [
        format!("secret/data/{b}/db"),
        format!("secret/data/{a}-prod/db"),
        "secret/data/platform/x".to_owned(),
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(status(&pipeline, method, &path), 403, "{method} {path}");
        }
    }
    assert_eq!(status(&pipeline, "LIST", "secret/metadata"), 403);
    let foreign = unique("px");
    kubectl_ok(&["create", "namespace", &foreign]);
    kubectl_ok(&["create", "serviceaccount", "deployer", "-n", &foreign]);
    for (namespace, account, audience) in
        [(&a, "default", "vault"), (&foreign, "deployer", "vault"), (&a, "deployer", "https://elsewhere")]
    {
        let (status, said) = login(namespace, account, audience);
        assert_ne!(status, 200, "{namespace}/{account} for {audience}: {said}");
    }

    // An owner gets a token for the pipeline of each of her namespaces, and of no other one.
    let alice = world.bao.login("alice");
    let creds =
        |token: &str, body: Value| world.bao.ask(token, "POST", "kubernetes/creds/kwo-deployer", &body);
    for namespace in [&a, &format!("{a}-prod")] {
        let (status, said) = creds(&alice, json!({"kubernetes_namespace": namespace, "ttl": "10m"}));
        assert_eq!(status, 200, "{said}");
    }
    for body in [
        json!({"kubernetes_namespace": b}),
        json!({"kubernetes_namespace": "kube-system"}),
        json!({}),
        json!({"kubernetes_namespace": a, "cluster_role_binding": true}),
    ] {
        assert_eq!(creds(&alice, body.clone()).0, 403, "{body}");
    }
    assert_eq!(creds(&pipeline, json!({"kubernetes_namespace": a})).0, 403);
    let (_, given) = creds(&alice, json!({"kubernetes_namespace": a}));
    let given = given["data"]["service_account_token"].as_str().unwrap();
    let config = world.bench.path("given").display().to_string();
    let server = kubectl_ok(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]);
    let user = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "u", "user": {"token": given}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]});
    std::fs::write(&config, user.to_string()).unwrap();
    for (namespace, may) in
        [(a.as_str(), true), (&format!("{a}-prod"), false), (&b, false), ("kube-system", false)]
    {
        let ran = kubectl(&["--kubeconfig", &config, "get", "deployments", "-n", namespace]);
        assert_eq!(ran.status.success(), may, "{namespace}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    std::fs::remove_file(&config).unwrap();

    // What others made is as it was, leaf by leaf.
    assert_eq!(of_others(), before.0);
    let all = world.all();
    for (name, policy) in before.1["policies"].as_object().unwrap() {
        assert!(name.starts_with("kwo-") || all["policies"][name] == *policy, "{name}");
    }

    // Somebody widens both roles; what they add to a set stays and is told, everything else is put right.
    let wide = json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "*", "token_policies": "kwo-deployer,root-like", "token_explicit_max_ttl": 7200});
    world.bao.root("POST", "auth/kubernetes/role/kwo-deployer", &wide);
    world.bao.root(
        "POST",
        "kubernetes/roles/kwo-deployer",
        &json!({"allowed_kubernetes_namespaces": "*", "service_account_name": "default"}),
    );
    assert_eq!(login(&foreign, "deployer", "vault").0, 200);
    let mut steps = world.plan("steps");
    steps.sort();
    assert_eq!(steps, [shared[0], shared[2]].map(|id| format!("vault:{id}")));
    let plan = world.kwo(&["plan", "--full"]).out;
    assert!(
        plan.contains("pipelines that log in to Vault at auth/kubernetes still have the policy root-like"),
        "{plan}"
    );
    assert!(
        plan.contains("/accounts/0: * → deployer") && plan.contains("/account: default → deployer"),
        "{plan}"
    );
    world.apply(&[]);
    assert_eq!(world.plan("steps"), Vec::<String>::new());
    assert_ne!(login(&foreign, "deployer", "vault").0, 200);
    assert_eq!(world.role(true)["token_policies"], json!(["kwo-deployer", "root-like"]));
    end_leftovers(&world);
    assert_eq!(world.role(true)["token_policies"], json!(["kwo-deployer"]));
    assert_eq!(world.role(true)["token_explicit_max_ttl"], 7200, "kwo says nothing of it");

    // In a store that another cluster's pipelines have, namespaces of one name would read each other's secrets.
    let path = "secret/data/{{identity.entity.aliases.auth_kubernetes_x.metadata.service_account_namespace}}";
    let text = format!("# kwo cluster=another tenant=\npath \"{path}\" {{ capabilities = [\"read\"] }}\n");
    world.bao.root("POST", "sys/policies/acl/kwo-deployer.far", &json!({"policy": text}));
    let plan = world.kwo(&["plan", "--full"]).out;
    assert!(
        plan.contains("pipelines of another cluster have what is below secret/data/, too, by the policy kwo-deployer.far"),
        "{plan}"
    );
    world.bao.root("DELETE", "sys/policies/acl/kwo-deployer.far", &Value::Null);

    logs_in_without_a_token_of_its_own(&world, &tenants);

    // The roster asks for it no more: what pipelines still have is told, with the commands that end it.
    world.write_with(&world.of_token(), "", &tenants);
    let plan = world.kwo(&["plan", "--full"]).out;
    assert!(plan.contains("pipelines still log in to Vault at auth/kubernetes"), "{plan}");
    let mut left = world.plan("leftovers");
    left.sort();
    assert_eq!(left, shared.map(|id| format!("vault:{id}")));
    end_leftovers(&world);
    assert_ne!(login(&a, "deployer", "vault").0, 200);
    assert_eq!(of_others(), before.0);
}

/// Runs the commands that a plan names for what is left over in Vault.
fn end_leftovers(world: &World) {
    let plan: Value = serde_json::from_str(&world.kwo(&["plan", "-o", "json"]).out).unwrap();
    for left in plan["leftovers"].as_array().unwrap() {
        if left["id"].as_str().unwrap().starts_with("vault:") {
            run(world, left["command"].as_str().unwrap());
        }
    }
    assert_eq!(world.plan("leftovers"), Vec::<String>::new());
}

/// kwo's own login, as a service account and by AppRole: each run gets a token of its own.
fn logs_in_without_a_token_of_its_own(world: &World, tenants: &str) {
    let home = unique("pk");
    kubectl_ok(&["create", "namespace", &home]);
    kubectl_ok(&["create", "serviceaccount", "kwo", "-n", &home]);
    let role = json!({"bound_service_account_names": "kwo", "bound_service_account_namespaces": home, "audience": "vault",
        "token_policies": "kwo", "token_ttl": "10m"});
    world.bao.root("POST", "auth/kubernetes/role/kwo", &role);
    let jwt = world.bench.path("token");
    std::fs::write(&jwt, token(&home, "kwo", "vault")).unwrap();
    let login = format!("{{kubernetes: {{role: kwo, token: {{file: {}}}}}}}", jwt.display());
    world.write_with(&login, ASKED, tenants);
    world.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    // Another account's token does not log in, and nothing is said of it.
    let other = token(&home, "default", "vault");
    std::fs::write(&jwt, &other).unwrap();
    let ran = world.kwo(&["plan", "--full"]);
    assert!(
        ran.out.contains(&format!("kwo cannot log in to {} at auth/kubernetes", world.bao.url())),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains(&other) && !ran.err.contains(&other));

    world.bao.root("POST", "sys/auth/approle", &json!({"type": "approle"}));
    world.bao.root("POST", "auth/approle/role/kwo", &json!({"token_policies": "kwo", "token_ttl": "10m"}));
    let id = world.bao.root("GET", "auth/approle/role/kwo/role-id", &Value::Null)["role_id"].clone();
    let secret = world.bao.root("POST", "auth/approle/role/kwo/secret-id", &json!({}))["secret_id"].clone();
    std::fs::write(&jwt, secret.as_str().unwrap()).unwrap();
    let login =
        format!("{{appRole: {{roleId: {}, secretId: {{file: {}}}}}}}", id.as_str().unwrap(), jwt.display());
    world.write_with(&login, ASKED, tenants);
    let ran = world.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    assert!(!ran.out.contains(secret.as_str().unwrap()));
    std::fs::write(&jwt, TOKEN).unwrap();
}
