//! The runs that follow a push: how many, what is told of them, and how the listener stops.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kwo::hook::{Bounds, Forge, Hook, Keys, Work};
use testkit::manual;
use tokio::sync::watch;

use crate::hook::listener::{Listener, SECRET, get, kwo, post, settings};

/// A listener inside of this process, whose run is a line for the shell.
pub(crate) struct Inside {
    pub(crate) address: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    stop: watch::Sender<bool>,
    served: Option<std::thread::JoinHandle<()>>,
}

impl Inside {
    pub(crate) fn start(line: &str, bounds: Bounds) -> Inside {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let args = ["-c".into(), line.into(), "sh".into(), log.into_os_string()];
        let mut keys = Keys::default();
        keys.add(Forge::GitLab, SECRET.as_bytes().to_vec().into()).unwrap();
        let hook =
            Arc::new(Hook::new(keys, Work::Program(PathBuf::from("/bin/sh"), args.into()), bounds, |_| {}));
        let (stop, stopped) = watch::channel(false);
        let (told, address) = std::sync::mpsc::channel();
        let served = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                hook.serve(listener, stopped).await;
            });
        });
        Inside { address: address.recv().unwrap(), folder, stop, served: Some(served) }
    }

    fn push(&self, body: &str) {
        let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event", "Push Hook")];
        assert_eq!(post(self.address, &headers, body).0, 202);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn until(&self, log: &str) {
        until(|| self.log() == log);
    }

    /// Stops it, and gives how long that took.
    fn stop(&mut self) -> Duration {
        let began = Instant::now();
        self.stop.send(true).unwrap();
        self.served.take().unwrap().join().unwrap();
        began.elapsed()
    }
}

