//! What is left over in a cluster, ended by the very commands that are shown.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::apiserver::{kubectl, unique};
use testkit::run::Bench;

/// As a person pastes it.
pub(crate) fn paste(line: &str) -> String {
    let kubectl = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apiserver");
    let path = format!("{}:{}", kubectl.display(), std::env::var("PATH").unwrap());
    // kubectl keeps a cache at home, and where it has none in the folder that it is run in.
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", line]).env_clear().env("PATH", path).env("HOME", home.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is left over and has this name in it.
fn left(bench: &Bench, name: &str) -> Vec<Value> {
    let plan = bench.plan(&[]);
    let own = |left: &&Value| left["id"].as_str().unwrap().contains(name);
    plan["leftovers"].as_array().unwrap().iter().filter(own).cloned().collect()
}

#[test]
fn every_command_ends_what_it_stands_at() {
    let name = unique("ends");
    let (gone, stay) = (format!("{name}-gone"), format!("{name}-stay"));
    let Some(bench) = Bench::with(
        &format!(
            "operators: {{{name}: {{identity: {name}@example.com, role: admin}}}}\ntenants:\n  \
         {gone}: {{owners: [alice@example.com]}}\n  \
         {stay}: {{owners: [bob@example.com, carol@example.com], quota: {{hard: {{services: 3}}}}, labels: {{team: blue}}}}\n"
        ),
        true,
    ) else {
        return;
    };
    bench.apply(&[]).expect(0);
    bench.write(&format!(
        "tiers: {{open: {{network: open}}}}\ntenants:\n  {stay}: {{tier: open, owners: [bob@example.com], members: [{{identity: carol@example.com, access: viewer}}]}}\n"
    ));
    let ran = bench.apply(&["--fail-on", "leftover-access"]).expect(5);
    assert!(ran.err.contains("Converged, but ") && !ran.err.contains("In agreement"), "{}", ran.err);
    bench.apply(&[]).expect(0);
    let json: Value = serde_json::from_str(&bench.apply(&["-o", "json"]).expect(0).out).unwrap();
    assert_eq!(json["in_agreement"], false);
    assert!(json["leftover_access"].as_u64().unwrap() >= 8, "{json:#}");
    let text = bench.kwo(&["plan"]).expect(0).out;
    for said in [
        format!("{name}@example.com is still admin of the whole cluster"),
        format!("carol@example.com is still admin of {stay}"),
        format!("the network of {stay} is still isolated"),
        format!("? kube:Namespace/{gone} and "),
    ] {
        assert!(text.contains(&said), "{said}: {text}");
    }
    assert!(!text.contains(&format!("? kube:RoleBinding/{gone}/")), "{text}");
    let found = left(&bench, &name);
    for command in found.iter().filter_map(|left| left["rights_command"].as_str()) {
        paste(command);
    }
    let rights = |left: &&Value| left["within"].is_string() && left["grants"].is_string();
    assert_eq!(left(&bench, &name).iter().filter(rights).count(), 0);
    for left in found.iter().filter(|left| left["within"].is_null()) {
        paste(left["command"].as_str().unwrap());
    }
    assert_eq!(left(&bench, &name), [] as [Value; 0]);
    assert!(!kubectl(&["get", "namespace", &gone]).status.success());
    // Twice does no harm, and each still works where the other was first.
    for left in found.iter().filter(|left| left["pointer"].is_null()) {
        paste(left["command"].as_str().unwrap());
    }
    bench.apply(&[]).expect(0);
}
