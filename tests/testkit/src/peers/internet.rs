//! A small internet of DNS, on addresses of loopback that are its own: two servers of zones (Knot DNS) at port 53, where the
//! world asks, and a resolver that checks DNSSEC (Unbound). The zone `test` is signed and delegates all others; which those
//! are is the test's to say.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Running, free_port, local, program};
use crate::live;

/// Addresses beyond these are tried by others.
const TRIES: u32 = 50;

/// A zone below `test`.
pub struct Zone {
    /// Its name.
    pub name: &'static str,
    /// Its records at the first server (`ns1.test`), without the SOA and NS records; none, where it does not serve it.
    pub first: Option<&'static str>,
    /// The same at the second one (`ns2.test`).
    pub second: Option<&'static str>,
    /// Whom the zone `test` names for it, by number.
    pub delegated: &'static [u8],
    /// How it is signed.
    pub signed: Signed,
}

/// How a zone is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signed {
    /// Not at all.
    No,
    /// With the keys that `test` names.
    Yes,
    /// Not, and `test` says that it is.
    Broken,
}

/// All of it; ends with this.
pub struct Internet {
    /// The resolver.
    pub resolver: SocketAddr,
    /// Where the first server listens for those who know, besides port 53.
    pub primary: SocketAddr,
    /// The addresses of both servers.
    pub servers: [Ipv4Addr; 2],
    _running: [Running; 3],
    _folder: TempDir,
}

impl Internet {
    /// With these zones, of which the second server has an older serial; nothing where there are no such programs, or where
    /// nobody may listen at port 53.
    pub fn start(zones: &[Zone]) -> Option<Internet> {
        let (knot, unbound) = (program("knot")?, program("unbound")?);
        let servers = addresses()?;
        let folder = tempfile::tempdir().expect("a folder");
        let primary = SocketAddr::from((servers[0], free_port()));
        let mut top = format!("{}ns1 A {}\nns2 A {}\n", head("test", 1, &[1]), servers[0], servers[1]);
        for Zone { name, delegated, signed, .. } in zones {
            delegated.iter().for_each(|number| writeln!(top, "{name}. NS ns{number}.test.").expect("text"));
            if *signed == Signed::Broken {
                writeln!(top, "{name}. DS 4711 13 2 {}", "ab".repeat(32)).expect("text");
            }
        }
        let mut first = vec![("test", true, top)];
        let mut second = Vec::new();
        for zone in zones {
            let text = |records: &str, serial| head(zone.name, serial, zone.delegated) + records;
            first.extend(zone.first.map(|own| (zone.name, zone.signed == Signed::Yes, text(own, 2))));
            second.extend(zone.second.map(|own| (zone.name, false, text(own, 1))));
        }
        let one = Knot::start(
            &knot,
            &folder.path().join("one"),
            &[(servers[0], 53), (servers[0], primary.port())],
            &first,
        );
        let two = Knot::start(&knot, &folder.path().join("two"), &[(servers[1], 53)], &second);
        let mut one = one;
        for zone in zones.iter().filter(|zone| zone.signed == Signed::Yes) {
            let name = format!("{}.", zone.name);
            let ds = one.dig(servers[0], zone.name, "CDS");
            one.knotc(&["-b", "zone-begin", "test"]);
            one.knotc(&["zone-set", "test", &name, "300", "DS", &ds]);
            one.knotc(&["-b", "zone-commit", "test"]);
        }
        let anchor = one.dig(servers[0], "test", "DNSKEY");
        let (running, resolver) = resolver(&unbound, &folder.path().join("resolver"), servers[0], &anchor);
        Some(Internet {
            resolver,
            primary,
            servers,
            _running: [one.running, two.running, running],
            _folder: folder,
        })
    }
}

/// Two addresses at whose port 53 nobody listens, and this process may.
fn addresses() -> Option<[Ipv4Addr; 2]> {
    let mut why = String::new();
    for number in 0..TRIES {
        let number = std::process::id().wrapping_mul(31).wrapping_add(number * 257);
        let [_, _, b, c] = number.to_be_bytes();
        let servers = [1, 2].map(|last| Ipv4Addr::new(127, b.clamp(1, 254), c.clamp(1, 254), last));
        let bound: Result<Vec<_>, _> = servers.iter().map(|server| UdpSocket::bind((*server, 53))).collect();
        match bound {
            Ok(_) => return Some(servers),
            Err(error) => why = error.to_string(),
        }
    }
    live::missing(&format!("servers at port 53: {why}"))
}

