//! cert-manager: several accounts of one provider, a Certificate a tenant, and what is told of both. cert-manager itself
//! does not run here. The tests write the status that it would write, and the API server holds that to its CRDs.

use kwo_planner::units;
use serde_json::{Value, json};

use crate::platform::node::Node;
use testkit::apiserver::{kubectl_ok, unique};
use testkit::cert_manager::{condition, moment, says};
use testkit::run::{Ran, get};

#[track_caller]
fn told(ran: &Ran, part: &str) {
    assert!(ran.out.contains(part) || ran.err.contains(part), "{part}: {}{}", ran.out, ran.err);
}

#[test]
fn what_cert_manager_says_is_told_and_what_failed_is_no_agreement() {
    let name = unique("issued");
    let Some(node) = Node::new(&format!(
        "cluster: {{acme: {{email: ops@example.com, issuer: cert-manager, staging: true}}}}\n\
         tiers: {{plain: {{rest: unbounded}}}}\ntenants: {{{name}: {{tier: plain, domains: [{name}.example.com]}}}}\n"
    )) else {
        return;
    };
    let status = || -> Value {
        let ran = node.kwo(&["status", "-o", "json"], &[]).expect(0);
        let status: Value = serde_json::from_str(&ran.out).unwrap();
        testkit::schemas::fits("status", &status);
        status
    };
    let states = |status: &Value| -> Vec<String> {
        let all = status["certificates"]["found"].as_array().unwrap();
        all.iter().map(|one| format!("{} {}", one["kind"], one["state"]).replace('"', "")).collect()
    };
    assert_eq!(states(&status()), ["ClusterIssuer not-there", "Certificate not-there"]);
    // What cert-manager has not seen yet is on its way.
    node.apply(&[], &[]).expect(0);
    node.settled(&[]);
    assert_eq!(states(&status()), ["ClusterIssuer waiting", "Certificate waiting"]);

    let issuer = |state: &str, reason: &str| {
        let said = condition("Ready", state, reason, "what the server said");
        says("clusterissuer", "", "letsencrypt", &json!({"conditions": [said]}));
    };
    let certificate = |status: &Value| says("certificate", &name, "kwo-domains", status);
    issuer("True", "ACMEAccountRegistered");
    let failed = moment(-120);
    certificate(&json!({"lastFailureTime": failed, "failedIssuanceAttempts": 2, "conditions": [
        condition("Issuing", "False", "Failed", "acme: error: 429: too many\ncertificates"),
        condition("Ready", "False", "DoesNotExist", "Issuing certificate as Secret does not exist")]}));
    let last = units::moment(&failed);
    let why = format!(
        "could not issue the certificate, last at {last} (2 times in a row): acme: error: 429: too many"
    );
    let id = format!("kube:Certificate/{name}/kwo-domains");
    let plan = node.bench.plan(&[]);
    let held = plan["held"].as_array().unwrap();
    assert_eq!((held.len(), held[0]["id"].as_str()), (1, Some(id.as_str())), "{held:#?}");
    assert!(held[0]["hold"]["why"].as_str().unwrap().contains(&why), "{held:#?}");
    assert_eq!(plan["steps"], json!([]));
    told(&node.kwo(&["plan"], &[]).expect(5), &why);
    told(&node.apply(&[], &[]).expect(5), &why);
    told(&node.kwo(&["status"], &[]).expect(0), &why);
    let seen = status();
    assert_eq!(seen["agreement"]["found"]["in_agreement"], false);
    assert_eq!(states(&seen), ["ClusterIssuer ready", "Certificate failing"]);
    let doctor = node.kwo(&["doctor", "-o", "json"], &[]);
    let doctor: Value = serde_json::from_str(&doctor.out).unwrap();
    let check = |doctor: &Value| {
        doctor["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["name"] == "certificates")
            .unwrap()
            .clone()
    };
    assert_eq!(check(&doctor)["outcome"], "failed");
    assert!(
        check(&doctor)["found"]
            .as_str()
            .unwrap()
            .contains(&format!("{name}/kwo-domains: cert-manager {why}"))
    );

    // An issuer without an account is held by itself.
    issuer("False", "ErrRegisterACMEAccount");
    told(&node.kwo(&["plan"], &[]).expect(5), "what the server said (ErrRegisterACMEAccount)");
    issuer("True", "ACMEAccountRegistered");
    let day = 86_400;
    certificate(
        &json!({"notAfter": moment(40 * day + 60), "notBefore": moment(-50 * day), "renewalTime": moment(10 * day),
        "revision": 1, "conditions": [condition("Ready", "True", "Ready", "Certificate is up to date and has not expired")]}),
    );
    node.settled(&[]);
    let seen = status();
    assert_eq!(seen["agreement"]["found"]["held"], json!([]));
    assert_eq!(seen["certificates"]["found"][1]["days_left"], 40);
    told(&node.kwo(&["status"], &[]).expect(0), ", 40 days, renewed at 2");
    // A day after the renewal was due nobody says that all is well.
    certificate(&json!({"notAfter": moment(30 * day), "renewalTime": moment(-day - 60), "revision": 1,
        "conditions": [condition("Ready", "True", "Ready", "Certificate is up to date and has not expired")]}));
    told(&node.kwo(&["plan"], &[]).expect(5), "the renewal was due at ");
    kubectl_ok(&["delete", "clusterissuer", "--all"]);
}

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
