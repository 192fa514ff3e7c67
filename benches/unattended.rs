//! What runs by themselves cost: `kwo sync` where nothing is to be done, and how long it takes from `git push` until the
//! namespace of a new tenant is whole, with `kwo hook` between. `cargo bench --bench unattended`, or with other numbers
//! of tenants after `--`: `-- 10 1000`.

mod server;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

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

const SECRET: &str = "between the forge and kwo";

fn quiet(tenants: usize, programs: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let (work, bare) = (folder.path().join("cluster"), folder.path().join("cluster.git"));
    std::fs::create_dir(&work).expect("a folder");
    let roster = |names: usize| {
        let names: String = (0..names)
            .map(|at| format!("  tenant-{at:04}: {{owners: [owner-{at}@example.com]}}\n"))
            .collect();
        let text = format!("apiVersion: kwo/v1\nkind: Roster\ntenants:\n{names}");
        std::fs::write(work.join("roster.yaml"), text).expect("a roster");
    };
    roster(tenants);
    git(&work, &["init", "--quiet"]);
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "All tenants"]);
    git(folder.path(), &["clone", "--quiet", "--bare", "cluster", "cluster.git"]);

    let server = Server::start(programs, folder.path(), "server");
    let (settings, secret) = (folder.path().join("kwo.yaml"), folder.path().join("secret"));
    std::fs::write(&secret, SECRET).expect("a secret");
    let text = format!(
        "apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: {}}}\ntarget: {{kubeconfig: {}}}\nstate: {}\n\
         hook: {{listen: \"127.0.0.1:0\", secrets: {{github: {{file: {}}}}}}}\n",
        bare.display(),
        server.kubeconfig.display(),
        folder.path().join("state").display(),
        secret.display(),
    );
    std::fs::write(&settings, text).expect("settings");
    let sync = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(["sync", "--settings"]).arg(&settings);
        command
    };
    row(tenants, "first run", &server.measure(&mut sync()));
    row(tenants, "quiet run", &server.measure(&mut sync()));

    let listener = Listener::start(&settings);
    roster(tenants + 1);
    git(&work, &["commit", "--quiet", "-am", "One more tenant"]);
    let (name, started) = (format!("tenant-{tenants:04}"), Instant::now());
    git(&work, &["push", "--quiet", &bare.to_string_lossy(), "main"]);
    listener.deliver();
    // The binding that lets the tenant in is what comes last.
    let whole = ["get", "rolebinding", "-n", &name, "deployer-binding", "-o", "name"];
    while !kubectl(programs, &server, &whole) {
        assert!(started.elapsed() < Duration::from_secs(60), "the namespace does not become whole");
        std::thread::sleep(Duration::from_millis(20));
    }
    let wall = started.elapsed();
    // How many requests it took is mixed with those of the one who waits.
    let measured = Measured { wall, requests: 0, peak: None, cpu: None };
    row(tenants, "`git push` until the new namespace is whole", &measured);
}

/// Asks by kubectl; does it say yes?
fn kubectl(programs: &Path, server: &Server, args: &[&str]) -> bool {
    let mut command = Command::new(programs.join("kubectl"));
    command.arg("--kubeconfig").arg(&server.kubeconfig).args(args);
    let asked = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// `kwo hook`, which ends with this value.
struct Listener {
    child: Child,
    address: String,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Listener {
    fn start(settings: &Path) -> Listener {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kwo"))
            .args(["hook", "--settings"])
            .arg(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        let address = line.split_whitespace().find(|word| word.contains("127.0.0.1:")).expect("an address");
        let address = address.trim_start_matches("http://").trim_end_matches(['/', ',', ';']).to_owned();
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Listener { child, address }
    }

    /// A push, as GitHub says that there was one.
    fn deliver(&self) {
        let body = r#"{"ref": "refs/heads/main"}"#;
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
        mac.update(body.as_bytes());
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = format!(
            "POST /hook HTTP/1.1\r\nHost: kwo\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: {}\r\n\
             X-Hub-Signature-256: sha256={signature}\r\n\r\n{body}",
            body.len(),
            std::process::id(),
        );
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it hears");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
}

fn row(tenants: usize, what: &str, measured: &Measured) {
    let Measured { wall, requests, peak, cpu } = measured;
    let peak = peak.map_or_else(String::new, |kib| format!("{} MiB", kib / 1024));
    let cpu = cpu.map_or_else(String::new, |cpu| format!("{:.2} s", cpu.as_secs_f64()));
    let requests = if *requests == 0 { String::new() } else { requests.to_string() };
    println!("| {tenants} | {what} | {requests} | {cpu} | {:.2} s | {peak} |", wall.as_secs_f64());
}
