//! The archives of tenants that left: how old they are, who can read them, and whether half of one was left.

use kwo_planner::plain::counted;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use kwo_planner::endings::word;

use super::check::{ARCHIVES, Check, few};

/// What archives end with.
const SUFFIX: &str = ".kwoarc";

/// Who keeps one for longer should know why: it holds what a tenant had.
const OLD: u64 = 365;

/// No more files are looked at.
const MOST: usize = 10_000;

pub(super) fn archives(folder: Option<&Path>) -> Check {
    let Some(folder) = folder else {
        return ARCHIVES.not_asked("`--archives DIR` looks at those in a folder");
    };
    match fs::read_dir(folder) {
        Err(error) => ARCHIVES
            .failed(format!("{}: {error}", folder.display()))
            .todo("name the folder that `kwo offboard --out` wrote to", "kwo offboard --help"),
        Ok(found) => {
            let found: Vec<fs::DirEntry> = found.flatten().take(MOST).collect();
            judged(folder, &found, SystemTime::now())
        }
    }
}

fn judged(folder: &Path, found: &[fs::DirEntry], now: SystemTime) -> Check {
    let (mut days, mut wrong) = (Vec::new(), Vec::new());
    for entry in found {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(facts) = entry.metadata().ok().filter(fs::Metadata::is_file) else { continue };
        if name.starts_with(".kwo-") {
            wrong.push(format!("{name} is half an archive that a run left behind"));
        } else if name.ends_with(SUFFIX) {
            if facts.permissions().mode() & 0o077 != 0 {
                wrong.push(format!("others than its owner can read {name}"));
            }
            if facts.size() == 0 {
                wrong.push(format!("{name} is empty"));
            }
            let age = facts.modified().ok().and_then(|made| now.duration_since(made).ok());
            days.push(age.unwrap_or_default().as_secs() / 86_400);
        }
    }
    let place = word(&folder.to_string_lossy());
    let old = days.iter().filter(|days| **days > OLD).count();
    let told = match days.iter().max() {
        None => format!("there are none in {}", folder.display()),
        Some(most) => {
            format!("archives: {}, the oldest is {} old", days.len(), counted(*most, "day", "days"))
        }
    };
    match wrong.as_slice() {
        [] if old == 0 => ARCHIVES.ok(told),
        [] => ARCHIVES
            .warning(format!("{told}; {old} are older than a year"))
            .todo("delete what nobody needs any more", format!("ls -lt {place}")),
        wrong => ARCHIVES
            .warning(format!("{told}; {}", few(wrong)))
            .todo("see each of them", format!("ls -la {place}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Outcome;
    use super::*;

    #[test]
    fn an_archive_is_private_whole_and_not_older_than_a_year() {
        let folder = tempfile::tempdir().unwrap();
        let look = || archives(Some(folder.path()));
        assert_eq!(archives(None).outcome, Outcome::NotAsked);
        assert_eq!(archives(Some(&folder.path().join("none"))).outcome, Outcome::Failed);
        assert_eq!(look().outcome, Outcome::Ok);
        let path = folder.path().join("alice-1.kwoarc");
        fs::write(&path, "x").unwrap();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert_eq!(look().outcome, Outcome::Warning);
        mode(0o600);
        assert_eq!(look().found, "archives: 1, the oldest is 0 days old");
        let entries = || -> Vec<fs::DirEntry> { fs::read_dir(folder.path()).unwrap().flatten().collect() };
        let later = SystemTime::now() + Duration::from_secs(366 * 86_400);
        assert_eq!(judged(folder.path(), &entries(), later).outcome, Outcome::Warning);
        fs::write(folder.path().join(".kwo-x"), "x").unwrap();
        assert!(look().found.contains("half an archive"), "{}", look().found);
    }
}
