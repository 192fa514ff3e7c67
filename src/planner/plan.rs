//! The plan: what to do, in which order, what is held and why, and what is left over from before.
//! [`plan`] is a function of its arguments and of nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::change::{Cause, Change, Held, Hold, Leftover, Step, create};
use crate::compare::{Difference, compare};
use crate::digest::Sum;
use crate::foreign::{ForeignAccess, foreign_access, stranger, unseen_access};
use crate::holders::foreign_holders;
use crate::kinds::{Shape, matches_any};
use crate::leftovers::{left_in, left_over, maybe_left};
use crate::needers::name_needers;
use crate::observed::{CLUSTER_LABEL, FIELD_MANAGER, MANAGED_BY, Observed, Present, Sighting, TENANT_LABEL};
use crate::origin::{Origin, Origins};
use crate::overlay;
use crate::pairs::{Known, Pair, pairs};
use crate::resource::{Desired, Resource, ResourceId};
use crate::schedule::{Verdict, schedule};
use crate::secrets::Missing;
use crate::shared;
use crate::systems::System;
use crate::tightens::{self, Around};
use crate::tree::{SmolStr, Tree, is_below, join, tokens};
use crate::unions;
use crate::units::moment;

/// The version of the form in which plans are saved and printed. Minor versions only add.
pub const FORMAT_VERSION: &str = "1.5";

/// A plan.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The version of this form.
    pub format_version: SmolStr,
    /// What the plan was made from and for.
    pub provenance: Provenance,
    /// What to do, in an order in which it can be done.
    #[serde(with = "crate::shared::items")]
    #[schemars(with = "Vec<Step>")]
    pub steps: Vec<Arc<Step>>,
    /// What the plan leaves alone: what the roster wants, and what may be left over and could not be looked at.
    pub held: Vec<Held>,
    /// What the roster no longer wants.
    pub leftovers: Vec<Leftover>,
    /// What bindings give that are not kwo's, and that the roster does not give; what network policies open that are not.
    #[serde(default)]
    pub foreign_access: Vec<ForeignAccess>,
    /// Why it is not known of some bindings and network policies what they give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen_access: Vec<SmolStr>,
    /// How many network policies tenants have whose tier closes the network and lets them write such.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub own_policies: usize,
    /// How many objects are as the roster wants them.
    pub settled: usize,
    /// SHA-256 of the canonical form of all of the above.
    pub digest: SmolStr,
}

/// What a plan was made from and for.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The roster's file.
    pub roster: SmolStr,
    /// SHA-256 of the text of all its files.
    pub roster_digest: SmolStr,
    /// What no other cluster or directory has; a plan is applied nowhere else.
    pub target: SmolStr,
    /// Where the cluster or the directory is, for people.
    pub address: SmolStr,
    /// Which roster keeps it, where that is known there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<SmolStr>,
    /// What has to be known of who keeps it: that it is not known, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper_note: Option<SmolStr>,
    /// Which ones the systems beside it are, that the plan was made for: what no other has, by the part of the system.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub systems: BTreeMap<SmolStr, SmolStr>,
    /// What has to be known of them: that one is nearly full, say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<SmolStr>,
}

/// Which objects without kwo's mark may be taken over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Adopt {
    /// None.
    #[default]
    Nothing,
    /// All that the roster wants.
    Everything,
    /// Those of these tenants, and those with these ids.
    Only(BTreeSet<SmolStr>),
}

impl Adopt {
    /// Does it name this very object?
    fn names(&self, id: &ResourceId) -> bool {
        matches!(self, Adopt::Only(names) if names.contains(id.to_string().as_str()))
    }

    fn covers(&self, id: &ResourceId, tenant: &str) -> bool {
        match self {
            Adopt::Nothing => false,
            Adopt::Everything => true,
            Adopt::Only(names) => names.contains(tenant) || names.contains(id.to_string().as_str()),
        }
    }
}

