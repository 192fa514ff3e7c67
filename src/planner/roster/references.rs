//! Names of objects that others make and that the roster refers to, and what an admin notes on a namespace for the
//! programs of others.

use std::str::FromStr;

use super::names::{dns_label, path_segment, qualified, reserved_domain};
use super::scalar::{Refusal, quote, text_type};

text_type! {
    /// The name of a Role or a ClusterRole.
    pub struct RoleName {
        expected: "the name of a role such as `monitoring-view`, without spaces, `/` and `%`",
        pattern: "^[^\\s/%]+$",
        max: 253
    }
}

text_type! {
    /// The name of a Secret: one or more labels of lower-case letters, digits and `-`, with dots between them.
    pub struct SecretName {
        expected: "the name of a Secret such as `registry-login`",
        pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max: 253
    }
}

text_type! {
    /// The key of an annotation: `example.com/contact`. Keys under kwo.dev, kubernetes.io and k8s.io are not for tenants,
    /// but for those by which the admission plugins PodNodeSelector and PodTolerationRestriction are told what to do.
    pub struct AnnotationKey {
        expected: "the key of an annotation such as `example.com/contact`",
        pattern: "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        max: 317
    }
}

text_type! {
    /// The value of an annotation.
    pub struct AnnotationValue {
        expected: "the text of an annotation, at most 65536 bytes",
        pattern: "",
        max: 65536
    }
}

/// What Kubernetes' own admission plugins read from a namespace, which only an admin can write there.
const FOR_ADMINS: [&str; 3] = [
    "scheduler.alpha.kubernetes.io/node-selector",
    "scheduler.alpha.kubernetes.io/defaultTolerations",
    "scheduler.alpha.kubernetes.io/tolerationsWhitelist",
];

impl FromStr for RoleName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<RoleName, Refusal> {
        path_segment(text).map_err(|why| {
            Refusal::new("bad-role-name", format!("{} is not a valid name of a role: {why}", quote(text)))
        })?;
        Ok(RoleName(text.into()))
    }
}

impl FromStr for SecretName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<SecretName, Refusal> {
        let refused = |why: &str| {
            Refusal::new("bad-secret-name", format!("{} is not a valid name of a Secret: {why}", quote(text)))
        };
        if text.len() > 253 {
            return Err(refused("it is over 253 characters"));
        }
        text.split('.').try_for_each(dns_label).map_err(|why| refused(&why))?;
        Ok(SecretName(text.into()))
    }
}

impl FromStr for AnnotationKey {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<AnnotationKey, Refusal> {
        qualified(text).map_err(|why| {
            Refusal::new(
                "bad-annotation",
                format!("{} is not a valid key of an annotation: {why}", quote(text)),
            )
        })?;
        let domain = text.split_once('/').and_then(|(prefix, name)| Some((reserved_domain(prefix)?, name)));
        if let Some((domain, name)) = domain.filter(|_| !FOR_ADMINS.contains(&text)) {
            let whose = if domain == "kwo.dev" { "kwo" } else { "Kubernetes" };
            let refusal = Refusal::new(
                "reserved-annotation",
                format!("`{text}` is not for tenants: annotations under {domain} belong to {whose}"),
            );
            let near = super::spelling::did_you_mean(text, FOR_ADMINS);
            return Err(refusal.hint(near.unwrap_or_else(|| {
                format!(
                    "use a domain of your own, as in `example.com/{name}`; of Kubernetes' there are {}",
                    FOR_ADMINS.join(", ")
                )
            })));
        }
        Ok(AnnotationKey(text.into()))
    }
}

impl FromStr for AnnotationValue {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<AnnotationValue, Refusal> {
        if text.len() > 65536 {
            return Err(Refusal::new(
                "bad-annotation",
                format!("the annotation has {} bytes, and 65536 are allowed", text.len()),
            ));
        }
        Ok(AnnotationValue(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_of_the_system_are_not_for_tenants() {
        for good in
            ["contact", "example.com/x", "notkwo.dev/x", "linkerd.io/inject", FOR_ADMINS[0], FOR_ADMINS[2]]
        {
            assert!(good.parse::<AnnotationKey>().is_ok(), "{good}");
        }
        for bad in [
            "kwo.dev/domains",
            "a.kwo.dev/x",
            "pod-security.kubernetes.io/enforce",
            "scheduler.alpha.kubernetes.io/preferAvoidPods",
            "k8s.io/a",
            "/a",
            "a/",
            "a b",
        ] {
            assert!(bad.parse::<AnnotationKey>().is_err(), "{bad}");
        }
        let slip = "scheduler.alpha.kubernetes.io/nodeselector".parse::<AnnotationKey>().unwrap_err();
        assert_eq!(slip.hint.as_deref(), Some("did you mean `scheduler.alpha.kubernetes.io/node-selector`?"));
        assert!("".parse::<AnnotationValue>().is_ok());
    }

    #[test]
    fn roles_and_secrets_have_the_names_that_kubernetes_takes() {
        for good in ["monitoring-view", "system:image-puller", "a.b", "Team_A"] {
            assert!(good.parse::<RoleName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a%b", "a b"] {
            assert!(bad.parse::<RoleName>().is_err(), "{bad:?}");
        }
        for bad in ["", "A", "a_b", "a/b", "-a"] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
        }
        assert!("quay.io-login".parse::<SecretName>().is_ok());
    }
}
