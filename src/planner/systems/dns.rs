//! DNS zones beside the cluster: the record sets that lead the hosts of tenants to it. Their ids, how their fields are
//! compared, and the command that ends one; which records there are is the domains' business, and how a server of a zone is
//! spoken to is the engine's.

use std::collections::BTreeMap;

use smol_str::format_smolstr;

use super::{Connection, Order, Rules, System};
use crate::change::Leftover;
use crate::compare::Difference;
use crate::endings::word;
use crate::observed::{Observed, Present, Reach, Sighting};
use crate::resource::{Desired, ResourceId};
use crate::roster::SecretRef;
use crate::shapes::{PLAIN, Shape};
use crate::tree::{SmolStr, Tree};

/// The only kind: all records of one type at one name, which are one value to DNS.
pub const RECORD: &str = "Record";

/// The types of the records that kwo writes. What has another type is not kwo's, whatever mark stands on it: a copied mark on
/// an SOA record would be a command that ends the zone.
pub const WRITTEN: [&str; 3] = ["A", "AAAA", "CNAME"];

/// Where the contents of the records stand, in order.
pub const RECORDS: &str = "records";

/// Where the TTL stands.
pub const TTL: &str = "ttl";

/// The word in the beginning of a command that stands for what `kubectl` has to be told.
pub const KUBECTL: &str = "{kubectl}";

/// What is put after a record whose requests go through a proxy of whoever serves the zone.
pub const PROXIED: &str = " (proxied)";

/// The TTL of a record that has none of its own: Cloudflare answers so where it is automatic, and always at its proxy.
pub const AUTOMATIC_TTL: u32 = 300;

/// The name of the key of the API among the secrets of a way.
pub const KEY: &str = "key";

/// The name of a key that is only for finding the zone, where there is one.
pub const ZONE_KEY: &str = "key for the zone";

/// The name of the id of a key, where a key has one that is sent beside what it signs.
pub const KEY_ID: &str = "id of the key";

/// The name of the key of who lets in the one that signs.
pub const CONSUMER_KEY: &str = "consumer key";

/// The name of the endpoint that stands among the keys.
pub const ENDPOINT: &str = "endpoint";

/// The name of the token that belongs to a key that ends by itself.
pub const SESSION_TOKEN: &str = "session token";

/// How many addresses of a record that is left over are named.
const NAMED: usize = 3;

static RECORD_SET: Shape = Shape { ..PLAIN };

/// DNS zones.
pub struct Zones;

impl Rules for Zones {
    fn name(&self) -> &'static str {
        "dns"
    }

    fn forms(&self) -> &'static [&'static str] {
        &["dns:Record/zone/TYPE:name"]
    }

    fn pattern(&self) -> &'static str {
        "dns:[^/]+/[^/]+/[A-Z0-9]+:.+"
    }

    fn parts<'t>(&self, rest: &'t str) -> Option<[&'t str; 3]> {
        let (kind, rest) = rest.split_once('/')?;
        let (zone, name) = rest.split_once('/')?;
        let (of, owner) = name.split_once(':')?;
        let is_type =
            !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        (is_type && !zone.is_empty() && !owner.is_empty()).then_some([kind, zone, name])
    }

    fn shape(&self, id: &ResourceId) -> Option<&'static Shape> {
        (id.kind == RECORD).then_some(&RECORD_SET)
    }

    fn recorded_sets(&self, _: &ResourceId) -> &'static [&'static str] {
        &[]
    }

    fn can_be_kwos(&self, id: &ResourceId, _: &Present) -> bool {
        id.kind == RECORD
    }

    /// Only the adapter knows how the server of a zone is told.
    fn ending(&self, id: &ResourceId, reach: &Reach) -> String {
        let command = reach.commands.get(id).map(|command| command.replace(KUBECTL, &reach.kubectl));
        command.unwrap_or_else(|| self.showing(id, reach))
    }

    fn ending_of_field(&self, id: &ResourceId, _: &str, _: Option<&Tree>, reach: &Reach) -> String {
        self.showing(id, reach)
    }

    fn showing(&self, id: &ResourceId, _: &Reach) -> String {
        let Some((of, name)) = id.record() else { return String::new() };
        format!("dig +noall +answer {} {}", word(&format!("{name}.")), word(of))
    }

    fn editor(&self) -> &'static str {
        "${EDITOR:-vi}"
    }

    fn still_gives(&self, _: &ResourceId) -> Option<String> {
        None
    }

    /// A name that nobody wants still leads somewhere: whoever has that address next answers for it.
    fn together(&self, leftovers: &mut [Leftover], _: &Desired, observed: &Observed) {
        let own = leftovers.iter_mut().filter(|left| left.id.system == System::Dns && left.pointer.is_none());
        for left in own {
            let (Some((_, name)), Some(Sighting::Present(present))) =
                (left.id.record(), observed.get(&left.id))
            else {
                continue;
            };
            let there = present.body.get(RECORDS).map(Tree::items).unwrap_or_default();
            let mut told: Vec<&str> =
                there.iter().filter_map(Tree::as_text).map(SmolStr::as_str).take(NAMED).collect();
            if there.len() > NAMED {
                told.push("…");
            }
            let stays = observed.reach.stays.get(&left.id);
            let stays = stays.map(|stays| format!("; not kwo's, and stays: {stays}")).unwrap_or_default();
            left.in_force = Some(if there.is_empty() {
                format_smolstr!(
                    "{name} may still lead where it led: its records are gone, and the end was perhaps not published"
                )
            } else {
                format_smolstr!("{name} still leads to {}{stays}", told.join(", "))
            });
        }
    }

    fn only_by_name(&self, _: &ResourceId, differences: &[Difference]) -> Option<SmolStr> {
        let told: Vec<String> = differences
            .iter()
            .filter_map(|difference| match difference {
                Difference::Other { pointer, from, to } => Some(format!("{pointer} is {from}, and not {to}")),
                Difference::Missing { .. } => None,
            })
            .collect();
        (!told.is_empty()).then(|| told.join(", ").into())
    }

    fn ends_by_hand(&self, _: &ResourceId, whole: bool) -> bool {
        !whole
    }

    fn is_reviewed(&self) -> bool {
        false
    }

    /// A server of a zone that does not answer keeps nobody's access alive: names go after it.
    fn loses(&self, _: &ResourceId, whole: bool) -> Order {
        if whole { Order::Name } else { Order::Rest }
    }

    fn part(&self, id: &ResourceId) -> Option<SmolStr> {
        Some(format_smolstr!("dns:{}", id.scope))
    }

    fn not_asked(&self) -> SmolStr {
        "kwo looks at DNS records only where it has the key of the zone".into()
    }
}

