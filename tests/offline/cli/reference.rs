//! The reference in the manual, held equal to what the program itself says: its commands and their options, the
//! variables of the environment, the exit codes, the fields of rosters and settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clap::{Arg, Command};
use kwo_engine::notify::Reason;
use kwo_planner::domains::{compile, parse};
use kwo_planner::kinds::Kind;
use kwo_planner::roster::{SourceFile, Sources};
use serde_json::{Map, Value};
use testkit::manual::{cell, holds};

use crate::cli::pages::read;

/// From so many commands on, an option is told once for all of them.
const MANY: usize = 4;

/// All commands that do something, by all their words.
fn leaves<'a>(command: &'a Command, path: &str, found: &mut Vec<(String, &'a Command)>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let path = format!("{path} {}", below.get_name());
        match below.get_subcommands().next() {
            Some(_) => {
                // One that does something by itself as well is in both places.
                if !below.is_subcommand_required_set() && !below.is_arg_required_else_help_set() {
                    found.push((path.clone(), below));
                }
                leaves(below, &path, found);
            }
            None => found.push((path, below)),
        }
    }
}

/// How an option or an argument is typed.
fn typed(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<String> = values.iter().map(|name| format!("<{name}>")).collect();
    let takes = argument.get_action().takes_values();
    let optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
    let values = if takes { values.join(" ") } else { String::new() };
    let Some(long) = argument.get_long() else {
        return format!("`{}`", values.replace(['<', '>'], "").replace('|', "\\|"));
    };
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let values = match (values.as_str(), optional) {
        ("", _) => String::new(),
        (values, true) => format!("[={values}]"),
        (values, false) => format!(" {values}"),
    };
    format!("`{short}--{long}{}`", values.replace('|', "\\|"))
}

/// What an option is for, with its values, its default and its variable.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string);
    let mut said = cell(&help.unwrap_or_default());
    let values = argument.get_possible_values();
    let values: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !said.ends_with(['.', '?', '!']) {
        said.push('.');
    }
    if !values.is_empty() && argument.get_action().takes_values() {
        write!(said, " One of {}.", values.join(", ")).unwrap();
    }
    let default = argument.get_default_values();
    if !default.is_empty() && argument.get_action().takes_values() {
        let default: Vec<String> = default.iter().map(|value| value.to_string_lossy().into_owned()).collect();
        write!(said, " Default: `{}`.", default.join(" ")).unwrap();
    }
    if let Some(variable) = argument.get_env() {
        write!(said, " Variable: `{}`.", variable.to_string_lossy()).unwrap();
    }
    said
}

fn own(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| {
        !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
    })
}

fn rows(text: &mut String, head: &str, arguments: &[&Arg]) {
    if arguments.is_empty() {
        return;
    }
    writeln!(text, "| {head} | |\n|---|---|").unwrap();
    for argument in arguments {
        writeln!(text, "| {} | {} |", typed(argument), meaning(argument)).unwrap();
    }
    text.push('\n');
}

#[test]
fn the_commands_are_those_of_the_program() {
    let mut program = kwo::cli::Cli::definition();
    program.build();
    let mut commands = Vec::new();
    leaves(&program, "kwo", &mut commands);
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    let key = |argument: &Arg| (typed(argument), meaning(argument));
    for argument in commands.iter().flat_map(|(_, command)| own(command)) {
        *times.entry(key(argument)).or_default() += 1;
    }
    let common = |argument: &&Arg| argument.get_long().is_some() && times[&key(argument)] >= MANY;

    let mut text = String::from("| command | what it does |\n|---|---|\n");
    for (path, command) in &commands {
        let about = cell(&command.get_about().map(ToString::to_string).unwrap_or_default());
        writeln!(text, "| [`{path}`](#{}) | {about} |", path.replace(' ', "-")).unwrap();
    }
    text.push_str("\n## Options of many commands\n\n");
    let mut told = BTreeSet::new();
    let shared = commands.iter().flat_map(|(_, command)| own(command)).filter(common);
    let shared: Vec<&Arg> = shared.filter(|argument| told.insert(key(argument))).collect();
    rows(&mut text, "option", &shared);
    for (path, command) in &mut commands {
        let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").replace("\n       ", "\n");
        writeln!(text, "## {path}\n\n{}\n\n```text\n{usage}\n```\n", about.unwrap_or_default().trim())
            .unwrap();
        if let Some(examples) = command.get_after_help() {
            let plain = anstream::adapter::strip_str(&examples.to_string()).to_string();
            writeln!(text, "```text\n{plain}\n```\n").unwrap();
        }
        let (positional, options): (Vec<&Arg>, Vec<&Arg>) = own(command).partition(|one| one.is_positional());
        rows(&mut text, "argument", &positional);
        let (many, few): (Vec<&Arg>, Vec<&Arg>) = options.into_iter().partition(common);
        rows(&mut text, "option", &few);
        if !many.is_empty() {
            let names: Vec<String> =
                many.iter().map(|option| format!("`--{}`", option.get_long().unwrap())).collect();
            let link = "[options of many commands](#options-of-many-commands)";
            writeln!(text, "It also takes these {link}: {}.\n", names.join(", ")).unwrap();
        }
    }
    holds("docs/reference/commands.md", "", &text);
}

