//! What `deploy/` has from elsewhere is as it is there: the rights that `kwo rbac` prints, the settings that kwo reads, the
//! version.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const CHART: &str = "deploy/helm/kwo";

/// Settings that lead a pod to its node or to another cluster, or that the chart sets itself.
const NOT_IN_A_POD: [&str; 5] = ["apiVersion", "backups", "kind", "metrics", "state"];

/// The text of a file, which is this one; written again where that is asked for.
#[track_caller]
fn holds(path: &str, text: &str) {
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        fs::write(path, text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap();
    assert!(
        found == text,
        "{path} is behind: `INSTA_UPDATE=always cargo test --test offline` writes it again"
    );
}

#[test]
fn the_rights_in_a_cluster_are_those_that_kwo_prints() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    let ran = command.env_clear().args(["rbac", "--for", "sync", "examples/smallest.yaml"]).output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(printed.contains("kind: ClusterRole\n"), "{printed}");
    holds("deploy/kustomize/rights.yaml", &printed);
    holds(&format!("{CHART}/files/rights.yaml"), &printed);
}

#[test]
fn a_chart_takes_the_settings_that_kwo_reads() {
    let read = |path: &str| -> Value { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
    let settings = read("schema/settings.schema.json");
    let path = format!("{CHART}/values.schema.json");
    let mut schema = read(&path);
    let mut properties = settings["properties"].clone();
    for name in NOT_IN_A_POD {
        assert!(properties.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    // A pod has neither a node's files nor a kubeconfig.
    let target = properties["target"].take();
    properties["target"] = json!({"allOf": [target, {"propertyNames": {"enum": ["ageIdentity"]}}], "description": "The key of age files."});
    schema["definitions"] = settings["definitions"].clone();
    schema["properties"]["settings"] = json!({
        "additionalProperties": false,
        "properties": properties,
        "required": ["repository"],
        "type": "object",
    });
    holds(&path, &(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
}

#[test]
fn what_is_deployed_is_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = fs::read_to_string(Path::new(CHART).join("Chart.yaml")).unwrap();
    for line in ["version", "appVersion"] {
        assert!(chart.contains(&format!("\n{line}: {version}\n")), "{line} in {chart}");
    }
    let kustomization = fs::read_to_string("deploy/kustomize/kustomization.yaml").unwrap();
    assert!(kustomization.contains(&format!("newTag: {version}\n")), "{kustomization}");
}
