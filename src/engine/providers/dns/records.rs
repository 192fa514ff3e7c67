//! Record sets as kwo compares them, whatever server they come from: names in lower case and without a dot at their ends,
//! contents in one form and order. And what stands in the way of a set at a name: records of others, delegations, aliases.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kwo_planner::plain::one_line;
use kwo_planner::tree::SmolStr;
use smol_str::format_smolstr;

/// All records of one type at one name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RecordSet {
    /// Without a dot at its end.
    pub(super) name: SmolStr,
    /// The type.
    pub(super) of: SmolStr,
    pub(super) ttl: u32,
    /// The contents, in order. One that is switched off says so.
    pub(super) records: Vec<SmolStr>,
    pub(super) comments: Vec<Comment>,
}

/// What somebody noted beside the records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Comment {
    pub(super) account: SmolStr,
    pub(super) content: SmolStr,
    /// When, in seconds; the server says so of a new one.
    pub(super) modified_at: Option<u64>,
}

/// Record sets by name and then by type.
type Sets = BTreeMap<SmolStr, BTreeMap<SmolStr, RecordSet>>;

/// All record sets of a zone.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Those that have records.
    sets: Sets,
    /// Those of which only comments are left.
    left: Sets,
}

/// What is put after a record that is there and switched off.
const SWITCHED_OFF: &str = " (switched off)";

/// What is put after a record whose TTL is another one than that of its set, before that TTL.
const OTHER_TTL: &str = " (TTL ";

/// What is put after a record of a set that a write of kwo left half done.
pub(super) const HALF_WRITTEN: &str = " (half-written)";

/// Is it one of a set that a write of kwo left half done?
pub(super) fn is_half_written(record: &str) -> bool {
    record.ends_with(HALF_WRITTEN)
}

/// A record whose TTL is another one than that of its set.
pub(super) fn of_ttl(record: &str, ttl: u32) -> SmolStr {
    format_smolstr!("{record}{OTHER_TTL}{ttl})")
}

/// Is it one of those?
pub(super) fn has_other_ttl(record: &str) -> bool {
    record.contains(OTHER_TTL)
}

/// Is it a record that is there and switched off?
pub(super) fn is_switched_off(record: &str) -> bool {
    record.ends_with(SWITCHED_OFF)
}

/// A name in one form.
pub(super) fn name(text: &str) -> SmolStr {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase().into()
}

