//! Who left, as far as runs by themselves tell of it: which stages `kwo offboard` did, when and by whom, and until when
//! everything else is kept. It stands in short beside each record, and is read without the record. Until when, the marks tell.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What the name of a record begins with, by whom it is about.
const TENANT: &str = "tenant-";
const PERSON: &str = "person-";
const HOST: &str = "host-";
/// The name of the record of leftovers that were cut.
pub const LEFTOVERS: &str = "leftovers";

/// Somebody who left.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Departed {
    /// Who or what, as the command names it: a tenant, `--person NAME`, `--host NAME` or `--leftovers`.
    pub who: String,
    /// The stages that were begun or done, in order.
    pub stages: Vec<DoneStage>,
    /// Until when everything that was not cut is kept at least; nothing where nothing waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub kept_until: Option<Timestamp>,
    /// An archive was read back.
    #[serde(default)]
    pub archived: bool,
    /// Why kwo cannot say what was done: what is beside the record is not as kwo wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// A stage of `kwo offboard`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DoneStage {
    /// Which: `cut`, `undo`, `archive` or `destroy`.
    pub stage: String,
    /// When it ended, or began where it has not ended.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who ran it, as the system knows them.
    pub by: String,
    /// The machine.
    pub host: String,
    /// It was done to its end.
    pub done: bool,
}

/// One stage that was done, as an entry of the history has it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Offboarded {
    /// Who left.
    pub who: String,
    /// Which stage was done.
    pub stage: String,
    /// Who ran it.
    pub by: String,
}

impl Departed {
    /// Can there be an archive? Only a tenant has namespaces.
    #[must_use]
    pub fn can_be_archived(who: &str) -> bool {
        !who.starts_with('-')
    }

    /// What the record of a tenant is called.
    #[must_use]
    pub fn of_tenant(name: &str) -> String {
        format!("{TENANT}{name}")
    }

    /// What the record of a person is called: no more than a digest, for names have characters that no object may have.
    #[must_use]
    pub fn of_person(name: &str) -> String {
        format!("{PERSON}{}", short(name))
    }

    /// What the record of a host is called: a digest as well, for names have dots and addresses have colons.
    #[must_use]
    pub fn of_host(name: &str) -> String {
        format!("{HOST}{}", short(name))
    }

    /// Can a record be called so? The name of a mark has a dot in it.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let begins = [TENANT, PERSON, HOST].iter().any(|begin| name.starts_with(begin));
        (begins || name == LEFTOVERS) && !name.contains('.')
    }

    /// Whose record is called so, where nothing else says it.
    #[must_use]
    pub fn by_name(name: &str, unreadable: String) -> Departed {
        let who = match name.strip_prefix(TENANT) {
            Some(tenant) => tenant.to_owned(),
            None if name == LEFTOVERS => "--leftovers".to_owned(),
            None if name.starts_with(HOST) => format!("--host ({name})"),
            None => format!("--person ({name})"),
        };
        Departed { who, stages: Vec::new(), kept_until: None, archived: false, unreadable: Some(unreadable) }
    }

    /// Is this what the record about it is called? Nobody can change a name, and others may be able to write what stands in it.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        match self.who.strip_prefix("--person ") {
            Some(word) => {
                let quoted = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                let person = quoted.map_or_else(|| word.to_owned(), |quoted| quoted.replace(r"'\''", "'"));
                Departed::of_person(&person) == name
            }
            None if self.who.starts_with("--leftovers") => name == LEFTOVERS,
            // No host has a character that a shell would have to have quoted.
            None if self.who.starts_with("--host ") => {
                self.who.strip_prefix("--host ").map(Departed::of_host).as_deref() == Some(name)
            }
            None => Departed::of_tenant(&self.who) == name,
        }
    }

    /// Is nobody gone any more? The cut was taken back, or the namespaces were destroyed and are there again because the
    /// roster wants them.
    #[must_use]
    pub fn is_back(&self, is_there: impl FnOnce(&str) -> bool) -> bool {
        if self.kept_until.is_some() || self.unreadable.is_some() {
            return false;
        }
        let mut last = self.stages.iter().rev().filter(|stage| stage.done && stage.stage != "archive");
        let begun = self.stages.last().is_some_and(|stage| !stage.done);
        match last.next().map(|stage| stage.stage.as_str()) {
            Some("undo") => !begun,
            Some("destroy") => !begun && is_there(&self.who),
            _ => false,
        }
    }

    /// The stages that were done after this moment.
    pub fn after(&self, moment: Option<Timestamp>) -> impl Iterator<Item = &DoneStage> {
        self.stages.iter().filter(move |stage| stage.done && moment.is_none_or(|moment| stage.at > moment))
    }
}

