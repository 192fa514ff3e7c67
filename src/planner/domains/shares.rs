//! The hosts of tenants: an entry of `domains`, and the checks that a host has one tenant, or several that all say so.
//! Whoever shares a host can take all of its traffic, so one tenant's word is not enough.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{Schema, SchemaGenerator, json_schema};

use super::cluster::Cluster;
use super::tenants::Tenant;
use super::wildcards::{self, Of};
use crate::roster::ast::{Node, Value};
use crate::roster::record::record;
use crate::roster::spelling::{did_you_mean, nearest};
use crate::roster::{At, Decode, Finding, Findings, HostName, HostPattern, Map, Name, Span};

/// A host that a tenant may serve, and with whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Domain {
    /// The host, or several by a pattern.
    pub host: At<HostPattern>,
    /// The other tenants that may serve it too; they say the same of this one.
    pub shared_with: Vec<At<Name>>,
}

record! {
    /// A host with more to say of it.
    pub struct SharedHost: "a host" {
        /// The host.
        pub host: At<HostPattern>,
        /// The other tenants that may serve it. Each of them names this tenant in turn.
        pub shared_with: Vec<At<Name>> = "sharedWith",
    }
}

impl Decode for Domain {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Domain> {
        if let Value::Map(entries) = &node.value
            && entries.iter().any(|(key, _)| nearest(&key.text, SharedHost::FIELDS.iter().copied()).is_some())
        {
            let SharedHost { host, shared_with } = SharedHost::decode(node, findings)?;
            return Some(Domain { host, shared_with });
        }
        let host = At::<HostPattern>::decode(node, findings)?;
        Some(Domain { host, shared_with: Vec::new() })
    }

    fn wanted() -> Option<String> {
        At::<HostPattern>::wanted()
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (host, shared) = (generator.subschema_for::<HostPattern>(), SharedHost::schema(generator));
        json_schema!({ "anyOf": [host, shared] })
    }
}

/// A host that somebody claims.
struct Claim<'r> {
    domain: &'r Domain,
    tenant: &'r Name,
    /// The other tenants that have a part in it.
    met: BTreeSet<&'r str>,
    /// It is the wildcard of a namespace, which no line of the tenant names.
    made: bool,
}

impl Claim<'_> {
    fn names(&self, other: &Claim<'_>) -> bool {
        self.domain.shared_with.iter().any(|name| name.value == *other.tenant)
    }
}

/// No host belongs to two tenants, not even through a pattern, unless both say so.
pub(crate) fn check(cluster: &Cluster, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    let made = made(cluster, tenants);
    let mut claims: Vec<Claim<'_>> = Vec::new();
    for (tenant, entry) in tenants {
        let of = |domain| Claim { domain, tenant, met: BTreeSet::new(), made: false };
        claims.extend(entry.value.domains.iter().map(of));
    }
    let of = |(tenant, domain)| Claim { domain, tenant, met: BTreeSet::new(), made: true };
    claims.extend(made.iter().map(|(tenant, domain)| of((*tenant, domain))));
    claims.sort_by_key(|claim| claim.domain.host.at);
    let mut by_text: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    // Of a host that is in dispute nothing more is said.
    let mut disputed: BTreeSet<&str> = BTreeSet::new();
    for at in 0..claims.len() {
        let text = claims[at].domain.host.value.as_str();
        let before = by_text.entry(text).or_default();
        for &other in before.iter() {
            if let Some(finding) = meet(&mut claims, other, at) {
                findings.push(finding);
                disputed.insert(text);
                break;
            }
        }
        before.push(at);
    }
    for at in 0..claims.len() {
        let text = claims[at].domain.host.value.as_str();
        let wider = covering(text).filter(|pattern| pattern != text);
        let others = wider.filter_map(|pattern| by_text.get(pattern.as_str())).flatten().copied();
        let others: Vec<usize> = others.filter(|other| claims[*other].tenant != claims[at].tenant).collect();
        for other in others {
            if let Some(finding) = meet(&mut claims, other, at) {
                findings.push(finding);
                disputed.extend([text, claims[other].domain.host.value.as_str()]);
                break;
            }
        }
    }
    for claim in claims.iter().filter(|claim| !disputed.contains(claim.domain.host.value.as_str())) {
        check_names(claim, tenants, findings);
    }
}

