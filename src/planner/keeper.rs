//! Which roster keeps a cluster or a directory. The name is on an object that every roster asks for, so that another
//! roster does not report the first one's objects as its own leftovers.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::change::{Change, Step};
use crate::domains::roles::cluster_role;
use crate::kinds::Kind;
use crate::named::NAVIGATION;
use crate::observed::{Observed, Sighting, TENANT_LABEL};
use crate::plan::{Plan, tenant};
use crate::resource::{Desired, Resource};
use crate::tree::{SmolStr, Tree, join};

/// The annotation with the name of the cluster, as the roster says it.
const NAME: &str = "kwo.dev/roster-name";
/// The annotation with the place of the roster.
const PLACE: &str = "kwo.dev/roster-place";

/// What of the object that carries them is read, whether a roster says it or not.
pub(crate) const READ: [&str; 2] =
    ["/metadata/annotations/kwo.dev~1roster-name", "/metadata/annotations/kwo.dev~1roster-place"];

/// Does a change at this pointer write who keeps the cluster?
pub(crate) fn is_about(pointer: &str) -> bool {
    READ.contains(&pointer) || pointer == "/metadata/annotations"
}

/// What tells a roster from another one. Where both have names, those decide; otherwise the places do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Keeper {
    /// The name of the cluster that it is for.
    pub name: Option<SmolStr>,
    /// Its file: `repository:path`, or the whole path outside of a clone.
    pub place: Option<SmolStr>,
}

impl Keeper {
    /// Is this roster the one that stands there, as far as that can be told? A roster without a name is not one that has
    /// a name, unless it is known by its place.
    #[must_use]
    pub fn is(&self, this: &Keeper) -> bool {
        match (&self.name, &this.name, &self.place, &this.place) {
            (Some(name), Some(this), ..) => name == this,
            (_, _, Some(place), Some(this)) => is_place(place, this),
            (Some(_), None, ..) => false,
            _ => true,
        }
    }

    fn of(body: &Tree) -> Keeper {
        let text = |key: &str| body.at(&join("/metadata/annotations", key)).and_then(Tree::as_text).cloned();
        let text = |key: &str| text(key).filter(|text| !text.is_empty());
        Keeper { name: text(NAME), place: text(PLACE) }
    }
}

/// Is it the same place? Outside of a clone only the last folder and the file were kept once.
fn is_place(found: &str, this: &str) -> bool {
    let of_old = !found.contains(':') && !found.starts_with('/');
    found == this
        || (of_old
            && this.starts_with('/')
            && this.strip_suffix(found).is_some_and(|above| above.ends_with('/')))
}

impl fmt::Display for Keeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.place) {
            (Some(name), Some(place)) => write!(out, "the roster of the cluster `{name}` ({place})"),
            (Some(name), None) => write!(out, "the roster of the cluster `{name}`"),
            (None, Some(place)) => write!(out, "the roster {place}"),
            (None, None) => out.write_str("a roster without a name"),
        }
    }
}

impl Desired {
    /// The same, kept by this roster: it is to stand in the cluster. Where it takes the cluster over and has no name, the
    /// name of the one before it goes, for who has that name would be let in.
    #[must_use]
    pub fn kept_by(self, keeper: &Keeper, takes_over: bool) -> Desired {
        let id = cluster_role(NAVIGATION);
        self.map(|resource| {
            if resource.id != id {
                return resource;
            }
            // Where there is a name it decides, and a place beside it would change with whoever runs kwo.
            let place = if keeper.name.is_none() { &keeper.place } else { &None };
            let none = takes_over.then(|| SmolStr::new_static(""));
            let name = keeper.name.clone().or(none);
            let parts = [(NAME, &name), (PLACE, place)];
            let parts = parts.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
            let body = parts.fold(resource.body.clone(), |body, (key, value)| {
                body.with(&join("/metadata/annotations", key), Tree::from(value))
            });
            Resource { body, ..resource }
        })
    }
}

/// What is known of who keeps what was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kept {
    /// This roster, or none so far.
    Ours,
    /// Another one: it is written there.
    Other(Keeper),
    /// Nothing says it, and there are tenants, none of which this roster names.
    Strangers(Vec<SmolStr>),
    /// Nothing says it, and there are these tenants besides those that this roster names.
    Besides(Vec<SmolStr>),
    /// Nobody could look.
    Unknown {
        /// At what.
        what: SmolStr,
        /// Why not.
        why: SmolStr,
    },
}

