//! A machine below a folder, and a server with releases of k3s that answers as the test says.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::releases::Server;
pub(crate) use testkit::releases::{answer, arch, program, sum};
use testkit::run::Ran;

pub(crate) const VERSION: &str = "v1.37.1+k3s1";
/// Where the files of that version are.
pub(crate) const TAG: &str = "/v1.37.1%2Bk3s1";

/// A machine, and a server with one release.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) url: String,
}

impl World {
    pub(crate) fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::default();
        let url = format!("http://{}", server.start());
        let world = World { folder, server, url };
        world.put("root/etc/hostname", "node-1\n");
        world.put("root/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n");
        world.put("root/usr/local/bin/other", "");
        world.release(VERSION, &program(VERSION));
        world.server.set("/channels/stable", world.leads(VERSION));
        world
    }

    /// Puts a release on the server.
    pub(crate) fn release(&self, version: &str, content: &str) {
        self.server.release(version, content);
    }

    /// As the channel server leads to a version.
    pub(crate) fn leads(&self, version: &str) -> String {
        let tag = version.replace('+', "%2B");
        answer(302, &format!("location: https://github.com/k3s-io/k3s/releases/tag/{tag}\r\n"), "")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts a program there.
    pub(crate) fn put_program(&self, name: &str, text: &str) {
        self.put(name, text);
        testkit::programs::runnable(&self.path(name));
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    /// The program, about to install from the server with these words besides.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        self.node("install", more)
    }

    /// The same with another command of the node.
    pub(crate) fn node(&self, what: &str, more: &[&str]) -> Command {
        let channels = format!("{}/channels", self.url);
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(["node", what, "--root", "root"]).args(more);
        if !["--airgap", "--plan"].iter().any(|option| more.contains(option)) {
            command.args(["--mirror", &self.url, "--channels", &channels]);
        }
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn install(&self, more: &[&str]) -> Ran {
        Ran::of(&self.command(more).output().unwrap())
    }

    /// All files of the machine with their content, but those that kwo keeps for itself.
    pub(crate) fn machine(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        gather(&self.path("root"), &mut files);
        let own = self.path("root/var/lib/kwo");
        files.retain(|path, _| !path.starts_with(&own));
        files
    }
}

fn gather(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            gather(&entry, files);
        } else {
            let content = fs::read(&entry).unwrap();
            files.insert(entry, content);
        }
    }
}
