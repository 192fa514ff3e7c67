//! One LIST a kind over the whole cluster, all kinds at once; of kinds that are mostly other people's only what carries
//! the mark, and by name what is wanted besides. Of bindings and network policies those of others are kept as well. A LIST that fails leaves
//! every wanted object of its kind `Unknown`; only one that was read to its end may say that something is absent.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use futures_util::future::join_all;
use kwo_planner::change::Step;
use kwo_planner::kinds::{Kind, Look};
use kwo_planner::leftovers::left_over;
use kwo_planner::named::{LONG_LIVED, LONG_LIVED_MARK_AT};
use kwo_planner::node::NodeKind;
use kwo_planner::observed::{MANAGED_BY, MARK, Observed, Present, Reach, Sighting};
use kwo_planner::refused::Refused;
use kwo_planner::resource::{Desired, Resource, ResourceId};
use kwo_planner::systems::System;
use smol_str::{SmolStr, format_smolstr};
use tokio::task::JoinSet;

use super::ahead;
use super::decode::{Objects, Seen};
use super::page::{Gather, Page};
use super::path::{all, encoded, only, siblings, words};
use super::response::{Trouble, times};
use super::transport::{Call, Transport};
use crate::providers::Refusal;
use crate::secrets::Vault;

/// How many objects a page has at most. Few requests, while a page of the largest objects stays near 15 MB. No
/// `resourceVersion` is ever sent: that asks for the most recent state.
const PAGE: usize = 5000;

/// By how much fewer objects are asked for where they are too large to be read at once.
pub(super) const SMALLER: usize = 16;

/// How often a LIST is begun anew when its continuation has expired.
const RESTARTS: u32 = 3;

/// How many objects are asked for by name before a LIST of all is the lesser trouble.
const FEW: usize = 5;

/// Asks for what every look at this system needs, whatever is wanted of it.
pub(super) fn ahead(transport: &Arc<Transport>) {
    let needed = Kind::ALL.into_iter().filter(|kind| kind.look() != Look::Private);
    let first = |kind: Kind| match kind.look() {
        Look::All => page(&all(kind), PAGE, "", ""),
        Look::Marked | Look::Private => page(&all(kind), PAGE, &marked(), ""),
    };
    ahead::ask(transport, needed.map(|kind| Call::get(first(kind))));
}

/// The path of one page of a LIST.
fn page(place: &str, limit: usize, only: &str, from: &str) -> String {
    format!("{place}?limit={limit}{only}{from}")
}

/// Only what carries kwo's mark.
fn marked() -> String {
    format!("&labelSelector={}", encoded(&format!("{}={}", MARK.0, MARK.1)))
}

