//! Texts made to act where they are shown, put into every field of a plan and of a history entry that a stranger can
//! write, one after the other: whatever shows them, none acts.

use std::path::Path;
use std::sync::Arc;

use kwo::journal::lines;
use kwo::pipeline::{code_quality, findings, holds, workflow_command};
use kwo::report::plan::{Detail, Show, text};
use kwo::report::printed::Report as _;
use kwo::report::validation::Judged;
use kwo::report::{diagnostic, history, hits, markdown, plain};
use kwo_engine::history::Entry;
use kwo_planner::domains::parse;
use kwo_planner::hits::Hits;
use kwo_planner::plain::{acts, json as json_text};
use kwo_planner::plan::Plan;

use kwo_planner::roster::{SourceFile, Sources};
use serde_json::{Value, json};

/// What each of them begins a line with, were it to get one of its own.
pub(crate) const LURE: &str = "all is well";

pub(crate) const PAYLOADS: &[&str] = &[
    "x\n::error::all is well",
    "x\r\n  ::set-env name=PATH::all is well",
    "x\u{b}::stop-commands::all is well",
    "##[add-mask]all is well",
    "x\nall is well",
    "x\r\u{1b}[2Kall is well",
    "\u{1b}]0;all is well\u{7}",
    "\u{1b}[8mhidden\u{1b}[0m",
    "\u{9b}2J\u{90}all is well\u{9c}",
    "\u{202e}llew si lla\u{2066}",
    "a\u{200b}b\u{feff}c\u{ad}d\u{e0041}",
    "x\u{2028}all is well\u{85}all is well",
    "```\n</details>\n# all is well @everyone <img src=x> ![](https://evil.example/x)",
    "<!-- kwo ci: roster.yaml -->\n@admins",
    "````````````\n| a | b |\n[all is well](javascript:x)",
    "$(reboot)`reboot`;'reboot' && \"reboot\"\nreboot",
    "x\nPRIORITY=0\nMESSAGE=all is well",
    "x\"} 1\nkwo_outcome{outcome=\"all is well\"} 1",
];

/// Nothing acts, and no line is the stranger's own.
#[track_caller]
fn quiet(payload: &str, shown: &str) {
    let seen = anstream::adapter::strip_str(shown).to_string();
    assert!(!seen.contains(|char| acts(char) && !matches!(char, '\n' | '\t')), "{payload:?}: {seen:?}");
    for line in seen.lines() {
        let line = line.trim_start();
        let own = line.starts_with("::")
            || line.contains("##[")
            || line.starts_with(LURE)
            || line.starts_with("reboot");
        assert!(
            !own && !line.starts_with("PRIORITY=") && !line.starts_with("MESSAGE="),
            "{payload:?}: {seen}"
        );
    }
}

/// Everything outside of code blocks is kwo's own.
#[track_caller]
pub(crate) fn fenced(payload: &str, markdown: &str) {
    let (mut fence, mut outside) = (None::<String>, String::new());
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|char| *char == '`').collect();
        match &fence {
            None if ticks.len() >= 3 => fence = Some(ticks),
            Some(open) if ticks.len() >= open.len() && line.trim_end() == ticks => fence = None,
            None => outside += &format!("{line}\n"),
            Some(_) => {}
        }
    }
    assert!(fence.is_none(), "{payload:?}: {markdown}");
    for bad in ["@", "<img", "<!--", "](", "reboot", LURE, "| a |"] {
        assert!(!outside.contains(bad), "{payload:?}: {outside}");
    }
}

/// The same document with each of its texts, names of fields among them, replaced by the payload in turn.
pub(crate) fn each(document: &Value, payload: &str) -> Vec<Value> {
    fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(here.to_owned()),
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(at, item)| pointers(item, &format!("{here}/{at}"), found));
            }
            Value::Object(map) => map.iter().for_each(|(key, item)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(item, &format!("{here}/{key}"), found);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    pointers(document, "", &mut found);
    let with = |pointer: &String| {
        let mut changed = document.clone();
        let place = changed.pointer_mut(pointer)?;
        // What stands before it is often what makes it one of its kind: `kube:Role/a/`, `roster.yaml:3:5`.
        let kept = match place.as_str().and_then(|text| text.rfind('/')) {
            Some(at) if pointer.ends_with("/id") => place.as_str().map(|text| text[..=at].to_owned()),
            _ => None,
        };
        *place = Value::from(format!("{}{payload}", kept.unwrap_or_default()));
        Some(changed)
    };
    found.iter().filter_map(with).collect()
}

