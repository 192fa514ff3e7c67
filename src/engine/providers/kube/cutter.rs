//! How an object of a cluster ends, and how it comes back. Every DELETE carries the uid and the resourceVersion that were
//! seen, and every patch tests both, so that nothing ends but what somebody looked at.

use std::time::Duration;

use http::StatusCode;
use kwo_planner::named::auth_id;
use kwo_planner::observed::Version;
use kwo_planner::offboard::{Cut, Removal};
use kwo_planner::plain::one_line;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::{Tree, join};
use serde_json::{Value, json};

use super::connect::Kube;
use super::path::{WRITER, one, siblings};
use super::transport::{Call, Transport};
use super::versioned_text::{self, BRIEF, Place};
use crate::departed::Departed;
use crate::marks::{Mark, Marks, Milestone, written};
use crate::providers::{Cutter, Promise, Records, Refusal, Restored, VersionedText, Whole};

/// How long what was cut may take to be gone before it is made again.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

impl Cutter for Kube {
    fn whole<'a>(&'a self, id: &'a ResourceId) -> Promise<'a, Result<Option<Whole>, Refusal>> {
        Box::pin(async move {
            if *id == auth_id() {
                return self.users().await;
            }
            get(&self.transport, &one(id).map_err(refused)?).await
        })
    }

    fn cut<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            if let Some(logins) = cut.logins() {
                return self.shut_out(logins, cut.seen()).await;
            }
            let path = one(cut.id()).map_err(refused)?;
            let (uid, revision) = parts(cut.seen())?;
            if cut.parts().is_empty() {
                // In the foreground it would be in force until the garbage collector comes by.
                let rest = delete(&self.transport, &path, (uid, revision), "Background").await?;
                return rest.map_or(Ok(()), |rest| Err(refused(rest)));
            }
            let mut patch = vec![
                json!({"op": "test", "path": "/metadata/uid", "value": uid}),
                json!({"op": "test", "path": "/metadata/resourceVersion", "value": revision}),
            ];
            for entry in cut.parts() {
                patch.push(json!({"op": "test", "path": entry.pointer, "value": entry.value}));
                patch.push(json!({"op": "remove", "path": entry.pointer}));
            }
            patched(&self.transport, &path, &patch).await
        })
    }

    fn restore<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<Restored, Refusal>> {
        Box::pin(async move {
            if let Some(logins) = cut.logins() {
                return self.let_in(logins).await;
            }
            if cut.parts().is_empty() {
                return made(&self.transport, cut).await;
            }
            let path = one(cut.id()).map_err(refused)?;
            let Some(whole) = get(&self.transport, &path).await? else {
                return Err(refused("the object that it was a part of is gone"));
            };
            let (uid, revision) = parts(&whole.version)?;
            let mut patch = vec![
                json!({"op": "test", "path": "/metadata/uid", "value": uid}),
                json!({"op": "test", "path": "/metadata/resourceVersion", "value": revision}),
            ];
            patch.extend(
                cut.parts()
                    .iter()
                    .rev()
                    .filter_map(|entry| back(&whole.object, &entry.pointer, &entry.value)),
            );
            if patch.len() == 2 {
                return Ok(Restored::Back);
            }
            patched(&self.transport, &path, &patch).await.map(|()| Restored::Back)
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let found = removal.found();
            delete(&self.transport, &found.path, parts(&found.seen)?, "Foreground").await.map(drop)
        })
    }
}

impl Records for Kube {
    fn record<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Option<VersionedText>, Refusal>> {
        Box::pin(async move { versioned_text::load(&self.transport, &place(name, None)).await })
    }

    fn mark<'a>(&'a self, name: &'a str, what: Milestone, retain: u64) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let mark = written(what, retain).map_err(refused)?;
            versioned_text::mark(&self.transport, &format!("{RECORDS}{name}.{mark}"), MARKS).await
        })
    }

    fn marks<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Marks, Refusal>> {
        Box::pin(async move { Ok(marks(&versioned_text::all(&self.transport).await?, name)) })
    }

    fn keep<'a>(
        &'a self,
        name: &'a str,
        (text, brief): (&'a str, &'a Departed),
        seen: Option<&'a VersionedText>,
    ) -> Promise<'a, Result<VersionedText, Refusal>> {
        Box::pin(async move {
            let brief = serde_json::to_string(brief).map_err(|error| refused(error.to_string()))?;
            versioned_text::save(&self.transport, &place(name, Some(brief)), text, seen).await
        })
    }
}

