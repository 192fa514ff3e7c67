//! `kwo rbac`

use kwo_planner::kinds::Kind;
use kwo_planner::rbac::{More, Purpose, Rule, SYSTEM, rights};
use kwo_planner::tree::{SmolStr, Tree};

use super::load::load;
use super::print::report;
use crate::cli::{Rbac, RightsFor};
use crate::report::manifests::Manifests;
use kwo_engine::failure::{Exit, Failure};

pub(crate) fn rbac(args: &Rbac) -> Result<Exit, Failure> {
    let loaded = load(&args.roster.roster)?;
    let capacity = loaded.roster.cluster().overcommit.is_some();
    let desired = loaded.desired;
    let namespace = named("--namespace", &args.namespace)?;
    let purposes = match args.purpose {
        Some(RightsFor::Plan) => vec![Purpose::Plan],
        Some(RightsFor::Apply) => vec![Purpose::Apply],
        Some(RightsFor::Sync) => vec![Purpose::Sync],
        Some(RightsFor::Offboard) => vec![Purpose::Offboard],
        None => vec![Purpose::Plan, Purpose::Apply],
    };
    let mut manifests = Vec::new();
    // These are in every cluster.
    if !["default", SYSTEM, "kube-public"].contains(&namespace) {
        manifests.push(object(Kind::Namespace, "", namespace, []));
    }
    let more = More { leftovers: args.leftovers, hits: args.hits, capacity, reviews: args.verify_access };
    for purpose in purposes {
        let usual = match purpose {
            Purpose::Plan => "kwo-plan",
            Purpose::Apply => "kwo-apply",
            Purpose::Sync => "kwo-sync",
            Purpose::Offboard => "kwo-offboard",
        };
        let name = args.account.as_deref().map_or(Ok(usual), |name| named("--account", name))?;
        manifests.push(object(Kind::ServiceAccount, namespace, name, []));
        for (scope, rules) in rights(&desired, purpose, more) {
            manifests.extend(role((namespace, name), &scope, &rules));
        }
    }
    report(&Manifests(manifests), args.output)?;
    Ok(Exit::Done)
}

/// A role with these rules in a namespace, or in the whole cluster, and the account bound to it.
fn role((namespace, name): (&str, &str), scope: &str, rules: &[Rule]) -> [Tree; 2] {
    let (role, binding) = match scope {
        "" => (Kind::ClusterRole, Kind::ClusterRoleBinding),
        _ => (Kind::Role, Kind::RoleBinding),
    };
    let subject = Tree::map([
        ("kind", Kind::ServiceAccount.name().into()),
        ("name", text(name)),
        ("namespace", text(namespace)),
    ]);
    let reference = Tree::map([
        ("apiGroup", "rbac.authorization.k8s.io".into()),
        ("kind", role.name().into()),
        ("name", text(name)),
    ]);
    let rules = Tree::list(rules.iter().map(Rule::tree));
    [
        object(role, scope, name, [("rules", rules)]),
        object(binding, scope, name, [("roleRef", reference), ("subjects", Tree::list([subject]))]),
    ]
}

/// Not with kwo's mark: it would be taken for what kwo made for the roster.
fn object<const N: usize>(kind: Kind, namespace: &str, name: &str, parts: [(&'static str, Tree); N]) -> Tree {
    let within = (!namespace.is_empty()).then(|| ("namespace", text(namespace)));
    let metadata = Tree::map([("name", text(name))].into_iter().chain(within));
    let head =
        [("apiVersion", kind.api_version().into()), ("kind", kind.name().into()), ("metadata", metadata)];
    Tree::map(head.into_iter().chain(parts))
}

fn text(text: &str) -> Tree {
    SmolStr::from(text).into()
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