#[test]
fn a_plan_acts_on_nobody() {
    let because = json!({"place": "roster.yaml:3:5", "line": "alice: {}"});
    let id = "kube:RoleBinding/alice/alice-admin";
    let body = json!({"metadata": {"name": "x", "labels": {"kwo.dev/tenant": "alice"}},
        "roleRef": {"kind": "ClusterRole", "name": "admin"}, "subjects": [{"kind": "User", "name": "alice"}]});
    let made = kwo_planner::plan::plan(
        &kwo_planner::domains::compile(
            &parse(Sources::new(vec![SourceFile {
                name: "roster.yaml".to_owned(),
                text: "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {owners: [alice@example.com]}}\n"
                    .to_owned(),
            }]))
            .unwrap(),
        )
        .unwrap(),
        &kwo_planner::observed::Observed::default(),
        &kwo_planner::plan::Adopt::Nothing,
        kwo_planner::plan::Provenance::default(),
    );
    let mut plan = serde_json::to_value(&made).unwrap();
    let held = plan["held"].as_array().unwrap().iter().take(2).cloned().collect::<Vec<_>>();
    assert!(!held.is_empty(), "nothing is held where nothing was seen");
    plan["held"] = Value::from(held);
    plan["leftovers"] = json!([{"id": id, "pointer": "/subjects/0", "value": {"name": "bob"}, "tenant": "alice",
        "grants": "bob is admin of alice", "command": "kubectl delete rolebinding x"}]);
    plan["foreign_access"] = json!([{"id": id, "tenant": "alice", "who": "bob", "role": "ClusterRole/admin",
        "grants": "bob is admin of alice", "command": "kubectl describe rolebinding x"}]);
    plan["unseen_access"] = json!(["list rolebindings was refused: no"]);
    plan["provenance"]["roster"] = json!("roster.yaml");
    let mut step = serde_json::to_value(&*all_steps()[0]).unwrap();
    step["id"] = json!(id);
    step["wanted"] = body;
    step["because"] = because;
    plan["steps"] = json!([step]);
    let mut tried = 0;
    for payload in PAYLOADS {
        for changed in each(&plan, payload) {
            let Ok(plan) = serde_json::from_value::<Plan>(changed) else { continue };
            tried += 1;
            let alice = ["alice".to_owned()];
            let shows =
                [(Show::Fitting, &[][..]), (Show::Summary, &[]), (Show::Full, &[]), (Show::Summary, &alice)];
            for detail in shows.map(|(show, tenants)| Detail { show, tenants }) {
                let shown = text(&plan, detail);
                quiet(payload, &plain::text(&shown));
                let page = markdown::markdown(&plan, (None, None, None), detail);
                quiet(payload, &plain::text(&page));
                fenced(payload, &page);
            }
            for note in holds(&plan) {
                quiet(payload, workflow_command(&note).strip_prefix("::").unwrap());
            }
            let report = code_quality(&holds(&plan)).to_string();
            assert!(
                serde_json::from_str::<Value>(&json_text(&report)).unwrap()
                    == serde_json::from_str::<Value>(&report).unwrap()
            );
            quiet(payload, &json_text(&report));
            quiet(payload, &json_text(&serde_json::to_string_pretty(&plan).unwrap()));
        }
    }
    assert!(tried > PAYLOADS.len() * 12, "{tried} plans could be read");
}

#[test]
fn what_is_hit_acts_on_nobody() {
    let hits = json!({"hit": [{"namespace": "alice", "tenant": "alice", "by": "kube:Namespace/alice", "kind": "Pod",
        "why": "it has ended", "objects": [{"name": "web", "what": "nginx"}], "more": 2}],
        "unseen": [{"what": "Service", "why": "list services: refused: no"}]});
    let mut tried = 0;
    for payload in PAYLOADS {
        for changed in each(&hits, payload) {
            let Ok(hits) = serde_json::from_value::<Hits>(changed) else { continue };
            tried += 1;
            quiet(payload, &plain::text(&hits::text(Some(&hits), &[])));
            let page = markdown::markdown(&empty(), (Some(&hits), None, None), Detail::default());
            quiet(payload, &plain::text(&page));
            fenced(payload, &page);
            quiet(payload, &json_text(&serde_json::to_string_pretty(&hits).unwrap()));
        }
    }
    assert!(tried >= PAYLOADS.len() * 7, "{tried} could be read");
}

/// A plan with nothing in it.
fn empty() -> Plan {
    kwo_planner::plan::plan(
        &kwo_planner::resource::Desired::default(),
        &kwo_planner::observed::Observed::default(),
        &kwo_planner::plan::Adopt::Nothing,
        kwo_planner::plan::Provenance::default(),
    )
}

/// The steps of a first plan.
fn all_steps() -> Vec<Arc<kwo_planner::change::Step>> {
    let roster = parse(Sources::new(vec![SourceFile {
        name: "roster.yaml".to_owned(),
        text: "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {}}\n".to_owned(),
    }]))
    .unwrap();
    let desired = kwo_planner::domains::compile(&roster).unwrap();
    let absent = |resource: &kwo_planner::resource::Resource| {
        (resource.id.clone(), kwo_planner::observed::Sighting::Absent)
    };
    let observed = desired.resources().iter().map(absent).collect();
    let adopt = kwo_planner::plan::Adopt::Nothing;
    kwo_planner::plan::plan(&desired, &observed, &adopt, kwo_planner::plan::Provenance::default()).steps
}

