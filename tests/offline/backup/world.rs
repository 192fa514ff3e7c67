//! A node of k3s below a folder: its database in the form of kine, its token, and what else a backup holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use testkit::k3s::{self, has_a_secret};
use testkit::run::Ran;

/// Where k3s keeps its data.
pub(crate) const DATA: &str = "root/var/lib/rancher/k3s";

/// A node, a folder for its backups, and a key.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) recipient: String,
}

impl World {
    /// With a database of these many objects of this size beside those that there always are.
    pub(crate) fn new(many: usize, size: usize) -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World { folder, recipient: String::new() };
        let made = world.kwo(&["secrets", "keygen", "age.key"]).expect(0).out;
        world.recipient = made.lines().find(|line| line.starts_with("age1")).unwrap().to_owned();
        world.put("root/etc/hostname", "node-1\n");
        k3s::play(&world.path("root"), many, size);
        world
    }

    /// The database, as k3s has it open.
    pub(crate) fn database(&self) -> Connection {
        k3s::database(&self.path("root"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The program, about to be run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(args).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn kwo(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// What makes a backup.
    pub(crate) fn making<'w>(&'w self, more: &[&'w str]) -> Vec<&'w str> {
        let recipient = self.recipient.as_str();
        [&["node", "backup", "--recipient", recipient, "--to", "backups", "--root", "root"], more].concat()
    }

    /// Makes a backup.
    pub(crate) fn backup(&self, more: &[&str]) -> Ran {
        self.kwo(&self.making(more))
    }

    /// Looks at one.
    pub(crate) fn check(&self, file: &Path, more: &[&str]) -> Ran {
        let file = file.to_str().unwrap();
        self.kwo(&[&["node", "restore", file, "--check", "--identity", "age.key"], more].concat())
    }

    /// The names of all that is in the folder of the backups but the lock, in order.
    pub(crate) fn there(&self) -> Vec<String> {
        let listed = fs::read_dir(self.path("backups")).into_iter().flatten();
        let mut names: Vec<String> =
            listed.map(|found| found.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.ends_with(".lock"));
        names.sort();
        names
    }

    /// The backups, the oldest first.
    pub(crate) fn backups(&self) -> Vec<PathBuf> {
        let names = self.there().into_iter().filter(|name| name.ends_with(".age") && !name.starts_with('.'));
        names.map(|name| self.path("backups").join(name)).collect()
    }

    /// Is a secret in the clear anywhere below the world, but on the node itself?
    #[track_caller]
    pub(crate) fn keeps_its_secrets(&self) {
        let mut folders = vec![self.folder.path().to_owned()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for found in fs::read_dir(folder).unwrap() {
                let path = found.unwrap().path();
                if path.is_dir() {
                    if path != self.path("root") {
                        folders.push(path);
                    }
                    continue;
                }
                assert!(!has_a_secret(&fs::read(&path).unwrap()), "{}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 0);
    }
}

/// What a run said, as one that reads it cares.
pub(crate) trait Says {
    /// Did it say this?
    fn says(&self, part: &str) -> &Self;
}

impl Says for Ran {
    #[track_caller]
    fn says(&self, part: &str) -> &Ran {
        assert!(self.out.contains(part) || self.err.contains(part), "{part:?} in {}{}", self.out, self.err);
        self
    }
}
