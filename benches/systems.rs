//! kwo beside what people use now, in systems beyond the cluster: OpenBao beside a script of `bao` commands, a zone of
//! PowerDNS beside external-dns. `cargo bench --bench systems`, or with other numbers after `--`: `-- 100 1000` are tenants
//! in OpenBao, and a zone has ten times as many names. `openbao` or `powerdns` there leaves the other one out.
//!
//! All of a size is on one API server, so that nothing but the system differs. The cluster is as the roster wants it before
//! the clock starts.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up ends here")]

mod server;
mod table;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::peers::bao::{Bao, ROOT};
use testkit::peers::program;
use testkit::peers::zones::{PowerDns, SECRET};

use server::{Measured, Server, programs};
use table::row;

/// How often what is short is measured.
const TURNS: usize = 3;

/// So many names of the zone are one tenant's.
const NAMES: usize = 100;

const ZONE: &str = "example.com";

/// Of this version, because later ones need a Go that is not everywhere yet.
const EXTERNAL_DNS: &str = "sigs.k8s.io/external-dns@v0.20.0";

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![100, 1000];
    }
    let (programs, external_dns) = (programs(), external_dns());
    println!(
        "| size | what | requests of the API server | wall | CPU | peak memory | |\n|---|---|---|---|---|---|---|"
    );
    let only = |system: &str| std::env::args().any(|arg| arg == system);
    for size in sizes {
        if !only("powerdns") {
            openbao(size, &programs);
        }
        if !only("openbao") {
            powerdns(10 * size, &programs, external_dns.as_deref());
        }
    }
}

/// A cluster, and a roster for it.
struct World {
    server: Server,
    folder: tempfile::TempDir,
}

