//! Chooses the commit of a run: the newest one of the branch if kwo accepts it, otherwise the one that it applied
//! last. The node and the cluster each remember a commit, and a run never goes back behind it.

use std::path::Path;

use kwo_planner::settings::{Repository, Settings, Signers};
use secrecy::SecretSlice;

use super::checkpoint::Checkpoint;
use super::state::Applied;
use crate::git::{Access, Clone, Fault, GitError};
use crate::history::{Problem, ProblemKind};
use crate::references::{Places, follow};

/// What was chosen.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// The newest commit of the branch, as far as it could be fetched.
    pub(super) newest: Option<String>,
    /// The commits to converge to, the first one whose roster is valid; none where there is nothing to fall back to.
    pub(super) candidates: Vec<String>,
    /// Why it is not the newest one.
    pub(super) problems: Vec<Problem>,
    /// Why there is nothing to fall back to, although something was applied.
    pub(super) nothing: Option<String>,
}

/// A problem with what to do about it.
pub(super) fn problem(kind: ProblemKind, text: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { kind, text: text.into(), hint: hint.into() }
}

/// Fetches the branch. A clone that turns out to be broken is made anew.
///
/// # Errors
/// When it cannot be had; says what to do.
pub(super) async fn fetch(clone: &Clone, settings: &Settings, places: &Places) -> Result<String, Problem> {
    let repository = &settings.repository;
    let (url, branch) = (repository.url.value.as_str(), repository.branch());
    let failed = |error: GitError| {
        let hint = hint(&error, repository);
        problem(ProblemKind::Fetch, format!("{url} cannot be fetched: {error}"), hint)
    };
    let access = access(repository, places).await?;
    match clone.fetch_alone(url, branch, &access).await {
        Err(GitError::Failed { .. }) if !clone.is_whole().await.map_err(failed)? => {
            clone.anew().await.map_err(failed)?;
            clone.fetch_alone(url, branch, &access).await
        }
        fetched => fetched,
    }
    .map_err(failed)
}

/// The newest commit of the branch, without fetching it.
///
/// # Errors
/// When it cannot be had; says what to do.
pub async fn reaches(repository: &Repository, places: &Places) -> Result<String, Problem> {
    let (url, branch) = (repository.url.value.as_str(), repository.branch());
    let access = access(repository, places).await?;
    let newest = Clone::newest(url, branch, &access).await.map_err(|error| {
        let hint = hint(&error, repository);
        problem(ProblemKind::Fetch, format!("{url} cannot be reached: {error}"), hint)
    })?;
    newest.ok_or_else(|| {
        let hint = what_to_do(&Fault::NoBranch, repository);
        problem(ProblemKind::Fetch, format!("{url} has no branch {branch}"), hint)
    })
}

const SLOW: &str =
    "is the server up, and can it be reached from here? `repository.timeout` is how long a fetch may take";

/// What to do about a fetch that failed.
fn hint(error: &GitError, repository: &Repository) -> String {
    match (error, error.fault()) {
        (GitError::TooLong { .. }, _) => SLOW.to_owned(),
        (GitError::Shallow, _) => UNSHALLOW.to_owned(),
        (_, Some(Fault::Malformed { id, what })) => {
            let skipped = repository.skipped().map(|id| id.as_str());
            let skip: Vec<&str> = skipped.chain([id.as_str()]).collect();
            format!(
                "git's own check finds the object {id} malformed ({what}). Where it is old and known, write into \
                 `repository:` of the settings, to take it as it is: `fsck: {{skip: [{}]}}`",
                skip.join(", ")
            )
        }
        (_, Some(fault)) => what_to_do(&fault, repository).to_owned(),
        (_, None) => missing(error).unwrap_or_default().to_owned(),
    }
}

const UNSHALLOW: &str = "`git fetch --unshallow` in it brings the rest, where it has a remote; or name the repository that \
                         it was cloned from";

