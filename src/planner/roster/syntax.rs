//! What the YAML parser refuses, said for somebody who has never read the YAML specification. Where the lines around
//! the place tell more than the parser does, `syntax_context.rs` says it.

use granit_parser::{ErrorKind, ScanError};

use super::Finding;
use super::inline::reach;
use super::names::show;
use super::syntax_context::{MERGE_CONFLICT, SyntaxContext};

/// The finding for a syntax error at this place.
pub(super) fn syntax_error(error: &ScanError, around: &SyntaxContext<'_>) -> Finding {
    let better = around.conflict().or_else(|| match error.kind() {
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => around.colon(),
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => {
            around.separator()
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => around.no_entry(),
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation => around.column(),
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::UnclosedQuotedScalar => around.quote(),
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            around.after_quote()
        }
        ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => around.comma(),
        ErrorKind::CommentInterceptedScalar => around.comment(),
        _ => None,
    });
    let finding = better.unwrap_or_else(|| plain(error, around));
    if finding.code == MERGE_CONFLICT {
        return finding;
    }
    let (from, to) = reach(&finding, around.at);
    // What is said of quotes repeats nothing of what stands in them.
    let quotes = matches!(
        error.kind(),
        ErrorKind::InvalidQuotedScalarIndent
            | ErrorKind::UnclosedQuotedScalar
            | ErrorKind::InvalidTrailingSingleQuotedScalar
            | ErrorKind::InvalidTrailingDoubleQuotedScalar
    );
    match around.lines.inline_secret(from, to) {
        None => finding,
        conceals if quotes => Finding { conceals, ..finding },
        conceals => Finding { conceals, ..plain(error, around) },
    }
}

/// What the parser says by itself, with nothing of the file in it.
fn plain(error: &ScanError, around: &SyntaxContext<'_>) -> Finding {
    let (message, expected, hint) = explain(error.kind());
    let finding = Finding::new("yaml-syntax", around.at, message, expected);
    match hint {
        "" => finding,
        hint => finding.hint(hint),
    }
}

fn explain(kind: &ErrorKind) -> (String, String, &'static str) {
    const INDENT: &str = "entries of one map start in the same column";
    const COMMA: &str = "separate them with `, `; text that holds `: ` or ` #` needs quotes";
    const COLON: &str = "is a `:` or a bracket missing further up? text that holds `: ` needs quotes";
    let (message, expected, hint) = match kind {
        ErrorKind::UnexpectedEofFlowSequence => ("the file ends inside `[ ]`", "expected `]`", ""),
        ErrorKind::UnexpectedEofFlowMapping | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            ("the file ends inside `{ }`", "expected `}`", "")
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            let close = if *open == '[' { ']' } else { '}' };
            return (format!("`{open}` is never closed"), format!("expected `{close}` later on"), "");
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            let wanted = if *open == '[' { ']' } else { '}' };
            return (
                format!("`{open}` is closed by `{close}`"),
                format!("expected `{wanted}` to close it"),
                "is a bracket missing, or one too many?",
            );
        }
        ErrorKind::MisplacedFlowCollectionEnd => (
            "this bracket closes nothing",
            "expected no bracket",
            "delete it, or write the one that opens it",
        ),
        ErrorKind::ExpectedFlowMappingSeparator => {
            ("something is missing between two entries of `{ }`", "expected `,` or `}`", COMMA)
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            ("something is missing between two items of `[ ]`", "expected `,` or `]`", COMMA)
        }
        ErrorKind::ExpectedBlockMappingKey => {
            ("this does not continue the map above", "expected `name: value`", INDENT)
        }
        ErrorKind::ExpectedBlockSequenceEntry => (
            "this does not continue the list above",
            "expected `- `",
            "items of one list start in the same column",
        ),
        ErrorKind::BlockSequenceEntryNotAllowed => (
            "a list cannot start here",
            "expected the list on a line of its own",
            "put `- ` on the next line",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("this is not a `name: value`", "expected `:` and a value", INDENT)
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            ("a `:` is not allowed here", "expected one `name: value` a line", COLON)
        }
        ErrorKind::InvalidIndentation => {
            ("the indentation fits nothing above", "expected another column", INDENT)
        }
        ErrorKind::InvalidQuotedScalarIndent => (
            "a text in quotes runs over several lines",
            "expected a closing quote further up",
            "close the quote on the line where it opens",
        ),
        ErrorKind::UnclosedQuotedScalar => {
            ("this quote is never closed", "expected a closing quote later on", "")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            ("text follows a closing quote", "expected the end of the value", "put the whole value in quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => (
            "YAML does not know this escape",
            "expected another character after `\\`",
            "in single quotes a `\\` is just that",
        ),
        ErrorKind::CommentNotSeparated => {
            ("a comment follows text at once", "expected a space before `#`", "")
        }
        ErrorKind::DirectiveDisallowed => {
            ("a roster has no YAML directives", "expected no line that starts with `%`", "delete this line")
        }
        ErrorKind::BomInsideDocument => {
            ("there is a byte order mark here", "expected it at the start of the file only", "delete it")
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let message = format!("a value cannot start with {}", show(*character));
            return (message, "expected a value".to_owned(), "put the value in quotes");
        }
        ErrorKind::MissingAnchorOrAliasName => (
            "`&` and `*` have a special meaning in YAML",
            "expected a name after it",
            "put the text in quotes, as in `\"*.example.com\"`",
        ),
        other => return (format!("this is not YAML: {other}"), "expected YAML".to_owned(), ""),
    };
    (message.to_owned(), expected.to_owned(), hint)
}
