//! What leaves, selected from what was seen. Nothing is read here that a plan does not read, and nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::format_smolstr;

use super::cut::{holder, is_account_of, is_person, person};
use super::outside::in_group;
use super::{Kept, Leaving, Offboarding, Part, Pick, hosts};
use crate::access;
use crate::change::Leftover;
use crate::domains::Roster;
use crate::endings::{ending, showing};
use crate::kinds::Kind;
use crate::observed::{Observed, Present, Sighting};
use crate::origin::Origin;
use crate::plan::{self, Adopt, Provenance, plan};
use crate::resource::{Desired, Reason, ResourceId};
use crate::roster::Sources;
use crate::systems::Order;
use crate::tree::{SmolStr, Tree};

/// What others gave: is it cut, too, and the command that does so.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Others {
    /// It is cut.
    pub cut: bool,
    /// The command.
    pub command: SmolStr,
}

/// What leaves. `with` is all that the roster wants, `without` the same without whom it is about; the world was observed
/// with the latter. `known` are those whom an earlier run cut: nothing of theirs is found any more.
#[must_use]
pub fn select(
    leaving: &Leaving,
    (roster, with): (&Roster, &Desired),
    without: &Desired,
    observed: &Observed,
    known: &[SmolStr],
    others: &Others,
) -> Offboarding {
    let mut found = Offboarding { unseen: unseen(observed), ..Offboarding::default() };
    match leaving {
        Leaving::Tenant(name) => {
            let leftovers = leftovers(without, observed);
            let theirs = leftovers.iter().filter(|left| belongs(left, name, with, without));
            sorted(theirs, &mut found);
            let of = Owner { tenant: Some(name), with, observed, known, leaving };
            of.others_apart(&mut found);
            found.lines = named(roster, name);
            strangers(observed, &mut found);
        }
        Leaving::Person { name, everywhere } => {
            bindings_of(name, *everywhere, observed, &mut found);
            found.cut.extend(beyond(name, observed));
            found.lines = lines_of(name, with);
        }
        Leaving::Leftovers { access } => {
            let leftovers = leftovers(without, observed);
            // What goes with a namespace of a tenant goes when the tenant does.
            let whole =
                |left: &Leftover| left.pointer.is_none() && left.id.known_kind() == Some(Kind::Namespace);
            let those = leftovers.iter().filter(|left| !access || left.grants.is_some());
            sorted(those.filter(|left| !whole(left)), &mut found);
            let rest = std::mem::take(&mut found.destroy);
            let (gone, by_hand) = rest
                .into_iter()
                .partition(|pick| pick.id.known_kind().is_some_and(|kind| kind != Kind::Secret));
            found.cut.extend::<Vec<Pick>>(gone);
            found.by_hand.extend::<Vec<Pick>>(by_hand);
            Owner { tenant: None, with, observed, known, leaving }.others_apart(&mut found);
        }
        Leaving::Host(host) => {
            let leftovers = leftovers(without, observed);
            hosts::select(host, roster, (&leftovers, without), observed, &mut found);
            found.unseen = hosts::unseen(host, observed);
        }
    }
    if others.cut {
        found.cut.append(&mut found.foreign);
    }
    found.cut.sort_by(|a, b| (rank(a), &a.id).cmp(&(rank(b), &b.id)));
    found.people = people(&found.cut, observed, leaving);
    found.people.extend(known.iter().cloned());
    found.people.sort();
    found.people.dedup();
    found.holders = holders(&found.foreign, observed);
    found.admins = admins(&found.people, observed);
    found.kept = kept(&found, without, observed, &others.command);
    let left = found.foreign.iter().filter_map(|pick| left_in(pick, &others.command)).collect::<Vec<_>>();
    found.kept.extend(left);
    if !matches!(leaving, Leaving::Host(_)) {
        found.unproven = observed.iter().filter_map(unproven).collect();
    }
    if let Leaving::Person { .. } = leaving {
        found.unproven.extend(observed.iter().filter_map(nameless));
    }
    found
}

