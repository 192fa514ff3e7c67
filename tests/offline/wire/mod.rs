//! What kwo does on a cluster's bad days: throttling, lost answers, pages that expire, refusals. Each by a server
//! that plays a script; what a good day looks like is tested against the real thing.

mod ahead;
mod beside;
mod lists;
mod proxied;
mod warned;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kwo_engine::execute::{Brakes, Outcome, execute};
use kwo_engine::providers::{Home as _, Kube, KubeOptions, Provider, Refusal};
use kwo_planner::change::{Change, Step};
use kwo_planner::observed::Version;
use kwo_planner::origin::Origin;
use kwo_planner::plan::{FORMAT_VERSION, Plan, Provenance};
use kwo_planner::tree::{SmolStr, Tree};
use serde_json::json;
use testkit::loopback::Reply::{Answer, Drop};
use testkit::loopback::{Asked, Reply};
use testkit::scripted::Scripted;
use tokio::sync::watch;

const BODY: &str = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"annotations":{"n":"1"},
    "labels":{"kwo.dev/managed":"true"},"name":"a","namespace":"alice"}}"#;

async fn kube(server: &Scripted) -> Kube {
    let options = KubeOptions {
        kubeconfig: Some(server.kubeconfig.clone()),
        timeout: Duration::from_secs(1),
        api_wait: Some(Duration::from_secs(2)),
        ..KubeOptions::default()
    };
    Kube::connect(options).await.expect("a client")
}

fn step(change: Change, seen: Option<&str>) -> Step {
    Step {
        id: "kube:ServiceAccount/alice/a".parse().expect("an id"),
        changes: [change].into(),
        seen: seen.map(|seen| Version(seen.into())),
        wanted: serde_json::from_str(BODY).expect("JSON"),
        secrets: Vec::new(),
        needs: Arc::default(),
        follows: Arc::default(),
        disrupts: None,
        tightens: None,
        adopts: false,
        tenant: SmolStr::default(),
        because: Origin { place: "here".into(), line: SmolStr::default() },
    }
}

fn create() -> Step {
    step(Change::Create, None)
}

fn extend() -> Step {
    let because = Origin { place: "here".into(), line: SmolStr::default() };
    let change = Change::Extend {
        pointer: "/metadata/annotations/n".into(),
        value: Tree::from("1"),
        tightens: None,
        because,
    };
    step(change, Some("u1/5"))
}

/// What the API server says when it says no.
fn status(code: u16, reason: &str, message: &str) -> Reply {
    let body = json!({"kind": "Status", "code": code, "reason": reason, "message": message});
    Answer(code, "", body.to_string())
}

/// The object as somebody finds it at this version.
fn object(version: &str, mark: &str) -> Reply {
    let item = json!({"metadata": {"name": "a", "namespace": "alice", "uid": "u1", "resourceVersion": version,
        "annotations": {"n": "1"}, "labels": {"kwo.dev/managed": mark}}});
    let body = json!({"apiVersion": "v1", "kind": "ServiceAccountList", "items": [item]});
    Answer(200, "", body.to_string())
}

fn made() -> Reply {
    Answer(201, "", "{}".to_owned())
}

/// The outcome of a step, and what was asked for it.
async fn play(step: Step, replies: Vec<Reply>) -> (Result<(), Refusal>, Vec<String>) {
    let server = Scripted::playing(replies);
    let outcome = kube(&server).await.write(&step).await;
    (outcome, server.asked().into_iter().map(|asked| asked.method).collect())
}

#[tokio::test]
async fn a_write_says_who_it_is() {
    let server = Scripted::playing(vec![made()]);
    kube(&server).await.write(&create()).await.unwrap();
    let [asked] = server.asked().try_into().unwrap();
    assert_eq!(
        asked.path,
        "/api/v1/namespaces/alice/serviceaccounts?fieldManager=kwo&fieldValidation=Strict"
    );
    let agent = format!("user-agent: kwo/{}", env!("CARGO_PKG_VERSION"));
    assert!(asked.headers.contains(&agent), "{:?}", asked.headers);
    assert_eq!(asked.body.parse::<serde_json::Value>().unwrap(), BODY.parse::<serde_json::Value>().unwrap());
}

