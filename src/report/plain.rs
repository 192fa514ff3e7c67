//! The door through which text leaves for a terminal, a log and a pipeline. kwo's own colours and links pass; every other command
//! to the terminal, and every line that a pipeline would take for a command, is spelled out. Names and messages of
//! strangers are on one line before they come here (`kwo_planner::plain`).

use std::borrow::Cow;

use kwo_planner::plain::{COMMAND, acts, spelled};

use super::manual::MANUAL;

/// The text as it may be printed.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    let odd = |char| acts(char) && !matches!(char, '\n' | '\t');
    let command = |line: &str| line.trim_start().starts_with("::") || line.contains(COMMAND);
    if !text.contains(odd) && !text.lines().any(command) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix("\r\n").or_else(|| line.strip_suffix('\n')) {
            Some(rest) => (rest, "\n"),
            None => (line, ""),
        };
        let start = out.len();
        let mut rest = line;
        while let Some(at) = rest.find('\u{1b}') {
            out.push_str(&spelled(&rest[..at], odd));
            let (escape, after) = match colour(&rest[at..]).or_else(|| link(&rest[at..])) {
                Some(end) => rest[at..].split_at(end),
                None => ("\\u{1b}", &rest[at + 1..]),
            };
            out.push_str(escape);
            rest = after;
        }
        out.push_str(&spelled(rest, odd));
        // Whatever colour stands between, a command has two of these.
        let two = |mark: u8| line.bytes().filter(|byte| *byte == mark).nth(1).is_some();
        if two(b':') || two(b'#') {
            let plain = out.split_off(start);
            out.push_str(&no_command(plain));
        }
        out.push_str(end);
    }
    Cow::Owned(out)
}

/// The line with nothing in it that a pipeline would take for a command.
fn no_command(mut plain: String) -> String {
    // It counts where a line begins, whatever space or colour stands before it.
    let seen = anstream::adapter::strip_str(&plain).to_string();
    if seen.trim_start().starts_with("::") {
        plain = plain.replacen("::", "\\::", 1);
    }
    if seen.contains(COMMAND) {
        plain = anstream::adapter::strip_str(&plain).to_string().replace(COMMAND, "#\\#[");
    }
    plain
}

/// The end of a colour, a bold or a dim of kwo's own, if the text begins with one. Nothing that hides text is among them.
fn colour(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find('m')?;
    let shown = |code: &str| match code.parse::<u8>() {
        Ok(code) => matches!(code, 0..=4 | 22..=24 | 30..=37 | 39 | 90..=97),
        Err(_) => code.is_empty(),
    };
    let bright = |rest: &str| rest.parse::<u8>().is_ok_and(|colour| (1..=15).contains(&colour));
    let codes = &codes[..end];
    let known = codes.strip_prefix("38;5;").is_some_and(bright) || codes.split(';').all(shown);
    known.then_some(end + 3)
}

/// The end of a link into the manual, or of the mark that ends one, if the text begins with it.
fn link(text: &str) -> Option<usize> {
    let address = text.strip_prefix("\u{1b}]8;;")?;
    let end = address.find("\u{1b}\\")?;
    let below = |rest: &str| rest.bytes().all(|sign| sign.is_ascii_alphanumeric() || b"/.#-".contains(&sign));
    let own = address[..end].is_empty() || address[..end].strip_prefix(MANUAL).is_some_and(below);
    own.then_some(text.len() - address.len() + end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_pass_and_commands_do_not() {
        assert_eq!(text("\u{1b}[1m\u{1b}[91merror\u{1b}[0m: a\n"), "\u{1b}[1m\u{1b}[91merror\u{1b}[0m: a\n");
        assert_eq!(text("\u{1b}[38;5;9ma\u{1b}[m"), "\u{1b}[38;5;9ma\u{1b}[m");
        for (said, shown) in [
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\u{1b}]0;x\u{7}b", "a\\u{1b}]0;x\\u{7}b"),
            ("a\u{1b}[8mb", "a\\u{1b}[8mb"),
            ("a\rb\r\nc", "a\\u{d}b\nc"),
            ("a\u{9b}2J\u{202e}b", "a\\u{9b}2J\\u{202e}b"),
            ("x\n::error::y", "x\n\\::error::y"),
            ("x\n \t\u{1b}[1m::set-env name=A::y\u{1b}[0m", "x\n \t\u{1b}[1m\\::set-env name=A::y\u{1b}[0m"),
            ("ab ##[add-mask]x", "ab #\\#[add-mask]x"),
            ("a: b::c\n", "a: b::c\n"),
        ] {
            assert_eq!(text(said), shown, "{said:?}");
        }
    }

    #[test]
    fn a_shell_reads_a_word_as_it_is() {
        let words = [
            "a-b.c:d@e/f",
            "",
            "a b",
            "$(id)",
            "`id`",
            "it's",
            "a\nb",
            "\u{1b}[2J'\\;\u{202e}x",
            "-rf",
            "*",
            "!x",
        ];
        for word in words {
            let script = format!("printf %s {}", kwo_planner::plain::shell_word(word));
            assert!(!script.contains(acts), "{script}");
            let Ok(ran) = std::process::Command::new("bash").args(["-c", &script]).output() else { return };
            assert_eq!(String::from_utf8_lossy(&ran.stdout), word, "{script}");
        }
    }
}
