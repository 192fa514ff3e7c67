//! Traefik's configuration: on a first node, on a node that shell scripts set up, and after somebody changed it.

use crate::platform::node::Node;
use testkit::apiserver::{kubectl, kubectl_ok};
use testkit::run::get;

const TOKEN: (&str, &str) = ("CF_DNS_API_TOKEN", "token-of-cloudflare");

const ROSTER: &str = "cluster: {api: {hosts: [api.example.com]}, acme: {email: ops@example.com}}\ndns:\n  resolvers:\n    \
letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: CF_DNS_API_TOKEN}}}\n";

fn values() -> String {
    get("helmchartconfig", "kube-system", "traefik")["spec"]["valuesContent"].as_str().unwrap().to_owned()
}

#[test]
fn a_first_node_gets_its_resolvers_and_the_second_plan_is_empty() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[TOKEN]).expect(0);
    node.settled(&[TOKEN]);
    let values: serde_json::Value = serde_yaml::from_str(&values()).unwrap();
    let arguments: Vec<&str> =
        values["additionalArguments"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
    for flag in [
        "--certificatesresolvers.letsencrypt.acme.email=ops@example.com",
        "--certificatesresolvers.letsencrypt.acme.httpchallenge.entrypoint=web",
        "--certificatesresolvers.letsencrypt-cloudflare.acme.storage=/data/acme-cloudflare.json",
        "--certificatesresolvers.letsencrypt-cloudflare.acme.dnschallenge.provider=cloudflare",
    ] {
        assert!(arguments.contains(&flag), "{flag}: {arguments:#?}");
    }
    assert_eq!(values["env"][0]["valueFrom"]["secretKeyRef"]["name"], "dns-credentials");
    let config = get("configmap", "kube-system", "kwo-config");
    assert_eq!(config["data"]["api-server"], "https://api.example.com:6443");
    // Lists as the programs read them, in one text.
    assert_eq!(config["data"]["dns-providers"], "cloudflare");
    assert!(config["data"]["api-domains"].as_str().unwrap().split(',').any(|name| name == "api.example.com"));
    let providers = get("configmap", "kube-system", "kwo-dns-providers");
    let list: serde_json::Value =
        serde_json::from_str(providers["data"]["providers.json"].as_str().unwrap()).unwrap();
    assert_eq!(list["letsencrypt-cloudflare"]["credentials"][0], "CF_DNS_API_TOKEN");
}