/// The way to a zone, with its keys by the names above.
#[must_use]
pub fn way(zone: &SmolStr, settings: Tree, keys: BTreeMap<SmolStr, SecretRef>) -> Connection {
    Connection { system: System::Dns, part: zone.clone(), settings, secrets: keys }
}

impl ResourceId {
    /// The records of a type at a name of a zone; without dots at their ends.
    pub fn dns(zone: impl Into<SmolStr>, of: &str, name: &str) -> ResourceId {
        ResourceId {
            system: System::Dns,
            kind: SmolStr::new_static(RECORD),
            scope: zone.into(),
            name: format_smolstr!("{of}:{name}"),
        }
    }

    /// The type and the name of the records, where it is such.
    #[must_use]
    pub fn record(&self) -> Option<(&str, &str)> {
        let is = self.system == System::Dns && self.kind == RECORD;
        self.name.split_once(':').filter(|_| is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_any_name_that_dns_has() {
        for text in [
            "dns:Record/example.com/A:www.example.com",
            "dns:Record/example.com/AAAA:*.alice.example.com",
            "dns:Record/2.0.192.in-addr.arpa/PTR:1.0/25.2.0.192.in-addr.arpa",
            "dns:Record/example.com/TXT:_a:b.example.com",
        ] {
            let id: ResourceId = text.parse().unwrap();
            assert_eq!((id.to_string().as_str(), id.system), (text, System::Dns));
        }
        let wildcard: ResourceId = "dns:Record/example.com/A:*.x.example.com".parse().unwrap();
        assert_eq!(wildcard.record(), Some(("A", "*.x.example.com")));
        assert_eq!(wildcard, ResourceId::dns("example.com", "A", "*.x.example.com"));
        for text in
            ["dns:Record/example.com", "dns:Record/example.com/A", "dns:Record//A:x", "dns:Record/z/a:x"]
        {
            assert!(text.parse::<ResourceId>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_that_ends_a_record_is_the_servers() {
        let mut reach = Reach { kubectl: " --context=c".into(), ..Reach::default() };
        let id = ResourceId::dns("example.com", "A", "*.x.example.com");
        // Without one a person sees what is there.
        assert_eq!(Zones.ending(&id, &reach), "dig +noall +answer '*.x.example.com.' A");
        reach.commands.insert(id.clone(), "kubectl{kubectl} get … | curl URL".into());
        assert_eq!(Zones.ending(&id, &reach), "kubectl --context=c get … | curl URL");
    }
}
