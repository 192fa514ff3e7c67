//! What can be typed after the commands for pipelines. The doc comments are the help text.

use clap::{Args, ValueEnum};

use super::shared::RosterArgs;
use super::values::YamlOrJson;

/// `kwo rbac`
#[derive(Args, Debug)]
pub struct Rbac {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// What the account is for; without this, one account for each.
    #[arg(long = "for", env = "KWO_FOR", value_name = "PURPOSE")]
    pub purpose: Option<RightsFor>,
    /// The name of the service account and of its roles. Default: kwo-plan or kwo-apply.
    #[arg(long, env = "KWO_ACCOUNT", value_name = "NAME", requires = "purpose")]
    pub account: Option<String>,
    /// The namespace of the service account.
    #[arg(long, default_value = "kwo-system", env = "KWO_NAMESPACE", value_name = "NAME")]
    pub namespace: String,
    /// Also the rights to see what is left over of kinds of which the roster wants nothing.
    #[arg(long, env = "KWO_LEFTOVERS", value_parser = clap::builder::FalseyValueParser::new())]
    pub leftovers: bool,
    /// YAML documents, or one JSON list.
    #[arg(short, long, default_value = "yaml", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: YamlOrJson,
}

/// What an account is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum RightsFor {
    /// `kwo plan`: it only reads.
    Plan,
    /// `kwo plan` and `kwo apply`.
    Apply,
}
