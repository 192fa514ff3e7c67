//! What Hetzner takes for a record set, as the published description of its API says, and the codes of its refusals. It is as
//! strict as that: a field that no request has, a label that none can be, a value twice, or a set beside which there is no other
//! is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};

/// A record set.
#[derive(Clone, Debug, PartialEq)]
pub struct RrSet {
    /// Below the zone; `@` is the zone itself.
    pub name: String,
    /// Its type.
    pub of: String,
    /// That of the zone where it has none.
    pub ttl: Option<u64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// May nobody change it?
    pub protected: bool,
    /// The values, each with a comment; empty where there is none.
    pub records: Vec<(String, String)>,
}

/// Why something is refused: a status, a code, and a message.
pub(super) type No = (u16, &'static str, String);

/// How many records one request has.
const MOST: usize = 50;

pub(super) fn invalid(field: &str, message: &str) -> No {
    (422, "invalid_input", format!("invalid input in field '{field}': {message}"))
}

impl RrSet {
    /// As it is listed.
    pub fn listed(&self, zone: u64) -> Value {
        let RrSet { name, of, ttl, labels, protected, records } = self;
        let records: Vec<Value> =
            records.iter().map(|(value, comment)| json!({"value": value, "comment": comment})).collect();
        json!({"id": format!("{name}/{of}"), "name": name, "type": of, "ttl": ttl, "labels": labels,
            "protection": {"change": protected}, "records": records, "zone": zone})
    }
}

/// The fields of a body, if it has no others than these.
pub(super) fn fields(body: &str, may_have: &[&str], must_have: &[&str]) -> Result<Map<String, Value>, No> {
    let body: Value = serde_json::from_str(body).map_err(|error| (400, "json_error", error.to_string()))?;
    let Value::Object(fields) = body else { return Err((400, "json_error", "no object".to_owned())) };
    if let Some(unknown) = fields.keys().find(|field| !may_have.contains(&field.as_str())) {
        return Err(invalid(unknown, "no request has it"));
    }
    match must_have.iter().find(|field| !fields.contains_key(**field)) {
        Some(missing) => Err(invalid(missing, "missing data for required field")),
        None => Ok(fields),
    }
}

/// A TTL.
pub(super) fn ttl(value: &Value) -> Result<Option<u64>, No> {
    match value {
        Value::Null => Ok(None),
        value => match value.as_u64().filter(|ttl| (60..=2_147_483_647).contains(ttl)) {
            Some(ttl) => Ok(Some(ttl)),
            None => Err(invalid("ttl", "must be between 60 and 2147483647")),
        },
    }
}

/// Labels.
pub(super) fn labels(value: &Value) -> Result<BTreeMap<String, String>, No> {
    let no = |message: &str| invalid("labels", message);
    let is_name = |text: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        text.len() <= 63 && text.bytes().all(inside) && ends(text.bytes().next()) && ends(text.bytes().last())
    };
    let labels = value.as_object().ok_or_else(|| no("is no object"))?;
    labels
        .iter()
        .map(|(key, value)| {
            let name = match key.split_once('/') {
                Some(("hetzner.cloud", _)) => return Err(no("the prefix is reserved")),
                Some((prefix, name)) if prefix.split('.').all(is_name) => name,
                Some(_) => return Err(no("a prefix is none")),
                None => key,
            };
            let value = value.as_str().ok_or_else(|| no("a value is no text"))?;
            if !is_name(name) || !(value.is_empty() || is_name(value)) {
                return Err(no("a label is none"));
            }
            Ok((key.clone(), value.to_owned()))
        })
        .collect()
}

/// Records of a type.
pub(super) fn records(of: &str, value: &Value) -> Result<Vec<(String, String)>, No> {
    let no = |message: &str| invalid("records", message);
    let items = value.as_array().ok_or_else(|| no("is no list"))?;
    if items.is_empty() || items.len() > MOST {
        return Err(no("must have 1 to 50 items"));
    }
    let mut had = BTreeSet::new();
    items
        .iter()
        .map(|item| {
            let item = item.as_object().ok_or_else(|| no("an item is no object"))?;
            if item.keys().any(|key| key != "value" && key != "comment") {
                return Err(no("an item has an unknown field"));
            }
            let value =
                item.get("value").and_then(Value::as_str).ok_or_else(|| no("an item has no value"))?;
            let comment = match item.get("comment") {
                None => "",
                Some(comment) => comment.as_str().ok_or_else(|| no("a comment is no text"))?,
            };
            let fits = match of {
                "A" => value.parse::<Ipv4Addr>().is_ok(),
                "AAAA" => value.parse::<Ipv6Addr>().is_ok(),
                "CNAME" => {
                    let is = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                    items.len() == 1 && !value.is_empty() && value.bytes().all(is)
                }
                _ => return Err(no("this server is only asked for three types")),
            };
            if !fits || !had.insert(value) {
                return Err(no("a value is none of this type, or there twice"));
            }
            Ok((value.to_owned(), comment.to_owned()))
        })
        .collect()
}

/// A new set, if it can stand beside these.
pub(super) fn new(zone: &str, sets: &[RrSet], body: &str) -> Result<RrSet, No> {
    let fields = fields(body, &["name", "type", "ttl", "labels", "records"], &["name", "type", "records"])?;
    let text = |field: &str| fields[field].as_str().ok_or_else(|| invalid(field, "is no text"));
    let (name, of) = (text("name")?, text("type")?);
    let is = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.*".contains(&byte);
    let below =
        name == "@" || name.bytes().all(is) && name.split('.').all(|label| (1..=63).contains(&label.len()));
    if !below || name.ends_with('.') || name == zone || name.ends_with(&format!(".{zone}")) {
        return Err(invalid("name", "is none below the zone"));
    }
    if sets.iter().any(|set| set.name == name && set.of == of) {
        return Err((409, "uniqueness_error", "an RRSet with this name and type exists".to_owned()));
    }
    if of == "CNAME" && name == "@" {
        return Err(invalid("type", "the zone itself is no alias"));
    }
    if sets.iter().any(|set| set.name == name && (of == "CNAME" || set.of == "CNAME")) {
        return Err(invalid("type", "beside a CNAME record there is no other"));
    }
    Ok(RrSet {
        name: name.to_owned(),
        of: of.to_owned(),
        ttl: fields.get("ttl").map_or(Ok(None), ttl)?,
        labels: fields.get("labels").map_or(Ok(BTreeMap::new()), labels)?,
        protected: false,
        records: records(of, &fields["records"])?,
    })
}