#[test]
fn what_shell_scripts_set_up_is_taken_over_and_only_the_mark_is_added() {
    let Some(node) = Node::new(ROSTER) else { return };
    let text = "# by hand\ndeployment:\n  replicas: 2\npersistence:\n  enabled: true\nadditionalArguments:\n  - \
\"--certificatesResolvers.letsencrypt.acme.email=ops@example.com\"\n  - \
\"--certificatesResolvers.letsencrypt.acme.storage=/data/acme.json\"\n  - \
\"--certificatesResolvers.letsencrypt.acme.httpChallenge=true\"\n  - \
\"--certificatesResolvers.letsencrypt.acme.httpChallenge.entryPoint=web\"\n  - \"--log.level=DEBUG\"\n  - \
\"--certificatesResolvers.letsencrypt-cloudflare.acme.email=ops@example.com\"\n  - \
\"--certificatesResolvers.letsencrypt-cloudflare.acme.storage=/data/acme-cloudflare.json\"\n  - \
\"--certificatesResolvers.letsencrypt-cloudflare.acme.dnsChallenge=true\"\n  - \
\"--certificatesResolvers.letsencrypt-cloudflare.acme.dnsChallenge.provider=cloudflare\"\n  - \
\"--certificatesResolvers.letsencrypt-cloudflare.acme.dnsChallenge.propagation.delayBeforeChecks=10\"\n  - \
\"--certificatesResolvers.letsencrypt-cloudflare.acme.dnsChallenge.resolvers=1.1.1.1:53,8.8.8.8:53\"\nenv:\n  - \
name: TZ\n    value: UTC\n  - name: CF_DNS_API_TOKEN\n    valueFrom:\n      secretKeyRef:\n        name: \
dns-credentials\n        key: CF_DNS_API_TOKEN\nports:\n  web:\n    redirections:\n      entryPoint:\n        to: \
websecure\n        scheme: https\n        permanent: true\n  websecure:\n    tls:\n      enabled: true\nservice:\n  \
spec:\n    externalTrafficPolicy: Local\n";
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    node.foreign(&format!(
        "apiVersion: helm.cattle.io/v1\nkind: HelmChartConfig\nmetadata: {{name: traefik, namespace: kube-system}}\n\
spec:\n  valuesContent: |\n{indented}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: dns-credentials, \
namespace: kube-system}}\nstringData: {{CF_DNS_API_TOKEN: {}, OLD: kept}}\n",
        TOKEN.1
    ));
    // Without being asked it touches none of it.
    let plan = node.kwo(&["plan"], &[TOKEN]).expect(5);
    assert!(plan.out.contains("! kube:HelmChartConfig/kube-system/traefik"), "{}", plan.out);
    let plan = node.kwo(&["plan", "--adopt", "-o", "json"], &[TOKEN]).expect(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    for step in plan["steps"].as_array().unwrap().iter().filter(|step| step["adopts"] == true) {
        for change in step["changes"].as_array().unwrap() {
            assert_eq!(change["action"], "extend", "{step}");
            assert!(change["pointer"].as_str().unwrap().starts_with("/metadata/labels"), "{step}");
        }
    }
    node.apply(&["--adopt"], &[TOKEN]).expect(0);
    node.settled(&[TOKEN]);
    assert_eq!(values(), text);
    assert!(get("secret", "kube-system", "dns-credentials")["data"]["OLD"].is_string());
    assert!(!node.kwo(&["plan"], &[TOKEN]).out.contains(TOKEN.1));

    // From now on the roster says what the account is; what stands beside it stays.
    node.bench.write(&ROSTER.replace("ops@", "new@"));
    let plan = node.kwo(&["plan"], &[TOKEN]).expect(0);
    assert!(plan.out.contains("letsencrypt.acme.email=ops@example.com → "), "{}", plan.out);
    node.apply(&[], &[TOKEN]).expect(0);
    node.settled(&[TOKEN]);
    let now: serde_json::Value = serde_yaml::from_str(&values()).unwrap();
    let arguments = now["additionalArguments"].to_string();
    assert!(arguments.contains("letsencrypt.acme.email=new@example.com"), "{arguments}");
    assert!(!arguments.contains("ops@example.com") && arguments.contains("--log.level=DEBUG"), "{arguments}");
    assert_eq!(now["deployment"]["replicas"], 2);
    assert_eq!(now["env"][0]["name"], "TZ");
}

#[test]
fn without_resolvers_there_is_port_80_and_no_secret() {
    let Some(node) = Node::new("cluster: {acme: {email: ops@example.com, staging: true}}\n") else { return };
    node.apply(&[], &[]).expect(0);
    node.settled(&[]);
    let values = values();
    assert!(values.contains("letsencrypt.acme.caserver=https://acme-staging-v02."), "{values}");
    assert!(!kubectl(&["get", "secret", "dns-credentials", "-n", "kube-system"]).status.success());
    // A resolver that comes later brings its credentials, and one that goes is left over.
    node.bench.write(ROSTER);
    node.apply(&[], &[TOKEN]).expect(0);
    node.settled(&[TOKEN]);
    node.bench.write("cluster: {acme: {email: ops@example.com}}\n");
    let plan = node.kwo(&["plan"], &[]).expect(0);
    for line in [
        "? kube:Secret/kube-system/dns-credentials\n",
        "? kube:HelmChartConfig/kube-system/traefik /spec/valuesContent/env/0: ",
        " edit helmchartconfigs.helm.cattle.io traefik --namespace=kube-system\n",
        "/spec/valuesContent/additionalArguments/10: --certificatesresolvers.letsencrypt-cloudflare.",
    ] {
        assert!(plan.out.contains(line), "{line}: {}", plan.out);
    }
    assert!(!plan.out.contains("failurePolicy"), "what the API filled in is not a leftover: {}", plan.out);
}

#[test]
fn what_is_there_without_any_values_gets_them_as_text() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.foreign(
        "apiVersion: helm.cattle.io/v1\nkind: HelmChartConfig\nmetadata: {name: traefik, namespace: kube-system}\nspec: {}\n\
---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: kwo-dns-providers, namespace: kube-system}\n",
    );
    node.apply(&["--adopt"], &[TOKEN]).expect(0);
    node.settled(&[TOKEN]);
    assert!(values().contains("--certificatesresolvers.letsencrypt.acme.email=ops@example.com"));
    let providers = get("configmap", "kube-system", "kwo-dns-providers");
    assert!(providers["data"]["providers.json"].as_str().unwrap().starts_with("{\"letsencrypt-cloudflare\""));
}

#[test]
fn drift_inside_the_values_is_put_right_and_a_broken_text_is_held() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[TOKEN]).expect(0);
    let patch = |text: &str| {
        let patch = serde_json::json!({"spec": {"valuesContent": text}}).to_string();
        kubectl_ok(&[
            "patch",
            "helmchartconfig",
            "traefik",
            "-n",
            "kube-system",
            "--type=merge",
            "-p",
            &patch,
        ]);
    };
    patch(
        &values().replace("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster\n    mine: \"1\""),
    );
    let plan = node.kwo(&["plan"], &[TOKEN]).expect(0);
    let line = "/spec/valuesContent/service/spec/externalTrafficPolicy: Cluster → Local (drift: written by `kubectl-patch`";
    assert!(plan.out.contains(line), "{}", plan.out);
    node.apply(&[], &[TOKEN]).expect(0);
    node.settled(&[TOKEN]);
    assert!(values().contains("mine:"), "{}", values());
    patch("additionalArguments: [");
    let plan = node.kwo(&["plan"], &[TOKEN]).expect(5);
    assert!(plan.out.contains("not observed: /spec/valuesContent cannot be read: "), "{}", plan.out);
    assert!(plan.out.contains("0 to revise, 1 held"), "{}", plan.out);
}
