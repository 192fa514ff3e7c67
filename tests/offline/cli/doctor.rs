//! `kwo doctor` without a cluster, and against a server that says what a test wants: what fails, what is asked, and what is
//! in a support bundle. The rest is tested against the real thing.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use kwo_engine::doctor::ALL;
use serde_json::Value;
use testkit::loopback::{Loopback, Reply};
use testkit::manual::{cell, holds};
use testkit::schemas::fits;

/// What is placed where secrets are, and is to be in no bundle.
const SENTINEL: &str = "sentinel-5ecre7";

fn run(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.arg("doctor").args(args).current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("HOME", folder).env("PATH", std::env::var("PATH").unwrap()).env("KWO_API_WAIT", "1s");
    command.env("KWO_SETTINGS", folder.join("kwo.yaml"));
    command.envs(variables.iter().copied()).output().unwrap()
}

/// The checks by their names.
fn checks(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Value {
    let output = run(folder, &[args, &["-o", "json"]].concat(), variables);
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    fits("doctor", &json);
    let failed = json["checks"].as_array().unwrap().iter().any(|check| check["outcome"] == "failed");
    assert_eq!(output.status.code(), Some(i32::from(failed)));
    let all = json["checks"].as_array().unwrap();
    let names: Vec<&str> = all.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ALL.iter().map(|topic| topic.name).collect::<Vec<_>>());
    all.iter().map(|check| (check["name"].as_str().unwrap().to_owned(), check.clone())).collect()
}

#[test]
fn the_manual_lists_every_check() {
    let mut text = String::from("| check | what it looks at |\n|---|---|\n");
    for topic in ALL {
        writeln!(text, "| `{}` | {} |", topic.name, cell(topic.looks_at)).unwrap();
    }
    holds("docs/reference/doctor.md", "", &text);
}

#[test]
fn without_anything_one_check_fails_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let checks = checks(folder.path(), &[], &[]);
    let of = |outcome: &str| -> Vec<&str> {
        let all = checks.as_object().unwrap().iter();
        all.filter(|(_, check)| check["outcome"] == outcome).map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(of("failed"), ["server"]);
    assert_eq!(of("warning"), [""; 0]);
    assert_eq!(of("ok"), [""; 0]);
    assert_eq!(
        checks["server"]["todo"]["command"].as_str(),
        Some("sudo kwo doctor --kubeconfig /etc/rancher/k3s/k3s.yaml")
    );
    let text = run(folder.path(), &[], &[]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("failed    server           no kubeconfig found"), "{text}");
    assert!(text.contains("\n1 failed, 0 warnings, 0 ok; "), "{text}");
}

/// A server that knows its version, and says this date.
fn server(head: &'static str) -> Loopback {
    Loopback::start(move |asked| match asked.path.as_str() {
        "/version" => Reply::Answer(
            200,
            head,
            r#"{"major":"1","minor":"34","gitVersion":"v1.34.0+k3s1","gitCommit":"","gitTreeState":"",
            "buildDate":"","goVersion":"","compiler":"","platform":""}"#
                .to_owned(),
        ),
        _ => Reply::Answer(404, "", "{}".to_owned()),
    })
}

#[test]
fn a_clock_that_is_years_off_and_a_kubeconfig_that_everybody_reads_are_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let server = server("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    let kubeconfig = folder.path().join("kubeconfig");
    fs::copy(&server.kubeconfig, &kubeconfig).unwrap();
    fs::set_permissions(&kubeconfig, fs::Permissions::from_mode(0o644)).unwrap();
    let options = ["--kubeconfig", kubeconfig.to_str().unwrap()];
    let found = checks(folder.path(), &options, &[]);
    assert_eq!((&found["server"]["outcome"], &found["clock"]["outcome"]), (&"ok".into(), &"failed".into()));
    assert_eq!(found["kubeconfig"]["outcome"], "failed");
    let command = found["kubeconfig"]["todo"]["command"].as_str().unwrap();
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
    let found = checks(folder.path(), &options, &[]);
    assert_eq!(found["kubeconfig"]["outcome"], "ok");
    // What is named for later reaches the same server.
    let agrees = run(folder.path(), &[&options[..], &["-f", "none.yaml"]].concat(), &[]);
    let text = String::from_utf8(agrees.stdout).unwrap();
    assert!(text.contains("kwo validate none.yaml"), "{text}");
    let nodes = found["network-policies"]["outcome"].as_str().unwrap();
    assert_eq!(nodes, "cannot-tell");
}