/// Compares what is wanted with what was seen.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, adopt: &Adopt, provenance: Provenance) -> Plan {
    let mut verdicts: BTreeMap<usize, Verdict> = BTreeMap::new();
    let origins = Origins::new(desired.sources());
    let mut leftovers = Vec::new();
    let mut settled = 0;
    let mut strangers = Vec::new();
    let mut unseen = Vec::new();
    for pair in pairs(desired, observed) {
        match pair {
            Pair::Unwanted { id, sighting } => {
                leftovers.extend(left_over(id, sighting, &observed.reach));
                strangers.extend(stranger(id, sighting, None));
                unseen.extend(maybe_left(id, sighting));
            }
            Pair::Wanted { at, resource, sighting, known } => {
                if let Some(Sighting::Present(present)) = sighting {
                    left_in(resource, (present, known), &observed.reach, &mut leftovers);
                }
                strangers
                    .extend(sighting.and_then(|seen| stranger(&resource.id, seen, Some((resource, known)))));
                match judge(resource, (sighting, known), adopt, Around { desired, observed }, &origins) {
                    Verdict::Settled if !resource.id.system.rules().hands_on(&resource.id) => settled += 1,
                    verdict => drop(verdicts.insert(at, verdict)),
                }
            }
        }
    }
    System::ALL.iter().for_each(|system| system.rules().together(&mut leftovers, desired, observed));
    leftovers.sort_by(|a, b| {
        (a.grants.is_none(), &a.id, &a.pointer).cmp(&(b.grants.is_none(), &b.id, &b.pointer))
    });
    let (steps, mut held, idle) = schedule(desired, verdicts);
    held.extend(unseen);
    name_needers(desired, &mut held);
    let (foreign_access, own_policies) = foreign_access(strangers, desired, observed);
    Plan {
        format_version: FORMAT_VERSION.into(),
        provenance,
        steps,
        held,
        leftovers,
        foreign_access,
        unseen_access: unseen_access(desired, observed),
        own_policies,
        settled: settled + idle,
        digest: "".into(),
    }
    .sealed()
}

/// What is to become of one resource, needs aside.
fn judge(
    resource: &Resource,
    (sighting, known): (Option<&Sighting>, Known),
    adopt: &Adopt,
    around: Around<'_>,
    origins: &Origins<'_>,
) -> Verdict {
    let Around { desired, observed } = around;
    let step = |changes: Arc<[Change]>, present: Option<&Present>| {
        Arc::new(Step {
            id: resource.id.clone(),
            changes,
            seen: present.map(|present| present.version.clone()),
            wanted: resource.body.clone(),
            secrets: resource.secrets.clone(),
            needs: Arc::default(),
            follows: Arc::clone(&resource.follows),
            disrupts: resource.disrupts.as_ref().map(|disruption| disruption.what.clone()),
            tightens: if present.is_none() { tightens::created(resource, around) } else { None },
            adopts: present.is_some() && !known.marked,
            tenant: tenant(&resource.body),
            because: origins.of(&resource.because),
        })
    };
    let shape = resource.id.shape();
    if let Some(why) = nothing_to_give(desired, resource, observed) {
        return Verdict::Hold(Hold::Refused { why });
    }
    if let Some(why) = observed.blocked.get(&resource.id) {
        return Verdict::Hold(Hold::Refused { why: why.clone() });
    }
    let present = match sighting {
        None => return Verdict::Hold(Hold::NotObserved { why: "nobody looked".into() }),
        Some(Sighting::LeftOut { why }) => return Verdict::Hold(Hold::left_out(why.clone())),
        Some(Sighting::Unknown { why }) => return Verdict::Hold(Hold::NotObserved { why: why.clone() }),
        // What is not there has nothing that could be done anew.
        Some(Sighting::Absent) if shape.is_some_and(|shape| shape.anew.is_some()) => return Verdict::Settled,
        Some(Sighting::Absent) => {
            return match &resource.missing {
                Some(missing) => Verdict::Hold(Missing::clone(missing).into()),
                None => Verdict::Do(step(create(), None)),
            };
        }
        Some(Sighting::Present(present)) => present,
    };
    if let Some(cluster) = present.label(CLUSTER_LABEL) {
        return Verdict::Hold(Hold::Refused { why: of_another(cluster) });
    }
    let nobodys = resource.id.is_every_namespaces() || resource.id.system.rules().is_nobodys(&resource.id);
    if !known.marked && !nobodys && !adopt.covers(&resource.id, &tenant(&resource.body)) {
        let tenant = tenant(&resource.body);
        let adopt = if tenant.is_empty() { smol_str::format_smolstr!("{}", resource.id) } else { tenant };
        return Verdict::Hold(Hold::Foreign { manager: present.label(MANAGED_BY.0).cloned(), adopt });
    }
    if !known.marked
        && let Some(why) = foreign_holders(&resource.id, present, &observed.reach)
    {
        return Verdict::Hold(Hold::Refused { why: why.into() });
    }
    if let Some(since) = &present.deleting {
        return Verdict::Hold(Hold::Refused {
            why: smol_str::format_smolstr!("is being deleted since {}", moment(since)),
        });
    }
    let Some(shape) = shape else {
        return Verdict::Hold(Hold::Refused { why: "has a kind that kwo does not know".into() });
    };
    if let Some(missing) = &resource.missing {
        return Verdict::Hold(Missing::clone(missing).into());
    }
    let compared = if known.same && shape.overlay.is_none() {
        Ok(Vec::new())
    } else {
        compared(resource, present, shape)
    };
    let mut differences = match compared {
        Ok(differences) => differences,
        Err(why) => return Verdict::Hold(Hold::Refused { why: why.into() }),
    };
    if let Some(why) = overlay::beaten(shape, &resource.id.name, &present.body, &differences) {
        return Verdict::Hold(Hold::Refused { why: why.into() });
    }
    differences.retain(|difference| shape.anew != Some(difference.pointer()));
    let again = shape.anew.and_then(|pointer| {
        Some(Change::Revise {
            pointer: pointer.into(),
            from: present.body.at(pointer)?.clone(),
            to: resource.body.at(pointer)?.clone(),
            cause: Cause::Anew { after: Vec::new() },
            tightens: None,
            because: Origin::of(resource.reason(pointer), desired.sources()),
        })
    });
    if differences.is_empty() {
        return match again {
            Some(again) => Verdict::Follow(step([again].into(), Some(present))),
            None => match observed.failing.get(&resource.id) {
                Some(why) => Verdict::Hold(Hold::Failing { why: why.clone() }),
                None => Verdict::Settled,
            },
        };
    }
    if !known.marked
        && !adopt.names(&resource.id)
        && let Some(what) = resource.id.system.rules().only_by_name(&resource.id, &differences)
    {
        let why = "taking it over would change what others wrote";
        let id = &resource.id;
        return Verdict::Hold(Hold::Refused {
            why: smol_str::format_smolstr!("{why}: {what}; `--adopt={id}` does that"),
        });
    }
    let mut changes = Vec::with_capacity(differences.len());
    for difference in differences {
        match change(desired, resource, present, shape, difference) {
            Ok(change) => changes.push(change),
            Err(hold) => return Verdict::Hold(hold),
        }
    }
    tightens::mark(resource, present, &mut changes, around);
    changes.extend(again);
    Verdict::Do(step(changes.into(), Some(present)))
}

