//! How much of the registry the images of a tenant may take: `images.storage` of its tier, or its own. The registry has no
//! quota, so kwo makes no object of it: `kwo registry usage` compares it with what is there.

use super::bounding;
use super::document::Roster;
use super::registry::Registry;
use super::tenants::{DEFAULT_TIER, Tenant};
use super::tiers::Tier;
use crate::roster::record::record;
use crate::roster::{At, Finding, Findings, Map, Name, Quantity};
use crate::usage::{Allowance, Source};

record! {
    /// What the images of a tenant may be, where that differs from its tier.
    pub struct TenantImages: "what the images of a tenant may be" {
        /// How much the tenant's images may take in the cluster's registry; overrides the tier. `kwo registry usage`
        /// compares, and refuses nothing.
        pub storage: Option<At<Quantity>>,
    }
}

impl Roster {
    /// How much the images of this tenant may take in the registry; nothing where the roster does not say.
    #[must_use]
    pub fn image_storage(&self, tenant: &Tenant) -> Option<Allowance> {
        let name = tenant.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str());
        let tier = self.tiers().get(name).and_then(|tier| tier.value.images.storage.as_ref());
        let own = tenant.images.storage.as_ref().map(|storage| (storage, Source::Tenant));
        let (storage, source) = own.or_else(|| tier.map(|storage| (storage, Source::Tier(name.into()))))?;
        // No quantity is more than a u64 holds, and each here is of whole bytes.
        Some(Allowance { bytes: u64::try_from(storage.units()).unwrap_or(u64::MAX), source })
    }
}

/// An amount that can be taken, and a registry that it can be taken of. Where the roster was not read as a `whole`, the
/// registry may stand in what is missing.
pub(crate) fn check(
    registry: Option<&Registry>,
    tiers: &Map<Name, Tier>,
    tenants: &Map<Name, Tenant>,
    whole: bool,
    findings: &mut Findings,
) {
    let no_quota = "leave the field out for no quota";
    let of_tiers = tiers.values().map(|tier| (&tier.value.images.storage, no_quota));
    let as_tier = "leave the field out for that of the tier";
    let of_tenants = tenants.values().map(|tenant| (&tenant.value.images.storage, as_tier));
    let all = of_tiers.chain(of_tenants).filter_map(|(storage, or)| Some((storage.as_ref()?, or)));
    let mut all: Vec<(&At<Quantity>, &str)> = all.collect();
    all.sort_unstable_by_key(|(storage, _)| storage.at);
    for (storage, or) in &all {
        if storage.units() > 0 {
            bounding::check_amount("storage", storage, findings);
            continue;
        }
        let message = format!("`storage` of images is `{storage}`, and nothing fits into that");
        let finding = Finding::new("images-without-room", storage.at, message, "expected more than zero");
        findings.push(finding.hint(format!("write an amount such as `10Gi`, or {or}")));
    }
    let has_registry = registry.is_some_and(|registry| !registry.hosts.is_empty());
    if let Some((first, _)) = all.first().filter(|_| whole && !has_registry && registry.is_none_or(is_well)) {
        let finding = Finding::new(
            "images-without-registry",
            first.at,
            "`storage` of images is a part of the cluster's registry, and the roster asks for no registry",
            "expected `registry.hosts`",
        );
        findings
            .push(finding.hint("add `registry: {hosts: [registry.example.com]}`, or take the amount out"));
    }
}

/// Does a section without hosts say nothing that another finding is about already?
fn is_well(registry: &Registry) -> bool {
    !registry.mirrors.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::{compile, parse};
    use crate::rbac::{More, Purpose, rights};
    use crate::roster::{SourceFile, Sources};

    fn roster(sections: &str) -> Roster {
        let text =
            format!("apiVersion: kwo/v1\nkind: Roster\nregistry: {{hosts: [r.example.com]}}\n{sections}");
        parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap()
    }

    #[test]
    fn a_tenant_overrides_its_tier_and_a_tier_may_say_nothing() {
        let roster = roster(
            "tiers:\n  standard: {images: {storage: 10Gi}}\n  team: {images: {storage: 5G}}\n  free: {}\ntenants:\n  \
             a: {}\n  b: {tier: team}\n  c: {tier: team, images: {storage: 1500k}}\n  d: {tier: free}\n  \
             e: {tier: small}\n  f: {tier: small, images: {storage: 9E}}\n",
        );
        let of = |name: &str| {
            roster.image_storage(&roster.tenants().get(name).unwrap().value).map(|found| match found.source {
                Source::Tier(tier) => (found.bytes, tier.to_string()),
                Source::Tenant => (found.bytes, "its own".to_owned()),
            })
        };
        assert_eq!(of("a"), Some((10 << 30, "standard".to_owned())));
        assert_eq!(of("b"), Some((5_000_000_000, "team".to_owned())));
        assert_eq!(of("c"), Some((1_500_000, "its own".to_owned())));
        assert_eq!((of("d"), of("e")), (None, None));
        assert_eq!(of("f"), Some((9_000_000_000_000_000_000, "its own".to_owned())));
    }

    /// `kwo registry usage --events` needs the password of a user, and to tell tenants.
    #[test]
    fn who_may_sync_may_count_and_tell() {
        let desired = compile(&roster("tenants: {alice: }\n")).unwrap();
        let rules = rights(&desired, Purpose::Sync, More::default());
        let has = |place: &str, words: [&str; 3]| {
            let of_place = rules.iter().filter(|(namespace, _)| namespace.as_str() == place);
            of_place.flat_map(|(_, rules)| rules).any(|rule| {
                let text = serde_json::to_string(&rule.tree()).unwrap();
                words.iter().all(|word| text.contains(&format!("\"{word}\"")))
            })
        };
        assert!(has("kube-system", ["secrets", "get", "registry-auth"]), "{rules:?}");
        assert!(has("", ["events", "create", "events"]), "{rules:?}");
    }
}
