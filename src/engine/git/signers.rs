//! The signers that the settings name, and whether a signature is from one of them **now**. `ssh-keygen` and `gpg`
//! decide. What kwo reads here itself only explains a refusal.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kwo_planner::settings::Signers;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::process::{GitError, shown};
use super::signature::{Kind, Signature, SshClaim, ssh_claim};
use crate::regular;

/// How long one signature may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest file of signers.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Why a signature does not count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Wrong {
    /// A signer has to sign anew.
    Signature(String),
    /// The file of the signers says so; whoever keeps it may want to mend it.
    File(String),
}

/// The signers, ready to be asked.
pub(super) struct Judges {
    folder: tempfile::TempDir,
    ssh: Option<PathBuf>,
    gpg: bool,
    /// By which name in the file a key counted before.
    names: BTreeMap<String, String>,
}

/// What a program answered.
struct Answer {
    good: bool,
    out: String,
    said: String,
}

/// Can the signers be read, and are the programs there that ask them?
///
/// # Errors
/// When a file cannot be read, holds no key, or the program for it is not there.
pub async fn readable_signers(signers: &Signers) -> Result<(), GitError> {
    Judges::of(signers).await.map(drop)
}

impl Judges {
    /// Reads the signers.
    ///
    /// # Errors
    /// When a file cannot be read, holds no key, or the program for it is not there.
    pub(super) async fn of(signers: &Signers) -> Result<Judges, GitError> {
        // gpg warns of a folder that others can look into.
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir();
        let folder = folder.map_err(GitError::io("make a folder for a key ring"))?;
        let ssh = signers.ssh.as_ref().map(|path| PathBuf::from(path.as_str()));
        let mut judges = Judges { folder, ssh, gpg: false, names: BTreeMap::new() };
        if let Some(allowed) = &judges.ssh {
            readable(allowed)?;
            // Without it every signature would look like a bad one.
            judges.ask("ssh-keygen", ["-?"], &[]).await?;
        }
        if let Some(keys) = &signers.gpg {
            judges.ring(Path::new(keys.as_str())).await?;
            judges.gpg = true;
        }
        Ok(judges)
    }

    /// A key ring with these keys and no others, each of which counts in full.
    async fn ring(&self, keys: &Path) -> Result<(), GitError> {
        readable(keys)?;
        let settings = "trust-model always\nno-autostart\nno-auto-key-retrieve\n";
        fs::write(self.folder.path().join("gpg.conf"), settings).map_err(GitError::io("write a key ring"))?;
        let import = ["--batch", "--quiet", "--no-autostart", "--import"].map(OsStr::new);
        let imported = self.ask("gpg", import.into_iter().chain([keys.as_os_str()]), &[]).await?;
        match imported.good {
            true => Ok(()),
            false => Err(GitError::Keys { path: keys.to_owned(), said: imported.said }),
        }
    }

    /// What is wrong with a signature; nothing with a good one of somebody who is a signer now.
    ///
    /// # Errors
    /// When the programs cannot be asked.
    pub(super) async fn judge(&mut self, signature: &Signature) -> Result<Option<Wrong>, GitError> {
        let path = self.folder.path().join("signature");
        fs::write(&path, &signature.text).map_err(GitError::io("write a signature"))?;
        match (signature.kind, self.ssh.clone()) {
            (Kind::Ssh, Some(allowed)) => self.judge_ssh(&allowed, &path, signature).await,
            (Kind::OpenPgp, _) if self.gpg => self.judge_gpg(&path, signature).await,
            _ => Ok(Some(Wrong::Signature(
                "its signature is of another kind than the keys of the signers".to_owned(),
            ))),
        }
    }

    async fn judge_ssh(
        &mut self,
        allowed: &Path,
        path: &Path,
        signature: &Signature,
    ) -> Result<Option<Wrong>, GitError> {
        let (f, s) = (allowed.as_os_str(), path.as_os_str());
        let claim = ssh_claim(&signature.text);
        let key = claim.as_ref().map(|claim| claim.key.clone()).unwrap_or_default();
        let known = self.names.get(&key).cloned();
        let mut names: Vec<String> = known.into_iter().collect();
        if names.is_empty() {
            let find = ["-Y", "find-principals", "-f"].map(OsStr::new);
            let found = self.ask("ssh-keygen", find.into_iter().chain([f, OsStr::new("-s"), s]), &[]).await?;
            names.extend(found.out.lines().map(str::to_owned).filter(|name| !name.is_empty()));
            // It stops at the first line with the key, which need not be the one that counts for git.
            let lines = lines_of(allowed, &key)?;
            names.extend(lines.iter().flat_map(|line| line.names.clone()));
        }
        // Without a time given, it is now that a key has to be valid.
        let mut seen = Vec::new();
        for name in names {
            if seen.contains(&name) {
                continue;
            }
            let verify = ["-Y", "verify", "-n", "git", "-I", name.as_str(), "-f"].map(OsStr::new);
            let args = verify.into_iter().chain([f, OsStr::new("-s"), s]);
            if self.ask("ssh-keygen", args, &signature.payload).await?.good {
                self.names.insert(key, name);
                return Ok(None);
            }
            seen.push(name);
        }
        let check = ["-Y", "check-novalidate", "-n", "git", "-s"].map(OsStr::new);
        let checked = self.ask("ssh-keygen", check.into_iter().chain([s]), &signature.payload).await?;
        let wrong = match claim {
            None => Wrong::Signature("its signature does not have the form that ssh makes".to_owned()),
            Some(claim) if claim.namespace != "git" => Wrong::Signature(format!(
                "its signature was made in the namespace `{}`, but git signs in `git`",
                claim.namespace.escape_debug()
            )),
            Some(_) if !checked.good => Wrong::Signature(BAD.to_owned()),
            Some(claim) => not_a_signer(allowed, &claim, &lines_of(allowed, &key)?),
        };
        Ok(Some(wrong))
    }

