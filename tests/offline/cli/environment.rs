//! Options that come from the environment: a variable has one meaning, a switch is on or off, and an error names the
//! variable.

use std::collections::BTreeMap;

use crate::cli::{transcript, transcript_with};

/// What tells two options apart, whatever the commands are that have them.
#[derive(Debug, Eq, PartialEq)]
struct Meaning {
    long: Option<String>,
    values: Vec<String>,
    takes: Vec<String>,
    says: Option<String>,
}

fn variables(command: &clap::Command, path: &str, seen: &mut BTreeMap<String, Vec<(String, Meaning)>>) {
    for argument in command.get_arguments() {
        let Some(variable) = argument.get_env() else { continue };
        let values: Vec<String> =
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let takes = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
        // Where the values are listed they are the meaning; otherwise it is the first sentence of the help.
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let first =
            help.split_inclusive(". ").next().unwrap_or_default().trim_end_matches(['.', ' ']).to_owned();
        let says = values.is_empty().then_some(first);
        let mut meaning = Meaning { long: argument.get_long().map(str::to_owned), values, takes, says };
        // The one thing that most commands take as an argument, and others as an option.
        if variable == "KWO_ROSTER" {
            (meaning.long, meaning.takes) = (None, Vec::new());
        }
        seen.entry(variable.to_string_lossy().into_owned()).or_default().push((path.to_owned(), meaning));
    }
    for below in command.get_subcommands() {
        variables(below, &format!("{path} {}", below.get_name()), seen);
    }
}

#[test]
fn a_variable_belongs_to_one_option_of_one_meaning() {
    let mut seen = BTreeMap::new();
    variables(&kwo::cli::Cli::definition(), "kwo", &mut seen);
    assert!(seen.len() > 30, "the definitions were not found: {seen:?}");
    for (variable, options) in seen {
        let (first, meaning) = &options[0];
        for (other, another) in &options[1..] {
            assert_eq!(meaning, another, "{variable} means something else in `{other}` than in `{first}`");
        }
    }
}

#[test]
fn a_switch_is_on_or_off_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    transcript(folder.path(), &["init"]);
    let apply =
        |value| transcript_with(folder.path(), &["apply", "--target", "dir:sandbox"], &[("KWO_YES", value)]);
    for wrong in ["nein", "off", "n", "y", "on", "2", "-1", "oui", "falsch", " "] {
        let text = apply(wrong);
        assert!(text.ends_with("---- exit 64 ----\n"), "{wrong}: {text}");
        assert!(text.contains("environment variable KWO_YES"), "{wrong}: {text}");
        assert!(!folder.path().join("sandbox").exists(), "{wrong} applied");
    }
    for no in ["", "0", "no", "false", "FALSE", "No"] {
        let text = apply(no);
        assert!(text.contains("--yes") && text.ends_with("---- exit 64 ----\n"), "{no}: {text}");
        assert!(!text.contains("KWO_YES"), "{no}: {text}");
    }
    for yes in ["1", "yes", "true", "TRUE", "Yes"] {
        assert!(apply(yes).ends_with("---- exit 0 ----\n"), "{yes}");
    }
}

#[test]
fn an_error_names_the_variable_that_a_value_comes_from_and_not_one_that_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    let plan =
        |args: &[&str], variable| transcript_with(folder.path(), &[&["plan"], args].concat(), &[variable]);
    for (variable, value) in [("KWO_TIMEOUT", "soon"), ("KWO_CONCURRENCY", "0"), ("KWO_PLAN_OUTPUT", "xml")] {
        let text = plan(&[], (variable, value));
        assert!(text.contains(variable) && text.ends_with("---- exit 64 ----\n"), "{text}");
    }
    let typed = plan(&["--timeout", "soon"], ("KWO_TIMEOUT", "30s"));
    assert!(!typed.contains("KWO_TIMEOUT") && typed.ends_with("---- exit 64 ----\n"), "{typed}");
}
