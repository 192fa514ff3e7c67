//! Rosters good and bad: the files in `tests/rosters` and the example, through parser and JSON schema. What a bad one
//! is told stands in `snapshots/invalid__*.snap`; read it as the admin at three in the morning.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kwo::report::diagnostic;
use kwo::report::printed::Report as _;
use kwo::report::validation::Judged;
use kwo_engine::source;
use kwo_planner::domains::{Refused, Roster, parse, schema};

use kwo_planner::roster::{Finding, MAX_BYTES, MAX_FINDINGS, SourceFile, Sources, Span, too_large};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The rosters of a kind: single files, and folders with a `roster.yaml` that includes the others.
fn corpus(kind: &str) -> Vec<(String, PathBuf)> {
    let mut rosters = Vec::new();
    for entry in std::fs::read_dir(Path::new("tests/rosters").join(kind)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        rosters.push((name, if path.is_dir() { path.join("roster.yaml") } else { path }));
    }
    rosters.sort();
    assert!(!rosters.is_empty());
    rosters
}

/// The valid rosters, with the example.
fn valid() -> Vec<(String, PathBuf)> {
    let mut rosters = corpus("valid");
    rosters.push(("example".to_owned(), "roster.example.yaml".into()));
    rosters
}

fn plain(refused: &Refused) -> String {
    anstream::adapter::strip_str(&diagnostic::text(refused)).to_string()
}

fn parse_text(text: &str) -> Result<Roster, Box<Refused>> {
    parse(Sources::new(vec![SourceFile { name: "roster.yaml".to_owned(), text: text.to_owned() }]))
}

/// What an editor makes of a file: another reader than ours, so that the two check each other.
fn as_editor(text: &str) -> Result<Value, String> {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(text, options).map_err(|error| error.to_string())
}

/// What programs are told of it.
fn as_json(refused: &Refused) -> Value {
    serde_json::to_value(Judged { called: "roster.yaml", found: Err(refused) }.called()).unwrap()
}

fn schema_accepts(value: &Value) -> bool {
    static VALIDATOR: LazyLock<jsonschema::Validator> =
        LazyLock::new(|| jsonschema::validator_for(&schema()).unwrap());
    VALIDATOR.is_valid(value)
}

#[test]
fn valid_rosters_are_read_and_pass_the_schema() {
    for (name, path) in valid() {
        let roster = source::load(&path).unwrap_or_else(|refused| panic!("{name}: {}", plain(&refused)));
        for file in roster.sources().files() {
            let value = as_editor(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.name));
            let complaints: Vec<String> = jsonschema::validator_for(&schema())
                .unwrap()
                .iter_errors(&value)
                .map(|error| format!("{error} at {}", error.instance_path()))
                .collect();
            assert!(complaints.is_empty(), "{}: {complaints:#?}", file.name);
        }
    }
}

/// Of two types with one name the schema calls the second by a number, or would mean the first one by both.
#[test]
fn no_two_types_of_a_schema_have_the_same_name() {
    for entry in std::fs::read_dir("schema").unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let types = schema["$defs"].as_object().cloned().unwrap_or_default();
        for name in types.keys() {
            let first = name.trim_end_matches(|char: char| char.is_ascii_digit());
            assert!(first == name || !types.contains_key(first), "{name}");
        }
    }
}

#[test]
fn invalid_rosters_are_told_what_where_and_what_to_do() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, path) in corpus("invalid") {
        let Err(refused) = source::load(&path) else { panic!("{name} was not refused") };
        assert!(!refused.findings.is_empty());
        inside(&refused);
        settings.bind(|| insta::assert_snapshot!(format!("invalid__{name}"), plain(&refused)));
    }
}

