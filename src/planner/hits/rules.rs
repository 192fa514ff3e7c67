//! What kwo's admission policies make of one namespace: which of them hold there, and with which words of its annotations.
//! Held against an object by the files beside this one, which mean the same as the expressions in `domains/`.

use crate::domains::{
    ALWAYS, EXTERNAL_IPS, EXTERNAL_NAMES, INGRESS_CLASSES, PULL_POLICY, Policy, REGISTRIES,
    SERVICES_ANNOTATION, STORAGE_CLASSES, any_volumes, fetched_by_traefik, own_policies, wildcard_by,
};
use crate::named::{DOMAINS_ANNOTATION, TIER_LABEL};
use crate::observed::TENANT_LABEL;
use crate::tree::{SmolStr, Tree, join};

/// The policies that are judged here, and what they say where they are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Force {
    pub(super) inside: bool,
    /// The rules about hosts.
    pub(super) hosts: Option<Vec<Tree>>,
    pub(super) allowed: bool,
    /// The rules of the tiers.
    pub(super) tiers: Option<Vec<Tree>>,
}

/// What is refused in one namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Rules {
    /// What Services may do besides, where they are judged.
    pub(super) services: Option<Vec<SmolStr>>,
    pub(super) hosts: Option<Hosts>,
    pub(super) registries: Option<Vec<SmolStr>>,
    pub(super) always_pulls: bool,
    pub(super) ingress_classes: Option<Vec<SmolStr>>,
    pub(super) storage_classes: Option<Vec<SmolStr>>,
    /// The tenant may write no network policies.
    pub(super) no_policies: bool,
    /// Its pods may have no volumes of the network.
    pub(super) no_network_volumes: bool,
}

/// Whose hosts, and who fetches the certificates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Hosts {
    pub(super) own: Vec<SmolStr>,
    pub(super) traefik: bool,
    /// The Secret of the wildcard of the namespace, where it has one.
    pub(super) wildcard: Option<SmolStr>,
}

/// One rule that an object breaks.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) of: Policy,
    pub(super) why: &'static str,
    /// What of the object.
    pub(super) what: SmolStr,
}

impl Rules {
    /// The rules for a namespace with this content.
    pub(super) fn of(body: &Tree, force: &Force) -> Rules {
        if body.at(&join("/metadata/labels", TENANT_LABEL)).is_none() {
            return Rules::default();
        }
        let said = |key: &str| body.at(&join("/metadata/annotations", key)).and_then(Tree::as_text);
        let words = |key: &str| -> Option<Vec<SmolStr>> {
            Some(said(key)?.split(',').filter(|word| !word.is_empty()).map(SmolStr::from).collect())
        };
        let allowed = |key: &str| force.allowed.then(|| words(key)).flatten();
        let tier = body.at(&join("/metadata/labels", TIER_LABEL)).and_then(Tree::as_text);
        let tier = tier.map_or("", SmolStr::as_str);
        Rules {
            services: force.inside.then(|| words(SERVICES_ANNOTATION).unwrap_or_default()),
            hosts: force.hosts.as_ref().map(|rules| {
                let own = words(DOMAINS_ANNOTATION).unwrap_or_default();
                let name = body.at("/metadata/name").and_then(Tree::as_text).map_or("", SmolStr::as_str);
                let wildcard = wildcard_by(rules, name);
                let wildcard = wildcard.filter(|(_, host)| own.iter().any(|own| own == host.as_str()));
                let wildcard = wildcard.map(|(secret, _)| secret);
                Hosts { own, traefik: fetched_by_traefik(rules), wildcard }
            }),
            registries: allowed(REGISTRIES),
            always_pulls: force.allowed && said(PULL_POLICY).is_some_and(|policy| policy == ALWAYS),
            ingress_classes: allowed(INGRESS_CLASSES),
            storage_classes: allowed(STORAGE_CLASSES),
            no_policies: force.tiers.as_ref().is_some_and(|rules| !own_policies(rules, tier)),
            no_network_volumes: force.tiers.as_ref().is_some_and(|rules| !any_volumes(rules, tier)),
        }
    }