/// Who keeps what was seen, to this roster. What nobody could read is not missing.
#[must_use]
pub fn kept(observed: &Observed, desired: &Desired, this: &Keeper) -> Kept {
    if let Some(Sighting::Unknown { why }) = observed.get(&cluster_role(NAVIGATION)) {
        let what = smol_str::format_smolstr!("{}, which records that", cluster_role(NAVIGATION));
        return Kept::Unknown { what, why: why.clone() };
    }
    match keeper(observed) {
        Some(found) if !found.is(this) => return Kept::Other(found),
        Some(_) => return Kept::Ours,
        None => {}
    }
    // Who may not see the namespaces cannot tell whose they are.
    if let Some(why) = observed.unlisted.get(&Kind::Namespace) {
        return Kept::Unknown { what: "the namespaces of its tenants".into(), why: why.clone() };
    }
    let named: BTreeSet<SmolStr> = desired
        .resources()
        .iter()
        .map(|resource| tenant(&resource.body))
        .filter(|name| !name.is_empty())
        .collect();
    let (mut known, mut others) = (false, BTreeSet::new());
    for (id, sighting) in observed.iter().filter(|(id, _)| id.known_kind() == Some(Kind::Namespace)) {
        let Sighting::Present(present) = sighting else { continue };
        let Some(tenant) = present.label(TENANT_LABEL).filter(|name| !name.is_empty()) else { continue };
        if !present.is_marked() || present.deleting.is_some() {
            continue;
        }
        match named.contains(tenant) || desired.get(id).is_some() {
            true => known = true,
            false => _ = others.insert(tenant.clone()),
        }
    }
    match (others.is_empty(), known) {
        (true, _) => Kept::Ours,
        (false, true) => Kept::Besides(others.into_iter().collect()),
        (false, false) => Kept::Strangers(others.into_iter().collect()),
    }
}

impl Kept {
    /// What another roster may not write to, as what is said of it; nothing where this one may. With leave to take over
    /// it may write to what another one keeps.
    #[must_use]
    pub fn refused(&self, takes_over: bool) -> Option<String> {
        match self {
            Kept::Ours | Kept::Besides(_) => None,
            _ if takes_over => None,
            Kept::Other(keeper) => Some(format!("is kept by {keeper}, and this is another roster")),
            Kept::Strangers(tenants) => Some(format!(
                "has {}, this roster names none of them, and nothing there says which roster keeps it",
                counted(tenants)
            )),
            Kept::Unknown { what, why } => {
                Some(format!("may be kept by another roster: {} ({why})", unread(what)))
            }
        }
    }

    /// What whoever plans has to know, as a sentence without a full stop.
    #[must_use]
    pub fn note(&self) -> Option<SmolStr> {
        match self {
            Kept::Ours | Kept::Other(_) | Kept::Strangers(_) => None,
            Kept::Besides(tenants) => Some(smol_str::format_smolstr!(
                "nothing there says which roster keeps it, and it has {} that this roster does not name",
                counted(tenants)
            )),
            // Why is told with what else could not be looked at.
            Kept::Unknown { what, why: _ } => Some(unread(what).into()),
        }
    }
}

fn unread(what: &str) -> String {
    format!("kwo does not know which roster keeps it, because it could not look at {what}")
}

/// How many tenants are named.
const NAMED: usize = 3;

/// Tenants in words.
fn counted(tenants: &[SmolStr]) -> String {
    let named: Vec<String> = tenants.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = match tenants.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {}{more}", if tenants.len() == 1 { "the tenant" } else { "the tenants" }, named.join(", "))
}

/// The roster that keeps what was seen, where that is written there. Who took the mark away did not take that away.
#[must_use]
pub fn keeper(observed: &Observed) -> Option<Keeper> {
    match observed.get(&cluster_role(NAVIGATION))? {
        Sighting::Present(present) => {
            Some(Keeper::of(&present.body)).filter(|found| *found != Keeper::default())
        }
        _ => None,
    }
}

/// Does this plan write the same about who keeps the cluster as is wanted here? The file of a roster without a name may
/// have stood elsewhere when the plan was made.
#[must_use]
pub fn is_said_by(plan: &Plan, desired: &Desired) -> bool {
    let id = cluster_role(NAVIGATION);
    let said = plan.steps.iter().find(|step| step.id == id).map(|step| said(&step.wanted));
    said.is_some() && said == desired.get(&id).map(|resource| self::said(&resource.body))
}

/// All that stands there of who keeps it.
fn said(body: &Tree) -> [Option<&Tree>; 2] {
    READ.map(|pointer| body.at(pointer))
}

