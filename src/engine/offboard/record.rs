//! What is kept of one who left: which stages were done, when and by whom, and every cut with its inverse. It is written
//! before the first cut, so a run that is killed leaves nothing that cannot be brought back.

use std::path::PathBuf;

use jiff::Timestamp;
use kwo_planner::endings::word;
use kwo_planner::node::NodeKind;
use kwo_planner::offboard::{self, Cut, Leaving, Logins};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::SmolStr;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::doors::Door;
use super::packed;
use super::reviews::{Answer, Asked};
use crate::archive::Receipt;
use crate::departed::{Departed, DoneStage, LEFTOVERS};
use crate::marks::{Marks, Milestone};
use crate::providers::{Records, Refusal, VersionedText};

/// The version of the form of a record.
const FORMAT_VERSION: &str = "1.0";

/// What is kept of one who left.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this form. Minor versions only add.
    pub format_version: String,
    /// Who left.
    pub leaving: Leaving,
    /// Which cluster or directory it is.
    pub target: SmolStr,
    /// The stages that were done, in order.
    pub stages: Vec<Stamp>,
    /// The cuts, in the order in which they were made.
    pub cuts: Vec<Entry>,
    /// What the people kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<offboard::Kept>,
    /// What kwo could not look at in systems about which no access review says anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<SmolStr>,
    /// Who was asked about after the cut, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The access reviews that were answered with yes. An older record has those with no, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// What the registry answered to those whose login was cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doors: Vec<Door>,
    /// The archive that was read back, and where it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Kept>,
    /// How long it is retained after the cut, in seconds.
    pub retain_seconds: u64,
}

/// A stage that was begun or done.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// Which.
    pub stage: Stage,
    /// When it ended, or began where it has not ended.
    pub at: Timestamp,
    /// Who ran it, as the system knows them.
    pub by: SmolStr,
    /// The machine.
    pub host: String,
    /// It was done to its end.
    pub done: bool,
}

/// The stages.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Access ends.
    Cut,
    /// The cut was taken back.
    Undo,
    /// All that its namespaces hold was written to a file, which was read back.
    Archive,
    /// Its namespaces were deleted.
    Destroy,
}

impl Stage {
    /// As a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Stage::Cut => "cut",
            Stage::Undo => "undo",
            Stage::Archive => "archive",
            Stage::Destroy => "destroy",
        }
    }
}

/// An archive that was read back.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Where it was written.
    pub file: PathBuf,
    /// What it was when it was read back.
    pub receipt: Receipt,
}

impl Kept {
    /// The command that makes what the archive holds again.
    #[must_use]
    pub fn import(&self) -> String {
        let key = if self.receipt.is_encrypted() { " --identity FILE" } else { "" };
        format!("kwo archive import {}{key}", word(&self.file.to_string_lossy()))
    }
}

/// One cut, and whether it was made.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The cut.
    pub cut: Cut,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
}

/// Why a record cannot be had or kept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// The system said no.
    #[error("the record of who left: {0}")]
    Refused(Refusal),
    /// It cannot be read.
    #[error("the record of who left cannot be read: {0}")]
    Unreadable(String),
    /// It is of a newer kwo.
    #[error("the record of who left has the form {0}, which this kwo does not know")]
    Newer(String),
    /// It is of another cluster.
    #[error("the record of who left is of another cluster or directory")]
    OfAnother,
    /// Somebody else wrote it.
    #[error("the record of who left is not as kwo wrote it: {0}")]
    Altered(String),
}

impl Record {
    /// The record of somebody of whom there is none yet.
    #[must_use]
    pub fn new(leaving: Leaving, target: SmolStr, retain_seconds: u64) -> Record {
        Record {
            format_version: FORMAT_VERSION.to_owned(),
            leaving,
            target,
            stages: Vec::new(),
            cuts: Vec::new(),
            kept: Vec::new(),
            unproven: Vec::new(),
            asked: None,
            answers: Vec::new(),
            doors: Vec::new(),
            archive: None,
            retain_seconds,
        }
    }

    /// The record, where there is one, and its text as it is stored.
    ///
    /// # Errors
    /// When it cannot be read: an unreadable one is not none, for the inverses would be lost.
    pub async fn load(
        records: &dyn Records,
        leaving: &Leaving,
        target: &str,
    ) -> Result<(Option<Record>, Option<VersionedText>), RecordError> {
        let stored = records.record(&name(leaving)).await.map_err(RecordError::Refused)?;
        let Some(stored) = stored else { return Ok((None, None)) };
        let unreadable = |error: serde_json::Error| RecordError::Unreadable(error.to_string());
        let text = packed::unpacked(&stored.text).map_err(RecordError::Unreadable)?;
        let text: serde_json::Value = serde_json::from_str(&text).map_err(unreadable)?;
        let version = text.get("format_version").and_then(|version| version.as_str()).unwrap_or_default();
        if version.split('.').next() != FORMAT_VERSION.split('.').next() {
            return Err(RecordError::Newer(version.to_owned()));
        }
        let mut record: Record = serde_json::from_value(text).map_err(unreadable)?;
        if record.asked.is_none() && !record.answers.is_empty() {
            let all = std::mem::take(&mut record.answers);
            record.proved(all);
        }
        if record.target != target {
            return Err(RecordError::OfAnother);
        }
        if !record.leaving.is_same(leaving) {
            return Err(RecordError::Altered(format!("it is about {}", record.leaving.words())));
        }
        record.cuts.iter().try_for_each(|entry| entry.cut.check(leaving)).map_err(RecordError::Altered)?;
        Ok((Some(record), Some(stored)))
    }

