//! Scenarios: a roster, the world it meets, and the plan as a person reads it.
//!
//! A folder in `tests/scenarios` holds `roster.yaml`; `before.yaml` where an earlier roster has been applied; and
//! `world.yaml`, what happened since (see [`World`]). The plan's text is in `snapshots/`. Every plan is applied,
//! and the next one has to be empty.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot be read ends here")]

use std::collections::BTreeMap;
use std::path::Path;

use kwo::report::plan::{Detail, text};
use kwo_engine::source;
use kwo_planner::after::after;
use kwo_planner::domains::compile;
use kwo_planner::observed::{Observed, Owner, Present, Sighting, Version};
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::tree::{SmolStr, Tree};
use kwo_planner::verify::verify;

/// What happened to the world since the earlier roster was applied.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct World {
    /// Why this scenario exists.
    about: String,
    /// Kinds that cannot be looked at, with the reason.
    unknown: BTreeMap<String, String>,
    /// Objects that somebody deleted.
    gone: Vec<String>,
    /// Fields that somebody changed.
    changed: Vec<Changed>,
    /// Objects that are not kwo's.
    foreign: Vec<Foreign>,
    /// Objects that are there and do not work, with the reason.
    failing: BTreeMap<String, String>,
    /// Objects that are being deleted.
    deleting: Vec<String>,
    /// `--adopt`
    adopt: bool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    id: String,
    pointer: String,
    value: Tree,
    by: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Foreign {
    id: String,
    body: Tree,
    by: String,
}

fn desired(path: &Path) -> Desired {
    let roster = source::load(path).unwrap_or_else(|refused| panic!("{}: {refused:?}", path.display()));
    compile(&roster).unwrap()
}

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

/// Everything that `wanted` wants and `before` left, with what happened since.
fn observed(before: Option<&Desired>, wanted: &Desired, world: &World) -> Observed {
    let mut seen = Observed::default();
    if let Some(before) = before {
        let nothing = absent(before);
        seen = after(&plan(before, &nothing, &Adopt::Nothing, Provenance::default()), &nothing);
    }
    for resource in wanted.resources() {
        if seen.get(&resource.id).is_none() {
            seen.insert(resource.id.clone(), Sighting::Absent);
        }
    }
    for Foreign { id: text, body, by } in &world.foreign {
        let owners = [owner(by, body)].into();
        let present = Present { body: body.clone(), version: Version("9".into()), owners, deleting: None };
        seen.insert(id(text), Sighting::Present(present));
    }
    for Changed { id: text, pointer, value, by } in &world.changed {
        let mut present = present(&seen, text);
        present.body = present.body.with(pointer, value.clone());
        let theirs = owner(by, &Tree::map::<SmolStr>([]).with(pointer, value.clone()));
        present.owners = present.owners.iter().cloned().chain([theirs]).collect();
        seen.insert(id(text), Sighting::Present(present));
    }
    for text in &world.deleting {
        let mut present = present(&seen, text);
        present.deleting = Some("2026-11-21T03:00:00Z".into());
        seen.insert(id(text), Sighting::Present(present));
    }
    for text in &world.gone {
        seen.insert(id(text), Sighting::Absent);
    }
    seen.failing = world.failing.iter().map(|(text, why)| (id(text), why.as_str().into())).collect();
    let unknown: Vec<_> = seen
        .iter()
        .filter_map(|(id, _)| Some((id.clone(), world.unknown.get(id.kind.as_str())?.as_str().into())))
        .collect();
    for (id, why) in unknown {
        seen.insert(id, Sighting::Unknown { why });
    }
    seen
}

fn absent(desired: &Desired) -> Observed {
    desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect()
}

fn present(seen: &Observed, text: &str) -> Present {
    match seen.get(&id(text)) {
        Some(Sighting::Present(present)) => present.clone(),
        other => panic!("{text} is not there to be changed: {other:?}"),
    }
}

/// Somebody who wrote these fields on the evening before.
fn owner(manager: &str, body: &Tree) -> Owner {
    fn fields(value: &Tree) -> Tree {
        let below = value.entries().iter();
        Tree::map(below.map(|(key, value)| (SmolStr::from(format!("f:{key}")), fields(value))))
    }
    Owner { manager: manager.into(), when: Some("2026-11-20T18:00:00Z".into()), fields: fields(body) }
}

/// The same world in trees of its own: what is wanted and seen shares them, and no plan may depend on that.
fn reread(mut seen: Observed) -> Observed {
    let all: Vec<_> = seen.iter().map(|(id, sighting)| (id.clone(), sighting.clone())).collect();
    for (id, sighting) in all {
        let Sighting::Present(present) = sighting else { continue };
        let body = serde_json::from_str(&present.body.to_string()).unwrap();
        seen.insert(id, Sighting::Present(Present { body, ..present }));
    }
    seen
}

fn shown(plan: &Plan) -> String {
    anstream::adapter::strip_str(&text(plan, Detail::default())).to_string()
}

#[test]
fn every_scenario_plans_as_written_and_is_settled_by_its_plan() {
    let mut folders: Vec<_> =
        std::fs::read_dir("tests/scenarios").unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 10, "the scenarios are missing");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let world: World = match std::fs::read_to_string(folder.join("world.yaml")) {
            Ok(text) => serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")),
            Err(_) => World::default(),
        };
        let wanted = desired(&folder.join("roster.yaml"));
        let before = folder.join("before.yaml");
        let before = before.exists().then(|| desired(&before));
        let seen = observed(before.as_ref(), &wanted, &world);
        let adopt = if world.adopt { Adopt::Everything } else { Adopt::Nothing };
        let provenance = Provenance {
            roster: "roster.yaml".into(),
            address: "the cluster of this scenario".into(),
            ..Provenance::default()
        };
        let first = plan(&wanted, &seen, &adopt, provenance.clone());
        assert_eq!(verify(&first, &seen), [], "{name}");
        settings.set_description(world.about.trim());
        settings.bind(|| {
            insta::with_settings!({omit_expression => true, input_file => folder.join("roster.yaml")}, {
                let text = shown(&first).replace(&format!("{}/", folder.display()), "");
                insta::assert_snapshot!(format!("scenario__{name}"), text);
            });
        });
        let then = after(&first, &seen);
        let second = plan(&wanted, &then, &adopt, provenance.clone());
        for (world, made) in [(seen.clone(), &first), (then, &second)] {
            assert_eq!(plan(&wanted, &reread(world), &adopt, provenance.clone()), *made, "{name}");
        }
        assert!(second.steps.is_empty(), "{name}: the second plan is not empty:\n{}", shown(&second));
        let marked = |id: &ResourceId| matches!(seen.get(id), Some(Sighting::Present(p)) if p.is_marked());
        assert!(first.leftovers.iter().all(|leftover| marked(&leftover.id)), "{name}");
    }
}
