//! cert-manager: several accounts of one provider, and a Certificate a tenant.

use crate::platform::node::Node;
use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::get;

#[test]
fn two_accounts_of_one_provider_get_an_issuer_each() {
    let name = unique("certs");
    let Some(node) = Node::new(&format!(
        "cluster: {{acme: {{email: ops@example.com, issuer: cert-manager, staging: true}}}}\ndns:\n  resolvers:\n    \
letsencrypt-cloudflare-a: {{provider: cloudflare, suffix: a, credentials: {{CF_DNS_API_TOKEN: {{env: A}}}}}}\n    \
letsencrypt-cloudflare-b: {{provider: cloudflare, suffix: b, credentials: {{CF_DNS_API_TOKEN: {{env: B}}}}}}\n    \
letsencrypt-route53: {{provider: route53, region: eu-central-1, zone: Z0123, credentials: {{AWS_ACCESS_KEY_ID: \
{{env: A}}, AWS_SECRET_ACCESS_KEY: {{env: B}}}}}}\ntiers: {{plain: {{rest: unbounded}}}}\ntenants:\n  \
{name}: {{tier: plain, domains: [\"*.{name}.example.com\"], resolver: letsencrypt-cloudflare-b}}\n"
    )) else {
        return;
    };
    // The tier counts no Certificates: the CRD is so new here that the API server's quota controller does not know it yet.
    node.foreign("apiVersion: v1\nkind: Namespace\nmetadata: {name: cert-manager}\n");
    let with = [("A", "one"), ("B", "two")];
    node.apply(&[], &with).expect(0);
    node.settled(&with);
    for (suffix, stored) in [("a", "b25l"), ("b", "dHdv")] {
        let issuer = get("clusterissuer", "", &format!("letsencrypt-cloudflare-{suffix}"));
        let secret = &issuer["spec"]["acme"]["solvers"][0]["dns01"]["cloudflare"]["apiTokenSecretRef"];
        let credentials = get("secret", "cert-manager", secret["name"].as_str().unwrap());
        assert_eq!(credentials["data"][secret["key"].as_str().unwrap()], stored);
        assert!(issuer["spec"]["acme"]["server"].as_str().unwrap().contains("staging"));
    }
    let route53 =
        get("clusterissuer", "", "letsencrypt-route53")["spec"]["acme"]["solvers"][0]["dns01"]["route53"]
            .clone();
    assert_eq!((&route53["region"], &route53["hostedZoneID"]), (&"eu-central-1".into(), &"Z0123".into()));
    let credentials = get("secret", "cert-manager", "letsencrypt-route53-credentials")["data"].clone();
    let keys: Vec<&String> = credentials.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    let certificate = get("certificate", &name, "kwo-domains");
    assert_eq!(certificate["spec"]["issuerRef"]["name"], "letsencrypt-cloudflare-b");
    assert_eq!(certificate["spec"]["dnsNames"][0], format!("*.{name}.example.com"));
    kubectl_ok(&["delete", "clusterissuer", "--all"]);
}