#[test]
fn a_server_that_tells_no_time_is_no_clock_that_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let server = server("");
    let found = checks(folder.path(), &["--kubeconfig", server.kubeconfig.to_str().unwrap()], &[]);
    assert_eq!(found["clock"]["outcome"], "cannot-tell");
}

/// All that is in a bundle.
fn unpacked(path: &Path) -> String {
    let file = fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let mut all = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        writeln!(all, "== {}", entry.path().unwrap().display()).unwrap();
        entry.read_to_string(&mut all).unwrap();
    }
    all
}

#[test]
fn a_bundle_is_private_and_takes_the_place_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let bundle = |name: &str| run(folder.path(), &["--bundle", name], &[]);
    fs::write(path("there"), "mine").unwrap();
    fs::write(path("empty"), "").unwrap();
    std::os::unix::fs::symlink("elsewhere", path("link")).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    for name in ["there", "empty", "link", "pipe", "/dev/null"] {
        let refused = bundle(name);
        assert_eq!(refused.status.code(), Some(1));
        assert!(refused.stdout.is_empty(), "it is said before anything is looked at");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing was written"), "{name}");
    }
    assert_eq!(bundle("-").status.code(), Some(64));
    assert_eq!(fs::read_to_string(path("there")).unwrap(), "mine");
    assert!(fs::read(path("empty")).unwrap().is_empty() && !path("elsewhere").exists());
    bundle("new");
    assert_eq!(fs::metadata(path("new")).unwrap().permissions().mode() & 0o777, 0o600);
    let all = unpacked(&path("new"));
    for part in
        ["== kwo-bundle/README.txt", "== kwo-bundle/doctor.txt", "== kwo-bundle/doctor.json", "\"server\""]
    {
        assert!(all.contains(part), "{part}: {all}");
    }
}

#[test]
fn no_secret_of_a_kubeconfig_that_fails_is_in_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let usual = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n";
    let api = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n";
    let plug = format!(
        "users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: \
         Never, args: [-c, 'echo \"$@ $X and {SENTINEL}\" >&2; exit 3', sh, '--secret={SENTINEL}', '{SENTINEL}'], \
         env: [{{name: X, value: {SENTINEL}-env}}]}}}}}}]\n"
    );
    let query =
        format!("clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1/?t={SENTINEL}'}}}}]\n");
    let broken = format!("users:\n- {{name: u, user: {{token: {SENTINEL}, password: [\n");
    let user = "users: [{name: u, user: {}}]\n";
    for (name, text) in [
        ("plug-in", format!("{usual}{api}{plug}")),
        ("query", format!("{usual}{query}{user}")),
        ("broken", format!("{usual}{api}{broken}")),
        ("of-another-type", format!("{usual}{api}users: [{{name: u, user: {SENTINEL}}}]\n")),
    ] {
        fs::write(path("kubeconfig"), text).unwrap();
        let output = run(folder.path(), &["--kubeconfig", "kubeconfig", "--bundle", name], &[]);
        assert!(path(name).exists(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let all = unpacked(&path(name));
        assert!(all.contains("\"server\"") && !all.contains(SENTINEL), "{name}: {all}");
    }
}

#[test]
fn no_secret_of_any_source_is_in_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let place = folder.path().display();
    let server = server("");
    // In the kubeconfig.
    let kubeconfig = fs::read_to_string(&server.kubeconfig).unwrap();
    let kubeconfig = kubeconfig.replace("user: {}", &format!("user: {{token: {SENTINEL}-kubeconfig}}"));
    fs::write(path("kubeconfig"), kubeconfig).unwrap();
    // In the files and variables that roster and settings name, and beside what they say.
    fs::write(path("credential"), format!("{SENTINEL}-file")).unwrap();
    fs::write(
        path("roster.yaml"),
        format!(
            "# {SENTINEL}-comment\napiVersion: kwo/v1\nkind: Roster\ncluster: {{acme: {{email: ops@example.com}}}}\n\
             dns:\n  resolvers:\n    letsencrypt-cloudflare: {{provider: cloudflare, credentials: {{CF_DNS_API_TOKEN: \
             {{env: CF_TOKEN}}}}}}\n    letsencrypt-do: {{provider: digitalocean, credentials: {{DO_AUTH_TOKEN: \
             {{file: {place}/credential}}}}}}\ntenants: {{alice: }}\n"
        ),
    )
    .unwrap();
    fs::write(
        path("kwo.yaml"),
        format!(
            "# {SENTINEL}-comment\napiVersion: kwo/v1\nkind: Settings\nrepository: {{url: https://127.0.0.1:9/r, \
             token: {{file: {place}/credential}}}}\nstate: {place}/state\n"
        ),
    )
    .unwrap();
    // In what runs left behind.
    fs::create_dir_all(path("state/history")).unwrap();
    let mut entry = kwo_engine::history::Entry::begun("node".to_owned(), jiff::Timestamp::now());
    entry.problems.push(kwo_engine::history::Problem {
        kind: kwo_engine::history::ProblemKind::Fetch,
        text: format!("the server says {SENTINEL}-history"),
        hint: format!("{SENTINEL}-hint"),
    });
    kwo_engine::history::History::new(path("state/history")).append(entry).unwrap();
    let token = format!("{SENTINEL}-environment");
    let variables = [("CF_TOKEN", token.as_str()), ("MY_PASSWORD", &token)];
    let options = ["--kubeconfig", "kubeconfig", "--node", "--root", ".", "--bundle", "bundle"];
    let output = run(folder.path(), &options, &variables);
    assert!(path("bundle").exists(), "{}", String::from_utf8_lossy(&output.stderr));
    let all = unpacked(&path("bundle"));
    assert!(all.contains("== kwo-bundle/status.json") && all.contains("== kwo-bundle/history.json"), "{all}");
    assert!(all.contains("\"fetch\""), "the kind of a problem is told: {all}");
    assert!(!all.contains(SENTINEL), "{all}");
    for said in [output.stdout, output.stderr] {
        assert!(!String::from_utf8_lossy(&said).contains(SENTINEL));
    }
}

