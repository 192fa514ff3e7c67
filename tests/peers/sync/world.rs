//! A bare repository with somebody who pushes to it, and a node that follows it. The target is a directory unless the
//! settings say otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use testkit::schemas::fits;

/// The repository, the node and its target.
pub(crate) struct World {
    folder: TempDir,
}

/// What a run of the binary came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    /// A repository whose one commit has a roster with these tenants, and settings that name no more than they must.
    pub(crate) fn new(tenants: &str) -> World {
        let world = World::empty();
        world.commit(tenants);
        world
    }

    /// A repository without a commit.
    pub(crate) fn empty() -> World {
        World::hashed_by("sha1")
    }

    /// The same, whose commits get their ids by this function.
    pub(crate) fn hashed_by(hash: &str) -> World {
        let world = World { folder: tempfile::tempdir().unwrap() };
        let format = format!("--object-format={hash}");
        world.git_in(
            world.folder.path(),
            &["init", "--quiet", "--bare", "-b", "main", &format, "cluster.git"],
        );
        world.git_in(world.folder.path(), &["init", "--quiet", "-b", "main", &format, "work"]);
        world.settings("");
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs git in the work tree of the one who pushes; it has to succeed.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.path("work"), args)
    }

    #[track_caller]
    pub(crate) fn git_in(&self, folder: &Path, args: &[&str]) -> String {
        let output = plain("git", self.folder.path())
            .args([
                "-c",
                "user.name=Alice",
                "-c",
                "user.email=alice@example.com",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args(args)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Commits a roster with these tenants and pushes it; gives the commit.
    #[track_caller]
    pub(crate) fn commit(&self, tenants: &str) -> String {
        self.commit_with(tenants, &[])
    }

    /// The same with more options for `git commit`.
    #[track_caller]
    pub(crate) fn commit_with(&self, tenants: &str, options: &[&str]) -> String {
        self.write("roster.yaml", &roster(tenants));
        self.commit_all(options)
    }

    /// Commits what lies in the work tree and pushes it; gives the commit.
    #[track_caller]
    pub(crate) fn commit_all(&self, options: &[&str]) -> String {
        self.git(&["add", "--all"]);
        self.git(&[&["commit", "--quiet", "--allow-empty", "-m", "Change the roster"], options].concat());
        self.push();
        self.head()
    }

    #[track_caller]
    pub(crate) fn push(&self) {
        let url = self.path("cluster.git").display().to_string();
        self.git(&["push", "--quiet", "--force", &url, "HEAD:main"]);
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// A file in the work tree.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path("work").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Settings for the repository, with more lines at their end.
    pub(crate) fn settings(&self, more: &str) {
        self.settings_for(&format!("{{url: {}}}", self.path("cluster.git").display()), more);
    }

    /// Settings for this repository.
    pub(crate) fn settings_for(&self, repository: &str, more: &str) {
        let target = match more.lines().any(|line| line.starts_with("target:")) {
            true => String::new(),
            false => format!("target: {{directory: {}}}\n", self.path("target").display()),
        };
        let state = self.path("state").display().to_string();
        let text = format!(
            "apiVersion: kwo/v1\nkind: Settings\nrepository: {repository}\nstate: {state}\n{target}{more}"
        );
        fs::write(self.path("kwo.yaml"), text).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = plain(env!("CARGO_BIN_EXE_kwo"), self.folder.path());
        command.args(args).env("KWO_SETTINGS", self.path("kwo.yaml")).current_dir(self.folder.path());
        command
    }

    pub(crate) fn kwo(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// Runs a line as a person pastes it.
    #[track_caller]
    pub(crate) fn shell(&self, line: &str) {
        let status = plain("sh", self.folder.path()).args(["-c", line]).status().unwrap();
        assert!(status.success(), "{line}");
    }

    /// One run of `kwo sync`.
    pub(crate) fn sync(&self, more: &[&str]) -> Ran {
        self.kwo(&[&["sync"], more].concat())
    }

    /// The newest entry of the history.
    #[track_caller]
    pub(crate) fn newest(&self) -> Value {
        self.history().into_iter().next().expect("an entry")
    }

    /// The history, the newest entry first.
    #[track_caller]
    pub(crate) fn history(&self) -> Vec<Value> {
        let ran = self.kwo(&["history", "--tail", "1000", "-o", "json"]).expect(0);
        let mut said: Value = serde_json::from_str(&ran.out).unwrap();
        fits("history", &said);
        serde_json::from_value(said["entries"].take()).unwrap()
    }

    /// A text of the target, or nothing where there is no such file.
    pub(crate) fn target(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path("target").join(name)).ok()
    }

    /// Does the target have this tenant?
    pub(crate) fn has(&self, tenant: &str) -> bool {
        self.file_of("Namespace", tenant).is_some()
    }

    /// The file of an object of the target.
    pub(crate) fn file_of(&self, kind: &str, name: &str) -> Option<PathBuf> {
        files(&self.path("target")).into_iter().find(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.contains(&format!("kind: {kind}\n")) && text.contains(&format!("  name: {name}\n"))
        })
    }

    /// What was applied last, as the node knows it.
    pub(crate) fn applied(&self) -> String {
        let text = fs::read_to_string(self.path("state/sync/applied.json")).unwrap();
        let applied: Value = serde_json::from_str(&text).unwrap();
        applied["commit"].as_str().unwrap().to_owned()
    }

    /// Takes away what the node knows.
    pub(crate) fn wipe_node(&self) {
        fs::remove_dir_all(self.path("state")).unwrap();
    }

    /// Takes away what the target remembers.
    pub(crate) fn wipe_target_memory(&self) {
        fs::remove_file(self.path("target/.kwo.sync")).unwrap();
    }
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Says this.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Ran {
        let text = format!("{}{}", self.out, self.err);
        assert!(text.contains(part), "it does not say: {part}\n{text}");
        self
    }

    /// Does not say this.
    #[track_caller]
    pub(crate) fn conceals(self, part: &str) -> Ran {
        let text = format!("{}{}", self.out, self.err);
        assert!(!text.contains(part), "it says: {part}\n{text}");
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// A roster with these tenants.
pub(crate) fn roster(tenants: &str) -> String {
    format!("apiVersion: kwo/v1\nkind: Roster\n{tenants}")
}

/// Many tenants, `t0` to the last one, each with this quota of pods.
pub(crate) fn tenants(count: usize, pods: usize) -> String {
    let lines: Vec<String> = (0..count).map(|at| format!("  t{at}: {{quota: {{pods: {pods}}}}}\n")).collect();
    format!("tenants:\n{}", lines.concat())
}

/// A program in an environment that holds no more than it needs.
pub(crate) fn plain(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null());
    command
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
