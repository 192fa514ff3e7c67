//! The annotations by which ingress controllers, cert-manager, external-dns and balancers are asked for more than the
//! object itself says: another host, another port, another tenant's middleware. Of their domains a tenant may use those
//! that are listed here, and none besides: a controller's next version knows one more.

use super::admission::rule_of_hosts;
use super::hosts::own;
use crate::tree::Tree;

/// The domains of the controllers, as ends of what stands before the `/`; one that ends with `*` goes on in any way.
const DOMAINS: &[&str] = &[
    "ingress.kubernetes.io",
    "service.kubernetes.io",
    "service.beta.kubernetes.io",
    "dns.alpha.kubernetes.io",
    "nginx.org",
    "nginx.com",
    "traefik.io",
    "cert-manager.io",
    "certmanager.k8s.io",
    "external-dns*",
    "haproxy.org",
    "haproxy.com",
    "haproxy-ingress.github.io",
    "konghq.com",
    "getambassador.io",
    "projectcontour.io",
    "metallb.io",
    "metallb.universe.tf",
    "kube-vip.io",
    "cilium.io",
    "io.cilium",
    "purelb.io",
    "openelb.io",
    "kubesphere.io",
    "loadbalancer*",
    "load-balancer*",
    "networking.gke.io",
    "cloud.google.com",
    "k8s.apisix.apache.org",
    "gateway.envoyproxy.io",
    "networking.istio.io",
    "svccontroller.k3s.cattle.io",
    "gardener.cloud",
    "zalando.org",
    "digitalocean.com",
    "hetzner.cloud",
    "oraclecloud.com",
    "civo.com",
    "equinix.com",
    "scaleway.com",
    "appscode.com",
    "pomerium.io",
    "ngrok.com",
    "tailscale.com",
    "strrl.dev",
];

/// How names begin that ask an ingress controller without a domain of its own.
const OF_INGRESS: &str = "kubernetes.io/ingress.";

/// Words that ask a balancer, in whatever domain.
const BALANCERS: [&str; 2] = ["loadbalancer", "load-balancer"];

/// Those that say nothing about hosts and take any value.
const HARMLESS: &[&str] = &[
    "acme.cert-manager.io/http01-edit-in-place",
    "cert-manager.io/cluster-issuer",
    "cert-manager.io/duration",
    "cert-manager.io/private-key-algorithm",
    "cert-manager.io/private-key-encoding",
    "cert-manager.io/private-key-rotation-policy",
    "cert-manager.io/private-key-size",
    "cert-manager.io/renew-before",
    "cert-manager.io/revision-history-limit",
    "kubernetes.io/ingress.class",
    "nginx.ingress.kubernetes.io/force-ssl-redirect",
    "nginx.ingress.kubernetes.io/ssl-redirect",
    "service.kubernetes.io/topology-aware-hints",
    "service.kubernetes.io/topology-mode",
    "traefik.ingress.kubernetes.io/router.tls",
    "traefik.ingress.kubernetes.io/router.tls.certresolver",
    "traefik.ingress.kubernetes.io/service.nativelb",
    "traefik.ingress.kubernetes.io/service.passhostheader",
    "traefik.ingress.kubernetes.io/service.serversscheme",
    "traefik.ingress.kubernetes.io/service.sticky.cookie",
    "traefik.ingress.kubernetes.io/service.sticky.cookie.httponly",
    "traefik.ingress.kubernetes.io/service.sticky.cookie.name",
    "traefik.ingress.kubernetes.io/service.sticky.cookie.samesite",
    "traefik.ingress.kubernetes.io/service.sticky.cookie.secure",
];

/// Those whose values are written into the controller's settings as they are, so that they may only be plain words.
const PLAIN: &[&str] = &[
    "nginx.ingress.kubernetes.io/backend-protocol",
    "nginx.ingress.kubernetes.io/proxy-body-size",
    "nginx.ingress.kubernetes.io/proxy-buffering",
    "nginx.ingress.kubernetes.io/proxy-connect-timeout",
    "nginx.ingress.kubernetes.io/proxy-read-timeout",
    "nginx.ingress.kubernetes.io/proxy-request-buffering",
    "nginx.ingress.kubernetes.io/proxy-send-timeout",
];

/// Does the annotation ask a controller for more than tenants may, as the rule below has it? `own` are their hosts.
pub(crate) fn asks_for_more(key: &str, value: &str, own: impl Fn(&str) -> bool) -> bool {
    let Some((domain, rest)) = key.split_once('/') else { return false };
    let ends = |known: &str| {
        let begins = domain.match_indices('.').map(|(at, _)| at + 1);
        let mut parts = std::iter::once(0).chain(begins).filter_map(|at| domain.get(at..));
        match known.strip_suffix('*') {
            Some(known) => parts.any(|part| part.starts_with(known)),
            None => parts.any(|part| part == known),
        }
    };
    let asks = key.starts_with(OF_INGRESS) || BALANCERS.iter().any(|word| rest.contains(word));
    if !asks && !DOMAINS.iter().any(|known| ends(known)) {
        return false;
    }
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '.';
    let router = if domain == "traefik.ingress.kubernetes.io" { rest.strip_prefix("router.") } else { None };
    let allowed = match router {
        Some("entrypoints") => value.split(',').all(|point| ["web", "websecure"].contains(&point.trim())),
        Some("pathmatcher") => ["Path", "PathPrefix"].contains(&value),
        Some(router) => router
            .strip_prefix("tls.domains.")
            .and_then(|rest| rest.split_once('.'))
            .is_some_and(|(number, part)| {
                let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                numbered && ["main", "sans"].contains(&part) && value.split(',').all(&own)
            }),
        None => false,
    };
    !(allowed || HARMLESS.contains(&key) || (PLAIN.contains(&key) && value.chars().all(plain)))
}

