//! Deliveries as the forges send them, and near misses.

use crate::hook::listener::{Listener, SECRET, SIGNING_TOKEN, get, hmac, post};

/// The headers of a delivery by this forge, with a secret for this body.
fn headers(forge: &str, event: &str, id: &str, body: &str) -> Vec<(&'static str, String)> {
    let signature = hmac(SECRET.as_bytes(), body);
    let github = |event: &str| {
        vec![
            ("X-GitHub-Event", event.to_owned()),
            ("X-GitHub-Delivery", id.to_owned()),
            ("X-Hub-Signature-256", format!("sha256={signature}")),
            ("X-Hub-Signature", "sha1=0000000000000000000000000000000000000000".to_owned()),
        ]
    };
    let gitea = |event: &str| {
        let mut headers = github(event);
        headers.extend([
            ("X-Gitea-Event", event.to_owned()),
            ("X-Gitea-Delivery", id.to_owned()),
            ("X-Gitea-Signature", signature.clone()),
        ]);
        headers
    };
    match forge {
        "github" => github(event),
        "gitea" => gitea(event),
        "forgejo" => {
            let mut headers = gitea(event);
            headers.extend([
                ("X-Forgejo-Event", event.to_owned()),
                ("X-Forgejo-Delivery", id.to_owned()),
                ("X-Forgejo-Signature", signature.clone()),
            ]);
            headers
        }
        "gitlab" => {
            let event = if event == "push" { "Push Hook" } else { event };
            vec![
                ("X-Gitlab-Event", event.to_owned()),
                ("X-Gitlab-Event-UUID", id.to_owned()),
                ("X-Gitlab-Token", SECRET.to_owned()),
            ]
        }
        other => panic!("no forge: {other}"),
    }
}

