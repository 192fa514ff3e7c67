//! Whose signatures commits carry. Only the keys that the settings name count: git is kept from every other key ring
//! and from every other kind of signature.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use kwo_planner::settings::Signers;

use super::clone::Clone;
use super::process::{Git, GitError, shown};

/// A commit that no signer signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsigned {
    /// The commit.
    pub commit: String,
    /// What is wrong with its signature, as a sentence without a full stop.
    pub why: &'static str,
}

impl Clone {
    /// The first commit after `since`, up to `head`, that no signer signed; with nothing to begin at, `head` alone is
    /// looked at.
    ///
    /// # Errors
    /// When git cannot be asked, or the signers cannot be read.
    pub async fn unsigned(
        &self,
        since: Option<&str>,
        head: &str,
        signers: &Signers,
    ) -> Result<Option<Unsigned>, GitError> {
        // Whatever says yes here lets a commit in: what is not asked for says no.
        let no = [
            "gpg.openpgp.program=false",
            "gpg.program=false",
            "gpg.ssh.program=false",
            "gpg.x509.program=false",
        ];
        let git = no.into_iter().fold(self.git(), Git::config);
        // It lives as long as git is asked.
        let mut ring = None;
        let git = match (&signers.ssh, &signers.gpg) {
            (Some(allowed), _) => {
                readable(Path::new(allowed.as_str()))?;
                runs("ssh-keygen").await?;
                git.config("gpg.ssh.program=ssh-keygen")
                    .config(&format!("gpg.ssh.allowedSignersFile={allowed}"))
            }
            (None, Some(keys)) => {
                let ring = &*ring.insert(self.ring(Path::new(keys.as_str())).await?);
                git.config("gpg.program=gpg").config("gpg.openpgp.program=gpg").env("GNUPGHOME", ring.path())
            }
            // The settings are refused before they come here; nobody is trusted.
            (None, None) => git,
        };
        let range = match since {
            Some(since) => vec![format!("{since}..{head}")],
            None => vec!["--max-count=1".to_owned(), head.to_owned()],
        };
        let log = ["log", "--no-show-signature", "--reverse", "--format=%H %G?"];
        let told = git.args(log).args(range).args(["--"]).run(None).await?;
        drop(ring);
        let text = told.line();
        for line in text.lines() {
            let (commit, state) = line.split_once(' ').unwrap_or((line, ""));
            if let Some(mut why) = wrong(state) {
                // With the program of the other kind out of reach, git takes its signatures for none.
                if state == "N" && self.carries_signature(commit).await? {
                    why = "its signature is of another kind than the keys of the signers";
                }
                return Ok(Some(Unsigned { commit: commit.to_owned(), why }));
            }
        }
        Ok(None)
    }

    /// Is there any signature in a commit?
    async fn carries_signature(&self, commit: &str) -> Result<bool, GitError> {
        let told = self.git().args(["cat-file", "commit", commit]).run(None).await?;
        let head = String::from_utf8_lossy(&told.out);
        let head = head.split("\n\n").next().unwrap_or_default();
        Ok(head.lines().any(|line| line.starts_with("gpgsig")))
    }

    /// A key ring with these keys and no others, each of which counts in full.
    async fn ring(&self, keys: &Path) -> Result<tempfile::TempDir, GitError> {
        readable(keys)?;
        // gpg warns of a folder that others can look into.
        let ring = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir();
        let ring = ring.map_err(GitError::io("make a folder for a key ring"))?;
        std::fs::write(
            ring.path().join("gpg.conf"),
            "trust-model always\nno-autostart\nno-auto-key-retrieve\n",
        )
        .map_err(GitError::io("write a key ring"))?;
        let imported = tokio::process::Command::new("gpg")
            .env("GNUPGHOME", ring.path())
            .args(["--batch", "--quiet", "--no-autostart", "--import"])
            .arg(keys)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(GitError::io("run `gpg`"))?;
        if imported.status.success() {
            return Ok(ring);
        }
        Err(GitError::Keys { path: keys.to_owned(), said: shown(&imported.stderr) })
    }
}

/// Is this program there? Without it git takes every signature for a bad one, and blames the author.
async fn runs(program: &str) -> Result<(), GitError> {
    let mut command = tokio::process::Command::new(program);
    command.arg("-?").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.status().await.map(|_| ()).map_err(GitError::io(format!("run `{program}`")))
}

fn readable(path: &Path) -> Result<(), GitError> {
    let open = std::fs::File::open(path).map(|_| ());
    open.map_err(GitError::io(format!("read the signers in {}", path.display())))
}

/// What is wrong with a signature in this state, as git calls it; nothing with a good one of a signer.
fn wrong(state: &str) -> Option<&'static str> {
    match state {
        "G" => None,
        "N" => Some("it is not signed"),
        "B" => Some("its signature is bad: it was changed after it was signed"),
        "U" => Some("its signature is good, but not of one of the signers"),
        "X" => Some("its signature has expired"),
        "Y" => Some("the key of its signature has expired"),
        "R" => Some("the key of its signature was revoked"),
        _ => Some("its signature cannot be checked: its key is not among those of the signers"),
    }
}
