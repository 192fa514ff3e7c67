//! Where the roster comes from, and which of its commits are applied.

use super::numbers::TimeSpan;
use super::values::{AbsolutePath, Branch, GitUrl, ObjectId, RepositoryPath};
use crate::roster::record::record;
use crate::roster::{At, SecretRef};

record! {
    /// The git repository that holds the roster.
    pub struct Repository: "the repository" {
        /// Where it is: `https://…`, `ssh://…`, `git@host:path`, or an absolute path.
        pub url: At<GitUrl>,
        /// The branch. Default: main.
        pub branch: Option<At<Branch>>,
        /// The roster in it. Default: roster.yaml.
        pub roster: Option<At<RepositoryPath>>,
        /// The user that a token belongs to. Default: git.
        pub user: Option<At<Branch>>,
        /// The token that opens it over https.
        pub token: Option<At<SecretRef>>,
        /// The private key that opens it over ssh: a deploy key without a passphrase.
        pub key: Option<At<SecretRef>>,
        /// The keys of the hosts, as ssh keeps them. Default: the known_hosts of the user and the machine. kwo
        /// refuses a host that is not in it.
        pub known_hosts: Option<At<AbsolutePath>> = "knownHosts",
        /// How long a fetch may take. Default: 60s.
        pub timeout: Option<At<TimeSpan>>,
        /// Exceptions from git's own check of the repository.
        pub fsck: Option<Fsck>,
    }
}

record! {
    /// Exceptions from git's own check of the repository.
    pub struct Fsck: "the check of the repository" {
        /// Malformed objects that kwo accepts as they are, such as commits of an old import: their full ids.
        pub skip: Vec<At<ObjectId>>,
    }
}

record! {
    /// Which commits kwo applies. It always refuses a branch that was rewritten.
    pub struct Trust: "the trust" {
        /// The signers: one of them must have signed every commit since the last applied one.
        pub signers: Option<Signers>,
    }
}

record! {
    /// Whose signatures count. kwo accepts a commit if the file for its kind of signature names its key.
    pub struct Signers: "the signers" {
        /// A file of allowed signers, as ssh-keygen reads it.
        pub ssh: Option<At<AbsolutePath>>,
        /// A file of public keys, as `gpg --export` writes it.
        pub gpg: Option<At<AbsolutePath>>,
    }
}

impl Repository {
    /// The branch.
    #[must_use]
    pub fn branch(&self) -> &str {
        self.branch.as_ref().map_or("main", |branch| branch.as_str())
    }

    /// The path of the roster in the repository.
    #[must_use]
    pub fn roster(&self) -> &str {
        self.roster.as_ref().map_or("roster.yaml", |roster| roster.as_str())
    }

    /// The user that a token belongs to.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.as_ref().map_or("git", |user| user.as_str())
    }

    /// The objects that git's own check lets pass.
    pub fn skipped(&self) -> impl Iterator<Item = &ObjectId> {
        self.fsck.iter().flat_map(|fsck| fsck.skip.iter().map(|id| &id.value))
    }

    /// How many seconds a fetch may take.
    #[must_use]
    pub fn timeout(&self) -> u64 {
        self.timeout.map_or(60, |span| span.value.seconds())
    }
}