#[test]
fn a_history_entry_acts_on_nobody() {
    let commit = json!({"id": "0123456789abcdef", "author": "Al <a@example.com>", "when": "2026-01-01T00:00:00Z", "subject": "Add bob"});
    let entry = json!({
        "format_version": "1.0", "number": 3, "previous": "", "began": "2026-01-01T00:00:00Z", "took_ms": 5,
        "host": "node", "target": "https://10.0.0.1", "commit": commit, "refused": commit, "roster_digest": "a",
        "plan_digest": "b", "outcome": "failed", "problems": [{"kind": "step", "text": "no", "hint": "do"}],
        "steps": [{"id": "kube:Role/a/b", "tenant": "a", "action": "created", "outcome": "refused", "why": "no", "took_ms": 1}],
        "held": [{"id": "kube:Role/a/b", "tenant": "a", "why": "x"}],
        "drift": [{"id": "kube:Role/a/b", "tenant": "a", "what": "y"}], "leftovers": 1, "unchanged": 2,
        "foreign_access": [{"id": "kube:RoleBinding/a/b", "tenant": "a", "what": "b is admin of a", "command": "kubectl describe x"}],
        "unseen_access": ["list rolebindings was refused: no"],
    });
    serde_json::from_value::<Entry>(entry.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for payload in PAYLOADS {
        for changed in each(&entry, payload) {
            let Ok(entry) = serde_json::from_value::<Entry>(changed) else { continue };
            for line in lines(&entry, None) {
                assert_eq!(line.text.lines().count().max(1), 1, "{payload:?}: {:?}", line.text);
                quiet(payload, &plain::text(&line.text));
            }
            quiet(payload, &plain::text(&history::show(&entry)));
            quiet(payload, &plain::text(&history::list(std::slice::from_ref(&entry))));
            let file = folder.path().join("kwo.prom");
            kwo_engine::metrics::write(&file, &entry, None, None).unwrap();
            let figures = std::fs::read_to_string(file).unwrap();
            assert!(
                !figures.lines().any(|line| line.starts_with("kwo_outcome{outcome=\"all is well")),
                "{figures}"
            );
        }
    }
}

#[test]
fn what_cert_manager_repeats_of_a_certificate_authority_acts_on_nobody() {
    let (id, now) =
        ("kube:Certificate/a/kwo-domains".parse().unwrap(), "2026-01-01T00:00:00Z".parse().unwrap());
    let object = json!({"status": {"lastFailureTime": "2026-01-01T00:00:00Z", "conditions": [
        {"type": "Issuing", "status": "False", "reason": "Failed", "message": "no"}]}});
    for payload in PAYLOADS {
        for changed in each(&object, payload) {
            let object = serde_json::from_value(changed).unwrap();
            let issued = kwo_engine::issued::Issued::of(&id, &object, None, now);
            let why = issued.why.unwrap_or_default();
            assert!(why.lines().count() <= 1, "{payload:?}: {why:?}");
            quiet(payload, &plain::text(&why));
        }
    }
}

#[test]
fn a_roster_and_the_names_of_its_files_act_on_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for payload in PAYLOADS {
        let quoted = serde_json::to_string(payload).unwrap();
        for text in [
            format!("{payload}: 1\n"),
            format!("tenants:\n  {payload}:\n"),
            format!("tenants:\n  {quoted}: {{tier: {quoted}}}\n"),
            format!(
                "tenants: {{a: {{owners: [{quoted}], domains: [{quoted}], labels: {{{quoted}: {quoted}}}}}}}\n"
            ),
            format!("include: [{quoted}]\n"),
            format!("x: !{payload} y\n*{payload}: &{payload} z\n"),
            format!("\"{payload}"),
        ] {
            let path = folder.path().join("roster.yaml");
            std::fs::write(&path, format!("apiVersion: kwo/v1\nkind: Roster\n{text}")).unwrap();
            refused(payload, &path);
        }
        let name = payload.replace('/', "_");
        let path = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, "tenants: [\n").unwrap();
        refused(payload, &path);
        std::fs::write(
            folder.path().join("roster.yaml"),
            "apiVersion: kwo/v1\nkind: Roster\ninclude: ['*.yaml']\n",
        )
        .unwrap();
        refused(payload, &folder.path().join("roster.yaml"));
        std::fs::remove_file(path).unwrap();
    }
}

fn refused(payload: &str, path: &Path) {
    // A comment may say anything.
    let Err(refused) = kwo_engine::source::load(path) else { return };
    let shown = diagnostic::text(&refused);
    // An excerpt shows lines of the roster as they are, behind the number of the line.
    quiet(payload, &plain::text(&shown));
    for note in findings(&refused) {
        let command = workflow_command(&note);
        assert_eq!(command.lines().count(), 1, "{payload:?}: {command}");
        quiet(payload, command.strip_prefix("::").unwrap());
    }
    fenced(payload, &markdown::failed("the roster is not valid", &shown));
    quiet(
        payload,
        &json_text(
            &serde_json::to_value(Judged { called: "roster.yaml", found: Err(&refused) }.called())
                .unwrap()
                .to_string(),
        ),
    );
}
