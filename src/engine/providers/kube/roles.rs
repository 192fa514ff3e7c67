//! Who may do what in the cluster: one LIST of each kind that says something about it, as a plan has them, however many
//! questions are asked afterwards. Of namespaces and service accounts only the metadata comes.

use futures_util::future::join_all;
use kwo_planner::access::{Cluster, Object, Parts, Unseen, take};
use kwo_planner::kinds::Kind;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::connect::Kube;
use super::observe::{Cause, Unlisted, gather};
use super::page::{Gather, Take, Wrong};
use super::path::all;
use super::transport::Call;

/// What says something about access.
pub const OF_ACCESS: [Kind; 6] = [
    Kind::Namespace,
    Kind::ServiceAccount,
    Kind::Role,
    Kind::RoleBinding,
    Kind::ClusterRole,
    Kind::ClusterRoleBinding,
];

/// The objects of one list.
#[derive(Default)]
struct Listed {
    found: Vec<Object>,
    /// How many are from the pages before this one.
    before: usize,
}

/// Why nothing at all could be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blind {
    /// No list got an answer.
    Away,
    /// The account may read none of the lists.
    Forbidden,
    /// Each list failed, in one way or another.
    Failed,
}

impl Kube {
    /// All roles and bindings, and which lists of them could not be read.
    ///
    /// # Errors
    /// When none could be read, with the reason of the first one.
    pub async fn access(&self) -> Result<Cluster, (Blind, SmolStr)> {
        let lists = join_all(OF_ACCESS.map(|kind| async move { (kind, self.listed(kind).await) })).await;
        let causes: Vec<Cause> =
            lists.iter().filter_map(|(_, listed)| listed.as_ref().err().map(|why| why.cause)).collect();
        let all = |cause: Cause| causes.iter().all(|have| *have == cause);
        let blind = match causes.len() == OF_ACCESS.len() {
            false => None,
            true if all(Cause::Away) => Some(Blind::Away),
            true if all(Cause::Forbidden) => Some(Blind::Forbidden),
            true => Some(Blind::Failed),
        };
        let mut parts = Parts::default();
        for (kind, listed) in lists {
            match listed {
                Ok(objects) => objects.into_iter().for_each(|object| take(&mut parts, kind, object)),
                Err(Unlisted { why, .. }) => parts.unseen.push(Unseen { what: kind.plural().into(), why }),
            }
        }
        match (blind, parts.unseen.first()) {
            (Some(blind), Some(first)) => Err((blind, first.why.clone())),
            _ => Ok(Cluster::new(parts)),
        }
    }

    async fn listed(&self, kind: Kind) -> Result<Vec<Object>, Unlisted> {
        let call = match kind {
            Kind::Namespace | Kind::ServiceAccount => Call::metadata,
            _ => Call::get,
        };
        let mut listed = Listed::default();
        gather(&self.transport, &mut listed, kind, all(kind), "", call).await?;
        Ok(listed.found)
    }
}

impl Take for Listed {
    fn take(&mut self, object: &RawValue) -> Result<(), Wrong> {
        self.found.push(serde_json::from_str(object.get())?);
        Ok(())
    }

    fn forget(&mut self) {
        self.found.truncate(self.before);
    }
}

impl Gather for Listed {
    fn begin(&mut self) {
        self.found.clear();
        self.before = 0;
    }

    fn turn(&mut self) {
        self.before = self.found.len();
    }
}
