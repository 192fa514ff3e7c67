//! Record sets as Route 53 lists them, exactly as they are there, and the record sets that kwo compares, with kwo's marks of
//! `texts`. A set with a routing policy and one that is an alias are others': kwo tells what they are and changes none.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::plain::one_line;
use kwo_planner::tree::SmolStr;
use smol_str::format_smolstr;

use super::xml::Element;
use crate::providers::dns::records::{RecordSet, content, name, told};
use crate::providers::dns::server::Wanted;
use crate::providers::dns::texts::{self, LONGEST_STRING, MARK_TYPE, mark_name, name_of_mark};

/// What a set has that only answers with its records. All else is a routing policy, a health check or an alias.
const PLAIN: [&str; 4] = ["Name", "Type", "TTL", "ResourceRecords"];

/// The longest part of what a set has besides that is shown.
const SHOWN: usize = 120;

/// A set that only answers with its records, as it is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Plain {
    pub(super) name: String,
    pub(super) of: SmolStr,
    pub(super) ttl: u32,
    pub(super) values: Vec<String>,
}

/// A set as it is listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Listed {
    pub(super) plain: Plain,
    /// Its name in one form.
    pub(super) at: SmolStr,
    /// What makes it more than that, for people.
    special: Option<String>,
    /// What tells it from others of its name and type.
    pub(super) identifier: Option<String>,
}

/// By name and then by type. Of a type that has a routing policy there are several.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen(BTreeMap<SmolStr, BTreeMap<SmolStr, Vec<Listed>>>);

impl Listed {
    /// Reads a set.
    ///
    /// # Errors
    /// When no set of this zone is like it.
    pub(super) fn read(set: &Element, zone: &str) -> Result<Listed, String> {
        let none =
            || "a record set in its list has a name, type or TTL that none of this zone has".to_owned();
        let raw = set.text_of("Name").ok_or_else(none)?;
        let at = SmolStr::from(decoded(&name(raw)));
        let of = SmolStr::from(set.text_of("Type").unwrap_or_default());
        let inside = at == zone || at.strip_suffix(zone).is_some_and(|above| above.ends_with('.'));
        let is_type =
            !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !inside || !is_type {
            return Err(none());
        }
        let ttl = set.text_of("TTL").map(|ttl| ttl.trim().parse::<u32>().map_err(|_| none())).transpose()?;
        let records = set.child("ResourceRecords").map(|list| list.children.as_slice()).unwrap_or_default();
        let value = |record: &Element| record.text_of("Value").map(ToOwned::to_owned);
        let values: Option<Vec<String>> = records.iter().map(value).collect();
        let values = values.ok_or("a record in its list has no value")?;
        let special: Vec<String> =
            set.children.iter().filter(|child| !PLAIN.contains(&child.name.as_str())).map(special).collect();
        let special = (!special.is_empty()).then(|| special.join(", "));
        if special.is_none() && (values.is_empty() || ttl.is_none()) {
            return Err("a record set in its list has no records".to_owned());
        }
        Ok(Listed {
            plain: Plain { name: raw.to_owned(), of, ttl: ttl.unwrap_or_default(), values },
            at,
            special,
            identifier: set.text_of("SetIdentifier").map(ToOwned::to_owned),
        })
    }

    /// Its records as they are compared.
    fn records(&self) -> Vec<SmolStr> {
        let Plain { of, values, .. } = &self.plain;
        let plain = values.iter().map(|value| content(of, value, false));
        match &self.special {
            None => plain.collect(),
            Some(special) if values.is_empty() => vec![special.into()],
            Some(special) => plain.map(|value| format_smolstr!("{value} ({special})")).collect(),
        }
    }
}

/// What a set has besides its records, for people.
fn special(child: &Element) -> String {
    let told = match child.text_of("DNSName").filter(|_| child.name == "AliasTarget") {
        Some(target) => format!("alias of {target}"),
        None => format!("{} {}", child.name, child.text.trim()),
    };
    one_line(told.trim_end()).chars().take(SHOWN).collect()
}

/// A name without escapes of what stands for itself; those of other characters stay.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('\\');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let code = piece.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let plain = code.map(char::from).filter(|char| char.is_ascii_graphic() && !".\\".contains(*char));
        match (plain, piece.get(3..)) {
            (Some(char), Some(rest)) => format!("{text}{}{rest}", char.to_ascii_lowercase()),
            _ => format!("{text}\\{piece}"),
        }
    })
}

/// A name as Route 53 writes it.
pub(super) fn written(at: &str) -> String {
    format!("{}.", at.replace('*', r"\052"))
}

/// What the strings of a TXT record say together; nothing where it is none.
pub(super) fn unquoted(value: &str) -> Option<String> {
    let (mut text, mut inside) = (Vec::new(), false);
    let mut bytes = value.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => {
                let rest = bytes.as_slice();
                let code = rest.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
                match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
                    Some(code) => {
                        text.push(code);
                        bytes.nth(2);
                    }
                    None => text.push(*bytes.next()?),
                }
            }
            byte if inside => text.push(byte),
            b' ' => {}
            _ => return None,
        }
    }
    (!inside).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// A text as a TXT record.
