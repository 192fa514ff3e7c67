//! The same texts through everything that is told over the web: Slack and what takes the same, ntfy, webhooks, the status of
//! a commit and the comment at each forge. A server on loopback writes down what it is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kwo_engine::forge::{Forge, ForgeKind};
use kwo_engine::history::Entry;
use kwo_engine::notify::tell;
use kwo_engine::references::Places;
use kwo_planner::plain::acts;
use kwo_planner::roster::SourceFile;
use kwo_planner::settings::parse;
use serde_json::{Value, json};

use crate::strangers::sinks::{LURE, PAYLOADS, each, fenced};

/// More of them, for those who read marks of their own.
const MARKS: &[&str] = &[
    "<!channel> <!here|here> <@U012AB3CD> <!subteam^S1> <https://evil.example|all is well>",
    "@channel @Everyone @HERE @all @admins x@here",
    "[all is well](https://evil.example) ![x](https://evil.example/x.png)",
    "```\nall is well\n```",
    "&lt;!channel&gt; &amp;",
    "=?UTF-8?B?YWxsIGlzIHdlbGw=?=",
    "x\r\nactions: http, all is well, https://evil.example\r\n\r\nall is well",
];

/// One request: its first line, its headers by name, its body.
#[derive(Clone, Debug)]
struct Sent {
    first: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }
}

/// A server that takes everything and answers with this.
fn server(status: u16, answer: String) -> (SocketAddr, Arc<Mutex<Vec<Sent>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, got) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&got);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream);
            let mut line = || {
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                line.trim_end_matches(['\r', '\n']).to_owned()
            };
            let first = line();
            let mut headers = Vec::new();
            loop {
                let line = line();
                let Some((name, value)) = line.split_once(": ") else { break };
                headers.push((name.to_lowercase(), value.to_owned()));
            }
            let mut sent = Sent { first, headers, body: String::new() };
            let length = sent.header("content-length").parse().unwrap_or(0);
            lines.take(length).read_to_string(&mut sent.body).unwrap();
            log.lock().unwrap().push(sent);
            let length = answer.len();
            let head =
                format!("HTTP/1.1 {status} Taken\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            (&stream).write_all(format!("{head}{answer}").as_bytes()).unwrap();
        }
    });
    (address, got)
}

