//! What is wrong with a roster is shown at its lines, as each system shows it.

use serde_json::Value;

use crate::pipeline::forge::{Forge, Kind};
use crate::pipeline::stage::{Stage, System};

const BAD: &str = "tenants:\n  alice:\n    owner: alice@example.com\n    tier: gold\n";

#[test]
fn github_annotates_the_lines_and_has_a_summary() {
    let stage = Stage::new(BAD);
    let forge = Forge::start(Kind::GitHub, "group/rosters");
    let variables = stage.request(System::GitHub, &forge, "group/rosters");
    let ran = stage.kwo(&["ci", "--target=dir:sandbox"], &variables).expect(1);
    let commands: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(commands.len(), 2, "{}", ran.out);
    let start = "::error file=roster.yaml,line=5,col=5,title=unknown-field::unknown field `owner` in a tenant; expected one of: ";
    assert!(
        commands[0].starts_with(start)
            && commands[0].contains("%0Adid you mean `owners`?%0Ahttps://")
            && commands[0].ends_with("#unknown-field"),
        "{commands:#?}"
    );
    assert!(
        commands[1].starts_with("::error file=roster.yaml,line=6,col=11,title=unknown-tier::"),
        "{commands:#?}"
    );
    let summary = stage.read("summary.md");
    assert!(
        summary.starts_with("### kwo: the roster is not valid\n") && summary.contains("error[unknown-tier]")
    );
    // A next step adds to it.
    stage.write("tenants: {alice: {}}\n");
    stage.kwo(&["ci", "--target=dir:sandbox"], &variables).expect(0);
    assert!(
        stage.read("summary.md").starts_with(&summary) && stage.read("summary.md").contains("### kwo plan: ")
    );
}

#[test]
fn what_a_plan_holds_is_a_warning_at_its_line() {
    let stage = Stage::new("tenants:\n  alice: {}\n");
    let forge = Forge::start(Kind::GitHub, "group/rosters");
    // A namespace that is somebody else's.
    let folder = stage.path("sandbox");
    stage.kwo(&["apply", "--yes", "--target=dir:sandbox"], &[]).expect(0);
    let file = walk(&folder)
        .into_iter()
        .find(|file| std::fs::read_to_string(file).unwrap_or_default().contains("kind: Namespace\n"));
    let file = file.unwrap();
    let text = std::fs::read_to_string(&file).unwrap().replace("managed-by: kwo", "managed-by: helm");
    let text = text.replace("kwo.dev/managed:", "example.com/managed:");
    std::fs::write(&file, text).unwrap();
    let variables = stage.request(System::GitHub, &forge, "group/rosters");
    let ran = stage.kwo(&["ci", "--target=dir:sandbox"], &variables).expect(5);
    let line = "::warning file=roster.yaml,line=4,col=3,title=held::kube:Namespace/alice: exists and is managed by `helm`";
    assert!(ran.out.lines().any(|have| have.starts_with(line)), "{}", ran.out);
}

#[test]
fn the_summary_says_that_the_last_look_failed() {
    let stage = Stage::new("tenants:\n  alice: {quota: {pods: 20}}\n");
    let forge = Forge::start(Kind::GitHub, "group/rosters");
    stage.kwo(&["apply", "--yes", "--target=dir:sandbox"], &[]).expect(0);
    let of = |name: &str| stage.path("sandbox/namespaces/alice").join(name);
    let (quota, limits) = (of("resourcequota-alice-quota.yaml"), of("limitrange-alice-limits.yaml"));
    let read = |file: &std::path::Path| std::fs::read_to_string(file).unwrap_or_default();
    let before = read(&quota);
    stage.write("tenants:\n  alice: {quota: {pods: 30}}\n");
    let variables = stage.push(System::GitHub, &forge, "main");
    let ran = std::thread::scope(|scope| {
        let run = scope.spawn(|| stage.kwo(&["ci", "--target=dir:sandbox", "--settle=3s"], &variables));
        while !run.is_finished() && [before.as_str(), ""].contains(&read(&quota).as_str()) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::fs::write(&limits, "{ [").unwrap();
        run.join().unwrap()
    });
    let summary = stage.read("summary.md");
    ran.expect(1);
    assert!(summary.contains("1 done") && summary.contains("Could not look again: "), "{summary}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn gitlab_has_a_code_quality_report() {
    let stage = Stage::new(BAD);
    let forge = Forge::start(Kind::GitLab, "group/rosters");
    let variables = stage.request(System::GitLab, &forge, "group/rosters");
    let report = || serde_json::from_str::<Value>(&stage.read("gl-code-quality-report.json")).unwrap();
    let ran = stage.kwo(&["ci", "--target=dir:sandbox"], &variables).expect(1);
    assert!(!ran.out.contains("::error"), "{}", ran.out);
    let entries = report();
    assert_eq!(entries.as_array().unwrap().len(), 2);
    for entry in entries.as_array().unwrap() {
        let keys: Vec<&String> = entry.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["check_name", "description", "fingerprint", "location", "severity"]);
        assert!(
            ["info", "minor", "major", "critical", "blocker"].contains(&entry["severity"].as_str().unwrap())
        );
    }
    assert_eq!(entries[0]["location"], serde_json::json!({"path": "roster.yaml", "lines": {"begin": 5}}));
    // Once nothing is wrong, the report says so: GitLab shows the difference.
    stage.write("tenants: {alice: {}}\n");
    stage.kwo(&["ci", "--target=dir:sandbox"], &variables).expect(0);
    assert_eq!(report(), serde_json::json!([]));
    // A request may bring a link of that name along.
    let [file, report] = ["theirs", "gl-code-quality-report.json"].map(|name| stage.path(name));
    std::fs::write(&file, "[]").unwrap();
    std::fs::remove_file(&report).unwrap();
    std::os::unix::fs::symlink(&file, &report).unwrap();
    let ran = stage.kwo(&["ci", "--target=dir:sandbox"], &variables).expect(1);
    assert!(ran.err.contains("gl-code-quality-report.json is a symbolic link"), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[]");
}
