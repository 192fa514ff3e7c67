//! The pipelines in `examples/pipelines`: each is a workflow of its system, and each is run. The commands for kwo are
//! taken out of them as they stand there, run as the system runs them, and the plan goes from the one job to the other.

use serde_json::Value;

use crate::pipeline::forge::{Forge, Kind};
use crate::pipeline::stage::{Stage, System, and};

/// A step of a pipeline that runs kwo: its command, and the variables that it is given.
#[derive(Debug)]
struct Step {
    command: Vec<String>,
    variables: Vec<(String, String)>,
}

const PIPELINES: [(&str, System, Kind); 4] = [
    ("woodpecker", System::Woodpecker, Kind::Forgejo),
    ("github", System::GitHub, Kind::GitHub),
    ("forgejo", System::Forgejo, Kind::Forgejo),
    ("gitlab", System::GitLab, Kind::GitLab),
];

fn pipeline(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("examples/pipelines/{name}.yaml")).unwrap();
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The step of the job of this name that runs kwo. Each system has its own place for it.
fn step(system: System, pipeline: &Value, job: &str) -> Step {
    let list = |value: &Value| value.as_array().unwrap().clone();
    match system {
        System::Woodpecker => {
            let steps = list(&pipeline["steps"]);
            let step = steps.iter().find(|step| step["name"] == job).unwrap();
            let settings = step["settings"].as_object().unwrap();
            let variable = |(name, value): (&String, &Value)| {
                // A secret is handed over as text.
                let value = value.as_str().map_or_else(|| "from a secret".to_owned(), str::to_owned);
                (format!("PLUGIN_{}", name.to_uppercase()), value)
            };
            Step {
                command: vec!["kwo".into(), "ci".into()],
                variables: settings.iter().map(variable).collect(),
            }
        }
        System::GitHub | System::Forgejo => {
            let steps = list(&pipeline["jobs"][job]["steps"]);
            let kwo = |step: &&Value| step["run"].as_str().is_some_and(|run| run.starts_with("kwo "));
            let step = steps.iter().find(kwo).unwrap();
            let variable =
                |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
            Step {
                command: words(step["run"].as_str().unwrap()),
                variables: step["env"].as_object().unwrap().iter().map(variable).collect(),
            }
        }
        System::GitLab => {
            let script = list(&pipeline[job]["script"]);
            let line = script.iter().filter_map(Value::as_str).find(|line| line.contains(" kwo ")).unwrap();
            let (before, command) = line.split_once(" kwo ").unwrap();
            let (name, value) = before.split_once('=').unwrap();
            Step {
                command: words(&format!("kwo {command}")),
                variables: vec![(name.to_owned(), value.trim_matches('"').to_owned())],
            }
        }
    }
}

fn words(line: &str) -> Vec<String> {
    assert!(!line.contains(['\'', '"', '\\', '\n']), "{line}");
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_pipeline_plans_a_request_and_applies_what_was_merged() {
    for (name, system, kind) in PIPELINES {
        let stage = Stage::new("tenants: {alice: {owners: [alice@example.com]}}\n");
        let forge = Forge::start(kind, "group/rosters");
        let pipeline = pipeline(name);
        let run = |job: &str, environment: Vec<(String, String)>| {
            let Step { command, variables } = step(system, &pipeline, job);
            // Secrets and tokens are the system's to fill in; where it is tried there is a directory for a cluster.
            let known = ["PLUGIN_PLAN_FILE", "PLUGIN_ROSTER"];
            let given: Vec<(String, String)> =
                variables.into_iter().filter(|(name, _)| known.contains(&name.as_str())).collect();
            let environment = and(environment, &[("KWO_TARGET", "dir:sandbox")]);
            let args: Vec<&str> = command.iter().skip(1).map(String::as_str).collect();
            stage.kwo(&args, &[environment, given].concat())
        };
        run("plan", stage.request(system, &forge, "group/rosters")).expect(0);
        assert!(stage.read("plan.json").contains("\"digest\""), "{name}");
        assert_eq!(forge.comments().len(), 1, "{name}");
        let ran = run("apply", stage.push(system, &forge, "main")).expect(0);
        assert!(ran.err.contains("In agreement"), "{name}: {}", ran.err);
        // What was not planned is not applied.
        stage.write("tenants: {alice: {owners: [mallory@example.com]}}\n");
        run("apply", stage.push(system, &forge, "main")).expect(3);
        // Without a plan nothing is.
        std::fs::remove_file(stage.path("plan.json")).unwrap();
        let ran = run("apply", stage.push(system, &forge, "main")).expect(1);
        assert!(ran.err.contains("there is no reviewed plan at plan.json"), "{name}: {}", ran.err);
    }
}

#[test]
fn every_variable_in_them_is_one_that_is_read() {
    let definition = kwo::cli::Cli::definition();
    let ci = definition.find_subcommand("ci").unwrap();
    let options: Vec<&str> = ci.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
    for (name, system, kind) in PIPELINES {
        let tokens = kwo::pipeline::tokens(match kind {
            Kind::GitHub => kwo_engine::forge::ForgeKind::GitHub,
            Kind::Forgejo => kwo_engine::forge::ForgeKind::Forgejo,
            Kind::GitLab => kwo_engine::forge::ForgeKind::GitLab,
        });
        let pipeline = pipeline(name);
        let mut kubeconfigs = Vec::new();
        for job in ["plan", "apply"] {
            for (variable, value) in step(system, &pipeline, job).variables {
                let setting = kwo::pipeline::SETTINGS.iter().any(|(_, setting)| *setting == variable);
                let known = options.contains(&variable.as_str())
                    || tokens.contains(&variable.as_str())
                    || variable == "KWO_KUBECONFIG_DATA"
                    || (system == System::Woodpecker && setting);
                assert!(known, "{name}: nothing reads {variable}");
                if variable.ends_with("KUBECONFIG_DATA") {
                    kubeconfigs.push((job, value));
                }
            }
        }
        assert_eq!(kubeconfigs.iter().map(|(job, _)| *job).collect::<Vec<_>>(), ["plan", "apply"], "{name}");
    }
}

#[test]
fn each_job_has_an_account_of_its_own() {
    for (name, _, _) in PIPELINES {
        let text = std::fs::read_to_string(format!("examples/pipelines/{name}.yaml")).unwrap();
        let uses = |account: &str| {
            let secret =
                |line: &str| line.contains("KWO_KUBECONFIG_DATA") || line.contains("kubeconfig_data");
            text.lines().filter(|line| secret(line) && line.to_lowercase().contains(account)).count()
        };
        assert_eq!((uses("kubeconfig_plan"), uses("kubeconfig_apply")), (1, 1), "{name}");
        assert!(text.contains("kwo rbac | kubectl apply -f -"), "{name}");
    }
    let there = std::fs::read_dir("examples/pipelines").unwrap().count();
    assert_eq!(there, PIPELINES.len(), "a pipeline that no test runs");
}
