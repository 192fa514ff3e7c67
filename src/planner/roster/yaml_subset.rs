//! What YAML allows and a roster does not, in words: the finding for each. When it is found is decided in `yaml.rs`.

use super::ast::Node;
use super::scalar::quote;
use super::yaml::{MAX_ALIASED, MAX_BYTES, MAX_DEPTH};
use super::{Finding, Span};

const FIRST: &str = "`kwo init` writes a first roster to start from";

/// The finding for a file of this size, if it is too large. Callers ask before they read.
#[must_use]
pub fn too_large(file: &str, bytes: usize, at: Span) -> Option<Finding> {
    (bytes > MAX_BYTES).then(|| {
        Finding::new(
            "file-too-large",
            at,
            format!("{file} has {bytes} bytes, and {MAX_BYTES} are allowed"),
            format!("expected at most {} MiB", MAX_BYTES >> 20),
        )
        .hint("split the roster with `include:`")
    })
}

/// A file that holds something else than sections.
pub(super) fn top(node: &Node) -> Finding {
    Finding::new(
        "not-a-map",
        node.at,
        format!("the file holds {} at its top", node.what()),
        "expected a map with sections such as `tenants:`",
    )
    .hint(FIRST)
}

/// A file that holds nothing.
pub(super) fn empty(at: Span) -> Finding {
    Finding::new("empty-file", at, "the file is empty", "expected a section such as `tenants:`").hint(FIRST)
}

/// The same of kwo's settings, which have other sections and another origin.
#[must_use]
pub fn of_settings(finding: Finding) -> Finding {
    const SETTINGS: &str = "`kwo install` writes first settings to start from";
    match finding.code {
        "not-a-map" | "empty-file" => {
            let label = "expected a map with sections such as `repository:`".to_owned();
            Finding { label, ..finding }.hint(SETTINGS)
        }
        "several-documents" | "file-too-large" => finding.hint("all settings are one document in one file"),
        _ => finding,
    }
}

/// A second document in one file.
pub(super) fn second_document(at: Span) -> Finding {
    let message = "a second document starts here";
    Finding::new("several-documents", at, message, "expected one document a file")
        .hint("put it into a file of its own and name that under `include:`")
}

/// A tag.
pub(super) fn tag(tag: &str, at: Span) -> Finding {
    let message = format!("there is a YAML tag here: {}", quote(tag));
    Finding::new("explicit-tag", at, message, "expected no tag").hint(match tag {
        "!include" => "name the file under `include:` in the roster itself: `include: [FILE]`",
        _ => "delete it; text that starts with `!` needs quotes",
    })
}

/// An alias of something that is not there; most often a wildcard without quotes.
pub(super) fn unknown_alias(name: &str, at: Span) -> Finding {
    if name.starts_with('.') {
        let message = format!("`*{name}` is not in quotes, and `*` has a special meaning in YAML");
        return Finding::new("unknown-alias", at, message, "expected quotes around it")
            .hint(format!("write `\"*{name}\"`"));
    }
    let message = format!("the alias {} has no anchor before it", quote(&format!("*{name}")));
    Finding::new("unknown-alias", at, message, format!("expected {} further up", quote(&format!("&{name}"))))
        .hint("text that starts with `*` needs quotes, as in `\"*.example.com\"`")
}

/// An alias inside what it stands for.
pub(super) fn alias_in_itself(at: Span) -> Finding {
    let message = "an alias is inside the value that it stands for";
    Finding::new("alias-in-itself", at, message, "expected another value").hint("write the value out")
}

/// Aliases that make a file far larger than it looks.
pub(super) fn alias_bomb(at: Span) -> Finding {
    let message = format!("anchors and aliases make more than {MAX_ALIASED} values of this file");
    Finding::new("alias-bomb", at, message, "expected far fewer")
        .hint("use a tier for what tenants have in common")
}

/// Lists in lists in lists.
pub(super) fn nesting(at: Span) -> Finding {
    let message = format!("lists and maps are nested over {MAX_DEPTH} deep");
    Finding::new("too-deep", at, message, "expected no more nesting")
        .hint("a roster is never deeper than 6; is a bracket missing further up?")
}

/// Text without quotes that goes on in the next line. No value of a roster has a space in it, so this is always a
/// slip, and its cause is seen in the lines, not in the value.
pub(super) fn lines(first: &str, rest: &str, in_brackets: bool, at: Span) -> Finding {
    let first = first.trim_end();
    let message = format!("{} goes on in the next line", quote(first));
    Finding::new("several-lines", at, message, "expected it to end on this line").hint(
        if first.starts_with('-') {
            "an item of a list starts with `- `: is the space missing?"
        } else if rest.trim_start().starts_with("- ") {
            "items of one list start in the same column"
        } else if in_brackets {
            "is a `,` missing?"
        } else {
            "is a `:` or a `- ` missing, or is the next line indented too far?"
        },
    )
}

/// `<<`.
pub(super) fn merge_key(at: Span) -> Finding {
    let message = "a roster has no merge keys (`<<`)";
    Finding::new("merge-key", at, message, "expected the name of a field")
        .hint("put what tenants have in common into a tier, and write the rest out")
}

/// A key that is no text.
pub(super) fn bad_key(at: Span) -> Finding {
    Finding::new("bad-key", at, "this cannot be the name of a field", "expected a name and `:`")
        .hint("text that starts with `{`, `[` or `*` needs quotes")
}

/// A key that stands twice, in one file or in two.
pub(crate) fn duplicate_key(key: &str, first: Span, second: Span) -> Finding {
    Finding::new("duplicate-key", second, format!("{} appears twice", quote(key)), "expected each name once")
        .also(first, "it appears here first")
        .hint("delete one of the two, or put both together")
}