/// Why nobody takes over what another cluster keeps: two that write one object undo each other's work for ever.
fn of_another(cluster: &str) -> SmolStr {
    smol_str::format_smolstr!(
        "belongs to another cluster: kwo marked it for the one whose namespace kube-system has the uid {}; kwo never \
         takes that over, nor with `--adopt`",
        crate::plain::one_line(cluster)
    )
}

/// What differs, or why what is wanted cannot stand there.
fn compared(resource: &Resource, present: &Present, shape: &Shape) -> Result<Vec<Difference>, String> {
    let Resource { body: wanted, .. } = resource;
    let effective = overlay::effective(shape, &present.body);
    let harm = shape.unfit(wanted, &present.body).or_else(|| shape.rival(wanted, &present.body));
    match harm.or_else(|| unions::clash(wanted, &effective, shape)) {
        Some(why) => Err(why),
        None => Ok(compare(wanted, &effective, shape)),
    }
}

/// Why a binding would give nobody anything: the role is not there. Nobody is told of a right that is none.
fn nothing_to_give(desired: &Desired, resource: &Resource, observed: &Observed) -> Option<SmolStr> {
    let role = resource.binds.as_deref().filter(|role| desired.bound().contains(*role))?;
    let ResourceId { system: _, kind, scope, name } = role;
    let place = if scope.is_empty() { String::new() } else { format!(" in {scope}") };
    let missing = matches!(observed.get(role), Some(Sighting::Absent));
    missing.then(|| {
        smol_str::format_smolstr!(
            "there is no {kind} `{name}`{place}, so it would give nothing; make the role, and the next run binds it"
        )
    })
}

/// What to do about one difference.
fn change(
    desired: &Desired,
    resource: &Resource,
    present: &Present,
    shape: &Shape,
    difference: Difference,
) -> Result<Change, Hold> {
    let because = |pointer: &str| {
        let pointer = wanted_at(shape, pointer, &resource.body, &present.body);
        Origin::of(resource.reason(&pointer), desired.sources())
    };
    match difference {
        Difference::Missing { pointer, value } => {
            Ok(Change::Extend { because: because(&pointer), pointer, value, tightens: None })
        }
        Difference::Other { pointer, from, to } => {
            if shape.immutable.iter().any(|fixed| is_below(&pointer, fixed)) {
                return Err(Hold::Immutable { pointer, from, to });
            }
            if !fits(&from, &to) && !matches_any(shape.whole, &pointer) {
                let why = "holds a different kind of value than the roster wants there; replacing it would remove what it holds";
                return Err(Hold::Refused { why: smol_str::format_smolstr!("{pointer} {why}") });
            }
            Ok(Change::Revise {
                cause: cause(shape, present, &pointer, &to),
                tightens: None,
                because: because(&pointer),
                pointer,
                from,
                to,
            })
        }
    }
}

