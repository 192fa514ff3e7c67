//! Findings and holds at the lines of the roster, as pipelines show them: workflow commands of GitHub Actions, and the
//! code quality report of GitLab.

use std::collections::BTreeSet;

use kwo_planner::domains::Refused;
use kwo_planner::plain::{acts, spelled};
use kwo_planner::plan::Plan;

use kwo_planner::roster::Finding;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::report::manual;

/// Something to be said about a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// Is the line wrong? Otherwise it only cannot be followed now.
    pub wrong: bool,
    /// The file, as it was named to kwo.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// What kind of thing it is, in a word or two.
    pub title: String,
    /// What it is.
    pub message: String,
    /// Where the manual says more.
    pub help: Option<String>,
}

/// What is wrong with a roster.
#[must_use]
pub fn findings(refused: &Refused) -> Vec<Note> {
    let Refused { sources, findings, more: _ } = refused;
    let note = |finding: &Finding| {
        let Finding { at, code, message, label, also: _, hint, conceals: _ } = finding;
        let expected = if label.is_empty() { String::new() } else { format!("; {label}") };
        let hint = hint.as_ref().map_or_else(String::new, |hint| format!("\n{hint}"));
        Note {
            wrong: true,
            file: sources.file(*at).map_or_else(String::new, |file| file.name.clone()),
            // What could not be read has no line.
            line: at.line.max(1),
            column: at.column.max(1),
            title: (*code).to_owned(),
            message: format!("{message}{expected}{hint}"),
            help: Some(manual::mistake(code)),
        }
    };
    findings.iter().map(note).collect()
}

/// What a plan holds, at the lines that ask for it.
#[must_use]
pub fn holds(plan: &Plan) -> Vec<Note> {
    let note = |held: &kwo_planner::change::Held| {
        let mut place = held.because.place.rsplitn(3, ':');
        let column = place.next()?.parse().ok()?;
        let line = place.next()?.parse().ok()?;
        Some(Note {
            wrong: false,
            file: place.next()?.to_owned(),
            line,
            column,
            title: "held".to_owned(),
            message: format!("{}: {}", held.id, held.hold),
            help: None,
        })
    };
    plan.held.iter().filter(|held| !held.is_left_out()).filter_map(note).collect()
}

/// A note as a workflow command.
#[must_use]
pub fn workflow_command(note: &Note) -> String {
    let Note { wrong, file, line, column, title, message, help } = note;
    // The older form of a command counts anywhere in a line.
    let plain = |text: &str| spelled(text, |char| acts(char) && char != '\n').replace("##[", "#\\#[");
    let data = |text: &str| plain(text).replace('%', "%25").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let command = if *wrong { "error" } else { "warning" };
    let (file, title) = (property(file), property(title));
    let help = help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
    format!(
        "::{command} file={file},line={line},col={column},title={title}::{}",
        data(&format!("{message}{help}"))
    )
}

/// The notes as a code quality report, in which no two have the same fingerprint.
#[must_use]
pub fn code_quality(notes: &[Note]) -> Value {
    let mut seen = BTreeSet::new();
    let entry = |note: &Note| {
        let Note { wrong, file, line, column: _, title, message, help: _ } = note;
        // Without the line: what has only moved is not new.
        let fingerprint = |again: usize| {
            let digest = Sha256::digest(format!("{file}\0{title}\0{message}\0{again}"));
            digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let fingerprint = (0..).map(fingerprint).find(|print| seen.insert(print.clone()));
        json!({
            "description": message,
            "check_name": format!("kwo/{title}"),
            "fingerprint": fingerprint,
            "severity": if *wrong { "blocker" } else { "major" },
            "location": {"path": file.strip_prefix("./").unwrap_or(file), "lines": {"begin": line}},
        })
    };
    Value::Array(notes.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(message: &str) -> Note {
        let (file, title) = ("a,b:c.yaml".to_owned(), "unknown-field".to_owned());
        Note { wrong: true, file, line: 3, column: 5, title, message: message.to_owned(), help: None }
    }

    #[test]
    fn a_workflow_command_stays_one() {
        let command = workflow_command(&note("100 %: a, b\n::set-output name=x::y\r"));
        assert_eq!(
            command,
            "::error file=a%2Cb%3Ac.yaml,line=3,col=5,title=unknown-field::100 %25: a, b%0A::set-output name=x::y\\u{d}"
        );
        assert!(workflow_command(&Note { wrong: false, ..note("") }).starts_with("::warning "));
    }

    #[test]
    fn the_same_finding_twice_has_two_fingerprints() {
        let report = code_quality(&[note("x"), note("x"), note("y")]);
        let prints: BTreeSet<&str> =
            report.as_array().unwrap().iter().map(|entry| entry["fingerprint"].as_str().unwrap()).collect();
        assert_eq!(prints.len(), 3);
    }
}