/// Is it a name of the zone?
pub(super) fn is_inside(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// The content of a record in one form, which differs from another only if DNS answers differently.
pub(super) fn content(of: &str, text: &str, switched_off: bool) -> SmolStr {
    let plain = match of {
        "A" | "AAAA" => {
            text.parse::<IpAddr>().map_or_else(|_| text.to_owned(), |address| address.to_string())
        }
        "CNAME" | "NS" | "DNAME" | "ALIAS" => format!("{}.", name(text)),
        _ => text.to_owned(),
    };
    if switched_off { format!("{plain}{SWITCHED_OFF}").into() } else { plain.into() }
}

impl Content {
    /// These sets. One without records is none: only a comment was left of it.
    pub(super) fn of(sets: impl IntoIterator<Item = RecordSet>) -> Content {
        let mut content = Content::default();
        for set in sets {
            let into = if set.records.is_empty() { &mut content.left } else { &mut content.sets };
            into.entry(set.name.clone()).or_default().insert(set.of.clone(), set);
        }
        content
    }

    pub(super) fn get(&self, of: &str, name: &str) -> Option<&RecordSet> {
        self.sets.get(name)?.get(of)
    }

    /// A set, or what is left of it.
    pub(super) fn there(&self, of: &str, name: &str) -> Option<&RecordSet> {
        self.get(of, name).or_else(|| self.left(of, name))
    }

    /// All sets at a name that have records.
    pub(super) fn at(&self, name: &str) -> impl Iterator<Item = &RecordSet> {
        self.sets.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// What is left of a set that has no records.
    pub(super) fn left(&self, of: &str, name: &str) -> Option<&RecordSet> {
        self.left.get(name)?.get(of)
    }

    /// All of which only comments are left.
    pub(super) fn all_left(&self) -> impl Iterator<Item = &RecordSet> {
        self.left.values().flat_map(BTreeMap::values)
    }

    /// All that have records.
    pub(super) fn iter(&self) -> impl Iterator<Item = &RecordSet> {
        self.sets.values().flat_map(BTreeMap::values)
    }

    /// Why a set of this type cannot stand at this name of the zone, or would not be answered with; nothing where it can.
    /// `own` says whether a set is kwo's.
    pub(super) fn in_the_way(
        &self,
        (of, at): (&str, &str),
        zone: &str,
        own: &dyn Fn(&RecordSet) -> bool,
    ) -> Option<String> {
        self.delegated(at, zone).or_else(|| self.kept_by_others(of, at)).or_else(|| self.beside(of, at, own))
    }

    /// The sets, by type and name, that say whether a set can be written: itself and all that can be in its way.
    pub(super) fn decisive(of: &str, at: &str, zone: &str) -> Vec<(SmolStr, SmolStr)> {
        let set = |of: &str, at: &str| (SmolStr::from(of), SmolStr::from(at));
        let mut sets = vec![set(of, at)];
        if of != "CNAME" {
            sets.push(set("CNAME", at));
        }
        let mut here = at;
        while here != zone {
            sets.push(set("NS", here));
            if here != at {
                sets.push(set("DNAME", here));
            }
            let Some((_, above)) = here.split_once('.') else { break };
            here = above;
        }
        // Beside the zone itself there is none: a server refuses a condition on a name that is not in the zone.
        let inside = |place: &String| is_inside(place, zone);
        sets.extend(notes_of_others(of, at).filter(inside).map(|place| set("TXT", &place)));
        sets
    }

    /// A zone below this one that other servers answer for.
    fn delegated(&self, at: &str, zone: &str) -> Option<String> {
        let mut here = at;
        while here != zone {
            if let Some(servers) = self.get("NS", here) {
                return Some(format!(
                    "{here} is a zone of its own ({} answer for it), so nobody would see a record of {zone} there; name \
                     that zone under `dns.zones`",
                    told(&servers.records)
                ));
            }
            if here != at
                && let Some(alias) = self.get("DNAME", here)
            {
                return Some(format!(
                    "everything below {here} is answered from {} (DNAME)",
                    told(&alias.records)
                ));
            }
            here = here.split_once('.')?.1;
        }
        None
    }

    /// Another program that keeps the name, by the note that it leaves: external-dns' registry of TXT records.
    fn kept_by_others(&self, of: &str, at: &str) -> Option<String> {
        let places = notes_of_others(of, at);
        let notes = places.filter_map(|place| self.get("TXT", &place));
        let owner = notes.flat_map(|note| &note.records).find_map(|text| heritage(text))?;
        Some(format!(
            "external-dns keeps this name (owner `{}`); end that there, with its TXT record, before kwo keeps it",
            one_line(&owner)
        ))
    }

    /// What stands at the same name and bears no other beside it.
    fn beside(&self, of: &str, at: &str, own: &dyn Fn(&RecordSet) -> bool) -> Option<String> {
        let there = self.sets.get(at)?;
        let alone = |of: &str| matches!(of, "CNAME" | "ALIAS" | "LUA");
        let others = there.values().filter(|set| set.of != of);
        let clash = others.into_iter().find(|set| alone(&set.of) || of == "CNAME")?;
        let what = format!("{} {at} {}", clash.of, told(&clash.records));
        Some(if own(clash) {
            format!(
                "kwo's own record {what} is there, and beside a CNAME record there is no other; end that one first, by the \
                 command of the leftover, and run kwo again"
            )
        } else {
            format!("a record of others is there, {what}, and beside a CNAME record there is no other")
        })
    }
}

/// Where external-dns leaves its notes for a set.
fn notes_of_others(of: &str, at: &str) -> impl Iterator<Item = String> {
    let of = of.to_ascii_lowercase();
    let wildcard = at.strip_prefix("*.").map(|rest| format!("{of}-any.{rest}"));
    [at.to_owned(), format!("{of}-{at}")].into_iter().chain(wildcard)
}

/// The owner in a TXT record of external-dns.
fn heritage(text: &str) -> Option<SmolStr> {
    let mut words = text.trim_matches('"').split(',');
    (words.next()? == "heritage=external-dns").then_some(())?;
    let owner = words.find_map(|word| word.strip_prefix("external-dns/owner="));
    Some(owner.unwrap_or("unknown").into())
}

/// Contents for people: a few of them, and no word of a stranger that leaves its line.
pub(super) fn told(records: &[SmolStr]) -> String {
    const NAMED: usize = 3;
    let mut words: Vec<String> =
        records.iter().take(NAMED).map(|record| one_line(record).chars().take(80).collect()).collect();
    if records.len() > NAMED {
        words.push("…".to_owned());
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_of(sets: &[(&str, &str, &str)]) -> Content {
        Content::of(sets.iter().map(|(of, name, record)| RecordSet {
            name: (*name).into(),
            of: (*of).into(),
            ttl: 60,
            records: vec![content(of, record, false)],
            comments: Vec::new(),
        }))
    }

    fn why(sets: &[(&str, &str, &str)], of: &str, at: &str) -> String {
        let nobody = |_: &RecordSet| false;
        content_of(sets).in_the_way((of, at), "example.com", &nobody).unwrap_or_default()
    }

    #[test]
    fn names_and_contents_have_one_form() {
        assert_eq!(name("WWW.Example.COM."), "www.example.com");
        assert_eq!(content("AAAA", "2001:DB8:0:0::1", false), "2001:db8::1");
        assert_eq!(content("CNAME", "LB.Example.net", false), "lb.example.net.");
        assert_eq!(content("TXT", "\"A B\"", false), "\"A B\"");
        assert_eq!(content("A", "192.0.2.1", true), "192.0.2.1 (switched off)");
    }

    #[test]
    fn a_cname_stands_alone() {
        let cname = [("CNAME", "a.example.com", "x.example.net")];
        assert!(why(&cname, "A", "a.example.com").contains("CNAME a.example.com x.example.net."));
        assert_eq!(why(&cname, "CNAME", "a.example.com"), "");
        let a = [("A", "a.example.com", "192.0.2.1"), ("TXT", "b.example.com", "\"x\"")];
        assert!(why(&a, "CNAME", "a.example.com").contains("A a.example.com 192.0.2.1"));
        assert!(why(&a, "CNAME", "b.example.com").contains("TXT"));
        assert_eq!(why(&a, "AAAA", "a.example.com"), "");
        assert!(why(&[("ALIAS", "a.example.com", "x.y")], "A", "a.example.com").contains("ALIAS"));
        let own = |_: &RecordSet| true;
        let said = content_of(&a).in_the_way(("CNAME", "a.example.com"), "example.com", &own).unwrap();
        assert!(said.contains("kwo's own record A a.example.com"), "{said}");
    }

    #[test]
    fn what_others_answer_for_is_not_written() {
        let zone = [
            ("NS", "example.com", "ns1.example.com"),
            ("NS", "dev.example.com", "ns.other.net"),
            ("DNAME", "old.example.com", "new.net"),
        ];
        for at in ["dev.example.com", "a.dev.example.com", "*.b.dev.example.com"] {
            assert!(
                why(&zone, "A", at).contains("dev.example.com is a zone of its own (ns.other.net."),
                "{at}"
            );
        }
        assert!(why(&zone, "A", "x.old.example.com").contains("new.net. (DNAME)"));
        for at in ["example.com", "xdev.example.com", "old.example.com"] {
            assert_eq!(why(&zone, "A", at), "", "{at}");
        }
    }

    #[test]
    fn a_write_depends_on_all_that_could_be_in_its_way() {
        let told: Vec<String> = Content::decisive("A", "*.w.example.com", "example.com")
            .iter()
            .map(|(of, at)| format!("{of} {at}"))
            .collect();
        assert_eq!(
            told,
            [
                "A *.w.example.com",
                "CNAME *.w.example.com",
                "NS *.w.example.com",
                "NS w.example.com",
                "DNAME w.example.com",
                "TXT *.w.example.com",
                "TXT a-*.w.example.com",
                "TXT a-any.w.example.com",
            ]
        );
    }

    #[test]
    fn a_write_depends_on_nothing_outside_the_zone() {
        for (at, count) in [("example.com", 3), ("*.example.com", 6), ("www.example.com", 5)] {
            let sets = Content::decisive("A", at, "example.com");
            let inside = |name: &str| name == "example.com" || name.ends_with(".example.com");
            assert!(sets.iter().all(|(_, name)| inside(name)), "{sets:?}");
            assert_eq!(sets.len(), count, "{sets:?}");
        }
    }

    #[test]
    fn external_dns_is_known_by_its_notes() {
        let note =
            "\"heritage=external-dns,external-dns/owner=other\u{1b}[1m,external-dns/resource=ingress/a/b\"";
        for (at, name) in [
            ("a.example.com", "a.example.com"),
            ("a.example.com", "a-a.example.com"),
            ("*.w.example.com", "a-any.w.example.com"),
        ] {
            let said = why(&[("TXT", name, note)], "A", at);
            assert!(
                said.contains("external-dns keeps this name (owner `other") && !said.contains('\u{1b}'),
                "{said}"
            );
        }
        assert_eq!(why(&[("TXT", "a.example.com", "\"v=spf1\"")], "A", "a.example.com"), "");
    }
}
