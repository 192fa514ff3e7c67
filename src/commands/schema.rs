//! `kwo schema`

use serde_json::Value;

use super::print::json;
use crate::cli::{Schema, SchemaOf};
use crate::report::access::{Changed, Person, Picture, Question};
use crate::report::applied::Applied;
use crate::report::archive::{Imported, Listed};
use crate::report::capacity::Capacities;
use crate::report::diff::Compared;
use crate::report::dns::Resolvers;
use crate::report::doctor::Examined;
use crate::report::explain::Explanation;
use crate::report::history::Entries;
use crate::report::manifests::Manifests;
use crate::report::names::DnsChecked;
use crate::report::node::{BackedUp, Restorable};
use crate::report::node_cleanup::Cleaning;
use crate::report::node_install::Installing;
use crate::report::node_upgrade::Upgrades;
use crate::report::offboard;
use crate::report::planned::Planned;
use crate::report::printed::{Report as _, kind_of, schema as of};
use crate::report::registry::RegistryStatus;
use crate::report::systems::CheckedUp;
use crate::report::tls::Asked;
use crate::report::usage::RegistryUsage;
use crate::report::validation::Judged;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::history::Entry;
use kwo_engine::kubeconfig::Kubeconfig;
use kwo_engine::status::Status;

pub(crate) fn schema(args: &Schema) -> Result<Exit, Failure> {
    json(&match args.of {
        SchemaOf::Roster => kwo_planner::domains::schema(),
        SchemaOf::Settings => kwo_planner::settings::schema(),
        SchemaOf::Plan => plan(),
        SchemaOf::AccessDiff => of::<Changed<'_>>(),
        SchemaOf::AccessGraph => of::<Picture<'_>>(),
        SchemaOf::AccessOf => of::<Person<'_>>(),
        SchemaOf::AccessWhoCan => of::<Question<'_>>(),
        SchemaOf::Apply => of::<Applied<'_>>(),
        SchemaOf::Archive => of::<Listed<'_>>(),
        SchemaOf::ArchiveImport => of::<Imported<'_>>(),
        SchemaOf::Capacity => of::<Capacities>(),
        SchemaOf::Diff => of::<Compared<'_>>(),
        SchemaOf::Dns => of::<Resolvers>(),
        SchemaOf::DnsCheck => of::<DnsChecked>(),
        SchemaOf::Doctor => of::<Examined>(),
        SchemaOf::Entry => of::<Entry>(),
        SchemaOf::Explain => of::<Explanation<'_>>(),
        SchemaOf::History => of::<Entries>(),
        SchemaOf::Kubeconfig => of::<Kubeconfig<'_>>(),
        SchemaOf::Manifests => of::<Manifests>(),
        SchemaOf::NodeBackup => of::<BackedUp>(),
        SchemaOf::NodeCleanup => of::<Cleaning>(),
        SchemaOf::NodeInstall => of::<Installing>(),
        SchemaOf::NodeRestore => of::<Restorable>(),
        SchemaOf::NodeUpgrade => of::<Upgrades>(),
        SchemaOf::Offboard => of::<offboard::Plan<'_>>(),
        SchemaOf::OffboardRecord => of::<offboard::Shown<'_>>(),
        SchemaOf::OffboardCertificate => of::<offboard::Certificate<'_>>(),
        SchemaOf::RegistryStatus => of::<RegistryStatus>(),
        SchemaOf::RegistryUsage => of::<RegistryUsage>(),
        SchemaOf::Status => of::<Status>(),
        SchemaOf::Systems => of::<CheckedUp>(),
        SchemaOf::Tls => of::<Asked<'_>>(),
        SchemaOf::Validate => of::<Judged<'_>>(),
    })?;
    Ok(Exit::Done)
}

/// Of a plan as it is printed and as it is saved. Only the printed one says what it is called.
fn plan() -> Value {
    let mut schema = kwo_planner::saved::schema();
    kind_of(&mut schema, Planned::KIND.unwrap_or_default());
    schema
}
