//! Is an included file part of a roster at all? A stranger may have written the pattern that names it, and the file may
//! be anybody's: a key, the settings of another program. Of such a file nothing is shown but where it fails.

use super::document::{ApiVersion, Document, FileKind};
use crate::roster::ast::{Node, Value};
use crate::roster::spelling::nearest;
use crate::roster::{Finding, SourceFile, Span, characters};

/// The finding in place of all others in a file that is no part of a roster; `None` where it is one.
pub(super) fn foreign(source: &SourceFile, node: Option<&Node>, found: &[Finding]) -> Option<Finding> {
    let text = source.text.as_str();
    let part = match node {
        Some(node) => sections(node),
        None => {
            let spans = found
                .iter()
                .flat_map(|finding| finding.also.iter().map(|(at, _)| at.line).chain([finding.at.line]));
            text.trim().is_empty() || begins(text, spans.max().unwrap_or(u32::MAX))
        }
    };
    if part {
        return None;
    }
    let first = found.iter().map(|finding| finding.at).min();
    let at = first.or(node.map(|node| node.at)).unwrap_or_default();
    let why = match node {
        Some(_) => "its fields are not sections of a roster".to_owned(),
        None => format!("line {} cannot be in a roster", at.line),
    };
    let message = format!("{} is not part of a roster: {why}", source.name);
    let end = characters::offset(text.len());
    let mut finding = Finding::new("no-part-of-a-roster", at, message, "expected a section such as `tenants:`")
        .hint("kwo shows nothing of the file, because it may hold secrets; name only files of the roster under `include:`");
    finding.conceals = Some(Span { start: 0, end, ..at });
    Some(finding)
}

/// Does a finding conceal all of this file?
#[must_use]
pub fn conceals_all(finding: &Finding, source: &SourceFile) -> bool {
    finding.conceals.is_some_and(|span| {
        let end = usize::try_from(span.end).unwrap_or(usize::MAX);
        span.start == 0 && !source.text.is_empty() && end == source.text.len()
    })
}

/// Are all fields of the file sections, or slips of the fingers for them?
fn sections(node: &Node) -> bool {
    let Value::Map(entries) = &node.value else { return false };
    entries.iter().all(|(key, node)| match &node.value {
        Value::Scalar { text, .. } if !node.is_null() => single(&key.text, text),
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) | Value::Refused => known(&key.text),
    })
}

/// Does the text begin with sections, as far as nobody has stumbled?
fn begins(text: &str, line: u32) -> bool {
    let before = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let outermost = text.lines().take(before).filter(|line| !line.starts_with([' ', '\t', '#']));
    let mut lines = outermost.map(|line| line.trim_start_matches('\u{feff}').trim_end());
    let mut any = false;
    let all = lines.by_ref().filter(|line| !line.is_empty() && *line != "---").all(|line| {
        any = true;
        let Some((key, value)) = line.split_once(':') else { return false };
        let value = value.trim_start();
        if value.is_empty() || value.starts_with(['#', '{', '[']) { known(key) } else { single(key, value) }
    });
    all && any
}

/// Is it a section's name, or nearly?
fn known(key: &str) -> bool {
    nearest(key, Document::FIELDS.iter().copied()).is_some()
}

/// May this field of a roster have one value, and this one?
fn single(key: &str, value: &str) -> bool {
    let family = ApiVersion::V1.as_str().split_once('/').map_or("", |(family, _)| family);
    match key {
        "apiVersion" => value.split_once('/').is_some_and(|(group, _)| group == family),
        "kind" => nearest(value, [FileKind::Roster.as_str()]).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_program_is_told_from_one_with_a_mistake() {
        for text in ["tenants:\n  alice\n", "apiVersion: kwo/v1\ntenents: [\n", "# x\ntenants: {}\n- \n"] {
            assert!(begins(text, 3), "{text}");
        }
        for text in [
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n-----END\n",
            "KEY=value\nOTHER: x\n",
            "apiVersion: v1\nkind: Config\nusers: [\n",
            "{\"auths\": {\"registry\": \n",
            "registry: https://user:word@example.com\nx\n",
            "  \n",
        ] {
            assert!(!begins(text, 3), "{text}");
        }
    }
}
