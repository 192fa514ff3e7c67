//! The dashboard and the alerts of `examples/monitoring`, held to the metrics that there are. promtool reads their
//! queries and runs the tests of the alerts.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testkit::peers::program;

const FOLDER: &str = "examples/monitoring";

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read(&format!("{FOLDER}/dashboard.json"))).unwrap()
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&read(&format!("{FOLDER}/{name}"))).unwrap()
}

fn alerts() -> Vec<Value> {
    yaml("alerts.yaml")["groups"][0]["rules"].as_array().unwrap().clone()
}

/// The panels that show something.
fn panels() -> Vec<Value> {
    let panels = dashboard()["panels"].as_array().unwrap().clone();
    panels.into_iter().filter(|panel| panel["type"] != "row").collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The queries of the dashboard.
fn queries() -> Vec<String> {
    let targets = panels().into_iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    targets.map(|target| text(&target["expr"]).to_owned()).collect()
}

/// All words in it that are names of metrics.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
    words.filter(|word| word.starts_with("kwo_")).collect()
}

#[test]
fn dashboard_and_alerts_know_all_metrics_and_no_others() {
    // Held to the code by the tests of the metrics and of the listener.
    let manual = read("docs/reference/metrics.md");
    let rows: Vec<&str> =
        manual.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let known: BTreeSet<&str> = rows.into_iter().collect();
    assert!(known.len() > 20, "{known:?}");
    let queries = queries().join("\n");
    assert_eq!(metrics(&queries), known, "each metric has a panel");
    let rules = read(&format!("{FOLDER}/alerts.yaml"));
    let named: Vec<&str> = metrics(&rules).difference(&known).copied().collect();
    assert!(named.is_empty(), "{named:?}");
    let variables = dashboard()["templating"].to_string();
    assert!(metrics(&variables).is_subset(&known), "{variables}");
}

#[test]
fn promtool_reads_the_queries_and_runs_the_tests_of_the_alerts() {
    let Some(promtool) = program("promtool") else { return };
    let run = |folder: &Path, args: &[&str]| {
        let output = Command::new(&promtool).args(args).current_dir(folder).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    };
    let folder = Path::new(FOLDER);
    for args in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        let (well, said) = run(folder, &args);
        assert!(well, "{said}");
    }
    // The tests do look: an alert that fires at another height fails them.
    let copy = tempfile::tempdir().unwrap();
    let rules = read(&format!("{FOLDER}/alerts.yaml"));
    std::fs::write(copy.path().join("alerts.yaml"), rules.replace("kwo_fights > 0", "kwo_fights > 1"))
        .unwrap();
    std::fs::copy(folder.join("alerts.test.yaml"), copy.path().join("alerts.test.yaml")).unwrap();
    assert!(!run(copy.path(), &["test", "rules", "alerts.test.yaml"]).0);

    // Grafana puts a span and the chosen nodes in place of its variables.
    let plain = |query: &str| query.replace("$__rate_interval", "5m").replace("$instance", ".*");
    let rules: Vec<Value> =
        queries().iter().map(|query| json!({"record": "kwo:query", "expr": plain(query)})).collect();
    let numbered = rules.into_iter().enumerate().map(|(at, mut rule)| {
        rule["record"] = format!("kwo:query{at}").into();
        rule
    });
    let group = json!({"groups": [{"name": "dashboard", "rules": numbered.collect::<Vec<_>>()}]});
    std::fs::write(copy.path().join("queries.yaml"), group.to_string()).unwrap();
    let (well, said) = run(copy.path(), &["check", "rules", "queries.yaml"]);
    assert!(well, "{said}");
}

#[test]
fn each_alert_is_tested_both_ways_and_stands_in_the_manual() {
    let tests = yaml("alerts.test.yaml");
    let page = read("docs/how-to/monitoring.md");
    for alert in alerts() {
        let name = text(&alert["alert"]);
        let cases = tests["tests"].as_array().unwrap().iter().map(|test| &test["alert_rule_test"][0]);
        let fires: BTreeSet<bool> = cases
            .filter(|case| case["alertname"] == name)
            .map(|case| !case["exp_alerts"].is_null())
            .collect();
        assert_eq!(fires.len(), 2, "{name} needs a case in which it fires and one in which it does not");
        let row = format!("| `{name}` | {} | ", text(&alert["labels"]["severity"]));
        assert!(page.contains(&row), "the manual lacks: {row}");
        for field in ["summary", "description"] {
            assert!(alert["annotations"][field].is_string(), "{name} has no {field}");
        }
    }
}

#[test]
fn the_dashboard_can_be_imported_as_it_is() {
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for (x, y) in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(x < 24 && taken.insert((x, y)), "two panels at {x}:{y}, of them {}", panel["title"]);
        }
    }
    for panel in panels() {
        assert!(!text(&panel["title"]).is_empty() && text(&panel["description"]).ends_with('.'), "{panel}");
        // Of whichever Prometheus the reader chooses.
        for source in panel["targets"].as_array().unwrap().iter().chain([&panel]) {
            assert_eq!(source["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
}
