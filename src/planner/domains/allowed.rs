//! What tenants may choose of what the cluster has, where their tier says so: registries of images, the pull policy, the
//! classes of Ingresses and of claims. One ValidatingAdmissionPolicy for all tenants, which reads the lists from the
//! annotations of the namespace and so is the same in every cluster. It is there as soon as the tier of a tenant says one
//! of these words. It judges pods and claims and not the templates of them, so controllers are judged as well.

use super::admission::{Policy, of_tenants_and_their_controllers, policy, rule, rule_with};
use super::tenants::{DEFAULT_TIER, Tenant};
use super::tiers::{BuiltInTier, PullPolicy, Tier};
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{Entry, Map, Name};
use crate::tree::Tree;

/// The annotations of a namespace that say what is allowed, as words between commas.
pub(crate) const REGISTRIES: &str = "kwo.dev/registries";
pub(crate) const PULL_POLICY: &str = "kwo.dev/pull-policy";
pub(crate) const INGRESS_CLASSES: &str = "kwo.dev/ingress-classes";
pub(crate) const STORAGE_CLASSES: &str = "kwo.dev/storage-classes";

/// The only pull policy that can be asked for.
pub(crate) const ALWAYS: &str = "Always";

/// The annotations by which classes were said before there were fields; controllers still go by them.
const OLD_INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
const OLD_STORAGE_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// What an image's name looks like once the host is written out, in a regular expression. No runtime takes another one.
const IMAGE: &str = "^[^/ ]+(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?$";

/// The policy and its binding, where a tenant's tier says one of these words; gives their ids, which whatever gives rights
/// needs first.
pub(crate) fn compile(
    tenants: &Map<Name, Tenant>,
    tiers: &Map<Name, Tier>,
    resources: &mut Vec<Resource>,
) -> Vec<ResourceId> {
    let said = tenants.values().any(|Entry { key: _, value: tenant }| {
        says_what_is_allowed(tenant.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str()), tiers)
    });
    if !said {
        return Vec::new();
    }
    let groups = ["", "networking.k8s.io"];
    // By its status, too, an object gets annotations.
    let judged = [
        "pods",
        "pods/ephemeralcontainers",
        "persistentvolumeclaims",
        "persistentvolumeclaims/status",
        "ingresses",
        "ingresses/status",
    ];
    let rules = [images(), classes()].into_iter().flatten().collect();
    let spec = of_tenants_and_their_controllers((&groups, &judged), rules, variables());
    policy(Policy::Allowed, spec, &Reason::Always, resources);
    Policy::Allowed.ids().into()
}

/// Does a tier say what its tenants may choose of what the cluster has?
fn says_what_is_allowed(name: &str, tiers: &Map<Name, Tier>) -> bool {
    let named = tiers.get(name).map(|entry| &entry.value);
    let policy = named.and_then(|tier| tier.images.pull_policy.as_ref()).map(|policy| policy.value);
    let policy = policy.or_else(|| BuiltInTier::named(name).map(|tier| tier.pull_policy));
    let lists = named.is_some_and(|tier| {
        tier.images.registries.is_some() || tier.ingress_classes.is_some() || tier.storage_classes.is_some()
    });
    lists || policy == Some(PullPolicy::Always)
}

/// What such an annotation still does where the roster no longer asks for it.
pub(crate) fn still(namespace: &str, annotation: &str, value: &str) -> Option<String> {
    Some(match annotation {
        REGISTRIES => format!("images in {namespace} still come from these registries only: {value}"),
        PULL_POLICY => format!("containers in {namespace} still have to say `imagePullPolicy: {value}`"),
        INGRESS_CLASSES => format!("Ingresses in {namespace} still name one of these classes: {value}"),
        STORAGE_CLASSES => format!("claims in {namespace} still have one of these storage classes: {value}"),
        _ => return None,
    })
}

/// What an annotation of the namespace says, if it is there.
fn said(key: &str) -> String {
    format!("namespaceObject.metadata.?annotations[?'{key}']")
}

