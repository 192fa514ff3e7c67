//! The settings to begin with are valid, also where what is commented out is wanted, and fit their schema.

use kwo_planner::roster::SourceFile;
use kwo_planner::settings::parse;

fn fits(text: &str) {
    if let Err(refused) = parse(SourceFile { name: "kwo.yaml".to_owned(), text: text.to_owned() }) {
        panic!("{:?}\n{text}", refused.findings);
    }
    let schema = std::fs::read_to_string("schema/settings.schema.json").unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
    assert!(
        schema.is_valid(&value),
        "{:?}",
        schema.iter_errors(&value).map(|error| error.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn the_first_settings_are_valid_and_so_is_what_is_commented_out_in_them() {
    let text = std::fs::read_to_string("examples/kwo.yaml").unwrap();
    fits(&text);
    let whole: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            // `# ` begins a sentence.
            Some(value) if !value.starts_with(' ') || value.starts_with("  ") => format!("{value}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(
        ["\ntrust:", "\nhook:", "\nnotify:", "\n  node: true"].iter().all(|key| whole.contains(key)),
        "{whole}"
    );
    fits(&whole);
}
