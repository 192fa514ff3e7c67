//! What a quiet hourly run costs: `kwo sync` where nothing is to be done. `cargo bench --bench unattended`, or with other
//! numbers of tenants after `--`: `-- 10 1000`.

mod server;

use std::path::Path;
use std::process::{Command, Stdio};

use server::{Measured, Server, programs};

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10, 100, 1000];
    }
    let programs = programs();
    println!("| tenants | what | requests | CPU | wall | peak memory |\n|---|---|---|---|---|---|");
    for tenants in sizes {
        quiet(tenants, &programs);
    }
}

fn git(folder: &Path, args: &[&str]) {
    let who =
        ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "init.defaultBranch=main"];
    let status =
        Command::new("git").arg("-C").arg(folder).args(who).args(args).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "git {args:?} failed");
}

fn quiet(tenants: usize, programs: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let repository = folder.path().join("cluster");
    std::fs::create_dir(&repository).expect("a folder");
    let names: String =
        (0..tenants).map(|at| format!("  tenant-{at:04}: {{owners: [owner-{at}@example.com]}}\n")).collect();
    std::fs::write(
        repository.join("roster.yaml"),
        format!("apiVersion: kwo/v1\nkind: Roster\ntenants:\n{names}"),
    )
    .expect("a roster");
    git(&repository, &["init", "--quiet"]);
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "-m", "All tenants"]);

    let server = Server::start(programs, folder.path(), "server");
    let settings = folder.path().join("kwo.yaml");
    let text = format!(
        "apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: {}}}\ntarget: {{kubeconfig: {}}}\nstate: {}\n",
        repository.display(),
        server.kubeconfig.display(),
        folder.path().join("state").display()
    );
    std::fs::write(&settings, text).expect("settings");
    let sync = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(["sync", "--settings"]).arg(&settings);
        command
    };
    row(tenants, "first run", &server.measure(&mut sync()));
    row(tenants, "quiet run", &server.measure(&mut sync()));
}

fn row(tenants: usize, what: &str, measured: &Measured) {
    let Measured { wall, requests, peak, cpu } = measured;
    let peak = peak.map_or_else(String::new, |kib| format!("{} MiB", kib / 1024));
    let cpu = cpu.map_or_else(String::new, |cpu| format!("{:.2} s", cpu.as_secs_f64()));
    println!("| {tenants} | {what} | {requests} | {cpu} | {:.2} s | {peak} |", wall.as_secs_f64());
}
