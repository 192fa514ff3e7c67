//! The end for good. A [`Removal`] has one constructor, and that takes a [`Gate`] which was passed and the entry of a
//! verified archive: what no archive holds cannot be removed, and no code can say otherwise.

use std::fmt;

use crate::domains::reserved::reserved_for;
use crate::observed::Version;
use crate::tree::SmolStr;
use crate::units::moment;

/// What has to be true before anything is destroyed, as it was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// The tenant that leaves.
    pub tenant: SmolStr,
    /// Its namespaces.
    pub namespaces: Vec<SmolStr>,
    /// The stage `cut` was done, and nobody undid it.
    pub cut: bool,
    /// Answers that are still "yes" after the cut, as sentences.
    pub still: Vec<SmolStr>,
    /// An archive was read back.
    pub archived: bool,
    /// What the archive does not hold as it is now.
    pub missing: Vec<SmolStr>,
    /// When the retention ends, where it has not ended yet, in RFC 3339.
    pub retained_until: Option<SmolStr>,
    /// The lines of the roster that still name the tenant.
    pub lines: Vec<SmolStr>,
    /// What could not be looked at.
    pub unseen: Vec<SmolStr>,
    /// Objects in the namespaces that are not kwo's, by kind and count, as `Deployment.apps: 3`.
    pub foreign: Vec<SmolStr>,
    /// Those may go as well.
    pub with_foreign: bool,
    /// The volume claims whose data no archive holds.
    pub volumes: Vec<SmolStr>,
    /// The volume claims that a pod may still write to.
    pub used: Vec<SmolStr>,
    /// Their data may be lost.
    pub discards_volumes: bool,
    /// It runs by itself: in a pipeline, or under `kwo sync`.
    pub unattended: bool,
}

/// Something that stands in the way of destroying.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Barrier {
    /// Nobody is there who could have typed it.
    Unattended,
    /// A namespace belongs to Kubernetes, or to kwo itself.
    Reserved {
        /// The namespace.
        namespace: SmolStr,
        /// Whose it is.
        owner: &'static str,
    },
    /// The roster still has the tenant.
    InRoster(Vec<SmolStr>),
    /// The access is not cut.
    NotCut,
    /// Somebody still has access.
    StillYes(Vec<SmolStr>),
    /// No archive was read back.
    NotArchived,
    /// Something is not in the archive, or was changed since.
    Missing(Vec<SmolStr>),
    /// It is too early.
    Retained {
        /// Until when.
        until: SmolStr,
    },
    /// Not everything could be looked at.
    Unseen(Vec<SmolStr>),
    /// There are objects of others.
    Foreign(Vec<SmolStr>),
    /// The data of volumes would be lost.
    Volumes(Vec<SmolStr>),
    /// A pod may have written to volumes since the archive was made, or does so now.
    InUse(Vec<SmolStr>),
}

/// The proof that nothing stands in the way. Only [`Gate::pass`] makes one.
#[derive(Debug)]
pub struct Gate {
    tenant: SmolStr,
    namespaces: Vec<SmolStr>,
}

impl Gate {
    /// Passes, where every fact allows it.
    ///
    /// # Errors
    /// All that stands in the way, not only the first.
    pub fn pass(facts: &Facts) -> Result<Gate, Vec<Barrier>> {
        let mut barriers = Vec::new();
        if facts.unattended {
            barriers.push(Barrier::Unattended);
        }
        barriers.extend(facts.namespaces.iter().filter_map(|namespace| {
            let owner = reserved_for(namespace)?;
            Some(Barrier::Reserved { namespace: namespace.clone(), owner })
        }));
        let listed = |list: &[SmolStr], barrier: fn(Vec<SmolStr>) -> Barrier| {
            (!list.is_empty()).then(|| barrier(list.to_vec()))
        };
        barriers.extend(listed(&facts.lines, Barrier::InRoster));
        barriers.extend((!facts.cut).then_some(Barrier::NotCut));
        barriers.extend(listed(&facts.still, Barrier::StillYes));
        barriers.extend((!facts.archived).then_some(Barrier::NotArchived));
        barriers.extend(listed(&facts.missing, Barrier::Missing));
        barriers.extend(facts.retained_until.clone().map(|until| Barrier::Retained { until }));
        barriers.extend(listed(&facts.unseen, Barrier::Unseen));
        barriers.extend(listed(&facts.foreign, Barrier::Foreign).filter(|_| !facts.with_foreign));
        barriers.extend(listed(&facts.volumes, Barrier::Volumes).filter(|_| !facts.discards_volumes));
        barriers.extend(listed(&facts.used, Barrier::InUse).filter(|_| !facts.discards_volumes));
        if barriers.is_empty() {
            return Ok(Gate { tenant: facts.tenant.clone(), namespaces: facts.namespaces.clone() });
        }
        Err(barriers)
    }

    /// The tenant that it was passed for.
    #[must_use]
    pub fn tenant(&self) -> &SmolStr {
        &self.tenant
    }
}

/// An object as it stands there, by the words of its API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// `Namespace`, or `Kind.group`.
    pub kind: SmolStr,
    /// The path at which it is deleted.
    pub path: SmolStr,
    /// Its namespace, or its own name where it is one; empty for what stands in none.
    pub namespace: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// Its uid and resourceVersion.
    pub seen: Version,
    /// The tenant that its label names; empty where it has none.
    pub tenant: SmolStr,
    /// It carries kwo's mark.
    pub marked: bool,
}

/// The removal of one object, in the state in which an archive has it.
#[derive(Debug)]
pub struct Removal {
    found: Found,
    archived: SmolStr,
}

