//! How full the disks of a node are and how old its newest backup is, as `kwo status --node` says it.

use kwo_engine::status::{Backup, Disk, Level};
use kwo_planner::plain::one_line;
use kwo_planner::units::moment;
use kwo_planner::upkeep::age;

use super::style::{CREATE, HOLD};

/// How full a disk of the node is.
pub(super) fn disk(disk: &Disk) -> String {
    let Disk { folders: _, used_bytes: _, available_bytes, percent, level: how } = disk;
    let tenths = u128::from(*available_bytes) * 10 / (1 << 30);
    let (whole, tenth) = (tenths / 10, tenths % 10);
    format!("{}: {percent} % used, {whole}.{tenth} GiB free ({})", level(*how), disk.named())
}

/// How old its newest backup is.
pub(super) fn backup(backup: &Backup) -> String {
    let Backup { folder, made, hours, ahead, level: how } = backup;
    let folder = folder.to_string_lossy();
    let found = match made.zip(*hours) {
        None => format!("there is none in {}", one_line(&folder)),
        Some((made, hours)) => {
            format!("the newest one was made at {}, {} ago ({})", moment(made), age(hours), one_line(&folder))
        }
    };
    let wrong = ahead.map_or_else(String::new, |ahead| {
        format!("; {HOLD}one has a time that is still to come{HOLD:#} ({}) and does not count", moment(ahead))
    });
    format!("{}: {found}{wrong}", level(*how))
}

fn level(level: Level) -> String {
    let (style, word) = match level {
        Level::Ok => (CREATE, "ok"),
        Level::Warning => (HOLD, "warning"),
        Level::Critical => (HOLD, "critical"),
    };
    format!("{style}{word}{style:#}")
}

#[cfg(test)]
mod tests {
    use kwo_planner::upkeep::{fullness, percent};

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_disk_is_told_with_how_bad_it_is() {
        let told = |used: u64| {
            let (used, free) = (used << 30, (100 - used) << 30);
            let percent = percent(used, free);
            plain(&disk(&Disk {
                folders: vec!["/var/lib/kwo".into()],
                used_bytes: used,
                available_bytes: free,
                percent,
                level: fullness(percent),
            }))
        };
        assert_eq!(told(69), "ok: 69 % used, 31.0 GiB free (/var/lib/kwo)");
        assert_eq!(told(70), "warning: 70 % used, 30.0 GiB free (/var/lib/kwo)");
        assert_eq!(told(85), "critical: 85 % used, 15.0 GiB free (/var/lib/kwo)");
    }

    #[test]
    fn a_backup_is_told_with_its_age_and_none_as_none() {
        let told = |hours: Option<i64>, ahead: Option<&str>, level| {
            plain(&backup(&Backup {
                folder: "/b".into(),
                made: hours.map(|_| "2026-11-21T03:10:02Z".parse().unwrap()),
                hours,
                ahead: ahead.map(|ahead| ahead.parse().unwrap()),
                level,
            }))
        };
        use kwo_planner::upkeep::Level::{Critical, Ok, Warning};
        let newest = |level: &str, age: &str| {
            format!("{level}: the newest one was made at 2026-11-21 03:10:02 UTC, {age} ago (/b)")
        };
        assert_eq!(told(Some(1), None, Ok), newest("ok", "1 hour"));
        assert_eq!(told(Some(47), None, Ok), newest("ok", "47 hours"));
        assert_eq!(told(Some(48), None, Warning), newest("warning", "2 days"));
        assert_eq!(told(None, None, Critical), "critical: there is none in /b");
        assert_eq!(
            told(None, Some("2099-01-01T00:00:00Z"), Critical),
            "critical: there is none in /b; one has a time that is still to come (2099-01-01 00:00:00 UTC) and does not count"
        );
    }
}
