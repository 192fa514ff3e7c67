//! Situations in which the shell scripts went wrong, on a node where kwo is the first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testkit::apiserver::kubectl_ok;
use testkit::run::get;

use crate::platform::node::Node;

/// What a shell would do a lot with.
const ODD: &str = "a$(touch made-by-a-shell)`id`;'\"\\ %s *\nb: {c} #d &";

fn stored(secret: &str, key: &str) -> Vec<u8> {
    STANDARD.decode(get("secret", "kube-system", secret)["data"][key].as_str().unwrap()).unwrap()
}

#[test]
fn a_credential_is_bytes_whatever_a_shell_would_make_of_it() {
    let roster = "cluster: {acme: {email: ops@example.com}}\ndns: {resolvers: {letsencrypt-desec: {provider: desec, \
                  credentials: {DESEC_TOKEN: {env: ODD}}}}}\nregistry: {hosts: [registry.example.com], users: {ci: \
                  {password: {env: ODD}}}}\n";
    let Some(node) = Node::new(roster) else { return };
    let root = node.bench.path("root");
    std::fs::create_dir(&root).unwrap();
    let at = ["--node", "--root", root.to_str().unwrap()];
    node.apply(&at, &[("ODD", ODD)]).expect(0);
    node.kwo(&[&["plan", "--detailed-exitcode"][..], &at].concat(), &[("ODD", ODD)]).expect(0);
    assert_eq!(stored("dns-credentials", "DESEC_TOKEN"), ODD.as_bytes());
    assert_eq!(stored("registry-auth", "password"), ODD.as_bytes());
    let htpasswd = String::from_utf8(stored("registry-auth", "htpasswd")).unwrap();
    let (user, hash) = htpasswd.trim_end().split_once(':').unwrap();
    assert!(user == "ci" && bcrypt::verify(ODD, hash).unwrap(), "{htpasswd}");
    let file = std::fs::read_to_string(root.join("etc/rancher/k3s/registries.yaml")).unwrap();
    let file: Value = serde_yaml::from_str(&file).unwrap();
    assert_eq!(file["configs"]["registry.example.com"]["auth"]["password"], ODD);
    assert!(!node.bench.path("made-by-a-shell").exists());
    // No annotation holds a copy.
    for secret in ["dns-credentials", "registry-auth"] {
        assert_eq!(get("secret", "kube-system", secret)["metadata"]["annotations"], Value::Null, "{secret}");
    }
}

#[test]
fn a_resolver_that_comes_later_takes_nothing_from_the_first() {
    let first = "cluster: {acme: {email: ops@example.com}}\ndns:\n  resolvers:\n    letsencrypt-desec-client-a: {provider: \
                 desec, suffix: client-a, credentials: {DESEC_TOKEN: {env: A}}}\n";
    let Some(node) = Node::new(first) else { return };
    let with = [("A", "one"), ("B", "two")];
    node.apply(&[], &with).expect(0);
    node.apply(&[], &with).expect(0);
    let both = "    letsencrypt-vultr: {provider: vultr, credentials: {VULTR_API_KEY: {env: B}}}\n";
    node.bench.write(&format!("{first}{both}"));
    node.apply(&[], &with).expect(0);
    node.settled(&with);
    assert_eq!(stored("dns-credentials", "DESEC_TOKEN"), b"one");
    assert_eq!(stored("dns-credentials", "VULTR_API_KEY"), b"two");
    let list = get("configmap", "kube-system", "kwo-dns-providers")["data"]["providers.json"].clone();
    let list: Value = serde_json::from_str(list.as_str().unwrap()).unwrap();
    assert_eq!(list["letsencrypt-desec-client-a"]["suffix"], "client-a");
    let values = get("helmchartconfig", "kube-system", "traefik")["spec"]["valuesContent"].to_string();
    for flag in ["desec-client-a.acme.dnschallenge.provider=desec", "vultr.acme.dnschallenge.provider=vultr"]
    {
        assert!(values.contains(flag), "{values}");
    }
}

#[test]
fn a_registry_comes_up_on_an_empty_node_by_port_80_and_each_host_has_its_ingress() {
    let hosts = ["a.b-c.example.com", "a-b.c.example.com"];
    let roster = format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\nregistry: {{hosts: [{}]}}\n",
        hosts.join(", ")
    );
    let Some(node) = Node::new(&roster) else { return };
    kubectl_ok(&["delete", "ingress", "--all", "-n", "kube-system"]);
    node.apply(&[], &[]).expect(0);
    node.settled(&[]);
    let config = get("configmap", "kube-system", "kwo-config");
    assert_eq!(
        (&config["data"]["registry-enabled"], &config["data"]["registry-domain"]),
        (&"true".into(), &hosts[0].into())
    );
    let listed = config["data"]["registry-domains"].as_str().unwrap();
    assert!(hosts.iter().all(|host| listed.split(',').any(|name| name == *host)), "{listed}");
    for host in hosts {
        let ingress = get("ingress", "kube-system", &format!("registry-{host}"));
        assert_eq!(ingress["spec"]["rules"][0]["host"], host);
        let annotations = ingress["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(annotations["traefik.ingress.kubernetes.io/router.tls.certresolver"], "letsencrypt");
        // Nothing stands before it that would buffer a push.
        assert!(annotations.keys().all(|key| !key.contains("middlewares")), "{annotations:?}");
    }
    let values = get("helmchartconfig", "kube-system", "traefik")["spec"]["valuesContent"].to_string();
    assert!(values.contains("respondingTimeouts.readTimeout=1800s"), "{values}");
}
