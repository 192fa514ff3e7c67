//! The registry's part of `kwo offboard`: whom it lets in, whether it refuses who was cut, and who comes back only by the
//! roster.

use std::time::Duration;

use kwo_engine::failure::Failure;
use kwo_engine::offboard::{Door, Record, knock};
use kwo_engine::providers::Kube;
use kwo_engine::references::{Places, follow};
use kwo_planner::domains::registry_users::accounts;
use kwo_planner::observed::Reach;
use kwo_planner::offboard::{Logins, Offboarding};
use kwo_planner::tree::SmolStr;

use super::Scene;
use crate::cli::folder;
use crate::commands::print::talk;

/// For so long a registry may go on with the users that it read before.
const UNTIL_READ: Duration = Duration::from_secs(150);

impl Scene<'_> {
    /// Adds whom the registry lets in of those who leave.
    pub(super) async fn logins(&self, found: &mut Offboarding, reach: &Reach) {
        let Some(kube) = &self.open.kube else { return };
        match kube.logins(self.loaded.roster.registry().is_some()).await {
            Ok(seen) => found.add_logins(&self.leaving, &self.loaded.roster, &seen, reach),
            Err(refusal) => {
                let why = format!("the users of the registry: {refusal}");
                found.unseen.push(why.clone().into());
                found.unproven.push(why.into());
            }
        }
    }

    /// Asks the registry about those who were cut, and puts its answers on record. The record is not saved.
    pub(super) async fn doors(&self, kube: &Kube, record: &mut Record) -> Result<(), Failure> {
        let Some(logins) = record.logins().cloned() else { return Ok(()) };
        let registry = self.loaded.roster.registry().map(|(_, registry)| registry);
        let places = Places::usual(folder(&self.args.file), self.options.age_identity.clone());
        let mut known = Vec::new();
        for account in registry.map(accounts).unwrap_or_default() {
            if account.made.is_none() && logins.names.contains(&account.user) {
                // Whoever cannot be tried is told.
                let password = follow(&account.password, &places, Some(kube)).await;
                known.extend(password.ok().map(|password| (account.user, password)));
            }
        }
        let held = kube.passwords(&logins, &known).await.map_err(|refusal| {
            Failure::new("the access is cut, but kwo could not ask the registry to prove it")
                .hint(format!("the Secret with its users: {refusal}"))
                .hint(format!("run it again: `{} --stage cut`", self.args.again()))
        })?;
        let hosts =
            registry.map(|registry| registry.hosts.iter().map(|host| SmolStr::new(host.value.as_str())));
        let hosts: Vec<SmolStr> = hosts.into_iter().flatten().collect();
        let waits = |door: &Door| {
            talk(&format!(
                "{door}; it reads its users again within two minutes, and kwo asks again until then\n"
            ));
        };
        record.doors = knock(&hosts, &held, UNTIL_READ, waits).await;
        Ok(())
    }

    /// Who is not back though the cut was taken back: nothing was kept of them, and the roster does not name them.
    pub(super) async fn not_back(&self, cut: &Option<Logins>) -> Result<bool, Failure> {
        let (Some(kube), Some(logins)) = (&self.open.kube, cut) else { return Ok(false) };
        let there = kube.logins(true).await;
        let there = there.map_err(|refusal| {
            Failure::new(format!("cannot look at the users of the registry: {refusal}"))
        })?;
        let missing: Vec<&SmolStr> = logins.names.iter().filter(|name| !there.contains(*name)).collect();
        for name in &missing {
            talk(&format!(
                "the registry's user {name} does not come back: nothing is kept of it, and the roster does not name it\n"
            ));
        }
        Ok(!missing.is_empty())
    }
}