fn variables() -> Vec<(&'static str, String)> {
    let list = |key: &str| format!("{}.orValue('').split(',').filter(w, w != '')", said(key));
    let kind = |resource: &str| format!("request.resource.resource == '{resource}'");
    let of = |object: &str| {
        format!(
            "{object}.?spec.?containers.orValue([]) + {object}.?spec.?initContainers.orValue([]) \
             + {object}.?spec.?ephemeralContainers.orValue([])"
        )
    };
    let known = "c.?name.orValue('') + ' ' + c.?image.orValue('')";
    let present = |parts: &str| format!("[{parts}].filter(o, o.hasValue()).map(o, o.value())");
    let class = |object: &str| {
        present(&format!(
            "variables.isIngress ? {object}.?metadata.?annotations[?'{OLD_INGRESS_CLASS}'] \
             : {object}.?metadata.?annotations[?'{OLD_STORAGE_CLASS}'], \
             variables.isIngress ? {object}.?spec.?ingressClassName : {object}.?spec.?storageClassName"
        ))
    };
    let updates = "request.operation == 'UPDATE'";
    vec![
        ("isPod", kind("pods")),
        ("isIngress", kind("ingresses")),
        ("isClaim", kind("persistentvolumeclaims")),
        ("registries", list(REGISTRIES)),
        ("ingressClasses", list(INGRESS_CLASSES)),
        ("storageClasses", list(STORAGE_CLASSES)),
        // What a pod has already stays as it is; only containers can be added, and their images changed.
        ("before", format!("variables.isPod && {updates} ? ({}).map(c, {known}) : []", of("oldObject"))),
        ("containers", format!("variables.isPod ? ({}).filter(c, !({known} in variables.before)) : []", of("object"))),
        (
            "volumes",
            format!("variables.isPod && !({updates}) ? object.?spec.?volumes.orValue([]) : []"),
        ),
        ("imageVolumes", "variables.volumes.filter(v, has(v.image)).map(v, v.image)".to_owned()),
        (
            "images",
            "variables.containers.map(c, c.?image.orValue('')) + variables.imageVolumes.map(p, p.?reference.orValue(''))"
                .to_owned(),
        ),
        // As the runtime reads it: the first part is a host if it looks like one, and Docker Hub is not written out.
        (
            "parts",
            "variables.images.map(i, i.split('/', 2)).map(p, p.size() == 2 && (p[0].contains('.') || p[0].contains(':') \
             || p[0] == 'localhost' || p[0] != p[0].lowerAscii()) ? [p[0].lowerAscii(), p[1]] \
             : ['docker.io', p.join('/')])"
                .to_owned(),
        ),
        // To the runtime `sha256:…` is an image of the node, whoever pulled it.
        (
            "names",
            "variables.parts.map(p, p[0] in ['docker.io', 'index.docker.io'] ? (p[1].matches('^sha[0-9]+:') ? \
             'the image id ' + p[1] : 'docker.io/' + (p[1].contains('/') ? '' : 'library/') + p[1]) \
             : p[0] + '/' + p[1])"
                .to_owned(),
        ),
        (
            "foreign",
            format!(
                "variables.names.filter(n, !(n.matches('{IMAGE}') && variables.registries.exists(r, \
                 n.startsWith(r + '/') || (r.contains('/') \
                 && (n == r || n.startsWith(r + ':') || n.startsWith(r + '@'))))))"
            ),
        ),
        ("classes", class("object")),
        ("classesBefore", format!("{updates} ? {} : []", class("oldObject"))),
        (
            "claims",
            "variables.volumes.map(v, v.?ephemeral.?volumeClaimTemplate).filter(t, t.hasValue()).map(t, t.value())"
                .to_owned(),
        ),
    ]
}

fn images() -> Vec<Tree> {
    vec![
        rule_with(
            format!("!{}.hasValue() || variables.foreign.size() == 0", said(REGISTRIES)),
            "'images may come from these registries only: ' + variables.registries.join(', ') + '; and not: ' \
             + variables.foreign.join(', ')"
                .to_owned(),
        ),
        // An image that is on the node already would run for a tenant that may not pull it.
        rule(
            format!(
                "{}.orValue('') != '{ALWAYS}' \
                 || (variables.containers.all(c, c.?imagePullPolicy.orValue('') == '{ALWAYS}') \
                 && variables.imageVolumes.all(p, p.?pullPolicy.orValue('') == '{ALWAYS}'))",
                said(PULL_POLICY)
            ),
            "in this tier every container says `imagePullPolicy: Always`, and every image volume `pullPolicy: Always`",
        ),
    ]
}