/// The wildcards of namespaces. One that the tenant names itself is not said twice: by that line it can be shared.
fn made<'r>(cluster: &'r Cluster, tenants: &'r Map<Name, Tenant>) -> Vec<(&'r Name, Domain)> {
    let named = |of: &Of<'_>| {
        let domains = tenants.get(of.tenant.as_str()).map(|entry| entry.value.domains.as_slice());
        domains.unwrap_or_default().iter().any(|domain| domain.host.value == of.host)
    };
    let made = wildcards::all(cluster, tenants).filter(|of| !named(of));
    made.map(|Of { tenant, host, wildcard, .. }| {
        (tenant, Domain { host: At::new(host, wildcard.zone.at), shared_with: Vec::new() })
    })
    .collect()
}

/// The host of the API server is no tenant's: whoever is led there with a password or a token must not meet a tenant.
pub(crate) fn check_api(
    hosts: &[At<HostName>],
    cluster: &Cluster,
    tenants: &Map<Name, Tenant>,
    findings: &mut Findings,
) {
    let claimed = claims_of_tenants(cluster, tenants);
    for host in hosts {
        let claim = covering(host.value.as_str()).find_map(|pattern| claimed.get(pattern.as_str()));
        if let Some((tenant, theirs)) = claim {
            let message = format!("`{host}` is the API server's, and tenant `{tenant}` claims it");
            let finding = Finding::new("host-claimed-twice", *theirs, message, "expected a host of its own");
            findings.push(finding.also(host.at, "the host of the API server"));
        }
    }
}

