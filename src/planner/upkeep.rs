//! How full a disk or a quota is, and how old the newest backup is: from where on that is bad. Whoever tells of them judges by this, so
//! that `kwo status` and `kwo doctor` never differ.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plain::counted;

/// From here on it is time to look for what can go.
const WARNING: u64 = 70;
/// From here on the kubelet removes images that nothing uses, if nobody told it otherwise. k3s lets it evict pods at 95.
const CRITICAL: u64 = 85;
/// From here on whoever has a quota is to look for what can go.
const NEARLY: u64 = 85;
/// The timer of the backups runs every day: after this it has missed one.
const OLD: i64 = 2 * 24 * 3600;
/// After this a restore would lose more than most people expect.
const LONG: i64 = 7 * 24 * 3600;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Ok,
    Warning,
    Critical,
}

/// How much of a file system is used, in percent and rounded down, as `df` counts: what only root may use is neither used nor
/// available.
#[must_use]
pub fn percent(used: u64, available: u64) -> u64 {
    let whole = u128::from(used) + u128::from(available);
    u64::try_from(u128::from(used) * 100 / whole.max(1)).unwrap_or(100)
}

/// How bad it is that so much of a file system is used.
#[must_use]
pub fn fullness(percent: u64) -> Level {
    match percent {
        CRITICAL.. => Level::Critical,
        WARNING.. => Level::Warning,
        _ => Level::Ok,
    }
}

/// How many percent of an amount so much is, rounded down.
#[must_use]
pub fn percent_of(used: u64, amount: u64) -> u64 {
    u64::try_from(u128::from(used) * 100 / u128::from(amount.max(1))).unwrap_or(u64::MAX)
}

/// How bad it is that so much of a quota is taken. Nothing refuses what is above it, so only that is critical.
#[must_use]
pub fn taken(used: u64, quota: u64) -> Level {
    match percent_of(used, quota) {
        _ if used > quota => Level::Critical,
        NEARLY.. => Level::Warning,
        _ => Level::Ok,
    }
}

/// How old a backup of so many hours is, in words.
#[must_use]
pub fn age(hours: i64) -> String {
    match hours {
        ..48 => counted(hours, "hour", "hours"),
        _ => counted(hours / 24, "day", "days"),
    }
}

/// How bad it is that the newest backup was made then, both in seconds. None at all is as bad as it gets.
#[must_use]
pub fn backup(made: Option<i64>, now: i64) -> Level {
    match made.map(|made| now.saturating_sub(made)) {
        None | Some(LONG..) => Level::Critical,
        Some(OLD..) => Level::Warning,
        Some(_) => Level::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_bad_from_the_first_byte_of_the_bound_on() {
        let level = |used, free| fullness(percent(used, free));
        assert_eq!(level(699, 301), Level::Ok);
        assert_eq!(level(700, 300), Level::Warning);
        assert_eq!(level(849, 151), Level::Warning);
        assert_eq!(level(850, 150), Level::Critical);
        assert_eq!(level(1, 0), Level::Critical);
        assert_eq!(percent(u64::MAX, u64::MAX), 50);
        assert_eq!(percent(0, 0), 0);
    }

    #[test]
    fn a_quota_is_exceeded_from_the_first_byte_above_it_on() {
        assert_eq!((taken(849, 1000), taken(850, 1000)), (Level::Ok, Level::Warning));
        assert_eq!((taken(1000, 1000), taken(1001, 1000)), (Level::Warning, Level::Critical));
        assert_eq!((percent_of(1009, 1000), percent_of(u64::MAX, 1)), (100, u64::MAX));
        assert_eq!((taken(0, 0), taken(u64::MAX, u64::MAX)), (Level::Ok, Level::Warning));
    }

    #[test]
    fn the_newest_backup_is_days_old_and_no_older() {
        const DAY: i64 = 24 * 3600;
        let level = |age| backup(Some(1_000 * DAY - age), 1_000 * DAY);
        assert_eq!((level(0), level(2 * DAY - 1)), (Level::Ok, Level::Ok));
        assert_eq!((level(2 * DAY), level(7 * DAY - 1)), (Level::Warning, Level::Warning));
        assert_eq!((level(7 * DAY), backup(None, 0)), (Level::Critical, Level::Critical));
        // A clock that is a little ahead makes no backup old.
        assert_eq!((level(-3600), backup(Some(i64::MAX), i64::MIN)), (Level::Ok, Level::Ok));
        assert_eq!(backup(Some(i64::MIN), i64::MAX), Level::Critical);
    }
}
