//! Findings in a roster as text like a compiler's, and as JSON. One block a finding: what, where, what was
//! expected, what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use kwo_planner::roster::{Finding, Refused, Sources, Span};
use serde_json::json;

/// All findings, and a last line that counts them.
#[must_use]
pub fn text(refused: &Refused) -> String {
    let Refused { sources, findings } = refused;
    let mut out = String::new();
    for finding in findings {
        out.push_str(&one(finding, sources));
        out.push_str("\n\n");
    }
    let things = if findings.len() == 1 { "1 thing is" } else { &format!("{} things are", findings.len()) };
    out.push_str(&format!("{things} wrong with the roster; nothing was done\n"));
    out
}

fn one(finding: &Finding, sources: &Sources) -> String {
    let Finding { at, code, message, label, also, hint } = finding;
    let mut group = Group::with_title(Level::ERROR.primary_title(message.as_str()).id(*code));
    // A file that could not be read has no place to show.
    let places = std::iter::once((at, label.as_str(), AnnotationKind::Primary))
        .chain(also.iter().map(|(at, what)| (at, what.as_str(), AnnotationKind::Context)))
        .filter(|(at, _, _)| at.line > 0);
    for (at, label, kind) in places {
        let Some(file) = sources.file(*at) else { continue };
        let annotation = kind.span(range(*at, &file.text)).label(label);
        group = group
            .element(Snippet::source(file.text.as_str()).path(file.name.as_str()).annotation(annotation));
    }
    if let Some(hint) = hint {
        group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
    }
    Renderer::styled().render(&[group])
}

/// A span as bytes of its text; never empty, so that there is something to point at.
fn range(span: Span, text: &str) -> std::ops::Range<usize> {
    let place = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let (start, end) = (place(span.start), place(span.end));
    start..end.max(start)
}

/// The findings for programs.
#[must_use]
pub fn json(refused: Option<&Refused>) -> serde_json::Value {
    let place = |sources: &Sources, at: Span| {
        let file = sources.file(at).map_or("", |file| file.name.as_str());
        json!({"file": file, "line": at.line, "column": at.column, "start": at.start, "end": at.end})
    };
    let findings: Vec<serde_json::Value> = refused.map_or_else(Vec::new, |Refused { sources, findings }| {
        let finding = |Finding { at, code, message, label, also, hint }: &Finding| {
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
