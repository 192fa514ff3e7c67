//! What can be typed after the commands that edit the roster. The doc comments are the help text.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::roster::RosterArgs;
use super::values::{filled, switch};

/// In place of an empty name of somebody.
const IDENTITY: &str = "write a user such as `bob@example.com`, or `group:NAME`";

/// Which roster is edited, and whether somebody is asked.
#[derive(Args, Debug)]
pub struct EditArgs {
    /// The roster.
    #[arg(short = 'f', long, default_value = "roster.yaml", env = "KWO_ROSTER", value_name = "FILE")]
    pub file: PathBuf,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = switch)]
    pub yes: bool,
}

/// `kwo tenant`
#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Add a tenant.
    Add(TenantAdd),
    /// Set fields of a tenant.
    Set(TenantSet),
    /// Park a tenant: no new pods start, and all else stays.
    Park(TenantNamed),
    /// Let the pods of a parked tenant start again.
    Unpark(TenantNamed),
    /// Turn the entry of a tenant into a comment. In the cluster it stays, and is left over.
    Remove(TenantNamed),
}

/// `kwo tenant add`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct TenantAdd {
    /// The name of the new tenant.
    #[arg(value_parser = filled("write the name of a tenant"))]
    pub name: String,
    /// Who owns it: a user, or `group:NAME`. Repeat it for several.
    #[arg(long, value_name = "IDENTITY", value_parser = filled(IDENTITY))]
    pub owner: Vec<String>,
    /// Its tier. Default: standard.
    #[arg(long, value_name = "NAME", value_parser = filled("write the name of a tier, or leave `--tier` out"))]
    pub tier: Option<String>,
    /// One of its namespaces. Repeat it for several. Default: one with the tenant's name.
    #[arg(long, value_name = "NAME", value_parser = filled("write the name of a namespace, or leave `--namespace` out"))]
    pub namespace: Vec<String>,
    /// The file of the roster to write it to; a new one has to match a pattern under `include:`. Default: the one file
    /// with tenants.
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    #[command(flatten)]
    pub edit: EditArgs,
}

/// `kwo tenant set`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct TenantSet {
    /// The tenant.
    #[arg(value_parser = filled("write the name of a tenant"))]
    pub tenant: String,
    /// The fields, with dots between: `tier=large`, `quota.pods=30`, `namespaces=[a, b]`.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = filled("write a field and its value, such as `tier=large`"))]
    pub fields: Vec<String>,
    #[command(flatten)]
    pub edit: EditArgs,
}

/// `kwo tenant park`, `unpark` and `remove`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct TenantNamed {
    /// The tenant.
    #[arg(value_parser = filled("write the name of a tenant"))]
    pub tenant: String,
    #[command(flatten)]
    pub edit: EditArgs,
}

/// `kwo member`
#[derive(Debug, Subcommand)]
pub enum Member {
    /// Give somebody access to a tenant.
    Add(MemberAdd),
    /// Take somebody out of a tenant. In the cluster the right stays, and is left over.
    Remove(MemberRemove),
}

/// `kwo member add`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct MemberAdd {
    /// The tenant.
    #[arg(value_parser = filled("write the name of a tenant"))]
    pub tenant: String,
    /// A user, or `group:NAME`.
    #[arg(value_parser = filled(IDENTITY))]
    pub identity: String,
    /// How much they may do.
    #[arg(long, value_name = "LEVEL", default_value = "viewer")]
    pub access: Level,
    /// Give a ClusterRole of your own instead of a level, in the tenant's namespaces.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["access", "role"], value_parser = filled("write the name of a ClusterRole"))]
    pub cluster_role: Option<String>,
    /// Give the Role of this name instead of a level.
    #[arg(long, value_name = "NAME", conflicts_with = "access", value_parser = filled("write the name of a Role"))]
    pub role: Option<String>,
    /// Only in this namespace of the tenant. Repeat it for several.
    #[arg(long, value_name = "NAME", value_parser = filled("write the name of a namespace, or leave `--namespace` out"))]
    pub namespace: Vec<String>,
    #[command(flatten)]
    pub edit: EditArgs,
}

/// A level of access.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Owner,
    Deployer,
    Viewer,
}

/// `kwo member remove`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct MemberRemove {
    /// The tenant.
    #[arg(value_parser = filled("write the name of a tenant"))]
    pub tenant: String,
    /// The user or group, as the roster names them.
    #[arg(value_parser = filled(IDENTITY))]
    pub identity: String,
    #[command(flatten)]
    pub edit: EditArgs,
}

/// `kwo fmt`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Fmt {
    #[command(flatten)]
    pub roster: RosterArgs,
    /// Write nothing, and exit with 1 if a file would change.
    #[arg(long, env = "KWO_FMT_CHECK", value_parser = switch)]
    pub check: bool,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = switch)]
    pub yes: bool,
}
