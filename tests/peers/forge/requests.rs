//! `kwo ci` on a request: one comment that follows the plan, and nothing for a fork but a check.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::forge::project::{Project, roster};

const MARKER: &str = "<!-- kwo ci: roster.yaml -->";

/// What `kwo ci` says with this roster and these variables.
fn ci(project: &Project, folder: &Path, tenants: &str, variables: &[(&str, &str)]) -> String {
    std::fs::write(folder.join("roster.yaml"), roster(tenants)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kwo"))
        .args(["ci", "--target=dir:sandbox"])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("SSL_CERT_FILE", &project.gitea.ca)
        .env("CI", "true")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains(&project.token), "{said}");
    said
}

/// What Gitea's runner sets for a request.
pub(crate) fn actions<'a>(project: &'a Project, api: &'a str, event: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("GITHUB_ACTIONS", "true"),
        ("GITEA_ACTIONS", "true"),
        ("GITHUB_API_URL", api),
        ("GITHUB_REPOSITORY", "alice/cluster"),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_EVENT_PATH", event),
        ("GITHUB_REF", "refs/pull/1/head"),
        ("GITHUB_TOKEN", &project.token),
    ]
}

/// What Woodpecker sets for a request.
pub(crate) fn woodpecker<'a>(project: &'a Project, url: &'a str, number: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("CI", "woodpecker"),
        ("CI_REPO", "alice/cluster"),
        ("CI_REPO_DEFAULT_BRANCH", "main"),
        ("CI_FORGE_TYPE", "gitea"),
        ("CI_FORGE_URL", url),
        ("CI_PIPELINE_EVENT", "pull_request"),
        ("CI_COMMIT_BRANCH", "main"),
        ("CI_COMMIT_PULL_REQUEST", number),
        ("GITEA_TOKEN", &project.token),
    ]
}

/// The event as the forge tells it to its runner.
pub(crate) fn event(project: &Project, folder: &Path, request: &Value) -> String {
    let event = json!({"action": "opened", "number": request["number"], "pull_request": request,
        "repository": project.look("")});
    let path = folder.join("event.json");
    std::fs::write(&path, event.to_string()).unwrap();
    path.display().to_string()
}

fn comments(project: &Project, number: u64) -> Vec<String> {
    let all = project.look(&format!("/issues/{number}/comments"));
    all.as_array().unwrap().iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_request_has_one_comment_that_follows_it() {
    let Some(project) = Project::new("{alice: {}}") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    project.commit("{alice: {}, bob: {}}", Some("change"));
    let (number, request) = project.request(&project.token, "change");
    let (api, event) = (project.gitea.api(), event(&project, folder, &request));
    let variables = actions(&project, &api, &event);
    // Others talk there too.
    for text in ["Is that so?", "It is."] {
        project.own("POST", &format!("/issues/{number}/comments"), &json!({"body": text}));
    }
    let run = |tenants: &str| ci(&project, folder, tenants, &variables);
    assert!(run("{alice: {}, bob: {}}").contains("kwo wrote a comment with this on the request"));
    assert!(run("{alice: {}, bob: {}}").contains("says this already"));
    assert!(run("{alice: {}, bob: {}, carol: {}}").contains("kwo changed its comment on the request"));
    let all = comments(&project, number);
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all[2].starts_with(MARKER) && all[2].contains("kube:Namespace/carol"), "{}", all[2]);

    // Woodpecker says less of a request, and the forge is asked for the rest.
    let (url, number) = (format!("https://{}", project.gitea.address), number.to_string());
    let said = ci(&project, folder, "{alice: {}}", &woodpecker(&project, &url, &number));
    assert!(said.contains("kwo changed its comment on the request"), "{said}");
}

#[test]
fn a_fork_is_known_for_one() {
    let Some(project) = Project::new("{alice: {}}") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (mallory, head) = project.fork("mallory", "{mallory: {}}");
    let (number, request) = project.request(&mallory, &head);
    let (api, event) = (project.gitea.api(), event(&project, folder, &request));
    let said = ci(&project, folder, "{mallory: {}}", &actions(&project, &api, &event));
    assert!(said.contains("the request comes from a fork (mallory/cluster"), "{said}");

    let (url, request) = (format!("https://{}", project.gitea.address), number.to_string());
    let said = ci(&project, folder, "{mallory: {}}", &woodpecker(&project, &url, &request));
    assert!(said.contains("the request comes from a fork (mallory/cluster"), "{said}");
    assert!(comments(&project, number).is_empty() && !folder.join("sandbox").exists());
}
