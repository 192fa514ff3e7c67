//! Where roster text comes from: a file, and the files that it includes; and kwo's own settings. Reading only; what the text means and
//! what is wrong with it is the planner's business.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kwo_planner::roster::{Finding, Refused, Roster, SourceFile, Sources, Span, includes, parse, too_large};
use kwo_planner::settings::Settings;

/// Reads a roster with all that it includes, and checks it.
///
/// # Errors
/// When a file cannot be read, or anything is wrong with what it says.
pub fn load(path: &Path) -> Result<Roster, Box<Refused>> {
    load_below(Path::new(""), path)
}

/// The same of a roster that was laid out below a folder; what is said of it names its files as seen from there.
///
/// # Errors
/// When a file cannot be read, or anything is wrong with what it says.
pub fn load_below(root: &Path, path: &Path) -> Result<Roster, Box<Refused>> {
    let named = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let name = named(path);
    let main = match read(path, &name, Span::default()) {
        Ok(text) => SourceFile { name, text },
        Err(finding) => {
            let sources = Sources::new(vec![SourceFile { name, text: String::new() }]);
            return Err(Box::new(Refused { sources, findings: vec![*finding] }));
        }
    };
    let mut files = vec![main];
    let mut findings = Vec::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut seen: BTreeSet<PathBuf> = path.canonicalize().into_iter().collect();
    // What is wrong with the patterns themselves is found again, with everything else, when all is parsed.
    for pattern in includes(&files[0]).unwrap_or_default() {
        match matching(folder, &pattern.value) {
            Ok(paths) if paths.is_empty() => findings.push(
                Finding::new(
                    "include-matches-nothing",
                    pattern.at,
                    format!("`{}` matches no file in {}", pattern.value, shown(Path::new(&named(folder)))),
                    "expected a file below the roster's folder",
                )
                .hint(
                    "mend the pattern, or delete it: it is refused so that a moved folder does not look like tenants that left",
                ),
            ),
            Ok(paths) => {
                for path in paths {
                    if !path.canonicalize().map_or(true, |real| seen.insert(real)) {
                        continue;
                    }
                    let name = named(&path);
                    match read(&path, &name, pattern.at) {
                        Ok(text) => files.push(SourceFile { name, text }),
                        Err(finding) => findings.push(*finding),
                    }
                }
            }
            Err(why) => {
                findings.push(Finding::new("bad-include", pattern.at, why, "expected a glob pattern"));
            }
        }
    }
    match parse(Sources::new(files)) {
        Ok(roster) if findings.is_empty() => Ok(roster),
        Ok(roster) => Err(Box::new(Refused { sources: (**roster.sources()).clone(), findings })),
        Err(mut refused) => {
            if !findings.is_empty() {
                // A tier that is not there may stand in what could not be read.
                refused.findings.retain(|finding| finding.code != "unknown-tier");
            }
            refused.findings.extend(findings);
            refused.findings.sort();
            Err(refused)
        }
    }
}

/// Reads and checks kwo's settings.
///
/// # Errors
/// When the file cannot be read, or anything is wrong with what it says.
pub fn settings(path: &Path) -> Result<Settings, Box<Refused>> {
    let name = path.display().to_string();
    match read(path, &name, Span::default()) {
        Ok(text) => kwo_planner::settings::parse(SourceFile { name, text }),
        Err(finding) => {
            let sources = Sources::new(vec![SourceFile { name, text: String::new() }]);
            let finding = Finding { hint: None, ..*finding };
            Err(Box::new(Refused { sources, findings: vec![finding] }))
        }
    }
}

/// A folder for people.
fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { "this folder".to_owned() } else { folder.display().to_string() }
}

/// The files that a pattern names, in one order everywhere.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let escaped = glob::Pattern::escape(&folder.to_string_lossy());
    let whole = if escaped.is_empty() { pattern.to_owned() } else { format!("{escaped}/{pattern}") };
    let found = glob::glob(&whole).map_err(|error| format!("`{pattern}` is no glob pattern: {error}"))?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|error| format!("cannot look for `{pattern}`: {error}"))?;
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The text of a file that goes by this name and is named at this place, or why there is none.
fn read(path: &Path, name: &str, at: Span) -> Result<String, Box<Finding>> {
    let refused = |error: &std::io::Error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let finding = Finding::new("unreadable", at, format!("cannot read {name}: {error}"), "named here");
        Box::new(if missing { finding.hint("`kwo init` writes a first roster") } else { finding })
    };
    let metadata = std::fs::metadata(path).map_err(|error| refused(&error))?;
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if let Some(finding) = too_large(name, size, at) {
        return Err(Box::new(finding));
    }
    let bytes = std::fs::read(path).map_err(|error| refused(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("cannot read {name}: line {line} is not UTF-8");
        Box::new(Finding::new("unreadable", at, message, "named here").hint("save the file as UTF-8"))
    })
}
