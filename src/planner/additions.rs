//! What somebody added inside an object of kwo's and that changes what the object does: another path of an Ingress,
//! another command of a container. It is only ever told. The places are those of a kind in `field_rules.rs`, the long
//! lists of them here; all else that others add beside what kwo wants is theirs, and is not told.

use crate::kinds::Shape;
use crate::tree::{Tree, join};

/// What runs, as whom, where, and what it sees of the node.
pub(crate) const IN_DEPLOYMENTS: &[&str] = &[
    "/spec/paused",
    "/spec/template/spec/affinity",
    "/spec/template/spec/containers",
    "/spec/template/spec/containers/*/args",
    "/spec/template/spec/containers/*/command",
    "/spec/template/spec/containers/*/env",
    "/spec/template/spec/containers/*/envFrom",
    "/spec/template/spec/containers/*/lifecycle",
    "/spec/template/spec/containers/*/securityContext",
    "/spec/template/spec/containers/*/securityContext/capabilities",
    "/spec/template/spec/containers/*/volumeMounts",
    "/spec/template/spec/containers/*/workingDir",
    "/spec/template/spec/hostAliases",
    "/spec/template/spec/hostIPC",
    "/spec/template/spec/hostNetwork",
    "/spec/template/spec/hostPID",
    "/spec/template/spec/initContainers",
    "/spec/template/spec/nodeName",
    "/spec/template/spec/nodeSelector",
    "/spec/template/spec/runtimeClassName",
    "/spec/template/spec/securityContext",
    "/spec/template/spec/serviceAccountName",
    "/spec/template/spec/shareProcessNamespace",
    "/spec/template/spec/volumes",
];

/// Which hosts and paths go where, also by the annotations by which Traefik takes another way than the Ingress says.
pub(crate) const IN_INGRESSES: [&str; 10] = [
    "/spec/defaultBackend",
    "/spec/rules",
    "/spec/rules/*/http/paths",
    "/spec/tls",
    "/metadata/annotations/traefik.ingress.kubernetes.io~1router.entrypoints",
    "/metadata/annotations/traefik.ingress.kubernetes.io~1router.middlewares",
    "/metadata/annotations/traefik.ingress.kubernetes.io~1router.priority",
    "/metadata/annotations/traefik.ingress.kubernetes.io~1router.rulesyntax",
    "/metadata/annotations/traefik.ingress.kubernetes.io~1router.tls",
    "/metadata/annotations/traefik.ingress.kubernetes.io~1router.tls.options",
];

/// The annotation that named the class of an Ingress before there was a field for it.
pub(crate) const INGRESS_CLASS_AT: &str = "/metadata/annotations/kubernetes.io~1ingress.class";

/// What is read of every Ingress, so that all of that is seen.
pub(crate) const READ_OF_INGRESSES: [&str; 11] = {
    let [a, b, c, d, e, f, g, h, i, j] = IN_INGRESSES;
    [INGRESS_CLASS_AT, a, b, c, d, e, f, g, h, i, j]
};

/// Where a namespace says which hosts those in it may serve, and what its Services may do besides.
pub(crate) const DOMAINS_AT: &str = "/metadata/annotations/kwo.dev~1domains";
pub(crate) const SERVICES_AT: &str = "/metadata/annotations/kwo.dev~1services";

/// The annotations of a tenant's namespace that open something to it in kwo's admission policies.
pub(crate) const IN_NAMESPACES: [&str; 2] = [DOMAINS_AT, SERVICES_AT];

/// An addition: where it stands, and what it is.
pub(crate) type Addition = (String, Tree);

/// All additions that count, in the order of the shape's places.
pub(crate) fn additions(shape: &Shape, wanted: &Tree, found: &Tree) -> Vec<Addition> {
    let mut told = Vec::new();
    for place in shape.alters {
        let path: Vec<&str> = place.split('/').skip(1).collect();
        below(shape, &path, Some(wanted), found, String::new(), &mut told);
    }
    told
}

