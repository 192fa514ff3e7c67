//! How long a token is good, as the roster says it: `24h`, `7d`, `1d12h`. Spans that are equally long are the same.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::editors::in_words;
use super::scalar::{Refusal, Scalar, quote};

/// The units, the largest first, and how many seconds each has.
const UNITS: [(char, u64); 4] = [('d', 86400), ('h', 3600), ('m', 60), ('s', 1)];

/// How long a token is good. Kubernetes takes 10 minutes to 2^32 seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Lifetime(u64);

impl Lifetime {
    /// The shortest that Kubernetes gives.
    const SHORTEST: u64 = 600;
    /// The longest that Kubernetes gives.
    const LONGEST: u64 = 1 << 32;

    /// So many days.
    #[must_use]
    pub const fn days(days: u16) -> Lifetime {
        Lifetime(days as u64 * UNITS[0].1)
    }

    /// In seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Lifetime {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Lifetime, Refusal> {
        let refusal = |why: &str| {
            Refusal::new("bad-lifetime", format!("{} is not a valid lifetime: {why}", quote(text)))
        };
        let Some(seconds) = read(text) else {
            let refusal = refusal("it is not made of numbers with the units `d`, `h`, `m` and `s`");
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            return Err(match digits {
                true => refusal.hint(format!("write the unit: `{text}h` are hours, `{text}d` days")),
                false => refusal,
            });
        };
        match seconds {
            Lifetime::SHORTEST..=Lifetime::LONGEST => Ok(Lifetime(seconds)),
            0..Lifetime::SHORTEST => Err(refusal("Kubernetes makes no token for less than 10m")),
            _ => Err(refusal("Kubernetes makes no token for more than 49710d")),
        }
    }
}

/// How long something is kept; `0s` is not at all.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Retention(u64);

impl Retention {
    /// So many days.
    #[must_use]
    pub const fn days(days: u16) -> Retention {
        Retention(Lifetime::days(days).seconds())
    }

    /// In seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Retention {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Retention, Refusal> {
        match read(text).filter(|seconds| *seconds <= Lifetime::LONGEST) {
            _ if text == "0s" => Ok(Retention(0)),
            Some(seconds) => Ok(Retention(seconds)),
            None => Err(Refusal::new(
                "bad-lifetime",
                format!("{} is no span of time that kwo takes", quote(text)),
            )
            .hint("write a number with a unit: `30d` are days, `12h` hours; `0s` is not at all")),
        }
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => out.write_str("0s"),
            seconds => Lifetime(seconds).fmt(out),
        }
    }
}

impl Scalar for Retention {
    fn expected() -> String {
        "a span of time such as `30d`, or `0s`".to_owned()
    }
}

impl JsonSchema for Retention {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Retention".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        in_words::<Retention>(json_schema!({
            "description": "How long something is kept: `30d`, `12h`; `0s` is not at all.",
            "type": "string",
            "pattern": "^(0s|([1-9][0-9]*d)?([1-9][0-9]*h)?([1-9][0-9]*m)?([1-9][0-9]*s)?)$",
            "minLength": 2,
        }))
    }
}

/// The seconds in all parts together; each unit once, the larger first.
fn read(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let (mut rest, mut seconds) = (text, 0u64);
    while !rest.is_empty() || seconds == 0 {
        let at = rest.find(|char: char| !char.is_ascii_digit())?;
        let unit = rest[at..].chars().next()?;
        let (_, length) = units.find(|(have, _)| *have == unit)?;
        let count: u64 = rest[..at].parse().ok().filter(|count| *count > 0)?;
        seconds = seconds.checked_add(count.checked_mul(*length)?)?;
        rest = &rest[at + 1..];
    }
    Some(seconds)
}

impl fmt::Display for Lifetime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lifetime(seconds) = self;
        let mut rest = *seconds;
        for (unit, length) in UNITS {
            if rest >= length {
                write!(out, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

impl Scalar for Lifetime {
    fn expected() -> String {
        "a span of time such as `24h` or `7d`, from 10m on".to_owned()
    }
}

impl JsonSchema for Lifetime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Lifetime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        in_words::<Lifetime>(json_schema!({
            "description": "How long a token is good, from 10m on: `24h`, `7d`, `1d12h`.",
            "type": "string",
            "pattern": "^([1-9][0-9]*d)?([1-9][0-9]*h)?([1-9][0-9]*m)?([1-9][0-9]*s)?$",
            "minLength": 2,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_the_same_whatever_their_units() {
        for (text, shown) in [
            ("24h", "1d"),
            ("7d", "7d"),
            ("36h", "1d12h"),
            ("1d12h", "1d12h"),
            ("600s", "10m"),
            ("4294967296s", "49710d6h28m16s"),
        ] {
            assert_eq!(text.parse::<Lifetime>().unwrap().to_string(), shown);
        }
        assert_eq!(Lifetime::days(7), "168h".parse().unwrap());
    }

    #[test]
    fn something_can_be_kept_not_at_all_and_never_for_a_number_without_a_unit() {
        assert_eq!("0s".parse::<Retention>().unwrap().seconds(), 0);
        assert_eq!("30d".parse::<Retention>().unwrap(), Retention::days(30));
        assert_eq!("5m".parse::<Retention>().unwrap().seconds(), 300);
        for bad in ["", "0", "30", "0d", "1h1d", "-1d", "50000d"] {
            assert!(bad.parse::<Retention>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_the_reason() {
        for bad in
            ["", "h", "7", "7w", "1h1d", "1h1h", "0h", "-1h", "1.5h", "1 h", "9m", "599s", "49711d", "ä"]
        {
            assert!(bad.parse::<Lifetime>().is_err(), "{bad}");
        }
        assert!("99999999999999999999d".parse::<Lifetime>().is_err());
        let refusal = "24".parse::<Lifetime>().unwrap_err();
        assert_eq!(refusal.hint.as_deref(), Some("write the unit: `24h` are hours, `24d` days"));
    }
}
