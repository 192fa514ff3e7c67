//! What a run leaves for Prometheus: a file for node_exporter's textfile collector. kwo replaces the file in one
//! step. It has only gauges, because each run writes all of it again.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use kwo_planner::resource::ResourceId;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::backup::{Machine, newest};
use crate::failure::Failure;
use crate::history::{Entry, Outcome, ProblemKind, Retained};
use crate::issued::{Issued, State};
use crate::out;
use crate::providers::{Astray, keep_readable};
use crate::regular;

const LAST_SUCCESS: &str = "kwo_last_success_timestamp_seconds";

const OUTCOMES: [Outcome; 6] = [
    Outcome::Converged,
    Outcome::AccessLeft,
    Outcome::Held,
    Outcome::AccessDiffers,
    Outcome::Refused,
    Outcome::Failed,
];

const KINDS: [(ProblemKind, &str); 8] = [
    (ProblemKind::Fetch, "fetch"),
    (ProblemKind::Trust, "trust"),
    (ProblemKind::Roster, "roster"),
    (ProblemKind::Limit, "limit"),
    (ProblemKind::Policy, "policy"),
    (ProblemKind::Target, "target"),
    (ProblemKind::Step, "step"),
    (ProblemKind::Access, "access"),
];

const STATES: [(State, &str); 4] = [
    (State::Ready, "ready"),
    (State::Waiting, "waiting"),
    (State::Failing, "failing"),
    (State::NotThere, "not-there"),
];

/// Writes the figures of this run into the file. The last success is kept where this is none.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    path: &Path,
    entry: &Entry,
    certificates: Option<&[Issued]>,
    backups: Option<&Path>,
) -> Result<(), Failure> {
    out::may_replace(path, out::METRICS).map_err(|why| {
        Failure::new(format!("cannot write the metrics to {}: {why}", path.display()))
            .hint("name another file in the settings, or delete this one first")
    })?;
    let before = regular::text(path).ok();
    let before = before.and_then(|text| text.lines().find_map(last_success));
    let backed_up = backups.and_then(backed_up);
    keep_readable(path, &text(entry, before, certificates, backed_up)).map_err(|astray| cannot(path, &astray))
}