#[test]
fn the_variables_are_those_of_the_program() {
    let program = kwo::cli::Cli::definition();
    let mut commands = vec![("kwo".to_owned(), &program)];
    leaves(&program, "kwo", &mut commands);
    let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for (path, command) in &commands {
        for argument in own(command) {
            let Some(variable) = argument.get_env() else { continue };
            let entry = found.entry(variable.to_string_lossy().into_owned()).or_default();
            entry.0 = typed(argument);
            entry.1.insert(path.strip_prefix("kwo ").map_or("all", |path| path).to_owned());
        }
    }
    let mut text = String::from("| variable | option | commands |\n|---|---|---|\n");
    for (variable, (option, commands)) in &found {
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        writeln!(text, "| `{variable}` | {option} | {} |", commands.join(", ")).unwrap();
    }
    holds("docs/reference/environment.md", "", &text);
}

#[test]
fn the_manual_lists_every_reason_of_an_event() {
    let mut text = String::from("| reason | type | about | when |\n|---|---|---|---|\n");
    for reason in Reason::ALL {
        let kind = if reason.warns() { "Warning" } else { "Normal" };
        writeln!(text, "| `{}` | {kind} | {} | {} |", reason.name(), reason.about(), reason.when()).unwrap();
    }
    holds("docs/reference/events.md", "", &text);
}

