//! The metrics, against those who read them: promtool checks them, and node_exporter's textfile collector shows them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use kwo_engine::history::{Drift, Entry, Held, Outcome, ProblemKind, StepOutcome};
use kwo_engine::issued::Issued;
use kwo_engine::metrics::write;
use testkit::manual;
use testkit::peers::http::Request;
use testkit::peers::{Running, free_port, local, program};

use crate::notify::runs::{NEWEST, changed, failed, quiet};

/// Name and labels with the value.
fn values(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

/// A run in which everything happened.
fn everything() -> Entry {
    let held = Held { id: "kube:Role/a/b".into(), tenant: "a".into(), why: "foreign".into() };
    let drift = Drift {
        id: "kube:Role/a/c".into(),
        tenant: "a".into(),
        what: "by \"kubectl\"".into(),
        fields: Vec::new(),
    };
    let mut entry = failed(ProblemKind::Step);
    entry.steps = changed().steps;
    entry.steps[0].outcome = StepOutcome::Refused;
    Entry { held: vec![held.clone(), held], drift: vec![drift], ..entry }
}

/// One that was to be renewed and was not, and one that is new.
fn certificates() -> [Issued; 2] {
    let now = "2026-11-29T00:00:00Z".parse().unwrap();
    let of = |id: &str, object: &str| {
        Issued::of(&id.parse().unwrap(), &serde_json::from_str(object).unwrap(), None, now)
    };
    [
        of(
            "kube:Certificate/alice/kwo-domains",
            r#"{"status":{"notAfter":"2027-02-28T00:00:00Z","lastFailureTime":"2026-11-28T00:00:00Z"}}"#,
        ),
        of(
            "kube:Certificate/bob/kwo-domains",
            r#"{"metadata":{"creationTimestamp":"2026-11-28T23:59:00Z"}}"#,
        ),
    ]
}

/// A name with its labels; of one label also the values, for they are all there.
fn labels(samples: &[&str], name: &str) -> String {
    let of = |sample: &&str| -> Option<Vec<(String, String)>> {
        let inside = sample.strip_prefix(name)?.strip_prefix('{')?.split_once('}')?.0;
        let pairs = inside.split(',').filter_map(|pair| pair.split_once('='));
        Some(pairs.map(|(label, value)| (label.to_owned(), value.trim_matches('"').to_owned())).collect())
    };
    let found: Vec<Vec<(String, String)>> = samples.iter().filter_map(of).collect();
    match found.first().map(Vec::as_slice) {
        None => String::new(),
        Some([(label, _)]) => {
            let values: Vec<String> = found.iter().map(|labels| format!("`{}`", labels[0].1)).collect();
            format!("`{label}`: {}", values.join(", "))
        }
        Some(several) => several.iter().map(|(label, _)| format!("`{label}`")).collect::<Vec<_>>().join(", "),
    }
}

#[test]
fn the_metrics_of_the_manual_are_those_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kwo.prom");
    write(&path, &changed(), None, None).unwrap();
    write(&path, &everything(), Some(&certificates()), Some(folder.path())).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut table = String::from("| metric | labels | what it is |\n|---|---|---|\n");
    let mut seen = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        table += &format!("| `{name}` | {} | {} |\n", labels(&samples, name), manual::cell(help));
        seen += 1;
    }
    assert!(seen >= 15, "{text}");
    manual::holds("docs/reference/metrics.md", "", &table);
}

#[test]
fn every_figure_of_a_run_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kwo.prom");
    write(&path, &changed(), None, None).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let said = values(&text);
    let info = format!("kwo_info{{version=\"{}\",commit=\"{NEWEST}\"}}", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        (info.as_str(), 1.0),
        ("kwo_last_run_timestamp_seconds", 1_795_280_402.5),
        ("kwo_last_success_timestamp_seconds", 1_795_280_402.5),
        ("kwo_last_run_duration_seconds", 2.5),
        ("kwo_last_run_outcome{outcome=\"converged\"}", 1.0),
        ("kwo_last_run_outcome{outcome=\"failed\"}", 0.0),
        ("kwo_last_run_steps{kind=\"Namespace\",action=\"created\",outcome=\"done\"}", 1.0),
        ("kwo_last_run_steps{kind=\"ResourceQuota\",action=\"revised\",outcome=\"done\"}", 1.0),
        ("kwo_last_run_problems{kind=\"fetch\"}", 0.0),
        ("kwo_last_run_drift", 0.0),
        ("kwo_held", 0.0),
        ("kwo_leftovers", 1.0),
        ("kwo_leftover_access", 0.0),
        ("kwo_foreign_access", 0.0),
        ("kwo_fights", 0.0),
        ("kwo_unchanged", 40.0),
        ("kwo_commit_timestamp_seconds", 1_795_280_340.0),
    ] {
        assert_eq!(said.get(name), Some(&value), "{name}\n{text}");
    }
    write(&path, &everything(), Some(&certificates()), Some(folder.path())).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let said = values(&text);
    for (name, value) in [
        ("kwo_last_run_outcome{outcome=\"failed\"}", 1.0),
        ("kwo_last_run_steps{kind=\"Namespace\",action=\"created\",outcome=\"refused\"}", 1.0),
        ("kwo_last_run_problems{kind=\"step\"}", 1.0),
        ("kwo_last_run_drift", 1.0),
        ("kwo_held", 2.0),
        ("kwo_backup_timestamp_seconds", 0.0),
        ("kwo_certificates{state=\"ready\"}", 0.0),
        ("kwo_certificates{state=\"failing\"}", 1.0),
        ("kwo_certificates{state=\"waiting\"}", 1.0),
        (
            "kwo_certificate_expiration_timestamp_seconds{name=\"kwo-domains\",namespace=\"alice\"}",
            1_803_772_800.0,
        ),
    ] {
        assert_eq!(said.get(name), Some(&value), "{name}\n{text}");
    }
}

