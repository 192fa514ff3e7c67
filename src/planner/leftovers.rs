//! What kwo once made or wrote and the roster no longer asks for: whole objects, single fields, entries of sets. kwo
//! only reports them, each with the command by which a person removes it.

use crate::access;
use crate::additions::{SERVICES_AT, additions};
use crate::change::{Held, Hold, Leftover};
use crate::compare::Path;
use crate::domains::allowed;
use crate::endings::{ending, ending_of_additions, ending_of_field};
use crate::kinds::{IsOurs, Kind, Shape, matches_any};
use crate::observed::{FIELD_MANAGER, Owner, Present, Reach, Sighting, TENANT_LABEL};
use crate::origin::Origin;
use crate::pairs::Known;
use crate::resource::{Resource, ResourceId};
use crate::tree::{SmolStr, Tree, following, join, tokens};

/// Where kwo writes besides the namespaces of tenants.
pub(crate) const SYSTEM_NAMESPACES: [&str; 2] = ["kube-system", "cert-manager"];

/// Maps of every object in which each key has an owner of its own.
const SHARED: [&str; 2] = ["/metadata/annotations", "/metadata/labels"];

/// An object that carries kwo's mark, that kwo can have written, and that the roster does not want.
#[must_use]
pub fn left_over(id: &ResourceId, sighting: &Sighting, reach: &Reach) -> Option<Leftover> {
    let Sighting::Present(present) = sighting else { return None };
    if !present.is_marked() || present.deleting.is_some() || !id.system.rules().can_be_kwos(id, present) {
        return None;
    }
    // What Kubernetes makes in every namespace gives nobody a right, and without it no pod starts.
    let every = id.is_every_namespaces();
    let grants = if every { Vec::new() } else { access::still(id, &present.body) };
    Some(Leftover {
        id: id.clone(),
        pointer: None,
        value: None,
        tenant: tenant(present),
        grants: (!grants.is_empty()).then(|| grants.join("; ").into()),
        in_force: in_force(id, &present.body, None, None).map(SmolStr::from),
        within: None,
        command: if every { ending_of_additions(id, &present.body, reach) } else { ending(id, reach) },
        rights_command: None,
    })
}

/// What may be left over beside the cluster, where nobody could look: a look that was refused is no agreement. Of the cluster
/// itself the kinds are told that could not be listed.
pub(crate) fn maybe_left(id: &ResourceId, sighting: &Sighting) -> Option<Held> {
    let Sighting::Unknown { why } = sighting else { return None };
    (!id.system.rules().is_reviewed()).then(|| Held {
        id: id.clone(),
        tenant: SmolStr::default(),
        hold: Hold::NotObserved { why: why.clone() },
        because: Origin { place: "it may be left over from before".into(), line: SmolStr::default() },
    })
}

/// What is left over in an object that is still wanted.
pub(crate) fn left_in(
    resource: &Resource,
    (present, known): (&Present, Known),
    reach: &Reach,
    leftovers: &mut Vec<Leftover>,
) {
    if !known.marked || present.deleting.is_some() {
        return;
    }
    let Some(shape) = resource.id.shape() else { return };
    for owner in present.owners.iter().filter(|owner| owner.manager == FIELD_MANAGER) {
        fields(resource, (present, reach), shape, &owner.fields, &resource.body, &Path::Top, leftovers);
    }
    if known.same {
        return;
    }
    // What others add to a set within an entry of a list is theirs: what a container drops besides, say.
    let of_entry = |set: &str| set.split_once("/*").is_some_and(|(list, _)| shape.key(list).is_some());
    for set in shape.sets.iter().filter(|set| !shape.is_filled(set) && !of_entry(set)) {
        for (place, _) in places(shape, set, &resource.body, &present.body) {
            entries(resource, present, reach, &place, leftovers);
        }
    }
    let noted = shape.noted.iter().filter(|(.., note)| present.body.at(note).is_some());
    let noted = noted.map(|(pattern, is_ours, _)| (pattern, is_ours));
    for (pattern, is_ours) in shape.ours.iter().map(|(pattern, is_ours)| (pattern, is_ours)).chain(noted) {
        for (place, wanted) in places(shape, pattern, &resource.body, &present.body) {
            let found = present.body.at(&place);
            if found.is_none() || found == wanted {
                continue;
            }
            // Of a list that has one owner as a whole, what the last writer left is the last writer's.
            let other = |owner: &Owner| owner.manager != FIELD_MANAGER;
            let whole = place != *pattern || (shape.atomic.contains(pattern) && shape.signed.is_none());
            if whole && present.writer(&place).is_none_or(other) {
                continue;
            }
            ours(resource, (present, reach), shape, (&place, wanted), *is_ours, leftovers);
        }
    }
    added(resource, present, reach, shape, leftovers);
}

