//! Settings good and bad: the files in `tests/settings`, through the binary and the JSON schema. What a bad one is told
//! stands in `snapshots/settings__*.snap`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::sync::world::World;

fn corpus(kind: &str) -> Vec<(String, PathBuf)> {
    let folder = PathBuf::from("tests/settings").join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.into_iter().map(|path| (name(&path), path)).collect()
}

/// What an editor makes of a file: another reader than ours.
fn as_editor(text: &str) -> Option<Value> {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(text, options).ok()
}

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&kwo_planner::settings::schema()).unwrap()
}

#[test]
fn good_settings_are_read_and_pass_the_schema() {
    for (name, path) in corpus("valid") {
        let settings = kwo_engine::source::settings(&path);
        assert!(settings.is_ok(), "{name}: {:?}", settings.err());
        let value = as_editor(&fs::read_to_string(&path).unwrap()).unwrap();
        let complaints: Vec<String> = schema()
            .iter_errors(&value)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(complaints.is_empty(), "{name}: {complaints:#?}");
    }
}

#[test]
fn bad_settings_are_told_what_where_and_what_to_do() {
    let mut shown = insta::Settings::clone_current();
    shown.set_snapshot_path("../../../snapshots");
    shown.set_prepend_module_to_snapshot(false);
    shown.set_omit_expression(true);
    let world = World::new("tenants:\n  alice:\n");
    for (name, path) in corpus("invalid") {
        fs::copy(&path, world.path("kwo.yaml")).unwrap();
        let mut command = world.command(&["sync"]);
        let ran =
            crate::sync::world::Ran::of(&command.env("KWO_SETTINGS", "kwo.yaml").output().unwrap()).expect(1);
        assert!(ran.out.is_empty(), "{}", ran.out);
        assert!(!ran.err.contains("hunter2"), "a secret is said: {}", ran.err);
        shown.bind(|| insta::assert_snapshot!(format!("settings__{name}"), ran.err));
        // Every command that needs them says the same.
        assert_eq!(
            world.command(&["history"]).env("KWO_SETTINGS", "kwo.yaml").output().unwrap().status.code(),
            Some(1)
        );
    }
}

/// What the schema of a map can say of itself an editor says too.
#[test]
fn what_the_schema_refuses_the_parser_refuses() {
    let validator = schema();
    let mut refused = 0;
    for (_, path) in corpus("invalid").into_iter().chain(corpus("valid")) {
        let text = fs::read_to_string(&path).unwrap();
        let Some(value) = as_editor(&text) else { continue };
        if !validator.is_valid(&value) {
            assert!(kwo_engine::source::settings(&path).is_err(), "{}", path.display());
            refused += 1;
        }
    }
    assert!(refused > 12, "{refused}");
}

#[test]
fn the_settings_in_the_manual_are_settings() {
    let page = fs::read_to_string("docs/how-to/sync.md").unwrap();
    let blocks = page.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let shown: Vec<&str> = blocks.filter(|block| block.contains("kind: Settings")).collect();
    assert_eq!(shown.len(), 1);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), shown[0]).unwrap();
    let settings = kwo_engine::source::settings(file.path());
    assert!(settings.is_ok(), "{:?}", settings.err());
}
