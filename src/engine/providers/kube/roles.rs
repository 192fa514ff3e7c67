//! Who may do what in the cluster: one LIST of each kind that says something about it, as a plan has them, however many
//! questions are asked afterwards. Of namespaces and service accounts only the metadata comes.

use futures_util::future::join_all;
use kwo_planner::access::{Cluster, Object, Parts, Unseen, take};
use kwo_planner::kinds::Kind;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::connect::Kube;
use super::observe::gather;
use super::page::{Gather, Take, Wrong};
use super::path::all;
use super::wire::Call;

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

impl Kube {
    /// All roles and bindings, and which lists of them were refused.
    pub async fn access(&self) -> Cluster {
        let lists = join_all(OF_ACCESS.map(|kind| async move { (kind, self.listed(kind).await) })).await;
        let mut parts = Parts::default();
        for (kind, listed) in lists {
            match listed {
                Ok(objects) => objects.into_iter().for_each(|object| take(&mut parts, kind, object)),
                Err(why) => parts.unseen.push(Unseen { what: kind.plural().into(), why }),
            }
        }
        Cluster::new(parts)
    }

    async fn listed(&self, kind: Kind) -> Result<Vec<Object>, SmolStr> {
        let call = match kind {
            Kind::Namespace | Kind::ServiceAccount => Call::metadata,
            _ => Call::get,
        };
        let mut listed = Listed::default();
        gather(&self.wire, &mut listed, kind, all(kind), "", call).await?;
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