/// Two claims that a request could come to: both are told of the other, or it is said what is wrong.
fn meet(claims: &mut [Claim<'_>], first: usize, second: usize) -> Option<Finding> {
    let (one, two) = (&claims[first], &claims[second]);
    let (host, have) = (&two.domain.host, &one.domain.host);
    if one.tenant == two.tenant {
        return Some(
            Finding::new(
                "host-claimed-twice",
                host.at,
                format!("host `{host}` appears twice in tenant `{}`", two.tenant),
                "expected each host once",
            )
            .also(have.at, format!("claimed here by tenant `{}`", one.tenant))
            .hint("delete one of the two"),
        );
    }
    let share = |with: &Name, host: &HostPattern| format!("`{{host: \"{host}\", sharedWith: [{with}]}}`");
    match (one.names(two), two.names(one)) {
        (true, true) => {
            let (one, two) = (one.tenant, two.tenant);
            claims[first].met.insert(two);
            claims[second].met.insert(one);
            None
        }
        (false, false) => Some(claimed_twice(one, two)),
        (says, _) => {
            let (says, silent) = if says { (one, two) } else { (two, one) };
            let message = format!(
                "tenant `{}` shares host `{}` with `{}`, which does not say so",
                says.tenant, says.domain.host, silent.tenant
            );
            let label = format!("expected {}", share(says.tenant, &silent.domain.host));
            Some(
                Finding::new("host-shared-by-one", silent.domain.host.at, message, label)
                    .also(says.domain.host.at, format!("shared here by tenant `{}`", says.tenant))
                    .hint(if silent.made {
                        format!("write it under the `domains:` of tenant `{}`", silent.tenant)
                    } else {
                        "either of two tenants that share a host can take all of its traffic, so both say so"
                            .to_owned()
                    }),
            )
        }
    }
}

fn claimed_twice(one: &Claim<'_>, two: &Claim<'_>) -> Finding {
    let (host, have) = (&two.domain.host, &one.domain.host);
    let both = "write `sharedWith:` in both if they are to share it";
    let (message, label, hint) = if host.value == have.value {
        (
            format!("host `{host}` is claimed by two tenants, `{}` and `{}`", one.tenant, two.tenant),
            "expected each host once",
            format!("leave the host with one of the two, or {both}"),
        )
    } else {
        (
            format!(
                "host `{host}` of tenant `{}` is covered by `{have}` of tenant `{}`",
                two.tenant, one.tenant
            ),
            "expected a host that no other tenant serves",
            format!("name the hosts one by one instead of the pattern, or {both}"),
        )
    };
    let hint = match [one, two].into_iter().find(|claim| claim.made) {
        Some(Claim { tenant, .. }) => format!(
            "each namespace has the names below its wildcard for itself: leave the name to tenant `{tenant}`, or write \
             `wildcard: false` there"
        ),
        None => hint,
    };
    Finding::new("host-claimed-twice", host.at, message, label)
        .also(have.at, format!("claimed here by tenant `{}`", one.tenant))
        .hint(hint)
}

/// Whom a claim names has a part in it.
fn check_names(claim: &Claim<'_>, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    let Claim { domain: Domain { host, shared_with }, tenant, met, made: _ } = claim;
    for name in shared_with.iter().filter(|name| !met.contains(name.value.as_str())) {
        if findings.is_full() {
            findings.count(1);
            continue;
        }
        let finding = |code, message: String, label: &str| Finding::new(code, name.at, message, label);
        findings.push(if name.value == **tenant {
            finding(
                "host-shared-by-one",
                format!("tenant `{tenant}` shares `{host}` with itself"),
                "expected another tenant",
            )
        } else if tenants.contains_key(name.value.as_str()) {
            let message =
                format!("tenant `{tenant}` shares host `{host}` with `{name}`, which does not have it");
            finding("host-shared-by-one", message, "expected a tenant that says the same").hint(format!(
                "write `{{host: \"{host}\", sharedWith: [{tenant}]}}` under the `domains:` of `{name}`"
            ))
        } else {
            let mut finding = finding(
                "unknown-tenant",
                format!("there is no tenant `{name}` to share `{host}` with"),
                "expected a tenant of the roster",
            );
            finding.hint = did_you_mean(&name.value, tenants.keys().map(Name::as_str));
            finding
        });
    }
}

/// The patterns that take this host, or all hosts of this pattern, itself among them.
pub(crate) fn covering(host: &str) -> impl Iterator<Item = String> {
    let (below, name) = match (host.strip_prefix("**."), host.strip_prefix("*.")) {
        (Some(name), _) => (None, name),
        (None, Some(name)) => (Some(format!("**.{name}")), name),
        (None, None) => (host.split_once('.').map(|(_, parent)| format!("*.{parent}")), host),
    };
    let deep = name.match_indices('.').map(|(at, _)| format!("**.{}", &name[at + 1..]));
    std::iter::once(host.to_owned()).chain(below).chain(deep).collect::<Vec<_>>().into_iter()
}

/// The hosts that tenants have, with the tenant and where the roster says so.
pub(crate) fn claims_of_tenants<'r>(
    cluster: &'r Cluster,
    tenants: &'r Map<Name, Tenant>,
) -> BTreeMap<Cow<'r, str>, (&'r Name, Span)> {
    let claims = tenants.iter().flat_map(|(name, entry)| {
        let domains = entry.value.domains.iter();
        domains.map(move |domain| (Cow::from(domain.host.value.as_str()), (name, domain.host.at)))
    });
    let made = wildcards::all(cluster, tenants);
    let made = made.map(|of| (Cow::from(of.host.to_string()), (of.tenant, of.wildcard.zone.at)));
    let claims = claims.chain(made);
    let mut first = BTreeMap::new();
    for (host, claim) in claims {
        first.entry(host).or_insert(claim);
    }
    first
}

