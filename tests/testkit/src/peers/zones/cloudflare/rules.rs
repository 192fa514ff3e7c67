//! What Cloudflare takes for a record, as its published schema and pages say, and the codes of its refusals. It is as strict
//! as they are: a field that no record has, a TTL out of bounds, or a record beside which there is no other is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Its type.
    pub of: String,
    /// With the zone.
    pub name: String,
    /// Without a priority.
    pub content: String,
    /// 1 where it is automatic.
    pub ttl: u64,
    /// Do requests go through the proxy?
    pub proxied: bool,
    /// Empty where there is none.
    pub comment: String,
    /// Of an MX record.
    pub priority: Option<u64>,
}

/// Why something is refused: a code and a message.
pub(super) type No = (u64, String);

/// How many records a zone of the plan Free has.
pub const QUOTA: usize = 200;

/// How many changes one transaction has on the plan Free.
const BATCH: usize = 200;

/// How long a comment is on the plan Free.
const COMMENT: usize = 100;

const PROXIABLE: [&str; 3] = ["A", "AAAA", "CNAME"];

fn no(code: u64, message: &str) -> No {
    (code, message.to_owned())
}

impl Record {
    /// As it is listed.
    pub fn listed(&self) -> Value {
        let Record { id, of, name, content, ttl, proxied, comment, priority } = self;
        let mut listed = json!({
            "id": id, "name": name, "type": of, "content": content, "proxiable": PROXIABLE.contains(&of.as_str()),
            "proxied": proxied, "ttl": ttl, "settings": {}, "meta": {}, "comment": null, "tags": [],
            "created_on": "2026-01-01T00:00:00.000000Z", "modified_on": "2026-01-01T00:00:00.000000Z",
        });
        if !comment.is_empty() {
            listed["comment"] = json!(comment);
            listed["comment_modified_on"] = json!("2026-01-01T00:00:00.000000Z");
        }
        if let Some(priority) = priority {
            listed["priority"] = json!(priority);
        }
        listed
    }

    /// Takes these fields of a request.
    fn take(&mut self, fields: &Map<String, Value>, may_have: &[&str]) -> Result<(), No> {
        if let Some(unknown) = fields.keys().find(|field| !may_have.contains(&field.as_str())) {
            return Err((9999, format!("no record has a field {unknown}")));
        }
        let text = |field: &str| match fields.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err((9999, format!("{field} is no text: {other}"))),
        };
        self.name = text("name")?.unwrap_or(std::mem::take(&mut self.name)).to_ascii_lowercase();
        self.of = text("type")?.unwrap_or(std::mem::take(&mut self.of));
        self.content = text("content")?.unwrap_or(std::mem::take(&mut self.content));
        self.comment = text("comment")?.unwrap_or(std::mem::take(&mut self.comment));
        if let Some(ttl) = fields.get("ttl") {
            self.ttl = ttl.as_u64().ok_or_else(|| no(9020, "Invalid TTL."))?;
        }
        if let Some(proxied) = fields.get("proxied") {
            self.proxied = proxied.as_bool().ok_or_else(|| no(9999, "proxied is no boolean"))?;
        }
        Ok(())
    }

    /// Can it stand beside these?
    fn check(&self, zone: &str, all: &[Record]) -> Result<(), No> {
        let Record { id, of, name, content, ttl, proxied, comment, priority: _ } = self;
        if !(name == zone || name.ends_with(&format!(".{zone}"))) || name.len() > 255 {
            return Err(no(9000, "DNS name is invalid."));
        }
        match of.as_str() {
            "A" if content.parse::<Ipv4Addr>().is_err() => {
                return Err(no(9005, "Content for A record must be a valid IPv4 address."));
            }
            "AAAA" if content.parse::<Ipv6Addr>().is_err() => {
                return Err(no(9006, "Content for AAAA record must be a valid IPv6 address."));
            }
            "CNAME" if content.is_empty() || content.parse::<Ipv4Addr>().is_ok() || content == name => {
                return Err(no(9007, "Content for CNAME record is invalid."));
            }
            "A" | "AAAA" | "CNAME" | "TXT" => {}
            _ => return Err(no(9999, "this server is only asked for four types")),
        }
        if *proxied && !PROXIABLE.contains(&of.as_str()) {
            return Err(no(9004, "This record type cannot be proxied."));
        }
        if *ttl != 1 && !(60..=86_400).contains(ttl) {
            return Err(no(9021, "Invalid TTL. Must be between 60 and 86,400 seconds, or 1 for Automatic."));
        }
        if comment.chars().count() > COMMENT {
            return Err(no(9313, "DNS record comment exceeds the maximum length of 100 characters."));
        }
        let here: Vec<&Record> = all.iter().filter(|other| other.name == *name && other.id != *id).collect();
        if here.iter().any(|other| other.of == *of && other.content == *content) {
            return Err(no(81058, "An identical record already exists."));
        }
        let has = |types: &[&str]| here.iter().any(|other| types.contains(&other.of.as_str()));
        match of.as_str() {
            "CNAME" if has(&PROXIABLE) => {
                Err(no(81053, "An A, AAAA, or CNAME record with that host already exists."))
            }
            "A" | "AAAA" if has(&["CNAME"]) => {
                Err(no(81054, "A CNAME record with that host already exists."))
            }
            _ if has(&["NS"]) && name != zone => Err(no(81056, "NS records with that host already exist.")),
            _ => Ok(()),
        }
    }

    /// As it is kept: what is proxied has no TTL of its own.
    fn kept(mut self) -> Record {
        if self.proxied {
            self.ttl = 1;
        }
        self
    }
}