pub(super) fn quoted(text: &str) -> String {
    let strings = text.as_bytes().chunks(LONGEST_STRING).map(|part| {
        let escaped: String = part
            .iter()
            .map(|byte| match byte {
                b'"' | b'\\' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                byte => format!("\\{byte:03o}"),
            })
            .collect();
        format!("\"{escaped}\"")
    });
    strings.collect::<Vec<_>>().join(" ")
}

impl Seen {
    /// These sets.
    pub(super) fn of(listed: Vec<Listed>) -> Seen {
        let mut seen = Seen::default();
        listed.into_iter().for_each(|listed| seen.insert(listed));
        seen
    }

    fn insert(&mut self, listed: Listed) {
        let of = listed.plain.of.clone();
        self.0.entry(listed.at.clone()).or_default().entry(of).or_default().push(listed);
    }

    /// These are all sets at the name now.
    pub(super) fn renew(&mut self, at: &str, listed: Vec<Listed>) {
        self.0.remove(at);
        listed.into_iter().for_each(|listed| self.insert(listed));
    }

    /// This is the set now, or there is none.
    pub(super) fn put(&mut self, of: &SmolStr, at: &SmolStr, plain: Option<Plain>) {
        let sets = self.0.entry(at.clone()).or_default();
        match plain {
            Some(plain) => {
                let listed = Listed { plain, at: at.clone(), special: None, identifier: None };
                sets.insert(of.clone(), vec![listed]);
            }
            None => {
                sets.remove(of);
            }
        }
    }

    fn get(&self, of: &str, at: &str) -> &[Listed] {
        self.0.get(at).and_then(|sets| sets.get(of)).map(Vec::as_slice).unwrap_or_default()
    }

    /// A set that only answers with its records; nothing where there is none.
    ///
    /// # Errors
    /// When it is one that kwo does not change.
    pub(super) fn plain(&self, of: &str, at: &str) -> Result<Option<&Plain>, String> {
        match self.get(of, at) {
            [] => Ok(None),
            [Listed { plain, special: None, .. }] => Ok(Some(plain)),
            others => {
                let records: Vec<SmolStr> = others.iter().flat_map(Listed::records).collect();
                Err(format!(
                    "a record of others is there, {of} {at} {}, and kwo changes no record set with a routing policy and no \
                     alias; end it there, or take the host out of the roster",
                    told(&records)
                ))
            }
        }
    }

    /// The record sets at these names, or all of them, each with its marks.
    pub(super) fn sets(&self, at: Option<&[SmolStr]>) -> Vec<RecordSet> {
        let names: BTreeSet<SmolStr> = match at {
            None => {
                let marks = self.0.keys().filter_map(|name| name_of_mark(name));
                self.0.keys().cloned().chain(marks).collect()
            }
            Some(names) => names.iter().cloned().collect(),
        };
        names.iter().flat_map(|name| self.sets_at(name)).collect()
    }

    fn sets_at(&self, name: &SmolStr) -> Vec<RecordSet> {
        let here = self.0.get(name).into_iter().flatten();
        // A place of marks is no place of records.
        let here = here.filter(|(of, _)| *of != MARK_TYPE || name_of_mark(name).is_none());
        let set = |(of, listed): (&SmolStr, &Vec<Listed>)| {
            let mut records: Vec<SmolStr> = listed.iter().flat_map(Listed::records).collect();
            records.sort();
            records.dedup();
            let ttl = listed.iter().map(|listed| listed.plain.ttl).min().unwrap_or_default();
            let (name, comments) = (name.clone(), Vec::new());
            (of.clone(), RecordSet { name, of: of.clone(), ttl, records, comments })
        };
        let mut sets: BTreeMap<SmolStr, RecordSet> = here.map(set).collect();
        let marks = self.get(MARK_TYPE, &mark_name(name)).iter().flat_map(|listed| &listed.plain.values);
        let marks: Vec<SmolStr> =
            marks.map(|value| unquoted(value).map_or_else(|| value.into(), SmolStr::from)).collect();
        texts::noted(name, &mut sets, &marks);
        sets.into_values().collect()
    }

