//! The list of users that stacks of Terraform read: a text with JSON, at one key of an entry that may hold the secrets of
//! others at other keys. These are sent nowhere and kept nowhere: a write names the one key, and the version that it follows.
//! What others wrote in the list stays as it is, to the byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures_util::future::join_all;
use http::StatusCode;
use kwo_planner::change::Step;
use kwo_planner::endings::word;
use kwo_planner::observed::{Present, Version};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;
use kwo_planner::vault::USERS;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use smol_str::{SmolStr, format_smolstr};

use super::kv::{gone, lacks, store_of};
use super::mark::{Mark, labels};
use super::session::{At, Session, part};
use super::things;
use crate::providers::Refusal;

/// Lists by their ids, or why one is not known.
pub(super) type Lists = BTreeMap<ResourceId, Result<Option<List>, SmolStr>>;

/// What kwo writes of a user: texts, and lists of texts, and a map of texts. Anything else there is somebody's, and is shown
/// nowhere.
const TEXTS: [&str; 2] = ["email", "role"];
const LISTS: [&str; 2] = ["domains", "namespaces"];
const QUOTA: &str = "quota";
const AMOUNTS: [&str; 4] = ["cpu_requests", "memory_limits", "memory_requests", "pods"];

/// An object of JSON as it is written: its keys in their order, and the text of each value.
#[derive(Clone, Debug, Default)]
struct Raw(Vec<(String, Box<RawValue>)>);

/// An entry with a list.
#[derive(Clone, Debug)]
pub(super) struct List {
    /// The number of its last version; 0 where it has none yet.
    version: u64,
    mark: Option<Mark>,
    /// Nothing where the key is not there: somebody wrote the entry without it.
    users: Option<Raw>,
}

/// These lists.
pub(super) async fn all(session: &Session, ids: impl Iterator<Item = &ResourceId>) -> Lists {
    let read = join_all(ids.map(|id| async move { (id.clone(), one(session, &id.place()).await) }));
    read.await.into_iter().collect()
}

/// The option by which a command writes only after what was seen, for those that are there.
pub(super) fn versions(lists: &Lists) -> impl Iterator<Item = (ResourceId, SmolStr)> {
    lists.iter().filter_map(|(id, list)| {
        let list = list.as_ref().ok()?.as_ref()?;
        Some((id.clone(), format_smolstr!("-cas={}", list.version)))
    })
}

/// What is seen of one.
pub(super) fn sighting(
    session: &Session,
    lists: &Lists,
    id: &ResourceId,
    uid: &SmolStr,
) -> Result<Option<Present>, SmolStr> {
    let Some(list) = lists.get(id) else { return Err("nobody looked".into()) };
    let Some(list) = list.as_ref().map_err(SmolStr::clone)? else { return Ok(None) };
    list.whole(session, &id.place(), uid)?;
    list.present(uid).map(Some)
}

/// The list in the entry at this path.
///
/// # Errors
/// When it cannot be known what is there. Of an entry that somebody deleted nothing is written: a version without the users of
/// before would tell the stacks that they are gone.
pub(super) async fn one(session: &Session, path: &str) -> Result<Option<List>, SmolStr> {
    let inside = session.in_store(path).ok_or("it is in no store that the roster names")?;
    let (store, second) = store_of(session, path).await?;
    if store != inside.0 || !second {
        return Err(format_smolstr!(
            "{path} is in the store {store} of version {} in {}, and kwo writes a list only in {} of version 2, which \
             compares versions",
            if second { 2 } else { 1 },
            session.server(),
            inside.0
        ));
    }
    let at = data(inside);
    let half = || format_smolstr!("{} does not tell all of {path}", session.server());
    let answer = session.ask(&at).await?;
    let mut said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        StatusCode::FORBIDDEN => return Err(lacks(session, path, &at)),
        StatusCode::NOT_FOUND if said["data"].is_object() => return Err(gone(session, path, &said)),
        // Nothing is there but what others say of it, or of what they will write there.
        StatusCode::NOT_FOUND => return nothing_yet(session, path, inside).await,
        status if status.is_success() => {}
        // What the server says else is not repeated: it may hold anything.
        status => return Err(format_smolstr!("{} answers {status} to read {path}", session.server())),
    }
    let mut told = part(&mut said, "data");
    let (metadata, mut entry) = (part(&mut told, "metadata"), part(&mut told, "data"));
    let version = metadata["version"].as_u64().filter(|version| *version > 0).ok_or_else(half)?;
    let users = match (entry.is_object(), part(&mut entry, USERS)) {
        (false, _) => return Err(half()),
        (true, Value::Null) => None,
        (true, Value::String(text)) => Some(parsed(&text).map_err(|why| {
            format_smolstr!("what is at the key {USERS} of {path} is no list of users: {why}")
        })?),
        (true, _) => return Err(format_smolstr!("what is at the key {USERS} of {path} is no text")),
    };
    let mark = things::map(metadata.get("custom_metadata")).ok_or_else(half)?;
    Ok(Some(List { version, mark: Mark::of_metadata(&mark), users }))
}

