//! Webhook, Slack and ntfy: method, path, headers and body as their makers publish them, and when nobody is told.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kwo_engine::history::{Drift, Entry, Held, Left, Outcome, ProblemKind, StepOutcome};
use kwo_planner::roster::SourceFile;
use serde_json::Value;

use crate::notify::receiver::Receiver;
use crate::notify::runs::{SENTINEL, changed, commit, failed, notify, quiet, refused, secret, told};

/// The HMAC as somebody else computes it.
fn openssl(key: &str, bytes: &[u8]) -> String {
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", key, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_webhook_gets_the_whole_entry_signed() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::taking());
    let key = secret(folder.path(), "key", SENTINEL);
    let settings =
        notify(&format!("webhooks: [{{url: 'http://{}/hook?x=1', secret: {key}}}]", receiver.address));
    assert_eq!(told(&settings, &changed(), Some(&quiet())), []);
    let got = receiver.only();
    assert!(got.first.starts_with("POST /hook?x=1 "), "{}", got.first);
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.header("user-agent").unwrap().starts_with("kwo/"));
    assert_eq!(got.header("x-kwo-delivery").unwrap().len(), 32);
    let expected = format!("sha256={}", openssl(SENTINEL, &got.body));
    assert_eq!(got.header("x-kwo-signature-256"), Some(expected.as_str()));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let entry: Entry = serde_json::from_value(body["entry"].clone()).unwrap();
    assert_eq!(entry, changed());
    assert_eq!(body["title"], "kwo: 2 changes for alice");
    assert_eq!(body["recovered"], false);
    let text = body["text"].as_str().unwrap();
    assert!(
        text.starts_with("1 created, 1 revised for alice\napplied: 1a2b3c4 by Alice: Give alice"),
        "{text}"
    );
    assert!(text.ends_with("https://10.0.0.1:6443, run 7 on node-1"), "{text}");
    assert!(!got.text().contains("SENTINEL"));
}

#[test]
fn without_a_secret_nothing_is_signed_and_with_one_that_is_missing_nothing_is_sent() {
    let receiver = Receiver::taking();
    let url = format!("http://{}/", receiver.address);
    assert_eq!(told(&notify(&format!("webhooks: [{{url: '{url}'}}]")), &changed(), None), []);
    assert_eq!(receiver.only().header("x-kwo-signature-256"), None);

    let missing = notify(&format!("webhooks: [{{url: '{url}', secret: {{file: /nowhere/key}}}}]"));
    let untold = told(&missing, &changed(), None);
    assert_eq!(untold.len(), 1);
    assert_eq!(
        untold[0].to_string(),
        format!(
            "kwo could not notify notify.webhooks[0] at http://{}: kwo cannot get its secret (file /nowhere/key): there is no \
             file /nowhere/key",
            receiver.address
        )
    );
    assert_eq!(receiver.got().len(), 0);
}

#[test]
fn slack_gets_text_in_which_nothing_is_a_link_or_a_mention() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::taking());
    let path = format!("/services/T0/B0/{SENTINEL}");
    let url = secret(folder.path(), "url", &format!("http://{}{path}\n", receiver.address));
    let mut entry = changed();
    entry.commit.as_mut().unwrap().subject = "<!channel> & @here".to_owned();
    assert_eq!(told(&notify(&format!("slack: [{{url: {url}}}]")), &entry, None), []);
    let got = receiver.only();
    assert!(got.first.starts_with(&format!("POST {path} ")), "{}", got.first);
    assert_eq!(got.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1, "others than Slack know only `text`: {body}");
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("*kwo: 2 changes for alice*\n"), "{text}");
    assert!(text.contains("by Alice: &lt;!channel&gt; &amp; @\u{200b}here"), "{text}");
    assert!(!text.contains("SENTINEL"), "{text}");
}

#[test]
fn ntfy_gets_title_priority_tags_and_token() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::taking());
    let token = secret(folder.path(), "token", SENTINEL);
    let settings = notify(&format!("ntfy: [{{url: 'http://{}/kwo', token: {token}}}]", receiver.address));
    assert_eq!(told(&settings, &failed(ProblemKind::Target), Some(&quiet())), []);
    let got = receiver.only();
    assert!(got.first.starts_with("POST /kwo "), "{}", got.first);
    let bearer = format!("Bearer {SENTINEL}");
    for (name, value) in [
        ("title", "kwo failed: connection refused by https://10.0.0.1:6443"),
        ("priority", "high"),
        ("tags", "rotating_light"),
        ("authorization", &bearer),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    let text = got.text();
    assert!(text.contains("\n→ see whether k3s runs: systemctl status k3s\n"), "{text}");
    assert!(!text.contains("SENTINEL"), "{text}");

    let mut entry = failed(ProblemKind::Target);
    entry.problems[0].text = "für\r\nX-Evil: 1".to_owned();
    assert_eq!(told(&settings, &entry, None), []);
    let got = receiver.only();
    assert_eq!(got.header("x-evil"), None);
    assert_eq!(got.header("title"), Some("=?UTF-8?B?a3dvIGZhaWxlZDogZsO8ciAgWC1FdmlsOiAx?="));
}

