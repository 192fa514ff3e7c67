//! Values as YAML text that readers of both versions read as the same value. A text that could be something else is
//! in quotes.

use std::fmt::Write as _;

use kwo_planner::tree::{SmolStr, Tree};

use super::scalar;

/// How the people write who keep such a document.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Habit {
    /// The keys that stand first, in this order.
    pub order: &'static [&'static str],
    /// Do lists of single values stand in brackets, and so do maps within an entry? Then amounts have no quotes.
    pub brief: bool,
}

/// How values are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Style {
    /// Every text and every key stands in double quotes.
    pub(super) quoted: bool,
    /// By how much a map in a map is moved in, and a list in a map.
    pub(super) steps: (usize, usize),
    /// How its people write.
    pub(super) habit: Habit,
}

/// The entries of a map, in the order in which they are written.
fn ordered(entries: &[(SmolStr, Tree)], style: Style) -> Vec<&(SmolStr, Tree)> {
    let order = style.habit.order;
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(key, _)| order.iter().position(|first| first == key).unwrap_or(order.len()));
    entries
}

fn single(value: &Tree) -> bool {
    !matches!(value, Tree::List(_) | Tree::Map(_))
}

/// On one line.
pub(super) fn inline(value: &Tree, style: Style) -> String {
    match value {
        Tree::Null => "null".to_owned(),
        Tree::Bool(bool) => bool.to_string(),
        Tree::Number(number) => number.to_string(),
        Tree::Text(text) => word(text, style),
        Tree::List(items) => {
            let items: Vec<String> = items.iter().map(|item| inline(item, style)).collect();
            format!("[{}]", items.join(", "))
        }
        Tree::Map(entries) => {
            let entry =
                |(key, value): &(SmolStr, Tree)| format!("{}: {}", word(key, style), inline(value, style));
            let entries: Vec<String> = ordered(entries, style).into_iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A text or a key.
pub(super) fn word(text: &str, style: Style) -> String {
    let amount = style.habit.brief
        && text.starts_with(|char: char| char.is_ascii_digit())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || char == '.');
    let name = text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '/')
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_./@".contains(char));
    let plain = !style.quoted
        && (name || amount)
        && [scalar::old, scalar::new].iter().all(|read| matches!(read(text), Tree::Text(_)));
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        let code = u32::from(char);
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            // Line breaks and what is not printable, each to one version or to both.
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{a0}'
            | '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{ffff}' => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{code:04x}");
            }
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// What stands after a key, or after the dash of an entry, in block style; the first line begins with what parts it
/// from the key. Lines are parted by `\n`.
pub(super) fn block(value: &Tree, style: Style, column: usize, in_list: bool) -> String {
    let (map, list) = style.steps;
    match value {
        Tree::Map(_) if in_list && style.habit.brief => format!(" {}", inline(value, style)),
        Tree::List(items) if style.habit.brief && items.iter().all(single) => {
            format!(" {}", inline(value, style))
        }
        Tree::Map(entries) if !entries.is_empty() => {
            let column = if in_list { column + 2 } else { column + map };
            let lines = ordered(entries, style).into_iter().enumerate().map(|(at, (key, value))| {
                let start = if in_list && at == 0 { " ".to_owned() } else { format!("\n{:column$}", "") };
                format!("{start}{}:{}", word(key, style), block(value, style, column, false))
            });
            lines.collect()
        }
        Tree::List(items) if !items.is_empty() && !in_list => {
            let column = column + list;
            let lines =
                items.iter().map(|item| format!("\n{:column$}-{}", "", block(item, style, column, true)));
            lines.collect()
        }
        _ => format!(" {}", inline(value, style)),
    }
}

/// The text as a literal block that is moved in so far, if it can be written as one; without its last line break.
pub(super) fn literal(text: &str, column: usize) -> Option<String> {
    let body = text.strip_suffix('\n');
    let (body, chomp) = (body.unwrap_or(text), if body.is_some() { "" } else { "-" });
    let first = body.chars().next()?;
    let printable = |char: char| match char {
        '\n' | '\t' | ' '..='~' => true,
        '\0'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' => false,
        _ => true,
    };
    let fits = !first.is_whitespace()
        && !body.ends_with('\n')
        && body.chars().all(printable)
        && body.lines().all(|line| !line.starts_with('\t') && (line.is_empty() || !line.trim().is_empty()));
    if !fits {
        return None;
    }
    let mut block = format!("|{chomp}");
    for line in body.split('\n') {
        block.push('\n');
        if !line.is_empty() {
            let _ = write!(block, "{:column$}{line}", "");
        }
    }
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { quoted: false, steps: (2, 0), habit: Habit { order: &[], brief: false } };

    #[test]
    fn what_could_be_something_else_is_quoted() {
        for text in [
            "no",
            "y",
            "on",
            "null",
            "~",
            "",
            "0123",
            "1e3",
            "1:30",
            "2026-01-01",
            "=",
            "<<",
            "-x",
            "a: b",
            "a #b",
            "a,b",
            " a",
            "[a]",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "?",
            "a\u{85}b",
            "\u{feff}",
            "tab\t",
            ".inf",
        ] {
            let written = word(text, STYLE);
            assert!(written.starts_with('"') && written.ends_with('"'), "{written}");
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
        for text in ["api.example.com", "ops@example.com", "/etc/x.yaml", "Local", "node-1"] {
            assert_eq!(word(text, STYLE), text);
        }
    }

    #[test]
    fn a_literal_block_is_one_only_where_it_can_be() {
        assert_eq!(literal("a\n\n  b", 4).unwrap(), "|-\n    a\n\n      b");
        assert_eq!(literal("a\n", 2).unwrap(), "|\n  a");
        for text in ["", " a", "a\n\n", "a\r\nb", "a\n \nb", "\ta", "\n"] {
            assert_eq!(literal(text, 2), None, "{text:?}");
        }
    }
}
