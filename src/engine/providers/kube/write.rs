//! One step, one write: a POST for a new object, otherwise one JSON patch that holds only for the state the step was
//! planned for. Neither can remove anything. When a try may have been carried out unheard, its success is looked up.

use std::collections::BTreeSet;
use std::sync::Arc;

use kwo_planner::change::{Change, Step};
use kwo_planner::compare::compare;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{FIELD_MANAGER, MARK, Owner, Present, Version};
use kwo_planner::tree::{Tree, join};
use kwo_planner::units::moment;
use serde::Serialize;

use super::path::{WRITER, one, only, siblings};
use super::redact::{redacted, restored};
use super::response::Response;
use super::transport::{Call, Transport};
use super::warned::Warned;
use crate::providers::Refusal;
use crate::providers::documents::{document_of, edited, fold_part};
use crate::secrets::Vault;

/// One operation of a JSON patch. There is no `remove` here, and there must never be one.
#[derive(Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Operation<'a> {
    Test { path: &'a str, value: Tree },
    Add { path: &'a str, value: Tree },
    Replace { path: &'a str, value: Tree },
}

/// Does one step.
pub(super) async fn write(
    transport: &Transport,
    vault: &Vault,
    warned: &Warned,
    step: &Step,
) -> Result<(), Refusal> {
    let done = perform(transport, vault, warned, step).await;
    if step.id.known_kind() == Some(Kind::Secret) { done.map_err(cut_short) } else { done }
}

/// What the API says of a Secret, without the object that it repeats where one is not valid.
pub(super) fn cut_short(refusal: Refusal) -> Refusal {
    const VALUE: &str = "Invalid value";
    let cut = |why: String| match why.split_once(VALUE) {
        Some((before, _)) => format!("{before}{VALUE} (not shown: it may hold the secret)"),
        None => why,
    };
    match refusal {
        Refusal::Changed { why } => Refusal::Changed { why: cut(why) },
        Refusal::Refused { why } => Refusal::Refused { why: cut(why) },
        Refusal::Unreachable { why } => Refusal::Unreachable { why: cut(why) },
    }
}

/// What the API server warns of when a step for a namespace is tried without being done.
pub(super) async fn rehearse(transport: &Transport, step: &Step) -> Result<Vec<String>, Refusal> {
    let mut call = call(step, &step.wanted).map_err(|why| Refusal::Refused { why })?;
    call.path.push_str("&dryRun=All");
    let asked = transport.ask(&call).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if response.is_success() { Ok(response.warnings) } else { Err(response.refusal(asked.tries)) }
}

async fn perform(transport: &Transport, vault: &Vault, warned: &Warned, step: &Step) -> Result<(), Refusal> {
    let refused = |why: String| Refusal::Refused { why };
    let mut wanted = restored(vault, step).map_err(refused)?;
    if !documents(step).is_empty() {
        let found = look(transport, step).await?;
        let kind = step
            .id
            .known_kind()
            .ok_or_else(|| refused(format!("kwo does not know the kind of {}", step.id)))?;
        let changes = step.changes.iter().filter_map(|change| Some((change.pointer()?, change.value()?)));
        for (document, text) in edited(kind, &found, changes).map_err(refused)? {
            wanted = wanted.with(document, text);
        }
    }
    let call = call(step, &wanted).map_err(refused)?;
    let asked = transport.ask(&call).await;
    let mut response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    warned.keep(step, std::mem::take(&mut response.warnings));
    if response.is_success() {
        return Ok(());
    }
    // Of these answers some mean "changed meanwhile", which may be this step's own, unheard success.
    match response.status.as_u16() {
        409 if step.creates() && asked.unsure => settle(transport, vault, step, &response, true).await,
        409 if step.creates() => Err(Refusal::Changed { why: response.says() }),
        404 if !step.creates() => Err(Refusal::Changed { why: response.says() }),
        409 | 422 if !step.creates() => settle(transport, vault, step, &response, asked.unsure).await,
        _ => Err(response.refusal(asked.tries)),
    }
}

/// The documents within texts that the step changes a part of.
fn documents(step: &Step) -> BTreeSet<&'static str> {
    let Some(kind) = step.id.known_kind() else { return BTreeSet::new() };
    step.changes.iter().filter_map(|change| document_of(kind, change.pointer()?)).collect()
}

/// The object as it is now, which has to be as it was when the step was planned.
async fn look(transport: &Transport, step: &Step) -> Result<Tree, Refusal> {
    let Some(object) = now(transport, step).await? else {
        return Err(Refusal::Changed { why: format!("{} is no longer there", step.id) });
    };
    if step.seen.as_ref().and_then(parts) == Some(revision(&object)) {
        Ok(object)
    } else {
        Err(Refusal::Changed { why: "it has another resourceVersion now".to_owned() })
    }
}

/// The object as it is now, if it is there. A LIST by name asks for no right that looking does not need.
async fn now(transport: &Transport, step: &Step) -> Result<Option<Tree>, Refusal> {
    let place = siblings(&step.id).map_err(|why| Refusal::Refused { why })?;
    let asked = transport.ask(&Call::get(format!("{place}?{}", only(&step.id.name)))).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if !response.is_success() {
        return Err(response.refusal(asked.tries));
    }
    let unreadable = |error: &dyn std::fmt::Display| Refusal::Unreachable {
        why: format!("the answer cannot be read: {error}"),
    };
    let list: Tree = serde_json::from_slice(&response.body).map_err(|error| unreadable(&error))?;
    let Some(Tree::List(items)) = list.at("/items") else { return Err(unreadable(&"it is not a list")) };
    let name = |object: &&Tree| object.at("/metadata/name").and_then(Tree::as_text) == Some(&step.id.name);
    let Some(object) = items.iter().find(name).cloned() else { return Ok(None) };
    // In a list they stand once, for all of its objects.
    Ok(Some(["/apiVersion", "/kind"].into_iter().fold(object, |object, head| {
        step.wanted.at(head).map_or_else(|| object.clone(), |value| object.with(head, value.clone()))
    })))
}

/// The request that does the step, with the values from what is wanted.
fn call(step: &Step, wanted: &Tree) -> Result<Call, String> {
    if step.creates() {
        let body =
            serde_json::to_vec(wanted).map_err(|error| format!("cannot be written as JSON: {error}"))?;
        return Ok(Call::post(format!("{}{WRITER}", siblings(&step.id)?), body));
    }
    let Some((uid, revision)) = step.seen.as_ref().and_then(parts) else {
        return Err("the step does not say which state of the object it is for".to_owned());
    };
    let mut patch = vec![
        Operation::Test { path: "/metadata/uid", value: Tree::from(uid.to_owned()) },
        Operation::Test { path: "/metadata/resourceVersion", value: Tree::from(revision.to_owned()) },
    ];
    let documents = documents(step);
    for document in &documents {
        // Of a text that is there this takes the place.
        patch.push(Operation::Add {
            path: document,
            value: wanted.at(document).ok_or("there is no document")?.clone(),
        });
    }
    let inside = |pointer: &str| step.id.known_kind().and_then(|kind| document_of(kind, pointer)).is_some();
    // Secrets and texts stand in what is wanted; in the changes stands what is shown of them.
    let written = |pointer: &str, value: &Tree| match (step.secrets.is_empty(), step.id.known_kind()) {
        (false, _) => Ok(wanted.at(pointer).unwrap_or(value).clone()),
        (true, Some(kind)) => fold_part(kind, pointer, value.clone()),
        (true, None) => Ok(value.clone()),
    };
    for change in step.changes.iter().filter(|change| !change.pointer().is_some_and(inside)) {
        patch.push(match change {
            Change::Create => return Err("a step that creates can do nothing else".to_owned()),
            Change::Extend { pointer, value, tightens: _, because: _ } => {
                Operation::Add { path: pointer, value: written(pointer, value)? }
            }
            Change::Revise { pointer, from: _, to, cause: _, tightens: _, because: _ } => {
                Operation::Replace { path: pointer, value: written(pointer, to)? }
            }
        });
    }
    Call::json_patch(format!("{}{WRITER}", one(&step.id)?), &patch)
}

/// The uid and the resourceVersion in a version.
fn parts(version: &Version) -> Option<(&str, &str)> {
    version.0.split_once('/').filter(|(uid, revision)| !uid.is_empty() && !revision.is_empty())
}

/// Looks at the object to tell a refusal for good from a change by somebody else, and from this step's own work.
async fn settle(
    transport: &Transport,
    vault: &Vault,
    step: &Step,
    response: &Response,
    unsure: bool,
) -> Result<(), Refusal> {
    let Some(object) = now(transport, step).await? else {
        return Err(Refusal::Changed { why: response.says() });
    };
    let (uid, revision) = revision(&object);
    let seen = step.seen.as_ref().and_then(parts);
    if seen == Some((uid, revision)) {
        // Nobody else was here, so it is the change itself that is not allowed.
        return Err(response.refusal(1));
    }
    let same = seen.is_none_or(|(seen, _)| seen == uid);
    if unsure && same && done(vault, step, &object) {
        return Ok(());
    }
    // The server only says that the patch does not hold; who was quicker stands in the object.
    Err(Refusal::Changed { why: other_writer(step, &object).unwrap_or_else(|| response.says()) })
}

/// Who else wrote the fields of this step last, or the object at all.
fn other_writer(step: &Step, object: &Tree) -> Option<String> {
    let owner = |entry: &Tree| {
        Some(Owner {
            manager: entry.get("manager")?.as_text()?.clone(),
            when: entry.get("time").and_then(Tree::as_text).cloned(),
            fields: entry.get("fieldsV1")?.clone(),
        })
    };
    let owners: Vec<Owner> = object.at("/metadata/managedFields")?.items().iter().filter_map(owner).collect();
    let owners: Arc<[Owner]> = owners.into_iter().filter(|owner| owner.manager != FIELD_MANAGER).collect();
    let seen = Present { body: Tree::Null, version: Version("".into()), owners, deleting: None };
    let pointers = step.changes.iter().filter_map(Change::pointer);
    let of_fields =
        pointers.filter_map(|pointer| seen.writer(pointer)).max_by_key(|owner| owner.when.clone());
    let Owner { manager, when, fields: _ } =
        of_fields.or_else(|| seen.owners.iter().max_by_key(|owner| owner.when.clone()))?;
    let when = when.as_ref().map(|when| format!(" at {}", moment(when))).unwrap_or_default();
    Some(format!("`{manager}` wrote it{when}"))
}

/// The uid and the resourceVersion of an object.
fn revision(object: &Tree) -> (&str, &str) {
    let now = |pointer: &str| object.at(pointer).and_then(Tree::as_text).map_or("", |text| text.as_str());
    (now("/metadata/uid"), now("/metadata/resourceVersion"))
}

/// Is all that the step wants in the object, and the mark on it?
fn done(vault: &Vault, step: &Step, object: &Tree) -> bool {
    let Some(kind) = step.id.known_kind() else { return false };
    let Ok(object) = redacted(vault, kind, &step.id, object, Some(&step.wanted)) else { return false };
    let marked = object.at(&join("/metadata/labels", MARK.0)) == Some(&Tree::from(MARK.1));
    marked && compare(&step.wanted, &object, kind.shape()).is_empty()
}

#[cfg(test)]
mod tests {
    use kwo_planner::origin::Origin;

    use super::super::json_patch::JSON_PATCH;
    use super::*;

    fn origin() -> Origin {
        Origin { place: "roster.yaml:1:1".into(), line: "".into() }
    }

    fn step(changes: Vec<Change>, seen: Option<&str>) -> Step {
        Step {
            id: "kube:ResourceQuota/alice/alice-quota".parse().unwrap(),
            changes: changes.into(),
            seen: seen.map(|seen| Version(seen.into())),
            wanted: serde_json::from_str(r#"{"spec":{"hard":{"cpu":"1000m","pods":"2"}}}"#).unwrap(),
            secrets: Vec::new(),
            needs: Arc::default(),
            follows: Arc::default(),
            disrupts: None,
            tightens: None,
            adopts: false,
            tenant: "alice".into(),
            because: origin(),
        }
    }

    #[test]
    fn a_patch_names_the_state_it_is_for() {
        let changes = vec![
            Change::Extend {
                pointer: "/spec/hard/pods".into(),
                value: "2".into(),
                tightens: None,
                because: origin(),
            },
            Change::Revise {
                pointer: "/spec/hard/cpu".into(),
                from: "2".into(),
                to: "1".into(),
                cause: kwo_planner::change::Cause::RosterChanged,
                tightens: None,
                because: origin(),
            },
        ];
        let step = step(changes, Some("u-1/77"));
        let call = call(&step, &step.wanted).unwrap();
        assert_eq!(
            call.path,
            "/api/v1/namespaces/alice/resourcequotas/alice-quota?fieldManager=kwo&fieldValidation=Strict"
        );
        let (content_type, body) = call.content.unwrap();
        assert_eq!(content_type, JSON_PATCH);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"[{"op":"test","path":"/metadata/uid","value":"u-1"},"#.to_owned()
                + r#"{"op":"test","path":"/metadata/resourceVersion","value":"77"},"#
                + r#"{"op":"add","path":"/spec/hard/pods","value":"2"},"#
                + r#"{"op":"replace","path":"/spec/hard/cpu","value":"1"}]"#
        );
    }

    #[test]
    fn a_patch_for_no_state_is_not_sent() {
        let change = Change::Extend {
            pointer: "/spec/hard/pods".into(),
            value: "2".into(),
            tightens: None,
            because: origin(),
        };
        for (changes, seen) in [
            (vec![change.clone()], None),
            (vec![change.clone()], Some("77")),
            (vec![change, Change::Create], Some("u/77")),
        ] {
            let step = step(changes, seen);
            assert!(call(&step, &step.wanted).is_err());
        }
    }

    #[test]
    fn ones_own_work_is_known_again() {
        let step = step(vec![Change::Create], None);
        let object = |json: &str| -> Tree { serde_json::from_str(json).unwrap() };
        let mark = r#""metadata":{"uid":"u","labels":{"kwo.dev/managed":"true"}}"#;
        assert!(done(
            &Vault::default(),
            &step,
            &object(&format!(r#"{{{mark},"spec":{{"hard":{{"cpu":"1","pods":"2"}}}}}}"#))
        ));
        assert!(!done(
            &Vault::default(),
            &step,
            &object(&format!(r#"{{{mark},"spec":{{"hard":{{"cpu":"1"}}}}}}"#))
        ));
        assert!(!done(&Vault::default(), &step, &object(r#"{"spec":{"hard":{"cpu":"1","pods":"2"}}}"#)));
    }
}
