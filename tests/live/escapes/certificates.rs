//! Certificates of others, where cert-manager fetches them: by Secrets of one's own making, and by its own kinds.

use serde_json::{Value, json};

use crate::escapes::hosts::{ingress, ingresses};
use crate::escapes::way::{MERGE, Way, core, group, object};
use crate::escapes::world::{ONE, TENANTS, World};

const CERT_MANAGER: &str =
    "cluster: {acme: {email: ops@example.com, issuer: cert-manager, wildcard: {zone: apps.example.com}}}\n";

#[test]
fn a_certificate_is_for_the_tenants_hosts_and_no_secret_is_its_own() {
    let Some(world) = World::with(CERT_MANAGER) else { return };
    let api = "cert-manager.io/v1";
    let certificates = group(api, ONE, "certificates");
    let certificate = |name: &str, rest: Value| {
        let mut spec = json!({"secretName": "web-tls", "dnsNames": ["one.example.com"],
            "issuerRef": {"kind": "ClusterIssuer", "name": "letsencrypt"}});
        for (key, value) in rest.as_object().unwrap() {
            spec[key] = value.clone();
        }
        Way::create(name, &certificates, &object(api, "Certificate", "escape", &json!({"spec": spec})))
    };
    let secrets = core(ONE, "secrets");
    let pair = json!({"tls.crt": "LS0t", "tls.key": "LS0t"});
    let tls = |name: &str, kind: &str| object("v1", "Secret", name, &json!({"type": kind, "data": pair}));
    let cluster = json!({"cert-manager.io/cluster-issuer": "letsencrypt"});
    let issued = |secret: &str, annotations: Value, hosts: Value| {
        ingress(
            &json!({"metadata": {"annotations": annotations}, "spec": {"tls": [{"hosts": hosts, "secretName": secret}]}}),
        )
    };
    let ways = [
        certificate("another tenant's host", json!({"dnsNames": ["two.example.com"]})).by("kwo-hosts"),
        certificate(
            "one of its own and another",
            json!({"dnsNames": ["one.example.com", "two.example.com"]}),
        )
        .by("kwo-hosts"),
        certificate("a wildcard above", json!({"dnsNames": ["*.example.com"]})).by("kwo-hosts"),
        certificate("capitals", json!({"dnsNames": ["Two.example.com"]})).by("kwo-hosts"),
        certificate("a common name", json!({"commonName": "two.example.com"})).by("kwo-hosts"),
        certificate("no names but a common one", json!({"dnsNames": [], "commonName": "two.example.com"}))
            .by("kwo-hosts"),
        certificate("an address", json!({"ipAddresses": ["10.0.0.1"]})).by("kwo-hosts"),
        certificate("an identity", json!({"uris": ["spiffe://cluster/ns/two"]})).by("kwo-hosts"),
        certificate("a mailbox", json!({"emailAddresses": ["bob@example.com"]})).by("kwo-hosts"),
        certificate("a subject", json!({"subject": {"organizations": ["system:masters"]}})).by("kwo-hosts"),
        certificate("a literal subject", json!({"literalSubject": "CN=two.example.com"})).by("kwo-hosts"),
        certificate("a CA", json!({"isCA": true})).by("kwo-hosts"),
        certificate(
            "an issuer of its own",
            json!({"dnsNames": ["two.example.com"], "issuerRef": {"kind": "Issuer", "name": "own"}}),
        )
        .by("kwo-hosts"),
        certificate(
            "kwo's mark for its Secret",
            json!({"secretTemplate": {"labels": {"kwo.dev/managed": "true"}}}),
        )
        .by("kwo-inside"),
        Way::create(
            "a request",
            &group(api, ONE, "certificaterequests"),
            &object(api, "CertificateRequest", "escape", &json!({"spec": {"request": "LS0t"}})),
        )
        .by("kwo-hosts"),
        Way::create(
            "an issuer",
            &group(api, ONE, "issuers"),
            &object(api, "Issuer", "own", &json!({"spec": {"selfSigned": {}}})),
        )
        .by("kwo-hosts"),
        Way::create("a Secret of a name of cert-manager", &secrets, &tls("web-tls", "kubernetes.io/tls"))
            .by("kwo-hosts"),
        Way::create("one of any type", &secrets, &tls("web-tls", "Opaque")).by("kwo-hosts"),
        Way::create("the one of kwo's Certificate", &secrets, &tls("kwo-domains-tls", "kubernetes.io/tls"))
            .by("kwo-hosts"),
        Way::create(
            "an Ingress with a Secret of its own",
            &ingresses(),
            &issued("fake", cluster.clone(), json!(["one.example.com"])),
        )
        .by("kwo-hosts"),
        Way::create(
            "without cert-manager",
            &ingresses(),
            &issued("web-tls", json!({}), json!(["one.example.com"])),
        )
        .by("kwo-hosts"),
        Way::create("for no host", &ingresses(), &issued("web-tls", cluster.clone(), json!([])))
            .by("kwo-hosts"),
        Way::create(
            "for another's host",
            &ingresses(),
            &issued("web-tls", cluster.clone(), json!(["two.example.com"])),
        )
        .by("kwo-hosts"),
    ];
    let ways: Vec<Way> = ways.into_iter().chain(below_wildcards(certificate)).collect();
    // The policy may still be in force as it was before it knew Secrets.
    let dry_run = format!("{secrets}?dryRun=All");
    let first = Way::create("a Secret", &dry_run, &tls("web-tls", "kubernetes.io/tls")).by("kwo-hosts");
    world.closes(crate::escapes::world::Who::Owner, &first);
    world.works_for_an_admin(&ways);
    let answer = world.answer(
        crate::escapes::world::Who::Admin,
        &Way::create("there", &secrets, &tls("there-tls", "kubernetes.io/tls")),
    );
    assert!([201, 409].contains(&answer.status), "{}", answer.text);
    let turned = Way::patch(
        "what cert-manager wrote",
        &format!("{secrets}/there-tls"),
        MERGE,
        &json!({"data": {"tls.crt": "LS0tLS0="}}),
    );
    world.refuses(&TENANTS, &ways);
    world.refuses(&TENANTS, &[turned.by("kwo-hosts")]);

    let dry = |way: Way| Way { path: format!("{}?dryRun=All", way.path), by: "", ..way };
    let fine = [
        dry(Way::create("its own", &ingresses(), &issued("web-tls", cluster, json!(["one.example.com"])))),
        dry(Way::create(
            "kwo's Certificate",
            &ingresses(),
            &issued("kwo-domains-tls", json!({}), json!(["one.example.com"])),
        )),
        dry(Way::create(
            "its wildcard",
            &ingresses(),
            &wildcard("web.one.apps.example.com", "kwo-wildcard-tls"),
        )),
        dry(Way::create("a certificate for a database", &secrets, &tls("database", "kubernetes.io/tls"))),
    ];
    TENANTS.into_iter().for_each(|who| world.allows(who, &fine));
    world.allows(
        crate::escapes::world::Who::Owner,
        &[
            dry(certificate("its own", json!({"commonName": "one.example.com"}))),
            dry(certificate("below its wildcard", json!({"dnsNames": ["web.one.apps.example.com"]}))),
        ],
    );
    // A namespace that has no wildcard has no Secret for it either, whatever hosts its tenant has.
    let roster = world.bench.path("roster.yaml");
    let without =
        std::fs::read_to_string(&roster).unwrap().replace("\n  one:\n", "\n  one:\n    wildcard: false\n");
    std::fs::write(&roster, without).unwrap();
    world.bench.apply(&[]).expect(0);
    let host = json!({"rules": [{"host": "one.example.com"}], "tls": [{"hosts": ["one.example.com"], "secretName": "kwo-wildcard-tls"}]});
    let secret =
        dry(Way::create("the Secret of no wildcard", &ingresses(), &ingress(&json!({"spec": host}))));
    world.closes(crate::escapes::world::Who::Owner, &secret.by("kwo-hosts"));
}

