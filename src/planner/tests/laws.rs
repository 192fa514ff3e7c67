//! The laws that every plan keeps, over random worlds: what is wanted, what is there, who wrote it, what could not
//! be seen. A world here is small and dense, so that things meet.
#![expect(clippy::unwrap_used, reason = "the worlds are ours")]

use std::collections::BTreeSet;
use std::sync::Arc;

use kwo_planner::after::{after, agreed, done};
use kwo_planner::change::{Change, Held, Hold, Step};
use kwo_planner::kinds::{Kind, Shape, matches_any};
use kwo_planner::node::NodeKind;
use kwo_planner::observed::{MARK, Observed, Owner, Present, Sighting, Version};
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::{Desired, Disruption, Reason, Resource, ResourceId};
use kwo_planner::revalidate::{Again, Demand, again, revalidate};
use kwo_planner::roster::Sources;
use kwo_planner::tree::{SmolStr, Tree};
use kwo_planner::verify::verify;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

const KINDS: [Kind; 6] = [
    Kind::Namespace,
    Kind::ResourceQuota,
    Kind::LimitRange,
    Kind::NetworkPolicy,
    Kind::RoleBinding,
    Kind::ValidatingAdmissionPolicy,
];

fn ids() -> Vec<ResourceId> {
    let name = |kind: Kind, name: &str| {
        ResourceId::kube(kind, if kind.namespaced() { "ns" } else { "" }, SmolStr::from(name))
    };
    let kinds = KINDS.iter().flat_map(|&kind| ["a", "b"].map(|text| name(kind, text)));
    let files = ["a", "b"].map(|text| ResourceId::node(NodeKind::File, text));
    kinds.chain(files).chain([ResourceId::node(NodeKind::Kubeconfig, "a")]).collect()
}

/// A service that follows both files.
fn restart() -> impl Strategy<Value = (Resource, Sighting)> {
    let present = (any::<bool>(), select(vec!["since 1", "since 2"])).prop_map(|(current, running)| {
        let labels = Tree::map([("labels", Tree::map([(MARK.0, Tree::from(MARK.1))]))]);
        let parts =
            [("current", Tree::from(current)), ("metadata", labels), ("running", Tree::from(running))];
        let version = Version(running.into());
        Sighting::Present(Present { body: Tree::map(parts), version, owners: Arc::new([]), deleting: None })
    });
    let left_out = Sighting::LeftOut { why: "another root".into() };
    let sighting = prop_oneof![1 => Just(Sighting::Absent), 1 => Just(left_out), 5 => present];
    (sighting, any::<bool>()).prop_map(|(sighting, allowed)| {
        let body = Tree::map([("current", Tree::from(true)), ("running", Tree::from("restarted"))]);
        let id = ResourceId::node(NodeKind::Restart, "s");
        let follows = ["a", "b"].map(|text| ResourceId::node(NodeKind::File, text)).into();
        let disruption = Disruption { what: "it is away".into(), option: "--leave".into(), allowed };
        let disrupts = Some(Box::new(disruption));
        let resource = Resource::new(id, body, Arc::new([]), Reason::Always);
        (Resource { follows, disrupts, ..resource }, sighting)
    })
}

fn word() -> impl Strategy<Value = Tree> {
    select(vec!["1", "1000m", "2", "1Gi", "1024Mi", "x"]).prop_map(Tree::from)
}

fn small_map() -> impl Strategy<Value = Tree> {
    btree_map(select(vec!["pods", "cpu", "k/slash", "t~ilde"]), word(), 0..3)
        .prop_map(|map| Tree::map(map.into_iter().map(|(key, value)| (SmolStr::from(key), value))))
}

/// A list of entries that mostly have a type, as a LimitRange has them. What is found may hold two of one type; what is
/// wanted never does.
fn keyed(wanted: bool) -> impl Strategy<Value = Tree> {
    let parts = btree_map(select(vec!["max", "min", "default"]), small_map(), 0..3);
    let kind = prop_oneof![
        4 => select(vec!["Container", "Pod", "PersistentVolumeClaim"]).prop_map(|kind| Some(Tree::from(kind))),
        1 => select(vec![None, Some(Tree::from(true))]),
    ];
    vec((kind, parts), 0..4).prop_map(move |mut entries| {
        if wanted {
            let mut kinds = BTreeSet::new();
            entries.retain(|(kind, _)| kinds.insert(kind.as_ref().map(Tree::to_string)));
        }
        Tree::list(
            entries
                .into_iter()
                .map(|(kind, parts)| Tree::map(parts.into_iter().chain(kind.map(|kind| ("type", kind))))),
        )
    })
}