/// Which keys ask a controller, as a regular expression.
fn asking() -> String {
    let written = |text: &str| text.replace('.', "[.]").replace('*', "[^/]*");
    let domains: Vec<String> = DOMAINS.iter().map(|domain| written(domain)).collect();
    let words = BALANCERS.join("|");
    format!("^([^/]*[.])?({})/|^{}|/.*({words})", domains.join("|"), written(OF_INGRESS))
}

/// The annotations of the object, and of these the ones for controllers that were not there before.
pub(super) fn variables() -> Vec<(&'static str, String)> {
    vec![
        ("annotations", "object.?metadata.?annotations.orValue({})".to_owned()),
        (
            "before",
            "request.operation == 'UPDATE' && oldObject != null ? oldObject.?metadata.?annotations.orValue({}) : {}"
                .to_owned(),
        ),
        (
            "asked",
            format!(
                "variables.annotations.filter(k, k.matches('{}') \
                 && !(k in variables.before && variables.before[k] == variables.annotations[k]))",
                asking()
            ),
        ),
    ]
}

/// The rules over them.
pub(super) fn rules() -> Vec<Tree> {
    let list = |keys: &[&str]| keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
    let traefik = "traefik.ingress.kubernetes.io/router";
    let value = "variables.annotations[k]";
    let allowed = format!(
        "variables.asked.all(k, k in [{}] || (k in [{}] && {value}.matches('^[A-Za-z0-9.]*$')) \
         || (k == '{traefik}.entrypoints' && {value}.split(',').all(e, e.trim() in ['web', 'websecure'])) \
         || (k == '{traefik}.pathmatcher' && {value} in ['Path', 'PathPrefix']) \
         || (k.matches('^{}[.]tls[.]domains[.][0-9]+[.](main|sans)$') \
         && {value}.split(',').all(h, {})))",
        list(HARMLESS),
        list(PLAIN),
        traefik.replace('.', "[.]"),
        own("h")
    );
    vec![rule_of_hosts(
        allowed,
        "an annotation for the ingress controller, cert-manager, external-dns or a balancer is none of those that \
         tenants may use, or asks for more than the hosts of the tenant: ",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_a_controller_for_more_is_told_from_what_is_harmless() {
        let own = |host: &str| host == "a.example.com";
        for (key, value, more) in [
            ("traefik.ingress.kubernetes.io/router.tls", "true", false),
            ("traefik.ingress.kubernetes.io/router.entrypoints", "web, websecure", false),
            ("traefik.ingress.kubernetes.io/router.entrypoints", "metrics", true),
            ("traefik.ingress.kubernetes.io/router.pathmatcher", "PathRegexp", true),
            ("traefik.ingress.kubernetes.io/router.tls.domains.0.main", "a.example.com", false),
            ("traefik.ingress.kubernetes.io/router.tls.domains.0.sans", "a.example.com,b.example.com", true),
            ("traefik.ingress.kubernetes.io/router.tls.domains.x.main", "a.example.com", true),
            ("traefik.ingress.kubernetes.io/router.middlewares", "x@file", true),
            ("nginx.ingress.kubernetes.io/server-alias", "bob.example.com", true),
            ("nginx.ingress.kubernetes.io/proxy-body-size", "8m", false),
            ("nginx.ingress.kubernetes.io/proxy-body-size", "8m; x", true),
            ("cert-manager.io/cluster-issuer", "letsencrypt", false),
            ("cert-manager.io/common-name", "bob.example.com", true),
            ("external-dns.alpha.kubernetes.io/hostname", "bob.example.com", true),
            ("my.external-dnsx/hostname", "bob.example.com", true),
            ("dns.gardener.cloud/dnsnames", "bob.example.com", true),
            ("example.com/my-load-balancer-id", "x", true),
            ("kubernetes.io/ingress.global-static-ip-name", "x", true),
            ("kubernetes.io/ingress.class", "traefik", false),
            ("kubernetes.io/tls-acme", "true", false),
            ("metallb.universe.tf/loadBalancerIPs", "10.0.0.1", true),
            ("example.com/nginx.org", "x", false),
            ("notnginx.org/x", "x", false),
            ("team", "x", false),
        ] {
            assert_eq!(asks_for_more(key, value, own), more, "{key}: {value}");
        }
    }
}