/// An Ingress for this host, with this Secret.
fn wildcard(host: &str, secret: &str) -> Value {
    ingress(&json!({"spec": {"rules": [{"host": host}], "tls": [{"hosts": [host], "secretName": secret}]}}))
}

/// What the neighbour's wildcard is for, and what is nobody's.
fn below_wildcards(certificate: impl Fn(&str, Value) -> Way) -> Vec<Way> {
    let mut ways = Vec::new();
    for host in [
        "web.two.apps.example.com",
        "*.two.apps.example.com",
        "*.apps.example.com",
        "one.apps.example.com",
        "a.b.one.apps.example.com",
        "web.xone.apps.example.com",
    ] {
        let asked = |secret: &str| Way::create(host, &ingresses(), &wildcard(host, secret)).by("kwo-hosts");
        ways.extend([asked("kwo-wildcard-tls"), asked("")]);
        ways.push(certificate(host, json!({"dnsNames": [host]})).by("kwo-hosts"));
    }
    let pair = json!({"tls.crt": "LS0t", "tls.key": "LS0t"});
    let secret =
        object("v1", "Secret", "kwo-wildcard-tls", &json!({"type": "kubernetes.io/tls", "data": pair}));
    ways.push(Way::create("the Secret of its wildcard", &core(ONE, "secrets"), &secret).by("kwo-hosts"));
    ways
}
