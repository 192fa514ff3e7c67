//! What a namespace says about what may be in it: its Pod Security level, its tier, and what kwo's admission policies
//! read there.

use super::{Around, few, text};
use crate::domains::exceptions;
use crate::domains::{
    INGRESS_CLASSES, PULL_POLICY, Policy, REGISTRIES, SERVICES_ANNOTATION, STORAGE_CLASSES, covering,
};
use crate::named::{DOMAINS_ANNOTATION, TIER_LABEL};
use crate::observed::TENANT_LABEL;
use crate::tree::{Tree, join};

const LEVEL: &str = "/metadata/labels/pod-security.kubernetes.io~1enforce";
const LEVEL_VERSION: &str = "/metadata/labels/pod-security.kubernetes.io~1enforce-version";

/// What is allowed less than before in the namespace.
pub(super) fn narrowed(before: &Tree, after: &Tree, around: Around<'_>) -> Option<String> {
    let parts = [
        becomes_a_tenants(before, after),
        level(before, after),
        domains(before, after),
        services(before, after),
        allowed(before, after),
        tier(before, after, around),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Who had a namespace of its own is judged by kwo's policies from now on.
fn becomes_a_tenants(before: &Tree, after: &Tree) -> Option<String> {
    let tenant = join("/metadata/labels", TENANT_LABEL);
    let becomes = before.at(&tenant).is_none() && after.at(&tenant).is_some();
    becomes.then(|| "kwo's admission policies judge what is written in it from now on".to_owned())
}

/// How strict a level is. Kubernetes takes one that it does not know for the strictest.
fn rank(level: Option<&str>) -> u8 {
    match level {
        None | Some("privileged") => 0,
        Some("baseline") => 1,
        Some(_) => 2,
    }
}

/// The version whose rules count; a later one may refuse more. Without one, and with one that is none, it is the latest.
fn version(body: &Tree) -> (u32, u32) {
    let numbers = || {
        let (major, minor) = text(body, LEVEL_VERSION)?.strip_prefix('v')?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    numbers().unwrap_or((u32::MAX, u32::MAX))
}

/// What a Pod Security level refuses that it did not refuse before.
pub(crate) fn level(before: &Tree, after: &Tree) -> Option<String> {
    let [was, will] = [before, after].map(|body| text(body, LEVEL).map(|level| level.as_str()));
    let level = will.unwrap_or("privileged");
    if rank(will) > rank(was) {
        let was = was.unwrap_or("privileged");
        return Some(format!("new pods must meet the Pod Security level {level}, before it was {was}"));
    }
    let later = rank(will) > 0 && rank(will) == rank(was) && version(after) > version(before);
    later.then(|| format!("new pods must meet the Pod Security level {level} of a later version"))
}

/// The words of an annotation, between commas.
fn words<'t>(body: &'t Tree, annotation: &str) -> Vec<&'t str> {
    let list = text(body, &join("/metadata/annotations", annotation)).map_or("", |list| list.as_str());
    list.split(',').filter(|word| !word.is_empty()).collect()
}

/// Hosts that the tenant no longer has: those that a pattern covers it still has.
fn domains(before: &Tree, after: &Tree) -> Option<String> {
    let have = words(after, DOMAINS_ANNOTATION);
    let covered = |host: &str| covering(host).any(|pattern| have.contains(&pattern.as_str()));
    let lost = words(before, DOMAINS_ANNOTATION).into_iter().filter(|host| !covered(host));
    let lost: Vec<String> = lost.map(ToOwned::to_owned).collect();
    Some(format!("no new Ingress or Certificate for {}", few(&lost)?))
}

/// What may be chosen of what the cluster has: without a word all of it.
fn allowed(before: &Tree, after: &Tree) -> Option<String> {
    let lists = [
        (REGISTRIES, "new pods have images of"),
        (INGRESS_CLASSES, "a new Ingress has a class of"),
        (STORAGE_CLASSES, "a new claim has a storage class of"),
    ];
    let said = |body: &Tree, key: &str| text(body, &join("/metadata/annotations", key)).cloned();
    let lists = lists.into_iter().filter_map(|(key, what)| {
        let now = words(after, key);
        said(after, key)?;
        let within = |word: &str| {
            now.iter()
                .any(|have| *have == word || (key == REGISTRIES && word.starts_with(&format!("{have}/"))))
        };
        let narrower = said(before, key).is_none() || words(before, key).iter().any(|word| !within(word));
        let now: Vec<String> = now.iter().map(ToString::to_string).collect();
        narrower.then(|| few(&now).map_or_else(|| format!("{what} none"), |now| format!("{what} {now} only")))
    });
    let pulled = said(after, PULL_POLICY).filter(|now| said(before, PULL_POLICY).as_ref() != Some(now));
    let pulled = pulled.map(|policy| format!("new containers state `imagePullPolicy: {policy}`"));
    let parts: Vec<String> = lists.chain(pulled).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn services(before: &Tree, after: &Tree) -> Option<String> {
    let have = words(after, SERVICES_ANNOTATION);
    let lost = words(before, SERVICES_ANNOTATION).into_iter().filter(|word| !have.contains(word));
    let lost: Vec<String> = lost.map(ToOwned::to_owned).collect();
    Some(format!("no new Service with {}", few(&lost)?))
}

/// What the tier so far is excepted from by its name, and the tier from now on is not.
fn tier(before: &Tree, after: &Tree, around: Around<'_>) -> Option<String> {
    let label = join("/metadata/labels", TIER_LABEL);
    let (was, will) = (text(before, &label)?, text(after, &label)?);
    if was == will {
        return None;
    }
    let [there, wanted] = around.rules(Policy::Tiers);
    let excepts = |rules: &[Tree], message: &Tree, tier: &str| {
        rules.iter().filter(|rule| rule.get("message") == Some(message)).any(|rule| {
            let exceptions = text(rule, "/expression").and_then(|text| exceptions(text));
            exceptions.is_some_and(|(_, names)| names.contains(&tier))
        })
    };
    let lost = wanted.iter().filter_map(|rule| {
        let message = rule.get("message")?;
        let lost = excepts(there, message, was) && !excepts(wanted, message, will);
        lost.then(|| message.as_text().map(ToString::to_string)).flatten()
    });
    few(&lost.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;
    use crate::observed::Observed;
    use crate::resource::Desired;

    fn told(before: &str, after: &str) -> Option<String> {
        let (desired, observed) = (Desired::default(), Observed::default());
        narrowed(&tree(before), &tree(after), Around { desired: &desired, observed: &observed })
    }

    #[test]
    fn a_level_tightens_when_it_is_stricter() {
        let body = |level: &str, version: &str| {
            let part = |key: &str, value: &str| match value {
                "" => String::new(),
                value => format!(r#","pod-security.kubernetes.io/{key}":"{value}""#),
            };
            format!(
                r#"{{"metadata":{{"labels":{{"a":"b"{}{}}}}}}}"#,
                part("enforce", level),
                part("enforce-version", version)
            )
        };
        let order = ["", "privileged", "baseline", "restricted"];
        for (at, was) in order.iter().enumerate() {
            for (to, will) in order.iter().enumerate() {
                let stricter = to > at && to > 1;
                assert_eq!(told(&body(was, ""), &body(will, "")).is_some(), stricter, "{was} → {will}");
            }
        }
        // What Kubernetes does not know is the strictest to it.
        assert_eq!(
            told(&body("baseline", ""), &body("Baseline", "")).as_deref(),
            Some("new pods must meet the Pod Security level Baseline, before it was baseline")
        );
        assert_eq!(told(&body("Baseline", ""), &body("restricted", "")), None);
        for (level, was, will, later) in [
            ("baseline", "v1.24", "v1.30", true),
            ("baseline", "v1.9", "v1.10", true),
            ("baseline", "v1.24", "latest", true),
            ("baseline", "v1.24", "", true),
            ("baseline", "", "v1.24", false),
            ("baseline", "latest", "", false),
            ("privileged", "v1.24", "latest", false),
        ] {
            let found = told(&body(level, was), &body(level, will));
            assert_eq!(found.is_some(), later, "{level} {was} → {will}");
        }
    }

    #[test]
    fn a_namespace_tightens_when_it_loses_hosts_or_kinds_of_services() {
        let body = |key: &str, value: &str| {
            format!(r#"{{"metadata":{{"annotations":{{"kwo.dev/{key}":"{value}"}}}}}}"#)
        };
        for (key, was, will, expected) in [
            (
                "domains",
                "a.example.com,b.example.com",
                "b.example.com",
                Some("no new Ingress or Certificate for a.example.com"),
            ),
            ("domains", "a.example.com", "*.example.com", None),
            (
                "domains",
                "*.example.com",
                "a.example.com",
                Some("no new Ingress or Certificate for *.example.com"),
            ),
            (
                "domains",
                "a.b.example.com",
                "*.example.com",
                Some("no new Ingress or Certificate for a.b.example.com"),
            ),
            ("domains", "a.example.com", "b.example.com,a.example.com", None),
            (
                "services",
                "externalIPs,externalNames",
                "externalNames",
                Some("no new Service with externalIPs"),
            ),
            ("services", "externalIPs", "externalIPs,externalNames", None),
        ] {
            let before = if was.is_empty() { "{}".to_owned() } else { body(key, was) };
            assert_eq!(told(&before, &body(key, will)).as_deref(), expected, "{key}: {was} → {will}");
        }
        let tenants = r#"{"metadata":{"labels":{"kwo.dev/tenant":"a"}}}"#;
        assert!(told(r#"{"metadata":{"labels":{}}}"#, tenants).is_some_and(|what| what.contains("policies")));
        assert_eq!(told(tenants, tenants), None);
    }
}