fn until(there: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !there() {
        assert!(Instant::now() < end, "it does not come to be");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_burst_is_folded_into_the_run_that_goes_on_and_one_more() {
    let inside = Inside::start("echo begun >> \"$1\"; sleep 1.5; echo ended >> \"$1\"", Bounds::default());
    inside.push("first");
    inside.until("begun\n");
    std::thread::scope(|scope| {
        for number in 0..20 {
            let inside = &inside;
            scope.spawn(move || inside.push(&format!("push {number}")));
        }
    });
    assert_eq!(inside.log(), "begun\n", "the pushes were to come while the first run goes on");
    let (_, health) = get(inside.address, "/healthz");
    assert!(health.contains("\"running\":true,\"waiting\":true,\"last_run\":null"), "{health}");
    inside.until("begun\nended\nbegun\nended\n");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(inside.log(), "begun\nended\nbegun\nended\n");
    let (_, metrics) = get(inside.address, "/metrics");
    assert!(metrics.contains("kwo_hook_requests_total{outcome=\"started\"} 21\n"), "{metrics}");
    assert!(metrics.contains("kwo_hook_runs_total{exit=\"0\"} 2\n"), "{metrics}");
}

#[test]
fn how_the_last_run_ended_is_told() {
    let inside = Inside::start("exit 5", Bounds::default());
    let (_, health) = get(inside.address, "/healthz");
    assert!(health.contains("application/json") && health.contains("\"last_run\":null"), "{health}");
    inside.push("{}");
    until(|| get(inside.address, "/healthz").1.contains("\"exit\":5"));
    let (_, metrics) = get(inside.address, "/metrics");
    assert!(metrics.contains("kwo_hook_runs_total{exit=\"5\"} 1\n"), "{metrics}");
    assert!(metrics.contains("\nkwo_hook_last_run_exit_code 5\n"), "{metrics}");
    assert!(metrics.contains("\nkwo_hook_last_run_timestamp_seconds 1"), "{metrics}");

    // These are all there are, and the manual has them.
    let labels = |name: &str| {
        let sample = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        sample.map(|sample| format!("`{}`", sample.split('=').next().unwrap())).unwrap_or_default()
    };
    let mut table = String::from("| metric | labels | what it is |\n|---|---|---|\n");
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        table += &format!("| `{name}` | {} | {} |\n", labels(name), manual::cell(help));
    }
    manual::holds("docs/reference/metrics.md", "## Metrics of the listener", &table);
}

#[test]
fn a_run_that_goes_on_is_finished_before_the_listener_ends() {
    let mut inside = Inside::start("echo begun >> \"$1\"; sleep 1; echo ended >> \"$1\"", Bounds::default());
    inside.push("first");
    inside.until("begun\n");
    inside.push("second");
    assert!(inside.stop() > Duration::from_millis(200));
    assert_eq!(inside.log(), "begun\nended\n", "and what waits is not begun any more");
    assert!(std::net::TcpStream::connect(inside.address).is_err());
}

#[test]
fn a_run_that_does_not_end_is_told_to() {
    let line = "trap 'echo told >> \"$1\"; exit 3' TERM; echo begun >> \"$1\"; while :; do sleep 0.1; done";
    let bounds = Bounds { grace: Duration::from_millis(300), ..Bounds::default() };
    let mut inside = Inside::start(line, bounds);
    inside.push("{}");
    inside.until("begun\n");
    assert!(inside.stop() < Duration::from_secs(20));
    assert_eq!(inside.log(), "begun\ntold\n");
}

#[test]
fn without_a_trigger_it_runs_sync_itself() {
    let listener = Listener::start(SECRET, &["--listen", "127.0.0.1:0"], |_| {});
    let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event", "Push Hook")];
    assert_eq!(post(listener.address, &headers, "{}").0, 202);
    // Its repository is nowhere.
    until(|| get(listener.address, "/metrics").1.contains("kwo_hook_runs_total{"));
    let (_, metrics) = get(listener.address, "/metrics");
    assert!(!metrics.contains("kwo_hook_runs_total{exit=\"0\"}"), "{metrics}");
}

#[test]
fn a_storm_of_pushes_starts_no_more_runs_than_systemd_takes() {
    let unit = std::fs::read_to_string("systemd/kwo-sync.service").unwrap();
    let number = |name: &str| -> f64 {
        let line = unit.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("the unit does not say {name}")).parse().unwrap()
    };
    let most = number("StartLimitBurst=") / number("StartLimitIntervalSec=");
    let listener = Listener::with_trigger(SECRET);
    let trigger = listener.folder.path().join("trigger");
    let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event", "Push Hook")];
    let (began, mut started, mut pushes) = (Instant::now(), 0, 0);
    while began.elapsed() < Duration::from_secs(5) {
        assert_eq!(post(listener.address, &headers, &format!("push {pushes}")).0, 202);
        pushes += 1;
        std::thread::sleep(Duration::from_millis(50));
        // As systemd does, when the run begins.
        started += u32::from(std::fs::remove_file(&trigger).is_ok());
    }
    let after_the_first = f64::from(started - 1);
    assert!(after_the_first >= 1.0 && after_the_first < 5.0 * most, "{started} of {pushes} in 5 s");
    // What waits is not lost when the listener is stopped.
    assert_eq!(post(listener.address, &headers, "the last one").0, 202);
    listener.tell("-TERM");
    until(|| trigger.exists());
}

/// A listener beside a socket that hears what systemd would be told.
fn heard_by_systemd(path: &Path) -> (Listener, impl Fn() -> String + use<>) {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let heard = move || {
        let mut buffer = [0; 1000];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let args = ["--listen", "127.0.0.1:0", "--trigger", "trigger"];
    let listener = Listener::start(SECRET, &args, |command| {
        command.env("NOTIFY_SOCKET", path);
    });
    (listener, heard)
}

#[test]
fn systemd_is_told_and_sigterm_ends_it_well() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, heard) = heard_by_systemd(&folder.path().join("notify"));
    let ready = heard();
    assert!(ready.starts_with("READY=1\nSTATUS=listening on 127.0.0.1:"), "{ready}");
    let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event", "Push Hook")];
    // Nothing of what a push says is in it.
    assert_eq!(post(listener.address, &headers, "{\"ref\": \"x\\nMAINPID=1\"}\nMAINPID=1\n").0, 202);
    let status = heard();
    assert!(status.starts_with("STATUS=the trigger was written at 2"), "{status}");
    assert!(status.ends_with("exit code 0\n") && status.lines().count() == 1, "{status:?}");
    listener.tell("-TERM");
    assert_eq!(heard(), "STOPPING=1\n");
    assert_eq!(listener.ended().0, Some(0));
}

