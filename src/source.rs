//! Where roster text comes from: a file, and the files that it includes. Reading only; what the text means and
//! what is wrong with it is the planner's business.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kwo_planner::roster::{Finding, MAX_BYTES, Refused, Roster, SourceFile, Sources, Span, includes, parse};

/// Reads a roster with all that it includes, and checks it.
///
/// # Errors
/// When a file cannot be read, or anything is wrong with what it says.
pub fn load(path: &Path) -> Result<Roster, Box<Refused>> {
    let name = path.display().to_string();
    let main = match read(path) {
        Ok(text) => SourceFile { name, text },
        Err(why) => {
            let sources = Sources::new(vec![SourceFile { name: name.clone(), text: String::new() }]);
            let finding =
                Finding::new("unreadable", Span::default(), format!("cannot read {name}: {why}"), "")
                    .hint("`kwo init` writes a first roster");
            return Err(Box::new(Refused { sources, findings: vec![finding] }));
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
                    format!("`{}` matches no file", pattern.value),
                    "expected a file below the roster's folder",
                )
                .hint(
                    "an empty match is refused, so that a moved folder does not look like tenants that left",
                ),
            ),
            Ok(paths) => {
                for path in paths {
                    if !path.canonicalize().map_or(true, |real| seen.insert(real)) {
                        continue;
                    }
                    let name = path.display().to_string();
                    match read(&path) {
                        Ok(text) => files.push(SourceFile { name, text }),
                        Err(why) => findings.push(Finding::new(
                            "unreadable",
                            pattern.at,
                            format!("cannot read {name}: {why}"),
                            "included here",
                        )),
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
            refused.findings.extend(findings);
            refused.findings.sort();
            Err(refused)
        }
    }
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

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) {
        return Err(format!("it has {size} bytes, more than the {MAX_BYTES} that a roster may have"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8: the first wrong byte is number {}", error.utf8_error().valid_up_to())
    })
}
