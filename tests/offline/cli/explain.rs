//! `kwo explain`: whatever a person may have at hand names what is explained, and an unknown word names the nearest.

use crate::cli::{snapshot, transcript};

const ROSTER: &str = "apiVersion: kwo/v1
kind: Roster
include: [tenants/*.yaml]
tenants:
  alice:
    namespaces: [alice-prod, alice-dev]
    owners: [alice@example.com, 'group:ops']
    quota: {pods: 10}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tenants")).unwrap();
    std::fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    let bob = "tenants:\n  bob:\n    owners: [bob@example.com]\n";
    std::fs::write(folder.path().join("tenants/bob.yaml"), bob).unwrap();
    folder
}

#[test]
fn a_person_a_line_and_what_is_unknown_read_as_written() {
    let folder = folder();
    let mut text = String::new();
    for word in [
        "alice@example.com",
        "roster.yaml:8",
        "tenants/bob.yaml:3:13",
        "roster.yaml:4",
        "roster.yaml:99",
        "nothing.yaml:3",
        "alcie",
        "alice-prd",
        "bob@exmaple.com",
        "something-else",
        "kube:Namespace/alcie-dev",
        "kube:Nonsense",
        "person:nobody",
    ] {
        text.push_str(&transcript(folder.path(), &["explain", word]));
        text.push('\n');
    }
    snapshot("explain", &text);
}

/// Who has a line from a message need not name the roster again.
#[test]
fn the_file_of_a_line_is_the_roster_where_no_other_one_has_it() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("other.yaml"), ROSTER.replace("alice", "carol")).unwrap();
    let said = |inside: &str, words: &[&str]| transcript(&path.join(inside), &[&["explain"], words].concat());
    for (inside, words) in [
        ("", &["other.yaml:6"][..]),
        ("", &["-f", "other.yaml", "other.yaml:6"]),
        ("", &["-f", "other.yaml", ":6"]),
        ("tenants", &["../other.yaml:6"]),
        ("tenants", &["-f", "../other.yaml", "../other.yaml:6:5"]),
    ] {
        let text = said(inside, words);
        assert!(
            text.contains("kube:Namespace/carol-prod\n") && text.contains("exit 0 "),
            "{words:?}: {text}"
        );
    }
    // A part of the roster is no roster of its own.
    assert!(said("", &["tenants/bob.yaml:2"]).contains("kube:Namespace/bob\n"));
    assert!(said("", &["./roster.yaml:6"]).contains("kube:Namespace/alice-prod\n"));
    let named = said("", &["-f", "other.yaml", "roster.yaml:6"]);
    assert!(named.contains("the roster has no file roster.yaml") && named.contains("exit 1 "), "{named}");
    assert!(said("tenants", &["missing.yaml:6"]).contains("cannot read roster.yaml"));
}

#[test]
fn each_kind_of_word_finds_its_own() {
    let folder = folder();
    let ids = |word: &str| -> Vec<String> {
        let said = transcript(folder.path(), &["explain", word, "-o", "json"]);
        let (_, rest) = said.split_once('\n').unwrap();
        let json = rest.split("---- stderr").next().unwrap();
        let value: serde_json::Value =
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{word}: {error}: {said}"));
        let objects = value["objects"].as_array().unwrap();
        objects.iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = |ids: &[String], part: &str| !ids.is_empty() && ids.iter().all(|id| id.contains(part));
    let tenant = ids("alice");
    assert!(
        tenant.iter().any(|id| id.contains("alice-prod")) && tenant.iter().any(|id| id.contains("alice-dev"))
    );
    assert_eq!(tenant, ids("tenant:alice"));
    let space = ids("alice-prod");
    assert!(
        all(&space, "alice-prod") && space.contains(&"kube:Namespace/alice-prod".to_owned()),
        "{space:?}"
    );
    assert!(all(&ids("namespace:bob"), "bob"));
    let person = ids("alice@example.com");
    assert!(all(&person, "Binding"), "{person:?}");
    assert_eq!(person, ids("person:alice"), "the part before the @ is enough");
    assert_eq!(ids("group:ops").len(), person.len());
    assert_eq!(ids("kube:Namespace/bob"), ["kube:Namespace/bob"]);
    let line = ids("roster.yaml:8");
    assert!(all(&line, "ResourceQuota"), "{line:?}");
    assert_eq!(line, ids(":8"));
    assert_eq!(line, ids("./roster.yaml:8:12"));
}
