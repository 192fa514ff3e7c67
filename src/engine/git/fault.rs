//! What git says when it refuses, which it says in words alone: read in one place, and handed on as data. The words are
//! those of `LC_ALL=C`; what is not known here is `Other`, and the words are told as they are.

use kwo_planner::settings::ObjectId;

/// What failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Git's own check finds an object malformed.
    Malformed {
        /// The object.
        id: String,
        /// What the check calls it.
        what: String,
    },
    /// Git's own check refuses something, without saying which object.
    Refused,
    /// What is new is longer than a fetch may write.
    TooLong,
    /// Something unpacks to more than the memory that git has.
    OutOfMemory,
    /// Nobody answered in time.
    Slow,
    /// The ids of the commits there are of another kind than those here.
    OtherIds {
        /// Those there are SHA-256.
        sha256: bool,
    },
    /// The host has another key than the known one.
    HostChanged,
    /// The host is not known.
    HostUnknown,
    /// No authority that is trusted stands behind the server's certificate.
    Certificate,
    /// What was given opens nothing, or nothing was given.
    Denied,
    /// The branch is not there.
    NoBranch,
    /// `ssh` is not installed.
    NoSsh,
    /// The folder is another user's.
    Foreign,
    /// Something else.
    Other,
}

impl Fault {
    /// The fault in what was said. More than one thing may be: the first cause comes first here.
    pub(super) fn of(said: &str) -> Fault {
        if let Some((id, what)) = malformed(said) {
            return Fault::Malformed { id: id.to_owned(), what: what.to_owned() };
        }
        let known: [(&[&str], Fault); 12] = [
            (&["signal 25", "File too large"], Fault::TooLong),
            (&["ut of memory", "malloc failed", "mmap failed"], Fault::OutOfMemory),
            (&["timed out"], Fault::Slow),
            (&["mismatched algorithms"], Fault::OtherIds { sha256: said.contains("server sha256") }),
            (&["HOST IDENTIFICATION HAS CHANGED"], Fault::HostChanged),
            (&["certificate verification failed", "certificate problem"], Fault::Certificate),
            (&["Host key verification failed"], Fault::HostUnknown),
            (&["Permission denied", "Authentication failed", "could not read Username"], Fault::Denied),
            (&["couldn't find remote ref"], Fault::NoBranch),
            (&["fsck error"], Fault::Refused),
            (&["ssh: not found"], Fault::NoSsh),
            (&["dubious ownership"], Fault::Foreign),
        ];
        let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
        known.into_iter().find(|(words, _)| has(words)).map_or(Fault::Other, |(_, fault)| fault)
    }
}

/// The object that git's own check refuses, and what it calls the fault.
fn malformed(said: &str) -> Option<(&str, &str)> {
    let (id, rest) = said.split_once("object ")?.1.split_once(": ")?;
    let what = rest.split_once(':')?.0;
    let fits = id.parse::<ObjectId>().is_ok() && what.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then_some((id, what))
}

/// Does git say that somebody else writes the same reference just now? Who takes the lock first, and who finds that it
/// has moved meanwhile, read differently.
pub(super) fn is_in_between(said: &str) -> bool {
    ["cannot lock ref", "couldn't set", "Unable to create"].iter().any(|words| said.contains(words))
}

/// Does git warn that what it was to fetch from has no beginning? Then it fetches nothing, and fails at nothing.
pub(super) fn is_shallow(said: &str) -> bool {
    said.contains("shallow roots")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_read() {
        let id = "b1946ac92492d2347c6235b4d2611184b1946ac9";
        let missing = format!("error: object {id}: missingSpaceBeforeDate: invalid author/committer line");
        let malformed = Fault::Malformed { id: id.to_owned(), what: "missingSpaceBeforeDate".to_owned() };
        for (said, fault) in [
            (missing.as_str(), malformed),
            ("fatal: fsck error in packed object", Fault::Refused),
            ("error: index-pack died of signal 25", Fault::TooLong),
            ("fatal: Out of memory, malloc failed (tried to allocate 3 bytes)", Fault::OutOfMemory),
            ("ssh: connect to host x port 22: Connection timed out", Fault::Slow),
            ("fatal: mismatched algorithms: client sha1; server sha256", Fault::OtherIds { sha256: true }),
            ("fatal: mismatched algorithms: client sha256; server sha1", Fault::OtherIds { sha256: false }),
            // Both are said then, and that the key is another one matters more.
            (
                "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!; Host key verification failed.",
                Fault::HostChanged,
            ),
            ("Host key verification failed.", Fault::HostUnknown),
            (
                "fatal: unable to access 'https://x/': SSL certificate problem: self-signed",
                Fault::Certificate,
            ),
            ("git@x: Permission denied (publickey).", Fault::Denied),
            ("fatal: could not read Username for 'https://x': terminal prompts disabled", Fault::Denied),
            ("fatal: couldn't find remote ref refs/heads/nowhere", Fault::NoBranch),
            ("sh: 1: ssh: not found", Fault::NoSsh),
            ("fatal: detected dubious ownership in repository at '/srv/x'", Fault::Foreign),
            ("it said nothing", Fault::Other),
        ] {
            assert_eq!(Fault::of(said), fault, "{said}");
        }
    }

    #[test]
    fn only_an_object_of_git_is_malformed() {
        // It may be text of a stranger, and what to do about it is pasted into the settings.
        for said in ["error: object x; rm -rf ~: bad: bad", "error: object b1946ac9: two words: bad"] {
            assert_eq!(Fault::of(said), Fault::Other, "{said}");
        }
    }
}
