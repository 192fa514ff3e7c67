//! Hosts of others, asked for in every way and in every spelling.

use serde_json::{Value, json};

use crate::escapes::way::{APPLY, MERGE, STRATEGIC, Way, core, group, object};
use crate::escapes::world::{ONE, TENANTS, TWO, Who, World};

const TRAEFIK: &str =
    "cluster: {acme: {email: ops@example.com}}\nregistry: {hosts: [registry.example.com]}\n";

fn paths() -> Value {
    json!({"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]})
}

pub(crate) fn ingress(rest: &Value) -> Value {
    let mut spec = json!({"rules": [{"host": "one.example.com", "http": paths()}]});
    for (key, value) in rest["spec"].as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    object(
        "networking.k8s.io/v1",
        "Ingress",
        "escape",
        &json!({"metadata": rest["metadata"].as_object().cloned().unwrap_or_default(), "spec": spec}),
    )
}

pub(crate) fn ingresses() -> String {
    group("networking.k8s.io/v1", ONE, "ingresses")
}

/// An Ingress for the tenant's own host, with one annotation.
fn noted(key: &str, value: &str) -> Value {
    ingress(&json!({"metadata": {"annotations": {key: value}}}))
}

#[test]
fn no_spelling_of_a_host_is_another_tenants() {
    let Some(world) = World::with(TRAEFIK) else { return };
    let mut ways: Vec<Way> = Vec::new();
    // What the API server itself takes for a host.
    for host in [
        "two.example.com",
        "registry.example.com",
        "example.com",
        "*.example.com",
        "*.com",
        "a.b.one.example.com",
        "xone.example.com",
        "one.example.com.two.example.com",
        "one.example.org",
        "*.two.example.com",
        "xn--n-9fa.example.com",
        "kubernetes.default.svc",
        "localhost",
        "*.a.one.example.com",
        "one-example.com",
    ] {
        let spec = json!({"spec": {"rules": [{"host": host, "http": paths()}]}});
        ways.push(Way::create(&format!("the host {host}"), &ingresses(), &ingress(&spec)).by("kwo-hosts"));
        let tls = json!({"spec": {"tls": [{"hosts": [host]}]}});
        ways.push(Way::create(&format!("{host} under tls"), &ingresses(), &ingress(&tls)).by("kwo-hosts"));
        let second =
            json!({"spec": {"rules": [{"host": "one.example.com", "http": paths()}, {"host": host}]}});
        ways.push(
            Way::create(&format!("{host} as the second"), &ingresses(), &ingress(&second)).by("kwo-hosts"),
        );
    }
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    for (name, spec) in [
        ("no host", json!({"rules": [{"http": paths()}]})),
        ("an empty host", json!({"rules": [{"host": "", "http": paths()}]})),
        ("a default backend", json!({"defaultBackend": backend})),
        ("only a default backend", json!({"rules": [], "defaultBackend": backend})),
        (
            "a backend that is not a Service",
            json!({"rules": [{"host": "one.example.com", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"resource": {"apiGroup": "traefik.io", "kind": "TraefikService", "name": "api@internal"}}}]}}]}),
        ),
        (
            "a path that ends the rule",
            json!({"rules": [{"host": "one.example.com", "http": {"paths": [
            {"path": "/`) || Host(`two.example.com", "pathType": "ImplementationSpecific", "backend": backend}]}}]}),
        ),
        (
            "a path that ends the location",
            json!({"rules": [{"host": "one.example.com", "http": {"paths": [
            {"path": "/x{return 200;}", "pathType": "ImplementationSpecific", "backend": backend}]}}]}),
        ),
        ("a Secret of its own", json!({"tls": [{"hosts": ["one.example.com"], "secretName": "fake"}]})),
        ("a Secret of its own for no host", json!({"tls": [{"secretName": "fake"}]})),
        (
            "a Secret that is not there",
            json!({"tls": [{"hosts": ["*.one.example.com"], "secretName": "kwo-domains-tls"}]}),
        ),
    ] {
        ways.push(Way::create(name, &ingresses(), &ingress(&json!({"spec": spec}))).by("kwo-hosts"));
    }
    world.works_for_an_admin(&ways);
    // These are no host to the API server either.
    for host in [
        "Two.Example.com",
        "two.example.com.",
        ".example.com",
        "two.example.com:443",
        "*",
        "a.*.example.com",
        "zwei\u{e4}.example.com",
        "10.0.0.1",
        "[::1]",
        "two.example.com/",
        " two.example.com",
        "**.example.com",
    ] {
        let spec = json!({"spec": {"rules": [{"host": host, "http": paths()}]}});
        ways.push(Way::create(&format!("the host {host}"), &ingresses(), &ingress(&spec)));
    }
    let web = format!("{}/web", ingresses());
    let other = ingress(&json!({"spec": {"rules": [{"host": "two.example.com", "http": paths()}]}}));
    let mut other = other;
    other["metadata"]["name"] = json!("web");
    ways.extend([
        Way::patch(
            "another host by a patch",
            &web,
            MERGE,
            &json!({"spec": {"rules": [{"host": "two.example.com"}]}}),
        )
        .by("kwo-hosts"),
        Way::patch("a Secret by a patch", &web, MERGE, &json!({"spec": {"tls": [{"secretName": "fake"}]}}))
            .by("kwo-hosts"),
        Way::new("another host by PUT", "PUT", &web, &other).by("kwo-hosts"),
        Way::patch("another host by apply", &format!("{web}?fieldManager=me&force=true"), APPLY, &other)
            .by("kwo-hosts"),
    ]);
    world.refuses(&TENANTS, &ways);

    let fine: Vec<Way> = ["one.example.com", "a.one.example.com", "*.one.example.com"]
        .iter()
        .map(|host| json!({"spec": {"rules": [{"host": host, "http": paths()}], "tls": [{"hosts": [host]}]}}))
        .map(|spec| Way::create("its own", &format!("{}?dryRun=All", ingresses()), &ingress(&spec)))
        .collect();
    TENANTS.into_iter().for_each(|who| world.allows(who, &fine));
}

