//! Which pipeline this is, by the variables that each system sets, and what it runs for.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;

use kwo_engine::forge::{Forge, ForgeKind, Source};

use super::settings::tokens;

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
    #[error("this is not a pipeline that kwo knows")]
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
        let token = tokens(kind).iter().find_map(|name| self.get(name));
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
                let source = at("/pull_request").and_then(kwo_engine::forge::of_pull);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Variables as each system documents them, one a line.
    fn variables(text: &str) -> Variables {
        let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    const WOODPECKER: &str = "CI=woodpecker
        CI_REPO=john-doe/my-repo
        CI_REPO_OWNER=john-doe
        CI_REPO_URL=https://git.example.com/john-doe/my-repo
        CI_REPO_DEFAULT_BRANCH=main
        CI_COMMIT_SHA=eba09b46064473a1d345da7abf28b477468e8dbd
        CI_COMMIT_REF=refs/heads/main
        CI_COMMIT_BRANCH=main
        CI_PIPELINE_EVENT=push
        CI_SYSTEM_NAME=woodpecker
        CI_FORGE_TYPE=forgejo
        CI_FORGE_URL=https://git.example.com";
    const GITHUB: &str = "CI=true
        GITHUB_ACTIONS=true
        GITHUB_API_URL=https://api.github.com
        GITHUB_SERVER_URL=https://github.com
        GITHUB_REPOSITORY=octocat/rosters
        GITHUB_EVENT_NAME=push
        GITHUB_REF=refs/heads/main
        GITHUB_REF_NAME=main";
    const FORGEJO: &str = "CI=true
        GITHUB_ACTIONS=true
        FORGEJO_ACTIONS=true
        GITHUB_API_URL=https://codeberg.org/api/v1
        GITHUB_REPOSITORY=octocat/rosters
        GITHUB_EVENT_NAME=pull_request
        GITHUB_REF=refs/pull/3/head";
    const GITLAB: &str = "CI=true
        GITLAB_CI=true
        CI_API_V4_URL=https://gitlab.example.com/api/v4
        CI_PROJECT_ID=17893
        CI_PROJECT_PATH=group/rosters
        CI_PIPELINE_SOURCE=push
        CI_COMMIT_BRANCH=main
        CI_DEFAULT_BRANCH=main";

    fn with(base: &str, more: &str) -> Variables {
        variables(&format!("{base}\n{more}"))
    }

    fn pull(head: &Value) -> Value {
        json!({"action": "synchronize", "number": 3, "repository": {"default_branch": "main"},
            "pull_request": {"number": 3, "head": {"repo": head},
                "base": {"repo": {"full_name": "octocat/rosters"}}}})
    }

    fn event(variables: &Variables, payload: Option<&Value>) -> Event {
        recognise(variables, payload).unwrap().event
    }

    fn other(event: &Event) -> bool {
        matches!(event, Event::Other { .. })
    }

    #[test]
    fn woodpecker_is_known_with_every_forge() {
        let found = recognise(&variables(WOODPECKER), None).unwrap();
        assert_eq!((found.system, found.event), (System::Woodpecker, Event::Landed));
        assert_eq!(
            (found.forge.api.as_str(), found.forge.project.as_str()),
            ("https://git.example.com/api/v1", "john-doe/my-repo")
        );
        for (kind, url, api) in [
            ("gitea", "https://gitea.example.com/", "https://gitea.example.com/api/v1"),
            ("github", "https://github.com", "https://api.github.com"),
            ("github", "https://ghe.example.com", "https://ghe.example.com/api/v3"),
            ("gitlab", "https://gitlab.com", "https://gitlab.com/api/v4"),
        ] {
            let more = format!("CI_FORGE_TYPE={kind}\nCI_FORGE_URL={url}");
            assert_eq!(recognise(&with(WOODPECKER, &more), None).unwrap().forge.api, api);
        }
        let more = "CI_PIPELINE_EVENT=pull_request\nCI_COMMIT_PULL_REQUEST=12\nCI_COMMIT_SOURCE_BRANCH=x";
        assert_eq!(event(&with(WOODPECKER, more), None), Event::Request { number: 12, source: None });
        for more in
            ["CI_COMMIT_BRANCH=topic", "CI_PIPELINE_EVENT=tag", "CI_PIPELINE_EVENT=pull_request_closed"]
        {
            assert!(other(&event(&with(WOODPECKER, more), None)), "{more}");
        }
        let why = |more: &str| recognise(&with(WOODPECKER, more), None).unwrap_err().to_string();
        assert!(why("CI_FORGE_TYPE=bitbucket").contains("`bitbucket`"));
        assert!(why("CI_FORGE_URL=").contains("CI_FORGE_URL is not set"));
        assert!(why("CI_PIPELINE_EVENT=pull_request\nCI_COMMIT_PULL_REQUEST=x").contains("no number"));
    }

    #[test]
    fn github_actions_say_where_a_request_comes_from() {
        let payload = pull(&json!({"full_name": "octocat/rosters"}));
        assert_eq!(event(&variables(GITHUB), Some(&payload)), Event::Landed);
        assert!(other(&event(&with(GITHUB, "GITHUB_REF=refs/heads/topic"), Some(&payload))));
        assert!(other(&event(&with(GITHUB, "GITHUB_REF=refs/tags/main"), Some(&payload))));
        // Which branch is the default one is in the file only: without it nothing is applied.
        assert!(recognise(&variables(GITHUB), None).is_err());
        for name in ["pull_request", "pull_request_target"] {
            let request = with(GITHUB, &format!("GITHUB_EVENT_NAME={name}"));
            let source = |head: Value| match event(&request, Some(&pull(&head))) {
                Event::Request { number: 3, source } => source,
                other => panic!("{other:?}"),
            };
            assert_eq!(source(json!({"full_name": "octocat/rosters"})), Some(Source::Own));
            let fork = Source::Fork("mallory/rosters".to_owned());
            assert_eq!(source(json!({"full_name": "mallory/rosters"})), Some(fork));
            assert!(matches!(source(Value::Null), Some(Source::Fork(_))));
            let mut closed = pull(&Value::Null);
            closed["action"] = "closed".into();
            assert!(other(&event(&request, Some(&closed))));
            assert!(recognise(&request, None).is_err());
        }
    }

    #[test]
    fn forgejo_actions_are_told_from_githubs() {
        let payload = pull(&json!({"full_name": "octocat/rosters"}));
        for text in [
            FORGEJO.to_owned(),
            FORGEJO.replace("FORGEJO_ACTIONS", "GITEA_ACTIONS"),
            FORGEJO.replace("FORGEJO_ACTIONS=true", ""),
        ] {
            let found = recognise(&variables(&text), Some(&payload)).unwrap();
            assert_eq!((found.system, found.forge.kind), (System::Forgejo, ForgeKind::Forgejo));
            assert_eq!(found.event, Event::Request { number: 3, source: Some(Source::Own) });
        }
    }

    #[test]
    fn gitlab_names_the_project_of_the_request() {
        let found = recognise(&variables(GITLAB), None).unwrap();
        assert_eq!((found.system, found.event), (System::GitLab, Event::Landed));
        let request = "CI_PIPELINE_SOURCE=merge_request_event\nCI_MERGE_REQUEST_IID=1\n\
            CI_MERGE_REQUEST_PROJECT_ID=51\nCI_MERGE_REQUEST_PROJECT_PATH=group/rosters\nCI_COMMIT_BRANCH=";
        let from = |path: &str| {
            let more = format!("{request}\nCI_MERGE_REQUEST_SOURCE_PROJECT_PATH={path}");
            recognise(&with(GITLAB, &more), None).unwrap()
        };
        assert_eq!(from("group/rosters").event, Event::Request { number: 1, source: Some(Source::Own) });
        let fork = from("mallory/rosters");
        assert_eq!(fork.forge.project, "51");
        let source = Some(Source::Fork("mallory/rosters".to_owned()));
        assert_eq!(fork.event, Event::Request { number: 1, source });
        assert_eq!(from("").event, Event::Request { number: 1, source: None });
        assert!(other(&event(&with(GITLAB, "CI_COMMIT_BRANCH=topic"), None)));
        assert!(other(&event(&with(GITLAB, "CI_PIPELINE_SOURCE=parent_pipeline"), None)));
    }

    #[test]
    fn elsewhere_is_nowhere() {
        for text in ["", "CI=true", "CI=true\nJENKINS_URL=https://ci.example.com", "GITHUB_ACTIONS=false"] {
            assert_eq!(recognise(&variables(text), None).unwrap_err(), Unknown::System);
        }
    }

    #[test]
    fn a_token_is_the_forges_own_and_is_not_printed() {
        let found = recognise(&with(WOODPECKER, "GITEA_TOKEN=hunter2\nGITLAB_TOKEN=other"), None).unwrap();
        use secrecy::ExposeSecret as _;
        assert_eq!(found.forge.token.as_ref().unwrap().expose_secret(), "hunter2");
        assert!(!format!("{found:?}").contains("hunter2"));
        assert!(recognise(&with(WOODPECKER, "GITLAB_TOKEN=other"), None).unwrap().forge.token.is_none());
    }
}