/// The same, where git refused.
fn what_to_do(fault: &Fault, repository: &Repository) -> &'static str {
    match fault {
        Fault::TooLong => {
            "what is new in the repository is longer than 1 GiB, and kwo fetches no more: give the roster a repository \
             of its own"
        }
        Fault::OutOfMemory => {
            "a commit, a folder or a difference in the repository unpacks to more than the 2 GiB of checkpoint that git is \
             given: give the roster a repository of its own"
        }
        Fault::Slow => SLOW,
        Fault::OtherIds { .. } => {
            "another repository is in its place, whose commits have ids of another kind; where that is meant, remove \
             `sync/repository.git` in /var/lib/kwo, or where `state:` says, and run `kwo sync --allow rewrite` once"
        }
        Fault::HostChanged => {
            "find out why the host has another key before you put that into the file that `repository.knownHosts` \
             names: somebody else may stand in its place"
        }
        Fault::Certificate => {
            "the authority behind the server's certificate is not among those that this system trusts; `SSL_CERT_FILE` \
             names a file with it"
        }
        Fault::HostUnknown => {
            "add the host's key to the file that `repository.knownHosts` names: `ssh-keyscan HOST`, then compare its \
             fingerprint with the one that the host publishes"
        }
        Fault::Denied => match (&repository.key, &repository.token) {
            (None, None) => "give kwo a login for it: `token:` for https, or `key:` for ssh",
            _ => "the token or the key was refused: has it expired, and may it read this repository?",
        },
        Fault::NoBranch => "there is no such branch: see `repository.branch`",
        Fault::Refused => "git's own check refuses what is in the repository: `git fsck` there shows it",
        Fault::NoSsh => "`ssh` has to be installed",
        Fault::Foreign => {
            "the folder belongs to another user than the one that kwo runs as: give it to that one, or fetch it by ssh"
        }
        Fault::Malformed { .. } | Fault::Other => "",
    }
}

async fn access(repository: &Repository, places: &Places) -> Result<Access, Problem> {
    let secret = async |reference: &Option<_>, field: &str| -> Result<Option<SecretSlice<u8>>, Problem> {
        let Some(reference) = reference else { return Ok(None) };
        let reference: &kwo_planner::roster::At<kwo_planner::roster::SecretRef> = reference;
        follow(&reference.value, places, None).await.map(Some).map_err(|why| {
            let text = format!("kwo cannot get `repository.{field}` from {}: {why}", reference.value);
            problem(ProblemKind::Fetch, text, "")
        })
    };
    Ok(Access {
        token: secret(&repository.token, "token").await?.map(|token| (repository.user().to_owned(), token)),
        key: secret(&repository.key, "key").await?,
        known_hosts: repository.known_hosts.as_ref().map(|path| Path::new(path.as_str()).to_owned()),
        patience: std::time::Duration::from_secs(repository.timeout()),
        skip: repository.skipped().map(ToString::to_string).collect(),
    })
}

/// Chooses. `fetched` is what became of the fetch; `rewrite` lets a branch pass that was rewritten.
///
/// # Errors
/// When git cannot be asked.
pub(super) async fn choose(
    clone: &Clone,
    settings: &Settings,
    fetched: Result<String, Problem>,
    applied: Option<&Applied>,
    checkpoint: &Checkpoint,
    rewrite: bool,
) -> Result<Choice, GitError> {
    let mut choice = Choice::default();
    let node = applied.map(|applied| applied.commit.as_str());
    let cluster = Some(checkpoint.commit.as_str()).filter(|commit| !commit.is_empty());
    match fetched {
        Ok(newest) => {
            let refused = refused(clone, settings, &newest, node, cluster, rewrite).await?;
            if refused.is_none() {
                choice.candidates.push(newest.clone());
            }
            choice.newest = Some(newest);
            choice.problems.extend(refused);
        }
        Err(why) => choice.problems.push(why),
    }
    match last(clone, node, cluster).await? {
        Last::One(last) if !choice.candidates.iter().any(|candidate| candidate == last) => {
            // What this node applied itself was let in; that the cluster says so of another one may be forged.
            let signers = signers(settings).filter(|_| node != Some(last));
            let unsigned = match signers {
                Some(signers) => unsigned(clone, node, last, signers).await,
                None => None,
            };
            match unsigned {
                None => choice.candidates.push(last.to_owned()),
                Some(why) => {
                    choice.nothing =
                        Some(format!("{} was applied {TO_CLUSTER}, and {}", short(last), why.text));
                }
            }
        }
        Last::One(_) | Last::Never => {}
        // To go back to either could take back what the other one knows to be applied.
        Last::Unclear(why) => choice.nothing = Some(why),
    }
    Ok(choice)
}

/// The commit that was applied last.
enum Last<'m> {
    Never,
    One(&'m str),
    /// It is not known here which one that is.
    Unclear(String),
}

