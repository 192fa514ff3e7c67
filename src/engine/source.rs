//! Where roster text comes from: a file, and the files that it includes; and kwo's own settings. Reading only; what the text means and
//! what is wrong with it is the planner's business.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use kwo_planner::domains::{Refused, Roster, includes, parse};
use kwo_planner::plain::one_line;

use kwo_planner::roster::{
    Finding, MAX_BYTES, MAX_FILES, MAX_TOTAL, SourceFile, Sources, Span, of_settings, too_large,
};
use kwo_planner::settings::Settings;

use crate::beneath::{Astray, Folder, Opened, bounded};
use crate::regular;

/// How many different patterns a roster may include.
const MAX_PATTERNS: usize = 1_000;

/// Reads a roster with all that it includes, and checks it.
///
/// # Errors
/// When a file cannot be read, or anything is wrong with what it says.
pub fn load(path: &Path) -> Result<Roster, Box<Refused>> {
    load_as(path, &|path| match is_stdin(path) {
        true => "standard input".to_owned(),
        false => one_line(&path.to_string_lossy()).into_owned(),
    })
}

/// Is it the name of standard input? A file of that name is `./-`.
#[must_use]
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The roster that comes from standard input. It comes once, and may be asked for again.
fn typed(name: &str) -> Result<String, Box<Finding>> {
    static TYPED: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let bytes =
        TYPED.get_or_init(|| bounded(std::io::stdin().lock(), MAX_BYTES).map_err(|error| error.to_string()));
    match bytes {
        Ok(bytes) => checked(bytes.clone(), name, Span::default()),
        Err(why) => Err(astray(&Astray::Io(std::io::Error::other(why.as_str())), name, Span::default())),
    }
}

/// The same of a roster that was laid out below a folder; what is said of it names its files as seen from there.
///
/// # Errors
/// When a file cannot be read, or anything is wrong with what it says.
pub fn load_below(root: &Path, path: &Path) -> Result<Roster, Box<Refused>> {
    load_as(path, &|path| one_line(&path.strip_prefix(root).unwrap_or(path).to_string_lossy()).into_owned())
}

/// The same of a roster whose files are called something else than their paths.
///
/// # Errors
/// When a file cannot be read, or anything is wrong with what it says.
pub fn load_as(path: &Path, named: &dyn Fn(&Path) -> String) -> Result<Roster, Box<Refused>> {
    let name = named(path);
    let lost = |why: Astray| astray(&why, &name, Span::default());
    let read = Folder::of(path).map_err(lost).and_then(|folder| {
        if is_stdin(path) {
            return Ok((folder, None, typed(&name)?));
        }
        let main = folder.open(Path::new(path.file_name().unwrap_or_default())).map_err(lost)?;
        let identity = main.identity;
        Ok((folder, Some(identity), text(main, &name, Span::default())?))
    });
    let (mut below, identity, main) = match read {
        Ok(read) => read,
        Err(finding) => {
            let sources = Sources::new(vec![SourceFile { name, text: String::new() }]);
            return Err(Box::new(Refused { sources, findings: vec![*finding], more: 0 }));
        }
    };
    let mut total = main.len();
    let mut files = vec![SourceFile { name, text: main }];
    let mut findings = Vec::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut seen, mut patterns) = (BTreeSet::from_iter(identity), BTreeSet::new());
    // What is wrong with the patterns themselves is found again, with everything else, when all is parsed.
    'all: for pattern in includes(&files[0]).unwrap_or_default() {
        if !patterns.insert(pattern.value.clone()) {
            continue;
        }
        if patterns.len() > MAX_PATTERNS {
            findings = vec![too_much(pattern.at)];
            break;
        }
        let found = match below.find(&pattern.value) {
            Ok(found) => found,
            Err(Astray::Pattern(error)) => {
                let why = format!("`{}` is not a valid glob pattern: {error}", pattern.value);
                findings.push(Finding::new("bad-include", pattern.at, why, "expected a glob pattern"));
                continue;
            }
            Err(why) => {
                let what = format!("what `{}` names", pattern.value);
                let finding = *astray(&why, &what, pattern.at);
                // What is too much for one pattern is so for the next.
                if matches!(why, Astray::TooMany) {
                    findings = vec![finding];
                    break;
                }
                findings.push(finding);
                continue;
            }
        };
        if found.is_empty() {
            findings.push(
                Finding::new(
                    "include-matches-nothing",
                    pattern.at,
                    format!("`{}` matches no file in {}", pattern.value, shown(Path::new(&named(folder)))),
                    "expected a file below the roster's folder",
                )
                .hint(
                    "correct the pattern, or delete it: kwo refuses it so that a moved folder does not look like tenants that left",
                ),
            );
        }
        for path in found {
            let name = named(&folder.join(&path));
            let read = match below.open(&path) {
                Ok(file) if !seen.insert(file.identity) => continue,
                Ok(file) => text(file, &name, pattern.at),
                Err(why) => Err(astray(&why, &name, pattern.at)),
            };
            match read {
                Ok(text) => {
                    total += text.len();
                    files.push(SourceFile { name, text });
                }
                Err(finding) => findings.push(*finding),
            }
            if total > MAX_TOTAL || files.len() + findings.len() > MAX_FILES {
                findings = vec![too_much(pattern.at)];
                break 'all;
            }
        }
    }
    match parse(Sources::new(files)) {
        Ok(roster) if findings.is_empty() => Ok(roster),
        Ok(roster) => {
            let sources = (**roster.sources()).clone();
            Err(Box::new(Refused { sources, findings: Vec::new(), more: 0 }.with(findings)))
        }
        Err(mut refused) => {
            if !findings.is_empty() {
                // A tier that is not there may stand in what could not be read.
                refused.findings.retain(|finding| finding.code != "unknown-tier");
            }
            Err(Box::new(refused.with(findings)))
        }
    }
}

