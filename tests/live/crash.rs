//! Killed in the middle, again and again: the next run goes on, and nothing is there twice or half.

use std::process::Stdio;
use std::time::Duration;

use crate::common::apiserver::{kubectl, unique};
use crate::run::{Bench, steps};

#[test]
fn killed_after_every_step_it_converges() {
    let name = unique("killed");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [a@example.com, group:team]}}\n"))
    else {
        return;
    };
    let mut left = steps(&bench.plan(&[])).len();
    let (mut kills, mut partial) = (0, 0);
    while left > 0 {
        let mut run =
            bench.command(&["apply", "--yes", "--lock-timeout=1m", "--lock-duration=1s", "--concurrency=1"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // The line that tells of the first write is the moment to kill it: the write is done, the next is under way.
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(run.stderr.take().unwrap()));
        let _ = lines.find(|line| {
            line.as_ref().is_ok_and(|line| line.contains("created") || line.contains("refused"))
        });
        run.kill().unwrap();
        run.wait().unwrap();
        kills += 1;
        std::thread::sleep(Duration::from_millis(50));
        let now = steps(&bench.plan(&[])).len();
        assert!(now < left, "a run that is killed after a write has written");
        partial += usize::from(now > 0);
        left = now;
        assert!(kills < 60, "does not come to an end");
    }
    assert!(partial > 2, "it was killed in the middle {partial} times");
    bench.apply(&[]).expect(0);
    assert!(kubectl(&["get", "rolebinding", "a-admin", "-n", &name]).status.success());
}

#[test]
fn an_interrupted_run_ends_between_two_writes_says_so_and_gives_the_lock_back() {
    let name = unique("stopped");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [a@example.com]}}\n")) else {
        return;
    };
    let mut run =
        bench.command(&["apply", "--yes", "--lock-timeout=2m", "--lock-duration=10m", "--concurrency=1"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(run.stderr.take().unwrap()));
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("created"))));
    let pid = run.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let code = run.wait().unwrap().code();
    let left = steps(&bench.plan(&[])).len();
    if left > 0 {
        assert_eq!(code, Some(1), "{rest:#?}");
        let said = format!("Stopped: interrupted. {left} steps were not begun.");
        assert!(rest.contains(&said), "{said}: {rest:#?}");
    }
    // The lock would outlive this test by far if it had not been given back.
    bench.kwo(&["apply", "--yes", "--lock-timeout=2m"]).expect(0);
}