    /// Leaves it in the system.
    ///
    /// # Errors
    /// When it cannot be written, or another run was quicker.
    pub async fn save(
        &self,
        records: &dyn Records,
        seen: Option<&VersionedText>,
    ) -> Result<VersionedText, RecordError> {
        let text = serde_json::to_string(self).map_err(|error| RecordError::Unreadable(error.to_string()))?;
        let text = packed::packed(text, FORMAT_VERSION).map_err(RecordError::Unreadable)?;
        let brief = self.in_short();
        records.keep(&name(&self.leaving), (&text, &brief), seen).await.map_err(RecordError::Refused)
    }

    /// Puts what was answered on record: every yes, and of the rest how many there are and about whom.
    pub fn proved(&mut self, answers: Vec<Answer>) {
        self.asked = Some(Asked::of(&answers));
        self.answers = answers.into_iter().filter(|answer| answer.allowed).collect();
    }

    /// Whose login at the registry was cut.
    #[must_use]
    pub fn logins(&self) -> Option<&Logins> {
        self.cuts.iter().find_map(|entry| entry.cut.logins())
    }

    /// The files of the node that lost a part, and stay.
    #[must_use]
    pub fn files(&self) -> Vec<ResourceId> {
        let made = self.cuts.iter().filter(|entry| entry.made.is_some()).map(|entry| entry.cut.id());
        let mut files: Vec<ResourceId> =
            made.filter(|id| id.node_kind() == Some(NodeKind::File)).cloned().collect();
        files.dedup();
        files
    }

    /// Leaves a mark that this begins now, which the system itself dates. Each cut leaves another one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn mark(&self, records: &dyn Records, what: Milestone) -> Result<(), RecordError> {
        let marked = records.mark(&name(&self.leaving), what, self.retain_seconds).await;
        marked.map_err(RecordError::Refused)
    }

    /// All marks of this kind; none where the system dates nothing.
    ///
    /// # Errors
    /// When nobody can tell.
    pub async fn marks(&self, records: &dyn Records) -> Result<Marks, RecordError> {
        records.marks(&name(&self.leaving)).await.map_err(RecordError::Refused)
    }

    /// What runs by themselves tell of it.
    #[must_use]
    pub fn in_short(&self) -> Departed {
        let stages = self.stages.iter().map(|stamp| DoneStage {
            stage: stamp.stage.word().to_owned(),
            at: stamp.at,
            by: stamp.by.to_string(),
            host: stamp.host.clone(),
            done: stamp.done,
        });
        Departed {
            who: self.leaving.words(),
            stages: stages.collect(),
            kept_until: self.retained_until(),
            archived: self.archive.is_some(),
            unreadable: None,
        }
    }

    /// SHA-256 of the record, as hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        // A record of plain values has a JSON form.
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// When the access was cut, if it is and nobody took that back.
    #[must_use]
    pub fn cut_at(&self) -> Option<Timestamp> {
        let mut stamps =
            self.stages.iter().rev().filter(|stamp| matches!(stamp.stage, Stage::Cut | Stage::Undo));
        stamps.next().filter(|stamp| stamp.stage == Stage::Cut && stamp.done).map(|stamp| stamp.at)
    }

    /// Is the access cut?
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut_at().is_some()
    }

    /// Were its namespaces deleted, or some of them? Who came back and was cut once more is not.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        let stages = self.stages.iter().rev().map(|stamp| stamp.stage);
        let mut ends = stages.filter(|stage| *stage != Stage::Archive);
        ends.next() == Some(Stage::Destroy)
    }

    /// Was a cut begun and not ended?
    #[must_use]
    pub fn is_half(&self) -> bool {
        self.stages.last().is_some_and(|stamp| !stamp.done)
    }

    /// When the retention ends by what stands here. Where the system dates marks, they tell.
    #[must_use]
    pub fn retained_until(&self) -> Option<Timestamp> {
        let cut = self.cut_at().filter(|_| !self.is_destroyed())?;
        let seconds = i64::try_from(self.retain_seconds).unwrap_or(i64::MAX);
        Some(cut.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX))
    }
}

/// What the record is called.
fn name(leaving: &Leaving) -> String {
    match leaving {
        Leaving::Tenant(name) => Departed::of_tenant(name),
        Leaving::Person { name, everywhere: _ } => Departed::of_person(name),
        Leaving::Leftovers { .. } => LEFTOVERS.to_owned(),
        Leaving::Host(name) => Departed::of_host(name),
    }
}
