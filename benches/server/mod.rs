//! The API server of the tests, for benchmarks: how many requests it answered, and what a command cost that asked it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Builds the server, where that is still to be done; gives the folder that it is in.
pub(crate) fn programs() -> PathBuf {
    let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apiserver");
    let built = Command::new("sh").arg("tests/apiserver/build.sh").arg(&programs).status();
    assert!(built.is_ok_and(|status| status.success()), "the API server could not be built");
    programs
}

/// What a command cost.
#[derive(Debug)]
pub(crate) struct Measured {
    /// From its start to its end.
    pub(crate) wall: Duration,
    /// How many requests the API server answered meanwhile.
    pub(crate) requests: usize,
    /// The most memory it had at a time, in KiB.
    pub(crate) peak: Option<u64>,
    /// The time that it and what it started had a processor.
    pub(crate) cpu: Option<Duration>,
}

/// An API server that ends with this value.
pub(crate) struct Server {
    child: Child,
    /// Who asks as its admin.
    pub(crate) kubeconfig: PathBuf,
    audit_log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts one whose state lies below the folder.
    pub(crate) fn start(programs: &Path, folder: &Path, name: &str) -> Server {
        let state = folder.join(name);
        let (kubeconfig, audit_log) = (state.join("kubeconfig"), state.join("audit.log"));
        let mut child = Command::new(programs.join("kwo-test-apiserver"))
            .args([
                Path::new("--dir"),
                &state,
                Path::new("--kubeconfig"),
                &kubeconfig,
                Path::new("--audit-log"),
            ])
            .arg(&audit_log)
            .args(std::env::var("KWO_TEST_DATASTORE").ok().map(|kind| format!("--datastore={kind}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the API server starts");
        let mut line = String::new();
        let _ = BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line);
        assert!(line.starts_with("ready"), "the API server did not start: {line}");
        Server { child, kubeconfig, audit_log }
    }

    /// How many requests it has answered.
    pub(crate) fn requests(&self) -> usize {
        std::fs::read_to_string(&self.audit_log).map_or(0, |text| text.lines().count())
    }

    /// Runs a command to its end, which has to be a good one.
    pub(crate) fn measure(&self, command: &mut Command) -> Measured {
        let measured = self.attempt(command);
        assert!(measured.is_ok(), "{command:?}: {measured:?}");
        measured.expect("it ended well")
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When that is no good one.
    pub(crate) fn attempt(&self, command: &mut Command) -> Result<Measured, ExitStatus> {
        let before = self.requests();
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let (status, stat) = (format!("/proc/{}/status", child.id()), format!("/proc/{}/stat", child.id()));
        let (mut peak, mut cpu) = (None, None);
        let ended = loop {
            if let Some(ended) = child.try_wait().expect("it can be waited for") {
                break ended;
            }
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).or(peak);
            cpu = std::fs::read_to_string(&stat).ok().and_then(|text| processor(&text)).or(cpu);
            std::thread::sleep(Duration::from_millis(2));
        };
        let wall = started.elapsed();
        if !ended.success() {
            return Err(ended);
        }
        Ok(Measured { wall, requests: self.requests() - before, peak, cpu })
    }
}

/// The processor time in a line of `/proc/PID/stat`, with that of the children that ended.
fn processor(stat: &str) -> Option<Duration> {
    // The name of the program, in brackets, may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}
