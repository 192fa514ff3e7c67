//! How an object of a cluster ends, and how it comes back. Every DELETE carries the uid and the resourceVersion that were
//! seen, and every patch tests both, so that nothing ends but what somebody looked at.

use http::StatusCode;
use kwo_planner::observed::Version;
use kwo_planner::offboard::{Cut, Removal};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;
use serde_json::{Value, json};

use super::connect::Kube;
use super::note::{self, Place};
use super::path::{WRITER, one, siblings};
use super::wire::{Call, Wire};
use super::write::JSON_PATCH;
use crate::offboard::{Cutter, Records, Restored, Whole};
use crate::providers::{Note, Promise, Refusal};

impl Cutter for Kube {
    fn whole<'a>(&'a self, id: &'a ResourceId) -> Promise<'a, Result<Option<Whole>, Refusal>> {
        Box::pin(async move { get(&self.wire, &one(id).map_err(refused)?).await })
    }

    fn cut<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let path = one(cut.id()).map_err(refused)?;
            let (uid, revision) = parts(cut.seen())?;
            if cut.parts().is_empty() {
                return delete(&self.wire, &path, (uid, revision)).await;
            }
            let mut patch = vec![
                json!({"op": "test", "path": "/metadata/uid", "value": uid}),
                json!({"op": "test", "path": "/metadata/resourceVersion", "value": revision}),
            ];
            for entry in cut.parts() {
                patch.push(json!({"op": "test", "path": entry.pointer, "value": entry.value}));
                patch.push(json!({"op": "remove", "path": entry.pointer}));
            }
            patched(&self.wire, &path, &patch).await
        })
    }

    fn restore<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<Restored, Refusal>> {
        Box::pin(async move {
            if cut.parts().is_empty() {
                let body = serde_json::to_vec(cut.inverse()).map_err(|error| refused(error.to_string()))?;
                let path = format!("{}{WRITER}", siblings(cut.id()).map_err(refused)?);
                let asked = self.wire.ask(&Call::post(path, body)).await;
                let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
                return match answer.status {
                    // It is there: an earlier undo was killed after this, or somebody made it again.
                    StatusCode::CONFLICT if answer.says().contains("already exists") => Ok(Restored::Back),
                    status if status.is_success() => Ok(Restored::Back),
                    _ => Err(answer.refusal(asked.tries)),
                };
            }
            let path = one(cut.id()).map_err(refused)?;
            let Some(whole) = get(&self.wire, &path).await? else {
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
            patched(&self.wire, &path, &patch).await.map(|()| Restored::Back)
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let found = removal.found();
            delete(&self.wire, &found.path, parts(&found.seen)?).await
        })
    }
}

impl Records for Kube {
    fn record<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Option<Note>, Refusal>> {
        Box::pin(async move { note::recall(&self.wire, &place(name)).await })
    }

    fn keep<'a>(
        &'a self,
        name: &'a str,
        text: &'a str,
        seen: Option<&'a Note>,
    ) -> Promise<'a, Result<Note, Refusal>> {
        Box::pin(async move { note::remember(&self.wire, &place(name), text, seen).await })
    }
}

/// Where the record of somebody who left stands.
fn place(name: &str) -> Place {
    Place {
        name: format!("kwo-offboard-{name}"),
        key: "offboard.json",
        about: "what `kwo offboard` ended, and how `--undo` brings it back",
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

pub(super) async fn get(wire: &Wire, path: &str) -> Result<Option<Whole>, Refusal> {
    let asked = wire.ask(&Call::get(path)).await;
    let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !answer.is_success() {
        return Err(answer.refusal(asked.tries));
    }
    let unreadable = |why: &str| Refusal::Unreachable { why: format!("the answer cannot be read: {why}") };
    let object: Tree =
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error.to_string()))?;
    let version = version(&object).ok_or_else(|| unreadable("it has no uid or no resourceVersion"))?;
    Ok(Some(Whole { object, version }))
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

/// Deletes one object in the state that was seen. One that is gone is what was asked for.
async fn delete(wire: &Wire, path: &str, (uid, revision): (&str, &str)) -> Result<(), Refusal> {
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": uid, "resourceVersion": revision},
    });
    let asked = wire.ask(&Call::delete(path, options.to_string().into_bytes())).await;
    let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    match answer.status {
        status if status.is_success() => Ok(()),
        StatusCode::NOT_FOUND => Ok(()),
        StatusCode::CONFLICT => Err(Refusal::Changed { why: answer.says() }),
        _ => Err(answer.refusal(asked.tries)),
    }
}

async fn patched(wire: &Wire, path: &str, patch: &[Value]) -> Result<(), Refusal> {
    let body = serde_json::to_vec(patch).map_err(|error| refused(error.to_string()))?;
    let asked = wire.ask(&Call::patch(format!("{path}{WRITER}"), JSON_PATCH, body)).await;
    let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    match answer.status {
        status if status.is_success() => Ok(()),
        // The object is another by now, or this very patch was carried out unheard: whoever looks again can tell.
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::NOT_FOUND => {
            Err(Refusal::Changed { why: answer.says() })
        }
        _ => Err(answer.refusal(asked.tries)),
    }
}

fn parts(version: &Version) -> Result<(&str, &str), Refusal> {
    let parts = version.0.split_once('/').filter(|(uid, revision)| !uid.is_empty() && !revision.is_empty());
    parts.ok_or_else(|| refused("it is not known which state of the object was seen"))
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}
