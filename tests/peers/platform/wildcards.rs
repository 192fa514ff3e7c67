//! The wildcard certificate of each namespace, at a real API server with cert-manager's CRDs: it is made, told of like every
//! other certificate, and ended by the command that a plan shows. And what a week has no room for, by the API server's clock.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::cert_manager::{condition, moment, says};
use testkit::run::{get, held, steps};

use crate::platform::node::Node;

const WITH: [(&str, &str); 1] = [("TOKEN", "t")];

/// Runs a command as a person pastes it.
fn paste(line: &str) {
    let kubectl = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apiserver");
    let path = format!("{}:{}", kubectl.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh").args(["-c", line]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The sections before the tenants, with this in the account for certificates.
fn sections(acme: &str) -> String {
    format!(
        "cluster: {{acme: {{email: ops@example.com, issuer: cert-manager{acme}}}}}\n\
         dns: {{resolvers: {{letsencrypt-cloudflare: {{provider: cloudflare, credentials: {{CF_DNS_API_TOKEN: {{env: TOKEN}}}}}}}}}}\n\
         tiers: {{plain: {{rest: unbounded}}}}\n"
    )
}

fn plan(node: &Node) -> Value {
    let ran = node.kwo(&["plan", "-o", "json"], &WITH);
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}{}", ran.out, ran.err))
}

#[test]
fn each_namespace_has_a_wildcard_of_its_own_until_it_is_ended() {
    let name = unique("wild");
    let [dev, prod] = ["dev", "prod"].map(|end| format!("{name}-{end}"));
    let tenant = |more: &str| {
        format!(
            "tenants: {{{name}: {{tier: plain, domains: [{name}.example.com], namespaces: [{dev}, {prod}]{more}}}}}\n"
        )
    };
    let on = sections(", staging: true, wildcard: {zone: apps.example.com}");
    let Some(node) = Node::new(&(on.clone() + &tenant(""))) else { return };
    node.foreign("apiVersion: v1\nkind: Namespace\nmetadata: {name: cert-manager}\n");
    node.apply(&[], &WITH).expect(0);
    node.settled(&WITH);
    for namespace in [&dev, &prod] {
        let spec = &get("certificate", namespace, "kwo-wildcard")["spec"];
        assert_eq!(spec["dnsNames"], json!([format!("*.{namespace}.apps.example.com")]));
        assert_eq!(spec["secretName"], "kwo-wildcard-tls");
        assert_eq!(spec["issuerRef"]["name"], "letsencrypt-cloudflare");
        let hosts = get("namespace", "", namespace)["metadata"]["annotations"]["kwo.dev/domains"].clone();
        assert_eq!(hosts, format!("{name}.example.com,*.{namespace}.apps.example.com"));
    }
    // The one for the hosts of the tenant is as it was without.
    let domains = &get("certificate", &dev, "kwo-domains")["spec"];
    assert_eq!(
        (&domains["dnsNames"], &domains["issuerRef"]["name"]),
        (&json!([format!("{name}.example.com")]), &"letsencrypt".into())
    );

    let day = 86_400;
    let ready = condition("Ready", "True", "Ready", "Certificate is up to date and has not expired");
    for (namespace, certificate) in [(&dev, "kwo-domains"), (&prod, "kwo-wildcard")] {
        says(
            "certificate",
            namespace,
            certificate,
            &json!({"notAfter": moment(40 * day + 60), "conditions": [ready]}),
        );
    }
    says(
        "certificate",
        &dev,
        "kwo-wildcard",
        &json!({"lastFailureTime": moment(-60), "conditions": [
        condition("Issuing", "False", "Failed", "the DNS provider refused")]}),
    );
    let status = node.kwo(&["status", "-o", "json"], &WITH).expect(0);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    let told: Vec<String> = status["certificates"]["found"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["kind"] == "Certificate")
        .map(|one| format!("{}/{} {}", one["namespace"], one["name"], one["state"]).replace('"', ""))
        .collect();
    assert_eq!(
        told,
        [
            format!("{dev}/kwo-domains ready"),
            format!("{dev}/kwo-wildcard failing"),
            format!("{prod}/kwo-wildcard ready")
        ]
    );
    let seen = node.kwo(&["plan"], &WITH).expect(5);
    assert!(seen.out.contains("the DNS provider refused"), "{}{}", seen.out, seen.err);

    // The tenant wants them no more.
    node.bench.write(&(on + &tenant(", wildcard: false")));
    node.apply(&[], &WITH).expect(0);
    let after = plan(&node);
    assert_eq!(steps(&after), Vec::<String>::new());
    let left: Vec<&Value> = after["leftovers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|left| left["id"].as_str().unwrap().contains(&name))
        .collect();
    let ids: Vec<&str> = left.iter().map(|left| left["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&dev, &prod].map(|namespace| format!("kube:Certificate/{namespace}/kwo-wildcard")));
    for namespace in [&dev, &prod] {
        let hosts = get("namespace", "", namespace)["metadata"]["annotations"]["kwo.dev/domains"].clone();
        assert_eq!(hosts, format!("{name}.example.com"));
    }
    left.iter().for_each(|left| paste(left["command"].as_str().unwrap()));
    let after = plan(&node);
    let gone = |left: &Value| !left["id"].as_str().unwrap().contains(&name);
    assert!(after["leftovers"].as_array().unwrap().iter().all(gone), "{after:#}");
    node.settled(&WITH);
    kubectl_ok(&["delete", "clusterissuer", "--all"]);
}

#[test]
fn what_a_week_has_no_room_for_waits_in_the_order_of_the_roster() {
    let name = unique("week");
    let [zoe, ann] = ["zoe", "ann"].map(|end| format!("{name}-{end}"));
    let roster = |weekly: u32| {
        let acme = format!(", weekly: {weekly}, wildcard: {{zone: apps.{name}.example}}");
        let tenants = format!(
            "tenants:\n  {zoe}: {{tier: plain, namespaces: [{zoe}-b, {zoe}-a]}}\n  {ann}: {{tier: plain, domains: [{ann}.example.org]}}\n"
        );
        sections(&acme) + &tenants
    };
    let Some(node) = Node::new(&roster(1)) else { return };
    node.foreign("apiVersion: v1\nkind: Namespace\nmetadata: {name: cert-manager}\n");
    let id = |namespace: &str| format!("kube:Certificate/{namespace}/kwo-wildcard");
    // The first of the roster, and not of the alphabet; another domain has room of its own.
    let days =
        || Timestamp::now().checked_add(Duration::from_secs(7 * 86_400)).unwrap().strftime("%F").to_string();
    let before = days();
    let ran = node.apply(&[], &WITH).expect(5);
    let told = |day: &str| {
        format!(
            "{name}.example gets 1 new certificate in 7 days at most (`cluster.acme.weekly`); there is room for this one on {day} (UTC)"
        )
    };
    assert!(
        [before, days()].iter().any(|day| ran.out.contains(&told(day)) || ran.err.contains(&told(day))),
        "{}{}",
        ran.out,
        ran.err
    );
    let there = |namespace: &str, name: &str| {
        kubectl_ok(&["get", "certificates", "-n", namespace, "-o", "name", "--ignore-not-found"])
            .contains(&format!("/{name}\n"))
    };
    assert!(there(&format!("{zoe}-b"), "kwo-wildcard") && there(&ann, "kwo-domains"));
    assert!(!there(&format!("{zoe}-a"), "kwo-wildcard") && !there(&ann, "kwo-wildcard"));
    // It stays so, and what waits is no agreement.
    let later = plan(&node);
    assert_eq!((steps(&later), held(&later)), (vec![], vec![id(&ann), id(&format!("{zoe}-a"))]));
    node.kwo(&["plan"], &WITH).expect(5);
    // What is there and changes is not held.
    node.bench.write(
        &roster(1)
            .replace(&format!("[{ann}.example.org]"), &format!("[{ann}.example.org, www.{name}.example]")),
    );
    assert_eq!(node.apply(&["-o", "json"], &WITH).expect(5).out.matches("kwo-domains").count().min(1), 1);
    assert_eq!(get("certificate", &ann, "kwo-domains")["spec"]["dnsNames"].as_array().unwrap().len(), 2);
    // Its names count now, too: one more has room, in the order of the roster.
    node.bench.write(&roster(3));
    assert_eq!(held(&plan(&node)), vec![id(&ann)]);
    node.bench.write(&roster(4));
    node.apply(&[], &WITH).expect(0);
    node.settled(&WITH);
    kubectl_ok(&["delete", "clusterissuer", "--all"]);
}

#[test]
fn a_secret_of_others_is_no_place_for_a_certificate() {
    let name = unique("taken");
    let tenants = format!("tenants: {{{name}: {{tier: plain, domains: [{name}.example.com]}}}}\n");
    let roster = |acme: &str| sections(&format!(", staging: true{acme}")) + &tenants;
    let Some(node) = Node::new(&roster("").replace(&format!("domains: [{name}.example.com]"), "")) else {
        return;
    };
    node.foreign("apiVersion: v1\nkind: Namespace\nmetadata: {name: cert-manager}\n");
    node.apply(&[], &WITH).expect(0);
    // From before kwo: the pair of somebody, and what cert-manager wrote for an earlier Certificate of this name.
    let before = |secret: &str, annotations: &str| {
        node.foreign(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {secret}, namespace: {name}, annotations: {{{annotations}}}}}\n\
             stringData: {{tls.key: of-somebody}}\n"
        ));
    };
    before("kwo-wildcard-tls", "");
    before("kwo-domains-tls", "cert-manager.io/certificate-name: kwo-domains");
    node.bench.write(&roster(", wildcard: {zone: apps.example.com}"));
    let ran = node.apply(&[], &WITH).expect(5);
    let why = "there is a Secret kwo-wildcard-tls that cert-manager did not write for this Certificate";
    assert!(ran.out.contains(why) || ran.err.contains(why), "{}{}", ran.out, ran.err);
    let there = kubectl_ok(&["get", "certificates", "-n", &name, "-o", "name"]);
    assert_eq!(there, "certificate.cert-manager.io/kwo-domains\n");
    // Adoption is no leave to write over it.
    let id = format!("kube:Certificate/{name}/kwo-wildcard");
    let seen = node.kwo(&["plan", "--adopt", "-o", "json"], &WITH).expect(5);
    assert_eq!(held(&serde_json::from_str(&seen.out).unwrap()), [id.as_str()]);
    kubectl_ok(&["delete", "secret", "kwo-wildcard-tls", "-n", &name]);
    node.apply(&[], &WITH).expect(0);
    node.settled(&WITH);
    kubectl_ok(&["delete", "clusterissuer", "--all"]);
}
