//! The resolvers of a roster, as text and as JSON. Of a credential it shows where it comes from and whether it is there.

use std::fmt::Write as _;

use kwo_planner::plan::FORMAT_VERSION;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;

/// One resolver.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// Its name.
    pub resolver: String,
    /// The DNS provider; nothing for the one that answers on port 80.
    pub provider: Option<String>,
    /// What tells it from another account at the same provider.
    pub suffix: Option<String>,
    /// What it needs.
    pub credentials: Vec<Credential>,
    /// The tenants whose hosts get their certificates through it.
    pub tenants: Vec<String>,
    /// Does the registry use it?
    pub registry: bool,
}

/// One credential.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Credential {
    /// The variable that the provider's client reads.
    pub name: String,
    /// Where the roster says that it is.
    pub reference: String,
    /// Why it is not there, if it is not.
    pub missing: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolvers(pub Vec<Row>);

impl Report for Resolvers {
    const KIND: Option<&'static str> = Some("Resolvers");

    type Json<'a> = List<'a>;

    fn text(&self) -> String {
        text(&self.0)
    }

    fn json(&self) -> List<'_> {
        List { format_version: FORMAT_VERSION, resolvers: &self.0 }
    }
}

/// The resolvers of a roster, and whether their credentials are there.
#[derive(Debug, Serialize, JsonSchema)]
pub struct List<'r> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// Each of them.
    resolvers: &'r [Row],
}

/// One block a resolver.
fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no resolvers: the roster has no `cluster.acme`, so kwo manages no certificates\n".to_owned();
    }
    let mut out = String::new();
    for Row { resolver, provider, suffix, credentials, tenants, registry } in rows {
        let provider = provider.as_deref().unwrap_or("none; it answers on port 80");
        let _ = writeln!(out, "{resolver}\n  provider    {provider}");
        if let Some(suffix) = suffix {
            let _ = writeln!(out, "  suffix      {suffix}");
        }
        for Credential { name, reference, missing } in credentials {
            let state = missing.as_ref().map_or("found".to_owned(), |why| format!("missing: {why}"));
            let _ = writeln!(out, "  credential  {name} ({reference}): {state}");
        }
        let registry = registry.then_some("the registry");
        let users: Vec<&str> = tenants.iter().map(String::as_str).chain(registry).collect();
        let users = if users.is_empty() { "nobody".to_owned() } else { users.join(", ") };
        let _ = writeln!(out, "  used by     {users}");
    }
    out
}
