//! The pages of the manual that need a cluster and a repository, and nothing else: each command that they show at a
//! prompt is run there as it stands. What it has to print is tested elsewhere; here it has to work.

use std::path::Path;
use std::process::{Command, Stdio};

use testkit::apiserver;
use testkit::pages::IN_A_CLUSTER;
use testkit::run::Bench;
use testkit::walk::{blocks, commands};

/// What the pages are about.
const TENANTS: &str = "\
cluster:
  api: {hosts: [api.example.com]}
tenants:
  alice:
    owners: [alice@example.com, group:ops]
    members: [{identity: bob@example.com, access: viewer}]
    namespaces: [alice-prod, alice-test]
  shop: {owners: [bob@example.com]}
";

/// The commands that end with another code than 0, and why.
const OTHERWISE: [(&str, i32); 4] = [
    // There are differences.
    ("kwo access diff old.yaml new.yaml --detailed-exitcode", 2),
    // The cluster of the tests has no node, and nobody knows that host.
    ("kwo doctor", 1),
    ("kwo doctor --node", 1),
    ("kwo doctor --bundle kwo-bundle.tar.zst", 1),
];

/// Runs this line as a shell would; gives the code and what it says.
fn run(bench: &Bench, line: &str) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_kwo")).parent().unwrap();
    let kubectl = apiserver::server().unwrap().kubectl.parent().unwrap();
    let path = [program, kubectl].map(|folder| folder.display().to_string()).join(":");
    let ran = Command::new("bash")
        .args(["-o", "pipefail", "-c", &format!("exec 2>&1; {line}")])
        .current_dir(bench.path(""))
        .env_clear()
        .env("HOME", bench.path(""))
        .env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()))
        .env("KUBECONFIG", apiserver::kubeconfig().unwrap())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (ran.status.code().unwrap_or(-1), String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn the_pages_that_need_a_cluster_go_as_written() {
    let Some(bench) = Bench::new(TENANTS) else { return };
    let before = std::fs::read_to_string(bench.path("roster.yaml")).unwrap();
    // A repository with a branch beside `main`, two versions, and two rosters to compare.
    let prepare = "git init -q -b main && git config user.name a && git config user.email a@example.com \
        && git add roster.yaml && git commit -qm one && git tag v1 && cp roster.yaml old.yaml \
        && sed -i 's/shop: .owners: .bob/shop: {owners: [carol/' roster.yaml && git commit -qam two && git tag v2 \
        && cp roster.yaml new.yaml && git checkout -qb change && git commit -q --allow-empty -m three \
        && kwo apply --yes && mkdir keys";
    let (code, said) = run(&bench, prepare);
    assert_eq!(code, 0, "{said}");
    assert_ne!(std::fs::read_to_string(bench.path("roster.yaml")).unwrap(), before);

    let (mut ran, mut wrong) = (0, Vec::new());
    for page in IN_A_CLUSTER {
        let consoles = blocks(page).into_iter().filter(|block| block.kind == "console");
        for (command, _) in consoles.flat_map(|block| commands(&block.text)) {
            // Nobody asks for a password here.
            let line = command.trim_start_matches("sudo ");
            let wanted = OTHERWISE.iter().find(|(other, _)| *other == line).map_or(0, |(_, code)| *code);
            let (code, said) = run(&bench, line);
            if code != wanted {
                wrong.push(format!("{page}: `{command}` ended with {code}:\n{said}"));
            }
            ran += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran > 15, "{ran}");
    assert!(bench.path("keys/alice-prod.yaml").exists());
}
