//! What the runs of all nodes leave for each other in the cluster: the high-water mark, whether it was reached, and the
//! last entries of the history in short. A node that was wiped finds here what it may not fall behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::{Entry, Head};
use crate::providers::{Home, Refusal, VersionedText};

/// So many entries are kept in short.
const KEPT: usize = 20;

/// What is left in the cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// The commit that was applied last; empty where none was.
    pub commit: String,
    /// The tenants of its roster.
    pub tenants: BTreeSet<String>,
    /// The digest of the roster that everything agreed with when the last run ended; empty where it did not.
    pub agreed: String,
    /// The last entries of the histories, the newest last.
    pub history: Vec<Short>,
    /// Up to when the stages of each who left are in a history.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub departed: BTreeMap<String, Timestamp>,
}

/// An entry in short.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Short {
    /// The machine whose history it is.
    pub host: String,
    /// Its number there.
    pub number: u64,
    /// Its digest: the history of that machine is whole if it still leads here.
    pub digest: String,
    /// When the run began.
    pub began: String,
    /// The commit, in short.
    pub commit: String,
    /// How it ended, in words.
    pub told: String,
}

impl Checkpoint {
    /// What is left in this system, and the note that it stands in.
    ///
    /// # Errors
    /// When it cannot be read. An unreadable one is no empty one: the high-water mark would be lost.
    pub async fn load(provider: &dyn Home) -> Result<(Checkpoint, Option<VersionedText>), Refusal> {
        let Some(note) = provider.load_checkpoint().await? else { return Ok((Checkpoint::default(), None)) };
        if note.text.is_empty() {
            return Ok((Checkpoint::default(), Some(note)));
        }
        let unread = |why: &dyn Display| Refusal::Refused {
            why: format!(
                "what earlier runs left there (the ConfigMap kube-system/kwo-sync, or .kwo.sync of a directory) \
                 cannot be read: {why}; mend it, or delete it if you know which commit was applied last"
            ),
        };
        let checkpoint: Checkpoint = serde_json::from_str(&note.text).map_err(|error| unread(&error))?;
        // git takes other words than ids too, such as the name of what was fetched.
        if !checkpoint.commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unread(&"it names something that is not a commit"));
        }
        Ok((checkpoint, Some(note)))
    }

    /// Leaves it in the system in place of the note; gives the note as it is now.
    ///
    /// # Errors
    /// When it cannot be written, or another run was quicker.
    pub async fn save(
        &self,
        provider: &dyn Home,
        seen: Option<&VersionedText>,
    ) -> Result<Option<VersionedText>, Refusal> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Refusal::Refused {
            why: format!("cannot write what the next run has to know: {error}"),
        })?;
        if seen.is_some_and(|note| note.text == text) {
            return Ok(seen.cloned());
        }
        provider.save_checkpoint(&text, seen).await.map(Some)
    }

    /// Adds an entry in short.
    pub fn add(&mut self, entry: &Entry, head: &Head, told: String) {
        self.history.push(Short {
            host: entry.host.clone(),
            number: head.number,
            digest: head.digest.clone(),
            began: format!("{:.0}", entry.began),
            commit: entry
                .commit
                .as_ref()
                .map(|commit| commit.id.chars().take(12).collect())
                .unwrap_or_default(),
            told,
        });
        let many = self.history.len().saturating_sub(KEPT);
        self.history.drain(..many);
    }
}
