//! What is found out for an upgrade beside the facts of the machine: what kwo noted, the cluster, the database.

use std::path::Path;

use smol_str::SmolStr;

use super::apis;
use super::cluster;
use super::machine::Machine;
use crate::backup;
use crate::failure::Failure;
use kwo_planner::k3s::{By, Cluster, Database, Deprecated, Facts, Found, KEPT, KUBECONFIG, Seen, Upgrade};
use kwo_planner::roster::NodeName;

/// What is found out for an upgrade beside the facts of the machine.
#[derive(Debug)]
pub struct Sight {
    /// What kwo noted of the last upgrade.
    pub noted: Option<Upgrade>,
    /// The name of the node.
    pub node: Option<NodeName>,
    pub(super) cluster: Result<Cluster, String>,
    apis: Result<Vec<Deprecated>, String>,
    database: Result<Database, String>,
    pub(super) identity: Option<SmolStr>,
    free: Option<u64>,
    kept: bool,
}

impl Sight {
    /// Looks. What was kept is read only for who wants to go back.
    ///
    /// # Errors
    /// When kwo noted something that cannot be read.
    pub async fn look(machine: &Machine, facts: &Facts, back: bool) -> Result<Sight, Failure> {
        let noted = machine.noted()?;
        let identity = machine.of_backup().identity().ok().map(SmolStr::from);
        let open = noted.as_ref().filter(|noted| noted.is_open(&facts.here, identity.as_ref()));
        let open = open.map(|noted| noted.node.clone());
        let recorded = match facts.here.found() {
            Found::Own(record) => Some(record.node.clone()),
            Found::Nothing | Found::Others => None,
        };
        let host = facts.host.to_ascii_lowercase();
        let said = machine.said_name.as_deref().unwrap_or(&host);
        let node = open.or(recorded).or_else(|| said.parse().ok());
        let cluster = match machine.live && facts.here.active {
            true => cluster::look(&machine.root.join(KUBECONFIG)).await,
            false => Err("k3s does not run".to_owned()),
        };
        let database = machine.of_backup().database().map(|found| Database {
            bytes: found.bytes,
            idle: found.written.and_then(|time| time.elapsed().ok()).map(|idle| idle.as_secs()),
        });
        let database = database.map_err(|error| error.to_string());
        let free = machine.space(&Path::new("/").join(KEPT)).free;
        let kept = back && noted.as_ref().is_some_and(|noted| machine.has_kept(noted));
        Ok(Sight { noted, node, cluster, apis: Ok(Vec::new()), database, identity, free, kept })
    }

    /// Looks at the APIs that somebody asks for, where this cluster answers.
    pub async fn look_at_apis(&mut self, machine: &Machine) {
        self.apis = match &self.cluster {
            Ok(_) => apis::look(&machine.root.join(KUBECONFIG)).await,
            Err(why) => Err(why.clone()),
        };
    }

    /// Who took this cluster to the program with this SHA-256: kwo, if it noted that.
    #[must_use]
    pub fn by(&self, sha256: &SmolStr) -> By {
        let is = |noted: &Upgrade| {
            noted.is_of(self.identity.as_ref()) && noted.to.sha256 == *sha256 && !noted.back
        };
        if self.noted.as_ref().is_some_and(is) { By::Kwo } else { By::Nobody }
    }

    /// What the planner has to know of it.
    #[must_use]
    pub fn seen(&self, recipient: bool) -> Seen<'_> {
        Seen {
            noted: self.noted.as_ref(),
            node: self.node.as_ref(),
            cluster: self.cluster.as_ref().map_err(String::as_str),
            apis: self.apis.as_deref().map_err(String::as_str),
            database: self.database.as_ref().map(|database| *database).map_err(String::as_str),
            free: self.free,
            kept: self.kept,
            identity: self.identity.as_ref(),
            recipient,
        }
    }
}

impl Machine {
    /// The same as the backups know it.
    pub(super) fn of_backup(&self) -> backup::Machine {
        backup::Machine { root: self.root.clone(), data_dir: None }
    }
}
