//! What OVH takes for a record, and how it refuses.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use crate::loopback::{Asked, Reply};

/// A record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: u64,
    /// Its type.
    pub of: String,
    /// Without the zone.
    pub name: String,
    /// As it was written.
    pub target: String,
    /// 0 where it is that of the zone.
    pub ttl: u64,
}

/// Why something is refused.
pub fn refused(status: u16, class: &str, message: &str) -> Reply {
    Reply::Answer(status, "", json!({"class": class, "message": message}).to_string())
}

/// A refusal of what a key may not.
pub fn forbidden(code: &str, message: &str) -> Reply {
    let body = json!({"class": format!("Client::Forbidden::{code}"), "errorCode": code, "httpCode": "403 Forbidden",
        "message": message});
    Reply::Answer(403, "", body.to_string())
}

pub(super) fn gone(message: &str) -> Reply {
    refused(404, "Client::NotFound", message)
}

/// Does a text fit a pattern of SQL, small or large?
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| is_like(text, rest.as_str())))
        }
        Some(first) => text.chars().next().is_some_and(|char| {
            (first == '_' || first.eq_ignore_ascii_case(&char))
                && is_like(&text[char.len_utf8()..], rest.as_str())
        }),
    }
}

/// The fields of a body, which are these alone.
pub(super) fn fields(asked: &Asked, known: &[&str]) -> Result<serde_json::Map<String, Value>, Reply> {
    let no = |why: &str| refused(400, "Client::BadRequest", why);
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(&asked.body) else {
        return Err(no("Received not described parameters"));
    };
    if let Some(other) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(no(&format!("Received not described parameters: ({other})")));
    }
    if fields.get("ttl").is_some_and(|ttl| ttl.as_u64().is_none_or(|ttl| ttl < 60)) {
        return Err(no("Invalid ttl"));
    }
    Ok(fields)
}

/// Can such a record stand beside these?
pub(super) fn check(record: &Record, all: &[Record]) -> Result<(), String> {
    let Record { id, of, name, target, ttl: _ } = record;
    let no = |message: &str| Err(message.to_owned());
    match of.as_str() {
        "A" if target.parse::<Ipv4Addr>().is_err() => return no("Invalid ip target"),
        "AAAA" if target.parse::<Ipv6Addr>().is_err() => return no("Invalid ipv6 target"),
        // What ends without a dot would lie in the zone, and kwo says that of nothing.
        "CNAME" if name.is_empty() || !target.ends_with('.') => return no("Invalid domain in target"),
        // Without quotes a text with spaces is several strings.
        "TXT" if target.len() > 257 || !(target.starts_with('"') && target.ends_with('"')) => {
            return no("Invalid subfield found in TXT");
        }
        "A" | "AAAA" | "CNAME" | "TXT" => {}
        _ => return no("this server is only asked for four types"),
    }
    let here: Vec<&Record> = all.iter().filter(|other| other.name == *name && other.id != *id).collect();
    if of == "CNAME" && !here.is_empty() || here.iter().any(|other| other.of == "CNAME") {
        return no("There is already a record incompatible with CNAME on this subdomain");
    }
    Ok(())
}
