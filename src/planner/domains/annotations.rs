//! The annotations by which ingress controllers, cert-manager, external-dns and balancers are asked for more than the
//! object itself says: another host, another port, another tenant's middleware. Of their domains a tenant may use those
//! that are listed here, and none besides: a controller's next version knows one more.

use super::admission::rule_of_hosts;
use super::hosts::own;
use crate::tree::Tree;

/// The domains of the controllers, as ends of what stands before the `/`; in a regular expression.
const CONTROLLERS: &str = "(ingress[.]kubernetes[.]io|nginx[.](org|com)|traefik[.]io|cert-manager[.]io\
|external-dns[^/]*|haproxy[.](org|com)|haproxy-ingress[.]github[.]io|konghq[.]com|getambassador[.]io\
|projectcontour[.]io|metallb[.](io|universe[.]tf)|kube-vip[.]io|cilium[.]io|io[.]cilium|purelb[.]io|openelb[.]io\
|loadbalancer[^/]*|service[.]beta[.]kubernetes[.]io|networking[.]gke[.]io|cloud[.]google[.]com|k8s[.]apisix[.]apache[.]org\
|gateway[.]envoyproxy[.]io|networking[.]istio[.]io|svccontroller[.]k3s[.]cattle[.]io)";

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
    "nginx.ingress.kubernetes.io/force-ssl-redirect",
    "nginx.ingress.kubernetes.io/ssl-redirect",
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
                "variables.annotations.filter(k, k.matches('^([^/]*[.])?{CONTROLLERS}/') \
                 && !(k in variables.before && variables.before[k] == variables.annotations[k]))"
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
