//! Text of strangers on one line, with nothing in it that does more than stand there: a name, a message, a value. What
//! cannot be seen, or changes what else is seen, is written as its number.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Does this character do something else than stand there: move the cursor, begin a command of the terminal, turn the
/// text round it, or hide?
#[must_use]
pub fn acts(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with `\u{1b}` for such a character, on one line.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    spelled(text, acts)
}

/// Whatever is shown, on one line.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<T>(pub T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&one_line(&self.0.to_string()))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_spelled_out() {
        assert_eq!(one_line("Jörg 🦀 `a` %"), "Jörg 🦀 `a` %");
        assert_eq!(
            one_line("a\u{1b}[2J\r\n\tb\u{9b}\u{202e}c\u{200b}"),
            "a\\u{1b}[2J\\u{d}\\n\\tb\\u{9b}\\u{202e}c\\u{200b}"
        );
    }
}
