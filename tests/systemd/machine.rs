//! A machine for systemd: nothing in it but the programs of this one and what a test puts there. Gone with the test.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::live::{forbidden, missing};
use testkit::peers::Running;

/// All namespaces that the machine does not share with this one.
const NAMESPACES: &[&str] = &["--mount", "--pid", "--cgroup", "--uts", "--ipc"];

/// The units that a failed test shows the journal of.
const OF_INTEREST: &[&str] = &["--unit=kwo*", "--unit=k3s"];

/// A machine that systemd has started.
pub(crate) struct Machine {
    root: TempDir,
    /// Process 1, by the number that it has here.
    init: String,
    booted: Running,
}

impl Machine {
    /// Nothing where no such machine can be had. It has the program and no unit of kwo.
    pub(crate) fn boot() -> Option<Machine> {
        let root = Machine::root()?;
        fs::copy(env!("CARGO_BIN_EXE_kwo"), root.path().join("kwo")).unwrap();
        Some(Machine::of(root))
    }

    /// A Debian machine, whose dpkg knows what a package of kwo needs. It has neither program nor units of kwo.
    pub(crate) fn debian() -> Option<Machine> {
        let root = Machine::root()?;
        let known = Command::new("dpkg-query").args(["--status", "libc6", "libgcc-s1"]).output();
        let Some(known) = known.ok().filter(|output| output.status.success()) else {
            return missing("there is no dpkg that knows libc6 and libgcc-s1: this is no Debian");
        };
        let of_dpkg = root.path().join("var/lib/dpkg");
        for folder in [root.path().join("usr.own"), of_dpkg.join("info"), of_dpkg.join("updates")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(of_dpkg.join("status"), known.stdout).unwrap();
        for entry in fs::read_dir("/var/lib/dpkg/info").unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".list") && (name.starts_with("libc6:") || name.starts_with("libgcc-s1:")) {
                fs::copy(entry.path(), of_dpkg.join("info").join(name)).unwrap();
            }
        }
        let machine = Machine::of(root);
        // Where packages go into images, this keeps units from being started.
        machine.ok(&["rm", "-f", "/usr/sbin/policy-rc.d"]);
        Some(machine)
    }

    /// An empty folder for the root of a machine.
    fn root() -> Option<TempDir> {
        let mut probe = Command::new("unshare");
        probe
            .args(NAMESPACES)
            .args(["--fork", "mount", "-t", "cgroup2", "none", "/mnt"])
            .stdin(Stdio::null());
        match probe.output() {
            Ok(output) if output.status.success() => {}
            other => return forbidden(&format!("no machine can be made for systemd: {other:?}")),
        }
        if !Path::new("/usr/lib/systemd/systemd").exists() {
            return missing("there is no /usr/lib/systemd/systemd: install systemd");
        }
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Some(root)
    }

    fn of(root: TempDir) -> Machine {
        let (init, booted) = start(root.path());
        Machine { root, init, booted }
    }

    /// Puts there what the stand-in for k3s is made of.
    pub(crate) fn k3s_parts(&self, programs: &Path) {
        fs::create_dir(self.path("stand-in")).unwrap();
        for name in ["kwo-test-apiserver", "kubectl", "kine"] {
            fs::copy(programs.join(name), self.path("stand-in").join(name)).unwrap();
        }
    }

    /// Pulls the plug, and starts it again.
    pub(crate) fn lose_power(&mut self) {
        self.end();
        fs::remove_file(self.path("init")).unwrap();
        (self.init, self.booted) = start(self.root.path());
    }

    fn end(&mut self) {
        // By its number, which is another's once it has ended.
        let init = std::mem::take(&mut self.init);
        if init.is_empty() {
            return;
        }
        let killed = Command::new("kill").args(["-9", &init]).status();
        if !killed.is_ok_and(|status| status.success()) || self.booted.code() != Some(0) {
            let _ = writeln!(std::io::stderr(), "a machine does not end: {}", self.booted.said());
        }
    }

    /// Where a file of the machine is here. Its /run and /tmp cannot be reached.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file there, readable by root alone.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs something there, as root.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        within(&self.init, words)
    }

    /// What it prints; it has to succeed.
    #[track_caller]
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let (out, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {out}{errors}\n{}", self.journal(OF_INTEREST));
        out.into_owned() + &errors
    }

    /// Installs kwo with these options, for these settings.
    #[track_caller]
    pub(crate) fn install(&self, settings: &str, options: &[&str]) -> String {
        self.put("etc/kwo/kwo.yaml", &format!("apiVersion: kwo/v1\nkind: Settings\n{settings}"));
        self.ok(&[&["/kwo", "install"], options].concat())
    }

    /// A property of a unit.
    pub(crate) fn shows(&self, unit: &str, property: &str) -> String {
        self.ok(&["systemctl", "show", "--value", "--property", property, unit]).trim().to_owned()
    }

    /// The lines of the journal that this selects.
    pub(crate) fn journal(&self, selected: &[&str]) -> String {
        let output = self.run(&[&["journalctl", "--output=cat", "--no-pager", "--quiet"], selected].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same with all their fields.
    pub(crate) fn fields(&self, selected: &[&str]) -> Vec<Value> {
        let text = self.ok(&[&["journalctl", "--output=json", "--no-pager", "--quiet"], selected].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until this has come to be.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut try_it: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(done) = try_it() {
                return done;
            }
            assert!(
                Instant::now() < end,
                "in vain: {what}\n{}\n{}",
                self.booted.said(),
                self.journal(OF_INTEREST)
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the journal of a unit says this.
    #[track_caller]
    pub(crate) fn says(&self, unit: &str, part: &str) {
        self.until(&format!("{unit} says: {part}"), || {
            self.journal(&["--unit", unit]).contains(part).then_some(())
        });
    }
}

/// Starts systemd there, and waits for all that it starts; gives its process 1.
fn start(root: &Path) -> (String, Running) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/boot.sh");
    let logs = tempfile::tempdir_in(root).unwrap().keep();
    let mut booted = Running::start(&here, &[root.display().to_string()], &[], &logs);
    let init = booted.wait("does not start systemd", || {
        fs::read_to_string(root.join("init")).ok().filter(|text| text.ends_with('\n'))
    });
    let init = init.trim().to_owned();
    booted.wait("does not start all that systemd starts", || {
        let output = within(&init, &["systemctl", "is-system-running"]);
        // Some of what the programs of this machine bring along may not like it there.
        [&b"running\n"[..], b"degraded\n"].contains(&&*output.stdout).then_some(())
    });
    (init, booted)
}

/// Runs something in the machine that has this process 1.
fn within(init: &str, words: &[&str]) -> Output {
    let mut command = Command::new("nsenter");
    command.args(["--target", init]).args(NAMESPACES).args(["--root", "--wdns=/"]);
    command.args(words).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/usr/sbin");
    command.stdin(Stdio::null()).output().unwrap()
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}
