//! What the listener has seen and done, for `/healthz` and for Prometheus at `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// The figures.
#[derive(Debug)]
pub(super) struct Figures(Mutex<Counted>);

#[derive(Debug, Serialize)]
struct Counted {
    status: &'static str,
    since: Timestamp,
    running: bool,
    waiting: bool,
    last_run: Option<Run>,
    #[serde(skip)]
    requests: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    runs: BTreeMap<i32, u64>,
}

/// A run that has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Run {
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
    /// The exit code; 128 and more is a signal.
    pub(super) exit: i32,
}

impl Figures {
    /// The figures of a listener that starts now.
    #[must_use]
    pub(super) fn new(now: Timestamp) -> Figures {
        Figures(Mutex::new(Counted {
            status: "ok",
            since: now,
            running: false,
            waiting: false,
            last_run: None,
            requests: BTreeMap::new(),
            runs: BTreeMap::new(),
        }))
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // Numbers are never half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn answered(&self, outcome: &'static str) {
        *self.counted().requests.entry(outcome).or_default() += 1;
    }

    pub(super) fn waits(&self) {
        self.counted().waiting = true;
    }

    pub(super) fn begins(&self) {
        let mut counted = self.counted();
        (counted.running, counted.waiting) = (true, false);
    }

    pub(super) fn ends(&self, run: Run) {
        let mut counted = self.counted();
        counted.running = false;
        counted.last_run = Some(run);
        *counted.runs.entry(run.exit).or_default() += 1;
    }

    /// Is a run wanted that has not begun?
    #[must_use]
    pub(super) fn waiting(&self) -> bool {
        self.counted().waiting
    }

    /// One JSON object. It answers at all: that is what it says about the listener.
    #[must_use]
    pub(super) fn health(&self) -> String {
        serde_json::to_string(&*self.counted()).unwrap_or_default() + "\n"
    }

    /// Prometheus' text format.
    #[must_use]
    pub(super) fn metrics(&self) -> String {
        let counted = self.counted();
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, String)]| {
            let _ = writeln!(text, "# HELP kwo_hook_{name} {help}\n# TYPE kwo_hook_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(text, "kwo_hook_{name}{labels} {value}");
            }
        };
        let alone = |value: String| [(String::new(), value)];
        let outcomes: Vec<_> = counted
            .requests
            .iter()
            .map(|(outcome, count)| (format!("{{outcome=\"{outcome}\"}}"), count.to_string()))
            .collect();
        let runs: Vec<_> = counted
            .runs
            .iter()
            .map(|(exit, count)| (format!("{{exit=\"{exit}\"}}"), count.to_string()))
            .collect();
        metric(
            "start_time_seconds",
            "gauge",
            "When the listener started.",
            &alone(counted.since.as_second().to_string()),
        );
        metric("requests_total", "counter", "Requests, by their outcome.", &outcomes);
        metric("runs_total", "counter", "Runs that have ended, by exit code.", &runs);
        metric("running", "gauge", "1 while a run is active.", &alone(u8::from(counted.running).to_string()));
        metric(
            "waiting",
            "gauge",
            "1 while another run waits.",
            &alone(u8::from(counted.waiting).to_string()),
        );
        if let Some(run) = counted.last_run {
            let (exit, ended) = (run.exit.to_string(), run.ended.as_second().to_string());
            let took = run.ended.duration_since(run.began).as_secs_f64();
            metric("last_run_exit_code", "gauge", "The exit code of the last run.", &alone(exit));
            metric("last_run_timestamp_seconds", "gauge", "When the last run ended.", &alone(ended));
            metric(
                "last_run_duration_seconds",
                "gauge",
                "How long the last run took.",
                &alone(format!("{took:.3}")),
            );
        }
        text
    }
}
