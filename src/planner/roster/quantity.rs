//! Kubernetes quantities: `500m`, `4Gi`, `1e3`. They keep the text that was written and are compared by value.
//! What a quantity may be used for is for the sections to check.

mod split;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use smol_str::SmolStr;

use super::editors::in_words;
use super::scalar::{Refusal, Scalar, quote};

/// How many nano units one unit has.
const UNIT: i128 = 1_000_000_000;
/// The largest value that Kubernetes can hold.
const LARGEST: i128 = i64::MAX as i128 * UNIT;
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// An amount as Kubernetes writes it. Equal and ordered by value: `1000m` is `1`, `1Gi` is `1024Mi`.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: SmolStr,
    nano: i128,
    style: Style,
}

/// The kind of suffix, which the canonical form keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Style {
    Decimal,
    Binary,
    Exponent,
}

impl Quantity {
    /// Nothing.
    #[must_use]
    pub fn zero() -> Quantity {
        Quantity { text: SmolStr::new_static("0"), nano: 0, style: Style::Decimal }
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Is it below zero?
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nano < 0
    }

    /// How many whole units it has, a part of one counted as one.
    #[must_use]
    pub fn units(&self) -> i128 {
        -(-self.nano).div_euclid(UNIT)
    }

    /// Is it a whole number of units, as a count must be?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nano % UNIT == 0
    }

    /// So many units more.
    #[must_use]
    pub fn and(&self, more: u32) -> Quantity {
        let nano = self.nano + i128::from(more) * UNIT;
        let mut sum = Quantity { text: SmolStr::default(), nano, style: Style::Decimal };
        sum.text = sum.canonical();
        sum
    }

    /// Is it more than so many times this amount?
    #[must_use]
    pub fn is_above_times(&self, times: &Quantity, amount: &Quantity) -> bool {
        // Only amounts that no machine has come to the end of the numbers.
        self.nano.saturating_mul(UNIT) > times.nano.saturating_mul(amount.nano)
    }

    /// Is so many times this amount more than the other?
    #[must_use]
    pub fn times_is_above(&self, amount: &Quantity, other: &Quantity) -> bool {
        self.nano.saturating_mul(amount.nano) > other.nano.saturating_mul(UNIT)
    }

    /// How many per cent of the whole it is, rounded down; nothing where the whole is nothing.
    #[must_use]
    pub fn percent_of(&self, whole: &Quantity) -> Option<i128> {
        // An amount is at most 2^63 units of 10^9, so this stays far below 2^127.
        (whole.nano > 0).then(|| self.nano * 100 / whole.nano)
    }

    /// The text that the API server prints for it.
    #[must_use]
    pub fn canonical(&self) -> SmolStr {
        if self.nano == 0 {
            return SmolStr::new_static("0");
        }
        let small = self.nano > -1024 * UNIT && self.nano < 1024 * UNIT;
        if self.style == Style::Binary && !small && self.is_whole() {
            let mut number = self.nano / UNIT;
            let mut suffix = "";
            for (next, _) in BINARY {
                if number % 1024 != 0 {
                    break;
                }
                number /= 1024;
                suffix = next;
            }
            return format!("{number}{suffix}").into();
        }
        let (mut number, mut power) = (self.nano, -9);
        while number % 1000 == 0 && power < 18 {
            number /= 1000;
            power += 3;
        }
        if self.style == Style::Exponent {
            return if power == 0 { format!("{number}") } else { format!("{number}e{power}") }.into();
        }
        let suffix = DECIMAL.iter().find(|(_, have)| *have == power).map_or("", |(suffix, _)| suffix);
        format!("{number}{suffix}").into()
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl FromStr for Quantity {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Quantity, Refusal> {
        let wrong = |why: &str| {
            Refusal::new("bad-quantity", format!("{} is not a valid quantity: {why}", quote(text)))
        };
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') {
            return Err(wrong("it has two decimal points"));
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(wrong("it does not start with a number"));
        }
        let (style, ten, two) = scale(suffix).ok_or_else(|| {
            let refusal = wrong(&format!("{} is not a valid unit", quote(suffix)));
            match meant(suffix) {
                Some(unit) => refusal.hint(format!("did you mean `{number}{unit}`?")),
                None => refusal.hint("the units are n, u, m, k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei"),
            }
        })?;
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Quantity { text: text.into(), nano: 0, style });
        }
        let too_large = || wrong("it is larger than Kubernetes can hold");
        let power = ten + 9 - i32::try_from(fraction.len()).map_err(|_| wrong("it has too many digits"))?;
        let mantissa = digits.parse::<i128>().map_err(|_| wrong("it has too many digits"))?;
        let scaled =
            1i128.checked_shl(two).and_then(|factor| mantissa.checked_mul(factor)).ok_or_else(too_large)?;
        let nano = scale_by_ten(scaled, power).filter(|nano| *nano <= LARGEST).ok_or_else(too_large)?;
        Ok(Quantity { text: text.into(), nano: if negative { -nano } else { nano }, style })
    }
}

/// Times ten to this power; what is below one nano unit counts as a whole one, as in Kubernetes.
fn scale_by_ten(value: i128, power: i32) -> Option<i128> {
    let factor = 10i128.checked_pow(power.unsigned_abs());
    match factor {
        Some(factor) if power >= 0 => value.checked_mul(factor),
        Some(factor) => Some(value / factor + i128::from(value % factor != 0)),
        None if power >= 0 => None,
        None => Some(1),
    }
}

