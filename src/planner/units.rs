//! Times, durations and sizes as people write them. What programs read stays as it is.

use std::fmt::Display;
use std::time::Duration;

/// A time of RFC 3339 to the second: `2026-11-21 14:29:02 UTC`. Any other text stays as it is.
#[must_use]
pub fn moment(time: impl Display) -> String {
    let text = time.to_string();
    to_the_second(&text).unwrap_or(text)
}

fn to_the_second(text: &str) -> Option<String> {
    const SHAPE: &str = "0000-00-00T00:00:00";
    let (clock, rest) = (text.get(..SHAPE.len())?, text.get(SHAPE.len()..)?);
    let fits = |(found, shape): (u8, u8)| if shape == b'0' { found.is_ascii_digit() } else { found == shape };
    if !clock.bytes().zip(SHAPE.bytes()).all(fits) {
        return None;
    }
    let zone = rest
        .strip_prefix('.')
        .map_or(rest, |rest| rest.trim_start_matches(|char: char| char.is_ascii_digit()));
    let zone = match zone {
        "Z" | "+00:00" => "UTC",
        _ if zone.len() == 6 && zone.starts_with(['+', '-']) => zone,
        _ => return None,
    };
    Some(format!("{} {zone}", clock.replace('T', " ")))
}

/// How long something took: two figures of it, for more nobody asks.
#[must_use]
pub fn lasted(time: Duration) -> String {
    let (seconds, tenths) = (time.as_secs(), time.subsec_millis() / 100);
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..10 if tenths > 0 => format!("{seconds}.{tenths} s"),
        1..60 => format!("{seconds} s"),
        60..3600 => two((seconds / 60, "min"), (seconds % 60, "s")),
        _ => two((seconds / 3600, "h"), (seconds % 3600 / 60, "min")),
    }
}

fn two((much, of): (u64, &str), (rest, of_rest): (u64, &str)) -> String {
    if rest == 0 { format!("{much} {of}") } else { format!("{much} {of} {rest} {of_rest}") }
}

/// So many bytes, in the unit that leaves one to four digits before the point.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return format!("{bytes} B");
    };
    let tenths = (u128::from(bytes) * 10) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_to_the_second() {
        let told = [
            ("2026-11-21T14:29:02Z", "2026-11-21 14:29:02 UTC"),
            ("2026-11-21T14:29:02.123456789Z", "2026-11-21 14:29:02 UTC"),
            ("2026-11-21T14:29:02+00:00", "2026-11-21 14:29:02 UTC"),
            ("2026-11-21T14:29:02.5+02:00", "2026-11-21 14:29:02 +02:00"),
        ];
        for (time, expected) in told {
            assert_eq!(moment(time), expected);
        }
        for other in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-11-21T14:29:02",
            "2026-11-21T14:29:02Zulu",
            "2026-11-21T1429:02Z",
            "äääääääää-äääää",
        ] {
            assert_eq!(moment(other), other);
        }
    }

    #[test]
    fn a_duration_has_two_figures() {
        let told = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1234, "1.2 s"),
            (5000, "5 s"),
            (12_900, "12 s"),
            (60_000, "1 min"),
            (200_000, "3 min 20 s"),
            (7_260_000, "2 h 1 min"),
            (90_000_000, "25 h"),
        ];
        for (milliseconds, expected) in told {
            assert_eq!(lasted(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn a_size_has_a_unit() {
        let told = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1 << 20, "1.0 MiB"),
            (14 << 30, "14.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (bytes, expected) in told {
            assert_eq!(size(bytes), expected);
        }
    }
}