pub(super) fn rank(pick: &Pick) -> Order {
    if let Some(Part::Logins(_)) = pick.part {
        return Order::Credential;
    }
    pick.id.system.rules().loses(&pick.id, pick.part.is_none())
}

fn leftovers(desired: &Desired, observed: &Observed) -> Vec<Leftover> {
    plan(desired, observed, &Adopt::Nothing, Provenance::default()).leftovers
}

/// Is it left over because this tenant leaves, or was it the tenant's before?
fn belongs(left: &Leftover, tenant: &SmolStr, with: &Desired, without: &Desired) -> bool {
    let asked = |desired: &Desired| {
        let Some(resource) = desired.get(&left.id) else { return false };
        let (Some(pointer), Some(value)) = (&left.pointer, &left.value) else { return true };
        let list = super::cut::list_of(pointer).unwrap_or(pointer);
        let there = resource.body.at(list);
        there.is_some_and(|there| there == value || there.items().contains(value))
    };
    left.tenant == *tenant || (asked(with) && !asked(without))
}

/// Puts each where its stage is.
fn sorted<'l>(leftovers: impl Iterator<Item = &'l Leftover>, found: &mut Offboarding) {
    for left in leftovers {
        let pick = picked(left);
        let whole = left.pointer.is_none();
        let kind = left.id.known_kind();
        // Parts of files, and of texts within objects, are a person's to change.
        let by_hand = left.id.system.rules().ends_by_hand(&left.id, whole);
        let by_hand = by_hand
            || left.pointer.as_deref().is_some_and(|pointer| {
                kind.is_none() || left.id.shape().is_some_and(|shape| shape.is_in_document(pointer))
            });
        if whole && kind == Some(Kind::Namespace) {
            found.namespaces.push(left.id.name.clone());
        }
        match rank(&pick) {
            _ if by_hand => {
                // Nobody may take it for a right that ends.
                let lost =
                    left.id.system.rules().lost_with(&left.id).filter(|_| whole && pick.why.is_empty());
                let why = lost.map_or_else(|| pick.why.clone(), SmolStr::new_static);
                found.by_hand.push(Pick { why, ..pick });
            }
            Order::Right | Order::Credential | Order::Name => found.cut.push(pick),
            Order::Rest => found.destroy.push(pick),
        }
    }
    found.destroy.sort_by_key(|pick| (pick.id.known_kind() == Some(Kind::Namespace), pick.id.clone()));
    found.namespaces.sort();
}

/// What tells what a tenant has outside the cluster from what others have there.
struct Owner<'o> {
    /// Nothing where it is about what any tenant left.
    tenant: Option<&'o SmolStr>,
    with: &'o Desired,
    observed: &'o Observed,
    known: &'o [SmolStr],
    leaving: &'o Leaving,
}

impl Owner<'_> {
    /// Leaves alone what carries another's mark, and takes apart whom others put into a group: kwo did not, where neither the
    /// roster names them, nor a binding of the tenant, nor the record of an earlier cut.
    fn others_apart(&self, found: &mut Offboarding) {
        let Owner { tenant, with, observed, known, leaving } = self;
        let owner = |pick: &Pick| match observed.get(&pick.id) {
            Some(Sighting::Present(present)) => Some(plan::tenant(&present.body)),
            _ => None,
        };
        let (bound, outside): (Vec<Pick>, Vec<Pick>) =
            std::mem::take(&mut found.cut).into_iter().partition(|pick| pick.id.system.rules().is_reviewed());
        // What somebody has of one tenant is no reason to take them out of another's group.
        let mut theirs: BTreeMap<Option<SmolStr>, Vec<Pick>> = BTreeMap::new();
        for pick in &bound {
            theirs.entry(owner(pick)).or_default().push(pick.clone());
        }
        let theirs: BTreeMap<_, _> =
            theirs.into_iter().map(|(owner, picks)| (owner, people(&picks, observed, leaving))).collect();
        found.cut = bound;
        for pick in outside {
            let keeper = owner(&pick);
            let own = in_group(&pick.id).is_none_or(|who| {
                with.get(&pick.id).is_some()
                    || theirs.get(&keeper).is_some_and(|people| people.contains(&who))
                    || known.contains(&who)
            });
            let marked = keeper.is_some_and(|keeper| tenant.is_none_or(|name| keeper == *name));
            match (marked, own) {
                (false, _) => found.by_hand.push(pick),
                (true, true) => found.cut.push(pick),
                (true, false) => found.foreign.push(pick),
            }
        }
    }
}

