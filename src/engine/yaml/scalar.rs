//! What a plain scalar means: to the readers that k3s, Helm and kubectl have, which take YAML 1.1 as Go's `yaml` does,
//! and to a reader of YAML 1.2. A scalar in quotes is a text to all of them.

use kwo_planner::tree::{Number, Tree};

/// What Go's YAML 1.1 makes of it.
pub(crate) fn old(text: &str) -> Tree {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Tree::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Tree::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Tree::Bool(false);
        }
        _ => {}
    }
    let number = match text.as_bytes().first() {
        Some(b'.') => float(text),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            let digits = text.replace('_', "");
            integer(&digits, true).or_else(|| is_float(&digits).then(|| float(&digits)).flatten())
        }
        _ => None,
    };
    number.unwrap_or_else(|| Tree::from(text.to_owned()))
}

/// What a reader of YAML 1.2 makes of it, by the core schema.
pub(crate) fn new(text: &str) -> Tree {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Tree::Null,
        "true" | "True" | "TRUE" => Tree::Bool(true),
        "false" | "False" | "FALSE" => Tree::Bool(false),
        _ => {
            let based = text.starts_with("0x") || text.starts_with("0o");
            let decimal = || integer(text.trim_start_matches(['+', '-']), false).and(integer(text, false));
            let number = if based { integer(text, true) } else { decimal() };
            let number = number.or_else(|| is_float(text).then(|| float(text)).flatten());
            number.unwrap_or_else(|| Tree::from(text.to_owned()))
        }
    }
}

/// An integer; with prefixes, a leading zero means octal, as in Go's source text.
fn integer(text: &str, prefixes: bool) -> Option<Tree> {
    let (minus, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.get(..2).filter(|_| prefixes) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(two) if two.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !digits.chars().all(|char| char.is_digit(base)) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    let number = if minus { -number } else { number };
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => Some(Tree::Number(Number::from(number))),
        (_, Ok(number)) if !text.starts_with('+') => Some(Tree::Number(Number::from(number))),
        _ => None,
    }
}

/// Is it written as a float: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`?
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.chars().all(|char| char.is_ascii_digit());
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
        && (digits(whole) && digits(part))
        && !(whole.is_empty() && part.is_empty())
}

/// A float; a whole number is the same as the integer. What is none, or has no bounds, stays a text.
fn float(text: &str) -> Option<Tree> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and far below 2^63")]
    let whole = |float: f64| (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64);
    let plain = text.chars().all(|char| char.is_ascii_digit() || "+-.eE".contains(char));
    let float: f64 = text.parse().ok().filter(|_| plain)?;
    match whole(float) {
        Some(whole) => Some(Tree::Number(Number::from(whole))),
        None => Number::from_f64(float).map(Tree::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_differ_where_they_do() {
        let both = |text: &str| (old(text).to_string(), new(text).to_string());
        for (text, one, two) in [
            ("no", "false", r#""no""#),
            ("0644", "420", "644"),
            ("0123456", "42798", "123456"),
            ("0o17", "15", "15"),
            ("0b11", "3", r#""0b11""#),
            ("1_000", "1000", r#""1_000""#),
            ("089", "89", "89"),
            ("1:30", r#""1:30""#, r#""1:30""#),
            ("1e3", "1000", "1000"),
            (".5", "0.5", "0.5"),
            ("-0x1f", "-31", r#""-0x1f""#),
            ("2026-01-01", r#""2026-01-01""#, r#""2026-01-01""#),
            ("1.2.3", r#""1.2.3""#, r#""1.2.3""#),
            ("-", r#""-""#, r#""-""#),
            ("+", r#""+""#, r#""+""#),
            ("0", "0", "0"),
            ("0x", r#""0x""#, r#""0x""#),
            (".inf", r#"".inf""#, r#"".inf""#),
            ("18446744073709551615", "18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(both(text), (one.to_owned(), two.to_owned()), "{text}");
        }
    }
}
