//! What only one can have: a namespace, a host name, a role, the name of a binding. Each check names both places.

use std::collections::BTreeMap;

use crate::domains::operators::Operator;
use crate::domains::reserved::reserved_for;
use crate::domains::tenants::{Access, Tenant};
use crate::roster::{At, Finding, Findings, HostPattern, Identity, Map, Name, Span};

/// Checks what tenants and operators claim.
pub(crate) fn check(tenants: &Map<Name, Tenant>, operators: &Map<Name, Operator>, findings: &mut Findings) {
    check_namespaces(tenants, findings);
    check_hosts(tenants, findings);
    for (name, entry) in tenants {
        check_people(name, &entry.value, findings);
        check_binding_names(&entry.value, findings);
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
            format!("namespace `{namespace}` stands twice in tenant `{}`", claim.tenant)
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
            finding("expected each namespace once", "it stands here first", "delete one of the two")
        } else {
            finding(
                &format!("expected another namespace{}", by_default(&claim)),
                &format!("claimed here by tenant `{}`{}", first.tenant, by_default(first)),
                "two tenants never share a namespace; rename one, or make them one tenant",
            )
        });
    }
}

/// No host belongs to two tenants, not even through a wildcard.
fn check_hosts(tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    let mut claims: Vec<(&At<HostPattern>, &Name)> = Vec::new();
    for (tenant, entry) in tenants {
        claims.extend(entry.value.domains.iter().map(|host| (host, tenant)));
    }
    claims.sort_by_key(|(host, _)| host.at);
    let mut first: BTreeMap<&str, (&At<HostPattern>, &Name)> = BTreeMap::new();
    for (host, tenant) in &claims {
        match first.get(host.as_str()) {
            None => {
                first.insert(host.as_str(), (*host, *tenant));
            }
            Some((have, owner)) => {
                let message = if owner == tenant {
                    format!("host `{host}` stands twice in tenant `{tenant}`")
                } else {
                    format!("host `{host}` is claimed by two tenants, `{owner}` and `{tenant}`")
                };
                findings.push(
                    Finding::new("host-claimed-twice", host.at, message, "expected each host once")
                        .also(have.at, format!("claimed here by tenant `{owner}`"))
                        .hint(match owner == tenant {
                            true => "delete one of the two",
                            false => "leave the host with one of the two",
                        }),
                );
            }
        }
    }
    for (host, tenant) in &claims {
        let Some((_, parent)) = host.as_str().split_once('.') else { continue };
        let wildcard = format!("*.{parent}");
        if host.wildcard_of().is_some() {
            continue;
        }
        if let Some((star, owner)) = first.get(wildcard.as_str()).filter(|(_, owner)| owner != tenant) {
            findings.push(
                Finding::new(
                    "host-claimed-twice",
                    host.at,
                    format!("host `{host}` of tenant `{tenant}` is covered by `{star}` of tenant `{owner}`"),
                    "expected a host that no other tenant serves",
                )
                .also(star.at, format!("claimed here by tenant `{owner}`"))
                .hint("name the hosts one by one instead of the wildcard"),
            );
        }
    }
}

/// The hosts that tenants have, with the tenant and where it says so.
pub(crate) fn claims_of_tenants(tenants: &Map<Name, Tenant>) -> BTreeMap<&str, (&Name, Span)> {
    let claims = tenants.iter().flat_map(|(name, entry)| {
        entry.value.domains.iter().map(move |host| (host.value.as_str(), (name, host.at)))
    });
    let mut first = BTreeMap::new();
    for (host, claim) in claims {
        first.entry(host).or_insert(claim);
    }
    first
}

/// The tenant that has this host, and where it says so.
pub(crate) fn claimed_by_tenants<'r>(tenants: &'r Map<Name, Tenant>, host: &str) -> Option<(&'r Name, Span)> {
    let host: HostPattern = host.parse().ok()?;
    tenants.iter().find_map(|(name, entry)| {
        let theirs = entry.value.domains.iter().find(|theirs| theirs.value.overlaps(&host))?;
        Some((name, theirs.at))
    })
}

/// Everybody who has access to a tenant, with the place where it is given.
fn people(tenant: &Tenant) -> impl Iterator<Item = (&At<Identity>, Access)> {
    let owners = tenant.owners.iter().map(|identity| (identity, Access::Owner));
    let members = tenant.members.iter().map(|member| (&member.identity, member.access.value));
    owners.chain(members)
}

/// Nobody has two roles in one tenant.
fn check_people(name: &Name, tenant: &Tenant, findings: &mut Findings) {
    let mut first: BTreeMap<&Identity, (Span, Access)> = BTreeMap::new();
    for (identity, access) in people(tenant) {
        let Some((at, had)) = first.get(&identity.value) else {
            first.insert(&identity.value, (identity.at, access));
            continue;
        };
        findings.push(
            Finding::new(
                "identity-twice",
                identity.at,
                format!("`{identity}` has a role in tenant `{name}` already"),
                format!("named again here, as {access}"),
            )
            .also(*at, format!("named here first, as {had}"))
            .hint("keep the entry with the access that is meant, and delete the other"),
        );
    }
}

/// No two bindings of one tenant are given the same name.
fn check_binding_names(tenant: &Tenant, findings: &mut Findings) {
    let mut first: BTreeMap<(&str, Access), (Span, &Identity)> = BTreeMap::new();
    for member in &tenant.members {
        let Some(name) = &member.name else { continue };
        let (access, identity) = (member.access.value, &member.identity.value);
        let Some((have, other)) = first.get(&(name.as_str(), access)) else {
            first.insert((name.as_str(), access), (name.at, identity));
            continue;
        };
        let binding = format!("{name}-{}", access.binding_suffix());
        findings.push(
            Finding::new(
                "binding-name-twice",
                name.at,
                format!("the RoleBindings of `{other}` and of `{identity}` would both be called `{binding}`"),
                "expected another name",
            )
            .also(*have, "this one has the name")
            .hint("give one of the two another name, or leave `name:` out"),
        );
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