#[test]
fn traps_keep_their_text() {
    let roster = source::load(Path::new("tests/rosters/valid/traps.yaml")).unwrap();
    let names: Vec<&str> = roster.tenants().keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["12", "123", "no"]);
    let no = &roster.tenants()["no"].value;
    let namespaces: Vec<String> = no.namespaces.iter().map(ToString::to_string).collect();
    assert_eq!(namespaces, ["012", "1e3", "off", "0x1f", "true"]);
    let labels: Vec<String> = no.labels.iter().map(|(key, entry)| format!("{key}={}", entry.value)).collect();
    assert_eq!(labels, ["commit=1e3", "date=2026-01-01", "octal=0644", "version=1.10", "y=n"]);

    let roster = parse_text("{apiVersion: kwo/v1, kind: Roster, tenants: {null: , true: }}").unwrap();
    assert!(roster.tenants().contains_key("null") && roster.tenants().contains_key("true"));
}

#[test]
fn the_order_of_files_does_not_matter() {
    let folder = "tests/rosters/valid/split";
    let read = |name: &str| {
        let name = format!("{folder}/{name}");
        SourceFile { text: std::fs::read_to_string(&name).unwrap(), name }
    };
    let (main, bob) = (read("roster.yaml"), read("tenants/bob.yaml"));
    let (carol, people) = (read("tenants/carol.yaml"), read("people.yaml"));
    let one = parse(Sources::new(vec![main.clone(), bob.clone(), carol.clone(), people.clone()])).unwrap();
    let two = parse(Sources::new(vec![main, people, carol, bob])).unwrap();
    let names =
        |roster: &Roster| -> Vec<String> { roster.tenants().keys().map(ToString::to_string).collect() };
    assert_eq!(names(&one), ["alice", "bob", "carol"]);
    assert_eq!(names(&one), names(&two));
    let place = |roster: &Roster| roster.sources().place(roster.tenants()["bob"].key);
    assert_eq!(place(&one), "tests/rosters/valid/split/tenants/bob.yaml:2:3");
    assert_eq!(place(&one), place(&two));
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_read() {
    let text = format!("# {}\n", "x".repeat(MAX_BYTES));
    let refused = parse_text(&text).unwrap_err();
    assert_eq!(refused.findings.len(), 1);
    assert_eq!(refused.findings[0].code, "file-too-large");
    assert!(too_large("roster.yaml", MAX_BYTES, Span::default()).is_none());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.yaml");
    std::fs::write(&path, text).unwrap();
    let refused = source::load(&path).unwrap_err();
    assert!(plain(&refused).contains("are allowed"), "{}", plain(&refused));
}

#[test]
fn what_cannot_be_read_is_located() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.yaml");
    assert!(plain(&source::load(&path).unwrap_err()).contains("cannot read"));
    std::fs::write(&path, "apiVersion: kwo/v1\nkind: Roster\ninclude: [latin.yaml]\n").unwrap();
    std::fs::write(folder.path().join("latin.yaml"), b"tenants:\n  ren\xe9: {}\n").unwrap();
    let text = plain(&source::load(&path).unwrap_err());
    assert!(
        text.contains("UTF-8") && text.contains("latin.yaml") && text.contains("roster.yaml:3:11"),
        "{text}"
    );
}

#[test]
fn of_many_mistakes_the_first_are_told_and_the_rest_counted() {
    let many = 10_000;
    for (text, code, count) in [
        ("a: 1\n".repeat(many), "duplicate-key", many - 1),
        ((0..many).map(|n| format!("a{n}: 1\n")).collect(), "unknown-field", many),
        (
            format!("tenants:\n{}", (0..many).map(|n| format!("  a{n}: {{tier: x}}\n")).collect::<String>()),
            "unknown-tier",
            many,
        ),
        (
            format!("tenants:\n{}", (0..many).map(|n| format!("  A{n}:\n")).collect::<String>()),
            "bad-name",
            many,
        ),
        (
            format!("tenants: {{a: {{domains: [{}]}}}}\n", "a.b, ".repeat(many)),
            "host-claimed-twice",
            many - 1,
        ),
        (format!("include: [{}]\n", "/a, ".repeat(many)), "bad-include", many),
    ] {
        let refused = parse_text(&format!("apiVersion: kwo/v1\nkind: Roster\n{text}")).unwrap_err();
        assert_eq!(refused.findings.len(), MAX_FINDINGS, "{code}");
        assert!(refused.count() >= count, "{code}: {}", refused.count());
        assert!(refused.findings.iter().any(|finding| finding.code == code), "{:?}", refused.findings[0]);
        inside(&refused);
        let said = plain(&refused);
        // An excerpt is a few lines, whatever stands around it.
        assert!(said.len() < MAX_FINDINGS * 1_200, "{code}: {} bytes", said.len());
        assert!(said.contains(&format!("… and {} more", refused.more)), "{code}");
        assert_eq!(as_json(&refused)["more"], refused.more);
    }
}

