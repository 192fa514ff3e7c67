//! Which pipeline this is, by the variables that each system sets, and what it runs for.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;

use crate::forge::{Forge, ForgeKind, Source};

/// An environment.
pub type Variables = BTreeMap<String, String>;

/// A system that runs pipelines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum System {
    /// Woodpecker CI, with any forge.
    Woodpecker,
    /// GitHub Actions.
    GitHub,
    /// Forgejo Actions, or Gitea's.
    Forgejo,
    /// GitLab CI.
    GitLab,
}

/// What a pipeline runs for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// Somebody asks for a change to be merged.
    Request {
        /// Its number.
        number: u64,
        /// Where the change comes from; nothing where the system does not say.
        source: Option<Source>,
    },
    /// What was merged is on the default branch.
    Landed,
    /// Neither.
    Other {
        /// What it is, as half a sentence.
        what: String,
    },
}

/// A pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The system.
    pub system: System,
    /// What it runs for.
    pub event: Event,
    /// Where the repository is.
    pub forge: Forge,
}

/// The environment is that of no pipeline that kwo knows.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unknown {
    /// No system.
    #[error("this is no pipeline that kwo knows")]
    System,
    /// A variable that the system always sets is missing, or makes no sense.
    #[error("this looks like {system}, but {what}")]
    Variable {
        /// The system.
        system: &'static str,
        /// What is missing.
        what: String,
    },
}

/// Recognises the pipeline that this is the environment of. `payload` is what `GITHUB_EVENT_PATH` names, where it does.
///
/// # Errors
/// When it is none, or a part of what the system sets is missing.
pub fn recognise(variables: &Variables, payload: Option<&Value>) -> Result<Pipeline, Unknown> {
    let set = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let yes = |name: &str| set(name).is_some_and(|value| matches!(value, "true" | "1"));
    let environment = |system| Environment { system, variables };
    if set("CI") == Some("woodpecker") || set("CI_SYSTEM_NAME") == Some("woodpecker") {
        environment(System::Woodpecker).woodpecker()
    } else if yes("GITLAB_CI") {
        environment(System::GitLab).gitlab()
    } else if yes("GITHUB_ACTIONS") {
        // Forgejo and Gitea set GitHub's variables too.
        let own = set("GITHUB_API_URL").is_some_and(|api| api.trim_end_matches('/').ends_with("/api/v1"));
        let forgejo = own || yes("FORGEJO_ACTIONS") || yes("GITEA_ACTIONS");
        environment(if forgejo { System::Forgejo } else { System::GitHub }).actions(payload)
    } else {
        Err(Unknown::System)
    }
}

impl System {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            System::Woodpecker => "Woodpecker",
            System::GitHub => "GitHub Actions",
            System::Forgejo => "Forgejo Actions",
            System::GitLab => "GitLab CI",
        }
    }
}

impl ForgeKind {
    /// The variables in which a token for this forge is looked for, the first one first.
    #[must_use]
    pub const fn tokens(self) -> &'static [&'static str] {
        match self {
            ForgeKind::GitHub => &["KWO_TOKEN", "PLUGIN_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"],
            ForgeKind::Forgejo => {
                &["KWO_TOKEN", "PLUGIN_TOKEN", "FORGEJO_TOKEN", "GITEA_TOKEN", "GITHUB_TOKEN"]
            }
            ForgeKind::GitLab => &["KWO_TOKEN", "PLUGIN_TOKEN", "GITLAB_TOKEN"],
        }
    }
}

/// The variables of one system.
struct Environment<'v> {
    system: System,
    variables: &'v Variables,
}