/// Follows the rest of a place. `*` stands for an entry or a key that is wanted; one that is not is told where the place
/// of the whole list is.
fn below(
    shape: &Shape,
    path: &[&str],
    wanted: Option<&Tree>,
    found: &Tree,
    at: String,
    told: &mut Vec<Addition>,
) {
    let Some((first, rest)) = path.split_first() else { return here(shape, wanted, found, at, told) };
    match found {
        Tree::List(entries) if *first == "*" => {
            for (index, entry) in entries.iter().enumerate() {
                if let Some(wanted) = counterpart(shape, wanted, entries, index, &at) {
                    below(shape, rest, Some(wanted), entry, format!("{at}/{index}"), told);
                }
            }
        }
        Tree::Map(_) => {
            // A place is a pattern, whose keys are escaped.
            let key = first.replace("~1", "/").replace("~0", "~");
            if let Some(found) = found.get(&key) {
                below(shape, rest, wanted.and_then(|wanted| wanted.get(&key)), found, join(&at, &key), told);
            }
        }
        Tree::List(_) | Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {}
    }
}

/// What of the value at a place is not wanted there.
fn here(shape: &Shape, wanted: Option<&Tree>, found: &Tree, at: String, told: &mut Vec<Addition>) {
    match (wanted, found) {
        // One value as a whole is a difference already.
        (Some(Tree::List(_)), Tree::List(_)) if shape.key(&at).is_none() => {}
        (Some(Tree::List(_)) | None, Tree::List(entries)) => {
            for (index, entry) in entries.iter().enumerate() {
                if counterpart(shape, wanted, entries, index, &at).is_none() {
                    told.push((format!("{at}/{index}"), entry.clone()));
                }
            }
        }
        (Some(Tree::Map(wanted)), Tree::Map(entries)) => {
            let unwanted = |key: &str| !wanted.iter().any(|(other, _)| other == key);
            let added = entries.iter().filter(|(key, value)| unwanted(key) && says(value));
            told.extend(added.map(|(key, value)| (join(&at, key), value.clone())));
        }
        (None, found) if says(found) => told.push((at, found.clone())),
        // Another value than the wanted one is a difference, and none of these.
        _ => {}
    }
}

/// The entry of what is wanted that this one is: the last of those with its key, as they are compared.
fn counterpart<'w>(
    shape: &Shape,
    wanted: Option<&'w Tree>,
    entries: &[Tree],
    index: usize,
    at: &str,
) -> Option<&'w Tree> {
    let entry = entries.get(index)?;
    let key = shape.key(at);
    wanted?.items().iter().find(|wanted| match key {
        Some(key) if key.of(wanted).is_some() => {
            entries.iter().rposition(|there| key.same(wanted, there)) == Some(index)
        }
        _ => *wanted == entry,
    })
}