/// The beginning of the file of a zone. What is not there may be remembered for a minute.
fn head(zone: &str, serial: u32, servers: &[u8]) -> String {
    let mut text =
        format!("$ORIGIN {zone}.\n$TTL 300\n@ SOA ns1.test. ops.test. {serial} 7200 900 1209600 60\n");
    servers.iter().for_each(|number| writeln!(text, "@ NS ns{number}.test.").expect("text"));
    text
}

struct Knot {
    root: PathBuf,
    folder: PathBuf,
    running: Running,
}

impl Knot {
    fn start(root: &Path, folder: &Path, listen: &[(Ipv4Addr, u16)], zones: &[(&str, bool, String)]) -> Knot {
        std::fs::create_dir(folder).expect("a folder");
        let path = folder.display();
        let listen: Vec<String> = listen.iter().map(|(address, port)| format!("{address}@{port}")).collect();
        let mut config = format!(
            "server:\n  listen: [{}]\n  rundir: {path}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             database:\n  storage: {path}\n\
             log:\n  - target: stderr\n    any: info\npolicy:\n  - id: signed\n    cds-cdnskey-publish: always\n\
             template:\n  - id: default\n    storage: {path}\n    zonefile-sync: -1\nzone:\n",
            listen.join(", ")
        );
        for (zone, signed, text) in zones {
            std::fs::write(folder.join(format!("{zone}.zone")), text).expect("a file");
            let signed = if *signed { "    dnssec-signing: on\n    dnssec-policy: signed\n" } else { "" };
            write!(config, "  - domain: {zone}\n    file: {zone}.zone\n{signed}").expect("text");
        }
        std::fs::write(folder.join("knot.conf"), config).expect("a file");
        let args = ["-c", "knot.conf"].map(str::to_owned);
        let library = root.display().to_string();
        let running = Running::start(&root.join("knotd"), &args, &[("LD_LIBRARY_PATH", &library)], folder);
        let mut knot = Knot { root: root.to_owned(), folder: folder.to_owned(), running };
        let socket = folder.join("knot.sock");
        knot.running.wait("has no control socket", || socket.exists().then_some(()));
        knot
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(self.root.join(program))
            .args(args)
            .env("LD_LIBRARY_PATH", &self.root)
            .current_dir(&self.folder)
            .output()
            .expect("a program of Knot");
        assert!(output.status.success(), "{program} {args:?}: {output:?}\n{}", self.running.said());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn knotc(&self, args: &[&str]) -> String {
        self.run("knotc", &[&["-s", "knot.sock"], args].concat())
    }

    /// The last record of a type at a name, once it is there: of keys the one that signs the others.
    fn dig(&mut self, server: Ipv4Addr, name: &str, of: &str) -> String {
        let (root, folder) = (self.root.clone(), self.folder.clone());
        let ask = || {
            let output = Command::new(root.join("dig"))
                .args([&format!("@{server}"), name, of, "+short", "+retry=0", "+time=1"])
                .env("LD_LIBRARY_PATH", &root)
                .current_dir(&folder)
                .output()
                .ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            text.lines().rfind(|line| of != "DNSKEY" || line.starts_with("257 ")).map(str::to_owned)
        };
        self.running.wait("does not sign", ask)
    }
}

/// A resolver that believes this key of `test`, and asks nobody else.
fn resolver(root: &Path, folder: &Path, server: Ipv4Addr, anchor: &str) -> (Running, SocketAddr) {
    std::fs::create_dir(folder).expect("a folder");
    let address = local(free_port());
    let config = format!(
        "server:\n  interface: 127.0.0.1@{}\n  do-daemonize: no\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  \
         directory: \"{}\"\n  use-syslog: no\n  do-ip6: no\n  do-not-query-localhost: no\n  num-threads: 1\n  \
         module-config: \"validator iterator\"\n  local-zone: \"test.\" nodefault\n  \
         trust-anchor: \"test. DNSKEY {anchor}\"\n\
         remote-control:\n  control-enable: no\nstub-zone:\n  name: \"test.\"\n  stub-addr: {server}\n",
        address.port(),
        folder.display()
    );
    std::fs::write(folder.join("unbound.conf"), config).expect("a file");
    let args = ["-d", "-c", "unbound.conf"].map(str::to_owned);
    let library = root.display().to_string();
    let mut running = Running::start(&root.join("unbound"), &args, &[("LD_LIBRARY_PATH", &library)], folder);
    running.wait_for(address);
    (running, address)
}