#[test]
fn a_line_without_end_is_not_shown() {
    let text = format!("apiVersion: kwo/v1\nkind: Roster\ntenants: {{{}}}\n", "aB: , ".repeat(100_000));
    let refused = parse_text(&text).unwrap_err();
    assert!(plain(&refused).len() < MAX_FINDINGS * 600);
}

#[test]
fn what_a_few_lines_can_ask_for_is_bounded() {
    let names = |what: &str, many: usize| (0..many).map(|n| format!("{what}{n}, ")).collect::<String>();
    let tenants: String = (0..10_001).map(|n| format!("  a{n}:\n")).collect();
    let large = |people: usize| {
        let tenant = |n| {
            let own = |what: &str, many| (0..many).map(|m| format!("{what}{n}x{m}, ")).collect::<String>();
            format!(
                "  a{n}: {{namespaces: [{}], owners: [{}]}}\n",
                own("n", 1_000 / people),
                own("p", people)
            )
        };
        format!("tenants:\n{}", (0..51).map(tenant).collect::<String>())
    };
    for (text, said) in [
        (format!("tenants:\n{tenants}"), "10001 tenants, and 10000 are allowed"),
        (
            format!(
                "tenants:\n  a:\n    namespaces: [{}]\n    owners: [{}]\n",
                names("n", 50),
                names("p", 41)
            ),
            "`a` asks for 2050 bindings, and 2000 are allowed",
        ),
        (
            format!("tenants: {{a: {{owners: [{}]}}}}\n", names("p", 2_001)),
            "`a` asks for 2001 bindings, and 2000 are allowed",
        ),
        (large(1), "asks for over 10000 namespaces"),
        (large(10), "asks for over 50000 bindings of people"),
    ] {
        let refused = parse_text(&format!("apiVersion: kwo/v1\nkind: Roster\n{text}")).unwrap_err();
        assert!(plain(&refused).contains(said), "{}", plain(&refused));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.yaml");
    let text = format!("apiVersion: kwo/v1\nkind: Roster\ninclude: [{}]\n", names("x*", 1_001));
    std::fs::write(&path, text).unwrap();
    let refused = source::load(&path).unwrap_err();
    assert!(plain(&refused).contains("this is more than 1000 patterns"), "{}", plain(&refused));
    for n in 0..1_000 {
        std::fs::create_dir_all(folder.path().join(format!("d{n}/e/f"))).unwrap();
    }
    let wide: String = (0..100).map(|n| format!("'**/x{n}', ")).collect();
    let text = format!("apiVersion: kwo/v1\nkind: Roster\ninclude: [{wide}]\n");
    std::fs::write(&path, text).unwrap();
    let refused = source::load(&path).unwrap_err();
    assert!(plain(&refused).contains("over 100000 files and folders to look at"), "{}", plain(&refused));
}

/// Every place that a finding names lies in its file, and line, column and bytes agree.
fn inside(refused: &Refused) {
    let Refused { sources, findings, more: _ } = refused;
    for finding in findings {
        let Finding { at, code, message, label: _, also, hint: _, conceals: _ } = finding;
        assert!(!message.is_empty());
        for span in std::iter::once(at).chain(also.iter().map(|(at, _)| at)) {
            let text = &sources.file(*span).unwrap().text;
            let (start, end) = (span.start as usize, span.end as usize);
            assert!(start <= end && text.get(start..end).is_some(), "{code}: {span:?}");
            let before = text[..start].trim_start_matches('\u{feff}');
            let line = before.matches('\n').count() + 1;
            let column = before[before.rfind('\n').map_or(0, |newline| newline + 1)..].chars().count() + 1;
            assert_eq!(
                (span.line as usize, span.column as usize),
                (line, column),
                "{code} {message}: {span:?} in {text:?}"
            );
        }
    }
}

fn survives(text: &str) {
    if let Err(refused) = parse_text(text) {
        assert!(!refused.findings.is_empty());
        inside(&refused);
        assert!(!diagnostic::text(&refused).is_empty());
        assert!(as_json(&refused).is_object());
    }
}

static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let rosters = valid().into_iter().chain(corpus("invalid"));
    rosters.map(|(_, path)| std::fs::read_to_string(path).unwrap()).collect()
});

