//! A stranger's text on one line, without any effect: a name, a message, a value. Characters that nobody can see, or
//! that change how the rest looks, are written as numbers.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// What begins a command in the log of GitHub Actions and those that are like it, anywhere in a line.
pub const COMMAND: &str = "##[";

/// Does this character do something else than stand there: move the cursor, begin a command of the terminal, turn the
/// text round it, or hide?
#[must_use]
pub fn acts(char: char) -> bool {
    // Most text is plain ASCII.
    !matches!(char, ' '..='~') && (char.is_control() || (char.is_whitespace() && char != ' ') || hides(char))
}

/// Is there nothing to see of it? Those that Unicode lets a font leave out (`Default_Ignorable_Code_Point`), a pattern of
/// Braille without dots, and what marks notes between lines.
fn hides(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with `\u{1b}` for such a character, on one line.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    spelled(text, acts)
}

/// Bytes as text.
///
/// # Errors
/// When they are none; it says which line is none.
pub fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8")
    })
}

/// Whatever is shown, on one line.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<T>(pub T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&one_line(&self.0.to_string()))
    }
}

/// A user in a sentence. One whose name reads like something else there has that said in front.
#[must_use]
pub fn user(name: &str) -> Cow<'_, str> {
    const ELSE: [&str; 7] =
        ["group ", "service account ", "user ", "everybody", "every ", "whoever ", "somebody "];
    match ELSE.iter().any(|begin| name.starts_with(begin)) {
        true => Cow::Owned(format!("user {name}")),
        false => Cow::Borrowed(name),
    }
}

/// So many things, in words: the one place that knows that one of them is no plural.
#[must_use]
pub fn counted<N: fmt::Display + Copy + PartialEq + From<u8>>(number: N, one: &str, many: &str) -> String {
    if number == N::from(1) { format!("{number} {one}") } else { format!("{number} {many}") }
}

/// The text with these characters spelled out.
#[must_use]
pub fn spelled(text: &str, odd: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&odd) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        // Writing to a String cannot fail.
        let _ = match char {
            '\n' if odd(char) => out.write_str("\\n"),
            '\t' if odd(char) => out.write_str("\\t"),
            char if odd(char) => write!(out, "\\u{{{:x}}}", u32::from(char)),
            char => out.write_char(char),
        };
    }
    Cow::Owned(out)
}

/// One word of a command that is printed for pasting, quoted where a shell would make more of it.
#[must_use]
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_.:@/".contains(char);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(shell_text(word))
    }
}

/// A text in single quotes, as a POSIX shell takes it. What acts on a terminal is spelled as bash, ksh and zsh read it.
#[must_use]
pub fn shell_text(text: &str) -> String {
    if !text.contains(acts) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut out = "$'".to_owned();
    for char in text.chars() {
        if acts(char) {
            for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        } else {
            out.extend(matches!(char, '\\' | '\'').then_some('\\'));
            out.push(char);
        }
    }
    out + "'"
}

/// JSON with nothing in it that acts: in JSON each character has a second spelling.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let odd = |char| acts(char) && !matches!(char, '\n' | '\t');
    if !text.contains(odd) && !text.contains(COMMAND) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if odd(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out.replace(COMMAND, "\\u0023#["))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_thing_is_no_plural() {
        assert_eq!(counted(1_usize, "right is left", "rights are left"), "1 right is left");
        assert_eq!(counted(0_usize, "warning", "warnings"), "0 warnings");
        assert_eq!(counted(-1_i64, "day", "days"), "-1 days");
        assert_eq!(counted(2_u64, "person", "people"), "2 people");
    }

    #[test]
    fn what_acts_is_spelled_out() {
        assert_eq!(one_line("Jörg 🦀 `a` %"), "Jörg 🦀 `a` %");
        assert_eq!(
            one_line("a\u{1b}[2J\r\n\tb\u{9b}\u{202e}c\u{200b}"),
            "a\\u{1b}[2J\\u{d}\\n\\tb\\u{9b}\\u{202e}c\\u{200b}"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_written_as_its_number() {
        for hidden in [
            '\u{34f}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180f}',
            '\u{2007}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{ffa0}',
            '\u{1bca0}',
            '\u{1d173}',
            '\u{e0100}',
            '\u{a0}',
            '\u{1680}',
        ] {
            let text = format!("viktor{hidden}");
            assert_eq!(one_line(&text), format!("viktor\\u{{{:x}}}", u32::from(hidden)));
        }
        for seen in ["a b", "Zoë", "日本語", "ก", "🎉"] {
            assert_eq!(one_line(seen), seen);
        }
    }

    #[test]
    fn json_stays_what_it_says() {
        let said = "\u{9b}\u{202e}\u{e0041} ##[x]::";
        let printed = serde_json::to_string_pretty(&serde_json::json!([said])).unwrap_or_default();
        let plain = json(&printed);
        assert!(!plain.contains(acts_alone) && !plain.contains(COMMAND));
        assert_eq!(serde_json::from_str::<Vec<String>>(&plain).unwrap_or_default(), [said]);
    }

    fn acts_alone(char: char) -> bool {
        acts(char) && char != '\n'
    }
}
