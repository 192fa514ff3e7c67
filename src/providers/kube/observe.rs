//! One LIST a kind over the whole cluster, all kinds at once; or a LIST that has room for one object. A LIST that
//! fails leaves every wanted object of its kind `Unknown`; only one that was read to its end may say that something
//! is absent.

use futures_util::future::join_all;
use kwo_planner::change::Step;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Present, Sighting};
use kwo_planner::resource::{Desired, ResourceId};
use smol_str::{SmolStr, format_smolstr};

use super::answer::times;
use super::decode::Pages;
use super::path::{all, encoded, only, siblings, words};
use super::wire::{Call, Wire};

/// How many objects a page has at most. Few requests, while a page of the largest objects stays near 15 MB. No
/// `resourceVersion` is ever sent: that asks for the most recent state.
const PAGE: usize = 5000;

/// How often a LIST is begun anew when its continuation has expired.
const RESTARTS: u32 = 3;

/// Looks at all that is wanted of this system, and at all that carries the mark.
pub(super) async fn observe(wire: &Wire, desired: &Desired) -> Observed {
    let lists = join_all(Kind::ALL.map(|kind| list(wire, kind, desired, all(kind), ""))).await;
    let mut observed = Observed::default();
    for resource in desired.resources().iter().filter(|resource| resource.id.provider == "kube") {
        let sighting = match resource.id.known_kind() {
            None => Sighting::Unknown { why: unknown_kind(&resource.id) },
            Some(kind) => match Kind::ALL.iter().zip(&lists).find(|(listed, _)| **listed == kind) {
                Some((_, Err(why))) => Sighting::Unknown { why: why.clone() },
                Some((_, Ok(_))) => Sighting::Absent,
                None => Sighting::Unknown { why: format_smolstr!("{} are not listed", kind.plural()) },
            },
        };
        observed.insert(resource.id.clone(), sighting);
    }
    for (id, present) in lists.into_iter().flatten().flatten() {
        observed.insert(id, Sighting::Present(present));
    }
    observed
}

/// Looks at the object of one step. A LIST by name asks for no right that `observe` does not need, and tells "there
/// is no such object" from "there is no such API", which a GET does not.
pub(super) async fn look(wire: &Wire, step: &Step) -> Sighting {
    let id = &step.id;
    let Some(kind) = id.known_kind() else { return Sighting::Unknown { why: unknown_kind(id) } };
    let place = match siblings(id) {
        Ok(place) => place,
        Err(why) => return Sighting::Unknown { why: why.into() },
    };
    let desired = Desired::of(step.resource());
    let only = format!("&{}", only(&id.name));
    match list(wire, kind, &desired, place, &only).await {
        Err(why) => Sighting::Unknown { why },
        Ok(found) => found
            .into_iter()
            .find(|(found, _)| found == id)
            .map_or(Sighting::Absent, |(_, present)| Sighting::Present(present)),
    }
}

fn unknown_kind(id: &ResourceId) -> SmolStr {
    format_smolstr!("kwo does not know objects of the kind {}", id.kind)
}

/// All objects in a place that are to be kept, or why they could not be listed.
async fn list(
    wire: &Wire,
    kind: Kind,
    desired: &Desired,
    place: String,
    only: &str,
) -> Result<Vec<(ResourceId, Present)>, SmolStr> {
    let what = words(kind);
    'whole: for _ in 0..RESTARTS {
        let mut pages = Pages::new(kind, desired);
        let mut found = Vec::new();
        let mut path = format!("{place}?limit={PAGE}{only}");
        loop {
            let asked = wire.ask(&Call::get(path.as_str())).await;
            let answer = asked.outcome.map_err(|trouble| {
                format_smolstr!("list {what}: no answer after {}: {}", times(asked.tries), trouble.why())
            })?;
            match answer.status.as_u16() {
                200 => {}
                404 => return Err(format_smolstr!("list {what}: the server has no such resource")),
                401 | 403 => return Err(format_smolstr!("list {what} was refused: {}", answer.says())),
                410 => continue 'whole,
                _ => return Err(format_smolstr!("list {what} failed: {}", answer.says())),
            }
            let page = std::str::from_utf8(&answer.body)
                .map_err(|error| error.to_string())
                .and_then(|text| pages.read(text).map_err(|error| error.to_string()))
                .map_err(|error| format_smolstr!("list {what}: the answer cannot be read: {error}"))?;
            found.extend(page.found);
            match page.next {
                Some(next) => path = format!("{place}?limit={PAGE}{only}&continue={}", encoded(&next)),
                None => return Ok(found),
            }
        }
    }
    Err(format_smolstr!("list {what}: its pages expired while being read, {}", times(RESTARTS)))
}