/// What the name of a record begins with. A mark has that of its record in front, and a dot, which no record has.
const RECORDS: &str = "kwo-offboard-";

/// What such a mark is there for.
const MARKS: &str = "when a stage of `kwo offboard` began; the time to keep everything counts from the creation of the latest cut";

/// The marks of the record of this name.
fn marks(maps: &[Tree], record: &str) -> Marks {
    let text = |item: &Tree, pointer: &str| item.at(pointer).and_then(Tree::as_text).cloned();
    let mark = |item: &Tree| {
        let name = text(item, "/metadata/name")?;
        let rest = name.strip_prefix(RECORDS)?.strip_prefix(record)?.strip_prefix('.')?;
        Mark::read(rest, text(item, "/metadata/creationTimestamp")?.parse().ok()?)
    };
    Marks::new(maps.iter().filter_map(mark).collect())
}

/// Where the record of somebody who left stands.
fn place(name: &str, brief: Option<String>) -> Place {
    Place {
        name: format!("{RECORDS}{name}"),
        key: "offboard.json",
        about: "what `kwo offboard` ended, and how `--undo` brings it back",
        brief,
    }
}

/// Those who left, by what stands beside their records. The records are found by their names, and until when something is
/// kept the marks say: whoever may write to a record can change neither.
pub(super) async fn departed(transport: &Transport) -> Result<Vec<Departed>, Refusal> {
    let maps = versioned_text::all(transport).await?;
    let record = |item: &Tree| {
        let name = item.at("/metadata/name").and_then(Tree::as_text)?.clone();
        let rest = name.strip_prefix(RECORDS).filter(|rest| Departed::is_name(rest))?.to_owned();
        let mut brief = brief(item, &rest).unwrap_or_else(|why| Departed::by_name(&rest, why));
        let marks = marks(&maps, &rest);
        brief.kept_until = marks.kept_until(brief.kept_until);
        brief.archived = marks.is_archived(brief.archived);
        Some(brief)
    };
    Ok(maps.iter().filter_map(record).collect())
}

/// What stands beside the record of this name; why it is not as kwo wrote it.
fn brief(item: &Tree, name: &str) -> Result<Departed, String> {
    let unreadable = |why: String| format!("the ConfigMap kube-system/{RECORDS}{name} cannot be read: {why}");
    let text = item.at(&join("/metadata/annotations", BRIEF)).and_then(Tree::as_text).cloned();
    let brief: Departed =
        serde_json::from_str(&text.unwrap_or_default()).map_err(|error| unreadable(error.to_string()))?;
    match brief.is_named(name) {
        true => Ok(brief),
        false => Err(unreadable(format!("it is about {}", one_line(&brief.who)))),
    }
}

/// What brings one value back; nothing where it is there.
fn back(object: &Tree, pointer: &str, value: &Tree) -> Option<Value> {
    let add = |place: &str| json!({"op": "add", "path": place, "value": value});
    match kwo_planner::offboard::list_of(pointer) {
        Some(list) => match object.at(list) {
            Some(found) if found.items().contains(value) => None,
            Some(_) => Some(add(&format!("{list}/-"))),
            None => Some(json!({"op": "add", "path": list, "value": [value]})),
        },
        None => object.at(pointer).is_none().then(|| add(pointer)),
    }
}

pub(super) async fn get(transport: &Transport, path: &str) -> Result<Option<Whole>, Refusal> {
    let asked = transport.ask(&Call::get(path)).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if response.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !response.is_success() {
        return Err(response.refusal(asked.tries));
    }
    let unreadable = |why: &str| Refusal::Unreachable { why: format!("the answer cannot be read: {why}") };
    let object: Tree =
        serde_json::from_slice(&response.body).map_err(|error| unreadable(&error.to_string()))?;
    let version = version(&object).ok_or_else(|| unreadable("it has no uid or no resourceVersion"))?;
    Ok(Some(Whole { object, version, doubt: None }))
}