#[test]
fn settings_that_others_can_write_fail_and_nothing_acts_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("kwo.yaml");
    let state = folder.path().join("state");
    let text = "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /nowhere}\nstate: STATE\n";
    fs::write(&settings, text.replace("STATE", state.to_str().unwrap())).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let refused = |what: &str| {
        for command in ["sync", "hook", "self-update"] {
            let mut started = Command::new(env!("CARGO_BIN_EXE_kwo"));
            started.args([command, "--settings"]).arg(&settings).env_clear().env("HOME", folder.path());
            started.env("PATH", std::env::var("PATH").unwrap()).stdin(Stdio::null());
            let output = started.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{command}: {said}");
            let expected = "kwo does not act on settings that others may change";
            assert!(said.contains(expected) && said.contains(what), "{command}: {said}");
            assert!(said.contains("chmod go-w"), "{command}: {said}");
        }
        let check = &checks(folder.path(), &[], &[])["files"];
        assert_eq!(check["outcome"], "failed", "{check}");
        // Nothing was fetched.
        assert!(!state.exists());
    };
    mode(&settings, 0o666);
    refused("its mode is 0666");
    mode(&settings, 0o620);
    refused("its mode is 0620");
    mode(&settings, 0o600);
    mode(folder.path(), 0o777);
    refused("its mode is 0777");
    mode(folder.path(), 0o755);
    assert_eq!(checks(folder.path(), &[], &[])["files"]["outcome"], "ok");
    // Whoever writes to the file of the signers chooses whose commits count.
    let signers = folder.path().join("signers");
    fs::write(&signers, "").unwrap();
    mode(&signers, 0o664);
    let trust = format!("trust: {{signers: {{ssh: {}}}}}\n", signers.display());
    fs::write(&settings, fs::read_to_string(&settings).unwrap() + &trust).unwrap();
    let mut sync = Command::new(env!("CARGO_BIN_EXE_kwo"));
    let output = sync.args(["sync", "--settings"]).arg(&settings).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("kwo does not act on public keys that others may change"), "{said}");
    assert!(!state.exists());
}