/// What is known of an entry that has no version: nothing, or that it is somebody's.
async fn nothing_yet(session: &Session, path: &str, inside: (&str, &str)) -> Result<Option<List>, SmolStr> {
    let half = || format_smolstr!("{} does not tell all of {path}", session.server());
    match session.read_at(&metadata(inside)).await? {
        At::Nothing => Ok(None),
        At::NoRoute => Err(half()),
        At::Data(told) => match told["current_version"].as_u64() {
            Some(0) => {
                let mark = things::map(told.get("custom_metadata")).ok_or_else(half)?;
                Ok(Some(List { version: 0, mark: Mark::of_metadata(&mark), users: None }))
            }
            _ => Err(half()),
        },
    }
}

fn data((store, inside): (&str, &str)) -> String {
    format!("{store}/data/{inside}")
}

fn metadata((store, inside): (&str, &str)) -> String {
    format!("{store}/metadata/{inside}")
}

/// A list, of which every user is an object.
fn parsed(text: &str) -> Result<Raw, String> {
    // What the reader says may repeat what it read.
    let raw = |text: &str| serde_json::from_str::<Raw>(text).map_err(|_| "it is no object of JSON");
    let users = raw(text)?;
    for (at, (_, user)) in users.0.iter().enumerate() {
        raw(user.get()).map_err(|why| format!("of the user at place {}, {why}", at + 1))?;
    }
    Ok(users)
}

impl List {
    fn is_of(&self, cluster: &str) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.cluster == cluster)
    }

    /// Is the list still in the entry of this cluster? A new one with the users of the roster alone would tell the stacks that
    /// all others are gone.
    fn whole(&self, session: &Session, path: &str, cluster: &str) -> Result<(), SmolStr> {
        if self.version == 0 || self.users.is_some() || !self.is_of(cluster) {
            return Ok(());
        }
        let (client, path, version) = (session.client(), word(path), self.version);
        let lost = format_smolstr!(
            "somebody wrote {path} without its key {USERS}, so version {version} has no list of users"
        );
        Err(match version - 1 {
            0 => format_smolstr!("{lost}; `{client} kv patch {path} {USERS}={{}}` begins with an empty one"),
            before => format_smolstr!(
                "{lost}; if version {before} has it, `{client} kv get -version={before} -field={USERS} {path} > {USERS}.json \
                 && {client} kv patch {path} {USERS}=@{USERS}.json` brings back the list alone, and `{client} kv rollback \
                 -version={before} {path}` every key as it was in that version"
            ),
        })
    }

    fn present(&self, uid: &SmolStr) -> Result<Present, SmolStr> {
        let user = |(name, raw): &(String, Box<RawValue>)| Some((SmolStr::from(name), shown(raw)?));
        let users = self.users.iter().flat_map(|users| &users.0).map(user).collect::<Option<Vec<_>>>();
        let users =
            users.ok_or("a user in the list has a field with a value of another kind than kwo writes")?;
        let body = Tree::map([("metadata", labels(self.mark.as_ref(), uid)), ("users", Tree::map(users))]);
        Ok(Present { body, version: Version(self.seen()), owners: [].into(), deleting: None })
    }

    /// What a write has to find unchanged: the server compares the number, and not whose it is.
    fn seen(&self) -> SmolStr {
        let whose = self.mark.as_ref().map_or("", |mark| mark.cluster.as_str());
        format_smolstr!("{} {whose}", self.version)
    }

    /// Is all of this in it?
    fn has(&self, wanted: &Tree) -> bool {
        let has = |users: &Raw| united(users, wanted).is_some_and(|united| united.text() == users.text());
        self.users.as_ref().is_some_and(has)
    }
}