fn send(listener: &Listener, headers: &[(&'static str, String)], body: &str) -> (u16, String) {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    post(listener.address, &headers, body)
}

#[test]
fn a_push_signed_as_each_forge_signs_is_looked_at() {
    let listener = Listener::with_trigger(SECRET);
    for forge in ["github", "forgejo", "gitea", "gitlab"] {
        let body = format!("{{\"ref\": \"refs/heads/main\", \"of\": \"{forge}\"}}");
        let (status, text) = send(&listener, &headers(forge, "push", "1", &body), &body);
        assert_eq!(status, 202, "{forge}: {text}");
        assert!(listener.triggered(), "{forge}");
        // Of the body nothing is believed: it may be anything, as long as it is signed.
        let (status, _) = send(&listener, &headers(forge, "push", "2", "\u{1}{[€"), "\u{1}{[€");
        assert!(status == 202 && listener.triggered(), "{forge}");
    }
}

#[test]
fn githubs_published_example_is_taken() {
    let listener = Listener::start(SECRET, &["--listen", "127.0.0.1:0", "--trigger", "trigger"], |command| {
        let folder = command.get_current_dir().unwrap();
        std::fs::write(folder.join("secret"), "It's a Secret to Everybody").unwrap();
    });
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers = [("X-GitHub-Event", "push"), ("X-Hub-Signature-256", signature)];
    assert_eq!(post(listener.address, &headers, "Hello, World!").0, 202);
    assert_eq!(post(listener.address, &headers, "Hello, World?").0, 401);
}

#[test]
fn a_wrong_a_missing_and_a_truncated_signature_are_refused() {
    let listener = Listener::with_trigger(SECRET);
    for forge in ["github", "forgejo", "gitea", "gitlab"] {
        let good = headers(forge, "push", "1", "{}");
        let is_signature = |name: &str| name.contains("Signature") || name.contains("Token");
        let with = |change: &dyn Fn(&str) -> Option<String>| {
            let changed: Vec<_> = good
                .iter()
                .filter_map(|(name, value)| {
                    let value = if is_signature(name) { change(value)? } else { value.clone() };
                    Some((*name, value))
                })
                .collect();
            send(&listener, &changed, "{}").0
        };
        assert_eq!(with(&|_| None), 401, "{forge}: missing");
        assert_eq!(with(&|_| Some(String::new())), 401, "{forge}: empty");
        assert_eq!(with(&|value| Some(value[..value.len() - 1].to_owned())), 401, "{forge}: one digit short");
        assert_eq!(with(&|value| Some(value[..value.len() - 2].to_owned())), 401, "{forge}: one byte short");
        assert_eq!(with(&|value| Some(format!("{value}00"))), 401, "{forge}: too long");
        assert_eq!(with(&|_| Some(hmac(b"another secret", "{}"))), 401, "{forge}: of another secret");
        if forge != "gitlab" {
            assert_eq!(send(&listener, &good, "{ }").0, 401, "{forge}: of another body");
        }
    }
    assert!(!listener.triggered());
    let (_, metrics) = get(listener.address, "/metrics");
    assert!(!metrics.contains("kwo_hook_runs_total{"), "{metrics}");
    listener.tell("-TERM");
    let (code, said) = listener.ended();
    assert!(
        code == Some(0) && said.contains("refused: a delivery without a signature (from 127.0.0.1)"),
        "{said}"
    );
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn gitlabs_signing_token_is_checked_with_id_and_time() {
    let listener = Listener::with_trigger(SIGNING_TOKEN);
    let key = b"key of thirty-two bytes, or so..";
    let now = jiff::Timestamp::now().as_second();
    let with = |id: &str, time: i64, signed: &str| {
        let hex = hmac(key, signed);
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        let (time, signature) = (time.to_string(), format!("v1,{base64}"));
        let headers = [
            ("X-Gitlab-Event", "Push Hook"),
            ("webhook-id", id),
            ("webhook-timestamp", &time),
            ("webhook-signature", &signature),
        ];
        post(listener.address, &headers, "{}").0
    };
    assert_eq!(with("msg_2", now, &format!("msg_1.{now}.{{}}")), 401, "of another id");
    assert_eq!(with("msg_1", now - 3600, &format!("msg_1.{}.{{}}", now - 3600)), 401, "an hour old");
    assert!(!listener.triggered());
    assert_eq!(with("msg_1", now, &format!("msg_1.{now}.{{}}")), 202);
    assert!(listener.triggered());
    let token = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", SIGNING_TOKEN)];
    assert_eq!(post(listener.address, &token, "{}").0, 401, "a signing token is never sent");
}

#[test]
fn a_replayed_delivery_starts_nothing() {
    let listener = Listener::with_trigger(SECRET);
    for forge in ["github", "forgejo", "gitea", "gitlab"] {
        let body = format!("{{\"of\": \"{forge}\"}}");
        let first = headers(forge, "push", "1", &body);
        assert_eq!(send(&listener, &first, &body).0, 202, "{forge}");
        assert!(listener.triggered());
        let other_id = headers(forge, "push", "2", &body);
        let no_id: Vec<_> = first
            .iter()
            .filter(|(name, _)| !name.contains("Delivery") && !name.contains("UUID"))
            .cloned()
            .collect();
        for again in [&first, &other_id, &no_id] {
            let (status, text) = send(&listener, again, &body);
            assert!(status == 200 && text.contains("kwo had this delivery before"), "{forge}: {text}");
        }
        assert!(!listener.triggered(), "{forge}");
    }
    let (_, metrics) = get(listener.address, "/metrics");
    assert!(metrics.contains("kwo_hook_requests_total{outcome=\"replayed\"} 12\n"), "{metrics}");
}

#[test]
fn only_a_push_starts_a_run() {
    let listener = Listener::with_trigger(SECRET);
    for (forge, event) in [
        ("github", "issues"),
        ("github", "pull_request"),
        ("github", "ping"),
        ("gitea", "create"),
        ("forgejo", "pull_request"),
        ("gitlab", "Tag Push Hook"),
        ("gitlab", "Merge Request Hook"),
        ("gitlab", "no such event"),
    ] {
        let (status, text) = send(&listener, &headers(forge, event, event, "{}"), "{}");
        assert_eq!(status, 200, "{forge} {event}: {text}");
    }
    assert!(!listener.triggered());
}