fn entries() -> impl Iterator<Item = (&'static str, Entry)> {
    let commit = json!({"id": "0123456789abcdef0123456789abcdef01234567", "author": "Al <a@example.com>",
        "when": "2026-01-01T00:00:00Z", "subject": "Add bob"});
    let left = json!({"id": "kube:RoleBinding/a/b", "tenant": "a", "what": "bob is admin of a", "command": "kubectl delete x"});
    let entry = |outcome: &str| {
        json!({
            "format_version": "1.0", "number": 3, "previous": "", "began": "2026-01-01T00:00:00Z", "took_ms": 5,
            "host": "node", "target": "https://10.0.0.1", "commit": commit, "refused": commit, "roster_digest": "a",
            "plan_digest": "b", "outcome": outcome, "leftovers": 1, "unchanged": 2,
            "problems": [{"kind": "step", "text": "kwo says no", "hint": "do"}],
            "steps": [{"id": "kube:Role/a/b", "tenant": "a", "action": "created", "outcome": "done", "why": "", "took_ms": 1},
                {"id": "kube:Role/a/c", "tenant": "a", "action": "created", "outcome": "refused", "why": "no", "took_ms": 1}],
            "held": [{"id": "kube:Role/a/b", "tenant": "a", "why": "x"}],
            "drift": [{"id": "kube:Role/a/b", "tenant": "a", "what": "y"}],
            "access_left": [left], "in_force": [left],
        })
    };
    let entries = [entry("failed"), entry("converged"), entry("refused")];
    entries.iter().for_each(|entry| drop(serde_json::from_value::<Entry>(entry.clone()).unwrap()));
    let read = |(payload, entry): (&'static str, Value)| Some((payload, serde_json::from_value(entry).ok()?));
    let everywhere = PAYLOADS.iter().chain(MARKS).flat_map({
        let entries = entries.clone();
        move |payload| entries.clone().map(|entry| (*payload, filled(&entry, "", payload)))
    });
    // Each field by itself, where a line is not cut before it is its turn.
    let alone = [PAYLOADS[0], MARKS[0]].into_iter().flat_map(move |payload| {
        entries
            .iter()
            .flat_map(|entry| each(entry, payload))
            .map(|entry| (payload, entry))
            .collect::<Vec<_>>()
    });
    everywhere.chain(alone).filter_map(read)
}

/// The document with the payload in every text that is not one of a few words.
fn filled(value: &Value, key: &str, payload: &str) -> Value {
    match value {
        Value::String(_) if !["outcome", "kind", "began", "when"].contains(&key) => Value::from(payload),
        Value::Array(items) => items.iter().map(|item| filled(item, key, payload)).collect(),
        Value::Object(map) if key == "commit" || key == "refused" => {
            let mut map = filled(&Value::Object(map.clone()), "", payload);
            map["id"] = value["id"].clone();
            map
        }
        Value::Object(map) => {
            map.iter().map(|(key, item)| (key.clone(), filled(item, key, payload))).collect()
        }
        _ => value.clone(),
    }
}

/// Text in which nothing acts, and of which each line begins with words of kwo's own.
#[track_caller]
fn quiet(payload: &str, said: &str) {
    assert!(!said.contains(|char| acts(char) && !matches!(char, '\n' | '\u{200b}')), "{payload:?}: {said:?}");
    let own = |line: &str| line.trim_start().starts_with("::") || line.trim_start().starts_with(LURE);
    assert!(!said.lines().any(own), "{payload:?}: {said}");
}

/// What Slack, Mattermost or Discord would make more of than text.
#[track_caller]
fn no_marks(payload: &str, said: &str) {
    assert!(
        !said.contains(['<', '>']) && !said.contains("](") && !said.contains("```"),
        "{payload:?}: {said}"
    );
    let lower = said.to_lowercase();
    for call in ["@all", "@channel", "@everyone", "@here", "@admins"] {
        assert!(!lower.contains(call), "{payload:?}: {said}");
    }
    for (at, _) in said.match_indices('&') {
        assert!(["&amp;", "&lt;", "&gt;"].iter().any(|known| said[at..].starts_with(known)), "{said}");
    }
}

/// What a header says to who reads it as RFC 2047 has it.
fn word(header: &str) -> String {
    match header.strip_prefix("=?UTF-8?B?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap(),
        None => {
            assert!(!header.contains("=?"), "{header}");
            header.to_owned()
        }
    }
}

#[test]
fn what_is_told_over_the_web_acts_on_nobody() {
    let (address, got) = server(200, "{}".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("{{file: {}}}", path.display())
    };
    let (slack, token) = (secret("url", &format!("http://{address}/slack")), secret("token", "t0ken"));
    let settings = ["github", "gitlab", "forgejo"].map(|forge| {
        let text = format!(
            "apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: /srv/x.git}}\nnotify:\n  slack: [{{url: {slack}}}]\n  \
             webhooks: [{{url: 'http://{address}/hook', secret: {token}}}]\n  ntfy: [{{url: 'http://{address}/ntfy'}}]\n  \
             status: {{forge: {forge}, api: 'http://{address}', project: a/b, token: {token}}}\n"
        );
        parse(SourceFile { name: "kwo.yaml".into(), text }).unwrap().notify.unwrap()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut tried = 0;
    for (at, (payload, entry)) in entries().enumerate() {
        let untold = runtime.block_on(tell(&settings[at % 3], &Places::default(), &entry, None));
        untold.iter().for_each(|untold| quiet(payload, &format!("{untold} {}", untold.hint)));
        for sent in std::mem::take(&mut *got.lock().unwrap()) {
            tried += 1;
            let json = || serde_json::from_str::<Value>(&sent.body).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            assert!(!sent.headers.iter().any(|(name, _)| name == "actions"), "{payload:?}: {sent:?}");
            match sent.first.as_str() {
                first if first.starts_with("POST /slack ") => {
                    quiet(payload, &text(&json()["text"]));
                    no_marks(payload, &text(&json()["text"]));
                }
                first if first.starts_with("POST /ntfy ") => {
                    quiet(payload, &sent.body);
                    let title = word(sent.header("title"));
                    assert!(title.starts_with("kwo") && title.lines().count() == 1, "{payload:?}: {title:?}");
                    quiet(payload, &title);
                }
                first if first.starts_with("POST /hook ") => {
                    // Whoever prints the body as it came is safe as well, and what it says is the entry.
                    assert!(
                        !sent.body.contains(acts) && !sent.body.contains("##["),
                        "{payload:?}: {}",
                        sent.body
                    );
                    assert_eq!(serde_json::from_value::<Entry>(json()["entry"].clone()).unwrap(), entry);
                    quiet(payload, &text(&json()["text"]));
                    quiet(payload, &text(&json()["title"]));
                }
                first => {
                    assert!(
                        first.contains("/statuses/") && first.split(' ').count() == 3,
                        "{payload:?}: {first}"
                    );
                    let path = first.split(' ').nth(1).unwrap();
                    assert!(
                        path.starts_with("/api/v") && path.matches('/').count() < 8,
                        "{payload:?}: {first}"
                    );
                    quiet(payload, &text(&json()["description"]));
                    assert_eq!(text(&json()["description"]).lines().count(), 1, "{payload:?}");
                }
            }
        }
    }
    assert!(tried > 600, "{tried} were sent");
}

#[test]
fn what_a_forge_answers_stands_on_one_line_and_a_comment_in_its_fence() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for kind in [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Forgejo] {
        let (address, got) = server(200, "[]".to_owned());
        let forge = |address| Forge {
            kind,
            api: format!("http://{address}"),
            project: "a/b".to_owned(),
            token: None,
        };
        for payload in PAYLOADS.iter().chain(MARKS) {
            let said = kwo::report::markdown::failed("no plan", payload);
            runtime.block_on(forge(address).comment(1, "<!-- kwo -->", &said)).unwrap();
            for sent in
                std::mem::take(&mut *got.lock().unwrap()).iter().filter(|sent| sent.first.starts_with("POST"))
            {
                let body: Value = serde_json::from_str(&sent.body).unwrap();
                let body = body["body"].as_str().unwrap().strip_prefix("<!-- kwo -->\n").unwrap().to_owned();
                fenced(payload, &body);
            }
            let (refusing, _) = server(500, json!({"message": payload}).to_string());
            let why = runtime.block_on(forge(refusing).comment(1, "<!-- kwo -->", "x")).unwrap_err();
            assert!(!why.contains(acts), "{payload:?}: {why:?}");
        }
    }
}