/// Does a value say anything? The API fills in empty ones.
fn says(value: &Tree) -> bool {
    match value {
        Tree::Null | Tree::Bool(false) => false,
        Tree::Text(text) => !text.is_empty(),
        Tree::List(items) => !items.is_empty(),
        Tree::Map(entries) => !entries.is_empty(),
        Tree::Bool(true) | Tree::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    fn told(kind: Kind, wanted: &str, found: &str) -> Vec<String> {
        let tree = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        let told = additions(kind.shape(), &tree(wanted), &tree(found));
        told.into_iter().map(|(at, value)| format!("{at} {value}")).collect()
    }

    #[test]
    fn another_way_through_an_ingress_is_told() {
        let rule = |host: &str, paths: &str| format!(r#"{{"host":"{host}","http":{{"paths":[{paths}]}}}}"#);
        let path =
            |path: &str, to: &str| format!(r#"{{"backend":"{to}","path":"{path}","pathType":"Prefix"}}"#);
        let ingress = |rules: &[String]| format!(r#"{{"spec":{{"rules":[{}]}}}}"#, rules.join(","));
        let (own, evil) = (path("/", "registry"), path("/v2", "evil"));
        let wanted = ingress(&[rule("a", &own)]);
        assert!(told(Kind::Ingress, &wanted, &wanted).is_empty());
        let both = ingress(&[rule("a", &format!("{evil},{own}"))]);
        assert_eq!(told(Kind::Ingress, &wanted, &both), [format!("/spec/rules/0/http/paths/0 {evil}")]);
        // A second rule for the host, and a second path of the same name: one of the two counts.
        let twice = ingress(&[rule("a", &path("/", "evil")), rule("a", &own)]);
        assert_eq!(told(Kind::Ingress, &wanted, &twice).len(), 1);
        let same = ingress(&[rule("a", &format!("{},{own}", path("/", "evil")))]);
        assert_eq!(told(Kind::Ingress, &wanted, &same).len(), 1);
        let other = ingress(&[rule("a", &own), rule("b", &evil)]);
        assert!(told(Kind::Ingress, &wanted, &other)[0].starts_with("/spec/rules/1 "));
        let rest = r#"{"metadata":{"annotations":{"x":"y","traefik.ingress.kubernetes.io/router.priority":"9"}},"spec":{"defaultBackend":{"service":{}}}}"#;
        assert_eq!(told(Kind::Ingress, "{}", rest).len(), 2);
    }

    #[test]
    fn another_program_in_a_pod_is_told_and_what_the_api_fills_in_is_not() {
        let deployment = |container: &str, pod: &str| {
            format!(
                r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"registry","image":"i","securityContext":{{"allowPrivilegeEscalation":false}}{container}}}]{pod}}}}}}}}}"#
            )
        };
        let wanted = deployment("", "");
        let filled = deployment(
            r#","imagePullPolicy":"IfNotPresent","terminationMessagePath":"/dev/x","resources":{}"#,
            r#","dnsPolicy":"ClusterFirst","hostNetwork":false,"nodeSelector":{},"restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30"#,
        );
        assert!(told(Kind::Deployment, &wanted, &filled).is_empty());
        for (container, pod) in [
            (r#","command":["/bin/other"]"#, ""),
            (r#","args":["x"]"#, ""),
            (r#","env":[{"name":"REGISTRY_AUTH","value":"none"}]"#, ""),
            (r#","envFrom":[{"secretRef":{"name":"x"}}]"#, ""),
            (r#","volumeMounts":[{"name":"v","mountPath":"/etc"}]"#, ""),
            (r#","lifecycle":{"postStart":{}}"#, ""),
            ("", r#","hostNetwork":true"#),
            ("", r#","hostPID":true"#),
            ("", r#","nodeSelector":{"no":"where"}"#),
            ("", r#","serviceAccountName":"admin""#),
            ("", r#","initContainers":[{"name":"x"}]"#),
            ("", r#","volumes":[{"name":"v","hostPath":{"path":"/"}}]"#),
        ] {
            assert_eq!(
                told(Kind::Deployment, &wanted, &deployment(container, pod)).len(),
                1,
                "{container}{pod}"
            );
        }
        let second = wanted.replace("[{", r#"[{"name":"second"},{"#);
        assert_eq!(
            told(Kind::Deployment, &wanted, &second),
            [r#"/spec/template/spec/containers/0 {"name":"second"}"#]
        );
        let privileged = wanted.replace(":false}", r#":false,"privileged":true}"#);
        assert_eq!(told(Kind::Deployment, &wanted, &privileged).len(), 1);
    }

    #[test]
    fn what_opens_or_rewrites_the_rest_is_told() {
        let role = r#"{"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"x":"y"}}]},"rules":[]}"#;
        assert_eq!(told(Kind::ClusterRole, r#"{"rules":[]}"#, role).len(), 1);
        assert_eq!(
            told(
                Kind::NetworkPolicy,
                r#"{"spec":{"ingress":[]}}"#,
                r#"{"spec":{"egress":[{}],"ingress":[]}}"#
            )
            .len(),
            1
        );
        let namespace = r#"{"metadata":{"annotations":{"kwo.dev/domains":"a.example.com","mine":"x"}}}"#;
        assert_eq!(
            told(Kind::Namespace, "{}", namespace),
            [r#"/metadata/annotations/kwo.dev~1domains "a.example.com""#]
        );
        assert_eq!(
            told(
                Kind::Service,
                r#"{"spec":{"ports":[]}}"#,
                r#"{"spec":{"externalIPs":["1.2.3.4"],"ports":[]}}"#
            )
            .len(),
            1
        );
        assert_eq!(
            told(
                Kind::Middleware,
                r#"{"spec":{"basicAuth":{"secret":"a"}}}"#,
                r#"{"spec":{"basicAuth":{"secret":"a","removeHeader":true}}}"#
            )
            .len(),
            1
        );
    }
}
