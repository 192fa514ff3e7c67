//! What `kwo dns check` found: the credentials of the resolvers, and what DNS says of the hosts. A line each, and below it
//! what else there is to say; the JSON is the answers themselves.

use std::fmt::Write as _;

use kwo_engine::probe::names::{HostFound, Names, Says, ServerFound, State, ZoneFound};
use kwo_planner::plain::{OneLine, counted};
use kwo_planner::plan::FORMAT_VERSION;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;

/// The credentials of one resolver.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Tried {
    /// Its name.
    pub resolver: String,
    /// Do they work? `unknown`, where kwo knows no way to try them.
    pub state: State,
    /// What there is to say.
    pub says: String,
}

/// Whether the credentials of the resolvers work, and whether the hosts of the zones lead where they should.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct DnsChecked {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// Is nothing wrong, and was everything asked that kwo can ask?
    well: bool,
    /// The resolvers whose credentials were tried.
    resolvers: Vec<Tried>,
    /// What DNS says of the hosts.
    names: Names,
}

impl DnsChecked {
    /// These answers.
    #[must_use]
    pub fn new(resolvers: Vec<Tried>, names: Names) -> DnsChecked {
        let tried = resolvers.iter().all(|tried| tried.state != State::Failed);
        DnsChecked { format_version: FORMAT_VERSION, well: tried && names.is_well(), resolvers, names }
    }

    /// Is nothing wrong?
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.well
    }
}

impl Report for DnsChecked {
    const KIND: Option<&'static str> = Some("DnsCheck");

    type Json<'a> = &'a DnsChecked;

    fn text(&self) -> String {
        let DnsChecked { format_version: _, well: _, resolvers, names } = self;
        let tried: String = resolvers.iter().map(tried).collect();
        tried + &text(names)
    }

    fn json(&self) -> &DnsChecked {
        self
    }
}

/// The line of a resolver.
#[must_use]
pub fn tried(Tried { resolver, state, says }: &Tried) -> String {
    match state {
        State::Failed => format!("{resolver}: failed: {}\n", OneLine(says)),
        State::Works | State::Unknown => format!("{resolver}: {}\n", OneLine(says)),
    }
}

/// The zones and the hosts.
#[must_use]
pub fn text(Names { resolver: _, zones, hosts }: &Names) -> String {
    let mut out = String::new();
    for ZoneFound { zone, state, servers, signed: _, says } in zones {
        let server = |ServerFound { name, address, .. }: &ServerFound| match address {
            Some(address) => format!("{name} ({address})"),
            None => name.clone(),
        };
        let servers: Vec<String> =
            servers.iter().filter(|server| server.state == State::Works).map(server).collect();
        let well = format!("{} for it", answer(&servers));
        block(&mut out, &format!("zone {zone}"), *state, &well, says);
    }
    for HostFound { host, state, leads, ttl, says, .. } in hosts {
        let leads = if leads.is_empty() { "it is there".to_owned() } else { leads.join(", ") };
        let ttl = ttl
            .map(|ttl| format!(", which resolvers may remember for {}", counted(ttl, "second", "seconds")));
        block(&mut out, host, *state, &format!("{leads}{}", ttl.unwrap_or_default()), says);
    }
    out
}

fn answer(servers: &[String]) -> String {
    match servers {
        [] => "nobody answers".to_owned(),
        [one] => format!("{one} answers"),
        [all @ .., last] => format!("{} and {last} answer", all.join(", ")),
    }
}

/// What stands first is why.
fn block(out: &mut String, name: &str, state: State, well: &str, says: &[Says]) {
    let (first, rest) = match says.split_first() {
        Some((first, rest)) if state != State::Works => (first.text.as_str(), rest),
        _ => (well, says),
    };
    let _ = writeln!(out, "{}: {}: {}", OneLine(name), state.as_str(), OneLine(first));
    for Says { weight: _, text } in rest {
        let _ = writeln!(out, "  {}", OneLine(text));
    }
}
