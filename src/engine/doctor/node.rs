//! The node that kwo runs on: its disk, and whether k3s runs.

use jiff::Timestamp;
use kwo_planner::endings::word;
use kwo_planner::units::moment;

use super::check::{Check, DISK, K3S};
use crate::status::disk::Level;
use crate::status::{Answer, Disk, Status};

/// What of the node was looked at.
pub(super) fn node(status: Option<&Status>, asked: bool) -> Vec<Check> {
    let how = "`--node` on the node looks at it";
    let Some(status) = status.filter(|_| asked) else {
        let why = if asked { "there is no cluster to ask" } else { how };
        return [DISK, K3S].map(|topic| topic.not_asked(why)).into();
    };
    vec![full(status.disk.as_ref()), runs(status.k3s.as_ref())]
}

fn full(disk: Option<&Answer<Disk>>) -> Check {
    let disk = match disk {
        None => return DISK.not_asked("`--node` on the node looks at it"),
        Some(Answer::CouldNotLook(why)) => return DISK.cannot_tell(why),
        Some(Answer::Found(disk)) => disk,
    };
    let found = format!("{} % of the disk of {} is used", disk.percent, disk.path.display());
    let todo =
        "find out what takes the room; images that nothing uses can go with `sudo k3s crictl rmi --prune`";
    let command = format!("sudo du -xhd1 {}", word(&disk.path.to_string_lossy()));
    match disk.level {
        Level::Ok => DISK.ok(found),
        Level::Warning => DISK.warning(found).todo(todo, command),
        Level::Critical => DISK.failed(found).todo(todo, command),
    }
}

fn runs(k3s: Option<&Answer<Option<Timestamp>>>) -> Check {
    match k3s {
        None => K3S.not_asked("the root of the node is not that of this machine"),
        Some(Answer::CouldNotLook(why)) => K3S.cannot_tell(why),
        Some(Answer::Found(Some(since))) => K3S.ok(format!("it runs since {}", moment(since))),
        Some(Answer::Found(None)) => K3S.failed("it does not run").todo(
            "see why, and start it with `sudo systemctl start k3s`",
            "sudo journalctl -u k3s -n 50 --no-pager",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn found<T>(value: T) -> Answer<T> {
        Answer::Found(value)
    }

    fn silent<T>() -> Answer<T> {
        Answer::CouldNotLook("no answer".to_owned())
    }

    #[test]
    fn a_disk_is_full_and_k3s_runs_or_it_is_said() {
        let disk =
            |level| found(Disk { path: "/".into(), used_bytes: 0, available_bytes: 0, percent: 0, level });
        assert_eq!(full(Some(&disk(Level::Ok))).outcome, Outcome::Ok);
        assert_eq!(full(Some(&disk(Level::Warning))).outcome, Outcome::Warning);
        assert_eq!(full(Some(&disk(Level::Critical))).outcome, Outcome::Failed);
        assert_eq!(full(None).outcome, Outcome::NotAsked);
        assert_eq!(runs(Some(&found(None))).outcome, Outcome::Failed);
        assert_eq!(runs(Some(&found(Some(Timestamp::now())))).outcome, Outcome::Ok);
        assert_eq!(runs(Some(&silent())).outcome, Outcome::CannotTell);
        assert!(node(None, false).iter().all(|check| check.outcome == Outcome::NotAsked));
    }
}
