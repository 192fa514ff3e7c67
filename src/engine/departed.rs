//! Who left, as far as runs by themselves tell of it: which stages `kwo offboard` did, when and by whom, and until when
//! everything else is kept. It stands in short beside each record, and is read without the record.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody who left.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Departed {
    /// Who, as the command names it: a tenant, or `--person NAME`.
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
    /// The stages that were done after this moment.
    pub fn after(&self, moment: Option<Timestamp>) -> impl Iterator<Item = &DoneStage> {
        self.stages.iter().filter(move |stage| stage.done && moment.is_none_or(|moment| stage.at > moment))
    }
}

impl Offboarded {
    /// As a sentence without a full stop.
    #[must_use]
    pub fn told(&self) -> String {
        let Offboarded { who, stage, by } = self;
        let what = match stage.as_str() {
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