/// What a person has in systems where no binding says so.
fn beyond(person: &str, observed: &Observed) -> Vec<Pick> {
    let theirs = observed.iter().filter(|(id, sighting)| {
        let is_kwos = matches!(sighting, Sighting::Present(present) if present.is_marked());
        is_kwos && id.system.rules().is_of(id, person)
    });
    let pick = |(id, _): (&ResourceId, _)| Pick {
        id: id.clone(),
        part: None,
        why: id.system.rules().still_gives(id).unwrap_or_default().into(),
        command: ending(id, &observed.reach),
    };
    theirs.map(pick).collect()
}

pub(super) fn picked(left: &Leftover) -> Pick {
    let part = left
        .pointer
        .clone()
        .map(|pointer| Part::Field { pointer, value: left.value.clone().unwrap_or(Tree::Null) });
    let why = left.grants.clone().or_else(|| left.in_force.clone()).unwrap_or_default();
    Pick { id: left.id.clone(), part, why, command: left.command.clone() }
}

/// What others gave in the namespaces that leave, or to accounts in them.
fn strangers(observed: &Observed, found: &mut Offboarding) {
    let spaces: BTreeSet<SmolStr> = found.namespaces.iter().cloned().collect();
    let cut: BTreeSet<ResourceId> = found.cut.iter().map(|pick| pick.id.clone()).collect();
    for (id, present) in bindings(observed).filter(|(id, _)| !cut.contains(*id)) {
        let subjects = present.body.get("subjects").map(Tree::items).unwrap_or_default();
        let from = |space: &&SmolStr| subjects.iter().any(|subject| is_account_of(subject, space));
        let inside = spaces.contains(&id.scope);
        let parts: Vec<Option<Part>> = match inside {
            true => vec![None],
            false => spaces.iter().filter(from).map(|space| Some(Part::Accounts(space.clone()))).collect(),
        };
        for part in parts {
            let command = showing(id, &observed.reach);
            found.foreign.push(Pick { id: id.clone(), part, why: sentences(id, present), command });
        }
    }
}

/// The bindings that name a person.
fn bindings_of(name: &SmolStr, everywhere: bool, observed: &Observed, found: &mut Offboarding) {
    for (id, present) in bindings(observed) {
        let subjects = present.body.get("subjects").map(Tree::items).unwrap_or_default();
        let own: Vec<&Tree> = subjects.iter().filter(|subject| is_person(subject, name)).collect();
        if own.is_empty() {
            continue;
        }
        let why = own.iter().filter_map(|subject| access::sentence(id, &present.body, subject, "is"));
        let why = why.collect::<Vec<_>>().join("; ");
        let part = Some(Part::Subject(name.clone()));
        let kwos = present.is_marked() && id.system.rules().can_be_kwos(id, present);
        let command = if kwos { ending(id, &observed.reach) } else { showing(id, &observed.reach) };
        let pick = Pick { id: id.clone(), part, why: why.into(), command };
        if kwos || everywhere { found.cut.push(pick) } else { found.foreign.push(pick) }
    }
}

