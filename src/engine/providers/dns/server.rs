//! The contract between kwo and a server that holds a zone: read it, and write record sets in one transaction. How record
//! sets are compared and whose they are is the same for all of them; `zone` does that.

use std::path::Path;
use std::time::Duration;

use kwo_planner::endings::word;
use kwo_planner::roster::SecretRef;
use kwo_planner::systems::dns::{KEY, KUBECTL, ZONE_KEY};
use kwo_planner::tree::{SmolStr, Tree};
use secrecy::SecretSlice;

use super::records::{Comment, RecordSet};
use crate::providers::Promise;
use crate::providers::patience::Patience;
use crate::secrets::Credentials;

/// A server that holds a zone.
pub(super) trait Server: Send + Sync {
    /// Which zone on which server it is: what no other has.
    fn identity(&self) -> SmolStr;

    /// The version of the server, where it tells it.
    fn version(&self) -> Promise<'_, Option<String>> {
        Box::pin(async { None })
    }

    /// All record sets of the zone, or at least those at one name. A set of which only kwo's mark is left has no records.
    ///
    /// # Errors
    /// When not all of them could be seen, or when the zone cannot be written to; as a sentence without a full stop.
    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>>;

    /// What was last seen of all that a write of this set depends on, where the write fails once that is no longer so.
    /// Nothing where kwo has to look right before a write and right after it, because the server compares nothing.
    fn recall(&self, _of: &str, _at: &str) -> Option<Vec<RecordSet>> {
        None
    }

    /// Does a write fail where what the server recalls is no longer so?
    fn remembers(&self) -> bool {
        false
    }

    /// Does a write of no records end a set?
    ///
    /// # Errors
    /// When it does not, with the reason as a sentence without a full stop: then a person ends it.
    fn ends(&self) -> Result<(), String> {
        Ok(())
    }

    /// Does a set end only with its mark, because the world is told later what was written? Then a mark of kwo's whose records
    /// are gone is still told, and a cut goes on there.
    fn ends_with_mark(&self) -> bool {
        false
    }

    /// How many records one transaction takes, marks among them. Where there are none, each set is written by itself.
    fn at_once(&self) -> usize {
        1
    }

    /// Does this write need a transaction that has only such ones?
    fn goes_apart(&self, _: &Patch) -> bool {
        false
    }

    /// Writes these sets in one transaction, once. They stand at different names.
    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote>;

    /// How long a run waits for this server, all its zones together.
    fn patience(&self) -> &Patience;

    /// The command that ends this set with kwo's mark; nothing where there is none that is safe to paste. [`KUBECTL`] in
    /// it stands for what `kubectl` has to be told.
    fn ending(&self, set: &RecordSet) -> Option<SmolStr>;

    /// The same where these sets at the name are nobody's wish either: a server that keeps the marks of a name in one place
    /// ends them together. Otherwise one command would bring back the mark that the other one ended.
    fn ending_with(&self, set: &RecordSet, _also: &[&RecordSet]) -> Option<SmolStr> {
        self.ending(set)
    }

    /// Those records of a set with kwo's mark that are somebody else's, as they are told: the command leaves them there.
    fn stays(&self, _set: &RecordSet) -> Vec<SmolStr> {
        Vec::new()
    }

    /// Where kwo's mark on a set stands, for people.
    fn place_of_mark(&self, of: &str, at: &str) -> String;

    /// Why kwo's mark has no room beside a set at this name, where that is so.
    fn has_no_room(&self, _at: &str) -> Option<String> {
        None
    }

    /// What others noted beside a set, once it has these records: where a note is on a record that goes, the server may keep it
    /// elsewhere.
    fn carried(&self, comments: Vec<Comment>, _records: &[SmolStr]) -> Vec<Comment> {
        comments
    }

    /// Why the server cannot make what is wanted of the set that is there, or not without a change for the other sets at the
    /// name that are not kwo's; nothing where it can.
    fn objects(&self, _: &Wanted<'_>, _there: Option<&RecordSet>, _others: &[&RecordSet]) -> Option<String> {
        None
    }
}

/// A record set as the roster wants it.
pub(super) struct Wanted<'w> {
    pub(super) of: &'w str,
    pub(super) name: &'w str,
    pub(super) tenant: SmolStr,
    pub(super) ttl: Option<u32>,
    pub(super) records: Vec<SmolStr>,
}

/// What a write makes of one record set.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    /// What the write was decided by; nothing where nothing is there.
    pub(super) before: Option<RecordSet>,
    /// What is there afterwards, with all its comments.
    pub(super) after: RecordSet,
    /// Or only the comments are written.
    pub(super) writes_records: bool,
}