impl World {
    fn new(programs: &Path) -> World {
        let folder = tempfile::tempdir().unwrap();
        World { server: Server::start(programs, folder.path(), "cluster"), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn kwo(&self, args: &[&str], roster: &str) -> Measured {
        let roster = self.write("roster.yaml", &format!("apiVersion: kwo/v1\nkind: Roster\n{roster}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        self.server.measure(command.args(args).arg(roster).env("KWO_KUBECONFIG", &self.server.kubeconfig))
    }

    /// Unchanged plans of two rosters by turns, and of each the best.
    fn plans(&self, rosters: [&str; 2]) -> [Measured; 2] {
        let turns: Vec<[Measured; 2]> = (0..TURNS)
            .map(|_| rosters.map(|roster| self.kwo(&["plan", "--detailed-exitcode"], roster)))
            .collect();
        let (mut one, mut other): (Vec<_>, Vec<_>) =
            turns.into_iter().map(|[one, other]| (one, other)).unzip();
        [&mut one, &mut other].map(|all| {
            all.sort_by_key(|measured| measured.wall);
            all.swap_remove(0)
        })
    }

    /// A shell script, to its end.
    fn script(&self, text: &str, env: &[(&str, &str)]) -> Measured {
        let script = self.write("script.sh", &format!("set -e\n{text}"));
        self.server.measure(Command::new("sh").arg(script).envs(env.iter().copied()))
    }
}

fn openbao(tenants: usize, programs: &Path) {
    let (Some(bao), Some(client)) = (Bao::start(&[]), program("bao")) else { return };
    let world = World::new(programs);
    let mut without = "tenants:\n".to_owned();
    for at in 0..tenants {
        let _ = writeln!(without, "  tenant-{at:04}: {{owners: [owner-{at}@example.com]}}");
    }
    let token = world.write("token", ROOT);
    let with = format!(
        "systems: {{vault: {{address: '{}', login: {{token: {{file: {}}}}}, people: userpass}}}}\n{without}",
        bao.url(),
        token.display()
    );
    world.kwo(&["apply", "--yes"], &without);
    let row =
        |what: &str, measured: &Measured, beside| row(format!("{tenants} tenants"), what, measured, beside);
    let first = world.kwo(&["apply", "--yes"], &with);
    row("kwo apply, first in OpenBao", &first, None);
    let [bare, plan] = world.plans([&without, &with]);
    row("kwo plan, unchanged, without Vault", &bare, None);
    row("kwo plan, unchanged", &plan, Some((&bare, "of the plan without Vault")));
    // The same policies, entities, aliases and groups, as a script makes them.
    let accessor = bao.root("GET", "sys/auth", &serde_json::Value::Null)["userpass/"]["accessor"].to_string();
    let mut script = String::new();
    for at in 0..tenants {
        let _ = writeln!(
            script,
            "for access in owner viewer; do printf 'path \"secret/data/tenant-{at:04}/*\" {{ capabilities = [\"read\"] }}' |\n\
             bao policy write script-{at:04}-$access - >/dev/null; done\n\
             entity=$(bao write -field=id identity/entity name=script-{at:04})\n\
             bao write identity/entity-alias name=script-{at:04}@example.com canonical_id=$entity mount_accessor={accessor} >/dev/null\n\
             bao write identity/group name=script-{at:04} policies=script-{at:04}-owner member_entity_ids=$entity >/dev/null"
        );
    }
    let path =
        format!("{}:{}", client.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let env = [("PATH", path.as_str()), ("BAO_ADDR", &bao.url()), ("BAO_TOKEN", ROOT)];
    let made = world.script(&script, &env);
    row("a script of `bao` commands, first", &made, Some((&first, "of kwo apply")));
}

fn powerdns(names: usize, programs: &Path, external_dns: Option<&Path>) {
    let (Some(own), Some(other)) = (PowerDns::start(ZONE), PowerDns::start(ZONE)) else { return };
    let world = World::new(programs);
    let (mut without, mut ingresses) = ("tenants:\n".to_owned(), String::new());
    for tenant in 0..names.div_ceil(NAMES) {
        let of_tenant = tenant * NAMES..names.min((tenant + 1) * NAMES);
        let hosts: Vec<String> = of_tenant.map(|at| format!("host-{at:05}.{ZONE}")).collect();
        let _ = writeln!(without, "  tenant-{tenant:04}: {{domains: [{}]}}", hosts.join(", "));
        let rules: Vec<String> = hosts.iter().map(|host| format!("{{host: {host}}}")).collect();
        let _ = writeln!(
            ingresses,
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: all, namespace: tenant-{tenant:04}, \
             annotations: {{external-dns.alpha.kubernetes.io/target: 192.0.2.10}}}}\n\
             spec: {{defaultBackend: {{service: {{name: all, port: {{number: 80}}}}}}, rules: [{}]}}",
            rules.join(", ")
        );
    }
    let key = world.write("key", SECRET);
    let with = format!(
        "dns: {{zones: {{{ZONE}: {{provider: powerdns, url: '{}', key: {{file: {}}}, target: {{addresses: [192.0.2.10]}}, \
         ceiling: 100000}}}}}}\n{without}",
        own.url(),
        key.display()
    );
    world.kwo(&["apply", "--yes"], &without);
    let row = |what: &str, measured: &Measured, beside| row(format!("{names} names"), what, measured, beside);
    let first = world.kwo(&["apply", "--yes"], &with);
    row("kwo apply, first in PowerDNS", &first, None);
    let [bare, plan] = world.plans([&without, &with]);
    row("kwo plan, unchanged, without the zone", &bare, None);
    row("kwo plan, unchanged", &plan, Some((&bare, "of the plan without the zone")));
    let Some(external_dns) = external_dns else { return };
    let manifests = world.write("ingresses.yaml", &ingresses);
    let mut kubectl = Command::new(programs.join("kubectl"));
    kubectl.arg("--kubeconfig").arg(&world.server.kubeconfig).args(["apply", "-f"]).arg(manifests);
    world.server.measure(&mut kubectl);
    let run = || {
        let mut command = Command::new(external_dns);
        command.args([
            "--once",
            "--source=ingress",
            "--provider=pdns",
            "--registry=txt",
            "--txt-owner-id=bench",
        ]);
        command.args([
            "--policy=upsert-only",
            &format!("--domain-filter={ZONE}"),
            &format!("--pdns-api-key={SECRET}"),
        ]);
        command
            .arg(format!("--pdns-server={}", other.url()))
            .arg("--kubeconfig")
            .arg(&world.server.kubeconfig);
        world.server.attempt(&mut command)
    };
    match run() {
        Ok(measured) => row("external-dns --once, first", &measured, Some((&first, "of kwo apply"))),
        Err(ended) => {
            println!("| {names} names | external-dns --once, first | | | | | ends with {ended} |");
            return;
        }
    }
    let quiet = (0..TURNS).map(|_| run().unwrap()).min_by_key(|measured| measured.wall).unwrap();
    row("external-dns --once, unchanged", &quiet, Some((&plan, "of kwo plan")));
}

/// Builds external-dns, where that is still to be done; nothing where it cannot be had.
fn external_dns() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("external-dns");
    let program = folder.join("external-dns");
    if !program.exists() {
        eprintln!("building external-dns, which takes many minutes");
        let built = Command::new("go")
            .args(["install", EXTERNAL_DNS])
            .env("GOBIN", &folder)
            .stdin(Stdio::null())
            .status();
        if !built.is_ok_and(|status| status.success()) {
            eprintln!("external-dns could not be built, so its rows are left out");
            return None;
        }
    }
    Some(program)
}