    /// What it breaks that it did not break by the rules before.
    pub(super) fn newly(&self, before: &Rules, broken: impl Fn(&Rules) -> Vec<Broken>) -> Vec<Broken> {
        let mut now = broken(self);
        if !now.is_empty() {
            let was = broken(before);
            now.retain(|broken| !was.iter().any(|was| was.why == broken.why));
        }
        now
    }
}

/// What of a Service is refused.
pub(super) fn service(rules: &Rules, service: &Tree) -> Vec<Broken> {
    let broken = |of, why, what: &str| Broken { of, why, what: what.into() };
    let mut found = super::hosts::annotations(rules, service);
    let Some(allowed) = &rules.services else { return found };
    let text = |pointer: &str| service.at(pointer).and_then(Tree::as_text).map_or("", |text| text.as_str());
    let has = |word: &str| allowed.iter().any(|have| have == word);
    let external = service.at("/spec/externalIPs").map_or(&[][..], Tree::items);
    if !external.is_empty() && !has(EXTERNAL_IPS) {
        let all: Vec<&str> = external.iter().filter_map(|ip| Some(ip.as_text()?.as_str())).collect();
        found.push(broken(
            Policy::Inside,
            "it has externalIPs, which the tier does not allow",
            &all.join(", "),
        ));
    }
    let chosen = text("/spec/loadBalancerIP");
    if !chosen.is_empty() && !has(EXTERNAL_IPS) {
        let why = "it has a loadBalancerIP of its own choice, which the tier does not allow";
        found.push(broken(Policy::Inside, why, chosen));
    }
    let outside = text("/spec/type") == "ExternalName";
    if outside && !has(EXTERNAL_NAMES) {
        let why = "it is of type ExternalName, which the tier does not allow";
        found.push(broken(Policy::Inside, why, text("/spec/externalName")));
    }
    if !outside && service.at("/spec/selector").is_none_or(|selector| selector.entries().is_empty()) {
        let why = "it has no selector, and the tenant may not write its Endpoints";
        found.push(broken(Policy::Inside, why, ""));
    }
    found
}

/// What of a claim, or of the template of one, is refused.
pub(super) fn claim(rules: &Rules, claim: &Tree) -> Vec<Broken> {
    let Some(allowed) = &rules.storage_classes else { return Vec::new() };
    class(
        allowed,
        claim,
        "volume.beta.kubernetes.io/storage-class",
        "/spec/storageClassName",
        [
            "the tier does not allow its storage class",
            "it names no storage class: when it is made again, it gets the default one, and the tier has to allow that",
        ],
    )
}

/// What of an Ingress is refused.
pub(super) fn ingress(rules: &Rules, ingress: &Tree) -> Vec<Broken> {
    let mut found = super::hosts::ingress(rules, ingress);
    if let Some(allowed) = &rules.ingress_classes {
        found.extend(class(allowed, ingress, "kubernetes.io/ingress.class", "/spec/ingressClassName", [
            "the tier does not allow its class",
            "it names no class: when it is made again, it gets the default one, and the tier has to allow that",
        ]));
    }
    found
}

/// The class of an object, by its field and by the annotation of old.
fn class(
    allowed: &[SmolStr],
    object: &Tree,
    annotation: &str,
    field: &str,
    [other, none]: [&'static str; 2],
) -> Vec<Broken> {
    let places = [join("/metadata/annotations", annotation), field.to_owned()];
    let classes: Vec<&SmolStr> =
        places.iter().filter_map(|place| object.at(place).and_then(Tree::as_text)).collect();
    let foreign = classes.iter().find(|class| !allowed.contains(class));
    let broken = |why, what: SmolStr| vec![Broken { of: Policy::Allowed, why, what }];
    match (foreign, classes.is_empty()) {
        (Some(class), _) => broken(other, (*class).clone()),
        (None, true) => broken(none, SmolStr::default()),
        (None, false) => Vec::new(),
    }
}
