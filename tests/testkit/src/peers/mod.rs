//! Real programs that tests talk to: Traefik, a container registry, an ACME server, an OpenID provider, an sshd, Gitea,
//! OpenBao, servers of DNS zones.
//! `tests/peers/fetch.sh` puts them into the build folder at first use. Where one cannot be had the test says so and
//! does nothing, unless `KWO_REQUIRE_LIVE=1`, which makes that a failure.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{live, places};

pub mod acme;
pub mod bao;
pub mod gitea;
pub mod http;
pub mod internet;
pub mod oidc;
pub mod registry;
pub mod sshd;
pub mod traefik;
pub mod zones;

/// Where a program is; nothing where it cannot be had.
pub fn program(name: &str) -> Option<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = places::tmp().join("peers");
    let output = Command::new("sh")
        .arg(places::root().join("tests/peers/fetch.sh"))
        .arg(&folder)
        .arg(name)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Some(folder.join(name)),
        Ok(output) => live::missing(&format!("{name}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => live::missing(&format!("{name}: fetch.sh: {error}")),
    }
}

/// A port of 127.0.0.1 that nothing listens on.
pub fn free_port() -> u16 {
    // The system gives a port again that nobody listens on yet.
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
}

/// That port of 127.0.0.1.
pub fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A program at work; it ends with this, and with this process however that ends.
pub struct Running {
    child: Child,
    log: PathBuf,
}

/// Runs its arguments until they end or its standard input does.
const UNTIL_INPUT_ENDS: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & program=$!
{ read -r _; kill -9 "$program"; } <&3 >/dev/null 2>&1 & watcher=$!
wait "$program"; code=$?
kill "$watcher"
exit "$code""#;

impl Running {
    /// Starts a program in a folder, where its log goes too, with these additions to the environment.
    pub fn start(program: &Path, args: &[String], env: &[(&str, &str)], folder: &Path) -> Running {
        let name = program.file_name().expect("a program").display().to_string();
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).expect("a log");
        let child = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS, &name])
            .arg(program)
            .args(args)
            .envs(env.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("a log"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Running { child, log }
    }

    /// Waits until it takes connections there.
    pub fn wait_for(&mut self, address: SocketAddr) {
        self.wait("takes no connections", || TcpStream::connect(address).ok());
    }

    /// Waits until this has come to be.
    pub fn wait<T>(&mut self, what_fails: &str, mut try_it: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(done) = try_it() {
                return done;
            }
            let ended = self.child.try_wait().expect("a process");
            assert!(ended.is_none(), "it ended with {ended:?}:\n{}", self.said());
            assert!(Instant::now() < end, "it {what_fails}:\n{}", self.said());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its exit code, once it has ended by itself.
    pub fn code(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("a process") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