fn classes() -> Vec<Tree> {
    // What has no class goes to whoever takes it.
    let named = |which: &str, list: &str| {
        format!(
            "!variables.{which} || (variables.classes.size() > 0 && variables.classes.all(k, k in variables.{list})) \
             || (request.operation == 'UPDATE' && variables.classes == variables.classesBefore)"
        )
    };
    let claims = format!(
        "variables.claims.all(t, [t.?metadata.?annotations[?'{OLD_STORAGE_CLASS}'], t.?spec.?storageClassName]\
         .all(o, !o.hasValue() || o.value() in variables.storageClasses))"
    );
    let only = |what: &str, list: &str| format!("'{what}' + variables.{list}.join(', ')");
    vec![
        rule_with(
            format!("!{}.hasValue() || {}", said(INGRESS_CLASSES), named("isIngress", "ingressClasses")),
            only("an Ingress names one of these classes: ", "ingressClasses"),
        ),
        rule_with(
            format!(
                "!{}.hasValue() || (({}) && {claims})",
                said(STORAGE_CLASSES),
                named("isClaim", "storageClasses")
            ),
            only("a claim has one of these storage classes: ", "storageClasses"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::compile;
    use crate::domains::parse;
    use crate::resource::Desired;

    use crate::roster::{SourceFile, Sources};
    use crate::tree::SmolStr;

    fn wanted(rest: &str) -> Desired {
        let text = format!("apiVersion: kwo/v1\nkind: Roster\n{rest}");
        compile(&parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap()).unwrap()
    }

    fn spec(desired: &Desired) -> Option<Tree> {
        let [policy, _] = Policy::Allowed.ids();
        Some(desired.get(&policy)?.body.at("/spec")?.clone())
    }

    fn annotation(desired: &Desired, namespace: &'static str, key: &str) -> Option<SmolStr> {
        let id = ResourceId::kube(crate::kinds::Kind::Namespace, "", namespace);
        let annotations = desired.get(&id)?.body.at("/metadata/annotations")?;
        annotations.get(key)?.as_text().cloned()
    }

    #[test]
    fn only_a_tier_that_is_in_use_brings_the_policy() {
        for without in [
            "tenants: {a: {}}",
            "tenants: {a: {tier: large}, b: {tier: small}}",
            "tiers: {t: {images: {registries: [a.example.com]}}}\ntenants: {a: {}}",
            "tiers: {restricted: {images: {pullPolicy: Any}}}\ntenants: {a: {tier: restricted}}",
        ] {
            assert_eq!(spec(&wanted(without)), None, "{without}");
        }
        let built_in = wanted("tenants: {a: {tier: restricted}, b: {}}");
        assert_eq!(annotation(&built_in, "a", PULL_POLICY).as_deref(), Some(ALWAYS));
        assert_eq!(annotation(&built_in, "b", PULL_POLICY), None);
        let own = wanted(
            "tiers: {t: {images: {registries: [a.example.com, docker.io/library]}, ingressClasses: [], \
             storageClasses: [fast]}}\ntenants: {a: {tier: t}}",
        );
        assert_eq!(annotation(&own, "a", REGISTRIES).as_deref(), Some("a.example.com,docker.io/library"));
        assert_eq!(annotation(&own, "a", INGRESS_CLASSES).as_deref(), Some(""));
        assert_eq!(annotation(&own, "a", STORAGE_CLASSES).as_deref(), Some("fast"));
        // The same text, whatever the tiers say.
        assert_eq!(spec(&built_in), spec(&own));
    }

    #[test]
    fn nobody_gets_a_right_before_the_policy_is_there() {
        let desired = wanted("tenants: {a: {tier: restricted, owners: [a@example.com]}}");
        let bindings = desired.resources().iter().filter(|resource| resource.id.kind == "RoleBinding");
        for binding in bindings {
            assert!(Policy::Allowed.ids().iter().all(|id| binding.needs.contains(id)), "{}", binding.id);
        }
    }
}
