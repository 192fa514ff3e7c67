//! `kwo access`: what can be typed. The doc comments are the help text.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::shared::ClusterArgs;
use super::values::{Format, filled, filled_os, for_pictures, switch};
use kwo_planner::access::Who;

/// In place of an empty namespace.
const NAMESPACE: &str = "write the name of a namespace, or leave `--namespace` out for all of them";

/// In place of an empty roster.
const ROSTER: &str = "write a file or a git revision, or leave it out";

/// Reads whom a question is about.
fn who(text: &str) -> Result<Who, String> {
    text.parse().map_err(|wrong: kwo_planner::access::NotWho| wrong.to_string())
}

/// `kwo access`
#[derive(Debug, Subcommand)]
pub enum Access {
    /// List who may do something, and which binding gives it.
    WhoCan(AccessWhoCan),
    /// List what somebody may do, where, and which binding gives it.
    Of(AccessOf),
    /// Compare who has which role: the roster with the cluster, or two rosters.
    Diff(AccessDiff),
    /// Draw people, their roles and the namespaces.
    Graph(AccessGraph),
}

/// `kwo access who-can`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct AccessWhoCan {
    /// What is done, such as `get`, `list`, `create` or `escalate`; `*` is everything.
    #[arg(value_name = "VERB", value_parser = filled("write a verb such as `get`, or `*` for everything"))]
    pub verb: String,
    /// With what, as the API server calls it: `secrets`, `po`, `pods/exec`, `deployments.apps/scale`, `*`, or a path
    /// such as `/metrics`.
    #[arg(value_name = "RESOURCE", value_parser = filled("write a resource such as `secrets`, or `*` for everything"))]
    pub what: String,
    /// Only this object.
    #[arg(value_name = "NAME", value_parser = filled("write the name of an object, or leave it out to ask about all of them"))]
    pub name: Option<String>,
    /// A subresource, as `kubectl auth can-i` takes it. What stands behind a slash is then the name of an object.
    #[arg(long, value_name = "NAME", value_parser = filled("write a subresource such as `exec`, or leave `--subresource` out"))]
    pub subresource: Option<String>,
    /// Ask about this namespace. Default: all of them.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = filled(NAMESPACE))]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub from: AccessArgs,
}

/// `kwo access of`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct AccessOf {
    /// A user (`bob@example.com`), `group:NAME` or `serviceaccount:NAMESPACE/NAME`. Write `user:` in front of a user's name
    /// that begins like one of these.
    #[arg(value_name = "WHO", value_parser = who)]
    pub who: Who,
    /// A group that the login puts the person in. The cluster does not know these groups. Repeat it for several.
    #[arg(long, value_name = "GROUP", value_parser = filled("write the name of a group, or leave `--group` out"))]
    pub group: Vec<String>,
    /// Ask about this namespace. Default: all of them.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = filled(NAMESPACE))]
    pub namespace: Option<String>,
    /// Show each rule of each role.
    #[arg(long, value_parser = switch)]
    pub rules: bool,
    #[command(flatten)]
    pub from: AccessArgs,
}

/// `kwo access diff`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct AccessDiff {
    /// A roster to compare from: a file, a git revision, REVISION:PATH, or two revisions `A..B`, as `kwo diff` takes them.
    /// kwo then asks no cluster. Default: compare the roster with the cluster.
    #[arg(value_name = "FROM", value_parser = filled_os(ROSTER))]
    pub first: Option<OsString>,
    /// A roster to compare to. Default: the roster as it is now.
    #[arg(value_name = "TO", requires = "first", value_parser = filled_os(ROSTER))]
    pub second: Option<OsString>,
    /// Exit with 2 when there are changes.
    #[arg(long, visible_alias = "exit-code", env = "KWO_DETAILED_EXITCODE", value_parser = switch)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub from: AccessArgs,
}

/// `kwo access graph`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct AccessGraph {
    /// Draw only what holds in this namespace. Repeat it for several.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = filled(NAMESPACE))]
    pub namespace: Vec<String>,
    /// Also draw what the cluster gives to its own parts.
    #[arg(long, value_parser = switch)]
    pub all: bool,
    /// Draw what the roster gives, and ask no cluster.
    #[arg(long, value_parser = switch)]
    pub offline: bool,
    /// How to draw it. `markdown` is a Mermaid diagram that forges draw.
    #[arg(short, long, default_value = "svg", value_name = "FORMAT", value_parser = for_pictures())]
    pub output: Format,
    /// The roster. kwo marks what it does not give. Without this file, kwo asks the cluster alone.
    #[arg(short, long, default_value = "roster.yaml", env = "KWO_ROSTER", value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// What the questions about access have in common.
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct AccessArgs {
    /// The roster. Its lines are named beside the rights that they give. Without this file, kwo asks the cluster alone.
    #[arg(short, long, default_value = "roster.yaml", env = "KWO_ROSTER", value_name = "FILE")]
    pub file: PathBuf,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}
