//! The status of the commit, as the APIs of the forges take it.

use kwo_engine::history::{Entry, Held, Outcome, ProblemKind};
use serde_json::{Value, json};
use testkit::peers::http::Message;

use crate::notify::receiver::{Receiver, Reply};
use crate::notify::runs::{NEWEST, SENTINEL, changed, failed, notify, quiet, refused, secret, told};

/// What this forge is sent about this run.
fn sent(forge: &str, entry: &Entry, before: Option<&Entry>) -> Option<Message> {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::answering(&[Reply::Status(201)]));
    let token = secret(folder.path(), "token", SENTINEL);
    let address = receiver.address;
    let settings = notify(&format!(
        "status: {{forge: {forge}, api: 'http://{address}', project: ops/cluster, token: {token}}}"
    ));
    assert_eq!(told(&settings, entry, before), []);
    let mut got = receiver.got();
    assert!(got.len() <= 1, "{got:?}");
    got.pop()
}

fn body(got: &Message) -> Value {
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(!got.text().contains("SENTINEL") && !got.first.contains("SENTINEL"));
    serde_json::from_slice(&got.body).unwrap()
}

#[test]
fn github_gets_it_on_the_commit() {
    let got = sent("github", &changed(), None).unwrap();
    assert!(got.first.starts_with(&format!("POST /api/v3/repos/ops/cluster/statuses/{NEWEST} ")), "{got:?}");
    assert_eq!(got.header("authorization"), Some(format!("Bearer {SENTINEL}").as_str()));
    assert_eq!(got.header("accept"), Some("application/vnd.github+json"));
    assert_eq!(got.header("x-github-api-version"), Some("2022-11-28"));
    let expected = json!({"state": "success", "context": "kwo", "description": "2 changes for alice"});
    assert_eq!(body(&got), expected);
}

#[test]
fn forgejo_and_gitea_get_it_on_the_commit() {
    for forge in ["forgejo", "gitea"] {
        let got = sent(forge, &changed(), None).unwrap();
        let path = format!("POST /api/v1/repos/ops/cluster/statuses/{NEWEST} ");
        assert!(got.first.starts_with(&path), "{got:?}");
        assert_eq!(got.header("authorization"), Some(format!("token {SENTINEL}").as_str()));
        let expected = json!({"state": "success", "context": "kwo", "description": "2 changes for alice"});
        assert_eq!(body(&got), expected);
    }
}

#[test]
fn gitlab_gets_it_on_the_commit() {
    let got = sent("gitlab", &failed(ProblemKind::Target), None).unwrap();
    let path = format!("POST /api/v4/projects/ops%2Fcluster/statuses/{NEWEST} ");
    assert!(got.first.starts_with(&path), "{got:?}");
    assert_eq!(got.header("private-token"), Some(SENTINEL));
    assert_eq!(got.header("authorization"), None);
    let expected = json!({
        "state": "failed", "name": "kwo", "description": "connection refused by https://10.0.0.1:6443",
    });
    assert_eq!(body(&got), expected);
}

#[test]
fn a_commit_that_was_refused_gets_a_failure_and_what_is_held_waits() {
    let mut entry = refused();
    entry.problems[0].text = "x".repeat(500);
    let got = sent("github", &entry, Some(&quiet())).unwrap();
    assert!(got.first.contains(&format!("/statuses/{} ", "f".repeat(40))), "{got:?}");
    let said = body(&got);
    assert_eq!(said["state"], "failure");
    assert_eq!(said["description"].as_str().unwrap().chars().count(), 140, "GitHub takes no more");

    let hold = |name: &str| Held { id: name.into(), tenant: String::new(), why: "foreign".into() };
    let one = Entry { outcome: Outcome::Held, held: vec![hold("a")], ..quiet() };
    let two = Entry { held: vec![hold("a"), hold("b")], ..one.clone() };
    let said = body(&sent("github", &one, Some(&quiet())).unwrap());
    assert_eq!(said["state"], "pending");
    assert_eq!(said["description"], "nothing had to be changed, 1 object held");
    // GitLab answers 400 where what is pending is to become pending.
    assert!(sent("gitlab", &one, Some(&quiet())).is_some());
    assert!(sent("gitlab", &two, Some(&one)).is_none());
    assert!(sent("github", &two, Some(&one)).is_some());
}

#[test]
fn a_fetch_that_failed_says_nothing_of_a_commit() {
    assert!(sent("github", &failed(ProblemKind::Fetch), Some(&quiet())).is_none());
    assert!(sent("github", &quiet(), Some(&failed(ProblemKind::Fetch))).is_some());
    assert!(sent("github", &quiet(), Some(&quiet())).is_none());
}