/// Pieces that mean something to YAML or to a roster.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "tenants:",
        "tiers:",
        "alice: ",
        "quota: ",
        "namespaces: ",
        "owners: ",
        "  ",
        "    ",
        "\n",
        "\n  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "\"",
        "'",
        "#",
        " # ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "!",
        "|\n",
        ">-\n",
        "? ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "\r",
        "\r\n",
        "\u{feff}",
        "\u{0}",
        "\u{202e}",
        "\u{85}",
        "\u{2028}",
        "ä",
        "🦀",
        "~",
        "null",
        "4Gi",
        "-1",
        "1e999",
        "\\x00",
        "\\uD800",
        "group:",
        "*.a.b",
        "kind: Roster\n",
        "apiVersion: kwo/v1\n",
    ]);
    prop_oneof![known.prop_map(str::to_owned), "\\PC{0,4}", ".{0,3}"]
}

/// A value that has no business where it is put.
fn intruder() -> impl Strategy<Value = Value> {
    let single = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(70000),
        json!(""),
        json!("x"),
        json!("X Y"),
        json!("4Gi"),
        json!("-4Gi"),
        json!("no"),
        json!("true"),
        json!("null"),
        json!("owner"),
        json!("a/b"),
        json!("*.x.y"),
        json!("10.0.0.0/8"),
        json!("ä"),
        json!("a".repeat(400)),
        json!([]),
        json!({}),
    ]);
    single.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Changes one place: another value, one field less, or one name changed.
fn mutate(document: &mut Value, pick: prop::sample::Index, how: u8, intruder: Value, name: &str) {
    let mut places = Vec::new();
    testkit::drawn::places(document, "", &mut places);
    let Some(place) = document.pointer_mut(&places[pick.index(places.len())]) else { return };
    match (how % 3, place) {
        (1, Value::Object(map)) if !map.is_empty() => {
            let key = map.keys().nth(pick.index(map.len())).cloned().unwrap_or_default();
            map.remove(&key);
        }
        (2, Value::Object(map)) => {
            map.insert(name.to_owned(), intruder);
        }
        (_, place) => *place = intruder,
    }
}

#[test]
fn a_word_that_yaml_takes_for_something_else_names_a_secret_in_both() {
    let whole = std::fs::read_to_string("tests/rosters/valid/all-fields.yaml").unwrap();
    assert!(whole.contains("key: {env: TSIG}"));
    for reference in ["env: true", "credential: 12", "age: 1.5", "env: 12", "file: true", "generate: true"] {
        let text = whole.replace("key: {env: TSIG}", &format!("key: {{{reference}}}"));
        let taken = parse_text(&text).is_ok();
        assert!(!taken || schema_accepts(&as_editor(&text).unwrap()), "{reference}");
        assert_eq!(taken, matches!(reference, "env: true" | "credential: 12" | "age: 1.5"), "{reference}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(pieces in prop::collection::vec(piece(), 0..40)) {
        survives(&pieces.concat());
    }

    #[test]
    fn what_the_schema_refuses_the_parser_refuses(
        file in prop::sample::select(&**TEXTS),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), intruder(), "[a-zA-Z~/-]{1,6}"), 0..3),
    ) {
        let Ok(mut document) = as_editor(&file) else { return Ok(()) };
        for (pick, how, intruder, name) in changes {
            mutate(&mut document, pick, how, intruder, &name);
        }
        let text = document.to_string();
        let accepted = as_editor(&text).map_or(true, |value| schema_accepts(&value));
        prop_assert!(accepted || parse_text(&text).is_err(), "the parser takes what the schema refuses: {text}");
    }
}