/// What others added inside it, where that changes what it does: neither is it what the roster says then.
fn added(
    resource: &Resource,
    present: &Present,
    reach: &Reach,
    shape: &Shape,
    leftovers: &mut Vec<Leftover>,
) {
    for (pointer, value) in additions(shape, &resource.body, &present.body) {
        let told = leftovers.iter().rev().take_while(|left| left.id == resource.id);
        if told.into_iter().any(|left| left.pointer.as_deref() == Some(pointer.as_str())) {
            continue;
        }
        let grants = access::aggregated(&resource.id, &pointer);
        let mut left = field(resource, present, reach, &pointer, Some(value), grants);
        if left.grants.is_none() && left.in_force.is_none() {
            let ResourceId { kind, scope, name, .. } = &resource.id;
            let place = if scope.is_empty() { String::new() } else { format!(" of {scope}") };
            left.in_force = Some(smol_str::format_smolstr!(
                "the {kind} {name}{place} does what others added to it at {pointer}"
            ));
        }
        leftovers.push(left);
    }
}

/// The places in what was seen that a pattern leads to, each with what is wanted there. `*` stands for an entry of a list
/// with keys that is wanted, or a key of a map: what others have beside it is not kwo's.
fn places<'w>(
    shape: &Shape,
    pattern: &str,
    wanted: &'w Tree,
    found: &Tree,
) -> Vec<(String, Option<&'w Tree>)> {
    let Some((list, rest)) = pattern.split_once("/*") else {
        return vec![(pattern.to_owned(), wanted.at(pattern))];
    };
    let Some(key) = shape.key(list) else {
        let found = found.at(list).map(Tree::entries).unwrap_or_default();
        let wanted = |name: &str| wanted.at(list).and_then(|wanted| wanted.get(name));
        let both = found.iter().filter_map(|(name, _)| Some((name, wanted(name)?)));
        return both.map(|(name, wanted)| (format!("{}{rest}", join(list, name)), wanted.at(rest))).collect();
    };
    let entries = wanted.at(list).map(Tree::items).unwrap_or_default();
    let found = found.at(list).map(Tree::items).unwrap_or_default().iter().enumerate();
    found
        .filter_map(|(at, there)| {
            let entry = entries.iter().find(|entry| key.same(entry, there))?;
            Some((format!("{list}/{at}{rest}"), entry.at(rest)))
        })
        .collect()
}

/// What looks like what kwo writes at one place and is not wanted.
fn ours(
    resource: &Resource,
    (present, reach): (&Present, &Reach),
    shape: &Shape,
    (place, wanted): (&str, Option<&Tree>),
    is_ours: IsOurs,
    leftovers: &mut Vec<Leftover>,
) {
    let found = present.body.at(place);
    for (name, value) in found.map(Tree::entries).unwrap_or_default() {
        let here = join(place, name);
        // A directory knows who wrote it, so it is told already.
        let told = leftovers
            .iter()
            .any(|left| left.id == resource.id && left.pointer.as_deref() == Some(here.as_str()));
        if is_ours(&Tree::from(name)) && wanted.is_none_or(|wanted| wanted.get(name).is_none()) && !told {
            leftovers.push(field(resource, present, reach, &here, Some(value.clone()), None));
        }
    }
    let Some(key) = shape.key(place) else { return };
    let wanted = wanted.map(Tree::items).unwrap_or_default();
    for (at, entry) in found.map(Tree::items).unwrap_or_default().iter().enumerate() {
        let kwos = is_ours(entry) && shape.is_signed(place, entry, &present.body);
        if kwos && !wanted.iter().any(|wanted| key.same(wanted, entry)) {
            leftovers.push(field(
                resource,
                present,
                reach,
                &format!("{place}/{at}"),
                Some(entry.clone()),
                None,
            ));
        }
    }
}

/// Fields that kwo wrote and that are not wanted.
fn fields(
    resource: &Resource,
    (present, reach): (&Present, &Reach),
    shape: &Shape,
    written: &Tree,
    wanted: &Tree,
    path: &Path<'_>,
    leftovers: &mut Vec<Leftover>,
) {
    // Both are in order, so that a wide map costs one pass and not a search for each key.
    let mut wanted = wanted.entries().iter().peekable();
    for (key, below) in written.entries() {
        let Some(name) = key.strip_prefix("f:") else { continue };
        let here = Path::Key(path, name);
        let Some(wanted) = following(&mut wanted, name) else {
            let pointer = here.pointer();
            // Others have theirs beside kwo's, so each is ended by itself.
            if SHARED.contains(&pointer.as_str()) || matches_any(shape.shared, &pointer) {
                fields(resource, (present, reach), shape, below, &Tree::Null, &here, leftovers);
                continue;
            }
            // Nobody can take back what cannot be changed: the name of a node, say. Of a list each entry is told by itself.
            let fixed = matches_any(shape.immutable, &pointer);
            if !fixed && !shape.is_filled(&pointer) && !shape.atomic.contains(&pointer.as_str()) {
                let value = present.body.at(&pointer).cloned();
                leftovers.push(field(resource, present, reach, &pointer, value, None));
            }
            continue;
        };
        // Only patterns ask for the pointer.
        let whole = || !shape.whole.is_empty() && matches_any(shape.whole, &here.pointer());
        if matches!(wanted, Tree::Map(_)) && !below.entries().is_empty() && !whole() {
            fields(resource, (present, reach), shape, below, wanted, &here, leftovers);
        }
    }
}