/// The newer one of the two marks, if it is in the clone and comes after the other.
async fn last<'m>(
    clone: &Clone,
    node: Option<&'m str>,
    cluster: Option<&'m str>,
) -> Result<Last<'m>, GitError> {
    let lacking = |mark: &str, whose: &str| {
        Last::Unclear(format!("{} was applied {whose}, and it is not in the clone of this node", short(mark)))
    };
    Ok(match (node, cluster) {
        (None, None) => Last::Never,
        (Some(mark), None) if !clone.has(mark).await? => lacking(mark, ON_NODE),
        (_, Some(mark)) if !clone.has(mark).await? => lacking(mark, TO_CLUSTER),
        (Some(mark), None) | (None, Some(mark)) => Last::One(mark),
        (Some(node), Some(cluster)) if clone.follows(node, cluster).await? => Last::One(cluster),
        (Some(node), Some(cluster)) if clone.follows(cluster, node).await? => Last::One(node),
        (Some(node), Some(cluster)) => Last::Unclear(format!(
            "{} was applied {ON_NODE} and {} {TO_CLUSTER}, and neither comes after the other",
            short(node),
            short(cluster)
        )),
    })
}

const ON_NODE: &str = "on this node";
const TO_CLUSTER: &str = "to this cluster";

/// Why the newest commit is not let in; nothing where it is.
async fn refused(
    clone: &Clone,
    settings: &Settings,
    newest: &str,
    node: Option<&str>,
    cluster: Option<&str>,
    rewrite: bool,
) -> Result<Option<Problem>, GitError> {
    let branch = settings.repository.branch();
    for (mark, whose) in [(node, ON_NODE), (cluster, TO_CLUSTER)] {
        let Some(mark) = mark.filter(|_| !rewrite) else { continue };
        if !clone.follows(mark, newest).await? {
            let text = format!(
                "{branch} was rewritten: {} was applied {whose}, and {} does not follow it",
                short(mark),
                short(newest)
            );
            let hint = "find out who rewrote it, or push a commit that comes after; `kwo sync --allow rewrite` takes \
                        it as it is, once";
            return Ok(Some(problem(ProblemKind::Trust, text, hint)));
        }
    }
    let Some(signers) = signers(settings) else { return Ok(None) };
    // The word of the cluster alone that a commit was applied is no signature on it.
    let since = earliest(clone, node, cluster).await?.filter(|since| node == Some(since) || *since != newest);
    Ok(unsigned(clone, since, newest, signers).await)
}

fn signers(settings: &Settings) -> Option<&Signers> {
    settings.trust.as_ref()?.signers.as_ref()
}

/// The mark that comes before the other one: what is counted from it is counted from both.
async fn earliest<'m>(
    clone: &Clone,
    node: Option<&'m str>,
    cluster: Option<&'m str>,
) -> Result<Option<&'m str>, GitError> {
    let mut known = Vec::new();
    for mark in [node, cluster].into_iter().flatten() {
        if clone.has(mark).await? {
            known.push(mark);
        }
    }
    Ok(match known.as_slice() {
        [node, cluster] if clone.follows(cluster, node).await? => Some(cluster),
        [first, ..] => Some(first),
        [] => None,
    })
}

/// The first commit up to this one that no signer signed. Where that cannot be told it is not let in either.
async fn unsigned(clone: &Clone, since: Option<&str>, head: &str, signers: &Signers) -> Option<Problem> {
    let looked = async {
        let Some(found) = clone.unsigned(since, head, signers).await? else { return Ok(None) };
        Ok(Some((clone.describe(&found.commit).await?, found)))
    };
    match looked.await {
        Ok(None) => None,
        Ok(Some((who, found))) => {
            let text = format!(
                "kwo refuses {} “{}” by {}: {}",
                short(&found.commit),
                who.subject,
                who.author,
                found.why
            );
            Some(problem(ProblemKind::Trust, text, found.hint))
        }
        Err(error) => {
            let text = format!("kwo refuses {}: it cannot tell who signed it: {error}", short(head));
            Some(problem(ProblemKind::Fetch, text, missing(&error).unwrap_or_default()))
        }
    }
}

/// What to do where a program is not there.
pub(super) fn missing(error: &GitError) -> Option<&'static str> {
    let what = "install it: kwo needs `git`, and `ssh`, `ssh-keygen` or `gpg` where you use them";
    error.lacks_program().then_some(what)
}

/// A commit for people.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
