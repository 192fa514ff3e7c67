//! What the commands of the registry have in common: its section of the roster, and a password for whoever asked to see it.

use kwo_planner::domains::Roster;
use kwo_planner::domains::registry::Registry as Section;
use secrecy::{ExposeSecret as _, SecretSlice};

use kwo_engine::failure::Failure;

pub(super) fn section(roster: &Roster) -> Result<&Section, Failure> {
    roster.registry().map(|(_, registry)| registry).ok_or_else(|| {
        Failure::new("the roster asks for no registry")
            .hint("`registry: {hosts: [registry.example.com]}` does")
    })
}

/// A password as text, for whoever asked to see it.
pub(super) fn shown(bytes: &SecretSlice<u8>) -> Result<zeroize::Zeroizing<String>, String> {
    let text = String::from_utf8(bytes.expose_secret().to_vec()).map_err(|_| "it is not text")?;
    Ok(zeroize::Zeroizing::new(text))
}
