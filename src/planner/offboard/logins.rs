//! Who of those that leave can log in at the registry of the cluster. The roster says whose login a user is; the Secret says
//! who is let in. A cut takes their lines out of the htpasswd and keeps them under another key of the same Secret, where no
//! registry reads them: only names are here and on record.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

use super::select::rank;
use super::{Leaving, Offboarding, Part, Pick};
use crate::domains::Roster;
use crate::domains::registry::RegistryUser;
use crate::domains::registry_users::accounts;
use crate::endings::showing;
use crate::named::auth_id;
use crate::observed::Reach;
use crate::origin::Origin;
use crate::resource::Reason;
use crate::roster::Entry;
use crate::secrets::logins;
use crate::tree::{SmolStr, Tree};

/// The key of that Secret under which the lines are kept that were cut.
pub const OFFBOARDED: &str = "offboarded";

/// Where the names of those who are let in stand in what is seen of that Secret: nobody outside its provider sees more.
pub const SEEN: &str = "logins";

/// Names at the registry, and whose leaving ends them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Logins {
    /// Who leaves, as one word. It stands beside each line that is kept, so that no other record brings it back.
    pub of: SmolStr,
    /// The names.
    pub names: Vec<SmolStr>,
}

impl Logins {
    /// Those of them who are let in; nothing where nobody is.
    pub(super) fn among(&self, seen: &Tree) -> Option<Logins> {
        let there = seen.get(SEEN).map(Tree::items).unwrap_or_default();
        let there = |name: &&SmolStr| there.iter().any(|have| have.as_text() == Some(name));
        let names: Vec<SmolStr> = self.names.iter().filter(there).cloned().collect();
        (!names.is_empty()).then(|| Logins { of: self.of.clone(), names })
    }

    pub(super) fn add(&mut self, other: &Logins) {
        self.names.extend(other.names.iter().cloned());
        self.names.sort();
        self.names.dedup();
    }

    /// Can a cut of this one have ended them? A record is a stranger's text.
    pub(super) fn is_of(&self, leaving: &Leaving) -> bool {
        let plain = |name: &SmolStr| !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control());
        self.of == leaving.mark() && !self.names.is_empty() && self.names.iter().all(plain)
    }
}

impl Leaving {
    /// Who leaves, as one word without spaces.
    #[must_use]
    pub fn mark(&self) -> SmolStr {
        match self {
            Leaving::Tenant(name) => format_smolstr!("tenant:{name}"),
            Leaving::Person { name, everywhere: _ } => {
                format_smolstr!("person:{}", URL_SAFE_NO_PAD.encode(name.as_bytes()))
            }
            Leaving::Leftovers { .. } => SmolStr::new_static("leftovers"),
            Leaving::Host(host) => format_smolstr!("host:{host}"),
        }
    }

    /// Is this user of the registry theirs?
    fn has(&self, user: &RegistryUser) -> bool {
        let RegistryUser { password: _, access: _, tenant, person } = user;
        match self {
            Leaving::Tenant(name) => tenant.as_ref().is_some_and(|tenant| tenant.as_str() == name),
            Leaving::Person { name, everywhere: _ } => {
                person.as_ref().is_some_and(|person| person.value.called() == *name)
            }
            Leaving::Leftovers { .. } | Leaving::Host(_) => false,
        }
    }
}

impl Offboarding {
    /// Adds who of them is let in by the registry, by the names that were seen there: a user is cut with both names that a
    /// rotation gives it. Whom no roster names is left over, and whose login that is nobody knows.
    pub fn add_logins(&mut self, leaving: &Leaving, roster: &Roster, seen: &[SmolStr], reach: &Reach) {
        let registry = roster.registry().map(|(_, registry)| registry);
        let mut theirs: BTreeSet<SmolStr> = BTreeSet::new();
        let mut known: BTreeSet<SmolStr> = BTreeSet::new();
        for account in registry.map(accounts).unwrap_or_default() {
            let names = match account.made {
                Some(_) => logins(&account.user).to_vec(),
                None => vec![account.user.clone()],
            };
            let entry = registry.and_then(|registry| registry.users.get(account.user.as_str()));
            if let Some(Entry { key, value: _ }) = entry.filter(|entry| leaving.has(&entry.value)) {
                theirs.extend(names.iter().cloned());
                self.lines.push(Origin::of(&Reason::Roster(*key), roster.sources()).to_string().into());
            }
            known.extend(names);
        }
        let strays: Vec<SmolStr> = seen.iter().filter(|name| !known.contains(*name)).cloned().collect();
        let names: Vec<SmolStr> = match leaving {
            Leaving::Host(_) => return,
            Leaving::Leftovers { .. } => strays,
            Leaving::Tenant(_) | Leaving::Person { .. } => {
                let ends = Leaving::Leftovers { access: true }.words();
                let strays: Vec<SmolStr> = strays
                    .iter()
                    .map(|name| {
                        format_smolstr!(
                            "{name} can still log in to the registry, but is not in the roster. kwo does not know the \
                             owner; `kwo apply` or `kwo offboard {ends}` ends the login"
                        )
                    })
                    .collect();
                self.unseen.extend(strays.iter().cloned());
                // It may be theirs, and then they are still let in.
                self.unproven.extend(strays);
                seen.iter().filter(|name| theirs.contains(*name)).cloned().collect()
            }
        };
        if names.is_empty() {
            return;
        }
        let id = auth_id();
        let why = format_smolstr!(
            "the registry still lets in {}; the cut moves what it checks them by to the key `{OFFBOARDED}` of the same \
             Secret, where no registry looks",
            names.join(", ")
        );
        let part = Some(Part::Logins(Logins { of: leaving.mark(), names }));
        self.cut.push(Pick { command: showing(&id, reach), id, part, why });
        self.cut.sort_by(|a, b| (rank(a), &a.id).cmp(&(rank(b), &b.id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::parse;
    use crate::roster::{SourceFile, Sources};

    /// A login that the roster does not name may be that of who leaves, so a cut beside it proves nothing.
    #[test]
    fn a_login_that_no_roster_names_leaves_the_cut_unproven() {
        let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: , bob: }, registry: {hosts: [r.example.com], \
             users: {docker: {password: {env: A}}, alice-ci: {password: {env: B}, tenant: alice}}}}";
        let source = SourceFile { name: "r".to_owned(), text: text.to_owned() };
        let roster = parse(Sources::new(vec![source])).unwrap();
        let alice = Leaving::Tenant("alice".into());
        let left = |leaving: &Leaving, seen: &[&str]| {
            let mut found = Offboarding::default();
            let seen: Vec<SmolStr> = seen.iter().map(SmolStr::new).collect();
            found.add_logins(leaving, &roster, &seen, &Reach::default());
            found
        };
        let known = left(&alice, &["docker", "alice-ci"]);
        assert_eq!((known.cut.len(), known.unproven.len()), (1, 0));
        let strange = left(&alice, &["docker", "gone-ci"]);
        assert_eq!((strange.cut.len(), strange.unproven.len()), (0, 1));
        assert!(strange.unproven[0].contains("gone-ci can still log in"), "{:?}", strange.unproven);
        assert_eq!(strange.unseen, strange.unproven);
        // It is what is left over, and then it is cut.
        let over = left(&Leaving::Leftovers { access: true }, &["docker", "gone-ci"]);
        assert_eq!((over.cut.len(), over.unproven.len()), (1, 0));
    }
}