/// What kwo writes of a user, as it is there; nothing where it is not what kwo can write to.
fn shown(user: &RawValue) -> Option<Tree> {
    let user: Raw = serde_json::from_str(user.get()).ok()?;
    let mut parts = Vec::new();
    for (key, raw) in &user.0 {
        let value: Tree = match key.as_str() {
            key if TEXTS.contains(&key) => Tree::from(serde_json::from_str::<SmolStr>(raw.get()).ok()?),
            key if LISTS.contains(&key) => Tree::texts(serde_json::from_str::<Vec<SmolStr>>(raw.get()).ok()?),
            QUOTA => {
                let amounts: Raw = serde_json::from_str(raw.get()).ok()?;
                let amount = |(key, raw): &(String, Box<RawValue>)| {
                    Some((SmolStr::from(key), Tree::from(amount(raw)?)))
                };
                let kwos = amounts.0.iter().filter(|(key, _)| AMOUNTS.contains(&key.as_str()));
                Tree::map(kwos.map(amount).collect::<Option<Vec<_>>>()?)
            }
            _ => continue,
        };
        parts.push((SmolStr::from(key), value));
    }
    Some(Tree::map(parts))
}

/// An amount may be a number there, too.
fn amount(raw: &RawValue) -> Option<SmolStr> {
    match serde_json::from_str(raw.get()).ok()? {
        Value::String(text) => Some(text.into()),
        Value::Number(_) => Some(raw.get().trim().into()),
        _ => None,
    }
}

/// The list with all of this in it; nothing where that cannot be.
fn united(users: &Raw, wanted: &Tree) -> Option<Raw> {
    let mut out = users.clone();
    for (name, user) in wanted.get("users").map(Tree::entries).unwrap_or_default() {
        let mut now: Raw = match out.get(name) {
            Some(there) => serde_json::from_str(there.get()).ok()?,
            None => Raw::default(),
        };
        let before = shown(&now.raw()?)?;
        for (key, value) in user.entries() {
            let there = before.get(key);
            let value = match (key.as_str(), there) {
                (_, Some(there)) if there == value => continue,
                (QUOTA, _) => {
                    let mut amounts: Raw = match now.get(key) {
                        Some(there) => serde_json::from_str(there.get()).ok()?,
                        None => Raw::default(),
                    };
                    for (bound, amount) in value.entries() {
                        if there.and_then(|there| there.get(bound)) != Some(amount) {
                            amounts.set(bound, raw(amount)?);
                        }
                    }
                    amounts.raw()?
                }
                (_, Some(Tree::List(have))) => {
                    let more = value.items().iter().filter(|entry| !have.contains(entry));
                    raw(&Tree::list(have.iter().chain(more).cloned()))?
                }
                _ => raw(value)?,
            };
            now.set(key, value);
        }
        out.set(name, now.raw()?);
    }
    Some(out)
}

fn raw(value: &Tree) -> Option<Box<RawValue>> {
    RawValue::from_string(value.to_string()).ok()
}

impl Raw {
    fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|(have, _)| have == key).map(|(_, value)| &**value)
    }

    fn set(&mut self, key: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(have, _)| have == key) {
            Some((_, there)) => *there = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    fn text(&self) -> String {
        let entries = self.0.iter().map(|(key, value)| format!("{}:{}", json!(key), value.get()));
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    }

    fn raw(&self) -> Option<Box<RawValue>> {
        RawValue::from_string(self.text()).ok()
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Raw, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Raw;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            /// Of a key that is there twice readers see one, and not all of them the same.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let (mut raw, mut seen) = (Raw::default(), BTreeSet::new());
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom("a key is there twice"));
                    }
                    raw.0.push((key, value));
                }
                Ok(raw)
            }
        }
        from.deserialize_map(Keys)
    }
}