    /// Why kwo makes nothing there: of the set, or of its mark, is something there that kwo does not change.
    pub(super) fn objection(&self, wanted: &Wanted<'_>) -> Option<String> {
        let at = wanted.name;
        let (set, mark) = (self.plain(wanted.of, at), self.plain(MARK_TYPE, &mark_name(at)));
        set.err().or(mark.err())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::dns::route53::xml::read;

    fn listed(text: &str) -> Result<Listed, String> {
        Listed::read(&read(format!("<S>{text}</S>").as_bytes()).unwrap(), "example.com")
    }

    fn simple(name: &str, of: &str, value: &str) -> String {
        format!(
            "<Name>{name}</Name><Type>{of}</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value>\
             </ResourceRecord></ResourceRecords>"
        )
    }

    #[test]
    fn a_name_and_a_text_are_read_as_they_are_meant() {
        for (raw, at) in [
            (r"\052.W.example.com.", "*.w.example.com"),
            (r"\137kwo.example.com.", "_kwo.example.com"),
            (r"a\056b.example.com.", r"a\056b.example.com"),
            (r"a\000.example.com.", r"a\000.example.com"),
            (r"a\9.example.com.", r"a\9.example.com"),
        ] {
            let listed = listed(&simple(raw, "A", "192.0.2.1")).unwrap();
            assert_eq!((listed.at.as_str(), listed.plain.name.as_str()), (at, raw));
        }
        assert_eq!(written("*.w.example.com"), r"\052.w.example.com.");
        let long = "x".repeat(300);
        for text in ["plain", "a\"b\\c", "ä\u{7f}\n", "", &long] {
            assert_eq!(unquoted(&quoted(text)).as_deref(), Some(text));
        }
        assert_eq!(quoted("ä\""), r#""\303\244\"""#);
        assert_eq!(unquoted(r#""a" "b\052\"""#).as_deref(), Some("ab*\""));
        for value in [r#""a"#, "plain", r#""a\"#, r#"x "a""#] {
            assert_eq!(unquoted(value), None, "{value}");
        }
    }

    #[test]
    fn what_none_of_the_zone_is_like_is_refused() {
        for (name, of, ttl) in [
            ("www.example.org.", "A", "60"),
            ("xexample.com.", "A", "60"),
            ("www.example.com.", "a b", "60"),
            ("www.example.com.", "A", "-1"),
            ("www.example.com.", "A", "99999999999"),
        ] {
            let set = simple(name, of, "192.0.2.1").replace("<TTL>60<", &format!("<TTL>{ttl}<"));
            assert!(listed(&set).is_err(), "{set}");
        }
        assert!(listed("<Name>a.example.com.</Name><Type>A</Type><TTL>60</TTL>").is_err());
        assert!(listed("<Name>a.example.com.</Name><Type>A</Type>").is_err());
    }

    #[test]
    fn a_policy_and_an_alias_are_told_and_never_changed() {
        let alias = "<Name>www.example.com.</Name><Type>A</Type><AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>\
                     d1.cloudfront.net.</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>";
        let weighted = |identifier: &str| {
            let policy = format!("<SetIdentifier>{identifier}</SetIdentifier><Weight>1</Weight>");
            simple("www.example.com.", "A", "192.0.2.1") + &policy
        };
        let plain = simple("www.example.com.", "A", "192.0.2.1");
        for (sets, told) in [
            (vec![alias.to_owned()], "alias of d1.cloudfront.net."),
            (
                vec![weighted("blue"), weighted("green")],
                "192.0.2.1 (SetIdentifier blue, Weight 1), 192.0.2.1",
            ),
            // Whatever Route 53 has in a year, kwo does not write over it.
            (vec![format!("{plain}<New><A>b</A></New>")], "192.0.2.1 (New)"),
            (vec![format!("{plain}<HealthCheckId>h\u{1b}</HealthCheckId>")], "192.0.2.1 (HealthCheckId h"),
        ] {
            let seen = Seen::of(sets.iter().map(|set| listed(set).unwrap()).collect());
            let why = seen.plain("A", "www.example.com").unwrap_err();
            assert!(why.contains(told) && !why.contains('\u{1b}'), "{why}");
            let wanted = |of| Wanted {
                of,
                name: "www.example.com",
                tenant: "alice".into(),
                ttl: Some(60),
                records: vec!["192.0.2.1".into()],
            };
            assert!(seen.objection(&wanted("A")).is_some() && seen.objection(&wanted("AAAA")).is_none());
        }
        assert!(Seen::of(vec![listed(&plain).unwrap()]).plain("A", "www.example.com").unwrap().is_some());
    }

    #[test]
    fn marks_beside_a_name_are_comments_of_its_sets() {
        let seen = Seen::of(
            [
                simple("www.example.com.", "A", "192.0.2.1"),
                simple("_kwo.www.example.com.", "TXT", "&quot;kwo1 cluster=u tenant=t sum=s type=A&quot;"),
                simple(r"_kwo-any.w.example.com.", "TXT", "\"kwo1 cluster=v tenant=t sum=s type=A\""),
            ]
            .iter()
            .map(|set| listed(set).unwrap())
            .collect(),
        );
        let told: Vec<String> = seen
            .sets(None)
            .iter()
            .map(|set| format!("{} {} {} {}", set.of, set.name, set.records.len(), set.comments[0].content))
            .collect();
        let (ours, left) = ("kwo1 cluster=u tenant=t sum=s", "kwo1 cluster=v tenant=t sum=s");
        assert_eq!(told, [format!("A *.w.example.com 0 {left}"), format!("A www.example.com 1 {ours}")]);
    }
}