#[tokio::test]
async fn what_the_server_cannot_judge_yet_is_asked_again_for_a_while() {
    let unknown = || {
        let message = "secrets is forbidden: status unknown for quota: alice-quota, resources: count/secrets";
        status(403, "Forbidden", message)
    };
    let (outcome, asked) = play(create(), vec![unknown(), unknown(), made()]).await;
    assert_eq!((outcome, asked.len()), (Ok(()), 3));
    // And no longer than a run waits, in all: of the second object it is not asked again.
    let server = Scripted::start(move |_| unknown());
    let provider = kube(&server).await;
    let refused = provider.write(&create()).await.unwrap_err();
    let asked = server.asked().len();
    assert!(asked > 2, "{asked}");
    assert_eq!(provider.write(&create()).await.unwrap_err(), refused);
    assert_eq!(server.asked().len(), asked + 1);
    let Refusal::Refused { why } = refused else { panic!("{refused}") };
    assert!(why.contains("status unknown for quota") && why.ends_with("run kwo again then"), "{why}");
}

#[tokio::test]
async fn another_user_is_taken_on_whole() {
    let server = Scripted::playing(vec![made()]);
    // What the kubeconfig says of whom to be is not mixed with what was asked for.
    let text = std::fs::read_to_string(&server.kubeconfig).unwrap();
    let own = "users: [{name: u, user: {as: ops, as-groups: [admins], as-uid: '7'}}]";
    std::fs::write(&server.kubeconfig, text.replace("users: [{name: u, user: {}}]", own)).unwrap();
    let options = |user: &str| KubeOptions {
        kubeconfig: Some(server.kubeconfig.clone()),
        as_user: Some(user.to_owned()),
        as_groups: vec!["one".to_owned(), "cn=zwölf,ou=x".to_owned()],
        ..KubeOptions::default()
    };
    Kube::connect(options("bob@example.com")).await.unwrap().write(&create()).await.unwrap();
    let [asked] = server.asked().try_into().unwrap();
    let said: Vec<&String> =
        asked.headers.iter().filter(|header| header.starts_with("impersonate-")).collect();
    assert_eq!(
        said,
        ["impersonate-user: bob@example.com", "impersonate-group: one", "impersonate-group: cn=zwölf,ou=x"]
    );
    let refused = Kube::connect(options("bob\n")).await.unwrap_err();
    assert!(refused.why.starts_with("cannot act as `bob\\n`"), "{refused}");
}