#[test]
fn a_message_stays_short_whatever_happened() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::taking());
    let mut entry = failed(ProblemKind::Step);
    entry.problems = vec![entry.problems[0].clone(); 50];
    entry.problems[0].text = "ö".repeat(5000);
    for index in 0..2000 {
        let mut step = changed().steps[0].clone();
        (step.id, step.tenant) = (format!("kube:Namespace/t{index}"), format!("t{index}"));
        if index % 2 == 0 {
            let outcomes = [StepOutcome::Refused, StepOutcome::Unreachable, StepOutcome::Changed];
            (step.outcome, step.why) = (outcomes[index / 2 % 3], "no\n".repeat(500));
        }
        entry.steps.push(step);
    }
    let url = secret(folder.path(), "url", &format!("http://{}/", receiver.address));
    told(&notify(&format!("slack: [{{url: {url}}}]")), &entry, None);
    let body: Value = serde_json::from_slice(&receiver.only().body).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(text.chars().count() < 2000, "{text}");
    assert!(text.contains("1000 created for 1000 tenants\n"), "{text}");
    assert!(text.contains("… and 47 more\n") && text.contains("… and 997 more\n"), "{text}");
    told(&notify(&format!("ntfy: [{{url: 'http://{}/x'}}]", receiver.address)), &entry, None);
    let got = receiver.only();
    assert!(got.body.len() <= 4096, "ntfy makes an attachment of it");
    assert!(got.header("title").unwrap().len() < 1000);
}

#[test]
fn only_news_are_told_and_recovery_is_called_so() {
    let receiver = Receiver::taking();
    let settings = notify(&format!("ntfy: [{{url: 'http://{}/kwo'}}]", receiver.address));
    let title = |entry: &Entry, before: Option<&Entry>| {
        assert_eq!(told(&settings, entry, before), []);
        let mut got = receiver.got();
        assert!(got.len() <= 1, "{got:?}");
        got.pop().map(|got| got.header("title").unwrap().to_owned())
    };
    let (failed, refused) = (failed(ProblemKind::Target), refused());
    let held = Entry {
        outcome: Outcome::Held,
        held: vec![Held { id: "kube:Role/a/b".into(), tenant: "a".into(), why: "foreign".into() }],
        ..quiet()
    };
    let drift = Drift {
        id: "kube:Role/a/b".into(),
        tenant: "a".into(),
        what: "by kubectl-edit".into(),
        fields: Vec::new(),
    };
    let drift = Entry { drift: vec![drift], ..quiet() };
    let later = Entry { refused: Some(commit(&"e".repeat(40))), ..refused.clone() };
    let left = Left {
        id: "kube:ClusterRoleBinding/kwo-admin-viktor".into(),
        tenant: String::new(),
        what: "viktor@example.com is still admin of the whole cluster".into(),
        command: "kubectl delete clusterrolebindings kwo-admin-viktor".into(),
    };
    let left = Entry { outcome: Outcome::AccessLeft, access_left: vec![left], ..quiet() };
    let foreign = Left {
        id: "kube:RoleBinding/alice/colleague".into(),
        tenant: "alice".into(),
        what: "mallory@example.com is admin of alice".into(),
        command: "kubectl describe rolebindings colleague --namespace=alice".into(),
    };
    let foreign = Entry { foreign_access: vec![foreign], ..quiet() };
    for (entry, before) in [
        (&foreign, &foreign),
        (&left, &left),
        (&quiet(), &quiet()),
        (&quiet(), &changed()),
        (&failed, &failed),
        (&refused, &refused),
        (&held, &held),
        (&drift, &drift),
    ] {
        assert_eq!(title(entry, Some(before)), None, "{entry:?}");
    }
    let quiet = quiet();
    for (entry, before, expected) in [
        (&quiet, None, "kwo: nothing had to be changed"),
        (&failed, Some(&quiet), "kwo failed: connection refused by https://10.0.0.1:6443"),
        (&quiet, Some(&failed), "kwo recovered: nothing had to be changed"),
        (&changed(), Some(&failed), "kwo recovered: 2 changes for alice"),
        (&held, Some(&quiet), "kwo: nothing had to be changed, 1 object held"),
        (&left, Some(&quiet), "kwo: 1 grant is left: viktor@example.com is still admin of the whole cluster"),
        (&quiet, Some(&left), "kwo: nothing had to be changed"),
        (&foreign, Some(&quiet), "kwo: nothing had to be changed, 1 right not kwo's"),
        (&quiet, Some(&foreign), "kwo: nothing had to be changed"),
        (&quiet, Some(&held), "kwo: nothing had to be changed"),
        (&drift, Some(&quiet), "kwo: nothing had to be changed, 1 object changed by others"),
        (&refused, Some(&quiet), "kwo refused fffffff: the commit is not signed by a signer"),
        (&later, Some(&refused), "kwo refused eeeeeee: the commit is not signed by a signer"),
    ] {
        assert_eq!(title(entry, before).as_deref(), Some(expected));
    }
}

#[test]
fn the_settings_in_the_manual_are_settings() {
    let page = std::fs::read_to_string("docs/how-to/notifications.md").unwrap();
    let blocks = page.split("```yaml\n").filter_map(|block| block.split("```").next());
    let shown = blocks.filter(|block| block.starts_with("notify:")).collect::<Vec<_>>();
    assert_eq!(shown.len(), 1);
    let text =
        format!("apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: /srv/git/x.git}}\n{}", shown[0]);
    let settings = kwo_planner::settings::parse(SourceFile { name: "kwo.yaml".into(), text });
    let settings = settings.unwrap_or_else(|refused| panic!("{:?}", refused.findings));
    let notify = settings.notify.unwrap();
    let told = (notify.webhooks.len(), notify.slack.len(), notify.ntfy.len(), notify.status.is_some());
    assert_eq!(told, (1, 1, 1, true));
    assert!(settings.metrics.is_some());
}
