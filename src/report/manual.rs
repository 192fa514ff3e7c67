//! Addresses in the manual, for links from what kwo says.

/// Where the manual is, as mdBook makes it from `docs/`.
pub const MANUAL: &str = "https://kwo.dev/manual";

/// The place that says what a mistake in a roster or in settings means, by its name: `unknown-field`.
#[must_use]
pub fn mistake(name: &str) -> String {
    format!("{MANUAL}/reference/mistakes.html#{name}")
}