#[tokio::test]
async fn throttling_is_obeyed() {
    let started = Instant::now();
    let slow = Answer(429, "retry-after: 1\r\n", String::new());
    let (outcome, asked) = play(create(), vec![slow, made()]).await;
    assert_eq!((outcome, asked.len()), (Ok(()), 2));
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn patience_with_a_busy_server_is_a_matter_of_time_and_not_of_tries() {
    let slow = || Answer(429, "", r#"{"message":"too many requests"}"#.to_owned());
    // More often than a server is asked that has no good answer.
    let server = Scripted::playing((0..5).map(|_| slow()).chain([made()]).collect());
    let options = KubeOptions { kubeconfig: Some(server.kubeconfig.clone()), ..KubeOptions::default() };
    assert_eq!(Kube::connect(options).await.unwrap().write(&create()).await, Ok(()));
    assert_eq!(server.asked().len(), 6);
    let (outcome, asked) = play(create(), (0..99).map(|_| slow()).collect()).await;
    let why = format!("the API server asked to wait (429): too many requests ({} tries)", asked.len());
    assert_eq!(outcome, Err(Refusal::Unreachable { why: why.clone() }));
    assert_eq!(outcome.unwrap_err().to_string(), why);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_known_again() {
    let exists = || status(409, "AlreadyExists", "it exists");
    let (outcome, asked) = play(create(), vec![Drop, exists(), object("7", "true")]).await;
    assert_eq!((outcome, asked), (Ok(()), ["POST", "POST", "GET"].map(str::to_owned).to_vec()));
    // Somebody else's object is not one's own, however much it looks like it.
    let (outcome, _) = play(create(), vec![Drop, exists(), object("7", "helm")]).await;
    assert!(matches!(outcome, Err(Refusal::Changed { .. })), "{outcome:?}");
    // Nor is one that was there before anything was lost; nobody need look.
    let (outcome, asked) = play(create(), vec![exists()]).await;
    assert!(matches!(outcome, Err(Refusal::Changed { .. })), "{outcome:?}");
    assert_eq!(asked, ["POST"]);
    // Throttling is no doubt: the request was not carried out.
    let slow = Answer(429, "", String::new());
    let (outcome, asked) = play(create(), vec![slow, exists()]).await;
    assert!(matches!(outcome, Err(Refusal::Changed { .. })), "{outcome:?}");
    assert_eq!(asked, ["POST", "POST"]);
}

#[tokio::test]
async fn a_patch_whose_answer_was_lost_is_known_again() {
    let failed = || status(422, "Invalid", "the server rejected our request");
    let (outcome, asked) = play(extend(), vec![Drop, failed(), object("6", "true")]).await;
    assert_eq!((outcome, asked), (Ok(()), ["PATCH", "PATCH", "GET"].map(str::to_owned).to_vec()));
    // Without a loss it is somebody else's change.
    let (outcome, _) = play(extend(), vec![failed(), object("6", "true")]).await;
    assert!(matches!(outcome, Err(Refusal::Changed { .. })), "{outcome:?}");
    // With the object as it was, the change itself is refused.
    let (outcome, _) = play(extend(), vec![failed(), object("5", "true")]).await;
    assert_eq!(outcome, Err(Refusal::Refused { why: "the server rejected our request".into() }));
}

#[tokio::test]
async fn refusals_are_in_the_servers_words_and_not_repeated() {
    let no = || status(403, "Forbidden", "User \"x\" cannot create");
    let (outcome, asked) = play(create(), vec![no(), no()]).await;
    assert_eq!(outcome, Err(Refusal::Refused { why: "User \"x\" cannot create".into() }));
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn a_refusal_that_repeats_a_secret_is_cut_short() {
    // The API repeats the whole object where a patch makes it invalid.
    let said = r#""" is invalid: patch: Invalid value: "{\"data\":{\"T\":\"aHVudGVyMg==\"}}": no such field"#;
    let no = || status(422, "Invalid", said);
    let secret = |step: Step| Step { id: "kube:Secret/alice/a".parse().unwrap(), ..step };
    let why = "\"\" is invalid: patch: Invalid value (not shown: it may hold the secret)".to_owned();
    let (outcome, _) = play(secret(create()), vec![no()]).await;
    assert_eq!(outcome, Err(Refusal::Refused { why: why.clone() }));
    let (outcome, _) = play(secret(extend()), vec![no(), object("5", "true")]).await;
    assert!(format!("{outcome:?}").contains("not shown") && !format!("{outcome:?}").contains("aHVudGVy"));
    // Elsewhere it is told in full.
    let (outcome, _) = play(create(), vec![no()]).await;
    assert!(format!("{outcome:?}").contains("aHVudGVyMg"), "{outcome:?}");
}

#[tokio::test]
async fn silence_and_broken_gateways_are_borne_for_a_while() {
    let gateway = || Answer(502, "", "<html>".to_owned());
    let (outcome, asked) = play(create(), vec![gateway(), Drop, made()]).await;
    assert_eq!((outcome, asked.len()), (Ok(()), 3));
    let (outcome, asked) = play(create(), vec![gateway(), gateway(), gateway(), gateway(), gateway()]).await;
    assert_eq!(asked.len(), 5);
    let why = "HTTP 502 Bad Gateway (5 tries)".to_owned();
    assert_eq!(outcome, Err(Refusal::Unreachable { why }));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let server = Scripted::playing(Vec::new());
    let text = std::fs::read_to_string(&server.kubeconfig).unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = text.find("http://").unwrap();
    let end = start + text[start..].find('\'').unwrap();
    std::fs::write(&server.kubeconfig, text.replace(&text[start..end], &format!("http://{closed}"))).unwrap();
    let why = kube(&server).await.identity().await.unwrap_err().to_string();
    let said = format!("no answer from the API server within 2 s: connection refused by http://{closed}");
    assert_eq!(why, said);
}

/// A plan of one step.
fn plan(step: Step) -> Plan {
    Plan {
        format_version: FORMAT_VERSION.into(),
        provenance: Provenance::default(),
        steps: vec![Arc::new(step)],
        held: Vec::new(),
        leftovers: Vec::new(),
        foreign_access: Vec::new(),
        unseen_access: Vec::new(),
        own_policies: 0,
        settled: 0,
        digest: SmolStr::default(),
    }
}

/// A server on which somebody else is always quicker: every patch fails, every look finds a newer version, until
/// this many patches have failed.
fn busy(failures: usize, mut told: impl FnMut(&Asked) + Send + 'static) -> Scripted {
    let mut version = 5;
    let mut patches = 0;
    Scripted::start(move |asked| {
        told(asked);
        let found = json!({"name": "a", "namespace": "alice", "uid": "u1", "resourceVersion": version.to_string(),
            "labels": {"kwo.dev/managed": "true"}, "annotations": {}});
        match asked.method.as_str() {
            "PATCH" if patches == failures => Answer(200, "", "{}".to_owned()),
            "PATCH" => {
                (version, patches) = (version + 1, patches + 1);
                status(422, "Invalid", "the server rejected our request")
            }
            _ if asked.path.contains('?') => {
                Answer(200, "", json!({"items": [{"metadata": found}]}).to_string())
            }
            _ => Answer(200, "", json!({"metadata": found}).to_string()),
        }
    })
}

/// What became of a step on such a server, and the version that each patch was for.
async fn quarrel(server: &Scripted, interrupted: watch::Receiver<bool>) -> (Outcome, Vec<String>) {
    let provider: Arc<dyn Provider> = Arc::new(kube(server).await);
    let (_keep, lock_lost) = watch::channel(false);
    let report = execute(&plan(extend()), &provider, 1, &Brakes { interrupted, lock_lost }, |_| {}).await;
    let patches = server.asked().into_iter().filter(|asked| asked.method == "PATCH");
    let versions = patches.map(|asked| {
        let patch: serde_json::Value = asked.body.parse().expect("JSON");
        patch[1]["value"].as_str().expect("a version").to_owned()
    });
    (report.results[0].outcome.clone(), versions.collect())
}

#[tokio::test]
async fn an_object_that_moved_is_written_at_its_new_version() {
    let (_keep, still) = watch::channel(false);
    let server = busy(1, |_| {});
    let (outcome, versions) = quarrel(&server, still).await;
    assert_eq!((outcome, versions), (Outcome::Done, ["5", "6"].map(str::to_owned).to_vec()));
    // One look at one object, and not a look at them all.
    let looks: Vec<String> =
        server.asked().into_iter().map(|asked| asked.path).filter(|path| path.contains("limit=")).collect();
    assert_eq!(
        looks,
        ["/api/v1/namespaces/alice/serviceaccounts?limit=5000&fieldSelector=metadata.name%3Da"]
    );
}

#[tokio::test]
async fn an_object_that_keeps_moving_is_given_up() {
    let (_keep, still) = watch::channel(false);
    let (outcome, versions) = quarrel(&busy(usize::MAX, |_| {}), still).await;
    let why = "it changes faster than kwo can write it, 4 times in a row: the server rejected our request";
    assert_eq!(outcome, Outcome::Refused(Refusal::Changed { why: why.to_owned() }));
    assert_eq!(versions, ["5", "6", "7", "8"]);
}

#[tokio::test]
async fn a_run_that_was_told_to_stop_writes_nothing_again() {
    let (stop, stopped) = watch::channel(false);
    let server = busy(1, move |asked| {
        if asked.method == "PATCH" {
            stop.send_replace(true);
        }
    });
    let (outcome, versions) = quarrel(&server, stopped).await;
    let why = "interrupted before it could be written again".to_owned();
    assert_eq!(outcome, Outcome::Refused(Refusal::Changed { why }));
    assert_eq!(versions, ["5"]);
}
