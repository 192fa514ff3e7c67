//! A real Kubernetes API server for the tests of one suite: started once, ended with the process. And others, for tests
//! that need one which is started in another way.
//!
//! `KWO_TEST_KUBECONFIG` names a cluster to use instead; its current context must have `test` in its name. Otherwise
//! `tests/apiserver` is built with Go; the tests below `tests/live` run on SQLite behind kine, as k3s does, and all others
//! on etcd, unless `KWO_TEST_DATASTORE` says `kine` or `etcd` for all. Where neither can be had the live tests say so and
//! do nothing, unless `KWO_REQUIRE_LIVE=1`, which makes that a failure.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use crate::suite::{Suite, asking};
use crate::{live, places};

/// A server, and the kubectl that fits it.
pub struct Server {
    /// The admin's.
    pub kubeconfig: PathBuf,
    audit_log: Option<PathBuf>,
    /// The program.
    pub kubectl: PathBuf,
    /// Its standard input is open for as long as this lives, and the server with it.
    child: Option<Child>,
    /// How it was started, with the port that it has now.
    command: Vec<String>,
}

impl Server {
    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it is our own").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "kill -s {name} {pid}");
    }

    /// Ends it in no good order, as a power cut would.
    pub fn kill(&mut self) {
        let child = self.child.as_mut().expect("it is our own");
        child.kill().and_then(|()| child.wait()).expect("it can be killed");
    }

    /// Starts it again with the state and the port that it had.
    pub fn again(&mut self) {
        self.child = Some(launch(&self.command).0);
    }

    /// Runs kubectl as the admin.
    pub fn run_kubectl(&self, args: &[&str]) -> Output {
        Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.kubectl.display()))
    }

    /// One JSON line for each request, where the server is our own.
    pub fn audit_log(&self) -> Option<&Path> {
        self.audit_log.as_deref()
    }

    /// What kubectl prints; it has to succeed.
    #[track_caller]
    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        let output = self.run_kubectl(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {args:?}: {errors}");
        String::from_utf8(output.stdout).expect("kubectl prints text")
    }
}

/// The admin's kubeconfig; nothing where the live tests cannot run.
#[track_caller]
pub fn kubeconfig() -> Option<&'static Path> {
    server().map(|server| server.kubeconfig.as_path())
}

/// One JSON line for each request, where the server is our own.
#[track_caller]
pub fn audit_log() -> Option<&'static Path> {
    server()?.audit_log.as_deref()
}

/// Runs kubectl as the admin.
#[track_caller]
pub fn kubectl(args: &[&str]) -> Output {
    server().expect("there is a server").run_kubectl(args)
}

/// What kubectl prints; it has to succeed.
#[track_caller]
pub fn kubectl_ok(args: &[&str]) -> String {
    server().expect("there is a server").kubectl_ok(args)
}

/// A server of a test's own, with these arguments besides; nothing where it cannot be had.
#[track_caller]
pub fn another(more: &[String]) -> Option<Server> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = build().map_or_else(|why| live::missing(&why), Some)?;
    let store = asking().datastore();
    Some(start(&folder, &format!("{}/{count}", std::process::id()), &store, more))
}

/// A server of a test's own whose state is in this folder: in `db/state.db` it has what k3s has in `server/db/state.db`.
pub fn on_kine(folder: &Path) -> Option<Server> {
    let programs = build().map_or_else(|why| live::missing(&why), Some)?;
    let kubeconfig = folder.join("kubeconfig");
    let path = |path: &Path| path.display().to_string();
    let command = vec![
        path(&programs.join("kwo-test-apiserver")),
        "--dir".to_owned(),
        path(folder),
        "--datastore=kine".to_owned(),
    ];
    let child = Some(launch(&command).0);
    Some(Server { kubeconfig, audit_log: None, kubectl: programs.join("kubectl"), child, command })
}

/// A server of a test's own whose state is in this folder: in `etcd` it has what k3s has in `server/db/etcd`. It begins with a
/// snapshot, where one is given, and SIGUSR1 makes it write one to `snapshot.db`.
pub fn on_etcd(folder: &Path, restore: Option<&Path>) -> Option<Server> {
    let programs = build().map_or_else(|why| live::missing(&why), Some)?;
    let kubeconfig = folder.join("kubeconfig");
    let path = |path: &Path| path.display().to_string();
    let mut command = vec![
        path(&programs.join("kwo-test-apiserver")),
        "--dir".to_owned(),
        path(folder),
        "--datastore=etcd".to_owned(),
    ];
    command.extend(restore.map(|file| format!("--restore={}", path(file))));
    let child = Some(launch(&command).0);
    Some(Server { kubeconfig, audit_log: None, kubectl: programs.join("kubectl"), child, command })
}

/// The folder with the programs of the server and of kubectl; nothing where they cannot be had.
pub fn programs() -> Option<PathBuf> {
    build().map_or_else(|why| live::missing(&why), Some)
}

/// A name that no other test uses, also where many share a cluster.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(std::process::id()) & 0xf_ffff;
    // As long as every other of that prefix: tables of kwo are padded to the longest name.
    format!("{prefix}-{random:05x}{count:03}")
}

