//! A bare repository, and the one who pushes to it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::machine::Machine;

/// Settings for the copy in a machine, with a folder as the target.
pub(crate) const WITHIN: &str =
    "repository: {url: /srv/cluster.git}\ntarget: {directory: /var/lib/kwo/target}\n";

/// The repository is `cluster.git` in its folder.
pub(crate) struct Repository {
    folder: TempDir,
}

impl Repository {
    pub(crate) fn new() -> Repository {
        let repository = Repository { folder: tempfile::tempdir().unwrap() };
        // Its way is for the user of an sshd as well.
        fs::set_permissions(repository.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        // Who pushes need not own it.
        fs::write(repository.path(".gitconfig"), "[safe]\ndirectory = *\n").unwrap();
        repository.run("git", &["init", "--quiet", "--bare", "-b", "main", "cluster.git"]);
        repository.run("git", &["init", "--quiet", "-b", "main", "work"]);
        repository
    }

    /// One with the tenant alice, of which the machine has a copy.
    pub(crate) fn within(machine: &Machine) -> Repository {
        let repository = Repository::new();
        repository.push("tenants:\n  alice:\n", &[], &[]);
        repository.copy(machine);
        repository
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A key for ssh of this name; gives its public half.
    pub(crate) fn key(&self, name: &str) -> String {
        let path = self.path(name).display().to_string();
        self.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &path]);
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    /// A key for gpg: the settings of git with which it signs, and its public half.
    pub(crate) fn gpg_key(&self) -> (Vec<String>, String) {
        let home = self.path("gnupg");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let home = home.display().to_string();
        let gpg =
            |args: &[&str]| self.run("gpg", &[&["--homedir", &home, "--batch", "--quiet"], args].concat());
        gpg(&["--passphrase", "", "--quick-gen-key", "alice@example.com", "ed25519", "sign", "never"]);
        let program = self.path("gpg-of-alice");
        fs::write(&program, format!("#!/bin/sh\nexec gpg --homedir '{home}' --batch \"$@\"\n")).unwrap();
        testkit::programs::runnable(&program);
        let settings =
            [format!("gpg.program={}", program.display()), "user.signingKey=alice@example.com".into()];
        (settings.into(), gpg(&["--armor", "--export"]))
    }

    /// A roster of these lines, committed with these settings of git and these options, and pushed; gives the commit.
    pub(crate) fn push(&self, roster: &str, settings: &[&str], options: &[&str]) -> String {
        let roster = format!("apiVersion: kwo/v1\nkind: Roster\n{roster}");
        fs::write(self.path("work/roster.yaml"), roster).unwrap();
        let git = |args: &[&str]| self.run("git", &[&["-C", "work"], args].concat());
        git(&["add", "--all"]);
        let mut args = vec!["-c", "user.name=Alice", "-c", "user.email=alice@example.com"];
        args.extend(settings.iter().flat_map(|setting| ["-c", setting]));
        args.extend(["commit", "--quiet", "--message", "Change the roster"]);
        git(&[&args, options].concat());
        git(&["push", "--quiet", &self.path("cluster.git").display().to_string(), "HEAD:main"]);
        git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Puts a copy into the machine, as /srv/cluster.git.
    pub(crate) fn copy(&self, machine: &Machine) {
        let to = machine.path("srv");
        fs::create_dir_all(&to).unwrap();
        self.run("cp", &["-a", "cluster.git", &to.display().to_string()]);
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let folder: &Path = self.folder.path();
        let mut command = Command::new(program);
        command.args(args).current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null());
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let home = self.path("gnupg");
        if home.exists() {
            // gpg has started an agent for it.
            self.run("gpgconf", &["--homedir", &home.display().to_string(), "--kill", "gpg-agent"]);
        }
    }
}
