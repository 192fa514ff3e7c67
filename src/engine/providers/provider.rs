//! The contract between kwo and a system that holds objects: look, write one step, keep others out meanwhile.
//! There is no way to remove something through it, and there must never be one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kwo_planner::change::Step;
use kwo_planner::hits::Beside;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Renewed, Sighting};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::reviews::{Question, Verdict};
use kwo_planner::tree::Tree;
use secrecy::SecretString;
use smol_str::SmolStr;
use tokio::sync::watch;

use super::Checkup;
use crate::departed::Departed;
use crate::kubeconfig::Endpoint;
use crate::secrets::{SecretData, Vault};

/// A future that can be sent between threads, as a trait object.
pub type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A system that holds objects.
pub trait Provider: Send + Sync {
    /// Looks at every object of it that is wanted, and at all others that carry kwo's mark. Cannot fail: what could
    /// not be seen is `Unknown`, with the reason.
    fn observe<'a>(&'a self, wanted: &'a Desired) -> Promise<'a, Observed>;

    /// Begins to ask for what `observe` needs whatever is wanted, for a run that still has something else to do. The look
    /// is then of the moment at which this was called: only for who changes nothing.
    fn ahead(&self) {}

    /// Looks at the object of one step, as `observe` does, and at nothing else.
    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting>;

    /// How many requests it takes to look again at these objects and at nothing else; nothing where it always looks at
    /// everything.
    fn requests(&self, _ids: &[ResourceId]) -> Option<usize> {
        None
    }

    /// Looks again at these objects, as `observe` does. Cannot fail either.
    fn look_again<'a>(&'a self, wanted: &'a Desired, _ids: &'a [ResourceId]) -> Promise<'a, Renewed> {
        Box::pin(async { Renewed { seen: self.observe(wanted).await, ..Renewed::default() } })
    }

    /// Does one step in one write.
    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>>;

    /// Does the system write this object together with others of its scope, in transactions?
    fn gathers(&self, _id: &ResourceId) -> bool {
        false
    }

    /// Which of these steps of one scope go into the next transaction: at least one of them.
    fn transaction(&self, steps: &[Arc<Step>]) -> BTreeSet<usize> {
        (0..steps.len().min(1)).collect()
    }

    /// Does such a transaction of several steps, once. A system without transactions is never asked.
    fn write_together<'a>(&'a self, steps: &'a [Arc<Step>]) -> Promise<'a, Together> {
        Box::pin(async { Together::divided(vec![true; steps.len()]) })
    }

    /// Takes the secrets of this run, once, before the first look: what is seen of secrets is told by them, and what
    /// is written of secrets is taken from them.
    fn set_secrets(&self, vault: Arc<Vault>);

    /// What the system warned of when this object was last written, in one line each; each warning is given once.
    fn warnings(&self, _id: &ResourceId) -> Vec<String> {
        Vec::new()
    }

    /// Why it is not worth waiting any more for a system that has gone away, where that is so.
    fn given_up(&self) -> Option<String> {
        None
    }

    /// Says that nobody wants to wait any more for a system that has gone away.
    fn hurry(&self) {}

    /// Asks what `kwo systems check` wants to know of it, and of each part that has a way of its own. Writes nothing.
    fn check_up(&self) -> Promise<'_, Vec<Checkup>> {
        Box::pin(async { Vec::new() })
    }
}

/// The system that a run is for, and that keeps what runs have to know of each other: a cluster, or a directory. All
/// others stand beside it.
pub trait Home: Provider {
    /// Which of all systems of its kind this is, so that a plan saved for one is never applied to another.
    fn identity(&self) -> Promise<'_, Result<Identity, Refusal>>;

    /// By which name the person who runs kwo calls it, where it has one.
    fn context(&self) -> Option<&str> {
        None
    }

    /// Keeps every other run out until the lock is released, waiting up to `patience` for one that is in.
    fn lock(&self, patience: Duration) -> Promise<'_, Result<Lock, LockRefusal>>;

    /// What an earlier run left for this one, beside all objects; nothing where none did.
    fn load_checkpoint(&self) -> Promise<'_, Result<Option<VersionedText>, Refusal>>;

    /// Leaves a text for later runs, in place of the one that was recalled; gives the note as it is now.
    fn save_checkpoint<'a>(
        &'a self,
        text: &'a str,
        seen: Option<&'a VersionedText>,
    ) -> Promise<'a, Result<VersionedText, Refusal>>;

    /// Who left it, as `kwo offboard` has it on record.
    fn departed(&self) -> Promise<'_, Result<Vec<Departed>, Refusal>>;

    /// Who this run is to the system; nothing where nobody logs in, or where that cannot be told.
    fn account(&self) -> Promise<'_, Result<Option<Account>, Refusal>>;

    /// What is in a Secret, all of it as it was at one moment; nothing where there is none.
    fn read_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Promise<'a, Result<Option<SecretData>, Refusal>>;

    /// Who gives tokens for service accounts here; nobody where it is no cluster.
    fn issuer(&self) -> Option<&dyn Issuer> {
        None
    }

    /// What is in it besides what kwo makes; nobody tells where it is no cluster.
    fn surroundings(&self) -> Option<&dyn Surroundings> {
        None
    }

    /// Who says what somebody may do here; nobody where it is no cluster.
    fn reviewer(&self) -> Option<&dyn Reviewer> {
        None
    }
}