/// A body with the parts that some kind treats as a set, as one value, as quantities or as immutable.
fn body(marked: bool, wanted: bool) -> impl Strategy<Value = Tree> {
    let lists = || vec(small_map(), 0..3).prop_map(Tree::list);
    let parts = (small_map(), small_map(), keyed(wanted), lists(), small_map(), small_map());
    (parts, subsequence(vec![0, 1, 2, 3, 4], 0..=5)).prop_map(move |(parts, kept)| {
        let (labels, hard, limits, subjects, role, selector) = parts;
        let mark = if marked { Some((SmolStr::from(MARK.0), Tree::from(MARK.1))) } else { None };
        let labels = Tree::map(labels.entries().iter().cloned().chain(mark));
        let spec = [("hard", hard), ("limits", limits), ("podSelector", selector)];
        let spec =
            Tree::map(spec.into_iter().enumerate().filter(|(at, _)| kept.contains(at)).map(|(_, part)| part));
        let mut top = vec![("metadata", Tree::map([("labels", labels)])), ("spec", spec)];
        top.extend(kept.contains(&3).then_some(("subjects", subjects)));
        top.extend(kept.contains(&4).then_some(("roleRef", role)));
        Tree::map(top)
    })
}

fn owners() -> impl Strategy<Value = Arc<[Owner]>> {
    let fields = select(vec![
        r#"{"f:metadata":{"f:labels":{".":{},"f:pods":{}}}}"#,
        r#"{"f:spec":{"f:hard":{"f:pods":{},"f:cpu":{}},"f:limits":{}}}"#,
        r#"{"f:subjects":{},"f:roleRef":{}}"#,
    ]);
    let owner = (select(vec!["kwo", "kubectl-edit"]), fields).prop_map(|(manager, fields)| Owner {
        manager: manager.into(),
        when: Some("2026-01-01T00:00:00Z".into()),
        fields: serde_json::from_str(fields).unwrap(),
    });
    vec(owner, 0..3).prop_map(Into::into)
}

fn sighting() -> impl Strategy<Value = Sighting> {
    let present =
        (any::<bool>().prop_flat_map(|marked| body(marked, false)), owners(), prop::bool::weighted(0.1))
            .prop_map(|(body, owners, deleting)| {
                let deleting = deleting.then(|| "2026-01-01T00:00:00Z".into());
                Sighting::Present(Present { body, version: Version("7".into()), owners, deleting })
            });
    prop_oneof![
        2 => Just(Sighting::Absent),
        1 => Just(Sighting::Unknown { why: "forbidden".into() }),
        5 => present,
    ]
}

#[derive(Clone, Debug)]
struct World {
    resources: Vec<Resource>,
    sightings: Vec<(ResourceId, Sighting)>,
    adopt: Adopt,
}

fn world() -> impl Strategy<Value = World> {
    let ids = ids();
    let resource = |id: ResourceId, all: Vec<ResourceId>| {
        (body(true, true), vec(any::<Index>(), 0..3)).prop_map(move |(body, needs)| {
            let needs: BTreeSet<_> = needs.iter().map(|need| need.get(&all).clone()).collect();
            Resource::new(id.clone(), body, needs.into_iter().collect(), Reason::Always)
        })
    };
    subsequence(ids.clone(), 1..=ids.len()).prop_flat_map(move |wanted| {
        let resources: Vec<_> = wanted.into_iter().map(|id| resource(id, ids.clone())).collect();
        let sightings: Vec<_> = ids.iter().map(|id| (Just(id.clone()), sighting())).collect();
        let adopt = prop_oneof![Just(Adopt::Nothing), Just(Adopt::Everything)];
        (resources, sightings, adopt, restart()).prop_map(|(mut resources, mut sightings, adopt, restart)| {
            sightings.push((restart.0.id.clone(), restart.1));
            resources.push(restart.0);
            World { resources, sightings, adopt }
        })
    })
}

impl World {
    fn desired(&self) -> Desired {
        Desired::new(self.resources.clone(), Arc::new(Sources::default())).unwrap()
    }

    fn observed(&self) -> Observed {
        self.sightings.iter().cloned().collect()
    }

    fn plan(&self) -> Plan {
        plan(&self.desired(), &self.observed(), &self.adopt, Provenance::default())
    }
}

