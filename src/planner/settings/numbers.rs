//! Numbers of the settings: shares, counts and spans of time.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::roster::Scalar;
use crate::roster::editors::in_words;
use crate::roster::scalar::{Refusal, quote};

/// A percentage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Percent(u8);

/// A number of at least 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Count(u32);

/// A span of time in whole seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeSpan(u64);

impl Percent {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Count {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl TimeSpan {
    /// How many seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Percent, Refusal> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        number
            .parse()
            .ok()
            .filter(|number| plain && *number <= 100)
            .map(Percent)
            .ok_or_else(|| Refusal::new("bad-percent", format!("{} is not a valid percentage", quote(text))))
    }
}

impl FromStr for Count {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Count, Refusal> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|number| plain && *number > 0)
            .map(Count)
            .ok_or_else(|| Refusal::new("bad-count", format!("{} is not a valid number", quote(text))))
    }
}

impl FromStr for TimeSpan {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<TimeSpan, Refusal> {
        let wrong = || {
            Refusal::new("bad-span", format!("{} is not a valid span of time", quote(text)))
                .hint("write a number and a unit: `90s`, `5m`, `1h30m`")
        };
        let (mut rest, mut total) = (text, 0_u64);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let unit = match rest[digits..].chars().next() {
                Some('s') => 1,
                Some('m') => 60,
                Some('h') => 3600,
                Some('d') => 86_400,
                _ => return Err(wrong()),
            };
            total = number.checked_mul(unit).and_then(|more| total.checked_add(more)).ok_or_else(wrong)?;
            rest = &rest[digits + 1..];
        }
        if total == 0 { Err(wrong()) } else { Ok(TimeSpan(total)) }
    }
}

macro_rules! number_type {
    ($name:ident: $expected:literal, $schema:tt, $shown:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                let shown: fn(&$name, &mut fmt::Formatter<'_>) -> fmt::Result = $shown;
                shown(self, out)
            }
        }

        impl Scalar for $name {
            fn expected() -> String {
                $expected.to_owned()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                in_words::<$name>(json_schema!($schema))
            }
        }
    };
}

number_type!(Percent: "a share from 0 to 100", {
    "description": "A percentage.", "type": ["integer", "string"], "pattern": "^[0-9]{1,3}%?$", "minimum": 0, "maximum": 100
}, |this, out| write!(out, "{}%", this.0));
number_type!(Count: "a number of at least 1", {
    "description": "A number of at least 1.", "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1
}, |this, out| write!(out, "{}", this.0));
number_type!(TimeSpan: "a span of time such as `90s` or `5m`", {
    "description": "A span of time.", "type": "string", "pattern": "^([0-9]+[smhd])+$"
}, |this, out| write!(out, "{}s", this.0));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_shares_and_counts() {
        assert_eq!("1h30m".parse::<TimeSpan>().unwrap().seconds(), 5400);
        for bad in ["", "5", "m", "0s", "1x", "99999999999999999999d", "-1s"] {
            assert!(bad.parse::<TimeSpan>().is_err(), "{bad}");
        }
        assert_eq!("30%".parse::<Percent>().unwrap().number(), 30);
        for bad in ["", "101", "-1", "+1", "1.5"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
        assert!("0".parse::<Count>().is_err() && "+3".parse::<Count>().is_err());
    }
}