/// Every object that a roster can become is on its page: each by its kind, and what is there once by its name.
#[test]
fn the_manual_lists_every_kind_of_object() {
    let page = read("docs/reference/objects.md");
    let mut seen = BTreeSet::new();
    for folder in std::fs::read_dir("tests/scenarios").unwrap() {
        let roster = folder.unwrap().path().join("roster.yaml");
        let Ok(text) = std::fs::read_to_string(&roster) else { continue };
        let sources = Sources::new(vec![SourceFile { name: "roster.yaml".into(), text }]);
        let Ok(roster) = parse(sources) else { continue };
        let Ok(desired) = compile(&roster) else { continue };
        for resource in desired.resources() {
            let Some(kind) = resource.id.known_kind() else { continue };
            let fixed = resource.id.scope.is_empty() && resource.id.name.starts_with("kwo-")
                || resource.id.scope == "kube-system";
            // Others have the name of a person, of a host, or of what they bind.
            let others =
                ["ClusterRoleBinding", "ValidatingAdmissionPolicyBinding", "Ingress", "IngressRoute"];
            let name = if fixed && !others.contains(&kind.name()) { resource.id.name.as_str() } else { "" };
            seen.insert((kind, name.to_owned()));
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
    let named = |kind: &Kind, name: &str| {
        let row = |line: &&str| line.contains(kind.name());
        page.lines().filter(row).any(|line| name.is_empty() || line.contains(&format!("`{name}`")))
    };
    let missing: Vec<_> = seen.iter().filter(|(kind, name)| !named(kind, name)).collect();
    assert!(missing.is_empty(), "docs/reference/objects.md lacks {missing:?}");
}

/// Each number with its meaning, as the type of exit codes has them.
#[test]
fn the_exit_codes_are_those_of_the_program() {
    let source = read("src/engine/failure.rs");
    let (_, variants) = source.split_once("pub enum Exit {\n").unwrap();
    let lines: Vec<&str> = variants.split_once("\n}").unwrap().0.lines().map(str::trim).collect();
    let mut text = String::from("| exit code | meaning |\n|---|---|\n");
    let mut codes = Vec::new();
    for pair in lines.chunks(2) {
        let meaning = pair[0].strip_prefix("/// ").unwrap();
        let code = pair[1].trim_end_matches(',').rsplit(' ').next().unwrap();
        writeln!(text, "| {code} | {meaning} |").unwrap();
        codes.push(code.to_owned());
    }
    holds("docs/reference/exit-codes.md", "", &text);
    // Those that the help names.
    let help = kwo::cli::Cli::definition().get_after_help().unwrap().to_string();
    let named: Vec<&str> = help
        .trim_start_matches("Exit codes: ")
        .split(" · ")
        .filter_map(|part| part.split(' ').next())
        .collect();
    assert_eq!(named, codes);
}

/// The name of a type, as a link to its table.
fn link(value: &Value) -> Option<String> {
    let name = value.get("$ref")?.as_str()?.rsplit('/').next()?;
    Some(format!("[{name}](#{})", name.to_lowercase()))
}

/// What may stand in a field.
fn kind(value: &Value) -> String {
    let all = |of: &Value| of.as_array().unwrap().iter().map(kind).collect::<Vec<_>>();
    if let Some(link) = link(value) {
        return link;
    }
    if let Some(one) = value.get("const") {
        return format!("`{}`", one.as_str().unwrap());
    }
    if let Some(of) = value.get("allOf") {
        return all(of).join(" and ");
    }
    if let Some(of) = value.get("anyOf").or_else(|| value.get("oneOf")) {
        return all(of).join(" or ");
    }
    if let Some(items) = value.get("items") {
        return format!("list of {}", kind(items));
    }
    if let Some(properties) = value.get("properties").and_then(Value::as_object) {
        let fields: Vec<String> =
            properties.iter().map(|(name, of)| format!("`{name}`: {}", kind(of))).collect();
        return format!("{{{}}}", fields.join(", "));
    }
    if let Some(of) = value.get("additionalProperties").filter(|of| of.is_object()) {
        let key = value.get("propertyNames").and_then(link).unwrap_or_else(|| "name".to_owned());
        return format!("map of {key} to {}", kind(of));
    }
    match value.get("type") {
        Some(Value::String(kind)) if kind == "boolean" => "`true` or `false`".to_owned(),
        Some(Value::String(kind)) if kind == "integer" => "number".to_owned(),
        _ => "text".to_owned(),
    }
}

/// The fields of one object, as a table.
fn fields(text: &mut String, schema: &Value, properties: &Map<String, Value>) {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    text.push_str("| field | type | what it is |\n|---|---|---|\n");
    for (name, field) in properties {
        let must = if required.contains(&name.as_str()) { " Required." } else { "" };
        let what = field.get("description").and_then(Value::as_str).unwrap_or_default();
        writeln!(text, "| `{name}` | {} | {}{must} |", kind(field), cell(what)).unwrap();
    }
    text.push('\n');
}

/// All that a schema has: the document, its objects, its words and its values.
fn schema(path: &str) -> String {
    let schema: Value = serde_json::from_str(&read(path)).unwrap();
    let mut text = String::from("## The document\n\n");
    fields(&mut text, &schema, schema["properties"].as_object().unwrap());
    for (name, of) in schema["definitions"].as_object().unwrap() {
        let what = of.get("description").and_then(Value::as_str).unwrap_or_default();
        writeln!(text, "## {name}\n\n{}\n", what.replace('<', "\\<")).unwrap();
        if let Some(properties) = of.get("properties").and_then(Value::as_object) {
            fields(&mut text, of, properties);
        } else if let Some(words) = of.get("enum").and_then(Value::as_array) {
            text.push_str("| value | what it is |\n|---|---|\n");
            for (word, what) in words.iter().zip(of["enumDescriptions"].as_array().unwrap()) {
                writeln!(text, "| `{}` | {} |", word.as_str().unwrap(), cell(what.as_str().unwrap()))
                    .unwrap();
            }
            text.push('\n');
        } else if let Some(alternatives) = of.get("oneOf").and_then(Value::as_array) {
            text.push_str("| value | what it is |\n|---|---|\n");
            for one in alternatives {
                let below =
                    one.get("properties").and_then(Value::as_object).and_then(|map| map.values().next());
                let what =
                    one.get("description").or_else(|| below?.get("description")).and_then(Value::as_str);
                writeln!(text, "| {} | {} |", kind(one), cell(what.unwrap_or_default())).unwrap();
            }
            text.push('\n');
        } else if let Some(pattern) = of.get("pattern").and_then(Value::as_str).filter(|one| !one.is_empty())
        {
            writeln!(text, "```text\n{pattern}\n```\n").unwrap();
        }
    }
    text
}

#[test]
fn the_fields_of_the_roster_are_those_of_the_schema() {
    holds("docs/reference/roster.md", "", &schema("schema/roster.schema.json"));
}

#[test]
fn the_fields_of_the_settings_are_those_of_the_schema() {
    holds("docs/reference/settings.md", "", &schema("schema/settings.schema.json"));
}
