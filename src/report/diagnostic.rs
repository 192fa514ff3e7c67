//! Findings in a roster as text like a compiler's. One block a finding: what, where, what was
//! expected, what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use kwo_planner::domains::Refused;

use kwo_planner::domains::conceals_all;
use kwo_planner::roster::{Finding, SourceFile, Sources, Span};

use super::manual;

/// All findings of a roster, and a last line that counts them.
#[must_use]
pub fn text(refused: &Refused) -> String {
    text_of(refused, "roster")
}

/// Why a good roster is not changed as somebody asked for.
#[must_use]
pub fn unchanged(refused: &Refused) -> String {
    format!("{}nothing was written\n", blocks(refused))
}

/// A block for each finding.
fn blocks(refused: &Refused) -> String {
    let Refused { sources, findings, more: _ } = refused;
    let shown = concealed(sources, findings);
    findings.iter().map(|finding| format!("{}\n\n", one(finding, &shown))).collect()
}

/// The same of any other file.
#[must_use]
pub fn text_of(refused: &Refused, what: &str) -> String {
    let more = refused.more;
    let mut out = blocks(refused);
    if more > 0 {
        out.push_str(&format!("… and {more} more, which kwo shows when you have fixed these\n\n"));
    }
    let things = if refused.count() == 1 { "1 thing is" } else { &format!("{} things are", refused.count()) };
    out.push_str(&format!("{things} wrong with the {what}; nothing was changed\n"));
    out
}

/// The text of all files, with `*` where a secret may stand: an excerpt may show the line of another finding too.
fn concealed(sources: &Sources, findings: &[Finding]) -> Sources {
    let files = sources.files().iter().enumerate().map(|(number, file)| {
        let mut text = file.text.clone().into_bytes();
        let hidden = findings.iter().filter_map(|finding| finding.conceals);
        for span in hidden.filter(|span| usize::from(span.file) == number) {
            for byte in text.get_mut(bytes(span, file.text.len())).into_iter().flatten() {
                *byte = if *byte == b'\n' { b'\n' } else { b'*' };
            }
        }
        // A span begins and ends between characters, and stars are characters.
        let text = String::from_utf8_lossy(&text).into_owned();
        SourceFile { text, ..file.clone() }
    });
    Sources::new(files.collect())
}

/// So many lines apart, two places are shown in one excerpt.
const NEAR: u32 = 50;

/// A longer excerpt helps nobody: then only the place is named.
const LONGEST: usize = 16 << 10;

/// A place to show, with what is said there.
type Place<'f> = (Span, &'f str, AnnotationKind);

fn one(finding: &Finding, sources: &Sources) -> String {
    let Finding { at, code, message, label, also, hint, conceals: _ } = finding;
    let usize_of = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let title = Level::ERROR.primary_title(message.as_str()).id(*code).id_url(manual::mistake(code));
    let mut group = Group::with_title(title);
    let mut places: Vec<Place<'_>> = std::iter::once((*at, label.as_str(), AnnotationKind::Primary))
        .chain(also.iter().map(|(at, what)| (*at, what.as_str(), AnnotationKind::Context)))
        .filter(|(at, _, _)| at.line > 0) // a file that could not be read has no place to show
        .collect();
    // Places that are near are shown together; that of the finding itself comes first.
    while let Some(&(first, _, _)) = places.first() {
        let near = |at: &Span| at.file == first.file && at.line.abs_diff(first.line) <= NEAR;
        let (here, elsewhere) = places.into_iter().partition(|(at, _, _)| near(at));
        places = elsewhere;
        let Some(file) = sources.file(first) else { continue };
        if conceals_all(finding, file) {
            let (line, column) = (usize_of(first.line), usize_of(first.column));
            group = group.element(Origin::path(file.name.as_str()).line(line).char_column(column));
            continue;
        }
        let lines = window(&here, &file.text);
        let Some(text) = file.text.get(lines.clone()).filter(|text| text.len() <= LONGEST) else {
            let (line, column) = (usize_of(first.line), usize_of(first.column));
            group = group.element(Origin::path(file.name.as_str()).line(line).char_column(column));
            continue;
        };
        let top = here.iter().map(|(at, _, _)| usize_of(at.line)).min().unwrap_or(1);
        let annotations = Vec::into_iter(here).map(|(at, label, kind): Place<'_>| {
            let range = range(at, &file.text);
            kind.span(range.start - lines.start..range.end - lines.start).label(label)
        });
        let snippet = Snippet::source(text).line_start(top).path(file.name.as_str());
        group = group.element(snippet.annotations(annotations));
    }
    if let Some(hint) = hint {
        group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
    }
    Renderer::styled().render(&[group])
}

/// The lines that places stand on, and those between, as bytes: to show one line costs no look at the whole file.
fn window(places: &[Place<'_>], text: &str) -> std::ops::Range<usize> {
    let ranges = || places.iter().map(|(at, _, _)| range(*at, text));
    let first = ranges().map(|range| range.start).min().unwrap_or(0);
    let last = ranges().map(|range| range.end).max().unwrap_or(0);
    let start = text.get(..first).and_then(|text| text.rfind('\n')).map_or(0, |newline| newline + 1);
    let end = text.get(last..).and_then(|text| text.find('\n')).map_or(text.len(), |newline| last + newline);
    start..end
}

/// A span as bytes of its text, no further than the end of its first line.
fn range(span: Span, text: &str) -> std::ops::Range<usize> {
    let all = bytes(span, text.len());
    let inside = text.get(all.clone()).unwrap_or("");
    all.start..all.start + inside.lines().next().unwrap_or("").len()
}

/// A span as bytes of a text so long.
fn bytes(span: Span, length: usize) -> std::ops::Range<usize> {
    let place = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX).min(length);
    place(span.start)..place(span.end).max(place(span.start))
}
