//! The bare clone: made once, fetched by every run. What opens the repository is in the environment of one call and in
//! memory, never in the clone and never on the disk.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::fault::{Fault, is_in_between, is_shallow};
use super::process::{Git, GitError};

/// How long a call may take that asks nobody else.
const PATIENCE: Duration = Duration::from_secs(60);

/// The reference that the branch is fetched to.
const FETCHED: &str = "refs/kwo/fetched";

/// The reference that keeps the commit that was applied last, wherever the branch goes.
const APPLIED: &str = "refs/kwo/applied";

/// How often a fetch is begun anew that another one came in between.
const ANEW: u32 = 5;

/// The longest file that a fetch may write: all that is new in the repository is one.
const LARGEST: u64 = 1 << 30;

/// What keeps git's memory small, whatever is in the repository and however many processors there are.
const THRIFT: [&str; 5] = [
    "core.bigFileThreshold=16m",
    "core.packedGitWindowSize=16m",
    "core.packedGitLimit=256m",
    "pack.threads=2",
    "pack.windowMemory=256m",
];

/// A bare clone.
pub struct Clone {
    pub(super) folder: PathBuf,
    /// It is somebody's own: nothing is fetched into it, not even what git would fetch by itself.
    pub(super) own: bool,
}

/// What opens a repository.
#[derive(Default)]
pub struct Access {
    /// The user and the token for https.
    pub token: Option<(String, SecretSlice<u8>)>,
    /// The private key for ssh.
    pub key: Option<SecretSlice<u8>>,
    /// The keys of the hosts.
    pub known_hosts: Option<PathBuf>,
    /// How long a fetch may take.
    pub patience: Duration,
    /// The malformed objects that are taken as they are.
    pub skip: Vec<String>,
}

impl Clone {
    /// The clone in this folder, made where there is none. One that a killed run left half-written is taken up again.
    ///
    /// # Errors
    /// When the folder cannot be written, or git is not there.
    pub async fn open(folder: PathBuf) -> Result<Clone, GitError> {
        let clone = Clone { folder, own: false };
        if !clone.folder.join("HEAD").is_file() || !clone.folder.join("objects").is_dir() {
            clone.make(&[]).await?;
        }
        // Only one run at a time comes here, so the locks and halves of an earlier one are those of a killed one.
        for lock in [
            "config.lock",
            "packed-refs.lock",
            "shallow.lock",
            "HEAD.lock",
            "gc.pid",
            "gc.pid.lock",
            "refs/kwo/fetched.lock",
            "refs/kwo/applied.lock",
        ] {
            let _ = fs::remove_file(clone.folder.join(lock));
        }
        clone.sweep();
        Ok(clone)
    }

    /// Takes away the halves that a fetch leaves that was ended.
    fn sweep(&self) {
        for folder in ["objects", "objects/pack"] {
            for found in fs::read_dir(self.folder.join(folder)).into_iter().flatten().flatten() {
                let name = found.file_name();
                let name = name.to_string_lossy();
                if name.starts_with("tmp_objdir-") || name.starts_with("incoming-") {
                    let _ = fs::remove_dir_all(found.path());
                } else if name.starts_with("tmp_") {
                    let _ = fs::remove_file(found.path());
                }
            }
        }
    }

