//! The repository `alice/cluster` on the forge: whose commits are made by the forge's own editor.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::peers::gitea::Gitea;

/// A forge with that repository, and a roster in it.
pub(crate) struct Project {
    pub(crate) gitea: Gitea,
    /// What logs in alice, to whom the repository belongs.
    pub(crate) token: String,
}

const OWN: &str = "/repos/alice/cluster";

/// A roster with these tenants.
pub(crate) fn roster(tenants: &str) -> String {
    format!("apiVersion: kwo/v1\nkind: Roster\ntenants: {tenants}\n")
}

impl Project {
    /// Nothing where there is no forge.
    pub(crate) fn new(tenants: &str) -> Option<Project> {
        let gitea = Gitea::start()?;
        let token = gitea.user("alice");
        gitea.ask(&token, "POST", "/user/repos", &json!({"name": "cluster", "default_branch": "main"}));
        let project = Project { gitea, token };
        let first =
            json!({"content": STANDARD.encode(roster(tenants)), "message": "Begin", "branch": "main"});
        project.own("POST", "/contents/roster.yaml", &first);
        Some(project)
    }

    /// Asks about this repository, as alice.
    #[track_caller]
    pub(crate) fn own(&self, method: &str, path: &str, body: &Value) -> Value {
        self.gitea.ask(&self.token, method, &format!("{OWN}{path}"), body)
    }

    #[track_caller]
    pub(crate) fn look(&self, path: &str) -> Value {
        self.own("GET", path, &Value::Null)
    }

    /// Commits another roster to the branch `main`, or from it to this new branch; gives the commit.
    pub(crate) fn commit(&self, tenants: &str, branch: Option<&str>) -> String {
        edit(&self.gitea, &self.token, OWN, &roster(tenants), branch)
    }

    /// Asks that a branch be merged; gives the number of the request, and what the forge knows of it.
    pub(crate) fn request(&self, token: &str, head: &str) -> (u64, Value) {
        let asked = json!({"base": "main", "head": head, "title": "Change the roster"});
        let request = self.gitea.ask(token, "POST", &format!("{OWN}/pulls"), &asked);
        (request["number"].as_u64().unwrap(), request)
    }

    /// Merges a request, as soon as the forge has looked at it.
    pub(crate) fn merge(&self, number: u64) {
        let path = format!("{OWN}/pulls/{number}/merge");
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.gitea.try_to(&self.token, "POST", &path, &json!({"Do": "merge"}));
            if answer.status() == 200 {
                return;
            }
            assert!(answer.status() == 405 && Instant::now() < end, "{}", answer.text());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A fork by somebody else; gives what logs them in, and the branch that they changed.
    pub(crate) fn fork(&self, name: &str, tenants: &str) -> (String, String) {
        let token = self.gitea.user(name);
        self.gitea.ask(&token, "POST", &format!("{OWN}/forks"), &json!({}));
        let own = format!("/repos/{name}/cluster");
        edit(&self.gitea, &token, &own, &roster(tenants), Some("theirs"));
        (token, format!("{name}:theirs"))
    }
}

fn edit(gitea: &Gitea, token: &str, repository: &str, text: &str, branch: Option<&str>) -> String {
    let path = format!("{repository}/contents/roster.yaml");
    let there = gitea.ask(token, "GET", &format!("{path}?ref=main"), &Value::Null);
    let mut body = json!({"content": STANDARD.encode(text), "sha": there["sha"], "branch": "main",
        "message": "Change the roster"});
    if let Some(branch) = branch {
        body["new_branch"] = branch.into();
    }
    let done = gitea.ask(token, "PUT", &path, &body);
    done["commit"]["sha"].as_str().unwrap().to_owned()
}