fn bindings(observed: &Observed) -> impl Iterator<Item = (&ResourceId, &Present)> {
    observed.iter().filter_map(|(id, sighting)| match (id.known_kind()?, sighting) {
        (Kind::RoleBinding | Kind::ClusterRoleBinding, Sighting::Present(present)) => Some((id, present)),
        _ => None,
    })
}

fn sentences(id: &ResourceId, present: &Present) -> SmolStr {
    access::sentences(id, &present.body, "is").join("; ").into()
}

/// The users and groups that lose a right.
fn people(cut: &[Pick], observed: &Observed, leaving: &Leaving) -> Vec<SmolStr> {
    let mut people = BTreeSet::new();
    if let Leaving::Person { name, everywhere: _ } = leaving {
        people.insert(name.clone());
        return people.into_iter().collect();
    }
    for pick in cut {
        people.extend(in_group(&pick.id));
        let Some(Sighting::Present(present)) = observed.get(&pick.id) else { continue };
        people.extend(subjects(&present.body).iter().filter(|one| ends(pick, one)).filter_map(person));
    }
    people.into_iter().collect()
}

/// Everybody who has a right by these.
fn holders(picks: &[Pick], observed: &Observed) -> Vec<SmolStr> {
    let of = |pick: &Pick| match observed.get(&pick.id) {
        Some(Sighting::Present(present)) => {
            let those = subjects(&present.body).iter().filter(|one| ends(pick, one));
            those.filter_map(holder).collect()
        }
        _ => Vec::new(),
    };
    let all: BTreeSet<SmolStr> = picks.iter().flat_map(of).collect();
    all.into_iter().collect()
}

/// Does this subject of a binding lose what it gives?
fn ends(pick: &Pick, subject: &Tree) -> bool {
    match &pick.part {
        None => true,
        Some(Part::Field { pointer: _, value }) => value == subject || value.items().contains(subject),
        Some(Part::Accounts(space)) => is_account_of(subject, space),
        Some(Part::Subject(who)) => is_person(subject, who),
        Some(Part::Logins(_)) => false,
    }
}

fn subjects(binding: &Tree) -> &[Tree] {
    binding.get("subjects").map(Tree::items).unwrap_or_default()
}

/// Those who are admins of the whole cluster.
fn admins(people: &[SmolStr], observed: &Observed) -> Vec<SmolStr> {
    let role = |present: &Present| present.body.at("/roleRef/name").and_then(Tree::as_text).cloned();
    let all = bindings(observed).filter(|(id, present)| {
        id.known_kind() == Some(Kind::ClusterRoleBinding)
            && role(present).is_some_and(|role| role == "cluster-admin")
    });
    let subjects =
        |present: &Present| present.body.get("subjects").map(Tree::items).unwrap_or_default().to_vec();
    let subjects: Vec<Tree> = all.flat_map(|(_, present)| subjects(present)).collect();
    people.iter().filter(|who| subjects.iter().any(|subject| is_person(subject, who))).cloned().collect()
}

/// What they have after the cut.
fn kept(found: &Offboarding, desired: &Desired, observed: &Observed, command: &SmolStr) -> Vec<Kept> {
    let cut = |id: &ResourceId, subject: &Tree, picks: &[Pick]| {
        picks.iter().any(|pick| pick.id == *id && ends(pick, subject))
    };
    let mut all = Vec::new();
    for (id, present) in bindings(observed) {
        for subject in subjects(&present.body) {
            let Some(who) = holder(subject).filter(|_| !cut(id, subject, &found.cut)) else { continue };
            let foreign = cut(id, subject, &found.foreign);
            let wanted = desired
                .get(id)
                .filter(|wanted| subjects(&wanted.body).iter().any(|one| holder(one).as_ref() == Some(&who)));
            // Of strangers nothing counts but what lets them in there.
            let wide = id.scope.is_empty() && (wanted.is_some() || !who.starts_with("group:system:"));
            let stranger = || found.holders.contains(&who) && (foreign || wide);
            if !found.people.contains(&who) && !stranger() {
                continue;
            }
            let Some(grants) = access::sentence(id, &present.body, subject, "stays") else { continue };
            let because = match wanted {
                Some(resource) => Origin::of(&resource.because, desired.sources()).to_string().into(),
                None if present.is_marked() && !foreign => "it is left over from another tenant".into(),
                None => format_smolstr!("{id} is not kwo's; `{}` shows it", showing(id, &observed.reach)),
            };
            let role = present.body.at("/roleRef/name").and_then(Tree::as_text).cloned().unwrap_or_default();
            let kept = Kept {
                who,
                grants: grants.into(),
                namespace: id.scope.clone(),
                role,
                by_roster: wanted.is_some(),
                because,
                binding: Some(id.clone()),
                ends: if foreign { command.clone() } else { SmolStr::default() },
            };
            all.push(kept);
        }
    }
    all
}

