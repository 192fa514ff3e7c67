//! `kwo rbac`

use kwo_planner::kinds::Kind;
use kwo_planner::rights::{Purpose, Rule, SYSTEM, rights};
use kwo_planner::tree::Tree;
use serde_json::{Value, json};

use super::load::load;
use super::print::{data, json, yaml};
use crate::cli::{Rbac, RightsFor, YamlOrJson};
use kwo_engine::failure::{Exit, Failure};

pub(crate) fn rbac(args: &Rbac) -> Result<Exit, Failure> {
    let desired = load(&args.roster.roster)?.desired;
    let namespace = named("--namespace", &args.namespace)?;
    let purposes = match args.purpose {
        Some(RightsFor::Plan) => vec![Purpose::Plan],
        Some(RightsFor::Apply) => vec![Purpose::Apply],
        Some(RightsFor::Sync) => vec![Purpose::Sync],
        None => vec![Purpose::Plan, Purpose::Apply],
    };
    let mut manifests = Vec::new();
    // These are in every cluster.
    if !["default", SYSTEM, "kube-public"].contains(&namespace) {
        manifests.push(object(Kind::Namespace, "", namespace, json!({})));
    }
    for purpose in purposes {
        let usual = match purpose {
            Purpose::Plan => "kwo-plan",
            Purpose::Apply => "kwo-apply",
            Purpose::Sync => "kwo-sync",
        };
        let name = args.account.as_deref().map_or(Ok(usual), |name| named("--account", name))?;
        manifests.push(object(Kind::ServiceAccount, namespace, name, json!({})));
        for (scope, rules) in rights(&desired, purpose, args.leftovers, args.hits) {
            manifests.extend(role((namespace, name), &scope, &rules));
        }
    }
    match args.output {
        YamlOrJson::Yaml => {
            for manifest in manifests {
                data(&format!("---\n{}", yaml(&manifest)?));
            }
        }
        YamlOrJson::Json => json(&json!({"apiVersion": "v1", "kind": "List", "items": manifests}))?,
    }
    Ok(Exit::Done)
}

/// A role with these rules in a namespace, or in the whole cluster, and the account bound to it.
fn role((namespace, name): (&str, &str), scope: &str, rules: &[Rule]) -> [Value; 2] {
    let (role, binding) = match scope {
        "" => (Kind::ClusterRole, Kind::ClusterRoleBinding),
        _ => (Kind::Role, Kind::RoleBinding),
    };
    let rules: Vec<Tree> = rules.iter().map(Rule::tree).collect();
    let subject = json!({"kind": Kind::ServiceAccount.name(), "name": name, "namespace": namespace});
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role.name(), "name": name});
    [
        object(role, scope, name, json!({"rules": rules})),
        object(binding, scope, name, json!({"roleRef": reference, "subjects": [subject]})),
    ]
}

/// Not with kwo's mark: it would be taken for what kwo made for the roster.
fn object(kind: Kind, namespace: &str, name: &str, mut parts: Value) -> Value {
    let mut metadata = json!({"name": name});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    parts["apiVersion"] = kind.api_version().into();
    parts["kind"] = kind.name().into();
    parts["metadata"] = metadata;
    parts
}

/// A name as Kubernetes takes it for a namespace and a service account.
fn named<'n>(option: &str, name: &'n str) -> Result<&'n str, Failure> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !name.is_empty() && name.len() <= 63 && name.bytes().all(plain);
    if fits && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(name);
    }
    Err(Failure::usage(format!("{option}={name}: Kubernetes does not accept this name"))
        .hint("up to 63 small letters, digits and dashes, with no dash at either end"))
}