    /// Is everything there that its references lead to?
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn is_whole(&self) -> Result<bool, GitError> {
        let args = ["fsck", "--connectivity-only", "--no-dangling", "--no-progress"];
        match self.git().args(args).run(None).await {
            Ok(_) => Ok(true),
            Err(GitError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes it anew, empty: whatever is in it comes from the repository.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn anew(&self) -> Result<(), GitError> {
        self.remove()?;
        Clone::open(self.folder.clone()).await.map(|_| ())
    }

    fn remove(&self) -> Result<(), GitError> {
        let gone = format!("make {} again", self.folder.display());
        fs::remove_dir_all(&self.folder).map_err(GitError::io(gone))
    }

    /// Makes it, empty, with these options for git.
    async fn make(&self, more: &[&str]) -> Result<(), GitError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(GitError::io(format!("make {}", self.folder.display())))?;
        let made = self.git().args(["init", "--quiet", "--bare", "--template="]).args(more.iter().copied());
        made.run(None).await.map(|_| ())
    }

    /// Keeps this commit, whatever becomes of the branch.
    ///
    /// # Errors
    /// When the clone cannot be written.
    pub async fn keep(&self, commit: &str) -> Result<(), GitError> {
        self.git().args(["update-ref", APPLIED, commit]).run(None).await.map(|_| ())
    }

    /// A call in it.
    pub(super) fn git(&self) -> Git {
        self.git_for(PATIENCE)
    }

    /// A call in it with a patience of its own. Little of what it reads is kept in memory.
    pub(super) fn git_for(&self, patience: Duration) -> Git {
        let git = THRIFT.into_iter().fold(Git::new(&self.folder, patience), Git::config);
        if self.own { only_looked_at(git) } else { git }
    }

    /// A call that speaks to the repository.
    fn far(&self, access: &Access, key: Option<&File>) -> Git {
        let mut git = self
            .git_for(access.patience)
            .files_up_to(LARGEST)
            .env("GIT_SSH_COMMAND", ssh(key, access))
            .config("protocol.allow=never")
            .config("protocol.https.allow=always")
            .config("protocol.ssh.allow=always")
            .config("protocol.file.allow=always")
            // Another host would be given the token.
            .config("http.followRedirects=false")
            .config("fetch.fsckObjects=true")
            // Unpacked one by one they would be in memory as a whole, and in no file whose length has a limit.
            .config("fetch.unpackLimit=1")
            // Nothing is left running behind the fetch, and what it wrote outlives a power cut.
            .config("gc.autoDetach=false")
            .config("core.fsync=all")
            .config("core.hooksPath=/dev/null")
            .config("credential.helper=");
        if let Some((user, token)) = &access.token {
            let token = String::from_utf8_lossy(token.expose_secret()).into_owned();
            // It is asked for only once the server wants to know, and the process list shows no more than this.
            git = git
                .env("KWO_GIT_USER", user)
                .env("KWO_GIT_TOKEN", zeroize::Zeroizing::new(token).as_str())
                .config("credential.helper=!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \"$KWO_GIT_USER\" \"$KWO_GIT_TOKEN\"; }; f");
        }
        git
    }

    /// The newest commit of a branch, without fetching it; nothing where there is no such branch.
    ///
    /// # Errors
    /// When the repository cannot be reached or opened.
    pub async fn newest(url: &str, branch: &str, access: &Access) -> Result<Option<String>, GitError> {
        let folder = tempfile::tempdir().map_err(GitError::io("make a folder for a clone"))?;
        let clone = Clone { folder: folder.path().join("none.git"), own: false };
        clone.make(&[]).await?;
        let key =
            access.key.as_ref().map(key_file).transpose().map_err(GitError::io("keep the key in memory"))?;
        let reference = format!("refs/heads/{branch}");
        let listed = clone.far(access, key.as_ref()).args(["ls-remote", "--quiet", "--", url, &reference]);
        let line = listed.run(None).await?.line();
        Ok(line.split_whitespace().next().filter(|id| !id.is_empty()).map(str::to_owned))
    }

    /// Fetches the branch; gives its newest commit.
    ///
    /// # Errors
    /// When the repository cannot be reached or opened, or has no such branch.
    async fn fetch(&self, url: &str, branch: &str, access: &Access) -> Result<String, GitError> {
        let key =
            access.key.as_ref().map(key_file).transpose().map_err(GitError::io("keep the key in memory"))?;
        let mut git = self.far(access, key.as_ref());
        let skip = access.skip.iter().map(|id| format!("{id}\n")).collect::<String>();
        let list = tempfile::NamedTempFile::new();
        let list = list.map_err(GitError::io("make a list of what to skip"))?;
        if !skip.is_empty() {
            fs::write(list.path(), skip).map_err(GitError::io("write a list of what to skip"))?;
            git = git.config(&format!("fetch.fsck.skipList={}", list.path().display()));
        }
        let refspec = format!("+refs/heads/{branch}:{FETCHED}");
        // A commit that was refused may be a bomb. Were the repository told that it is here, it would compare what is new
        // with it, path by path, without an end.
        let known = match self.commit(APPLIED).await {
            Ok(_) => Some(format!("--negotiation-tip={APPLIED}")),
            Err(_) => {
                git = git.config("fetch.negotiationAlgorithm=noop");
                None
            }
        };
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"];
        let fetched = git.args(fetch).args(known).args(["--", url, &refspec]).run(None).await;
        if fetched.is_err() {
            self.sweep();
        }
        // git only warns, and leaves the reference where it was.
        if is_shallow(&fetched?.said) {
            return Err(GitError::Shallow);
        }
        self.commit(FETCHED).await
    }

    /// The same, and anew where the fetch of a run that was killed came in between: it ends by itself. Or where
    /// nothing was ever applied from the clone, and the repository is one with SHA-256.
    ///
    /// # Errors
    /// When the repository cannot be reached or opened, or has no such branch.
    pub async fn fetch_alone(&self, url: &str, branch: &str, access: &Access) -> Result<String, GitError> {
        let mut fetched = self.fetch(url, branch, access).await;
        for _ in 0..ANEW {
            if !matches!(&fetched, Err(GitError::Failed { said, .. }) if is_in_between(said)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            fetched = self.fetch(url, branch, access).await;
        }
        match fetched {
            Err(error)
                if error.fault() == Some(Fault::OtherIds { sha256: true })
                    && matches!(self.commit(APPLIED).await, Err(GitError::Failed { .. })) =>
            {
                self.remove()?;
                self.make(&["--object-format=sha256"]).await?;
            }
            fetched => return fetched,
        }
        self.fetch(url, branch, access).await
    }

    /// The full id of a commit.
    ///
    /// # Errors
    /// When there is none by this name.
    pub async fn commit(&self, name: &str) -> Result<String, GitError> {
        let name = format!("{name}^{{commit}}");
        let found =
            self.git().args(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).run(None);
        Ok(found.await?.line())
    }
}

/// The call without any way out: of a partial clone git would fetch what is missing, by programs that the settings of
/// the clone name. A path is a path.
fn only_looked_at(git: Git) -> Git {
    git.env("GIT_ALLOW_PROTOCOL", "").env("GIT_NO_LAZY_FETCH", "1").env("GIT_LITERAL_PATHSPECS", "1")
}

/// A private key as a file in memory, which only this user can open and which is gone with this process.
fn key_file(key: &SecretSlice<u8>) -> std::io::Result<File> {
    let mut file = File::from(memfd_create("kwo-key", MemfdFlags::CLOEXEC)?);
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(key.expose_secret())?;
    // OpenSSH does not read a key whose last line does not end.
    file.write_all(b"\n")?;
    Ok(file)
}

/// How git calls ssh: without questions, and only to hosts that are known.
fn ssh(key: Option<&File>, access: &Access) -> String {
    let seconds = access.patience.as_secs().clamp(1, 30);
    let mut command = format!(
        "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout={seconds} -o ForwardAgent=no"
    );
    if let Some(file) = key {
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        command.push_str(&format!(" -o IdentitiesOnly=yes -o IdentityAgent=none -i {path}"));
    }
    if let Some(known) = &access.known_hosts {
        // For ssh, which takes `%` and spaces for more than they are, and then for the shell.
        let path = known.display().to_string().replace('%', "%%");
        let quoted = format!("UserKnownHostsFile=\"{path}\"").replace('\'', "'\\''");
        command.push_str(&format!(" -o '{quoted}' -o GlobalKnownHostsFile=none"));
    }
    command
}