/// The beginning of the digest of a name, as hexadecimal digits.
fn short(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Offboarded {
    /// As a sentence without a full stop.
    #[must_use]
    pub fn told(&self) -> String {
        let Offboarded { who, stage, by } = self;
        let what = match stage.as_str() {
            "cut" if who.starts_with("--host ") => "the host was cut",
            "cut" => "the access was cut",
            "undo" => "the cut was taken back",
            "archive" => "everything was archived",
            "destroy" => "the namespaces were destroyed",
            other => other,
        };
        format!("offboard {who}: {what} by {by}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_back_has_not_left() {
        let departed = |stages: &[(&str, bool)]| Departed {
            who: "alice".into(),
            stages: stages
                .iter()
                .map(|(stage, done)| DoneStage {
                    stage: (*stage).into(),
                    at: Timestamp::UNIX_EPOCH,
                    by: "ann".into(),
                    host: "node".into(),
                    done: *done,
                })
                .collect(),
            kept_until: None,
            archived: true,
            unreadable: None,
        };
        let back = |stages: &[(&str, bool)], there| departed(stages).is_back(|_| there);
        assert!(back(&[("cut", true), ("undo", true)], false));
        assert!(back(&[("cut", true), ("undo", true), ("archive", true)], false));
        assert!(back(&[("cut", true), ("destroy", true)], true));
        for stages in [
            &[("cut", true)][..],
            &[("cut", true), ("undo", false)],
            &[("cut", true), ("undo", true), ("cut", false)],
            &[("cut", true), ("undo", true), ("cut", true)],
            &[("cut", true), ("destroy", false)],
        ] {
            assert!(!back(stages, true), "{stages:?}");
        }
        assert!(!back(&[("cut", true), ("destroy", true)], false));
        assert!(Departed::can_be_archived("alice") && !Departed::can_be_archived("--leftovers --access"));
    }

    #[test]
    fn a_record_is_about_whom_its_name_says() {
        let of = |who: &str| Departed {
            who: who.into(),
            stages: Vec::new(),
            kept_until: None,
            archived: false,
            unreadable: None,
        };
        for (who, name) in [
            ("alice", "tenant-alice".to_owned()),
            ("--leftovers --access", LEFTOVERS.to_owned()),
            ("--host old.example.com", Departed::of_host("old.example.com")),
            ("--host 2001:db8::1", Departed::of_host("2001:db8::1")),
            ("--person bob@example.com", Departed::of_person("bob@example.com")),
            (r"--person 'o'\''neil & co'", Departed::of_person("o'neil & co")),
        ] {
            assert!(of(who).is_named(&name) && Departed::is_name(&name), "{who}");
            assert!(!of(who).is_named("tenant-bob") && !of("bob").is_named(&name), "{who}");
        }
        assert!(!Departed::is_name("tenant-alice.cut-60-1-x") && !Departed::is_name("notes"));
    }

    #[test]
    fn only_what_was_done_since_is_told() {
        let stage = |stage: &str, at: &str, done| DoneStage {
            stage: stage.into(),
            at: at.parse().unwrap(),
            by: "ann".into(),
            host: "node".into(),
            done,
        };
        let departed = Departed {
            who: "alice".into(),
            stages: vec![
                stage("cut", "2026-01-01T00:00:00Z", true),
                stage("archive", "2026-01-02T00:00:00Z", true),
                stage("destroy", "2026-02-02T00:00:00Z", false),
            ],
            kept_until: None,
            archived: true,
            unreadable: None,
        };
        let told = |moment: Option<&str>| -> Vec<&str> {
            let moment = moment.map(|moment| moment.parse().unwrap());
            departed.after(moment).map(|stage| stage.stage.as_str()).collect()
        };
        assert_eq!(told(None), ["cut", "archive"]);
        assert_eq!(told(Some("2026-01-01T00:00:00Z")), ["archive"]);
        assert!(told(Some("2026-01-02T00:00:00Z")).is_empty());
    }
}