/// The pointer in what is wanted for one in what was seen: entries with a key may stand elsewhere.
fn wanted_at(shape: &Shape, pointer: &str, wanted: &Tree, seen: &Tree) -> String {
    if shape.keyed.is_empty() {
        return pointer.to_owned();
    }
    let (mut there, mut here) = (String::new(), String::new());
    for token in tokens(pointer) {
        let entry = seen.at(&join(&here, &token));
        let at = shape.key(&here).zip(entry).and_then(|(key, entry)| {
            wanted.at(&there)?.items().iter().position(|wanted| key.same(wanted, entry))
        });
        there = at.map_or_else(|| join(&there, &token), |at| format!("{there}/{at}"));
        here = join(&here, &token);
    }
    there
}

/// Can the one take the place of the other? A map only that of a map, a list that of a list, a single value that of one.
fn fits(from: &Tree, to: &Tree) -> bool {
    match (from, to) {
        (Tree::Map(_), Tree::Map(_)) | (Tree::List(_), Tree::List(_)) => true,
        (Tree::Map(_) | Tree::List(_), _) | (_, Tree::Map(_) | Tree::List(_)) => false,
        _ => true,
    }
}

fn cause(shape: &Shape, present: &Present, pointer: &str, to: &Tree) -> Cause {
    match present.changed_by(pointer, to) {
        None => Cause::Unrecorded,
        Some(owner) if owner.manager == FIELD_MANAGER => match shape.passing.contains(&pointer) {
            true => Cause::Passed,
            false => Cause::RosterChanged,
        },
        Some(owner) => Cause::Drift { manager: owner.manager.clone(), when: owner.when.clone() },
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands on references")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The tenant that a body is for, or empty.
#[must_use]
pub fn tenant(body: &Tree) -> SmolStr {
    let label =
        body.get("metadata").and_then(|metadata| metadata.get("labels")?.get(TENANT_LABEL)?.as_text());
    label.cloned().unwrap_or_default()
}

impl Plan {
    /// Is there nothing to do and nothing held? What is left over or not kwo's does not count: it is never acted on.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let Plan {
            format_version: _,
            provenance: _,
            steps,
            held,
            leftovers: _,
            foreign_access: _,
            unseen_access: _,
            own_policies: _,
            settled: _,
            digest: _,
        } = self;
        steps.is_empty() && held.iter().all(Held::is_left_out)
    }

    /// Is something held that the run was asked to do?
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.iter().all(Held::is_left_out)
    }

    /// The same plan with its digest made anew.
    #[must_use]
    pub fn sealed(self) -> Plan {
        let digest = self.computed_digest();
        Plan { digest, ..self }
    }

    /// Does the digest fit the plan?
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.digest == self.computed_digest()
    }

    fn computed_digest(&self) -> SmolStr {
        let Plan {
            format_version,
            provenance,
            steps,
            held,
            leftovers,
            foreign_access,
            unseen_access,
            own_policies,
            settled,
            digest: _,
        } = self;
        let mut sum = Sum::default();
        sum.json(&(format_version, provenance, Each(steps), held, leftovers, settled));
        // Earlier forms did not have them, and their plans are read, too.
        if !foreign_access.is_empty() || !unseen_access.is_empty() {
            sum.json(&(foreign_access, unseen_access));
        }
        if *own_policies > 0 {
            sum.add(own_policies.to_string().as_bytes());
        }
        sum.end()
    }
}

/// The steps as they are summed up.
struct Each<'p>(&'p [Arc<Step>]);

impl Serialize for Each<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shared::items::serialize(self.0, serializer)
    }
}

/// SHA-256 of a roster's files, names included, in hexadecimal.
#[must_use]
pub fn roster_digest(sources: &crate::roster::Sources) -> SmolStr {
    let mut sum = Sum::default();
    for file in sources.files() {
        for part in [&file.name, &file.text] {
            sum.add(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            sum.add(part.as_bytes());
        }
    }
    sum.end()
}