/// What became of a write.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Wrote {
    Done,
    Refused(String),
    /// Refused, and so is all else that is written with this key, or to this zone.
    Closed(String),
    /// The key may not write something of this; it may be allowed to write something else.
    Denied(String),
    /// The zone has no room for a new set.
    Full(String),
    /// Not done: what it was decided by is another one by now.
    Changed(String),
    /// Not done, and the server asks to come again.
    Busy(String, Option<Duration>),
    /// Not done: it never arrived.
    NotSent(String),
    /// Nobody knows.
    Unsure(String),
}

/// The way to a zone, as the roster has it.
pub(super) struct ZoneWay<'w> {
    pub(super) credentials: &'w Credentials,
    /// The address of the Vault that the roster names.
    pub(super) vault: Option<&'w str>,
    /// How long an answer may take.
    pub(super) timeout: Duration,
}

impl ZoneWay<'_> {
    /// The name of the zone.
    pub(super) fn zone(&self) -> &SmolStr {
        &self.credentials.connection.part
    }

    /// What the roster says of it.
    pub(super) fn text(&self, key: &str) -> Option<SmolStr> {
        self.credentials.connection.settings.get(key).and_then(Tree::as_text).cloned()
    }

    /// The key.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn key(&self) -> Result<&SecretSlice<u8>, String> {
        self.secret(KEY)
    }

    /// The key that finds the zone: one of its own, or the one for all.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn key_for_zone(&self) -> Result<&SecretSlice<u8>, String> {
        let own = self.credentials.connection.secrets.contains_key(ZONE_KEY);
        self.secret(if own { ZONE_KEY } else { KEY })
    }

    /// One of its secrets by its name.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn secret(&self, name: &str) -> Result<&SecretSlice<u8>, String> {
        self.credentials
            .secret(name)
            .map_err(|why| format!("kwo cannot look at the zone {}: {why}", self.zone()))
    }

    /// What has the key in a command of bash, or this variable where no command gets it.
    pub(super) fn key_in_bash(&self, variable: &str) -> String {
        self.in_bash(KEY, variable)
    }

    /// The same of one of its secrets.
    pub(super) fn in_bash(&self, secret: &str, variable: &str) -> String {
        let credentials = |name: &str| word(&Path::new("/etc/credstore").join(name).to_string_lossy());
        match self.credentials.connection.secrets.get(secret) {
            Some(SecretRef::Env(name)) => format!("\"${name}\""),
            Some(SecretRef::File(path)) => format!("\"$(cat {})\"", word(path)),
            Some(SecretRef::Credential(name)) => format!("\"$(cat {})\"", credentials(name.as_str())),
            Some(SecretRef::Age(path)) => format!("\"$(age -d -i /etc/kwo/age.key {})\"", word(path)),
            Some(SecretRef::Kube { namespace, name, key }) => format!(
                "\"$(kubectl{KUBECTL} get secret {} --namespace={} -o go-template={})\"",
                word(name),
                word(namespace),
                word(&format!("{{{{index .data \"{key}\" | base64decode}}}}"))
            ),
            Some(SecretRef::Vault { path, key }) => match self.vault {
                Some(address) => {
                    let (address, key, path) = (word(address), word(key), word(path));
                    format!("\"$(BAO_ADDR={address} bao kv get -field={key} {path})\"")
                }
                None => format!("\"${variable}\""),
            },
            Some(SecretRef::Generate(_)) | None => format!("\"${variable}\""),
        }
    }
}

/// Opens the zones of one provider. What several zones on a server share, it keeps.
pub(super) trait Opener {
    /// The server of a zone. Nothing is sent.
    ///
    /// # Errors
    /// When the way to it cannot be used.
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String>;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kwo_planner::systems::{Connection, System};

    use super::*;

    #[test]
    fn a_key_in_vault_is_read_at_the_address_of_the_roster() {
        let key = SecretRef::Vault { path: "secret/dns zone".into(), key: "tsig".into() };
        let connection = Connection {
            system: System::Dns,
            part: "example.com".into(),
            settings: Tree::Null,
            secrets: BTreeMap::from([("key".into(), key)]),
        };
        let credentials = Credentials { connection, secrets: BTreeMap::new() };
        for (vault, told) in [
            (
                Some("https://vault.example.com:8200"),
                "\"$(BAO_ADDR=https://vault.example.com:8200 bao kv get -field=tsig 'secret/dns zone')\"",
            ),
            (None, "\"$KEY\""),
        ] {
            let way = ZoneWay { credentials: &credentials, vault, timeout: Duration::ZERO };
            assert_eq!(way.key_in_bash("KEY"), told);
        }
    }
}
