//! Values that can be typed: formats and spans of time.
#![expect(missing_docs, reason = "the names say it")]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{EnumValueParser, OsStringValueParser, TypedValueParser};

use crate::report::printed::Drawing;
use kwo_engine::strict;
use kwo_engine::sync::Allowed;

/// How a command prints what it found. `commands/print.rs` alone knows what each one means.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
    Yaml,
    Markdown,
    /// A picture, for the commands that have one.
    #[value(skip)]
    Drawn(Drawing),
}

impl Format {
    /// Is it a page for a review?
    #[must_use]
    pub fn is_for_review(self) -> bool {
        self == Format::Markdown
    }

    /// Is it what a person reads while the command is at work? All else comes whole, at the end.
    #[must_use]
    pub fn is_text(self) -> bool {
        self == Format::Text
    }
}

/// How to print what Kubernetes reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum ForKubernetes {
    Yaml,
    Json,
}

impl From<ForKubernetes> for Format {
    fn from(format: ForKubernetes) -> Format {
        match format {
            ForKubernetes::Yaml => Format::Yaml,
            ForKubernetes::Json => Format::Json,
        }
    }
}

/// How to print a picture.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum ForPictures {
    Svg,
    Dot,
    Mermaid,
    Markdown,
    Json,
    Yaml,
}

impl From<ForPictures> for Format {
    fn from(format: ForPictures) -> Format {
        match format {
            ForPictures::Svg => Format::Drawn(Drawing::Svg),
            ForPictures::Dot => Format::Drawn(Drawing::Dot),
            ForPictures::Mermaid => Format::Drawn(Drawing::Mermaid),
            ForPictures::Markdown => Format::Markdown,
            ForPictures::Json => Format::Json,
            ForPictures::Yaml => Format::Yaml,
        }
    }
}

/// Reads how to print a picture.
pub(super) fn for_pictures() -> impl TypedValueParser<Value = Format> {
    EnumValueParser::<ForPictures>::new().map(Format::from)
}

/// Reads how to print what Kubernetes reads.
pub(super) fn for_kubernetes() -> impl TypedValueParser<Value = Format> {
    EnumValueParser::<ForKubernetes>::new().map(Format::from)
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
    /// A roster.
    Roster,
    /// kwo's own settings.
    Settings,
    /// What `kwo plan -o json` prints, and a saved plan.
    Plan,
    /// What `kwo access diff -o json` prints.
    AccessDiff,
    /// What `kwo access graph -o json` prints.
    AccessGraph,
    /// What `kwo access of -o json` prints.
    AccessOf,
    /// What `kwo access who-can -o json` prints.
    AccessWhoCan,
    /// What `kwo apply -o json` prints.
    Apply,
    /// What `kwo archive list -o json` prints.
    Archive,
    /// What `kwo archive import -o json` prints.
    ArchiveImport,
    /// What `kwo capacity -o json` prints.
    Capacity,
    /// What `kwo diff -o json` prints.
    Diff,
    /// What `kwo doctor -o json` prints.
    Doctor,
    /// What `kwo dns list -o json` prints.
    Dns,
    /// What `kwo dns check -o json` prints.
    DnsCheck,
    /// What `kwo sync -o json` and `kwo history show -o json` print.
    Entry,
    /// What `kwo explain -o json` prints.
    Explain,
    /// What `kwo history -o json` prints.
    History,
    /// What `kwo kubeconfig -o json` prints.
    Kubeconfig,
    /// What `kwo render -o json` and `kwo rbac -o json` print.
    Manifests,
    /// What `kwo node backup -o json` prints.
    NodeBackup,
    /// What `kwo node cleanup -o json` prints.
    NodeCleanup,
    /// What `kwo node install -o json` prints.
    NodeInstall,
    /// What `kwo node restore -o json` prints.
    NodeRestore,
    /// What `kwo node upgrade -o json` prints.
    NodeUpgrade,
    /// What `kwo offboard -o json` prints.
    Offboard,
    /// What `kwo offboard --certificate -o json` prints.
    OffboardCertificate,
    /// What `kwo offboard --status -o json` and each stage print.
    OffboardRecord,
    /// What `kwo registry status -o json` prints.
    RegistryStatus,
    /// What `kwo registry usage -o json` prints.
    RegistryUsage,
    /// What `kwo status -o json` prints.
    Status,
    /// What `kwo systems check -o json` prints.
    Systems,
    /// What `kwo tls check -o json` prints.
    Tls,
    /// What `kwo validate -o json` prints.
    Validate,
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

/// A whole number between these two.
pub(super) fn whole<N: TryFrom<u64>>(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync {
    move |text| {
        let number = text.trim().parse::<u64>().ok().filter(|number| (least..=most).contains(number));
        number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| match most {
            u64::MAX => "expected a whole number".to_owned(),
            most => format!("expected a whole number from {least} to {most}"),
        })
    }
}

/// An address with a port.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "expected an IP address and a port, such as `127.0.0.1:8443` or `[::1]:8443`".to_owned();
    text.parse().map_err(|_| wrong())
}

/// A word that says something. An empty one comes from a variable that was not set, and would be taken for none: for a
/// wider question than the one that was meant.
pub(super) fn filled(instead: &'static str) -> impl Fn(&str) -> Result<String, String> + Clone + Send + Sync {
    move |text| match text.trim().is_empty() {
        true => Err(format!("it is empty; {instead}")),
        false => Ok(text.to_owned()),
    }
}

/// The same for what need not be text.
pub(super) fn filled_os(instead: &'static str) -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(move |text| match text.is_empty() {
        true => Err(format!("it is empty; {instead}")),
        false => Ok(text),
    })
}

/// A span of time as people write it: `90s`, `1h30m`, `2 days`. A day has 24 hours.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || match text.trim().parse::<u64>() {
        Ok(number) => format!("`{text}` has no unit: is it {number}s, {number}m or {number}h?"),
        Err(_) => {
            format!("`{text}` is not a valid span of time: expected something like 30s, 5m, 1h30m or 2d")
        }
    };
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_address_is_refused_in_words_of_kwo() {
        let number = whole::<u16>(1, 512);
        assert_eq!((number("1"), number(" 512 ")), (Ok(1), Ok(512)));
        for wrong in ["0", "513", "70000", "x", "", "-1", "1.5"] {
            assert_eq!(number(wrong).unwrap_err(), "expected a whole number from 1 to 512", "{wrong}");
        }
        assert_eq!(whole::<u64>(0, u64::MAX)("x").unwrap_err(), "expected a whole number");
        assert!(socket("[::1]:8443").is_ok());
        for wrong in ["localhost:1", "1.2.3.4", ":80"] {
            assert!(socket(wrong).unwrap_err().starts_with("expected an IP address and a port"), "{wrong}");
        }
    }

    #[test]
    fn spans_of_time_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("1.5h", 5_400),
            ("2 days", 172_800),
            ("3d", 259_200),
            ("1w", 604_800),
            ("5 minutes", 300),
            ("PT5M", 300),
            ("0s", 0),
            (" 10s ", 10),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("90").unwrap_err(), "`90` has no unit: is it 90s, 90m or 90h?");
        for wrong in ["", "soon", "-5s", "5 parsecs", "1month", "1y", "s", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