/// Looks at all that is wanted of this system, and at all that carries the mark. Each kind is read by itself, beside the
/// others and while it comes.
pub(super) async fn observe(transport: &Arc<Transport>, vault: &Arc<Vault>, desired: &Desired) -> Observed {
    let mut unknown = Vec::new();
    // Ordered by id, those of a kind are in a row.
    let mut wanted: BTreeMap<Kind, Range<usize>> = BTreeMap::new();
    let ids = desired.resources().iter().map(|resource| &resource.id).enumerate();
    for (at, id) in ids.filter(|(_, id)| id.system == System::Kube) {
        match id.known_kind() {
            Some(kind) => wanted.entry(kind).or_insert(at..at).end = at + 1,
            None => unknown.push((id.clone(), Sighting::Unknown { why: unknown_kind(id) })),
        }
    }
    // Who has kubeconfigs kept may once have asked for a token that never ends.
    let keeps = |resource: &Resource| resource.id.node_kind() == Some(NodeKind::Kubeconfig);
    let tenants_only =
        wanted.keys().all(|kind| kind.look() == Look::All) && !desired.resources().iter().any(keeps);
    let asked = Kind::ALL.into_iter().filter(|kind| kind.look() != Look::Private || !tenants_only);
    let mut open: BTreeMap<Kind, Range<usize>> =
        asked.map(|kind| (kind, wanted.remove(&kind).unwrap_or_default())).collect();
    // Those that nobody waits for any more end with the set.
    let mut lists = JoinSet::new();
    for (kind, rows) in open.clone() {
        let (transport, vault, desired) = (Arc::clone(transport), Arc::clone(vault), desired.clone());
        lists.spawn(async move {
            let list = seen(&transport, &vault, kind, &desired, rows.clone()).await;
            (kind, Whole::of(list, kind, &desired, rows))
        });
    }
    // In the order of the ids, in which a map is made at once.
    let mut all: BTreeMap<&str, Whole> = BTreeMap::new();
    while let Some(ended) = lists.join_next().await {
        let Ok((kind, whole)) = ended else { continue };
        open.remove(&kind);
        all.insert(kind.name(), whole);
    }
    for (kind, rows) in open {
        let why = format_smolstr!("list {}: it was broken off", words(kind));
        all.insert(kind.name(), Whole::of(Err(why), kind, desired, rows));
    }
    transport.ahead.forget();
    let unlisted = Kind::ALL.into_iter().filter(|kind| kind.lets_in() || *kind == Kind::Namespace);
    let unlisted = unlisted.filter_map(|kind| Some((kind, all.get(kind.name())?.why.clone()?))).collect();
    let sightings = all.into_values().flat_map(|whole| whole.sightings).chain(unknown);
    let mut observed: Observed = sightings.collect();
    observed.unlisted = unlisted;
    marked_of_old(transport, vault, desired, tenants_only, &mut observed).await;
    // A registry or resolvers that left the roster had Secrets and ConfigMaps, too.
    let dropped = |(id, sighting): (&ResourceId, &Sighting)| {
        let once = id.known_kind().is_some_and(|kind| kind.look() == Look::Marked);
        once && desired.get(id).is_none() && left_over(id, sighting, &Reach::default()).is_some()
    };
    let tokens = tokens_of_old(desired, &observed);
    if tenants_only && (!tokens.is_empty() || observed.iter().any(dropped)) {
        let private = Kind::ALL.into_iter().filter(|kind| kind.look() == Look::Private);
        for list in join_all(private.map(|kind| seen(transport, vault, kind, desired, 0..0))).await {
            for (id, sighting) in list.unwrap_or_default() {
                observed.insert(id, sighting);
            }
        }
        // Whoever may not list Secrets may not know either that one is gone.
        for id in tokens {
            if observed.get(&id).is_some() {
                continue;
            }
            let sighting = by_name(transport, &mut Objects::new(Kind::Secret, desired, vault), &id).await;
            observed.insert(id, sighting);
        }
    }
    observed
}

/// The Secrets with tokens that never end of accounts for which the roster asks for none any more.
fn tokens_of_old(desired: &Desired, observed: &Observed) -> Vec<ResourceId> {
    let says = |present: &Present| present.writer(LONG_LIVED_MARK_AT).is_some();
    let asked = |id: &ResourceId| {
        desired.get(id).is_some_and(|account| account.body.at(LONG_LIVED_MARK_AT).is_some())
    };
    let accounts = observed.iter().filter(|(id, sighting)| {
        id.known_kind() == Some(Kind::ServiceAccount)
            && matches!(sighting, Sighting::Present(present) if says(present))
            && !asked(id)
    });
    accounts.map(|(id, _)| ResourceId::kube(Kind::Secret, id.scope.clone(), LONG_LIVED)).collect()
}

/// Looks for what carries only the label that was kwo's mark once, and that nobody wants any more. It is looked for where
/// anything with that label alone was seen, so on every cluster that an earlier kwo kept and that was not applied to
/// since. Elsewhere it would cost a request a kind for nothing.
async fn marked_of_old(
    transport: &Transport,
    vault: &Arc<Vault>,
    desired: &Desired,
    tenants_only: bool,
    observed: &mut Observed,
) {
    let of_old = |(_, sighting): (&ResourceId, &Sighting)| matches!(sighting, Sighting::Present(present) if present.is_marked_of_old());
    if !observed.iter().any(of_old) {
        return;
    }
    let only =
        format!("&labelSelector={}", encoded(&format!("{}={},!{}", MANAGED_BY.0, MANAGED_BY.1, MARK.0)));
    let lists = join_all(Kind::ALL.into_iter().filter_map(|kind| {
        let call = match kind.look() {
            Look::All => return None,
            Look::Private if tenants_only => return None,
            Look::Private => Call::metadata,
            Look::Marked => Call::get,
        };
        let only = &only;
        Some(async move {
            let mut objects = Objects::new(kind, desired, vault);
            list(transport, &mut objects, kind, all(kind), only, call).await
        })
    }));
    // Whoever may not list them was told so by the LIST of what carries the mark.
    for (id, sighting) in lists.await.into_iter().flatten().flatten() {
        if desired.get(&id).is_none() {
            observed.insert(id, sighting);
        }
    }
}

