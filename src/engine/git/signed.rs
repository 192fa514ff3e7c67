//! Checks each new commit: did a signer sign it, judged by the keys that are valid now, and can its date be true?
//! Only the keys that the settings name count, for both kinds of signatures.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kwo_planner::settings::Signers;
use kwo_planner::units::moment;

use super::clone::Clone;
use super::process::GitError;
use super::signature::{Lacking, split};
use super::signers::{Judges, Wrong};

/// How far clocks may be apart, in seconds: a commit may be dated so much before its parent, or after now.
const TOLERANCE: i64 = 3600;

/// How many commits are judged at a time.
const MOST: usize = 20_000;

/// The longest commit whose signature is looked at.
const LONGEST: u64 = 1024 * 1024;

/// How many commits are read at a time.
const BATCH: usize = 32;

/// A commit that is not let in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsigned {
    /// The commit.
    pub commit: String,
    /// What is wrong with it, as a sentence without a full stop.
    pub why: String,
    /// What to do.
    pub hint: &'static str,
}

const SIGN: &str =
    "a signer has to sign it again, and all commits after it; `trust.signers` names the signers";
const FILE: &str = "if its author should be a signer, correct the file that `trust.signers` names; if not, a signer has to sign it again, and all commits after it";
const DATE: &str = "a signer whose clock is right has to make it again, and all commits after it: `git rebase \
                    --force-rebase -S PARENT`";
const CLOCK: &str =
    "is the clock of this node right? If it is, a signer whose clock is right has to make the commit again";

/// A commit in its history.
struct Link {
    id: String,
    when: i64,
    parents: Vec<String>,
    /// It is judged; otherwise it is only what one of those follows.
    new: bool,
}

impl Clone {
    /// The first commit after `since`, up to `head`, that no signer signed or that has a date that cannot be; with nothing
    /// to begin at, `head` alone is looked at. Each is judged now: by the keys that count now.
    ///
    /// # Errors
    /// When git cannot be asked, or the signers cannot be read.
    pub async fn unsigned(
        &self,
        since: Option<&str>,
        head: &str,
        signers: &Signers,
    ) -> Result<Option<Unsigned>, GitError> {
        let mut judges = Judges::of(signers).await?;
        let links = self.links(since, head).await?;
        let dates: BTreeMap<&str, i64> = links.iter().map(|link| (link.id.as_str(), link.when)).collect();
        let now = Timestamp::now().as_second();
        let new: Vec<&Link> = links.iter().filter(|link| link.new).collect();
        for batch in new.chunks(BATCH) {
            let raw = self.raw_commits(batch).await?;
            for (link, raw) in batch.iter().zip(raw) {
                let refuse = |why: String, hint| Ok(Some(Unsigned { commit: link.id.clone(), why, hint }));
                let Some(raw) = raw else {
                    return refuse(format!("it is longer than {} KiB", LONGEST >> 10), SIGN);
                };
                let signature = match split(&raw, link.id.len() > 40) {
                    Ok(signature) => signature,
                    Err(Lacking::Unsigned) => return refuse("it is not signed".to_owned(), SIGN),
                    Err(Lacking::Several) => {
                        return refuse("it carries more than one signature".to_owned(), SIGN);
                    }
                };
                match judges.judge(&signature).await? {
                    None => {}
                    Some(Wrong::Signature(why)) => return refuse(why, SIGN),
                    Some(Wrong::File(why)) => return refuse(why, FILE),
                }
                let mut before: Vec<&str> = link.parents.iter().map(String::as_str).collect();
                // What was applied last may be many commits back, each a little earlier than the one before.
                before.extend(since.filter(|_| link.id == head));
                let latest = before.into_iter().filter_map(|id| Some((*dates.get(id)?, id))).max();
                if let Some((when, id)) =
                    latest.filter(|(when, _)| link.when < when.saturating_sub(TOLERANCE))
                {
                    let why = format!(
                        "it is dated {}, more than an hour before {} of {}, which it comes after",
                        time(link.when),
                        id.get(..12).unwrap_or(id),
                        time(when)
                    );
                    return refuse(why, DATE);
                }
                if link.when > now.saturating_add(TOLERANCE) {
                    let why = format!("it is dated {}, which is more than an hour from now", time(link.when));
                    return refuse(why, CLOCK);
                }
            }
        }
        Ok(None)
    }

    /// The commits that are new, and the ones that they follow, the earliest first.
    async fn links(&self, since: Option<&str>, head: &str) -> Result<Vec<Link>, GitError> {
        let range = match since {
            Some(since) => vec![format!("{since}..{head}")],
            None => vec!["--max-count=1".to_owned(), head.to_owned()],
        };
        let log = ["log", "--no-show-signature", "--topo-order", "--reverse", "--boundary"];
        let most = format!("--max-count={}", MOST + 1);
        let told = self.git().args(log).arg_if(since.is_some(), &most).args(["--format=%m %H %ct %P"]);
        let told = told.args(range).args(["--"]).run(None).await?.line();
        let mut links = Vec::new();
        for line in told.lines() {
            let odd = || GitError::Odd { what: "log".to_owned(), said: line.chars().take(200).collect() };
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            let (Some(mark), Some(id), Some(when)) = (words.next(), words.next(), words.next()) else {
                return Err(odd());
            };
            links.push(Link {
                id: id.to_owned(),
                when: when.parse().map_err(|_| odd())?,
                parents: words.map(str::to_owned).collect(),
                new: mark != "-",
            });
        }
        if links.iter().filter(|link| link.new).count() > MOST {
            return Err(GitError::TooMany { what: "commits that are new".to_owned(), most: MOST });
        }
        Ok(links)
    }

    /// These commits as they were stored; nothing for one that is too long.
    async fn raw_commits(&self, batch: &[&Link]) -> Result<Vec<Option<Vec<u8>>>, GitError> {
        let ids: Vec<&str> = batch.iter().map(|link| link.id.as_str()).collect();
        let sizes = self.sizes("commit", &ids).await?;
        let short: Vec<&str> =
            ids.iter().zip(&sizes).filter(|(_, size)| **size <= LONGEST).map(|(id, _)| *id).collect();
        let mut read = self.contents("commit", &short).await?.into_iter();
        Ok(sizes.into_iter().map(|size| if size <= LONGEST { read.next() } else { None }).collect())
    }
}

/// A time for people.
fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s"), moment)
}
