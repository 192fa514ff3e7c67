//! Values that can be typed: formats and spans of time.
#![expect(missing_docs, reason = "the names say it")]

use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{EnumValueParser, TypedValueParser};

use kwo_engine::strict;
use kwo_engine::sync::Allowed;

/// How to show a plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum PlanFormat {
    Text,
    Json,
    Yaml,
    Markdown,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum TextOrJson {
    Text,
    Json,
}

/// How to print manifests.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum YamlOrJson {
    Yaml,
    Json,
}

/// What a run is to fail on that would let it pass otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum FailOn {
    LeftoverAccess,
    ForeignAccess,
}

impl From<FailOn> for strict::FailOn {
    fn from(on: FailOn) -> strict::FailOn {
        match on {
            FailOn::LeftoverAccess => strict::FailOn::LeftoverAccess,
            FailOn::ForeignAccess => strict::FailOn::ForeignAccess,
        }
    }
}

/// What a run of `kwo sync` may do that it otherwise would not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Allow {
    /// Follow a branch that was rewritten.
    Rewrite,
    /// Revise more objects than the limit.
    Revise,
    /// Let go of more tenants than the limit.
    Drop,
    /// Touch more tenants than the limit.
    Tenants,
    /// Keep what another roster keeps.
    Roster,
}

impl From<Allow> for Allowed {
    fn from(allow: Allow) -> Allowed {
        match allow {
            Allow::Rewrite => Allowed::Rewrite,
            Allow::Revise => Allowed::Revise,
            Allow::Drop => Allowed::Drop,
            Allow::Tenants => Allowed::Tenants,
            Allow::Roster => Allowed::Roster,
        }
    }
}

/// Reads what a run is to fail on.
pub(super) fn fail_on() -> impl TypedValueParser<Value = strict::FailOn> {
    EnumValueParser::<FailOn>::new().map(strict::FailOn::from)
}

/// Reads what a run may do once.
pub(super) fn allowed() -> impl TypedValueParser<Value = Allowed> {
    EnumValueParser::<Allow>::new().map(Allowed::from)
}

/// What has a schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum SchemaOf {
    Roster,
    Plan,
    Settings,
}

/// Whether an option without a value is set, as its environment variable says. What is no clear yes or no is refused:
/// `KWO_YES=nein` must not apply.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "" | "false" | "0" | "no" => Ok(false),
        _ => Err("expected true, false, 1, 0, yes or no".to_owned()),
    }
}

/// A span of time such as `30s`, `5m` or `1m30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span of time: expected something like 30s, 5m or 1m30s");
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

/// A span of time that the lock can outlive its holder: the others never wait for longer, whatever a Lease says.
pub(super) fn lock_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long > Duration::from_secs(3600) => {
            Err(format!("`{text}` is too long: after a run that was killed, the lock lasts up to 1h"))
        }
        span => Ok(span),
    }
}

/// A span of time that a token can be good for.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    let span = duration(text)?;
    // Kubernetes' own bounds.
    match span.as_secs() {
        0..600 => Err(format!("`{text}` is too short: Kubernetes makes no token for less than 10m")),
        600..=0x1_0000_0000 => Ok(span),
        _ => Err(format!("`{text}` is too long: Kubernetes takes up to 2^32 seconds")),
    }
}