/// Entries of a set that nobody asks for. Those of an object are listed whoever added them, also before kwo took it over:
/// it says that it is kwo's, and whoever reads a role or a binding of kwo's must learn of every right in it.
/// A file is shared with others, so of its entries only those that kwo wrote.
fn entries(resource: &Resource, present: &Present, reach: &Reach, set: &str, leftovers: &mut Vec<Leftover>) {
    let wanted = resource.body.at(set).map(Tree::items).unwrap_or_default();
    for (at, entry) in present.body.at(set).map(Tree::items).unwrap_or_default().iter().enumerate() {
        let counts = !resource.id.system.rules().recorded_sets(&resource.id).contains(&set)
            || present.kwo_added(set, entry);
        if !wanted.contains(entry) && counts {
            let grants = access::sentence(&resource.id, &present.body, entry, "is still")
                // A part of what is wanted gives nothing more.
                .or_else(|| access::rule(&resource.id, entry).filter(|_| !access::is_given(entry, wanted)))
                .or_else(|| resource.id.system.rules().entry_gives(&resource.id, entry));
            let pointer = format!("{set}/{at}");
            leftovers.push(field(resource, present, reach, &pointer, Some(entry.clone()), grants));
        }
    }
}

fn field(
    resource: &Resource,
    present: &Present,
    reach: &Reach,
    pointer: &str,
    value: Option<Tree>,
    grants: Option<String>,
) -> Leftover {
    let gives = resource.id.system.rules().field_gives(&resource.id, pointer, value.as_ref());
    Leftover {
        id: resource.id.clone(),
        pointer: Some(pointer.into()),
        command: ending_of_field(&resource.id, pointer, value.as_ref(), reach),
        in_force: in_force(&resource.id, &present.body, Some(pointer), value.as_ref()).map(SmolStr::from),
        value,
        tenant: Some(tenant(present))
            .filter(|tenant| !tenant.is_empty())
            .or_else(|| resource.id.system.rules().field_is_of(&resource.id, pointer))
            .unwrap_or_default(),
        grants: grants.or_else(|| opened(&resource.id, pointer, present)).or(gives).map(SmolStr::from),
        within: None,
        rights_command: None,
    }
}

/// What a namespace still lets its Services do.
fn opened(id: &ResourceId, pointer: &str, present: &Present) -> Option<String> {
    let words = present.body.at(pointer)?.as_text().filter(|_| pointer == SERVICES_AT)?;
    (id.known_kind()? == Kind::Namespace)
        .then(|| format!("Services in {} may still use {}", id.name, words.replace(',', " and ")))
}

/// What it still does though the roster does not say so: a bound that still holds, a network that is still closed.
fn in_force(id: &ResourceId, body: &Tree, pointer: Option<&str>, value: Option<&Tree>) -> Option<String> {
    let ResourceId { system: _, kind: _, scope, name } = id;
    Some(match (id.known_kind()?, pointer) {
        (Kind::NetworkPolicy, None) => format!("the network of {scope} is still isolated"),
        (Kind::ResourceQuota, None) => format!("the quota {name} still bounds {scope}"),
        (Kind::LimitRange, None) => format!("the limits {name} still bound the containers of {scope}"),
        (Kind::ServiceAccount, None) if id.is_every_namespaces() => {
            let (list, shape) = ("/imagePullSecrets", Kind::ServiceAccount.shape());
            let named = body.at(list).map(Tree::items).unwrap_or_default();
            named.iter().find(|entry| shape.is_signed(list, entry, body))?;
            format!("the pods of {scope} still pull images with the Secrets that its account `{name}` names")
        }
        (Kind::ValidatingAdmissionPolicy, None) => format!("the admission policy {name} still refuses"),
        (Kind::ResourceQuota, Some(pointer)) => {
            let bound = tokens(pointer.strip_prefix("/spec/hard")?).next()?;
            let most = value?.as_text()?;
            format!("{scope} still gets no more than {most} of {bound}")
        }
        (Kind::Namespace, Some(pointer)) => {
            let annotation = tokens(pointer.strip_prefix("/metadata/annotations")?).next()?;
            allowed::still(name, &annotation, value?.as_text()?)?
        }
        _ => return None,
    })
}

fn tenant(present: &Present) -> SmolStr {
    present.label(TENANT_LABEL).cloned().unwrap_or_default()
}