/// Writes it. The mark comes last: an entry that kwo won by writing its first version is kwo's, and a mark on one that kwo never
/// wrote would give kwo what others put there later. A run that ends between the two leaves an entry without a mark, which is
/// held until somebody adopts it.
pub(super) async fn write(session: &Session, mark: &Mark, step: &Step) -> Result<(), Refusal> {
    let Step { id, wanted, seen, .. } = step;
    let path = id.place();
    let refused = |why: &str| Refusal::Refused { why: why.to_owned() };
    let unknown = |why: SmolStr| Refusal::Unreachable { why: why.into() };
    let inside = session.in_store(&path).ok_or_else(|| refused("it is in no store that the roster names"))?;
    let look = async || one(session, &path).await.map_err(unknown);
    let changed = || Refusal::Changed { why: format!("somebody else wrote {path} meanwhile") };
    let now = look().await?;
    if now.as_ref().map(List::seen) != seen.as_ref().map(|version| version.0.clone()) {
        return Err(changed());
    }
    if let Some(list) = &now {
        list.whole(session, &path, &mark.cluster).map_err(unknown)?;
    }
    let is_new = now.is_none();
    let (version, before) = now.map_or_else(Default::default, |list| (list.version, list.users));
    let text = united(&before.clone().unwrap_or_default(), wanted)
        .ok_or_else(|| refused("the list is not one that kwo can write to"))?
        .text();
    let body = json!({"options": {"cas": version}, "data": {USERS: text}});
    let sent = match (version, before) {
        (0, _) => session.post(&data(inside), &body).await,
        (_, Some(before)) if text == before.text() => Ok(Value::Null),
        _ => session.patch(&data(inside), &body).await,
    };
    let after = look().await?;
    let Some(after) = after.filter(|after| after.version > 0 && after.has(wanted)) else {
        return sent.and(Err(changed()));
    };
    // Also where the answer was lost.
    if after.is_of(&mark.cluster) {
        return Ok(());
    }
    // Without the answer nobody knows who made a new one: another cluster with the same users, say.
    if is_new {
        sent?;
    }
    if after.mark.is_some() {
        return Err(changed());
    }
    session.patch(&metadata(inside), &json!({"custom_metadata": mark.in_metadata(Map::new())})).await?;
    let done = look().await?.is_some_and(|done| done.is_of(&mark.cluster) && done.has(wanted));
    if done { Ok(()) } else { Err(changed()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(users: &str) -> Tree {
        serde_json::from_str(&format!("{{\"users\":{users}}}")).unwrap()
    }

    #[test]
    fn what_others_wrote_stays_to_the_byte() {
        let there = r#"{"zed": {"n": 12345678901234567890123, "role":"x"},"alice":{"namespaces":["own","alice"],"x":1.10,"quota":{"pods":5,"y":"z"}}}"#;
        let list = parsed(there).unwrap();
        let asked = wanted(
            r#"{"alice":{"role":"namespace-owner","namespaces":["alice","new"],"quota":{"pods":"20"}},"bob":{"role":"admin"}}"#,
        );
        let text = united(&list, &asked).unwrap().text();
        assert_eq!(
            text,
            r#"{"zed":{"n": 12345678901234567890123, "role":"x"},"alice":{"namespaces":["own","alice","new"],"x":1.10,"quota":{"pods":"20","y":"z"},"role":"namespace-owner"},"bob":{"role":"admin"}}"#
        );
        let again = List { version: 1, mark: None, users: parsed(&text).ok() };
        assert!(again.has(&asked));
        assert!(!List { users: Some(list), ..again }.has(&asked));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in [
            "",
            "[]",
            "null",
            "\"x\"",
            "{\"a\":1}",
            "{\"a\":{}",
            "{\"a\":{},\"a\":{}}",
            "{\"a\":{\"b\":1,\"b\":2}}",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
        let odd = List { version: 1, mark: None, users: parsed(r#"{"a":{"namespaces":"a"}}"#).ok() };
        assert!(odd.present(&"u".into()).is_err());
    }

    #[test]
    fn of_a_user_nothing_is_shown_but_what_kwo_writes() {
        let list = List {
            version: 3,
            mark: None,
            users: parsed(r#"{"a":{"password":"p","email":"e","quota":{"pods":5,"secret":"s"}}}"#).ok(),
        };
        assert_eq!(
            list.present(&"u".into()).unwrap().body.to_string(),
            r#"{"metadata":{"labels":{}},"users":{"a":{"email":"e","quota":{"pods":"5"}}}}"#
        );
    }
}
