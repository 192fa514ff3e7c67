//! What can be typed after `kwo systems`. The doc comments are the help text.

use clap::{Args, Subcommand};

use super::roster::RosterArgs;
use super::shared::{AgeArgs, KubeArgs};
use super::values::Format;

/// `kwo systems`
#[derive(Debug, Subcommand)]
pub enum Systems {
    /// Log in to each system that the roster names, and say which rights are missing: exit 1 if one is. Writes nothing.
    Check(SystemsCheck),
}

/// `kwo systems check`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct SystemsCheck {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub kube: KubeArgs,
    #[command(flatten)]
    pub age: AgeArgs,
    /// How to print what was found.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}