#[test]
fn what_nobody_could_look_at_is_not_said_to_be_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kwo.prom");
    let entry = Entry { unseen_access: vec!["list rolebindings was refused".to_owned()], ..quiet() };
    write(&path, &entry, None, None).unwrap();
    let said = fs::read_to_string(&path).unwrap();
    assert!(!said.contains("kwo_foreign_access") && !said.contains("kwo_certificate"), "{said}");
    assert!(!said.contains("kwo_backup"), "{said}");
    // No folder, so no backup; a file in its place tells nothing. One that is there counts by its name.
    let backups = |name: &str| {
        write(&path, &entry, None, Some(&folder.path().join(name))).unwrap();
        values(&fs::read_to_string(&path).unwrap()).get("kwo_backup_timestamp_seconds").copied()
    };
    assert_eq!((backups("none"), backups("kwo.prom")), (Some(0.0), None));
    fs::write(folder.path().join("kwo-node-n-20261121T180000Z.tar.zst.age"), "x").unwrap();
    assert_eq!(backups(""), Some(1_795_284_000.0));
}

#[test]
fn the_last_success_outlives_runs_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kwo.prom");
    let after = |entry: &Entry| {
        write(&path, entry, None, None).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        values(&text).get("kwo_last_success_timestamp_seconds").copied()
    };
    assert_eq!(after(&failed(ProblemKind::Fetch)), None);
    assert_eq!(after(&quiet()), Some(1_795_280_402.5));
    let later = "2026-11-21T19:00:00Z".parse().unwrap();
    let failed = Entry { began: later, ..failed(ProblemKind::Fetch) };
    assert_eq!(after(&failed), Some(1_795_280_402.5));
    assert_eq!(after(&failed), Some(1_795_280_402.5));
    assert_eq!(after(&Entry { outcome: Outcome::Refused, ..failed.clone() }), Some(1_795_280_402.5));
    assert_eq!(after(&Entry { outcome: Outcome::Held, ..failed }), Some(1_795_287_602.5));
    let rubbish = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .take(1)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    fs::write(&path, rubbish + "kwo_last_success_timestamp_seconds rubbish\n").unwrap();
    assert_eq!(after(&everything()), None);
}

#[test]
fn the_file_is_replaced_in_one_move_and_everybody_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kwo.prom");
    write(&path, &quiet(), None, None).unwrap();
    let before = fs::metadata(&path).unwrap();
    write(&path, &changed(), None, None).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(after.permissions().mode() & 0o777, 0o644);
    assert_ne!(before.ino(), after.ino());
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "a temporary file is left");

    let nowhere = folder.path().join("missing/kwo.prom");
    let failure = write(&nowhere, &quiet(), None, None).unwrap_err();
    assert!(failure.message.starts_with("cannot write the metrics to "), "{failure:?}");
    assert!(failure.hints[0].starts_with("make "), "{failure:?}");
    assert!(!nowhere.parent().unwrap().exists());
    let link = folder.path().join("link.prom");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(write(&link, &quiet(), None, None).unwrap_err().message.ends_with("is a symbolic link"));
}

fn promtool(program: &Path, file: &Path) -> (bool, String) {
    let output = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::from(fs::File::open(file).unwrap()))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn promtool_finds_nothing_wrong_with_them() {
    let Some(program) = program("promtool") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kwo.prom");
    for entry in [changed(), quiet(), failed(ProblemKind::Fetch), everything()] {
        write(&path, &entry, Some(&certificates()), Some(folder.path())).unwrap();
        assert_eq!(promtool(&program, &path), (true, String::new()));
    }
    // It does look.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("kwo_held", "kwo_held_total")).unwrap();
    assert!(!promtool(&program, &path).0);
}

#[test]
fn node_exporter_shows_them() {
    let Some(program) = program("prometheus-node-exporter") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kwo.prom");
    write(&path, &everything(), Some(&certificates()), Some(folder.path())).unwrap();
    let address = local(free_port());
    let args = [
        "--collector.disable-defaults".to_owned(),
        "--collector.textfile".to_owned(),
        format!("--collector.textfile.directory={}", folder.path().display()),
        format!("--web.listen-address={address}"),
    ];
    let mut running = Running::start(&program, &args, &[], folder.path());
    running.wait_for(address);
    let shown = Request::get("localhost", "/metrics").ask(address).unwrap().text();
    let shown = values(&shown);
    assert_eq!(shown.get("node_textfile_scrape_error"), Some(&0.0), "{}", running.said());
    let text = fs::read_to_string(&path).unwrap();
    for (name, value) in values(&text) {
        // It sorts the labels.
        let name = if name.starts_with("kwo_last_run_steps") || name.starts_with("kwo_info") {
            shown.keys().find(|shown| shown.starts_with(name.split('{').next().unwrap())).unwrap()
        } else {
            name
        };
        assert_eq!(shown.get(name), Some(&value), "{name}");
    }
}