/// All that is to be told of the objects of a kind, ordered by id.
pub(super) struct Whole {
    pub(super) sightings: Vec<Seen>,
    /// Why they could not be listed.
    pub(super) why: Option<SmolStr>,
}

impl Whole {
    /// What was listed, and of what is wanted or bound and was not, that it is not there or why that is not known.
    pub(super) fn of(
        list: Result<Vec<Seen>, SmolStr>,
        kind: Kind,
        desired: &Desired,
        rows: Range<usize>,
    ) -> Whole {
        let (mut sightings, why) = match list {
            Ok(found) => (found, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let otherwise = match &why {
            None => Sighting::Absent,
            Some(why) => Sighting::Unknown { why: why.clone() },
        };
        sightings.sort_by(|(a, _), (b, _)| a.cmp(b));
        // Of two of the same object the last one counts.
        sightings.dedup_by(|later, sooner| {
            let same = later.0 == sooner.0;
            if same {
                std::mem::swap(later, sooner);
            }
            same
        });
        let roles = desired.bound().iter().filter(|role| role.known_kind() == Some(kind));
        let open = |role: &&ResourceId| sightings.binary_search_by(|(id, _)| id.cmp(role)).is_err();
        let mut missing: Vec<ResourceId> = roles.filter(open).cloned().collect();
        let mut there = sightings.iter().map(|(id, _)| id).peekable();
        for Resource { id, .. } in desired.resources().get(rows).unwrap_or_default() {
            while there.next_if(|have| *have < id).is_some() {}
            if there.next_if(|have| *have == id).is_none() {
                missing.push(id.clone());
            }
        }
        if !missing.is_empty() {
            sightings.extend(missing.into_iter().map(|id| (id, otherwise.clone())));
            sightings.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        Whole { sightings, why }
    }
}

/// What is seen of a kind, or why nothing is. What is wanted of it stands in these rows.
async fn seen(
    transport: &Transport,
    vault: &Arc<Vault>,
    kind: Kind,
    desired: &Desired,
    rows: Range<usize>,
) -> Result<Vec<Seen>, SmolStr> {
    let mut objects = Objects::new(kind, desired, vault);
    let marked = marked();
    let mut found = match kind.look() {
        Look::All => return list(transport, &mut objects, kind, all(kind), "", Call::get).await,
        Look::Marked => list(transport, &mut objects, kind, all(kind), &marked, Call::get).await?,
        // Whoever may not list them is not told of what is left over, and that is all.
        Look::Private => {
            let there = list(transport, &mut objects, kind, all(kind), &marked, Call::metadata).await;
            there.unwrap_or_default().into_iter().filter(|(id, _)| desired.get(id).is_none()).collect()
        }
    };
    let known: BTreeSet<ResourceId> = found.iter().map(|(id, _)| id.clone()).collect();
    let ids = desired.resources().get(rows).unwrap_or_default().iter().map(|resource| &resource.id);
    let open: Vec<&ResourceId> = ids.filter(|id| !known.contains(*id)).collect();
    if kind.look() == Look::Marked && open.len() > FEW {
        return list(transport, &mut objects, kind, all(kind), "", Call::get).await;
    }
    for id in open {
        let sighting = by_name(transport, &mut objects, id).await;
        found.push((id.clone(), sighting));
    }
    Ok(found)
}

/// Looks at the object of one step.
pub(super) async fn look(transport: &Transport, vault: &Arc<Vault>, step: &Step) -> Sighting {
    let Some(kind) = step.id.known_kind() else { return Sighting::Unknown { why: unknown_kind(&step.id) } };
    let desired = Desired::of(step.resource());
    by_name(transport, &mut Objects::new(kind, &desired, vault), &step.id).await
}

/// Looks at one object. A LIST by name asks for no right that `observe` does not need, and tells "there is no such
/// object" from "there is no such API", which a GET does not.
pub(super) async fn by_name(transport: &Transport, objects: &mut Objects, id: &ResourceId) -> Sighting {
    let Some(kind) = id.known_kind() else { return Sighting::Unknown { why: unknown_kind(id) } };
    let place = match siblings(id) {
        Ok(place) => place,
        Err(why) => return Sighting::Unknown { why: why.into() },
    };
    match list(transport, objects, kind, place, &format!("&{}", only(&id.name)), Call::get).await {
        Err(why) => Sighting::Unknown { why },
        Ok(found) => found
            .into_iter()
            .find(|(found, _)| found == id)
            .map_or(Sighting::Absent, |(_, sighting)| sighting),
    }
}

fn unknown_kind(id: &ResourceId) -> SmolStr {
    format_smolstr!("kwo does not know objects of the kind {}", id.kind)
}

/// The objects in a place that are to be kept, or why they could not be listed.
pub(super) async fn list(
    transport: &Transport,
    objects: &mut Objects,
    kind: Kind,
    place: String,
    only: &str,
    call: fn(String) -> Call,
) -> Result<Vec<Seen>, SmolStr> {
    gather(transport, objects, kind, place, only, call).await.map_err(|unlisted| unlisted.why)?;
    Ok(objects.end())
}

/// Why objects could not be listed.
pub(super) struct Unlisted {
    /// In words.
    pub(super) why: SmolStr,
    /// What kind of reason it is.
    pub(super) cause: Cause,
}

/// What kind of reason there is for it that objects could not be listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// Nobody answered.
    Away,
    /// The account may not list them.
    Forbidden,
    /// The answer was another one.
    Other,
}

/// Hands on all objects in a place, or says why they could not be listed.
pub(super) async fn gather(
    transport: &Transport,
    objects: &mut impl Gather,
    kind: Kind,
    place: String,
    only: &str,
    call: fn(String) -> Call,
) -> Result<(), Unlisted> {
    let what = words(kind);
    let unlisted = |cause: Cause, why: SmolStr| Unlisted { why, cause };
    let mut limit = PAGE;
    'whole: for _ in 0..RESTARTS {
        objects.begin();
        let mut from = String::new();
        loop {
            let mut page = Page::new(&mut *objects);
            let call = call(self::page(&place, limit, only, &from));
            let asked = transport.read(&call, Some(&mut page)).await;
            if matches!(asked.outcome, Err(Trouble::TooLarge(_))) && limit > 1 {
                limit = (limit / SMALLER).max(1);
                continue;
            }
            let response = asked.outcome.map_err(|trouble| {
                let refusal = trouble.refusal(asked.tries);
                let away = matches!(refusal, Refusal::Unreachable { .. });
                unlisted(
                    if away { Cause::Away } else { Cause::Other },
                    format_smolstr!("list {what}: {refusal}"),
                )
            })?;
            match response.status.as_u16() {
                200 => {}
                404 => {
                    let why =
                        format_smolstr!("list {what}: the server has no such resource; is it installed?");
                    return Err(unlisted(Cause::Other, why));
                }
                status @ (401 | 403) => {
                    let cause = if status == 403 { Cause::Forbidden } else { Cause::Other };
                    let tried = format!("list {what}");
                    let refused = Refused { tried: &tried, cause: &response.says() };
                    return Err(unlisted(cause, refused.sentence()));
                }
                410 => continue 'whole,
                _ => {
                    let why = format_smolstr!("list {what} failed: {}", response.says());
                    return Err(unlisted(Cause::Other, why));
                }
            }
            let next = page.end();
            let next = next.map_err(|error| {
                unlisted(Cause::Other, format_smolstr!("list {what}: the answer cannot be read: {error}"))
            })?;
            objects.turn();
            match next {
                Some(next) => from = format!("&continue={}", encoded(&next)),
                None => return Ok(()),
            }
        }
    }
    let why = format_smolstr!("list {what}: its pages expired while being read, {}", times(RESTARTS));
    Err(unlisted(Cause::Other, why))
}