/// Reads and checks kwo's settings.
///
/// # Errors
/// When the file cannot be read, or anything is wrong with what it says.
pub fn settings(path: &Path) -> Result<Settings, Box<Refused>> {
    settings_and_text(path).map(|(settings, _)| settings)
}

/// The same, with the text that the places in it lead to.
///
/// # Errors
/// When the file cannot be read, or anything is wrong with what it says.
pub fn settings_and_text(path: &Path) -> Result<(Settings, Sources), Box<Refused>> {
    let name = path.display().to_string();
    // They are the admin's own, and may lie behind a link.
    let bytes = regular::open(path).and_then(|file| bounded(file, MAX_BYTES));
    let text = bytes.map_err(|error| astray(&Astray::Io(error), &name, Span::default()));
    match text.and_then(|bytes| checked(bytes, &name, Span::default())) {
        Ok(text) => {
            let file = SourceFile { name, text };
            let settings = kwo_planner::settings::parse(file.clone())?;
            Ok((settings, Sources::new(vec![file])))
        }
        Err(finding) => {
            let sources = Sources::new(vec![SourceFile { name, text: String::new() }]);
            let hint = (!path.exists()).then(|| "`kwo install` writes first settings".to_owned());
            let finding = of_settings(Finding { hint, ..*finding });
            Err(Box::new(Refused { sources, findings: vec![finding], more: 0 }))
        }
    }
}

/// A folder for people.
fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { "this folder".to_owned() } else { folder.display().to_string() }
}

/// Why a file that goes by this name and is named at this place is not read.
fn astray(why: &Astray, name: &str, at: Span) -> Box<Finding> {
    let finding = |code| Finding::new(code, at, format!("cannot read {name}: {why}"), "named here");
    Box::new(match why {
        Astray::Link(_) => finding("link").hint(
            "a roster and what it includes cannot be links, because a link could make kwo show any file: put the file itself there",
        ),
        Astray::Special(_) => finding("no-regular-file").hint("name a file with the roster's text"),
        Astray::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            finding("unreadable").hint("`kwo init` writes a first roster")
        }
        Astray::TooMany => finding("include-too-wide").hint("name the folder in which the files are: `tenants/*.yaml`"),
        Astray::Io(_) | Astray::Pattern(_) => finding("unreadable"),
    })
}

/// The text of a file that goes by this name and is named at this place, or why there is none.
fn text(file: Opened, name: &str, at: Span) -> Result<String, Box<Finding>> {
    let size = usize::try_from(file.size).unwrap_or(usize::MAX);
    if let Some(finding) = too_large(name, size, at) {
        return Err(Box::new(finding));
    }
    let bytes = file.read(MAX_BYTES).map_err(|error| astray(&Astray::Io(error), name, at))?;
    checked(bytes, name, at)
}

/// Bytes as text, if they are, and not too many: a file can have grown since.
fn checked(bytes: Vec<u8>, name: &str, at: Span) -> Result<String, Box<Finding>> {
    if let Some(finding) = too_large(name, bytes.len(), at) {
        return Err(Box::new(finding));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("cannot read {name}: line {line} is not UTF-8");
        Box::new(Finding::new("unreadable", at, message, "named here").hint("save the file as UTF-8"))
    })
}

/// The finding for a roster of more files, or more text, than is read.
fn too_much(at: Span) -> Finding {
    let message =
        format!("this is more than {MAX_PATTERNS} patterns, {MAX_FILES} files or {} MiB", MAX_TOTAL >> 20);
    Finding::new("roster-too-large", at, message, "expected less")
        .hint("name only files of the roster; put several tenants into one file")
}
