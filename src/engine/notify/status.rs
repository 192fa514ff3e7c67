//! The status of the newest commit, on the forge that it came from. GitHub, Forgejo and Gitea take the same body at
//! almost the same place; GitLab has words of its own.

use http::HeaderValue;
use kwo_planner::settings::{self, ForgeKind};
use serde_json::json;

use super::delivery::{Channel, Delivery, Untold};
use super::text::{Message, clipped, host};
use crate::forge;
use crate::history::{Entry, Outcome, ProblemKind};
use crate::providers::encoded;
use crate::references::Places;

/// What tells kwo's status from others'.
const CONTEXT: &str = "kwo";

/// In characters: GitHub takes no longer description, GitLab 255.
const LONGEST: usize = 140;

/// What is said of which commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Status {
    commit: String,
    state: State,
    description: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Success,
    /// Something is held: it waits for somebody.
    Pending,
    Failure,
}

impl Status {
    /// Nothing where there is nothing to say of a commit, or nothing else than before.
    pub(super) fn of(to: &settings::Status, entry: &Entry, before: Option<&Entry>) -> Option<Status> {
        let status = Status::after(entry)?;
        let Some(before) = before.and_then(Status::after) else { return Some(status) };
        // GitLab refuses what is pending to become pending.
        let same = match to.forge.value {
            ForgeKind::GitLab if status.state == State::Pending => {
                Status { description: before.description.clone(), ..status.clone() } == before
            }
            _ => status == before,
        };
        (!same).then_some(status)
    }

    /// That a fetch failed says nothing of any commit.
    fn after(entry: &Entry) -> Option<Status> {
        let fetch = |kind| kind == ProblemKind::Fetch;
        let problems = &entry.problems;
        if !problems.is_empty() && problems.iter().all(|problem| fetch(problem.kind)) {
            return None;
        }
        let state = match entry.outcome {
            Outcome::Converged => State::Success,
            Outcome::AccessLeft | Outcome::Held => State::Pending,
            Outcome::AccessDiffers | Outcome::Refused | Outcome::Failed => State::Failure,
        };
        Some(Status {
            commit: entry.refused.as_ref().or(entry.commit.as_ref())?.id.clone(),
            state,
            description: clipped(&Message::of(entry, None).summary, LONGEST),
        })
    }

    pub(super) async fn delivery(self, to: &settings::Status, places: &Places) -> Result<Delivery, Untold> {
        let Status { commit, state, description } = self;
        let forge = to.forge.value;
        let api = match (&to.api, forge) {
            (Some(api), _) => whole(api, forge),
            (None, ForgeKind::GitHub) => "https://api.github.com".to_owned(),
            (None, ForgeKind::GitLab) => "https://gitlab.com/api/v4".to_owned(),
            (None, ForgeKind::Forgejo | ForgeKind::Gitea) => {
                return Err(Channel("notify.status".to_owned()).untold(
                    "the settings do not say where its API is",
                    "add `api: https://HOST/api/v1` below `status:`",
                ));
            }
        };
        let channel = Channel(format!("notify.status at {}", host(&api)));
        let token = channel.secret("token", &to.token, places).await?;
        let spoken = match forge {
            ForgeKind::GitHub => forge::ForgeKind::GitHub,
            ForgeKind::Forgejo | ForgeKind::Gitea => forge::ForgeKind::Forgejo,
            ForgeKind::GitLab => forge::ForgeKind::GitLab,
        }
        .api();
        let path = spoken.status(&spoken.project(&to.project), &encoded(&commit));
        let body = if forge == ForgeKind::GitLab {
            let state = match state {
                State::Success => "success",
                State::Pending => "pending",
                State::Failure => "failed",
            };
            json!({"state": state, "name": CONTEXT, "description": description})
        } else {
            let state = match state {
                State::Success => "success",
                State::Pending => "pending",
                State::Failure => "failure",
            };
            json!({"state": state, "context": CONTEXT, "description": description})
        };
        let (name, before) = spoken.login();
        let token = channel.sealed("token", before, &token)?;
        let delivery = channel
            .delivery(&format!("{api}{path}"), "application/json", body.to_string().into_bytes())?
            .with("accept", HeaderValue::from_static("application/json"))
            .with(name, token);
        Ok(spoken.headers().into_iter().fold(delivery, |delivery, (name, value)| delivery.with(name, value)))
    }
}

/// The address of the API. Where only the host is given, it is where that forge has it.
fn whole(api: &str, forge: ForgeKind) -> String {
    let api = api.trim_end_matches('/');
    let usual = match forge {
        ForgeKind::GitHub if api == "https://api.github.com" => "",
        ForgeKind::GitHub => "/api/v3",
        ForgeKind::Forgejo | ForgeKind::Gitea => "/api/v1",
        ForgeKind::GitLab => "/api/v4",
    };
    if host(api) == api { format!("{api}{usual}") } else { api.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_alone_is_enough() {
        let whole = |api: &str| whole(api, ForgeKind::GitHub);
        assert_eq!(whole("https://api.github.com/"), "https://api.github.com");
        assert_eq!(whole("https://git.example.com"), "https://git.example.com/api/v3");
        assert_eq!(whole("https://git.example.com/sub/api/v3/"), "https://git.example.com/sub/api/v3");
        assert_eq!(super::whole("http://g:3000", ForgeKind::Forgejo), "http://g:3000/api/v1");
    }
}