/// A listener with nothing to end is gone at once. Systemd hears of it all the same, each time.
#[test]
fn systemd_is_told_of_the_quickest_end() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..60 {
        let (listener, heard) = heard_by_systemd(&folder.path().join(format!("notify-{round}")));
        assert!(heard().starts_with("READY=1\n"));
        listener.tell("-TERM");
        assert_eq!(listener.ended().0, Some(0));
        assert_eq!(heard(), "STOPPING=1\n", "round {round}");
    }
}

#[test]
fn what_cannot_be_done_is_said_before_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let output = kwo(folder.path(), args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let nobody =
        |path: &Path| std::fs::write(path, "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /a}\n");
    let path = settings(folder.path(), SECRET);
    let (code, text) = said(&["--trigger", "missing/trigger"]);
    assert!(code == Some(1) && text.contains("cannot write the trigger missing/trigger"), "{text}");
    std::fs::remove_file(folder.path().join("gitlab")).unwrap();
    let (code, text) = said(&[]);
    assert!(code == Some(1) && text.contains("kwo.yaml:10: `hook.secrets.gitlab` cannot be used"), "{text}");
    nobody(&path).unwrap();
    let (code, text) = said(&[]);
    assert!(code == Some(1) && text.contains("has no secret to check pushes with"), "{text}");
    std::fs::remove_file(&path).unwrap();
    let (code, text) = said(&[]);
    assert!(
        code == Some(1) && text.contains("cannot read") && text.contains("`kwo install` writes"),
        "{text}"
    );
}

#[test]
fn the_other_half_runs_at_its_start_and_once_for_the_file_which_it_takes_away() {
    let folder = tempfile::tempdir().unwrap();
    let (trigger, log) = (folder.path().join("push"), folder.path().join("log"));
    let line = "echo begun >> \"$1\"; sleep 1; echo ended >> \"$1\"";
    let args = vec!["-c".into(), line.into(), "sh".into(), log.clone().into_os_string()];
    let (stop, stopped) = watch::channel(false);
    let said = Arc::new(std::sync::Mutex::new(String::new()));
    let (path, say) = (trigger.clone(), Arc::clone(&said));
    let waits = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let say = move |line: &str| *say.lock().unwrap() += &format!("{line}\n");
        let program = (PathBuf::from("/bin/sh"), args);
        runtime.block_on(kwo::hook::awaiting(&path, program, Duration::from_secs(20), say, stopped));
    });
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    // Where a folder is in its place, it starts nothing, says so once, and goes on.
    std::fs::create_dir(&trigger).unwrap();
    until(|| said.lock().unwrap().contains("cannot take the trigger"));
    std::thread::sleep(Duration::from_millis(1200));
    let told = said.lock().unwrap().clone();
    assert_eq!(told.matches("cannot take the trigger").count(), 1, "{told}");
    // What was pushed while nobody waited is in the first run.
    until(|| read() == "begun\nended\n");
    std::fs::remove_dir(&trigger).unwrap();

    std::fs::write(&trigger, "").unwrap();
    until(|| read() == "begun\nended\nbegun\n");
    assert!(!trigger.exists(), "it is taken away before the run begins");
    // What comes meanwhile is one run more, and a run that goes on is finished.
    std::fs::write(&trigger, "").unwrap();
    until(|| read() == "begun\nended\nbegun\nended\nbegun\n");
    stop.send(true).unwrap();
    waits.join().unwrap();
    assert_eq!(read(), "begun\nended\n".repeat(3));
}