/// A cluster, as far as it says who may do what.
pub trait Reviewer: Send + Sync {
    /// May they do it? Asking changes nothing.
    fn review<'a>(&'a self, question: &'a Question) -> Promise<'a, Result<Verdict, Refusal>>;

    /// The roles of this kind and name, each with its rules: one, or one in each of several namespaces.
    fn roles<'a>(
        &'a self,
        kind: Kind,
        name: &'a str,
    ) -> Promise<'a, Result<Vec<(ResourceId, Tree)>, Refusal>>;
}

/// A cluster, as far as it gives tokens for its service accounts.
pub trait Issuer: Send + Sync {
    /// Where whoever has a token reaches it, and how it proves to be the one.
    ///
    /// # Errors
    /// When the kubeconfig in use does not check who it is.
    fn endpoint(&self) -> Result<Endpoint, Refusal>;

    /// The uids of the service accounts with this name, by their namespaces.
    fn accounts<'a>(&'a self, name: &'a str) -> Promise<'a, Result<BTreeMap<SmolStr, SmolStr>, Refusal>>;

    /// A new token for a service account.
    fn token<'a>(
        &'a self,
        namespace: &'a str,
        account: &'a str,
        lifetime: Duration,
    ) -> Promise<'a, Result<Token, Refusal>>;
}

/// A cluster, as far as it tells what is in it besides what kwo makes.
pub trait Surroundings: Send + Sync {
    /// What the system would warn of if this step for a namespace were done, without doing it.
    fn rehearse<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<Vec<String>, Refusal>>;

    /// Hands on all objects of a kind, those of one namespace or of all.
    ///
    /// # Errors
    /// When not all of them could be looked at, with the reason.
    fn each<'a>(
        &'a self,
        kind: Beside,
        namespace: Option<&'a str>,
        take: &'a mut (dyn FnMut(&Tree) + Send),
    ) -> Promise<'a, Result<(), SmolStr>>;

    /// The metadata of all Secrets of this name, one at most in each namespace.
    ///
    /// # Errors
    /// When not all of them could be looked at, with the reason.
    fn secrets_called<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Vec<Tree>, SmolStr>>;

    /// How many pods run in these namespaces.
    ///
    /// # Errors
    /// When they could not be counted, with the reason.
    fn running<'a>(&'a self, namespaces: &'a BTreeSet<SmolStr>) -> Promise<'a, Result<usize, SmolStr>>;
}

/// Which system it is.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// What no other system has: the uid of the namespace `kube-system`, or the path of a directory.
    pub id: SmolStr,
    /// Where it is, for people.
    pub address: SmolStr,
}

/// A token, and how long it is good.
#[derive(Debug)]
pub struct Token {
    /// The token itself.
    pub token: SecretString,
    /// Its end, in RFC 3339 (UTC).
    pub until: String,
    /// How long the server lets it live, which may be shorter than what was asked for.
    pub lifetime: Duration,
}

/// What runs leave for each other in a system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VersionedText {
    /// The text.
    pub text: String,
    /// Its version; it is replaced only while it has this one.
    pub version: String,
    /// When the system first had one in its place; nothing where it does not say.
    pub made: Option<Timestamp>,
}

/// Who a run is to a system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The name of the user.
    pub name: SmolStr,
    /// The groups it is in, sorted.
    pub groups: Vec<SmolStr>,
    /// It is one of the system's own accounts, or logs in by a certificate: no issuer of tokens is needed for it.
    pub own: bool,
}

/// What became of a transaction.
#[derive(Debug, Eq, PartialEq)]
pub enum Together {
    /// Of each of its steps, in their order.
    Each(Vec<Result<(), Refusal>>),
    /// Nothing was done: one of the steps held the others, or they are not for one transaction. They are to go in two, and
    /// each step says on which side it goes. Neither side is empty.
    Divided(Vec<bool>),
}

impl Together {
    /// Divided so; in the middle where all would go on one side.
    #[must_use]
    pub fn divided(mut sides: Vec<bool>) -> Together {
        if !(sides.contains(&true) && sides.contains(&false)) {
            let half = sides.len() / 2;
            sides.iter_mut().enumerate().for_each(|(at, side)| *side = at < half);
        }
        Together::Divided(sides)
    }
}

/// Why a write was not done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The object is no longer in the state that the step was planned for (or a new one exists already).
    Changed {
        /// What the system said.
        why: String,
    },
    /// The system said no.
    Refused {
        /// What the system said.
        why: String,
    },
    /// No answer, for as long as it was worth asking.
    Unreachable {
        /// What went wrong last.
        why: String,
    },
}

/// Why the lock could not be had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LockRefusal {
    /// Another run has it.
    Held {
        /// Who, and since when.
        by: String,
    },
    /// It could not be asked for.
    Failed(Refusal),
}

/// The lock, while this run has it.
pub struct Lock {
    /// Turns true when the lock was lost to somebody else: no further write may begin.
    pub lost: watch::Receiver<bool>,
    /// Gives it back.
    pub release: Promise<'static, ()>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Changed { why } => write!(out, "changed since it was looked at: {why}"),
            Refusal::Refused { why } => write!(out, "refused: {why}"),
            Refusal::Unreachable { why } => out.write_str(why),
        }
    }
}
