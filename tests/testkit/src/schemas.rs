//! What a command prints as JSON, checked against its schema.

use serde_json::Value;

/// It is as the schema of this name in `schema/` says.
#[track_caller]
pub fn fits(name: &str, printed: &Value) {
    let text = std::fs::read_to_string(format!("schema/{name}.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(printed).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
}