impl Environment<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn need(&self, name: &str) -> Result<&str, Unknown> {
        self.get(name).ok_or_else(|| self.odd(format!("{name} is not set")))
    }

    fn number(&self, name: &str) -> Result<u64, Unknown> {
        let text = self.need(name)?;
        text.parse().map_err(|_| self.odd(format!("{name} is `{text}` and no number")))
    }

    fn odd(&self, what: String) -> Unknown {
        Unknown::Variable { system: self.system.name(), what }
    }

    fn forge(&self, kind: ForgeKind, api: String, project: &str) -> Forge {
        let token = kind.tokens().iter().find_map(|name| self.get(name));
        Forge { kind, api, project: project.to_owned(), token: token.map(SecretString::from) }
    }

    fn is(&self, event: Event, forge: Forge) -> Pipeline {
        Pipeline { system: self.system, event, forge }
    }

    /// Woodpecker does not say whether a request comes from a fork.
    fn woodpecker(&self) -> Result<Pipeline, Unknown> {
        let url = self.need("CI_FORGE_URL")?.trim_end_matches('/');
        let (kind, api) = match self.need("CI_FORGE_TYPE")? {
            "github" if url == "https://github.com" => {
                (ForgeKind::GitHub, "https://api.github.com".to_owned())
            }
            "github" => (ForgeKind::GitHub, format!("{url}/api/v3")),
            "forgejo" | "gitea" => (ForgeKind::Forgejo, format!("{url}/api/v1")),
            "gitlab" => (ForgeKind::GitLab, format!("{url}/api/v4")),
            other => return Err(self.odd(format!("kwo does not know the forge `{other}` (CI_FORGE_TYPE)"))),
        };
        let forge = self.forge(kind, api, self.need("CI_REPO")?);
        let event = self.need("CI_PIPELINE_EVENT")?;
        let branch = self.get("CI_COMMIT_BRANCH");
        let event = match event {
            "pull_request" => Event::Request { number: self.number("CI_COMMIT_PULL_REQUEST")?, source: None },
            "push" | "manual" | "cron" => self.on(branch, self.get("CI_REPO_DEFAULT_BRANCH"))?,
            other => Event::Other { what: format!("an event of the kind `{other}`") },
        };
        Ok(self.is(event, forge))
    }

    fn gitlab(&self) -> Result<Pipeline, Unknown> {
        let api = self.need("CI_API_V4_URL")?.to_owned();
        let source = self.need("CI_PIPELINE_SOURCE")?;
        let project = self.need("CI_PROJECT_ID")?;
        if source == "merge_request_event" {
            let target = self.need("CI_MERGE_REQUEST_PROJECT_PATH")?;
            let number = self.number("CI_MERGE_REQUEST_IID")?;
            let source = self.get("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH").map(|source| match source {
                source if source == target => Source::Own,
                fork => Source::Fork(fork.to_owned()),
            });
            let forge = self.forge(ForgeKind::GitLab, api, self.need("CI_MERGE_REQUEST_PROJECT_ID")?);
            return Ok(self.is(Event::Request { number, source }, forge));
        }
        let event = match source {
            "push" | "web" | "schedule" | "api" | "trigger" => {
                self.on(self.get("CI_COMMIT_BRANCH"), self.get("CI_DEFAULT_BRANCH"))?
            }
            other => Event::Other { what: format!("a pipeline from `{other}`") },
        };
        Ok(self.is(event, self.forge(ForgeKind::GitLab, api, project)))
    }

    /// GitHub Actions, and what is like it.
    fn actions(&self, payload: Option<&Value>) -> Result<Pipeline, Unknown> {
        let kind = if self.system == System::GitHub { ForgeKind::GitHub } else { ForgeKind::Forgejo };
        let api = self.need("GITHUB_API_URL")?.trim_end_matches('/').to_owned();
        let forge = self.forge(kind, api, self.need("GITHUB_REPOSITORY")?);
        let at = |pointer: &str| payload.and_then(|payload| payload.pointer(pointer));
        let event = match self.need("GITHUB_EVENT_NAME")? {
            "pull_request" | "pull_request_target"
                if at("/action").and_then(Value::as_str) == Some("closed") =>
            {
                Event::Other { what: "a request that was closed".to_owned() }
            }
            "pull_request" | "pull_request_target" => {
                let number = at("/pull_request/number").or_else(|| at("/number")).and_then(Value::as_u64);
                let number = number.ok_or_else(|| {
                    self.odd("the file at GITHUB_EVENT_PATH names no pull request".to_owned())
                })?;
                let source = at("/pull_request").and_then(crate::forge::of_pull);
                Event::Request { number, source }
            }
            "push" | "schedule" | "workflow_dispatch" => {
                let branch = self.get("GITHUB_REF").and_then(|name| name.strip_prefix("refs/heads/"));
                self.on(branch, at("/repository/default_branch").and_then(Value::as_str))?
            }
            other => Event::Other { what: format!("an event of the kind `{other}`") },
        };
        Ok(self.is(event, forge))
    }

    /// What happens on this branch.
    fn on(&self, branch: Option<&str>, default: Option<&str>) -> Result<Event, Unknown> {
        let default =
            default.ok_or_else(|| self.odd("it does not say which branch is the default one".to_owned()))?;
        Ok(match branch {
            Some(branch) if branch == default => Event::Landed,
            Some(branch) => Event::Other { what: format!("the branch `{branch}`, which is not `{default}`") },
            None => Event::Other { what: "no branch".to_owned() },
        })
    }
}