/// The plan without what it writes of who keeps the cluster.
#[must_use]
pub fn unsaid(plan: Plan) -> Plan {
    let id = cluster_role(NAVIGATION);
    let without = |at: &str, map: &Tree| {
        let rest = map.entries().iter().filter(|(key, _)| !READ.contains(&join(at, key).as_str()));
        Tree::map(rest.cloned())
    };
    let steps = plan.steps.into_iter().filter_map(|step| {
        if step.id != id || said(&step.wanted) == [None, None] {
            return Some(step);
        }
        let at = "/metadata/annotations";
        let rest = step.wanted.at(at).map(|map| without(at, map)).filter(|map| !map.entries().is_empty());
        let wanted = match rest {
            Some(rest) => step.wanted.with(at, rest),
            None => step.wanted.with("/metadata", bare(step.wanted.at("/metadata"))),
        };
        let changes: Arc<[Change]> = step
            .changes
            .iter()
            .cloned()
            .filter_map(|change| match change {
                Change::Extend { pointer, value, tightens, because } if pointer == at => {
                    let value = without(at, &value);
                    let some = !value.entries().is_empty();
                    some.then_some(Change::Extend { pointer, value, tightens, because })
                }
                change if change.pointer().is_some_and(|pointer| READ.contains(&pointer)) => None,
                change => Some(change),
            })
            .collect();
        (!changes.is_empty()).then(|| Arc::new(Step { changes, wanted, ..Arc::unwrap_or_clone(step) }))
    });
    Plan { steps: steps.collect(), ..plan }.sealed()
}

