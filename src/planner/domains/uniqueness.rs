//! What only one can have: a namespace, a place among the operators. Each check names both places. Whose a host is stands
//! in `shares.rs`, who has which role in `grants.rs`.

use std::collections::BTreeMap;

use crate::domains::cluster::Cluster;
use crate::domains::operators::Operator;
use crate::domains::reserved::reserved_for;
use crate::domains::tenants::Tenant;
use crate::domains::{grants, shares};
use crate::roster::{Finding, Findings, Identity, Map, Name, Span};

/// Checks what tenants and operators claim.
pub(crate) fn check(
    cluster: &Cluster,
    tenants: &Map<Name, Tenant>,
    operators: &Map<Name, Operator>,
    findings: &mut Findings,
) {
    check_namespaces(tenants, findings);
    shares::check(cluster, tenants, findings);
    for (name, entry) in tenants {
        grants::check(name, &entry.value, findings);
    }
    check_operators(operators, findings);
}

/// A namespace that a tenant has, and whether that is so by default.
struct NamespaceClaim<'r> {
    namespace: &'r Name,
    at: Span,
    tenant: &'r Name,
    by_default: bool,
}

fn namespace_claims(tenants: &Map<Name, Tenant>) -> Vec<NamespaceClaim<'_>> {
    let mut claims = Vec::new();
    for (tenant, entry) in tenants {
        if entry.value.namespaces.is_empty() {
            claims.push(NamespaceClaim { namespace: tenant, at: entry.key, tenant, by_default: true });
        }
        for namespace in &entry.value.namespaces {
            claims.push(NamespaceClaim {
                namespace: &namespace.value,
                at: namespace.at,
                tenant,
                by_default: false,
            });
        }
    }
    claims.sort_by_key(|claim| claim.at);
    claims
}

/// No namespace is reserved, and none belongs to two tenants.
fn check_namespaces(tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    let mut claimed: BTreeMap<&str, NamespaceClaim<'_>> = BTreeMap::new();
    for claim in namespace_claims(tenants) {
        let namespace = claim.namespace;
        if let Some(owner) = reserved_for(namespace) {
            let finding = Finding::new(
                "reserved-namespace",
                claim.at,
                format!("namespace `{namespace}` is reserved for {owner}"),
                "expected a namespace of the tenant's own",
            );
            findings.push(finding.hint(if claim.by_default {
                format!(
                    "a tenant without `namespaces:` gets one with its own name; write `namespaces: [{namespace}-prod]`"
                )
            } else {
                format!("put the tenant's name first, as in `{}-{namespace}`", claim.tenant)
            }));
        }
        let Some(first) = claimed.get(namespace.as_str()) else {
            claimed.insert(namespace, claim);
            continue;
        };
        let message = if first.tenant == claim.tenant {
            format!("namespace `{namespace}` appears twice in tenant `{}`", claim.tenant)
        } else {
            format!(
                "namespace `{namespace}` is claimed by two tenants, `{}` and `{}`",
                first.tenant, claim.tenant
            )
        };
        let by_default = |claim: &NamespaceClaim<'_>| match claim.by_default {
            true => " (it has no `namespaces:`, so it gets one with its own name)",
            false => "",
        };
        let finding = |label: &str, also: &str, hint: &str| {
            Finding::new("namespace-claimed-twice", claim.at, message, label).also(first.at, also).hint(hint)
        };
        findings.push(if first.tenant == claim.tenant {
            finding("expected each namespace once", "it appears here first", "delete one of the two")
        } else {
            finding(
                &format!("expected another namespace{}", by_default(&claim)),
                &format!("claimed here by tenant `{}`{}", first.tenant, by_default(first)),
                "two tenants never share a namespace; rename one, or make them one tenant",
            )
        });
    }
}

/// Nobody is an operator twice.
fn check_operators(operators: &Map<Name, Operator>, findings: &mut Findings) {
    let mut all: Vec<(&Name, &Operator)> =
        operators.iter().map(|(name, entry)| (name, &entry.value)).collect();
    all.sort_by_key(|(_, operator)| operator.identity.at);
    let mut first: BTreeMap<&Identity, (&Name, &Operator)> = BTreeMap::new();
    for (name, operator) in all {
        let Some((other, have)) = first.get(&operator.identity.value) else {
            first.insert(&operator.identity.value, (name, operator));
            continue;
        };
        findings.push(
            Finding::new(
                "identity-twice",
                operator.identity.at,
                format!("`{}` is an operator twice, as `{other}` and as `{name}`", operator.identity),
                format!("named again here, as {}", operator.role),
            )
            .also(have.identity.at, format!("named here first, as {}", have.role))
            .hint("keep the entry with the role that is meant, and delete the other"),
        );
    }
}
