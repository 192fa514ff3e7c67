//! One check: its topic, what came of it, and what to do. The topics are listed here, in the order in which they are
//! told; `docs/reference/doctor.md` explains each.

use std::future::Future;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;

use super::PATIENCE;

/// What a check looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Topic {
    /// What it is called. It never changes.
    pub name: &'static str,
    /// What it looks at.
    pub looks_at: &'static str,
}

/// One check and what came of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Check {
    /// What it is called. It never changes.
    pub name: &'static str,
    /// What it looks at.
    pub looks_at: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What was found, or why nothing was.
    pub found: String,
    /// What to do, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<Todo>,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is as it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
    /// Nobody asked for it, or there is nothing to look at.
    NotAsked,
    /// kwo could not look, or what it saw does not tell.
    CannotTell,
}

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Todo {
    /// In words.
    pub text: String,
    /// A command that does it, or shows more.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub command: String,
}

macro_rules! topics {
    ($($name:ident = $called:literal, $looks_at:literal;)*) => {
        $(pub(super) const $name: Topic = Topic { name: $called, looks_at: $looks_at };)*

        /// Every topic, in the order in which they are told.
        pub const ALL: &[Topic] = &[$($name),*];
    };
}

topics! {
    ROSTER = "roster", "whether kwo can read the roster";
    KUBECONFIG = "kubeconfig", "who can read the kubeconfig in use";
    SERVER = "server", "whether the API server answers";
    CLOCK = "clock", "the clock of the API server and the clock of this machine";
    VERSION = "version", "the version of Kubernetes, and of each node";
    RIGHTS_TO_PLAN = "rights-to-plan", "the rights that a plan of the roster needs";
    RIGHTS_TO_APPLY = "rights-to-apply", "the rights that `kwo apply` needs";
    LOCK = "lock", "who holds the lock of the cluster";
    AGREEMENT = "agreement", "whether the cluster agrees with the roster";
    GUARD = "guard", "whether kwo's admission policies are in place";
    NETWORK_POLICIES = "network-policies", "whether something enforces network policies";
    NODES = "nodes", "whether the nodes are ready";
    TRAEFIK = "traefik", "the pods of Traefik";
    RESOLVERS = "resolvers", "the credentials of the resolvers";
    REGISTRY = "registry", "the registry of the cluster";
    TENANTS = "tenants", "the namespaces of the tenants and their quotas";
    TOKENS = "tokens", "how old the tokens of pipelines are";
    API_DNS = "api-dns", "whether the names under `api.hosts` lead somewhere";
    TLS_SAN = "tls-san", "whether the certificate of the API server has the names under `api.hosts`";
    API_CERTIFICATE = "api-certificate", "how many days the certificate of the API server is valid";
    CERTIFICATES = "certificates", "the Certificates of cert-manager";
    OIDC = "oidc", "whether the issuer for logins can be reached, and says who it is";
    SETTINGS = "settings", "whether kwo can read its settings";
    TIMER = "timer", "whether the timer of `kwo sync` runs";
    LAST_SYNC = "last-sync", "when `kwo sync` last succeeded here";
    FETCH = "fetch", "whether kwo can reach the branch of the repository";
    SIGNERS = "signers", "whether kwo can read the signers";
    BACKUP = "backup", "when the newest backup of the node was made";
    DISK = "disk", "how full the disks of k3s and of kwo are";
    K3S = "k3s", "whether k3s runs on this node";
    FILES = "files", "who can read the files with secrets";
    ARCHIVES = "archives", "the archives of tenants that left, and their age";
}

impl Topic {
    fn check(self, outcome: Outcome, found: impl Into<String>) -> Check {
        let Topic { name, looks_at } = self;
        Check { name, looks_at, outcome, found: found.into(), todo: None }
    }

    pub(super) fn ok(self, found: impl Into<String>) -> Check {
        self.check(Outcome::Ok, found)
    }

    pub(super) fn warning(self, found: impl Into<String>) -> Check {
        self.check(Outcome::Warning, found)
    }

    pub(super) fn failed(self, found: impl Into<String>) -> Check {
        self.check(Outcome::Failed, found)
    }

    pub(super) fn not_asked(self, why: impl Into<String>) -> Check {
        self.check(Outcome::NotAsked, why)
    }

    pub(super) fn cannot_tell(self, why: impl Into<String>) -> Check {
        self.check(Outcome::CannotTell, why)
    }

    /// What comes of it within its time.
    pub(super) async fn within(self, check: impl Future<Output = Check>) -> Check {
        self.at_most(PATIENCE, check).await
    }

    pub(super) async fn at_most(self, patience: Duration, check: impl Future<Output = Check>) -> Check {
        let late = |_| self.cannot_tell(format!("no answer within {} seconds", patience.as_secs()));
        timeout(patience, check).await.unwrap_or_else(late)
    }
}

impl Check {
    /// With what to do: in words, and by a command.
    pub(super) fn todo(mut self, text: impl Into<String>, command: impl Into<String>) -> Check {
        self.todo = Some(Todo { text: text.into(), command: command.into() });
        self
    }
}

/// The first of many, and how many more there are.
pub(super) fn few<T: AsRef<str>>(all: &[T]) -> String {
    const FEW: usize = 5;
    let named = all.iter().take(FEW).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(FEW) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn a_check_never_hangs() {
        let endless = std::future::pending::<Check>();
        let check = CLOCK.at_most(Duration::from_millis(10), endless).await;
        assert_eq!((check.name, check.outcome), ("clock", Outcome::CannotTell));
        let done = CLOCK.within(async { CLOCK.ok("it is right") }).await;
        assert_eq!(done.outcome, Outcome::Ok);
    }

    #[test]
    fn every_topic_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = ALL.iter().map(|topic| topic.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(few(&["a"; 7]), "a, a, a, a, a and 2 more");
    }
}
