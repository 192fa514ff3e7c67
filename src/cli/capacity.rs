//! What can be typed after `kwo capacity`. The doc comments are the help text.

use clap::Args;

use super::roster::RosterArgs;
use super::shared::ClusterArgs;
use super::values::Format;

/// `kwo capacity`
#[derive(Args, Debug)]
pub struct Capacity {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub cluster: ClusterArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}
