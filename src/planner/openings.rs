//! Network policies of others that open what kwo's policies close. Policies add up, so kwo cannot close it again, and
//! reports each like access that is not kwo's. If the tier allows tenants to write policies, kwo only counts theirs.
//! `docs/explanation/foreign-access.md` has the rule in words.

use std::collections::BTreeMap;

use smol_str::format_smolstr;

use crate::domains::{Policy, own_policies};
use crate::endings::showing;
use crate::foreign::{ForeignAccess, clipped, is_opening};
use crate::kinds::Kind;
use crate::named::TIER_LABEL;
use crate::observed::{Observed, Present, Sighting, TENANT_LABEL};
use crate::plan::tenant;
use crate::resource::{Desired, ResourceId};
use crate::tightens::{Opened, opened};
use crate::tree::{SmolStr, Tree, join};

/// How much of a policy that is not kwo's is looked at, as values and as pairs of an end and a port: whoever may write
/// policies could fill kwo's memory, and its time, with them.
const KEPT: usize = 1000;

/// Where it stands how many rules were not kept.
const MORE_AT: &str = "/spec/rulesNotKept";

const PODS_AT: &str = "/spec/podSelector";

/// What kwo closes in one namespace.
struct Closed<'t> {
    policy: &'t Tree,
    tenant: SmolStr,
    /// May the tenant write policies of its own?
    may_open: bool,
}

/// A policy that is not kwo's with as many rules as are looked at, and the number of the others.
pub(crate) fn with_few_rules(policy: &Tree) -> Tree {
    let mut left = KEPT;
    let mut more: u64 = 0;
    let mut kept = policy.clone();
    if policy.at(PODS_AT).is_some_and(|pods| values(pods) > KEPT) {
        // All pods, rather than fewer than it selects.
        kept = kept.with(PODS_AT, Tree::map::<SmolStr>([]));
    }
    for (rules_at, peers) in [("/spec/ingress", "from"), ("/spec/egress", "to")] {
        let rules = policy.at(rules_at).map_or(&[][..], Tree::items);
        let mut few = Vec::with_capacity(rules.len().min(KEPT));
        for rule in rules {
            match left.checked_sub(cost(rule, peers)) {
                Some(rest) => {
                    left = rest;
                    few.push(rule.clone());
                }
                None => more += 1,
            }
        }
        if few.len() < rules.len() {
            kept = kept.with(rules_at, Tree::list(few));
        }
    }
    if more == 0 { kept } else { kept.with(MORE_AT, Tree::from(more)) }
}

/// What it costs to look at a rule.
fn cost(rule: &Tree, peers: &str) -> usize {
    let count = |key: &str| rule.get(key).map_or(1, |list| list.items().len().max(1));
    values(rule) + count(peers).saturating_mul(count("ports"))
}

fn values(tree: &Tree) -> usize {
    match tree {
        Tree::Map(entries) => 1 + entries.iter().map(|(_, value)| values(value)).sum::<usize>(),
        Tree::List(items) => 1 + items.iter().map(values).sum::<usize>(),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => 1,
    }
}

/// What policies that are not kwo's open, and how many of them tenants have that they may write.
pub(crate) fn openings(
    theirs: &[(&ResourceId, &Present)],
    desired: &Desired,
    observed: &Observed,
) -> (Vec<ForeignAccess>, usize) {
    let (mut told, mut own) = (Vec::new(), 0);
    if theirs.is_empty() {
        return (told, own);
    }
    let closed = closed(desired, observed);
    for (id, present) in theirs.iter().copied() {
        let Some(Closed { policy, tenant, may_open }) = closed.get(id.scope.as_str()) else { continue };
        if *may_open {
            own += 1;
            continue;
        }
        let body = with_few_rules(&present.body);
        let tell = |who: SmolStr, grants: SmolStr| ForeignAccess {
            id: id.clone(),
            tenant: tenant.clone(),
            who,
            role: format_smolstr!("{}/{}", id.kind, clipped(&id.name)),
            grants,
            command: showing(id, &observed.reach),
        };
        told.extend(opened(&body, policy, &id.scope).into_iter().map(|Opened { from, to }| {
            let (from, to) = (clipped(&from), clipped(&to));
            let grants = format_smolstr!("{from} may reach {to}");
            tell(from, grants)
        }));
        if let Some(more) = body.at(MORE_AT) {
            let who = format_smolstr!("what {more} more rules name, which kwo did not look at,");
            let grants = format_smolstr!("{who} may reach pods of {}, or be reached by them", id.scope);
            told.push(tell(who, grants));
        }
    }
    (told, own)
}