/// `**` is every name below a domain, and no other.
#[test]
fn what_is_below_a_domain_is_judged_by_its_whole_name() {
    let Some(world) = World::with(TRAEFIK) else { return };
    let rule = |host: &str| ingress(&json!({"spec": {"rules": [{"host": host, "http": paths()}]}}));
    let main = "traefik.ingress.kubernetes.io/router.tls.domains.0.main";
    let mut ways = Vec::new();
    for host in [
        "deep.example.com",
        "evildeep.example.com",
        "a.evildeep.example.com",
        "x-deep.example.com",
        "*.evildeep.example.com",
        "a.deep.example.com.two.example.com",
        "a.deep.example.org",
        "*.example.com",
    ] {
        ways.push(Way::create(&format!("the host {host}"), &ingresses(), &rule(host)).by("kwo-hosts"));
        ways.push(
            Way::create(&format!("a certificate for {host}"), &ingresses(), &noted(main, host))
                .by("kwo-hosts"),
        );
    }
    // The API server judges no host in an annotation.
    for host in [
        "A.deep.example.com",
        "a.deep.example.com.",
        ".deep.example.com",
        "a..deep.example.com",
        "**.deep.example.com",
        "*.*.deep.example.com",
        "a.*.deep.example.com",
        "two.example.com/.deep.example.com",
        "two.example.com .deep.example.com",
        "two.example.com;x.deep.example.com",
        "`) || Host(`a.deep.example.com",
        "two.example.com\n.deep.example.com",
        "-.deep.example.com",
    ] {
        ways.push(
            Way::create(&format!("a certificate for {host}"), &ingresses(), &noted(main, host))
                .by("kwo-hosts"),
        );
    }
    world.works_for_an_admin(&ways);
    for host in ["A.Deep.example.com", "a.deep.example.com.", "**.deep.example.com", "a.*.deep.example.com"] {
        ways.push(Way::create(&format!("the host {host}"), &ingresses(), &rule(host)));
    }
    world.refuses(&TENANTS, &ways);

    let dry = format!("{}?dryRun=All", ingresses());
    let below =
        ["a.deep.example.com", "a.b.c.deep.example.com", "*.deep.example.com", "*.b.deep.example.com"];
    let rules = below.iter().map(|host| Way::create(host, &dry, &rule(host)));
    let certificates = below.iter().map(|host| Way::create(host, &dry, &noted(main, host)));
    let fine: Vec<Way> = rules.chain(certificates).collect();
    TENANTS.into_iter().for_each(|who| world.allows(who, &fine));
}