/// Why an object cannot be removed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unremovable {
    /// It is somebody else's.
    #[error("it belongs to {0}")]
    Others(SmolStr),
    /// It does not carry kwo's mark.
    #[error("it does not carry kwo's mark")]
    Unmarked,
    /// The archive does not hold it.
    #[error("the archive does not hold it")]
    NotArchived,
}

impl Removal {
    /// The removal of an object, of which the archive has the entry with this digest.
    ///
    /// # Errors
    /// When it is not the tenant's, or the archive does not hold it.
    pub fn of(gate: &Gate, found: Found, archived: Option<SmolStr>) -> Result<Removal, Unremovable> {
        let inside = gate.namespaces.contains(&found.namespace);
        if !found.marked {
            return Err(Unremovable::Unmarked);
        }
        if found.tenant != gate.tenant || !(inside || found.namespace.is_empty()) {
            let whose = if found.tenant.is_empty() { "no tenant".into() } else { found.tenant };
            return Err(Unremovable::Others(whose));
        }
        match archived {
            Some(archived) => Ok(Removal { found, archived }),
            None => Err(Unremovable::NotArchived),
        }
    }

    /// The object.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// The digest of its entry in the archive.
    #[must_use]
    pub fn archived(&self) -> &SmolStr {
        &self.archived
    }
}

impl fmt::Display for Barrier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |list: &[SmolStr]| list.join("; ");
        match self {
            Barrier::Unattended => {
                out.write_str("a pipeline or a timer may not destroy: a person has to type it")
            }
            Barrier::Reserved { namespace, owner } => write!(out, "the namespace {namespace} is {owner}'s"),
            Barrier::InRoster(lines) => write!(out, "the roster still has it: {}", list(lines)),
            Barrier::NotCut => out.write_str("its access is not cut"),
            Barrier::StillYes(answers) => write!(out, "somebody still has access: {}", list(answers)),
            Barrier::NotArchived => out.write_str("no archive of it was read back"),
            Barrier::Missing(what) => {
                write!(out, "the archive does not hold everything as it is now: {}", list(what))
            }
            Barrier::Retained { until } => write!(out, "it is retained until {}", moment(until)),
            Barrier::Unseen(what) => write!(out, "kwo could not look at everything: {}", list(what)),
            Barrier::Foreign(objects) => {
                write!(out, "its namespaces hold objects that are not kwo's: {}", list(objects))
            }
            Barrier::Volumes(claims) => {
                write!(out, "the archive does not hold the data of these volumes: {}", list(claims))
            }
            Barrier::InUse(claims) => {
                write!(out, "a pod may still write to these volumes: {}", list(claims))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = fn(&mut Facts, Vec<SmolStr>);

    fn good() -> Facts {
        Facts {
            tenant: "alice".into(),
            namespaces: vec!["alice".into()],
            cut: true,
            archived: true,
            ..Facts::default()
        }
    }

    #[test]
    fn every_fact_alone_stands_in_the_way() {
        assert!(Gate::pass(&good()).is_ok());
        let one = || vec![SmolStr::new_static("x")];
        let spoilers: [(&str, Spoil); 12] = [
            ("type", |facts, _| facts.unattended = true),
            ("Kubernetes", |facts, _| facts.namespaces.push("kube-system".into())),
            ("roster", |facts, one| facts.lines = one),
            ("not cut", |facts, _| facts.cut = false),
            ("still has access", |facts, one| facts.still = one),
            ("no archive", |facts, _| facts.archived = false),
            ("does not hold everything", |facts, one| facts.missing = one),
            ("retained", |facts, _| facts.retained_until = Some("2030".into())),
            ("could not look", |facts, one| facts.unseen = one),
            ("not kwo's", |facts, one| facts.foreign = one),
            ("data of these volumes", |facts, one| facts.volumes = one),
            ("a pod may still write", |facts, one| facts.used = one),
        ];
        for (word, spoil) in spoilers {
            let mut facts = good();
            spoil(&mut facts, one());
            let barriers = Gate::pass(&facts).unwrap_err();
            assert_eq!(barriers.len(), 1, "{word}: {barriers:?}");
            assert!(barriers[0].to_string().contains(word), "{word}: {}", barriers[0]);
        }
    }

    #[test]
    fn leave_opens_two_of_them_and_no_other() {
        let facts = Facts { foreign: vec!["x".into()], with_foreign: true, ..good() };
        assert!(Gate::pass(&facts).is_ok());
        let one = || vec![SmolStr::new_static("x")];
        let facts = Facts { volumes: one(), used: one(), discards_volumes: true, ..good() };
        assert!(Gate::pass(&facts).is_ok());
    }

    #[test]
    fn only_what_the_archive_holds_of_this_tenant_can_be_removed() {
        let gate = Gate::pass(&good()).unwrap();
        let found = |tenant: &str, namespace: &str, marked| Found {
            kind: "Role".into(),
            path: "/p".into(),
            namespace: namespace.into(),
            name: "r".into(),
            seen: Version("u/7".into()),
            tenant: tenant.into(),
            marked,
        };
        let of = |found, archived: Option<&str>| Removal::of(&gate, found, archived.map(SmolStr::from)).err();
        assert_eq!(of(found("alice", "alice", true), Some("d")), None);
        assert_eq!(of(found("alice", "", true), Some("d")), None);
        assert_eq!(of(found("alice", "alice", true), None), Some(Unremovable::NotArchived));
        assert_eq!(of(found("alice", "alice", false), Some("d")), Some(Unremovable::Unmarked));
        assert_eq!(of(found("bob", "alice", true), Some("d")), Some(Unremovable::Others("bob".into())));
        assert_eq!(of(found("alice", "bob", true), Some("d")), Some(Unremovable::Others("alice".into())));
    }
}
