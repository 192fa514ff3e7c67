//! What deSEC takes for a record set, as its documentation says and the source of its server, which is open. It is as strict as
//! that: all of a request is done, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};

/// A record set.
#[derive(Clone, Debug, PartialEq)]
pub struct RrSet {
    /// Below the zone; empty where it is the zone itself.
    pub subname: String,
    /// Its type.
    pub of: String,
    /// Its TTL.
    pub ttl: u64,
    /// In presentation format.
    pub records: Vec<String>,
    /// When it was made, as a number that goes up.
    pub created: u64,
}

const LARGEST_TTL: u64 = 86_400;

const LONGEST_SUBNAME: usize = 178;

const KNOWN: [&str; 4] = ["subname", "type", "ttl", "records"];

impl RrSet {
    /// As it is listed.
    pub(super) fn listed(&self, zone: &str) -> Value {
        let RrSet { subname, of, ttl, records, created } = self;
        let name = if subname.is_empty() { format!("{zone}.") } else { format!("{subname}.{zone}.") };
        let time = format!("2026-01-01T00:00:00.{created:06}Z");
        json!({"created": time, "domain": zone, "subname": subname, "name": name, "records": records, "ttl": ttl, "type": of,
            "touched": time})
    }
}

fn no(message: &str) -> Value {
    json!({"non_field_errors": [message]})
}

/// What stands in one part of a request.
fn part(item: &Value) -> Result<(String, String, &Map<String, Value>), Value> {
    let item = item.as_object().ok_or_else(|| no("Expected a dictionary."))?;
    if let Some(unknown) = item.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(no(&format!("no request of kwo has {unknown}")));
    }
    let text = |field: &str| {
        let text = item.get(field).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| json!({field: ["This field is required."]}))
    };
    Ok((text("subname")?, text("type")?, item))
}

fn ttl(value: &Value, least: u64) -> Result<u64, Value> {
    let no = |message: String| json!({"ttl": [message]});
    match value.as_u64() {
        None => Err(no("A valid integer is required.".to_owned())),
        Some(ttl) if ttl < least => {
            Err(no(format!("Ensure this value is greater than or equal to {least}.")))
        }
        Some(ttl) if ttl > LARGEST_TTL => {
            Err(no(format!("Ensure this value is less than or equal to {LARGEST_TTL}.")))
        }
        Some(ttl) => Ok(ttl),
    }
}

fn records(value: &Value, of: &str, subname: &str) -> Result<Vec<String>, Value> {
    let items = value.as_array().ok_or_else(|| json!({"records": ["Expected a list of items."]}))?;
    let mut had = BTreeSet::new();
    let mut all = Vec::new();
    for item in items {
        let text = item.as_str().ok_or_else(|| json!({"records": ["Must be a string."]}))?;
        let fits = match of {
            "A" => text.parse::<Ipv4Addr>().is_ok(),
            "AAAA" => text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == text),
            "CNAME" if subname.is_empty() => return Err(no("CNAME RRset cannot have empty subname.")),
            "CNAME" if items.len() > 1 => return Err(no("CNAME RRset cannot have multiple records.")),
            "CNAME" => text.ends_with('.') && text.len() > 1,
            "TXT" => {
                let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                inside.is_some_and(|inside| inside.len() <= 255 && !inside.contains(['"', '\\']))
            }
            _ => return Err(no("this server is only asked for four types")),
        };
        if !fits {
            return Err(no(&format!("Record content malformed: {text}")));
        }
        if !had.insert(text) {
            return Err(no("Duplicate: records must be semantically unique"));
        }
        all.push(text.to_owned());
    }
    Ok(all)
}

fn is_subname(subname: &str) -> bool {
    let is = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let plain =
        |rest: &str| rest.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(is));
    let rest = subname.strip_prefix("*.").unwrap_or(subname);
    subname.len() <= LONGEST_SUBNAME && (subname.is_empty() || subname == "*" || plain(rest))
}

/// Carries out a request, or nothing of it: what is made has to be new.
pub(super) fn write(
    sets: &mut Vec<RrSet>,
    body: &Value,
    (makes, least): (bool, u64),
    mut made: impl FnMut() -> u64,
) -> Result<Vec<Value>, Value> {
    let Some(items) = body.as_array().filter(|items| !items.is_empty()) else {
        return Err(no("Expected a list of items."));
    };
    let mut errors = vec![json!({}); items.len()];
    let mut next = sets.clone();
    let mut keys: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        let mut one = || -> Result<(), Value> {
            let (subname, of, item) = part(item)?;
            if !is_subname(&subname) {
                return Err(json!({"subname": ["Subname can only use (lowercase) a-z, 0-9, ., -, and _."]}));
            }
            if of.is_empty() || !of.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
                return Err(json!({"type": ["Type must be uppercase alphanumeric."]}));
            }
            if keys.insert((subname.clone(), of.clone()), at).is_some() {
                return Err(no("Same subname and type as in another position, but must be unique."));
            }
            let there = next.iter().position(|set| set.subname == subname && set.of == of);
            let records = item.get("records").map(|value| records(value, &of, &subname)).transpose()?;
            let ttl = item.get("ttl").map(|value| ttl(value, least)).transpose()?;
            match (there, records, ttl) {
                (Some(_), _, _) if makes => Err(no(
                    "Another RRset with the same subdomain and type exists for this domain. (Try modifying it.)",
                )),
                (_, Some(records), _) if makes && records.is_empty() => {
                    Err(json!({"records": ["This field must not be empty when using POST."]}))
                }
                (Some(there), Some(records), _) if records.is_empty() => {
                    next.remove(there);
                    Ok(())
                }
                (None, Some(records), _) if records.is_empty() => Ok(()),
                (Some(there), records, ttl) => {
                    let set = &mut next[there];
                    set.records = records.unwrap_or_else(|| set.records.clone());
                    set.ttl = ttl.unwrap_or(set.ttl);
                    Ok(())
                }
                (None, Some(records), Some(ttl)) => {
                    next.push(RrSet { subname, of, ttl, records, created: made() });
                    Ok(())
                }
                (None, _, _) => Err(json!({"ttl": ["This field is required."]})),
            }
        };
        if let Err(error) = one() {
            errors[at] = error;
        }
    }
    for ((subname, of), at) in &keys {
        let has =
            |cname: bool| next.iter().any(|set| set.subname == *subname && (set.of == "CNAME") == cname);
        let is_there = next.iter().any(|set| set.subname == *subname && set.of == *of);
        if is_there && has(true) && has(false) {
            errors[*at] = no(
                "RRset with conflicting type present at same subname: database. (No other RRsets are allowed alongside CNAME.)",
            );
        }
    }
    if errors.iter().any(|error| *error != json!({})) {
        return Err(json!(errors));
    }
    *sets = next;
    let told = |(subname, of): &(String, String)| {
        sets.iter().find(|set| set.subname == *subname && set.of == *of).map(|set| set.listed("zone"))
    };
    Ok(keys.keys().filter_map(told).collect())
}
