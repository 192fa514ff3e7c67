//! `kwo watch`: a plan after every edit, made as editors make them, and nothing in between.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rexpect::process::WaitStatus;
use rexpect::session::spawn_command;

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\ntenants:\n  alice: {owners: [alice@example.com]}\n";

/// The program at work; what it says is in two files.
struct Watching {
    child: Child,
    folder: tempfile::TempDir,
}

fn kwo(folder: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_kwo"))
        .args(["watch", "here/roster.yaml", "--target", "dir:sandbox"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(File::create(folder.join("out")).unwrap())
        .stderr(File::create(folder.join("err")).unwrap())
        .spawn()
        .unwrap()
}

impl Watching {
    fn start(roster: &str, args: &[&str]) -> Watching {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("here")).unwrap();
        fs::write(folder.path().join("here/roster.yaml"), roster).unwrap();
        Watching { child: kwo(folder.path(), args), folder }
    }

    /// Starts it anew, to apply the roster once.
    fn again(&mut self) {
        self.child = kwo(self.folder.path(), &["--apply", "--once"]);
    }

    /// Waits until it has opened this file, which it cannot have yet.
    fn waits_for(&self, lock: &str) {
        let files = format!("/proc/{}/fd", self.child.id());
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let files =
                fs::read_dir(&files).unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
            if files.into_iter().any(|file| file.ends_with(lock)) {
                return;
            }
            assert!(Instant::now() < end, "it does not ask for the lock");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its exit code, once it has ended by itself.
    fn ended(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Saves a file as editors do: another takes its place.
    fn save(&self, name: &str, text: &str) {
        let (path, new) = (self.path(name), self.path("here/.new"));
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn plans(&self) -> usize {
        fs::read_to_string(self.path("out")).unwrap().matches("Plan for").count()
    }

    /// Waits until it watches again after so many rounds, and gives what it printed, and what it said.
    fn round(&self, number: usize) -> (String, String) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let text = |name| fs::read_to_string(self.path(name)).unwrap();
            let (out, err) = (text("out"), text("err"));
            if err.matches(" watching here/roster.yaml").count() >= number {
                return (out, err);
            }
            assert!(Instant::now() < end, "round {number} does not come:\n{out}\n{err}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn interrupted(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn manifests(folder: &Path) -> usize {
    fs::read_dir(folder.join("sandbox/namespaces")).map_or(0, Iterator::count)
}

#[test]
fn every_edit_is_planned_and_what_is_wrong_is_shown() {
    let watching = Watching::start(ROSTER, &[]);
    let (out, _) = watching.round(1);
    assert!(out.contains("kube:Namespace/alice") && !out.contains("kube:Namespace/bob"), "{out}");
    watching.save("here/roster.yaml", &format!("{ROSTER}  bob: {{}}\n"));
    let (out, _) = watching.round(2);
    assert!(out.contains("kube:Namespace/bob"), "{out}");
    watching.save("here/roster.yaml", &format!("{ROSTER}  bob: {{owner: x}}\n"));
    let (_, err) = watching.round(3);
    assert!(err.contains("error[unknown-field]") && err.contains("here/roster.yaml:5:9"), "{err}");
    fs::remove_file(watching.path("here/roster.yaml")).unwrap();
    let (_, err) = watching.round(4);
    assert!(err.contains("cannot read here/roster.yaml"), "{err}");
    fs::write(watching.path("here/roster.yaml"), ROSTER).unwrap();
    watching.round(5);
    assert_eq!((watching.plans(), manifests(watching.folder.path())), (3, 0), "nothing was applied");
    assert_eq!(watching.interrupted(), Some(0));
}

#[test]
fn what_changes_nothing_is_not_planned_anew() {
    let watching = Watching::start(ROSTER, &[]);
    watching.round(1);
    watching.save("here/roster.yaml", ROSTER);
    fs::write(watching.path("here/notes.txt"), "something else").unwrap();
    fs::read_to_string(watching.path("here/roster.yaml")).unwrap();
    // Many edits in a moment are one.
    std::thread::sleep(Duration::from_secs(1));
    for number in 0..10 {
        watching.save("here/roster.yaml", &format!("{ROSTER}  bob-{number}: {{}}\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
    let (out, _) = watching.round(2);
    assert!(out.contains("kube:Namespace/bob-9") && !out.contains("kube:Namespace/bob-4"), "{out}");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(watching.plans(), 2);
}

#[test]
fn files_that_become_part_of_the_roster_are_seen() {
    let roster = format!("include: ['tenants/*.yaml', 'more/**/*.yaml']\n{ROSTER}");
    let watching = Watching::start(&roster, &[]);
    watching.round(1);
    let tenant = |name: &str| format!("tenants:\n  {name}: {{}}\n");
    fs::create_dir(watching.path("here/tenants")).unwrap();
    watching.save("here/tenants/bob.yaml", &tenant("bob"));
    fs::create_dir_all(watching.path("here/more/and/more")).unwrap();
    watching.save("here/more/and/more/carol.yaml", &tenant("carol"));
    let planned = |name: &str| {
        let end = Instant::now() + Duration::from_secs(30);
        let id = format!("kube:Namespace/{name}");
        while !fs::read_to_string(watching.path("out")).unwrap().contains(&id) {
            assert!(Instant::now() < end, "{id} is not planned");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    planned("bob");
    planned("carol");
    watching.save("here/tenants/dora.yaml", &tenant("dora"));
    planned("dora");
    watching.save("here/tenants/dora.yaml", &tenant("dorothy"));
    planned("dorothy");
    // The whole folder is another one, as after `git checkout`.
    fs::rename(watching.path("here"), watching.path("there")).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    fs::create_dir(watching.path("here")).unwrap();
    watching.save("here/roster.yaml", &ROSTER.replace("alice", "erna"));
    planned("erna");
    assert_eq!(watching.interrupted(), Some(0));
}

#[test]
fn with_apply_every_edit_is_done() {
    let watching = Watching::start(ROSTER, &["--apply"]);
    let (out, err) = watching.round(1);
    assert!(out.contains("kube:Namespace/alice") && err.contains("In agreement"), "{out}{err}");
    assert_eq!(manifests(watching.folder.path()), 1);
    watching.save("here/roster.yaml", &format!("{ROSTER}  bob: {{}}\n"));
    watching.round(2);
    assert_eq!(manifests(watching.folder.path()), 2);
    assert_eq!(watching.interrupted(), Some(0));
}

#[test]
fn once_is_until_no_edit_is_left_over() {
    let mut watching = Watching::start(ROSTER, &["--apply", "--once"]);
    assert_eq!(watching.ended(), Some(0));
    assert_eq!((watching.plans(), manifests(watching.folder.path())), (1, 1));
    fs::write(watching.path("here/roster.yaml"), format!("{ROSTER}  bob: {{owner: x}}\n")).unwrap();
    watching.again();
    assert_eq!(watching.ended(), Some(1));

    // What is saved during the run, when it has read the roster already.
    fs::write(watching.path("here/roster.yaml"), ROSTER).unwrap();
    let lock = File::create(watching.path("sandbox/.kwo.lock")).unwrap();
    lock.lock().unwrap();
    watching.again();
    watching.waits_for("sandbox/.kwo.lock");
    watching.save("here/roster.yaml", &format!("{ROSTER}  bob: {{}}\n"));
    lock.unlock().unwrap();
    assert_eq!(watching.ended(), Some(0));
    assert_eq!(manifests(watching.folder.path()), 2);

    // It ends when it is told to, also while another run is at work.
    lock.lock().unwrap();
    watching.again();
    watching.waits_for("sandbox/.kwo.lock");
    let id = watching.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(watching.ended(), Some(1));
    let err = fs::read_to_string(watching.path("err")).unwrap();
    assert!(err.contains("interrupted; nothing was changed"), "{err}");
}

#[test]
fn at_a_terminal_the_new_plan_stands_in_the_place_of_the_old() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(["watch", "--target", "dir:sandbox"]).current_dir(folder.path());
    command.env_clear().env("HOME", folder.path()).env("TERM", "xterm").env("NO_COLOR", "1");
    let mut terminal = spawn_command(command, Some(30_000)).unwrap();
    for name in ["alice", "bob"] {
        fs::write(folder.path().join("roster.yaml"), ROSTER.replace("alice", name)).unwrap();
        terminal.exp_string("\x1b[H\x1b[2J\x1b[3J").unwrap();
        terminal.exp_string(&format!("tenant {name}")).unwrap();
        terminal.exp_string("Ctrl-C ends").unwrap();
    }
    terminal.send_control('c').unwrap();
    let _ = terminal.exp_eof().unwrap();
    assert!(matches!(terminal.process().wait().unwrap(), WaitStatus::Exited(_, 0)));
}

#[test]
fn what_was_typed_wrong_is_not_watched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    let said = crate::cli::transcript(folder.path(), &["watch", "--target", "nowhere"]);
    assert!(
        said.contains("`nowhere` is not a valid target") && said.ends_with("---- exit 64 ----\n"),
        "{said}"
    );
}