/// Every path that can be followed through maps and ends outside what is one value, and every entry of a set.
fn kept(shape: &Shape, body: &Tree) -> BTreeSet<String> {
    fn walk(shape: &Shape, here: &Tree, pointer: &str, kept: &mut BTreeSet<String>) {
        match here {
            Tree::Map(entries) if !matches_any(shape.whole, pointer) => {
                for (key, value) in entries.iter() {
                    walk(shape, value, &kwo_planner::tree::join(pointer, key), kept);
                }
            }
            Tree::List(items) if matches_any(shape.sets, pointer) => {
                kept.extend(items.iter().map(|item| format!("{pointer} {item}")));
            }
            Tree::List(items) if shape.key(pointer).is_some() => {
                for item in items.iter() {
                    // What has no key stays as it is; of two with one key, all that either holds.
                    match shape.key(pointer).and_then(|key| key.of(item)) {
                        Some(key) => walk_entry(shape, item, pointer, &key, kept),
                        None => drop(kept.insert(format!("{pointer} {item}"))),
                    }
                }
            }
            _ => {
                kept.insert(pointer.to_owned());
            }
        }
    }
    /// The paths in one entry, which is known by its key wherever it stands.
    fn walk_entry(shape: &Shape, item: &Tree, pointer: &str, key: &str, kept: &mut BTreeSet<String>) {
        let mut inside = BTreeSet::new();
        walk(shape, item, &format!("{pointer}/0"), &mut inside);
        kept.extend(inside.into_iter().map(|path| format!("{pointer}[{key}] {path}")));
    }
    let mut found = BTreeSet::new();
    walk(shape, body, "", &mut found);
    found
}

