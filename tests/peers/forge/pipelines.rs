//! The pipelines in `examples/pipelines` that keep their plan on the forge: every command of theirs is run as it stands
//! there, from a request until what was merged is applied, with tokens of the scopes that they name.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::forge::project::{Project, roster};
use crate::forge::requests::{actions, event, woodpecker};

type Variables = Vec<(String, String)>;

fn pipeline(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("examples/pipelines/{name}.yaml")).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// Runs these commands in the folder of the checkout, with these variables and no other.
fn shell(project: &Project, folder: &Path, commands: &str, variables: &Variables) {
    let kwo = Path::new(env!("CARGO_BIN_EXE_kwo")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let output = Command::new("sh")
        .args(["-e", "-c", commands])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{}:{}", kwo.display(), path.display()))
        .env("HOME", folder)
        .env("SSL_CERT_FILE", &project.gitea.ca)
        .env("CURL_CA_BUNDLE", &project.gitea.ca)
        .env("KWO_TARGET", "dir:sandbox")
        .envs(variables.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{commands}\n{out}\n{errors}");
}

fn owned(variables: Vec<(&str, &str)>) -> Variables {
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The variables of a step, with the secrets filled in; those of the cluster have nothing to open here.
fn filled(variables: &Value, secrets: &BTreeMap<&str, &str>) -> Variables {
    let mut all = Variables::new();
    for (name, value) in variables.as_object().into_iter().flatten() {
        let secret = value["from_secret"].as_str().or_else(|| {
            let inner = value.as_str()?.strip_prefix("${{ ")?.strip_suffix(" }}")?;
            Some(inner.trim_start_matches("secrets."))
        });
        match secret {
            Some(secret) if secret.to_lowercase().starts_with("kubeconfig") => {}
            Some(secret) => all.push((name.clone(), secrets[secret].to_owned())),
            None => all.push((name.clone(), value.as_str().unwrap().to_owned())),
        }
    }
    all
}

#[test]
fn the_commands_of_forgejo_actions_carry_a_plan_from_the_request_to_the_merge() {
    let Some(project) = Project::new("{alice: {}}") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let packages = project.gitea.token("alice", "write:package");
    let secrets = BTreeMap::from([("PACKAGES_TOKEN", packages.as_str()), ("github.token", &project.token)]);
    let url = format!("https://{}", project.gitea.address);
    let api = project.gitea.api();
    let run = |job: &str, about: &Variables| {
        for step in pipeline("forgejo")["jobs"][job]["steps"].as_array().unwrap() {
            let Some(commands) = step["run"].as_str() else { continue };
            let mut variables = about.clone();
            variables.extend(filled(&step["env"], &secrets));
            shell(&project, folder, commands, &variables);
        }
    };
    let (number, request) = changed(&project, folder);
    let file = event(&project, folder, &request);
    let mut about = owned(actions(&project, &api, &file));
    about.retain(|(name, _)| name != "GITHUB_TOKEN");
    about.extend(owned(vec![("GITHUB_SERVER_URL", &url), ("GITHUB_REPOSITORY_OWNER", "alice")]));
    run("plan", &about);
    merged(&project, folder, number);
    let pushed = json!({"repository": project.look("")}).to_string();
    std::fs::write(&file, pushed).unwrap();
    about.extend(owned(vec![("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", "refs/heads/main")]));
    run("apply", &about);
    assert!(folder.join("sandbox/namespaces/bob").exists());
}

#[test]
fn the_commands_of_woodpecker_carry_a_plan_from_the_request_to_the_merge() {
    let Some(project) = Project::new("{alice: {}}") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let token = project.gitea.token("alice", "write:issue,read:repository,write:package");
    let secrets = BTreeMap::from([("forge_token", token.as_str())]);
    let url = format!("https://{}", project.gitea.address);
    let run = |event: &str, about: &Variables| {
        for step in pipeline("woodpecker")["steps"].as_array().unwrap() {
            if step["when"][0]["event"] != event {
                continue;
            }
            let mut variables = about.clone();
            let commands = match step["commands"].as_array() {
                Some(lines) => {
                    variables.extend(filled(&step["environment"], &secrets));
                    lines.iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
                }
                // A plug-in: the image runs `kwo ci`.
                None => {
                    let settings = filled(&step["settings"], &secrets).into_iter();
                    variables.extend(
                        settings.map(|(name, value)| (format!("PLUGIN_{}", name.to_uppercase()), value)),
                    );
                    "kwo ci".to_owned()
                }
            };
            shell(&project, folder, &commands, &variables);
        }
    };
    let (number, _) = changed(&project, folder);
    let text = number.to_string();
    let mut about = owned(woodpecker(&project, &url, &text));
    about.retain(|(name, _)| name != "GITEA_TOKEN");
    about.extend(owned(vec![("CI_REPO_OWNER", "alice")]));
    run("pull_request", &about);
    merged(&project, folder, number);
    about.extend(owned(vec![("CI_PIPELINE_EVENT", "push")]));
    run("push", &about);
    assert!(folder.join("sandbox/namespaces/bob").exists());
}

/// A request for bob, checked out.
fn changed(project: &Project, folder: &Path) -> (u64, Value) {
    project.commit("{alice: {}, bob: {}}", Some("change"));
    std::fs::write(folder.join("roster.yaml"), roster("{alice: {}, bob: {}}")).unwrap();
    project.request(&project.token, "change")
}

/// It has its comment, nothing is done yet, and the plan is on the forge and nowhere else; then it is merged.
fn merged(project: &Project, folder: &Path, number: u64) {
    let comments = project.look(&format!("/issues/{number}/comments"));
    assert!(comments[0]["body"].as_str().unwrap().contains("kube:Namespace/bob"), "{comments}");
    assert!(!folder.join("sandbox/namespaces").exists());
    std::fs::remove_file(folder.join("plan.json")).unwrap();
    project.merge(number);
}
