//! The tutorial of what stands beside a cluster, command by command: a real OpenBao, PowerDNS, API server and `dig`.

use std::path::Path;
use std::process::Command;

use testkit::apiserver;
use testkit::peers::{free_port, program};
use testkit::walk::{Walk, walk};

/// The servers that the page starts end with this, however the page ends.
struct Started<'a>(&'a Path);

impl Drop for Started<'_> {
    fn drop(&mut self) {
        for name in ["bao.pid", "pdns.pid"] {
            if let Ok(pid) = std::fs::read_to_string(self.0.join(name)) {
                let _ = Command::new("kill").args(["-9", pid.trim()]).output();
            }
        }
    }
}

#[test]
fn the_tutorial_of_vault_and_dns_goes_as_written() {
    let (Some(bao), Some(pdns), Some(knot)) = (program("bao"), program("pdns"), program("knot")) else {
        return;
    };
    // As shown, it has nothing in it, so it is a cluster of its own.
    let Some(cluster) = apiserver::another(&[]) else { return };
    let kubectl = cluster.kubectl.parent().unwrap();
    let kwo = Path::new(env!("CARGO_BIN_EXE_kwo")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _started = Started(folder.path());
    let variables = [
        ("KUBECONFIG", cluster.kubeconfig.to_str().unwrap()),
        ("LD_LIBRARY_PATH", &format!("{}:{}", pdns.display(), knot.display())),
    ];
    let ports = [(); 3].map(|()| free_port().to_string());
    let instead = [
        ("8200", ports[0].as_str()),
        ("8081", &ports[1]),
        ("5300", &ports[2]),
        (
            "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql",
            &pdns.join("schema.sql").display().to_string(),
        ),
        ("launch=gsqlite3", &format!("launch=gsqlite3\nmodule-dir={}", pdns.display())),
    ];
    let walked = Walk {
        folder: folder.path(),
        word: "laptop",
        variables: &variables,
        programs: &[kwo, kubectl, bao.parent().unwrap(), &pdns, &knot],
        instead: &instead,
    };
    assert_eq!(walk("docs/tutorials/vault-and-dns.md", &walked), 26);
}
