//! A checkout of the repository in which a step of a pipeline runs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::pipeline::forge::{Forge, Kind, REQUEST, TOKEN};

/// A system that runs pipelines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum System {
    Woodpecker,
    GitHub,
    Forgejo,
    GitLab,
}

pub(crate) const SYSTEMS: [(System, Kind); 6] = [
    (System::Woodpecker, Kind::Forgejo),
    (System::Woodpecker, Kind::GitHub),
    (System::Woodpecker, Kind::GitLab),
    (System::GitHub, Kind::GitHub),
    (System::Forgejo, Kind::Forgejo),
    (System::GitLab, Kind::GitLab),
];

pub(crate) struct Stage {
    folder: tempfile::TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    pub(crate) fn new(tenants: &str) -> Stage {
        let stage = Stage { folder: tempfile::tempdir().unwrap() };
        stage.write(tenants);
        stage
    }

    pub(crate) fn write(&self, tenants: &str) {
        let text = format!("apiVersion: kwo/v1\nkind: Roster\n{tenants}");
        std::fs::write(self.path("roster.yaml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The environment of a request from this repository.
    pub(crate) fn request(&self, system: System, forge: &Forge, source: &str) -> Vec<(String, String)> {
        let number = REQUEST.to_string();
        let payload = json!({"action": "opened", "number": REQUEST, "repository": {"default_branch": "main"},
            "pull_request": {"number": REQUEST, "head": {"repo": {"full_name": source}},
                "base": {"repo": {"full_name": "group/rosters"}}}});
        std::fs::write(self.path("event.json"), payload.to_string()).unwrap();
        let mut all = self.anywhere(system, forge);
        let more: &[(&str, &str)] = match system {
            System::Woodpecker => &[
                ("CI_PIPELINE_EVENT", "pull_request"),
                ("CI_COMMIT_BRANCH", "main"),
                ("CI_COMMIT_PULL_REQUEST", &number),
            ],
            System::GitHub | System::Forgejo => {
                &[("GITHUB_EVENT_NAME", "pull_request"), ("GITHUB_REF", "refs/pull/7/merge")]
            }
            System::GitLab => &[
                ("CI_PIPELINE_SOURCE", "merge_request_event"),
                ("CI_MERGE_REQUEST_IID", &number),
                ("CI_MERGE_REQUEST_PROJECT_ID", "51"),
                ("CI_MERGE_REQUEST_PROJECT_PATH", "group/rosters"),
                ("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", source),
            ],
        };
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all
    }

    /// The environment of a push to this branch.
    pub(crate) fn push(&self, system: System, forge: &Forge, branch: &str) -> Vec<(String, String)> {
        let payload = json!({"repository": {"default_branch": "main"}});
        std::fs::write(self.path("event.json"), payload.to_string()).unwrap();
        let mut all = self.anywhere(system, forge);
        let reference = format!("refs/heads/{branch}");
        let more: &[(&str, &str)] = match system {
            System::Woodpecker => &[("CI_PIPELINE_EVENT", "push"), ("CI_COMMIT_BRANCH", branch)],
            System::GitHub | System::Forgejo => &[("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", &reference)],
            System::GitLab => &[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", branch)],
        };
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all
    }

    /// What a system sets in every pipeline, and the token that it is given.
    fn anywhere(&self, system: System, forge: &Forge) -> Vec<(String, String)> {
        let (api, event) = (forge.api(), self.path("event.json").display().to_string());
        let summary = self.path("summary.md").display().to_string();
        let (kind, token) = match forge.kind {
            Kind::GitHub => ("github", "GITHUB_TOKEN"),
            Kind::Forgejo => ("forgejo", "FORGEJO_TOKEN"),
            Kind::GitLab => ("gitlab", "GITLAB_TOKEN"),
        };
        let mut all = vec![(token, TOKEN)];
        all.extend::<Vec<(&str, &str)>>(match system {
            System::Woodpecker => vec![
                ("CI", "woodpecker"),
                ("CI_REPO", "group/rosters"),
                ("CI_REPO_DEFAULT_BRANCH", "main"),
                ("CI_FORGE_TYPE", kind),
                ("CI_FORGE_URL", &forge.url),
            ],
            System::GitHub | System::Forgejo => vec![
                ("CI", "true"),
                ("GITHUB_ACTIONS", "true"),
                (if system == System::Forgejo { "FORGEJO_ACTIONS" } else { "RUNNER_OS" }, "true"),
                ("GITHUB_API_URL", &api),
                ("GITHUB_REPOSITORY", "group/rosters"),
                ("GITHUB_EVENT_PATH", &event),
                ("GITHUB_STEP_SUMMARY", &summary),
            ],
            System::GitLab => vec![
                ("CI", "true"),
                ("GITLAB_CI", "true"),
                ("CI_API_V4_URL", &api),
                ("CI_PROJECT_ID", "51"),
                ("CI_DEFAULT_BRANCH", "main"),
            ],
        });
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Runs kwo in this environment.
    pub(crate) fn kwo(&self, args: &[&str], variables: &[(String, String)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(args).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.env("KWO_ROSTER_ID", "tests");
        let output = command.envs(variables.iter().cloned()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        };
        assert!(!format!("{ran:?}").contains(TOKEN), "the token is shown: {ran:#?}");
        ran
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// The environment with this in it as well.
pub(crate) fn and(mut variables: Vec<(String, String)>, more: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    variables
}