fn present<'o>(observed: &'o Observed, id: &ResourceId) -> Option<&'o Present> {
    match observed.get(id) {
        Some(Sighting::Present(present)) => Some(present),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_input_gives_the_same_bytes(world in world(), seed in any::<u64>()) {
        let mut shuffled = world.clone();
        let places = u64::try_from(shuffled.resources.len()).unwrap();
        shuffled.resources.rotate_left(usize::try_from(seed % places).unwrap());
        shuffled.sightings.reverse();
        let bytes = |plan: &Plan| serde_json::to_string(plan).unwrap();
        prop_assert_eq!(bytes(&world.plan()), bytes(&shuffled.plan()));
    }

    #[test]
    fn a_second_plan_has_no_steps(world in world()) {
        let first = world.plan();
        let second = plan(&world.desired(), &after(&first, &world.observed()), &world.adopt, Provenance::default());
        prop_assert!(second.steps.is_empty(), "{:#?}", second.steps);
    }

    #[test]
    fn a_plan_does_not_depend_on_which_trees_are_shared(world in world()) {
        let then = after(&world.plan(), &world.observed());
        let apart = then.iter().map(|(id, sighting)| match sighting {
            Sighting::Present(present) => {
                let body = serde_json::from_str(&present.body.to_string()).unwrap();
                (id.clone(), Sighting::Present(Present { body, ..present.clone() }))
            }
            other => (id.clone(), other.clone()),
        });
        let planned = |world_then: &Observed| plan(&world.desired(), world_then, &world.adopt, Provenance::default());
        prop_assert_eq!(planned(&then), planned(&apart.collect()));
    }

    #[test]
    fn a_world_that_agrees_gets_nothing_to_do_and_leaves_nothing(world in world()) {
        let desired = world.desired();
        let plan = plan(&desired, &agreed(&desired, &desired), &Adopt::Everything, Provenance::default());
        prop_assert!(plan.steps.is_empty() && plan.leftovers.is_empty(), "{:#?}", plan);
    }

    #[test]
    fn nothing_seen_is_lost(world in world()) {
        let plan = world.plan();
        let (before, after) = (world.observed(), after(&plan, &world.observed()));
        for (id, _) in before.iter() {
            let Some(was) = present(&before, id) else { continue };
            let is = present(&after, id).expect("what was there is there");
            let shape = id.shape().unwrap();
            let (was, is) = (kept(shape, &was.body), kept(shape, &is.body));
            prop_assert!(was.is_subset(&is), "{} lost {:?}", id, was.difference(&is).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_independent_check_finds_nothing(world in world()) {
        prop_assert_eq!(verify(&world.plan(), &world.observed()), []);
    }

    #[test]
    fn needs_come_first_and_nothing_unseen_is_touched(world in world()) {
        let (plan, observed, desired) = (world.plan(), world.observed(), world.desired());
        let mut done = BTreeSet::new();
        for step in &plan.steps {
            let unseen = matches!(observed.get(&step.id), Some(Sighting::Unknown { .. }) | None);
            prop_assert!(!unseen, "{} was not seen", step.id);
            for need in desired.get(&step.id).unwrap().needs.iter() {
                let held = plan.held.iter().any(|held| held.id == *need);
                let later = plan.steps.iter().any(|other| other.id == *need) && !done.contains(need);
                prop_assert!(!held && !later && desired.get(need).is_some(), "{} before {}", step.id, need);
            }
            done.insert(step.id.clone());
        }
    }

    #[test]
    fn what_follows_a_change_is_done_after_it_and_by_leave_only(world in world()) {
        let (plan, observed) = (world.plan(), world.observed());
        let restart = world.resources.iter().find(|resource| resource.disrupts.is_some()).unwrap();
        let allowed = restart.disrupts.as_ref().unwrap().allowed;
        let runs = present(&observed, &restart.id);
        let stale = runs.is_some_and(|runs| runs.body.get("current") == Some(&Tree::from(false)));
        let moved = |step: &Arc<Step>| restart.follows.contains(&step.id)
            && step.changes.iter().any(|change| change.pointer().is_none_or(|at| !at.starts_with("/metadata")));
        // What follows a part of a circle has no place in the order.
        let waits = |held: &Held| held.id == restart.id && matches!(held.hold, Hold::WaitsOn { .. });
        if plan.held.iter().any(waits) {
            let circle = plan.held.iter().any(|held| matches!(held.hold, Hold::Cycle { .. }));
            prop_assert!(circle, "it waits on no circle");
            return Ok(());
        }
        let asked = runs.is_some() && (stale || plan.steps.iter().any(moved));
        let at = plan.steps.iter().position(|step| step.id == restart.id);
        prop_assert_eq!(at.is_some(), asked && allowed);
        let refused = plan.held.iter().any(|held| matches!(held.hold, Hold::NeedsLeave { .. }));
        prop_assert_eq!(refused, asked && !allowed);
        let late = plan.steps.iter().skip(at.unwrap_or(usize::MAX)).any(moved);
        prop_assert!(!late, "a file is written after the restart: {:#?}", plan.steps);
    }

    #[test]
    fn every_resource_is_settled_a_step_or_held(world in world()) {
        let plan = world.plan();
        prop_assert_eq!(plan.settled + plan.steps.len() + plan.held.len(), world.resources.len());
        for held in &plan.held {
            if let Hold::WaitsOn { id } = &held.hold {
                let known = world.desired().get(id).is_some();
                prop_assert!(!known || plan.held.iter().any(|other| other.id == *id), "{} waits on {}", held.id, id);
            }
        }
    }

    #[test]
    fn a_saved_plan_is_fresh_in_the_world_it_was_made_for_and_done_after_it(world in world()) {
        let plan = world.plan();
        let text = serde_json::to_string(&plan).unwrap();
        let saved: Plan = serde_json::from_str(&text).unwrap();
        prop_assert!(saved.is_intact());
        let now = revalidate(&saved, plan.clone(), &world.desired(), Demand::Whole);
        prop_assert_eq!((&now.stale, &now.strangers), (&vec![], &vec![]));
        prop_assert_eq!(&now.plan, &plan);
        let done = kwo_planner::plan::plan(
            &world.desired(),
            &after(&plan, &world.observed()),
            &world.adopt,
            Provenance::default(),
        );
        let then = revalidate(&saved, done, &world.desired(), Demand::Steps);
        prop_assert_eq!(then.settled.len(), plan.steps.len(), "{:#?}\n{:?}\n{:#?}", plan.steps, then.stale, then.plan.steps);
        prop_assert!(then.stale.is_empty() && then.plan.steps.is_empty());
    }

    #[test]
    fn nothing_that_is_wanted_is_left_over(world in world(), demand in select(vec![Demand::Steps, Demand::Whole])) {
        let (plan, desired) = (world.plan(), world.desired());
        let then = kwo_planner::plan::plan(&desired, &after(&plan, &world.observed()), &world.adopt, Provenance::default());
        let revalidated = revalidate(&plan, then.clone(), &desired, demand).plan;
        for left in [&plan, &then, &revalidated].into_iter().flat_map(|plan| &plan.leftovers) {
            prop_assert!(left.pointer.is_some() || desired.get(&left.id).is_none(), "{}", left.command);
        }
    }

    #[test]
    fn a_step_planned_anew_is_the_same_on_a_newer_version_and_settled_once_done(world in world()) {
        let (plan, observed) = (world.plan(), world.observed());
        let then = after(&plan, &observed);
        // What follows the change of another object is as it should be when it is looked at by itself in the world
        // of before; in a real one the object says whether the change came after it.
        for step in plan.steps.iter().filter(|step| step.follows.is_empty()) {
            let newer = || Version("8".into());
            let moved = match observed.get(&step.id).unwrap() {
                Sighting::Present(seen) => Sighting::Present(Present { version: newer(), ..seen.clone() }),
                other => other.clone(),
            };
            let same = Step { seen: step.seen.as_ref().map(|_| newer()), needs: Arc::default(), ..(**step).clone() };
            prop_assert_eq!(again(step, moved), Again::Same(Box::new(same)));
            prop_assert_eq!(again(step, then.get(&step.id).unwrap().clone()), Again::Settled);
        }
    }

    #[test]
    fn whatever_a_step_meets_it_does_all_that_was_shown_or_nothing(
        world in world(),
        met in sighting(),
        place in select(vec!["/metadata/labels/pods", "/spec/hard/cpu", "/spec/limits", "/subjects"]),
        value in prop_oneof![word(), vec(small_map(), 0..3).prop_map(Tree::list)],
    ) {
        for step in world.plan().steps {
            // Something else altogether, and what was seen with one change by somebody.
            let mut all = vec![met.clone()];
            if let Some(seen) = present(&world.observed(), &step.id) {
                all.push(Sighting::Present(Present { body: seen.body.with(place, value.clone()), ..seen.clone() }));
            }
            for met in all {
                let Again::Same(now) = again(&step, met.clone()) else { continue };
                prop_assert_eq!(&now.changes, &step.changes);
                let there = match &met {
                    Sighting::Present(present) => Some(present),
                    Sighting::Absent => None,
                    Sighting::Unknown { .. } | Sighting::LeftOut { .. } => panic!("{} was not seen", step.id),
                };
                prop_assert_eq!(again(&step, Sighting::Present(done(&now, there))), Again::Settled);
            }
        }
    }

    #[test]
    fn without_adoption_no_foreign_object_is_touched(world in world()) {
        let world = World { adopt: Adopt::Nothing, ..world };
        let observed = world.observed();
        for step in world.plan().steps {
            prop_assert!(present(&observed, &step.id).is_none_or(Present::is_marked));
        }
    }
}

/// The independent check is only worth something if it finds what it is there for.
#[test]
fn the_independent_check_finds_each_kind_of_fault() {
    let id = ResourceId::kube(Kind::ResourceQuota, "ns", "q");
    let tree = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
    let found = tree(r#"{"metadata":{"labels":{"kwo.dev/managed":"true"}},"spec":{"hard":{"pods":"1"}}}"#);
    let wanted = tree(r#"{"metadata":{"labels":{"kwo.dev/managed":"true"}},"spec":{"hard":{"pods":"2"}}}"#);
    let resource = Resource::new(id.clone(), wanted, Arc::new([]), Reason::Always);
    let desired = Desired::new(vec![resource], Arc::new(Sources::default())).unwrap();
    let seen = Present { body: found, version: Version("7".into()), owners: Arc::new([]), deleting: None };
    let observed: Observed = [(id, Sighting::Present(seen))].into_iter().collect();
    let good = plan(&desired, &observed, &Adopt::Nothing, Provenance::default());
    assert_eq!(verify(&good, &observed), []);

    fn first(plan: &mut Plan) -> &mut Step {
        Arc::make_mut(&mut plan.steps[0])
    }
    let faults = |edit: &dyn Fn(&mut Plan)| {
        let mut bad = good.clone();
        edit(&mut bad);
        verify(&bad, &observed).into_iter().map(|violation| violation.what).collect::<Vec<_>>()
    };
    assert_eq!(faults(&|plan| first(plan).seen = None), ["was made for another state of the object"]);
    assert_eq!(
        faults(&|plan| first(plan).changes = [Change::Create].into()),
        ["creates what is there already"]
    );
    assert_eq!(
        faults(&|plan| first(plan).needs = [ResourceId::kube(Kind::Namespace, "", "ns")].into()),
        ["comes before kube:Namespace/ns, which it needs"]
    );
    let revise = |pointer: &str, from: &str, to: &str| {
        let change = good.steps[0].changes[0].clone();
        let Change::Revise { cause, tightens, because, .. } = change else { panic!("a revision") };
        Change::Revise { pointer: pointer.into(), from: tree(from), to: tree(to), cause, tightens, because }
    };
    assert_eq!(
        faults(&|plan| first(plan).changes = [revise("/spec/hard", r#"{"pods":"1"}"#, "{}")].into()),
        ["revises /spec/hard to what is not wanted", "removes a part of /spec/hard"]
    );
    assert_eq!(
        faults(&|plan| first(plan).changes = [revise("/spec/hard/pods", r#""9""#, r#""2""#)].into()),
        ["revises /spec/hard/pods, where something else was seen"]
    );
}