/// Is something closed that a policy of others could open?
pub(crate) fn closes(desired: &Desired) -> bool {
    desired.resources().iter().any(|resource| is_opening(&resource.id))
}

/// The namespaces that kwo closes: those of the roster, and those of tenants that left and are still closed.
fn closed<'t>(desired: &'t Desired, observed: &'t Observed) -> BTreeMap<&'t str, Closed<'t>> {
    let [tiers, _] = Policy::Tiers.ids();
    let rules = desired.get(&tiers).and_then(|tiers| tiers.body.at("/spec/validations")).map(Tree::items);
    let namespace = |name: &SmolStr| ResourceId::kube(Kind::Namespace, "", name.clone());
    let may_open = |body: Option<&Tree>| {
        let tier = body.and_then(|body| body.at(&join("/metadata/labels", TIER_LABEL))?.as_text());
        rules.zip(tier).is_some_and(|(rules, tier)| own_policies(rules, tier))
    };
    let mut closed = BTreeMap::new();
    for resource in desired.resources().iter().filter(|resource| is_opening(&resource.id)) {
        let body = desired.get(&namespace(&resource.id.scope)).map(|namespace| &namespace.body);
        let may_open = may_open(body);
        let tenant = tenant(&resource.body);
        closed.insert(resource.id.scope.as_str(), Closed { policy: &resource.body, tenant, may_open });
    }
    for (id, sighting) in observed.iter().filter(|(id, _)| is_opening(id)) {
        let Sighting::Present(present) = sighting else { continue };
        let of = namespace(&id.scope);
        let left = present.is_marked() && id.system.rules().can_be_kwos(id, present);
        if !left || desired.get(id).is_some() || desired.get(&of).is_some() {
            continue;
        }
        let Some(Sighting::Present(of)) = observed.get(&of) else { continue };
        let may_open = may_open(Some(&of.body));
        let tenant = of.label(TENANT_LABEL).cloned().unwrap_or_default();
        closed.insert(id.scope.as_str(), Closed { policy: &present.body, tenant, may_open });
    }
    closed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tightens::tree;

    #[test]
    fn of_a_policy_no_more_is_kept_than_is_looked_at() {
        let peers = |count: usize| vec![r#"{"podSelector":{"matchLabels":{"a":"b"}}}"#; count].join(",");
        let policy = |rules: &str| tree(&format!(r#"{{"spec":{{"podSelector":{{}},"ingress":[{rules}]}}}}"#));
        let small = policy(&format!(r#"{{"from":[{}]}},{{}}"#, peers(100)));
        assert_eq!(with_few_rules(&small), small);
        // One rule is too large by itself; what comes behind it is looked at all the same.
        let big = with_few_rules(&policy(&format!(r#"{{"from":[{}]}},{{}}"#, peers(1000))));
        assert_eq!(big, policy("{}").with(MORE_AT, Tree::from(1_u64)));
        assert_eq!(with_few_rules(&big), big);
        let ports = vec![r#"{"port":1}"#; 100].join(",");
        let pairs = with_few_rules(&policy(&format!(r#"{{"from":[{}],"ports":[{ports}]}}"#, peers(50))));
        assert_eq!(pairs.at(MORE_AT), Some(&Tree::from(1_u64)));
        let values = vec!["\"x\""; 2000].join(",");
        let selector =
            format!(r#"{{"matchExpressions":[{{"key":"a","operator":"In","values":[{values}]}}]}}"#);
        let chosen = policy("{}").with(PODS_AT, tree(&selector));
        assert_eq!(with_few_rules(&chosen), policy("{}"));
    }
}
