//! Findings in a roster as text like a compiler's, and as JSON. One block a finding: what, where, what was
//! expected, what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use kwo_planner::roster::{Finding, Refused, SourceFile, Sources, Span};
use serde_json::json;

/// All findings of a roster, and a last line that counts them.
#[must_use]
pub fn text(refused: &Refused) -> String {
    text_of(refused, "roster")
}

/// The same of any other file.
#[must_use]
pub fn text_of(refused: &Refused, what: &str) -> String {
    let Refused { sources, findings } = refused;
    let shown = concealed(sources, findings);
    let mut out = String::new();
    for finding in findings {
        out.push_str(&one(finding, &shown));
        out.push_str("\n\n");
    }
    let things = if findings.len() == 1 { "1 thing is" } else { &format!("{} things are", findings.len()) };
    out.push_str(&format!("{things} wrong with the {what}; nothing was done\n"));
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

/// A place to show, with what is said there.
type Place<'f> = (Span, &'f str, AnnotationKind);

fn one(finding: &Finding, sources: &Sources) -> String {
    let Finding { at, code, message, label, also, hint, conceals: _ } = finding;
    let mut group = Group::with_title(Level::ERROR.primary_title(message.as_str()).id(*code));
    let mut places: Vec<Place<'_>> = std::iter::once((*at, label.as_str(), AnnotationKind::Primary))
        .chain(also.iter().map(|(at, what)| (*at, what.as_str(), AnnotationKind::Context)))
        .filter(|(at, _, _)| at.line > 0) // a file that could not be read has no place to show
        .collect();
    // All places of one file are shown together; the file of the finding itself comes first.
    while let Some(&(first, _, _)) = places.first() {
        let (here, elsewhere) = places.into_iter().partition(|(at, _, _)| at.file == first.file);
        places = elsewhere;
        let Some(file) = sources.file(first) else { continue };
        let annotations = Vec::into_iter(here)
            .map(|(at, label, kind): Place<'_>| kind.span(range(at, &file.text)).label(label));
        group = group
            .element(Snippet::source(file.text.as_str()).path(file.name.as_str()).annotations(annotations));
    }
    if let Some(hint) = hint {
        group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
    }
    Renderer::styled().render(&[group])
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

/// The findings for programs.
#[must_use]
pub fn json(refused: Option<&Refused>) -> serde_json::Value {
    let place = |sources: &Sources, at: Span| {
        let file = sources.file(at).map_or("", |file| file.name.as_str());
        json!({"file": file, "line": at.line, "column": at.column, "start": at.start, "end": at.end})
    };
    let findings: Vec<serde_json::Value> = refused.map_or_else(Vec::new, |Refused { sources, findings }| {
        let finding = |Finding { at, code, message, label, also, hint, conceals: _ }: &Finding| {
            let also: Vec<_> =
                also.iter().map(|(at, what)| json!({"at": place(sources, *at), "what": what})).collect();
            json!({
                "code": code, "severity": "error", "message": message, "expected": label,
                "at": place(sources, *at), "also": also, "hint": hint,
            })
        };
        findings.iter().map(finding).collect()
    });
    json!({"format_version": kwo_planner::plan::FORMAT_VERSION, "valid": refused.is_none(), "findings": findings})
}
