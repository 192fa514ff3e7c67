//! The entries of lists: how to distinguish them, and which of them kwo noted as its own if the API's records know
//! only one owner of the whole list. `field_rules.rs` says which list has which rule.

use crate::shapes::{EntryKey, Shape};
use crate::tree::{SmolStr, Tree};

impl EntryKey {
    /// Do the two entries have the same key?
    #[must_use]
    pub fn same(self, a: &Tree, b: &Tree) -> bool {
        let (a, b) = (self.of(a), self.of(b));
        a.is_some() && a == b
    }

    /// The key of an entry, if it has one.
    #[must_use]
    pub fn of(self, entry: &Tree) -> Option<SmolStr> {
        match self {
            EntryKey::Field(name) => match entry.get(name)? {
                Tree::Text(text) => Some(text.clone()),
                Tree::Number(number) => Some(number.to_string().into()),
                list @ Tree::List(_) => Some(list.to_string().into()),
                Tree::Null | Tree::Bool(_) | Tree::Map(_) => None,
            },
            EntryKey::Fields(names) => {
                let parts = names.iter().map(|name| match (*name, entry.get(name)) {
                    ("protocol", None) => Some(SmolStr::new_static("TCP")),
                    _ => EntryKey::Field(name).of(entry),
                });
                Some(parts.collect::<Option<Vec<_>>>()?.join("/").into())
            }
            EntryKey::Optional(name) => matches!(entry, Tree::Map(_))
                .then(|| entry.get(name).unwrap_or(&Tree::Null).to_string().into()),
            EntryKey::Flag => {
                // One dash is as good as two.
                let text = entry.as_text()?.strip_prefix('-')?;
                let text = text.strip_prefix('-').unwrap_or(text);
                let flag = text.split_once('=').map_or(text, |(flag, _)| flag);
                (!flag.is_empty()).then(|| flag.to_lowercase().into())
            }
        }
    }

    /// Two texts with the same key: do they mean the same?
    #[must_use]
    pub fn means_the_same(self, a: &Tree, b: &Tree) -> bool {
        // Without a value it is switched on.
        let value = |entry: &Tree| {
            let text = entry.as_text()?;
            Some(text.split_once('=').map_or(SmolStr::new_static("true"), |(_, value)| value.into()))
        };
        self == EntryKey::Flag && value(a).is_some() && value(a) == value(b)
    }

    /// The entry after the flag at this place that somebody meant for its value. Traefik takes none there for the flags
    /// that kwo writes: it reads `true`, and ends with the entry, so the whole flag has to stand in its place.
    #[must_use]
    pub fn apart<'h>(self, wanted: &Tree, have: &'h [Tree], at: usize) -> Option<&'h Tree> {
        let (_, value) = wanted.as_text().filter(|_| self == EntryKey::Flag)?.split_once('=')?;
        let (flag, next) = (have.get(at)?.as_text()?, have.get(at + 1)?);
        let switch = ["true", "false"].contains(&value);
        let is_value = match next {
            Tree::Text(text) if switch => ["true", "false"].contains(&text.as_str()),
            Tree::Text(text) => !text.starts_with('-'),
            Tree::Bool(_) | Tree::Number(_) => true,
            Tree::Null | Tree::List(_) | Tree::Map(_) => false,
        };
        (is_value && !flag.contains('=')).then_some(next)
    }
}

impl Shape {
    /// Did kwo put this entry in this list, as far as it noted that? Of a list without notes every entry counts.
    #[must_use]
    pub fn is_signed(&self, list: &str, entry: &Tree, object: &Tree) -> bool {
        let Some((_, note)) = self.signed.filter(|(signed, _)| *signed == list) else { return true };
        let Some(key) = self.key(list).and_then(|key| key.of(entry)) else { return false };
        match object.at(note) {
            Some(Tree::Text(words)) => words.split(',').any(|word| word.trim() == key),
            Some(words) => words.items().iter().any(|word| word.as_text() == Some(&key)),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    #[test]
    fn keys_are_those_of_kubernetes() {
        let entry = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        let port = Kind::Service.shape().key("/spec/ports").unwrap();
        assert!(port.same(&entry(r#"{"port":53}"#), &entry(r#"{"port":53,"protocol":"TCP"}"#)));
        assert!(!port.same(&entry(r#"{"port":53}"#), &entry(r#"{"port":53,"protocol":"UDP"}"#)));
        assert!(!port.same(&entry("{}"), &entry("{}")));
        let solver = Kind::ClusterIssuer.shape().key("/spec/acme/solvers").unwrap();
        assert!(solver.same(&entry(r#"{"dns01":{}}"#), &entry(r#"{"http01":{}}"#)));
        assert!(
            !solver.same(&entry(r#"{"dns01":{}}"#), &entry(r#"{"dns01":{},"selector":{"dnsZones":["a"]}}"#))
        );
        let hosts = Kind::Ingress.shape().key("/spec/tls").unwrap();
        assert!(hosts.same(&entry(r#"{"hosts":["a"]}"#), &entry(r#"{"hosts":["a"],"secretName":"s"}"#)));
    }

    #[test]
    fn flags_are_the_same_whatever_their_capitals_and_values() {
        let flag = |text: &str| Tree::from(text.to_owned());
        let (a, b) = (flag("--entryPoints.web.address=:80"), flag("--entrypoints.web.address=:81"));
        assert!(EntryKey::Flag.same(&a, &b));
        assert!(!EntryKey::Flag.means_the_same(&a, &b));
        assert!(EntryKey::Flag.means_the_same(&a, &flag("--entrypoints.web.address=:80")));
        assert!(!EntryKey::Flag.same(&a, &flag("--entrypoints.web")));
    }
}
