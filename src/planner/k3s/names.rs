//! What the node is called. Nobody can change it once k3s has started.

use super::facts::{Facts, Record};
use super::install::{Roster, started};
use super::preflight::{Check, Noticed};
use super::texts::DROP_IN;
use crate::roster::NodeName;
use crate::roster::scalar::quote;

/// Where an image has the name of its machine.
const HOSTNAME: &str = "etc/hostname";

/// The name of the node: as it is noted, as the configuration says, as the roster says, or as the machine is called.
pub(super) fn name(
    facts: &Facts,
    roster: &Roster,
    record: Option<&Record>,
    noticed: &mut Vec<Noticed>,
) -> Option<NodeName> {
    let said = facts.said_name.as_ref().map(|said| said.parse::<NodeName>().map_err(|why| (said, why)));
    let said = match said.transpose() {
        Ok(said) => said,
        Err((said, _)) => {
            let what =
                format!("k3s' configuration names the node {}, which is no name of a node", quote(said));
            noticed.push(Noticed::stop(Check::Name, what, "correct `node-name` there"));
            return None;
        }
    };
    // A name counts for good once k3s has started with it. Before that, the configuration may say another one.
    let noted = record.map(|record| record.node.clone());
    let fixed = if started(&facts.here) { noted.or(said) } else { said.or(noted) };
    // An image may have become another machine.
    if let (Some(fixed), None, true) = (&fixed, &roster.name, facts.live && record.is_some())
        && !started(&facts.here)
        && fixed.to_string() != facts.host.to_ascii_lowercase()
    {
        noticed.push(Noticed::warning(
            Check::Name,
            format!("the node is called {fixed}, as its files say, and the machine {}", quote(&facts.host)),
            format!("nobody can change it later; to call it otherwise, write `cluster.node.name` in the roster, or remove /{DROP_IN} first"),
        ));
    }
    if let (Some(fixed), Some(wanted)) = (&fixed, &roster.name)
        && fixed != wanted
    {
        noticed.push(Noticed::stop(
            Check::Name,
            format!("the node is called {fixed}, and the roster calls it {wanted}"),
            "write the node's name in the roster: nobody can change it on the node",
        ));
        return None;
    }
    if let Some(name) = fixed.or(roster.name.clone()) {
        return Some(name);
    }
    let host = facts.host.to_ascii_lowercase();
    let own = !matches!(host.split('.').next(), None | Some("" | "localhost"));
    match host.parse() {
        Ok(name) if own => Some(name),
        _ => {
            noticed.push(unnamed(facts));
            None
        }
    }
}

/// Neither the roster nor the machine has a name for the node.
fn unnamed(facts: &Facts) -> Noticed {
    let roster = "or write `cluster.node.name` in the roster";
    let called = format!("called {}, which is no name for a node", quote(&facts.host));
    if facts.live {
        let hint = format!("give it a name of its own, such as `hostnamectl set-hostname node-1`, {roster}");
        return Noticed::stop(Check::Name, format!("the machine is {called}"), hint);
    }
    // `hostnamectl` would give the name to the machine that kwo runs on.
    let what = match facts.host.as_str() {
        "" => format!("{} is missing or empty, so the machine has no name", facts.path(HOSTNAME)),
        _ => format!("by {} the machine is {called}", facts.path(HOSTNAME)),
    };
    let hint =
        format!("write a name of its own there, such as `echo node-1 > {}`, {roster}", facts.word(HOSTNAME));
    Noticed::stop(Check::Name, what, hint)
}