/// The uid and the resourceVersion of an object.
pub(super) fn version(object: &Tree) -> Option<Version> {
    let text = |pointer: &str| object.at(pointer).and_then(Tree::as_text);
    Some(Version(smol_str::format_smolstr!(
        "{}/{}",
        text("/metadata/uid")?,
        text("/metadata/resourceVersion")?
    )))
}

/// Makes the object again as it was. What is there by now is it, or is told.
async fn made(transport: &Transport, cut: &Cut) -> Result<Restored, Refusal> {
    let body = serde_json::to_vec(cut.inverse()).map_err(|error| refused(error.to_string()))?;
    let path = format!("{}{WRITER}", siblings(cut.id()).map_err(refused)?);
    for _ in 0..TRIES {
        let asked = transport.ask(&Call::post(path.clone(), body.clone())).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        match response.status {
            status if status.is_success() => return Ok(Restored::Back),
            StatusCode::CONFLICT if response.says().contains("already exists") => {}
            _ => return Err(response.refusal(asked.tries)),
        }
        match get(transport, &one(cut.id()).map_err(refused)?).await? {
            // An earlier undo was killed after this, or a run of the roster made it again.
            Some(whole) if holding(&whole.object).is_none() && cut.is_back(&whole.object) => {
                return Ok(Restored::Back);
            }
            Some(whole) if holding(&whole.object).is_none() => {
                return Err(refused("somebody made another one of this name meanwhile, and it stays"));
            }
            // What is on its way out has to be gone first.
            Some(_) | None => tokio::time::sleep(PAUSE).await,
        }
    }
    Err(refused("Kubernetes is still deleting the one that was cut; run it again"))
}

/// What an object waits for that is being deleted; nothing where it is not.
fn holding(object: &Tree) -> Option<String> {
    object.at("/metadata/deletionTimestamp")?;
    let finalizers = object.at("/metadata/finalizers").map(Tree::items).unwrap_or_default();
    let names: Vec<String> = finalizers.iter().filter_map(Tree::as_text).map(ToString::to_string).collect();
    Some(names.join(", "))
}

/// Deletes one object in the state that was seen. One that is gone is what was asked for; of one that is not, it gives what
/// it waits for.
async fn delete(
    transport: &Transport,
    path: &str,
    (uid, revision): (&str, &str),
    propagation: &str,
) -> Result<Option<String>, Refusal> {
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation,
        "preconditions": {"uid": uid, "resourceVersion": revision},
    });
    let asked = transport.ask(&Call::delete(path, options.to_string().into_bytes())).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    match response.status {
        status if status.is_success() => {
            let rest: Option<Tree> = serde_json::from_slice(&response.body).ok();
            let names = rest.as_ref().and_then(holding).filter(|names| !names.is_empty());
            Ok(names.map(|names| {
                format!(
                    "it is still in force: Kubernetes deletes it once the finalizer {names} is gone from it"
                )
            }))
        }
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::CONFLICT => Err(Refusal::Changed { why: response.says() }),
        _ => Err(response.refusal(asked.tries)),
    }
}

async fn patched(transport: &Transport, path: &str, patch: &[Value]) -> Result<(), Refusal> {
    let asked = transport.ask(&Call::json_patch(format!("{path}{WRITER}"), &patch).map_err(refused)?).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    match response.status {
        status if status.is_success() => Ok(()),
        // The object is another by now, or this very patch was carried out unheard: whoever looks again can tell.
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::NOT_FOUND => {
            Err(Refusal::Changed { why: response.says() })
        }
        _ => Err(response.refusal(asked.tries)),
    }
}

fn parts(version: &Version) -> Result<(&str, &str), Refusal> {
    let parts = version.0.split_once('/').filter(|(uid, revision)| !uid.is_empty() && !revision.is_empty());
    parts.ok_or_else(|| refused("it is not known which state of the object was seen"))
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}