/// Both tenants may serve it; all else stays with the one that has it.
#[test]
fn a_shared_host_is_served_by_those_who_share_it() {
    let Some(world) = World::with(TRAEFIK) else { return };
    let of = |namespace: &str, host: &str, dry: &str| {
        let spec = json!({"spec": {"rules": [{"host": host, "http": paths()}], "tls": [{"hosts": [host]}]}});
        let path = format!("{}{dry}", group("networking.k8s.io/v1", namespace, "ingresses"));
        Way::create(&format!("{host} in {namespace}"), &path, &ingress(&spec)).by("kwo-hosts")
    };
    let dry = "?dryRun=All";
    world.allows(Who::Owner, &[of(ONE, "shared.example.com", dry)]);
    world.allows(Who::Neighbour, &[of(TWO, "shared.example.com", dry), of(TWO, "two.example.com", dry)]);
    let below = ["a.shared.example.com", "*.shared.example.com", "xshared.example.com"];
    let ways: Vec<Way> = below.iter().chain(&["two.example.com"]).map(|host| of(ONE, host, "")).collect();
    world.refuses(&TENANTS, &ways);
    let others = ["one.example.com", "a.deep.example.com"];
    let ways: Vec<Way> = below.iter().chain(&others).map(|host| of(TWO, host, "")).collect();
    world.refuses(&[Who::Neighbour], &ways);
    world.refuses(&[Who::Owner], &[of("open", "shared.example.com", "")]);
}