/// Carries out a transaction, or nothing of it; gives what it answers.
pub(super) fn batch(
    zone: &str,
    records: &mut Vec<Record>,
    id: impl Fn() -> String,
    body: &Value,
) -> Result<Value, No> {
    let fields = body.as_object().ok_or_else(|| no(9207, "the body is no object"))?;
    if let Some(list) = fields.keys().find(|list| !["patches", "posts"].contains(&list.as_str())) {
        return Err((9999, format!("kwo has no use for {list}")));
    }
    let list = |name: &str| match fields.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_object().cloned().ok_or_else(|| no(9207, "no object"))).collect()
        }
        Some(_) => Err(no(9207, "no list")),
    };
    let (patches, posts) = (list("patches")?, list("posts")?);
    if patches.len() + posts.len() > BATCH || patches.is_empty() && posts.is_empty() {
        return Err(no(9999, "a batch has 1 to 200 changes"));
    }
    let mut all = records.clone();
    let (mut patched, mut posted) = (Vec::new(), Vec::new());
    for patch in patches {
        let id = patch.get("id").and_then(Value::as_str).ok_or_else(|| no(9999, "a patch has an id"))?;
        let at = all.iter().position(|record| record.id == id);
        let at = at.ok_or_else(|| no(81044, "Record does not exist."))?;
        let mut record = all[at].clone();
        record.take(&patch, &["id", "name", "type", "content", "ttl", "proxied", "comment"])?;
        record.check(zone, &all)?;
        all[at] = record.kept();
        patched.push(all[at].listed());
    }
    for post in posts {
        if ["name", "type", "content", "ttl"].iter().any(|field| !post.contains_key(*field)) {
            return Err(no(9999, "a record has a name, a type, a content and a TTL"));
        }
        let (of, name, content, comment) = (String::new(), String::new(), String::new(), String::new());
        let mut record =
            Record { id: id(), of, name, content, ttl: 1, proxied: false, comment, priority: None };
        record.take(&post, &["name", "type", "content", "ttl", "proxied", "comment"])?;
        record.check(zone, &all)?;
        if all.len() == QUOTA {
            return Err(no(81045, "Record quota exceeded."));
        }
        all.push(record.kept());
        posted.push(all[all.len() - 1].listed());
    }
    *records = all;
    Ok(json!({"patches": patched, "posts": posted}))
}