/// The head of an object without annotations.
fn bare(head: Option<&Tree>) -> Tree {
    let entries = head.map(Tree::entries).unwrap_or_default();
    Tree::map(entries.iter().filter(|(key, _)| key != "annotations").cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::after::after;
    use crate::domains::compile;
    use crate::domains::parse;
    use crate::plan::{Adopt, Provenance, plan};

    use crate::roster::{SourceFile, Sources};

    fn keeper(name: &str, place: &str) -> Keeper {
        let text = |text: &str| (!text.is_empty()).then(|| text.into());
        Keeper { name: text(name), place: text(place) }
    }

    #[test]
    fn names_decide_and_places_where_there_are_none() {
        for (one, other, same) in [
            (("prod", "ops:a"), ("prod", "ops:b"), true),
            (("prod", "ops:a"), ("test", "ops:a"), false),
            (("", "ops:a"), ("prod", "ops:a"), true),
            (("", "ops:a"), ("prod", "ops:b"), false),
            (("", "ops:a"), ("", "ops:b"), false),
            (("", ""), ("prod", "ops:b"), true),
            (("prod", ""), ("", "ops:a"), false),
            (("prod", "ops:a"), ("", "ops:b"), false),
            (("prod", "ops:a"), ("", "ops:a"), true),
            (("prod", ""), ("", ""), false),
            (("", "/x1/infra/r.yaml"), ("", "/x2/infra/r.yaml"), false),
            (("", "infra/r.yaml"), ("", "/x2/infra/r.yaml"), true),
            (("", "infra/r.yaml"), ("", "/x2/myinfra/r.yaml"), false),
        ] {
            assert_eq!(keeper(one.0, one.1).is(&keeper(other.0, other.1)), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn another_roster_is_known_again_and_a_moved_one_is_not_another() {
        let wanted = |keeper: &Keeper| {
            let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {a: }}".to_owned();
            let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
            compile(&roster).unwrap().kept_by(keeper, false)
        };
        let planned = |desired: &Desired, world: &Observed| {
            plan(desired, world, &Adopt::Nothing, Provenance::default())
        };
        let bare = wanted(&Keeper::default());
        let nothing: Observed =
            bare.resources().iter().map(|one| (one.id.clone(), Sighting::Absent)).collect();
        let other = |world: &Observed, this: &Keeper| match kept(world, &bare, this) {
            Kept::Other(keeper) => Some(keeper),
            kept => {
                assert_eq!(kept, Kept::Ours);
                None
            }
        };
        assert_eq!(other(&nothing, &Keeper::default()), None);
        // A cluster from before takes the identity on, and the next plan is empty.
        let old = after(&planned(&bare, &nothing), &nothing);
        let first = wanted(&keeper("", "ops:a"));
        assert_eq!(other(&old, &keeper("", "ops:a")), None);
        let plan = planned(&first, &old);
        assert_eq!(plan.steps.len(), 1);
        let world = after(&plan, &old);
        assert!(planned(&first, &world).steps.is_empty());
        assert_eq!(other(&world, &keeper("", "ops:b")), Some(keeper("", "ops:a")));
        // A plan for others to apply does not say who keeps the cluster, and takes nothing of it for left over.
        let plain = planned(&bare, &world);
        assert!(plain.steps.is_empty() && plain.leftovers.is_empty());
        // Named first, and moved afterwards.
        let named = wanted(&keeper("prod", "ops:a"));
        assert_eq!(other(&world, &keeper("prod", "ops:a")), None);
        let world = after(&planned(&named, &world), &world);
        let moved = wanted(&keeper("prod", "elsewhere:b"));
        assert_eq!(other(&world, &keeper("prod", "elsewhere:b")), None);
        assert!(planned(&moved, &world).steps.is_empty());
        assert_eq!(other(&world, &keeper("test", "ops:a")), Some(keeper("prod", "ops:a")));
        // A name that leaves the roster is no leftover: what stands there is as good.
        assert!(planned(&first, &world).leftovers.is_empty());
    }

    fn wanted(tenants: &str) -> Desired {
        let text = format!("{{apiVersion: kwo/v1, kind: Roster, tenants: {{{tenants}}}}}");
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        compile(&roster).unwrap()
    }

    /// The world that a roster without a record left.
    fn kept_of_old(desired: &Desired) -> Observed {
        let nothing = desired.resources().iter().map(|one| (one.id.clone(), Sighting::Absent)).collect();
        after(&plan(desired, &nothing, &Adopt::Nothing, Provenance::default()), &nothing)
    }

    #[test]
    fn what_nobody_could_read_is_not_missing() {
        let (first, mine) = (wanted("a: "), keeper("prod", ""));
        let mut world = kept_of_old(&first.clone().kept_by(&mine, false));
        assert_eq!(kept(&world, &first, &mine), Kept::Ours);
        world.insert(cluster_role(NAVIGATION), Sighting::Unknown { why: "forbidden".into() });
        for roster in [&first, &wanted("b: ")] {
            let kept = kept(&world, roster, &mine);
            let why = kept.refused(false).unwrap();
            assert!(
                why.contains("does not know which roster keeps it") && why.contains("forbidden"),
                "{why}"
            );
            assert!(kept.refused(true).is_none() && kept.note().is_some());
        }
        // Nor are the namespaces that nobody could list.
        let mut world = kept_of_old(&first);
        world.unlisted.insert(Kind::Namespace, "forbidden".into());
        assert!(kept(&world, &first, &mine).refused(false).unwrap().contains("namespaces of its tenants"));
    }

    #[test]
    fn without_a_record_the_tenants_tell_whose_it_is() {
        let (mine, ab) = (keeper("prod", ""), wanted("a: , b: "));
        let mut world = kept_of_old(&ab);
        // A cluster from before goes on without a flag, also where a tenant has left.
        assert_eq!(kept(&world, &ab, &mine), Kept::Ours);
        assert_eq!(kept(&world, &wanted("a: , b: , c: "), &mine), Kept::Ours);
        let besides = kept(&world, &wanted("a: , c: "), &mine);
        assert_eq!(besides, Kept::Besides(vec!["b".into()]));
        assert!(besides.refused(false).is_none() && besides.note().unwrap().contains("the tenant `b`"));
        let strangers = kept(&world, &wanted("c: "), &mine);
        let why = strangers.refused(false).unwrap();
        assert!(why.contains("has the tenants `a`, `b`, this roster names none of them"), "{why}");
        assert!(strangers.refused(true).is_none());
        // The same where the object itself is gone, and where its mark alone is.
        let id = cluster_role(NAVIGATION);
        world.insert(id.clone(), Sighting::Absent);
        assert_eq!(kept(&world, &wanted("c: "), &mine), strangers);
        let mut world = kept_of_old(&ab.kept_by(&mine, false));
        let Some(Sighting::Present(present)) = world.get(&id).cloned() else { panic!("it is there") };
        let labels = Tree::map([("x", Tree::from("y"))]);
        let body = present.body.with("/metadata/labels", labels);
        world.insert(id, Sighting::Present(crate::observed::Present { body, ..present }));
        assert_eq!(kept(&world, &wanted("c: "), &keeper("test", "")), Kept::Other(mine));
    }

    #[test]
    fn a_saved_plan_says_who_keeps_the_cluster_where_that_is_the_same() {
        let (bare, mine) = (wanted("a: "), keeper("", "/x1/r.yaml"));
        let kept = bare.clone().kept_by(&mine, false);
        let old = kept_of_old(&bare);
        let made = plan(&kept, &old, &Adopt::Nothing, Provenance::default());
        assert!(is_said_by(&made, &kept) && made.steps.len() == 1);
        let moved = bare.clone().kept_by(&keeper("", "/x2/r.yaml"), false);
        assert!(!is_said_by(&made, &moved) && !is_said_by(&made, &bare));
        // What is left of it is what the roster comes to by itself, here and on a new cluster.
        assert!(unsaid(made).steps.is_empty());
        let nothing: Observed =
            bare.resources().iter().map(|one| (one.id.clone(), Sighting::Absent)).collect();
        let made = plan(&kept, &nothing, &Adopt::Nothing, Provenance::default());
        assert_eq!(unsaid(made), plan(&bare, &nothing, &Adopt::Nothing, Provenance::default()));
    }
}
