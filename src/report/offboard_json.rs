//! What leaves, and what is on record of it, as programs read it. A record itself holds all that brings back what was cut; here
//! stands what was cut, when and why.

use jiff::Timestamp;
use kwo_engine::departed::DoneStage;
use kwo_engine::offboard::{Answer, Asked, Door, Record};
use kwo_planner::offboard::{Kept, Leaving, Pick};
use kwo_planner::tree::SmolStr;
use schemars::JsonSchema;
use serde::Serialize;

use super::offboard::{Certificate, Plan, Shown};

/// The version of these forms. Minor versions only add.
const FORMAT_VERSION: &str = "1.0";

/// A command that comes next.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct NextStep {
    /// The command.
    pub command: String,
    /// What it does, as the half of a sentence.
    pub does: &'static str,
    /// It does not do it earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub not_before: Option<Timestamp>,
}

/// What each stage of `kwo offboard` would end, and what stays.
#[derive(Serialize, JsonSchema)]
pub struct PlanOut<'p> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// Who or what leaves.
    leaving: &'p Leaving,
    /// What the stage `cut` ends, in order.
    cut: Vec<PickOut<'p>>,
    /// What only the stage `destroy` ends, namespaces last.
    destroy: Vec<PickOut<'p>>,
    /// What a person has to end, each by its command.
    by_hand: Vec<PickOut<'p>>,
    /// What is not kwo's, and is cut only if that is asked for.
    foreign: Vec<PickOut<'p>>,
    /// The rights that stay after the cut, and why.
    kept: &'p [Kept],
    /// The namespaces that leave as a whole.
    namespaces: &'p [SmolStr],
    /// The users and groups that lose a right, as the roster writes them.
    people: &'p [SmolStr],
    /// How large the volumes in the namespaces are together, in bytes.
    storage_bytes: u64,
    /// The lines of the roster that would bring it back.
    roster_lines: &'p [SmolStr],
    /// What kwo could not look at, so that something may be left there.
    unseen: &'p [SmolStr],
    /// The sentence that has to be typed, or given with `--confirm`.
    confirm: &'p str,
    /// The commands that come next.
    next: &'p [NextStep],
}

/// Something that ends.
#[derive(Serialize, JsonSchema)]
struct PickOut<'p> {
    /// The object.
    id: String,
    /// The right that it gives, or what it does.
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'p str,
    /// The command by which a person ends it.
    command: &'p str,
}

/// What is on record of one who left: the stages, the cuts, the proof, the archive.
#[derive(Serialize, JsonSchema)]
pub struct RecordOut<'r> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// Who or what left.
    leaving: &'r Leaving,
    /// Which cluster or directory it is.
    target: &'r str,
    /// The stages that were begun or done, in order.
    stages: Vec<DoneStage>,
    /// The cuts that can be taken back, in the order in which they were made.
    cuts: Vec<CutOut<'r>>,
    /// The rights that stayed after the cut, and why.
    kept: &'r [Kept],
    /// What kwo could not look at outside the cluster, so that access may be left there.
    unproven: &'r [SmolStr],
    /// Who was asked about after the cut, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<&'r Asked>,
    /// The access reviews that were answered with yes.
    answers: &'r [Answer],
    /// What the registry answered to those whose login was cut.
    doors: &'r [Door],
    /// The archive that was read back.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<ArchiveOut<'r>>,
    /// Until when everything that was not cut is kept at least, counted from when the API server dated the cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    kept_until: Option<Timestamp>,
    /// The commands that come next.
    next: &'r [NextStep],
}

/// A cut.
#[derive(Serialize, JsonSchema)]
struct CutOut<'r> {
    /// The object that ended, or of which a part did.
    id: String,
    /// The right that it gave.
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'r str,
    /// The users and groups that lost it, as the roster writes them.
    people: Vec<SmolStr>,
    /// A part of the object ended, and the rest stays.
    in_part: bool,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    made: Option<Timestamp>,
}

/// An archive.
#[derive(Serialize, JsonSchema)]
struct ArchiveOut<'r> {
    /// Where it was written.
    file: String,
    /// SHA-256 of the file.
    sha256: &'r str,
    /// It can be opened only with a key.
    encrypted: bool,
}

/// The proof that access ended: the record, and its digest.
#[derive(Serialize, JsonSchema)]
pub struct CertificateOut<'r> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// What is on record.
    record: RecordOut<'r>,
    /// SHA-256 of the record as it is kept.
    digest: String,
}

impl<'p> PlanOut<'p> {
    pub(super) fn of(plan: &'p Plan<'_>) -> PlanOut<'p> {
        let Plan { leaving, offboarding, phrase, next } = plan;
        PlanOut {
            format_version: FORMAT_VERSION,
            leaving,
            cut: picks(&offboarding.cut),
            destroy: picks(&offboarding.destroy),
            by_hand: picks(&offboarding.by_hand),
            foreign: picks(&offboarding.foreign),
            kept: &offboarding.kept,
            namespaces: &offboarding.namespaces,
            people: &offboarding.people,
            storage_bytes: offboarding.storage,
            roster_lines: &offboarding.lines,
            unseen: &offboarding.unseen,
            confirm: phrase,
            next: &next.steps,
        }
    }
}

fn picks(picks: &[Pick]) -> Vec<PickOut<'_>> {
    fn out(pick: &Pick) -> PickOut<'_> {
        let Pick { id, part: _, why, command } = pick;
        PickOut { id: id.to_string(), why, command }
    }
    picks.iter().map(out).collect()
}

impl<'r> RecordOut<'r> {
    pub(super) fn of(shown: &'r Shown<'_>) -> RecordOut<'r> {
        let Shown { record, until, next } = shown;
        let Record {
            format_version: _,
            leaving,
            target,
            stages: _,
            cuts,
            kept,
            unproven,
            asked,
            answers,
            doors,
            archive,
            retain_seconds: _,
        } = record;
        let cuts = cuts.iter().map(|entry| CutOut {
            id: entry.cut.id().to_string(),
            why: entry.cut.why(),
            people: entry.cut.people(),
            in_part: !entry.cut.parts().is_empty(),
            made: entry.made,
        });
        RecordOut {
            format_version: FORMAT_VERSION,
            leaving,
            target,
            stages: record.in_short().stages,
            cuts: cuts.collect(),
            kept,
            unproven,
            asked: asked.as_ref(),
            answers,
            doors,
            archive: archive.as_ref().map(|kept| ArchiveOut {
                file: kept.file.display().to_string(),
                sha256: kept.receipt.sha256(),
                encrypted: kept.receipt.is_encrypted(),
            }),
            kept_until: *until,
            next: &next.steps,
        }
    }
}

impl<'r> CertificateOut<'r> {
    pub(super) fn of(certificate: &'r Certificate<'_>) -> CertificateOut<'r> {
        let Certificate { shown, asks: _ } = certificate;
        CertificateOut {
            format_version: FORMAT_VERSION,
            record: RecordOut::of(shown),
            digest: shown.record.digest(),
        }
    }
}
