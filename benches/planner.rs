//! How long compiling and planning take, and how much memory, for 10 000 tenants (about 90 000 objects) that are
//! seen in memory: `cargo bench --bench planner`, or with another number of tenants after `--`. One thread.
//!
//! The figures are the best of several runs, because machines are shared; memory is the process' peak.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use kwo_planner::after::after;
use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::Desired;

use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::verify::verify;

const RUNS: usize = 5;

fn main() {
    let tenants: usize = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(10_000);
    let mut text = String::from("apiVersion: kwo/v1\nkind: Roster\ntenants:\n");
    for at in 0..tenants {
        let _ = writeln!(
            text,
            "  tenant-{at:05}: {{owners: [owner-{at:05}@example.com], quota: {{pods: {}}}}}",
            at % 50 + 1
        );
    }
    let bytes = text.len();
    let sources = Sources::new(vec![SourceFile { name: "roster.yaml".into(), text }]);
    let started = Instant::now();
    let roster = parse(sources).expect("the roster of the benchmark is valid");
    let parsed = started.elapsed();
    println!(
        "{tenants} tenants, {} KiB of roster, parsed and checked in {parsed:.2?} ({} peak)",
        bytes / 1024,
        peak()
    );

    let desired = compile(&roster).expect("no clash");
    let absent: Observed =
        desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
    let first = look(&desired, &absent);
    println!("{} objects, first plan has {} steps", desired.resources().len(), first.steps.len());
    let settled = after(&first, &absent);
    let (checked, faults) = best(|| verify(&first, &absent));
    assert!(faults.is_empty());
    println!("independent check of the first plan: {checked:.2?}; peak so far {}", peak());
    drop((absent, first, desired));

    // From here on as in a run that finds nothing to do: the roster, what it wants, what was seen, the plan.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (compiled, desired) = best(|| compile(&roster).expect("no clash"));
    let (planned, second) = best(|| look(&desired, &settled));
    assert!(second.is_settled() && second.leftovers.is_empty());
    println!("unchanged: compile {compiled:.2?} + plan {planned:.2?} = {:.2?}", compiled + planned);
    println!("peak memory of that: {}", peak());
}

fn look(desired: &Desired, observed: &Observed) -> Plan {
    plan(desired, observed, &Adopt::Nothing, Provenance::default())
}

/// The shortest of several runs, and what the last one made; the others' work is gone before the next begins.
fn best<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut timed = || {
        let started = Instant::now();
        let made = work();
        (started.elapsed(), made)
    };
    let (mut shortest, mut made) = timed();
    for _ in 1..RUNS {
        drop(made);
        let took;
        (took, made) = timed();
        shortest = shortest.min(took);
    }
    (shortest, made)
}

/// The most memory that this process has had, where the system says so.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}