/// The tenants that have this host, by name.
pub(crate) fn claimants<'r>(tenants: &'r Map<Name, Tenant>, host: &str) -> Vec<(&'r Name, &'r Tenant)> {
    let Ok(host) = host.parse::<HostPattern>() else { return Vec::new() };
    let has = |tenant: &Tenant| tenant.domains.iter().any(|theirs| theirs.host.value.overlaps(&host));
    tenants.iter().filter(|(_, entry)| has(&entry.value)).map(|(name, entry)| (name, &entry.value)).collect()
}

#[cfg(test)]
mod tests {
    use crate::domains::parse;

    use crate::roster::{SourceFile, Sources};

    /// The codes of what is found in a roster of these tenants.
    fn codes(tenants: &str) -> Vec<&'static str> {
        let text = format!("{{apiVersion: kwo/v1, kind: Roster, tenants: {{{tenants}}}}}");
        match parse(Sources::new(vec![SourceFile { name: String::new(), text }])) {
            Ok(_) => Vec::new(),
            Err(refused) => refused.findings.iter().map(|finding| finding.code).collect(),
        }
    }

    #[test]
    fn a_host_is_shared_by_all_who_have_it_or_by_none() {
        let host = |of: &str, host: &str, with: &str| {
            format!("{of}: {{domains: [{{host: '{host}', sharedWith: [{with}]}}]}}")
        };
        let (both, one) = (host("b", "h.example.com", "a"), host("a", "h.example.com", "b"));
        assert_eq!(codes(&format!("{one}, {both}")), Vec::<&str>::new());
        assert_eq!(codes(&format!("{one}, b: {{domains: [h.example.com]}}")), ["host-shared-by-one"]);
        assert_eq!(codes(&format!("a: {{domains: [h.example.com]}}, {both}")), ["host-shared-by-one"]);
        assert_eq!(codes(&format!("{one}, b: {{}}")), ["host-shared-by-one"]);
        assert_eq!(codes(&one), ["unknown-tenant"]);
        assert_eq!(codes(&host("a", "h.example.com", "a")), ["host-shared-by-one"]);
        let third = host("c", "h.example.com", "a, b");
        assert_eq!(codes(&format!("{one}, {both}, {third}")), ["host-shared-by-one"]);
        let three = ["a", "b", "c"].map(|of| {
            let with: Vec<&str> = ["a", "b", "c"].into_iter().filter(|name| *name != of).collect();
            host(of, "h.example.com", &with.join(", "))
        });
        assert_eq!(codes(&three.join(", ")), Vec::<&str>::new());
    }

    #[test]
    fn a_pattern_is_shared_with_whoever_has_a_host_below_it() {
        let domain = |host: &str, with: &str| format!("{{host: '{host}', sharedWith: [{with}]}}");
        for (wide, narrow) in [
            ("*.example.com", "h.example.com"),
            ("**.example.com", "h.example.com"),
            ("**.example.com", "a.b.example.com"),
            ("**.example.com", "*.example.com"),
            ("**.example.com", "*.b.example.com"),
            ("**.example.com", "**.b.example.com"),
        ] {
            let apart = format!("a: {{domains: ['{wide}']}}, b: {{domains: ['{narrow}']}}");
            assert_eq!(codes(&apart), ["host-claimed-twice"], "{wide} {narrow}");
            let shared =
                format!("a: {{domains: [{}]}}, b: {{domains: [{}]}}", domain(wide, "b"), domain(narrow, "a"));
            assert_eq!(codes(&shared), Vec::<&str>::new(), "{wide} {narrow}");
            let one = format!("a: {{domains: [{}]}}, b: {{domains: ['{narrow}']}}", domain(wide, "b"));
            assert_eq!(codes(&one), ["host-shared-by-one"], "{wide} {narrow}");
        }
        for (one, other) in [
            ("**.example.com", "example.com"),
            ("**.example.com", "evilexample.com"),
            ("**.b.example.com", "*.example.com"),
            ("*.example.com", "a.b.example.com"),
        ] {
            assert_eq!(
                codes(&format!("a: {{domains: ['{one}']}}, b: {{domains: ['{other}']}}")),
                Vec::<&str>::new()
            );
        }
    }
}
