//! What `kwo offboard` names as the next command, by what is on record and by what is there.

use jiff::Timestamp;
use kwo_engine::offboard::{Record, Stage};
use kwo_planner::offboard::{Leaving, Offboarding};

use super::Scene;
use crate::report::offboard::{Next, NextStep};

impl Scene<'_> {
    /// What comes next, by what was done, and by what is there where somebody looked.
    pub(super) async fn next(&self, offboarding: Option<&Offboarding>, record: Option<&Record>) -> Next {
        if self.is_host() {
            return self.next_of_host(offboarding, record);
        }
        let (again, wide) = (self.args.again(), self.args.again_with_foreign());
        let cut = record.filter(|record| record.is_cut() && !record.is_destroyed());
        let to_cut = match offboarding {
            Some(found) => (!found.cut.is_empty(), !found.foreign.is_empty()),
            None => (cut.is_none(), false),
        };
        // What is left over also bounds and isolates, and that ends with it.
        let ends = match self.leaving {
            Leaving::Leftovers { access: false } => {
                "takes out all that is listed, also what bounds or isolates"
            }
            _ => "ends the access",
        };
        let cutting = |command: &str, does| NextStep {
            command: format!("{command} --stage cut"),
            does,
            not_before: None,
        };
        match (to_cut, cut, record) {
            (_, _, Some(record)) if offboarding.is_none() && record.is_half() => {
                let stage = record.stages.last().map_or(Stage::Cut, |stamp| stamp.stage);
                let what = if stage == Stage::Undo {
                    "--undo".to_owned()
                } else {
                    format!("--stage {}", stage.word())
                };
                Next::one("", format!("{again} {what}"), "goes on")
            }
            (_, _, Some(record)) if offboarding.is_none() && record.is_destroyed() => match &record.archive {
                Some(kept) => Next::one(
                    "",
                    kept.import() + &self.args.cluster.kube.again(),
                    "makes what the archive holds again",
                ),
                None => Next::default(),
            },
            ((true, false), ..) => Next::one("", format!("{again} --stage cut"), ends),
            ((true, true), ..) => Next {
                lead: "",
                steps: vec![
                    cutting(&again, "ends the access that kwo gave"),
                    cutting(&wide, "also ends that of others"),
                ],
            },
            ((false, true), ..) => Next {
                lead: "Only what is not kwo's is left to cut:",
                steps: vec![cutting(&wide, "ends that access")],
            },
            ((false, false), None, _) => Next { lead: "There is nothing to cut.", steps: Vec::new() },
            ((false, false), Some(record), _) => match (&self.leaving, &record.archive, &self.open.kube) {
                (Leaving::Tenant(_), None, Some(_)) => Next::one(
                    "The access is cut.",
                    format!("{again} --stage archive --recipient age1… --out DIR"),
                    "keeps everything in a file",
                ),
                (Leaving::Tenant(_), Some(kept), Some(_)) => {
                    let key = if kept.receipt.is_encrypted() { " --identity FILE" } else { "" };
                    let until = self.until(record).await.filter(|until| *until > Timestamp::now());
                    Next {
                        lead: "The access is cut, and an archive is there.",
                        steps: vec![NextStep {
                            command: format!("{again} --stage destroy{key}"),
                            does: "deletes the namespaces",
                            not_before: until,
                        }],
                    }
                }
                _ => Next::one("The access is cut.", format!("{again} --certificate"), "prints the proof"),
            },
        }
    }

    /// What comes next for a host.
    fn next_of_host(&self, offboarding: Option<&Offboarding>, record: Option<&Record>) -> Next {
        let again = self.args.again();
        let step = |what: &str, does| Next {
            lead: "",
            steps: vec![NextStep { command: format!("{again} {what}"), does, not_before: None }],
        };
        match (offboarding, record) {
            (None, Some(record)) if record.is_half() => {
                let undo = record.stages.last().is_some_and(|stamp| stamp.stage == Stage::Undo);
                step(if undo { "--undo" } else { "--stage cut" }, "goes on")
            }
            (Some(found), _) if !found.cut.is_empty() => step("--stage cut", "takes the host out"),
            (_, Some(record)) if record.is_cut() => {
                Next::one("The host is cut.", format!("{again} --certificate"), "prints what was cut")
            }
            (None, _) => step("--stage cut", "takes the host out"),
            (Some(_), _) => Next { lead: "There is nothing to cut.", steps: Vec::new() },
        }
    }
}
