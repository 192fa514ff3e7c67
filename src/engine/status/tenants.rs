//! The tenants, which are those of the roster and nobody else: their namespaces and how full their quotas are. Two
//! lists for all of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use futures_util::future::join;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kwo_planner::domains::Roster;
use kwo_planner::roster::Quantity;

use super::asked::Asked;
use super::{Answer, Quota, Space, Tenant, Use};

pub(super) async fn tenants(asked: &Asked<'_>, roster: &Roster) -> Vec<Tenant> {
    if roster.tenants().is_empty() {
        return Vec::new();
    }
    let (phases, quotas) = join(
        asked.list::<Namespace>("/api/v1/namespaces"),
        asked.list::<ResourceQuota>("/api/v1/resourcequotas"),
    )
    .await;
    let phase = |have: Namespace| {
        let phase = have.status.and_then(|status| status.phase).unwrap_or_default();
        (have.metadata.name.unwrap_or_default(), phase)
    };
    let phases = phases.map(|list| list.into_iter().map(phase).collect::<BTreeMap<_, _>>());
    let quotas = quotas.map(|list| {
        let mut quotas: BTreeMap<String, Vec<Quota>> = BTreeMap::new();
        for quota in list {
            let namespace = quota.metadata.namespace.clone().unwrap_or_default();
            quotas.entry(namespace).or_default().push(read(quota));
        }
        quotas
    });
    let space = |name: &str| Space {
        name: name.to_owned(),
        phase: about(&phases, |phases| phases.get(name).cloned()),
        quotas: about(&quotas, |quotas| quotas.get(name).cloned().unwrap_or_default()),
    };
    let tenant = |(name, entry): (&kwo_planner::roster::Name, &kwo_planner::roster::Entry<_>)| {
        let tenant: &kwo_planner::domains::tenants::Tenant = &entry.value;
        Tenant {
            name: name.to_string(),
            parked: tenant.parked.as_ref().is_some_and(|parked| parked.value),
            namespaces: tenant.spaces(name).map(|name| space(name.as_str())).collect(),
        }
    };
    let mut tenants: Vec<Tenant> = roster.tenants().iter().map(tenant).collect();
    tenants.sort_by_key(|tenant| Reverse(fullest(tenant)));
    tenants
}

/// What one answer says about one of many.
fn about<T, U>(answer: &Answer<T>, pick: impl FnOnce(&T) -> U) -> Answer<U> {
    match answer {
        Answer::Found(found) => Answer::Found(pick(found)),
        Answer::CouldNotLook(why) => Answer::CouldNotLook(why.clone()),
    }
}

/// How full the fullest quota of a tenant is.
fn fullest(tenant: &Tenant) -> i64 {
    let spaces = tenant.namespaces.iter().filter_map(|space| match &space.quotas {
        Answer::Found(quotas) => Some(quotas),
        Answer::CouldNotLook(_) => None,
    });
    spaces.flatten().flat_map(|quota| &quota.uses).map(Use::fullness).max().unwrap_or(0)
}

/// The bounds come from what is wanted: what counts the use may not have seen them yet.
fn read(quota: ResourceQuota) -> Quota {
    let ResourceQuota { metadata, spec, status } = quota;
    let wanted = spec.and_then(|spec| spec.hard).unwrap_or_default();
    let counted = status.and_then(|status| status.used).unwrap_or_default();
    let mut uses: Vec<Use> = wanted
        .into_iter()
        .map(|(resource, hard)| {
            let hard = hard.0;
            let used = counted.get(&resource).map_or_else(|| "0".to_owned(), |used| used.0.clone());
            let amount = |text: &str| text.parse::<Quantity>().ok();
            let percent = amount(&used).zip(amount(&hard)).and_then(|(used, hard)| used.percent_of(&hard));
            Use { percent: percent.and_then(|percent| i64::try_from(percent).ok()), resource, used, hard }
        })
        .collect();
    uses.sort_by_key(|have| Reverse(have.fullness()));
    Quota { name: metadata.name.unwrap_or_default(), uses }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(spec: &str, used: &str) -> Vec<(String, String, Option<i64>)> {
        let text = format!(
            r#"{{"metadata": {{"name": "q"}}, "spec": {{"hard": {spec}}}, "status": {{"used": {used}}}}}"#
        );
        let quota = read(serde_json::from_str(&text).unwrap());
        quota.uses.into_iter().map(|have| (have.resource, have.used, have.percent)).collect()
    }

    #[test]
    fn the_fullest_comes_first_and_what_runs_though_parked_before_all() {
        let found = uses(
            r#"{"cpu": "2", "memory": "1Gi", "pods": "0", "secrets": "0", "services": "9"}"#,
            r#"{"cpu": "500m", "memory": "1Gi", "pods": "2", "secrets": "0"}"#,
        );
        let have = |resource: &str, used: &str, percent| (resource.to_owned(), used.to_owned(), percent);
        assert_eq!(
            found,
            [
                have("pods", "2", None),
                have("memory", "1Gi", Some(100)),
                have("cpu", "500m", Some(25)),
                have("secrets", "0", None),
                // Not counted yet.
                have("services", "0", Some(0)),
            ]
        );
    }
}
