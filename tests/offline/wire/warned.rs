//! What the server warns of beside its answer is told at the step, whatever stands in it.

use std::sync::Arc;

use kwo::report::applied::Applied;
use kwo::report::printed::Report as _;
use kwo::report::{markdown, run};
use kwo_engine::execute::{Brakes, Report, execute};
use kwo_engine::providers::Provider;
use kwo_planner::change::Step;
use kwo_planner::plan::Plan;
use testkit::loopback::Reply::Answer;
use testkit::scripted::Scripted;
use tokio::sync::watch;

use super::{create, kube, plan};

/// Several in one header and in several, one of them twice, one with what turns a terminal round.
const WARNINGS: &str = "Warning: 299 - \"existing pods in namespace \\\"alice\\\" violate the new PodSecurity enforce level\", \
    299 - \"old is deprecated\"\r\nWarning: 299 - \"old is deprecated\"\r\nwarning: 299 hook \"a\u{9b}2Jb\u{202e}c\"\r\n";

async fn applied(step: Step, status: u16) -> (Plan, Report) {
    let server = Scripted::playing(vec![Answer(status, WARNINGS, "{}".to_owned())]);
    let provider: Arc<dyn Provider> = Arc::new(kube(&server).await);
    let (_keep, interrupted) = watch::channel(false);
    let (_lock, lock_lost) = watch::channel(false);
    let plan = plan(step);
    let report = execute(&plan, &provider, 1, &Brakes { interrupted, lock_lost }, |_| {}).await;
    (plan, report)
}

const TOLD: [&str; 3] = [
    r#"existing pods in namespace "alice" violate the new PodSecurity enforce level"#,
    "old is deprecated",
    r"a\u{9b}2Jb\u{202e}c",
];

#[tokio::test]
async fn warnings_are_told_in_every_form() {
    let (plan, report) = applied(create(), 201).await;
    let whole = Applied {
        access: None,
        plan: &plan,
        report: Some(&report),
        again: None,
        extent: None,
        blind: None,
        stale: &[],
        beyond: 0,
    };
    let json = serde_json::to_value(whole.called()).expect("JSON");
    assert_eq!(json["results"][0]["warnings"], serde_json::json!(TOLD));
    let line = anstream::adapter::strip_str(&run::Lines::default().next(&report.results[0])).to_string();
    let lines: Vec<&str> = line.lines().collect();
    assert_eq!(lines[0], "+ created kube:ServiceAccount/alice/a");
    assert_eq!(lines[1..], TOLD.map(|told| format!("    warning: {told}")));
    let comment = markdown::applied(&plan, Some(&report), &[], None);
    assert!(TOLD.iter().all(|told| comment.contains(told)), "{comment}");
}

#[tokio::test]
async fn a_refusal_keeps_its_warnings() {
    let (_, report) = applied(create(), 403).await;
    assert!(!report.results[0].outcome.is_done());
    assert_eq!(report.results[0].warnings, TOLD);
}

#[tokio::test]
async fn a_warning_of_a_secret_is_not_repeated() {
    let id = "kube:Secret/alice/a".parse().expect("an id");
    let (_, report) = applied(Step { id, ..create() }, 201).await;
    let [warning] = &*report.results[0].warnings else { panic!("{:?}", report.results[0].warnings) };
    assert!(warning.contains("not shown"), "{warning}");
}