fn cannot(path: &Path, astray: &Astray) -> Failure {
    let failure = Failure::new(format!("cannot write the metrics to {}: {astray}", path.display()));
    let folder = path.parent().unwrap_or(path);
    match astray {
        Astray::Io(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => failure.hint(format!(
            "where kwo-sync.service runs it, `systemctl edit kwo-sync` opens the folder: `[Service]`, and below it \
             `ReadWritePaths={}`",
            folder.display()
        )),
        _ if !folder.exists() => failure.hint(format!(
            "make {}, the folder that node_exporter's `--collector.textfile.directory` names, or change `metrics:` in \
             the settings",
            folder.display()
        )),
        _ => failure,
    }
}

/// The value, if this is the line that has it.
fn last_success(line: &str) -> Option<f64> {
    line.strip_prefix(LAST_SUCCESS)?.strip_prefix(' ')?.trim().parse().ok()
}

/// All of the file.
fn text(
    entry: &Entry,
    last_success: Option<f64>,
    certificates: Option<&[Issued]>,
    backed_up: Option<f64>,
) -> String {
    let mut registry = Registry::default();
    let mut all = figures(entry, last_success);
    // Where nobody could look, no number is right.
    all.extend(certificates.into_iter().flat_map(issued));
    all.extend(backed_up.map(|when| Figure {
        name: "kwo_backup_timestamp_seconds",
        help: "When the newest backup of the node was made; 0 if there is none.",
        values: vec![(Vec::new(), when)],
    }));
    registry.register_collector(Box::new(Figures(all)));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = encode_registry(&mut text, &registry);
    text
}

/// When the newest backup in this folder was made. A folder that is not there has none; of one that cannot be read, no number
/// is right.
fn backed_up(folder: &Path) -> Option<f64> {
    let node = Machine { root: "/".into(), data_dir: None }.node();
    match newest(folder, node.as_deref(), Timestamp::now()) {
        Ok(found) => Some(found.made.map_or(0.0, seconds)),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(0.0),
        Err(_) => None,
    }
}

type Labels = Vec<(&'static str, String)>;

/// One name with what it is and its values.
#[derive(Debug)]
struct Figure {
    name: &'static str,
    help: &'static str,
    values: Vec<(Labels, f64)>,
}

fn figures(entry: &Entry, last_success: Option<f64>) -> Vec<Figure> {
    let one = |name, help, value: f64| Figure { name, help, values: vec![(Vec::new(), value)] };
    let ended = entry.began + Duration::from_millis(entry.took_ms);
    let ended = seconds(ended);
    // What is held waits for somebody; all the rest was seen to.
    let success = matches!(entry.outcome, Outcome::Converged | Outcome::AccessLeft | Outcome::Held);
    let mut figures = vec![
        Figure {
            name: "kwo_info",
            help: "The version of kwo, and the commit that it applied last.",
            values: vec![(
                vec![
                    ("version", env!("CARGO_PKG_VERSION").to_owned()),
                    ("commit", entry.commit.as_ref().map(|commit| commit.id.clone()).unwrap_or_default()),
                ],
                1.0,
            )],
        },
        one("kwo_last_run_timestamp_seconds", "When the last run ended.", ended),
        one("kwo_last_run_duration_seconds", "How long the last run took.", millis(entry.took_ms)),
        Figure {
            name: "kwo_last_run_outcome",
            help: "How the last run ended: 1 for its outcome, 0 for the others.",
            values: OUTCOMES
                .map(|outcome| {
                    (
                        vec![("outcome", outcome.word().to_owned())],
                        f64::from(u8::from(outcome == entry.outcome)),
                    )
                })
                .to_vec(),
        },
        Figure {
            name: "kwo_last_run_steps",
            help: "What the last run did or tried, by the kind of object.",
            values: steps(entry),
        },
        Figure {
            name: "kwo_last_run_problems",
            help: "What went wrong in the last run.",
            values: KINDS
                .map(|(kind, word)| {
                    let count = entry.problems.iter().filter(|problem| problem.kind == kind).count();
                    (vec![("kind", word.to_owned())], number(count))
                })
                .to_vec(),
        },
        one("kwo_last_run_drift", "Objects that somebody else changed.", number(entry.drift.len())),
        one(
            "kwo_fights",
            "Fields that kwo corrects and somebody changes back, run after run.",
            number(entry.fights.len()),
        ),
        one("kwo_held", "Objects that kwo holds.", number(entry.held.len())),
        one(
            "kwo_leftovers",
            "Objects and fields that the roster no longer asks for.",
            number(entry.leftovers),
        ),
        one(
            "kwo_leftover_access",
            "Leftovers that still give somebody a right.",
            number(entry.access_left.len()),
        ),
        one(
            "kwo_leftover_in_force",
            "Leftovers that give no right but are still in force.",
            number(entry.in_force.len()),
        ),
        one("kwo_unchanged", "Objects that were as the roster wants them.", number(entry.unchanged)),
    ];
    figures.push(one(
        "kwo_retained",
        "Those who left, and whose objects are still kept.",
        number(entry.retained.len()),
    ));
    if !entry.retained.is_empty() {
        let values = entry.retained.iter().map(|retained| {
            let Retained { who, until, archived } = retained;
            (vec![("who", who.clone()), ("archived", archived.to_string())], seconds(*until))
        });
        figures.push(Figure {
            name: "kwo_retained_until_timestamp_seconds",
            help: "From when on `kwo offboard --stage destroy` may delete what is kept of somebody who left.",
            values: values.collect(),
        });
    }
    // Where nobody could look, no number is right.
    if entry.unseen_access.is_empty() {
        let help = "Rights that bindings of others give and the roster does not, and network connections that policies of others open.";
        figures.push(one("kwo_foreign_access", help, number(entry.foreign_access.len())));
    }
    if let Some(when) = if success { Some(ended) } else { last_success } {
        figures.push(one(
            LAST_SUCCESS,
            "When the last good run ended: it neither failed nor was refused.",
            when,
        ));
    }
    if let Some(commit) = &entry.commit {
        let help = "The date of the commit that kwo applied last.";
        figures.push(one("kwo_commit_timestamp_seconds", help, seconds(commit.when)));
    }
    figures
}

/// How the certificates are that the roster asks for.
fn issued(all: &[Issued]) -> Vec<Figure> {
    let states = STATES.map(|(state, word)| {
        let count = all.iter().filter(|one| one.state == state).count();
        (vec![("state", word.to_owned())], number(count))
    });
    let ends = all.iter().filter_map(|one| {
        let labels = vec![("name", one.name.clone()), ("namespace", one.namespace.clone())];
        Some((labels, seconds(one.valid_until?)))
    });
    let ends: Vec<(Labels, f64)> = ends.collect();
    let mut figures = vec![Figure {
        name: "kwo_certificates",
        help: "Issuers and Certificates of cert-manager that the roster asks for, by their state.",
        values: states.to_vec(),
    }];
    if !ends.is_empty() {
        figures.push(Figure {
            name: "kwo_certificate_expiration_timestamp_seconds",
            help: "Until when a certificate is valid that the roster asks for.",
            values: ends,
        });
    }
    figures
}

/// Each kind with what became of it.
fn steps(entry: &Entry) -> Vec<(Labels, f64)> {
    let mut counts: BTreeMap<(String, &str, &str), usize> = BTreeMap::new();
    for step in &entry.steps {
        let kind =
            step.id.parse().map_or_else(|_| "unknown".to_owned(), |id: ResourceId| id.kind.to_string());
        *counts.entry((kind, step.action.word(), step.outcome.word())).or_default() += 1;
    }
    let labels = |(kind, action, outcome): (String, &str, &str)| {
        vec![("kind", kind), ("action", action.to_owned()), ("outcome", outcome.to_owned())]
    };
    counts.into_iter().map(|(key, count)| (labels(key), number(count))).collect()
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

fn millis(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// In the order that they are written in, unlike the families of the library.
#[derive(Debug)]
struct Figures(Vec<Figure>);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Figure { name, help, values } in &self.0 {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            match values.as_slice() {
                [(labels, value)] if labels.is_empty() => ConstGauge::new(*value).encode(metric)?,
                several => {
                    for (labels, value) in several {
                        let labels = labels.as_slice();
                        ConstGauge::new(*value).encode(metric.encode_family(&labels)?)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_may_not_write_there_is_told_what_opens_it() {
        let closed = Astray::Io(ErrorKind::ReadOnlyFilesystem.into());
        let said = cannot(Path::new("/var/lib/prometheus/node-exporter/kwo.prom"), &closed);
        assert!(said.hints[0].ends_with("`ReadWritePaths=/var/lib/prometheus/node-exporter`"), "{said:?}");
    }
}
