//! A real Traefik, with the entry points that k3s gives it and routers out of a file.

use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use super::http::{Message, Request};
use super::{Running, free_port, local, program};

/// Traefik; ends with this.
pub struct Traefik {
    /// Its entry point for HTTPS.
    pub websecure: SocketAddr,
    running: Running,
    _folder: TempDir,
}

impl Traefik {
    /// With its entry point `web` on this port, these further arguments and additions to the environment, and these
    /// routers. Nothing where there is no such program.
    pub fn start(web: u16, args: &[String], env: &[(&str, &str)], routers: &str) -> Option<Traefik> {
        let websecure = local(free_port());
        let (mut running, folder) = run(web, websecure, args, env, routers)?;
        running.wait_for(websecure);
        Some(Traefik { websecure, running, _folder: folder })
    }

    /// What it says as it refuses to start with these arguments.
    pub fn refusal(args: &[String]) -> Option<String> {
        let (mut running, _folder) = run(free_port(), local(free_port()), args, &[], "")?;
        assert_eq!(running.code(), Some(1), "it started, or ended otherwise: {}", running.said());
        Some(running.said())
    }

    /// The most memory that it has had, in KiB.
    pub fn peak(&self) -> u64 {
        let own = |process: &std::path::Path| {
            let words = std::fs::read_to_string(process.join("cmdline")).unwrap_or_default();
            let port = format!("--entrypoints.websecure.address={}", self.websecure);
            words.split('\0').next().is_some_and(|program| program.ends_with("/traefik"))
                && words.split('\0').any(|word| word == port)
        };
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
        let process = processes.into_iter().find(|process| own(process)).expect("it runs");
        let status = std::fs::read_to_string(process.join("status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Asks for this host over TLS until its certificate comes from this root.
    pub fn ask_trusting(&mut self, host: &str, root: &CertificateDer<'static>) -> Message {
        let websecure = self.websecure;
        self.running.wait("has no certificate from this root", || {
            Request::get(host, "/").ask_tls(websecure, root).ok()
        })
    }
}

/// Arguments that come later win, so what is added here, for a test alone, comes last.
fn run(
    web: u16,
    websecure: SocketAddr,
    args: &[String],
    env: &[(&str, &str)],
    routers: &str,
) -> Option<(Running, TempDir)> {
    let program = program("traefik")?;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("routers.yaml");
    std::fs::write(&file, format!("http: {{routers: {{{routers}}}}}\n")).expect("a file");
    let mut all = args.to_vec();
    all.extend([
        format!("--entrypoints.web.address={}", local(web)),
        format!("--entrypoints.websecure.address={websecure}"),
        format!("--providers.file.filename={}", file.display()),
        // Nothing is asked outside.
        "--global.checknewversion=false".to_owned(),
        "--global.sendanonymoususage=false".to_owned(),
        "--log.level=DEBUG".to_owned(),
    ]);
    Some((Running::start(&program, &all, env, folder.path()), folder))
}