#[test]
fn no_annotation_asks_for_more_than_the_tenants_hosts() {
    let Some(world) = World::with(TRAEFIK) else { return };
    let traefik = "traefik.ingress.kubernetes.io/router";
    let mut ways: Vec<Way> = [
        (format!("{traefik}.tls.domains.0.main"), "two.example.com"),
        (format!("{traefik}.tls.domains.0.sans"), "one.example.com,two.example.com"),
        (format!("{traefik}.tls.domains.12.main"), "*.example.com"),
        (format!("{traefik}.tls.domains"), "two.example.com"),
        (format!("{traefik}.entrypoints"), "metrics"),
        (format!("{traefik}.entrypoints"), "websecure, traefik"),
        (format!("{traefik}.middlewares"), "two-auth@kubernetescrd"),
        (format!("{traefik}.middlewares"), "api@internal"),
        (format!("{traefik}.tls.options"), "two-weak@kubernetescrd"),
        (format!("{traefik}.priority"), "1000000"),
        (format!("{traefik}.pathmatcher"), "Path(`/x`) || Host(`two.example.com`) || PathPrefix"),
        (format!("{traefik}.rule"), "Host(`two.example.com`)"),
        (format!("{traefik}.observability.accesslogs"), "false"),
        ("cert-manager.io/common-name".to_owned(), "two.example.com"),
        ("cert-manager.io/alt-names".to_owned(), "two.example.com"),
        ("cert-manager.io/ip-sans".to_owned(), "10.0.0.1"),
        ("cert-manager.io/uri-sans".to_owned(), "spiffe://two"),
        ("cert-manager.io/secret-template".to_owned(), "{\"labels\":{\"kwo.dev/managed\":\"true\"}}"),
        ("cert-manager.io/issuer".to_owned(), "own"),
        ("acme.cert-manager.io/http01-ingress-ingressclassname".to_owned(), "internal"),
        ("nginx.ingress.kubernetes.io/server-alias".to_owned(), "two.example.com"),
        ("nginx.ingress.kubernetes.io/server-snippet".to_owned(), "return 200;"),
        ("nginx.ingress.kubernetes.io/configuration-snippet".to_owned(), "return 200;"),
        ("nginx.ingress.kubernetes.io/auth-snippet".to_owned(), "return 200;"),
        ("nginx.ingress.kubernetes.io/auth-url".to_owned(), "http://10.0.0.1/"),
        ("nginx.ingress.kubernetes.io/auth-tls-secret".to_owned(), "two/ca"),
        ("nginx.ingress.kubernetes.io/upstream-vhost".to_owned(), "two.example.com"),
        ("nginx.ingress.kubernetes.io/backend-protocol".to_owned(), "HTTP;}"),
        ("nginx.ingress.kubernetes.io/permanent-redirect".to_owned(), "https://two.example.com"),
        ("nginx.org/server-snippets".to_owned(), "return 200;"),
        ("ingress.kubernetes.io/custom-request-headers".to_owned(), "a:b"),
        ("haproxy.org/backend-config-snippet".to_owned(), "x"),
        ("haproxy-ingress.github.io/config-backend".to_owned(), "x"),
        ("haproxy-ingress.github.io/server-alias".to_owned(), "two.example.com"),
        ("alb.ingress.kubernetes.io/group.name".to_owned(), "shared"),
        ("external-dns.alpha.kubernetes.io/hostname".to_owned(), "two.example.com"),
        ("external-dns.alpha.kubernetes.io/target".to_owned(), "10.0.0.1"),
        ("external-dns.kubernetes.io/hostname".to_owned(), "two.example.com"),
        ("konghq.com/plugins".to_owned(), "x"),
        ("konghq.com/host-aliases".to_owned(), "two.example.com"),
        ("projectcontour.io/websocket-routes".to_owned(), "/"),
        ("dns.gardener.cloud/dnsnames".to_owned(), "two.example.com"),
        ("cert.gardener.cloud/commonname".to_owned(), "two.example.com"),
        ("zalando.org/skipper-routes".to_owned(), "r: Host(/two/) -> \"http://203.0.113.1\""),
        ("certmanager.k8s.io/common-name".to_owned(), "two.example.com"),
        ("kubernetes.io/ingress.global-static-ip-name".to_owned(), "of-two"),
    ]
    .iter()
    .map(|(key, value)| Way::create(key, &ingresses(), &noted(key, value)).by("kwo-hosts"))
    .collect();
    let services = core(ONE, "services");
    for (key, value) in [
        ("external-dns.alpha.kubernetes.io/hostname", "two.example.com"),
        ("external-dns.alpha.kubernetes.io/internal-hostname", "two.example.com"),
        ("metallb.io/loadBalancerIPs", "10.1.2.3"),
        ("metallb.universe.tf/allow-shared-ip", "x"),
        ("kube-vip.io/loadbalancerIPs", "10.1.2.3"),
        ("io.cilium/lb-ipam-ips", "10.1.2.3"),
        ("lbipam.cilium.io/ips", "10.1.2.3"),
        ("service.cilium.io/global", "true"),
        ("getambassador.io/config", "host: two.example.com"),
        ("load-balancer.hetzner.cloud/name", "of-two"),
        ("kubernetes.digitalocean.com/load-balancer-id", "x"),
        ("oci.oraclecloud.com/load-balancer-type", "nlb"),
        ("loadbalancer.openstack.org/load-balancer-id", "x"),
        ("service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type", "public"),
        ("example.com/load-balancer-id", "x"),
        ("dns.alpha.kubernetes.io/external", "two.example.com"),
        ("tailscale.com/hostname", "two"),
        ("service.beta.kubernetes.io/aws-load-balancer-eip-allocations", "x"),
        ("traefik.ingress.kubernetes.io/service.serverstransport", "two-mtls@kubernetescrd"),
    ] {
        let body = object(
            "v1",
            "Service",
            "escape",
            &json!({"metadata": {"annotations": {key: value}}, "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}}),
        );
        ways.push(Way::create(key, &services, &body).by("kwo-hosts"));
    }
    let pod = object(
        "v1",
        "Pod",
        "escape",
        &json!({"metadata": {"annotations": {"external-dns.alpha.kubernetes.io/hostname": "two.example.com"}}, "spec": crate::escapes::world::pod()}),
    );
    ways.push(Way::create("a pod's name", &core(ONE, "pods"), &pod).by("kwo-hosts"));
    world.works_for_an_admin(&ways);
    ways.push(Way::patch("added later", &format!("{}/web", ingresses()), MERGE,
        &json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/server-alias": "two.example.com"}}})).by("kwo-hosts"));
    world.refuses(&TENANTS, &ways);

    let fine: Vec<Way> = [
        (format!("{traefik}.tls"), "true"),
        (format!("{traefik}.tls.certresolver"), "letsencrypt"),
        (format!("{traefik}.tls.domains.0.main"), "one.example.com"),
        (format!("{traefik}.tls.domains.0.sans"), "*.one.example.com,a.one.example.com"),
        (format!("{traefik}.entrypoints"), "web, websecure"),
        (format!("{traefik}.pathmatcher"), "PathPrefix"),
        ("nginx.ingress.kubernetes.io/proxy-body-size".to_owned(), "8m"),
        ("kubectl.kubernetes.io/last-applied-configuration".to_owned(), "{}"),
        ("meta.helm.sh/release-name".to_owned(), "web"),
        ("example.com/of-mine".to_owned(), "two.example.com"),
        ("kubernetes.io/ingress.class".to_owned(), "traefik"),
        ("kubernetes.io/tls-acme".to_owned(), "true"),
    ]
    .iter()
    .map(|(key, value)| Way::create(key, &format!("{}?dryRun=All", ingresses()), &noted(key, value)))
    .collect();
    TENANTS.into_iter().for_each(|who| world.allows(who, &fine));
}

/// A role of the admin's own may hold every right there is, also to a status, by which metadata is written as well.
#[test]
fn no_status_asks_for_more_than_the_tenants_hosts() {
    let Some(world) = World::with(TRAEFIK) else { return };
    let status = format!("{}/web/status", ingresses());
    let noted = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
    let mut ways = Vec::new();
    for (key, value) in [
        ("nginx.ingress.kubernetes.io/server-alias", "two.example.com"),
        ("nginx.ingress.kubernetes.io/server-snippet", "return 200;"),
        ("traefik.ingress.kubernetes.io/router.middlewares", "two-auth@kubernetescrd"),
    ] {
        for form in [MERGE, STRATEGIC] {
            ways.push(Way::patch(key, &status, form, &noted(key, value)).by("kwo-hosts"));
        }
    }
    let services = format!("{}/web/status", core(ONE, "services"));
    ways.push(
        Way::patch(
            "a name of a Service",
            &services,
            MERGE,
            &noted("external-dns.alpha.kubernetes.io/hostname", "two.example.com"),
        )
        .by("kwo-"),
    );
    for (api, kind, plural) in [
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
        ("cert-manager.io/v1", "CertificateRequest", "certificaterequests"),
    ] {
        let path = group(api, ONE, plural);
        let there = object(api, kind, "there", &json!({"spec": {"request": "LS0t"}}));
        let made = world.answer(Who::Admin, &Way::create("there", &path, &there));
        assert!([201, 409].contains(&made.status), "{}", made.text);
        let forged =
            json!({"status": {"certificate": "LS0t", "conditions": [{"type": "Ready", "status": "True"}]}});
        ways.push(Way::patch(kind, &format!("{path}/there/status"), MERGE, &forged).by("kwo-hosts"));
    }
    world.works_for_an_admin(&ways);
    world.refuses(&[Who::Everything], &ways);
}

/// The policies of network plugins go before those of Kubernetes or add to them, and charts let owners write them.
#[test]
fn no_policy_of_a_network_plugin_opens_what_is_isolated() {
    let Some(world) = World::with(TRAEFIK) else { return };
    let mut ways = Vec::new();
    for (api, kind, plural) in [
        ("crd.antrea.io/v1", "NetworkPolicy", "networkpolicies"),
        ("cilium.io/v1", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
        ("crd.projectcalico.org/v1", "NetworkPolicy", "networkpolicies"),
        ("crd.projectcalico.org/v1", "NetworkSet", "networksets"),
    ] {
        let open = object(api, kind, "escape", &json!({"spec": {"egress": [{"toCIDR": ["0.0.0.0/0"]}]}}));
        ways.push(Way::create(&format!("{api} {kind}"), &group(api, ONE, plural), &open).by("kwo-tiers"));
    }
    world.works_for_an_admin(&ways);
    world.refuses(&TENANTS, &ways);
}

#[test]
fn kinds_whose_hosts_cannot_be_judged_are_refused() {
    let Some(world) = World::with(TRAEFIK) else { return };
    let traefik = |kind: &str, plural: &str, spec: Value| {
        Way::create(
            kind,
            &group("traefik.io/v1alpha1", ONE, plural),
            &object("traefik.io/v1alpha1", kind, "escape", &json!({"spec": spec})),
        )
        .by("kwo-hosts")
    };
    let other = |api: &str, kind: &str, plural: &str, spec: Value| {
        Way::create(kind, &group(api, ONE, plural), &object(api, kind, "escape", &json!({"spec": spec})))
            .by("kwo-hosts")
    };
    let gateway = "gateway.networking.k8s.io/v1";
    let ways = [
        traefik(
            "IngressRoute",
            "ingressroutes",
            json!({"routes": [{"kind": "Rule", "match": "Host(`two.example.com`)"}]}),
        ),
        traefik("IngressRouteTCP", "ingressroutetcps", json!({"routes": [{"match": "HostSNI(`*`)"}]})),
        traefik("IngressRouteUDP", "ingressrouteudps", json!({"routes": []})),
        traefik("TLSStore", "tlsstores", json!({"defaultCertificate": {"secretName": "fake"}})),
        traefik("TLSOption", "tlsoptions", json!({})),
        traefik(
            "Middleware",
            "middlewares",
            json!({"redirectRegex": {"regex": ".*", "replacement": "https://two.example.com"}}),
        ),
        traefik("MiddlewareTCP", "middlewaretcps", json!({})),
        traefik("ServersTransport", "serverstransports", json!({"insecureSkipVerify": true})),
        traefik("TraefikService", "traefikservices", json!({})),
        other(gateway, "HTTPRoute", "httproutes", json!({"hostnames": ["two.example.com"]})),
        other(gateway, "Gateway", "gateways", json!({"listeners": []})),
        other(gateway, "ReferenceGrant", "referencegrants", json!({"from": []})),
        other("acme.cert-manager.io/v1", "Challenge", "challenges", json!({"dnsName": "two.example.com"})),
        other(
            "externaldns.k8s.io/v1",
            "DNSEndpoint",
            "dnsendpoints",
            json!({"endpoints": [{"dnsName": "two.example.com"}]}),
        ),
        other("helm.cattle.io/v1", "HelmChart", "helmcharts", json!({"chart": "x"})),
    ];
    world.works_for_an_admin(&ways);
    world.refuses(&TENANTS, &ways);
}

/// A roster that speaks of a host anywhere protects it.
#[test]
fn the_registrys_host_is_protected_where_no_tenant_has_one() {
    let Some(world) = World::with(TRAEFIK) else { return };
    let path = group("networking.k8s.io/v1", "open", "ingresses");
    let ways: Vec<Way> = ["registry.example.com", "two.example.com", "anything.example.org"]
        .iter()
        .map(|host| json!({"spec": {"rules": [{"host": host, "http": paths()}]}}))
        .map(|spec| Way::create("a host of no tenant", &path, &ingress(&spec)).by("kwo-hosts"))
        .collect();
    world.refuses(&[Who::Owner], &ways);
}