/// What a suffix multiplies by: a power of ten and a power of two.
fn scale(suffix: &str) -> Option<(Style, i32, u32)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(have, _)| *have == suffix) {
        return Some((Style::Decimal, *power, 0));
    }
    if let Some((_, power)) = BINARY.iter().find(|(have, _)| *have == suffix) {
        return Some((Style::Binary, 0, *power));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let power: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    Some((Style::Exponent, i32::try_from(power.clamp(-100_000, 100_000)).ok()?, 0))
}

/// The unit that somebody who wrote this one probably had in mind.
fn meant(suffix: &str) -> Option<&'static str> {
    // A unit with space in front is that unit: `500 m` is half a CPU, and no `500M`.
    let units = DECIMAL.iter().map(|(unit, _)| *unit).chain(BINARY.iter().map(|(unit, _)| *unit));
    if let Some(unit) = units.into_iter().find(|unit| !unit.is_empty() && *unit == suffix.trim()) {
        return Some(unit);
    }
    let lower = suffix.trim().to_ascii_lowercase();
    let unit = lower.strip_suffix('b').unwrap_or(&lower);
    match unit {
        "" => Some(""),
        "k" => Some("k"),
        "m" => Some("M"),
        "g" => Some("G"),
        "t" => Some("T"),
        "p" => Some("P"),
        "ki" | "kib" => Some("Ki"),
        "mi" => Some("Mi"),
        "gi" => Some("Gi"),
        "ti" => Some("Ti"),
        "pi" => Some("Pi"),
        "ei" => Some("Ei"),
        _ => None,
    }
}

impl Scalar for Quantity {
    fn expected() -> String {
        "a Kubernetes quantity such as `2`, `500m` or `4Gi`".to_owned()
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        in_words::<Quantity>(json_schema!({
            "description": "A Kubernetes quantity: `2`, `500m`, `4Gi`.",
            "type": ["string", "number"],
            "minimum": 0,
            "pattern": "^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?$",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_added_whatever_the_suffix() {
        for (text, sum) in [("0", "120"), ("20", "140"), ("1k", "1120"), ("500m", "120500m"), ("1Ki", "1144")]
        {
            assert_eq!(text.parse::<Quantity>().unwrap().and(120).as_str(), sum);
        }
    }

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn the_canonical_form_is_the_api_servers() {
        for (text, canonical) in [
            ("0", "0"),
            ("0Gi", "0"),
            ("2", "2"),
            ("+2", "2"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1.", "1"),
            ("100000", "100k"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("100e1", "1e3"),
            ("10e1", "100"),
            ("1e-1", "100e-3"),
            ("1E", "1E"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1.5Ki", "1536"),
            ("0.5Ki", "512"),
            ("1000Ki", "1000Ki"),
            ("2048", "2048"),
            ("0.1Ki", "102400m"),
            ("12.1Ki", "12390400m"),
            ("0.0000000001", "1n"),
            ("1e-100", "1e-9"),
            ("-2Gi", "-2Gi"),
            ("9223372036854775807", "9223372036854775807"),
        ] {
            assert_eq!(quantity(text).canonical(), canonical, "{text}");
            assert_eq!(quantity(text).as_str(), text);
            assert_eq!(quantity(canonical), quantity(text));
        }
    }

    #[test]
    fn compared_by_value() {
        assert_eq!(quantity("1Gi"), quantity("1024Mi"));
        assert!(quantity("1G") < quantity("1Gi"));
        assert!(quantity("-1").is_negative() && !quantity("-0").is_negative());
        assert!(quantity("1000m").is_whole() && !quantity("1500m").is_whole());
    }

    #[test]
    fn a_part_is_told_in_per_cent() {
        let percent = |part, whole| quantity(part).percent_of(&quantity(whole));
        assert_eq!(percent("1536Mi", "2Gi"), Some(75));
        assert_eq!(percent("999m", "1"), Some(99));
        assert_eq!(percent("3", "2"), Some(150));
        assert_eq!(percent("9223372036854775807", "9223372036854775807"), Some(100));
        assert_eq!(percent("1", "0"), None);
    }

    #[test]
    fn what_is_no_quantity() {
        for bad in [
            "",
            "-",
            ".",
            "Gi",
            "4 Gi",
            "4GB",
            "4gi",
            "1.2.3",
            "1e",
            "1e+",
            "0x10",
            "9E99",
            "1e999999999999",
            "10E",
            "--1",
        ] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad}");
        }
        for (said, meant) in [("500 m", "500m"), ("2 GiB", "2Gi"), ("1 Mi", "1Mi"), ("3 mb", "3M")] {
            let refused = said.parse::<Quantity>().unwrap_err().to_string();
            assert!(refused.contains(&format!("did you mean `{meant}`?")), "{refused}");
        }
        assert_eq!(
            "4GB".parse::<Quantity>().unwrap_err().to_string(),
            "`4GB` is not a valid quantity: `GB` is not a valid unit (did you mean `4G`?)"
        );
        assert!("9".repeat(60).parse::<Quantity>().is_err());
    }
}