/// The server of the suite that asks; nothing where the live tests cannot run.
#[track_caller]
pub fn server() -> Option<&'static Server> {
    of(asking())
}

/// The server of this suite.
pub(crate) fn of(suite: &'static Suite) -> Option<&'static Server> {
    suite.server.get_or_init(|| find(suite).unwrap_or_else(|why| live::missing(&why))).as_ref()
}

/// The kubeconfig of the cluster that the environment names.
pub(crate) fn given() -> Option<PathBuf> {
    std::env::var_os("KWO_TEST_KUBECONFIG").filter(|given| !given.is_empty()).map(PathBuf::from)
}

fn find(suite: &Suite) -> Result<Option<Server>, String> {
    if let Some(kubeconfig) = given() {
        return Ok(Some(given_cluster(kubeconfig)));
    }
    let folder = build()?;
    let name = format!("{}/{}", std::process::id(), suite.name);
    Ok(Some(start(&folder, &name, &suite.datastore(), &[])))
}

/// The cluster that the environment names, if it is one for tests.
fn given_cluster(kubeconfig: PathBuf) -> Server {
    let read = kube::config::Kubeconfig::read_from(&kubeconfig)
        .unwrap_or_else(|error| panic!("KWO_TEST_KUBECONFIG={}: {error}", kubeconfig.display()));
    let context = read.current_context.unwrap_or_default();
    assert!(
        context.contains("test"),
        "KWO_TEST_KUBECONFIG={}: its context `{context}` has no `test` in its name, and the tests would write to that \
         cluster; if they may, `kubectl config rename-context {context} {context}-test`",
        kubeconfig.display()
    );
    let kubectl = build().map_or_else(|_| PathBuf::from("kubectl"), |folder| folder.join("kubectl"));
    Server { kubeconfig, audit_log: None, kubectl, child: None, command: Vec::new() }
}

/// Builds the server and kubectl, once for all test programs that run at the same time.
fn build() -> Result<PathBuf, String> {
    let go = Command::new("go").arg("version").stdin(Stdio::null()).output();
    if !go.is_ok_and(|output| output.status.success()) {
        return Err("there is no Go to build the API server with, and no KWO_TEST_KUBECONFIG".to_owned());
    }
    let source = places::root().join("tests/apiserver");
    let folder = places::tmp().join("apiserver");
    let text = |error: io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(text)?;
    let lock = File::create(folder.join("lock")).map_err(text)?;
    lock.lock().map_err(text)?;
    if fresh(&source, &folder).unwrap_or(false) {
        return Ok(folder);
    }
    let _ = writeln!(io::stderr(), "building the API server for the tests; the first time takes minutes");
    let output = Command::new("sh")
        .arg(source.join("build.sh"))
        .arg(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("build.sh: {error}"))?;
    if output.status.success() {
        Ok(folder)
    } else {
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("the API server could not be built: {errors}"))
    }
}

/// Are all programs newer than all of their sources?
fn fresh(source: &Path, folder: &Path) -> io::Result<bool> {
    let changed = |path: PathBuf| fs::metadata(path)?.modified();
    let mut newest = SystemTime::UNIX_EPOCH;
    for folder in [source, &source.join("kine")] {
        for entry in fs::read_dir(folder)? {
            newest = newest.max(changed(entry?.path())?);
        }
    }
    for program in ["kwo-test-apiserver", "kubectl", "kine"] {
        if changed(folder.join(program))? <= newest {
            return Ok(false);
        }
    }
    Ok(true)
}

fn start(folder: &Path, name: &str, datastore: &str, more: &[String]) -> Server {
    let runs = folder.join("runs");
    sweep(&runs);
    let state = runs.join(name);
    let (kubeconfig, audit_log) = (state.join("kubeconfig"), state.join("audit.log"));
    let mut command = vec![folder.join("kwo-test-apiserver").display().to_string()];
    for (flag, path) in [("--dir", &state), ("--kubeconfig", &kubeconfig), ("--audit-log", &audit_log)] {
        command.extend([flag.to_owned(), path.display().to_string()]);
    }
    command.extend(["--datastore".to_owned(), datastore.to_owned()]);
    command.extend_from_slice(more);
    let (child, port) = launch(&command);
    command.extend(["--port".to_owned(), port]);
    let kubectl = folder.join("kubectl");
    Server { kubeconfig, audit_log: Some(audit_log), kubectl, child: Some(child), command }
}

/// Starts the program and waits until it is ready; gives its port.
fn launch(command: &[String]) -> (Child, String) {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("the API server could not be started: {error}"));
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output is a pipe");
    let read = BufReader::new(stdout).read_line(&mut line);
    assert!(
        read.is_ok() && line.starts_with("ready "),
        "the API server did not start: {line}; it was {command:?}"
    );
    let port = line.trim().rsplit(':').next().unwrap_or_default().to_owned();
    (child, port)
}

/// Removes what test programs that have ended left behind.
fn sweep(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(entry.file_name()).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