/// Where the roster names a tenant.
fn named(roster: &Roster, name: &str) -> Vec<SmolStr> {
    let sources = roster.sources();
    let entries = roster.tenants().iter().filter(|(key, _)| key.as_str() == name);
    entries.map(|(_, entry)| line(&Reason::Roster(entry.key), sources)).collect()
}

/// Where the roster names a person.
fn lines_of(name: &str, desired: &Desired) -> Vec<SmolStr> {
    let names = |body: &Tree| {
        let subjects = body.get("subjects").map(Tree::items).unwrap_or_default();
        subjects.iter().any(|subject| is_person(subject, name))
    };
    let named = desired.resources().iter().filter(|resource| names(&resource.body));
    let lines: BTreeSet<SmolStr> = named.map(|resource| line(&resource.because, desired.sources())).collect();
    lines.into_iter().collect()
}

fn line(reason: &Reason, sources: &Sources) -> SmolStr {
    Origin::of(reason, sources).to_string().into()
}

/// What somebody still has outside the cluster, whom no roster put there as far as kwo knows.
fn left_in(pick: &Pick, command: &SmolStr) -> Option<Kept> {
    let rules = pick.id.system.rules();
    Some(Kept {
        who: in_group(&pick.id)?,
        grants: rules.still_gives(&pick.id)?.into(),
        namespace: SmolStr::default(),
        role: pick.id.scope.clone(),
        by_roster: false,
        because: "no roster that kwo knows put them there".into(),
        binding: Some(pick.id.clone()),
        ends: command.clone(),
    })
}

/// Who is in a group of kwo's and has no login by which the roster could name them: a person whose login was taken away is
/// one of these, and their token is good all the same.
fn nameless((id, sighting): (&ResourceId, &Sighting)) -> Option<SmolStr> {
    let who = in_group(id).filter(|_| matches!(sighting, Sighting::Present(_)))?;
    let known = !["entity ", "group "].iter().any(|word| id.name.starts_with(word));
    (!known).then(|| {
        format_smolstr!(
            "{who} of Vault is in the group {}, and kwo knows no login of it: it may be anybody",
            id.scope
        )
    })
}

/// What could not be looked at in a system about which no access review says anything.
fn unproven((id, sighting): (&ResourceId, &Sighting)) -> Option<SmolStr> {
    match sighting {
        Sighting::Unknown { why } if !id.system.rules().is_reviewed() => Some(format_smolstr!("{id}: {why}")),
        _ => None,
    }
}

/// What nobody could see: access may be left there.
fn unseen(observed: &Observed) -> Vec<SmolStr> {
    let told = |kind: &Kind| !matches!(kind, Kind::NetworkPolicy);
    let kinds = observed.unlisted.iter().filter(|(kind, _)| told(kind));
    let kinds = kinds.map(|(kind, why)| format_smolstr!("{}: {why}", kind.plural()));
    let single = observed.iter().filter_map(|(id, sighting)| match sighting {
        Sighting::Unknown { why } => Some(format_smolstr!("{id}: {why}")),
        _ => None,
    });
    kinds.chain(single).collect()
}