    async fn judge_gpg(&self, path: &Path, signature: &Signature) -> Result<Option<Wrong>, GitError> {
        let verify = ["--batch", "--no-tty", "--no-autostart", "--status-fd=1", "--verify"].map(OsStr::new);
        let args = verify.into_iter().chain([path.as_os_str(), OsStr::new("-")]);
        let told = self.ask("gpg", args, &signature.payload).await?;
        let words: Vec<&str> =
            told.out.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")?.split(' ').next()).collect();
        let states = ["GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"];
        let mut found = words.iter().filter(|word| states.contains(word));
        // Two signatures in one are none: one good one would let the other one in.
        let state = found.next().filter(|_| found.next().is_none());
        let why = match state {
            Some(&"GOODSIG") if told.good && words.contains(&"VALIDSIG") => return Ok(None),
            Some(&"BADSIG") => BAD,
            Some(&"EXPSIG") => "its signature has expired",
            Some(&"EXPKEYSIG") => {
                return Ok(Some(Wrong::File(format!(
                    "the key of its signature has expired; {NOW}. Where its owner made it valid for longer, the file of \
                     the signers has the key as it was"
                ))));
            }
            Some(&"REVKEYSIG") => "the key of its signature was revoked",
            Some(&"ERRSIG") => {
                return Ok(Some(Wrong::File(
                    "its signature cannot be checked: its key is not among those of the signers".to_owned(),
                )));
            }
            _ => "gpg does not accept its signature",
        };
        Ok(Some(Wrong::Signature(why.to_owned())))
    }

    /// Asks a program, which gets this as its input.
    async fn ask<S: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Result<Answer, GitError> {
        let mut command = Command::new(program);
        command.env_clear().envs(["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| {
            let value = std::env::var_os(name)?;
            Some((name, value))
        }));
        command
            .env("LC_ALL", "C")
            .env("GNUPGHOME", self.folder.path())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(GitError::program(program))?;
        let stdin = child.stdin.take();
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // Whoever ends before all is read says why.
                let _ = stdin.write_all(input).await;
            }
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        let ended = timeout(PATIENCE, both)
            .await
            .map_err(|_| GitError::Slow { program: program.to_owned(), seconds: PATIENCE.as_secs() })?;
        let output = ended.map_err(GitError::io(format!("hear what `{program}` says")))?;
        Ok(Answer {
            good: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            said: shown(&output.stderr),
        })
    }
}

const BAD: &str = "its signature is bad: it was changed after it was signed";
const NOW: &str = "kwo counts from now, not from the date in the commit";

/// A line of the allowed signers.
struct Line {
    number: usize,
    names: Vec<String>,
    options: String,
}

/// The lines that name this key.
fn lines_of(allowed: &Path, key: &str) -> Result<Vec<Line>, GitError> {
    let text = regular::read(allowed).map_err(cannot_read(allowed))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(place) = words.iter().position(|word| *word == key) else { continue };
        let Some((first, options)) = words.get(..place.saturating_sub(1)).and_then(<[&str]>::split_first)
        else {
            continue;
        };
        if first.starts_with('#') {
            continue;
        }
        let names = first.trim_matches('"').split(',').filter(|name| !name.starts_with('!'));
        found.push(Line {
            number: at + 1,
            names: names.map(str::to_owned).collect(),
            options: options.join(" "),
        });
    }
    Ok(found)
}

/// Why a key whose signature is good does not count.
fn not_a_signer(allowed: &Path, claim: &SshClaim, lines: &[Line]) -> Wrong {
    let fingerprint = &claim.fingerprint;
    let has = |line: &&Line, option: &str| line.options.to_ascii_lowercase().contains(option);
    let place = |line: &Line| format!("line {} of {}", line.number, allowed.display());
    let dated = lines.iter().find(|line| has(line, "valid-before") || has(line, "valid-after"));
    let spaced = lines.iter().find(|line| has(line, "namespaces="));
    if let Some(line) = dated {
        let expired = if has(&line, "valid-before") { "has expired" } else { "is not valid yet" };
        return Wrong::File(format!(
            "the key of its signature {expired}: {} gives {fingerprint} `{}`; {NOW}",
            place(line),
            line.options.escape_debug()
        ));
    }
    if let Some(line) = spaced {
        return Wrong::File(format!(
            "its signature is good, but {} lets {fingerprint} sign in other namespaces than git's: it says `{}`, and \
             `namespaces=\"git\"` lets it sign commits",
            place(line),
            line.options.replace('"', "\u{1}").escape_debug().to_string().replace("\\u{1}", "\"")
        ));
    }
    Wrong::File(match lines.first() {
        None => format!(
            "its signature is good, but its key is not a signer's: {} has no line for {fingerprint}",
            allowed.display()
        ),
        Some(line) => format!("its signature is good, but {} does not allow {fingerprint}", place(line)),
    })
}

fn readable(path: &Path) -> Result<(), GitError> {
    let file = regular::open(path).map_err(cannot_read(path))?;
    let found = file.metadata().map_err(cannot_read(path))?;
    if found.is_file() && found.len() <= LONGEST {
        return Ok(());
    }
    let said = "it is not a file, or longer than 8 MiB";
    Err(cannot_read(path)(std::io::Error::other(said)))
}

fn cannot_read(path: &Path) -> impl FnOnce(std::io::Error) -> GitError {
    GitError::io(format!("read the signers in {}", path.display()))
}
