//! `kwo logs`, and `kwo status` without a cluster. No test cluster has a kubelet, so a server plays one; `journalctl`
//! is a stand-in.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use testkit::loopback::Asked;
use testkit::loopback::Reply::{self, Answer, Begin, Drop};
use testkit::scripted::Scripted;

const ROSTER: &str = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: {namespaces: [one, two]}, bob: }}";

fn command(folder: &Path, kubeconfig: &Path, args: &[&str]) -> Command {
    std::fs::write(folder.join("roster.yaml"), ROSTER).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(args).current_dir(folder).env_clear().env("KWO_KUBECONFIG", kubeconfig).stdin(Stdio::null());
    command
}

fn kwo(server: &Scripted, args: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    ended(&command(folder.path(), &server.kubeconfig, args).output().unwrap())
}

fn ended(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A list of pods, each with its containers.
fn pods(pods: &[(&str, &[&str])]) -> Reply {
    let named = |name: &str| json!({"name": name});
    let pod = |(name, containers): &(&str, &[&str])| {
        let containers: Vec<Value> = containers.iter().map(|name| named(name)).collect();
        json!({"metadata": named(name), "spec": {"containers": containers}})
    };
    Answer(200, "", json!({"items": pods.iter().map(pod).collect::<Vec<_>>()}).to_string())
}

/// The paths of the requests so far, which only read.
fn paths(server: &Scripted) -> Vec<String> {
    let read = |asked: Asked| {
        let Asked { method, path, headers, lines: _, body } = asked;
        assert_eq!((method.as_str(), body.as_str()), ("GET", ""));
        assert!(headers.iter().any(|header| header.starts_with("user-agent: kwo/")), "{headers:?}");
        path
    };
    server.asked().into_iter().map(read).collect()
}

#[test]
fn one_pod_speaks_for_itself_and_is_not_followed() {
    let log = || Answer(200, "", "first\nsecond, without an end".to_owned());
    let server = Scripted::playing(vec![pods(&[("traefik-x", &["traefik"])]), log()]);
    let (code, out, err) = kwo(&server, &["logs", "traefik", "--tail", "7"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "first\nsecond, without an end\n", ""));
    let place = "/api/v1/namespaces/kube-system/pods";
    let label = "labelSelector=app.kubernetes.io%2Fname%3Dtraefik";
    let asked = [format!("{place}?{label}"), format!("{place}/traefik-x/log?container=traefik&tailLines=7")];
    assert_eq!(paths(&server), asked);
    let server = Scripted::playing(vec![pods(&[("registry-x", &["registry"])]), log()]);
    assert_eq!(kwo(&server, &["logs", "registry"]).0, 0);
    assert_eq!(paths(&server)[0], format!("{place}?labelSelector=app%3Dregistry"));
}

#[test]
fn several_pods_are_told_apart_and_a_silent_one_does_not_silence_the_others() {
    let server = Scripted::start(|asked: &Asked| match asked.path.as_str() {
        "/api/v1/namespaces/one/pods" => pods(&[("web", &["app", "side"])]),
        "/api/v1/namespaces/two/pods" => pods(&[("db", &["db"])]),
        path if path.contains("container=side") => {
            Answer(400, "", r#"{"message":"container \"side\" is waiting to start"}"#.to_owned())
        }
        path if path.starts_with("/api/v1/namespaces/two/pods/db/log?") => Answer(200, "", "d1\n".to_owned()),
        _ => Answer(200, "", "a1\na2\n".to_owned()),
    });
    let (code, out, err) = kwo(&server, &["logs", "tenant:alice"]);
    assert_eq!((code, out.as_str()), (1, "web/app: a1\nweb/app: a2\ndb/db: d1\n"));
    assert_eq!(
        err,
        "one/web/side: its log could not be read: refused: container \"side\" is waiting to start\n"
    );
}

#[test]
fn what_has_no_log_is_said() {
    let server = Scripted::playing(vec![pods(&[])]);
    let (code, _, err) = kwo(&server, &["logs", "tenant:bob"]);
    assert!(code == 1 && err.contains("there are no pods in bob"), "{err}");
    let (code, _, err) = kwo(&server, &["logs", "tenant:carol"]);
    assert!(code == 1 && err.contains("its tenants are: alice, bob"), "{err}");
    for wrong in ["carol", "tenant:"] {
        let (code, _, err) = kwo(&server, &["logs", wrong]);
        assert!(code == 64 && err.contains("expected traefik, registry, k3s or tenant:NAME"), "{err}");
    }
}

/// A run whose first line has come while the log goes on.
fn following() -> (Scripted, Child, tempfile::TempDir) {
    let server = Scripted::playing(vec![pods(&[("traefik-x", &["traefik"])]), Begin("now\nand th")]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path(), &server.kubeconfig, &["logs", "traefik", "-f", "--timeout=1s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "now\n");
    (server, child, folder)
}

#[test]
fn a_log_that_is_followed_comes_line_by_line_until_ctrl_c() {
    let (server, mut child, _folder) = following();
    assert!(paths(&server)[1].ends_with("tailLines=100&follow=true"), "{:?}", paths(&server));
    // Longer than an answer may take: a log may be silent.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none(), "it gave up on a silent log");
    let told = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(told.success());
    let (code, out, err) = ended(&child.wait_with_output().unwrap());
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
}

#[test]
fn the_log_of_k3s_is_that_of_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("journalctl");
    std::fs::write(&program, "#!/bin/sh\necho \"$@\"\nexit $CODE\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let run = |args: &[&str], path: &Path, code: &str| {
        let mut command = command(folder.path(), Path::new("/nowhere"), args);
        ended(&command.env("PATH", path).env("CODE", code).output().unwrap())
    };
    let here = folder.path();
    let said = |tail: &str| (0, format!("--no-pager -u k3s -n {tail}\n"), String::new());
    assert_eq!(run(&["logs", "k3s"], here, "0"), said("100"));
    assert_eq!(run(&["logs", "k3s", "--tail=5", "--follow"], here, "0"), said("5 -f"));
    let (code, _, err) = run(&["logs", "k3s"], here, "3");
    assert!(code == 1 && err.contains("journalctl failed: exit status: 3"), "{err}");
    let (code, _, err) = run(&["logs", "k3s"], Path::new("/nowhere"), "0");
    assert!(code == 1 && err.contains("cannot run journalctl") && err.contains("run this there"), "{err}");
}

#[test]
fn a_status_without_a_server_tells_what_is_known_and_fails() {
    let server = Scripted::start(|_| Drop);
    let (code, out, err) = kwo(&server, &["status", "--node", "-o", "json"]);
    let status: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    assert_eq!((code, server.asked().len()), (1, 5));
    assert!(err.contains("cannot reach the cluster: lost the connection"), "{err}");
    assert!(status["disks"][0]["found"]["percent"].is_u64(), "{status:#}");
    assert_eq!(status["tenants"].as_array().unwrap().len(), 2);
    for answer in [&status["nodes"], &status["traefik"], &status["last_run"], &status["server"]["version"]] {
        assert!(answer["could_not_look"].is_string(), "{answer}");
    }
}
