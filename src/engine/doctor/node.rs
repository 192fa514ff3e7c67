//! The node that kwo runs on: its disks, and whether k3s runs.

use std::path::Path;

use jiff::Timestamp;
use kwo_planner::endings::word;
use kwo_planner::units::moment;

use super::check::{Check, DISK, K3S};
use crate::status::{Answer, Disk, Here, Level, Status, backup, node_alone};
use crate::target;

/// What of the node is to be looked at, and how. Where a cluster was asked, the node was looked at with it.
pub(super) async fn node(status: Option<&Status>, root: Option<&Path>, settings: &Path) -> Vec<Check> {
    let Some(root) = root else {
        return [DISK, K3S].map(|topic| topic.not_asked("`--node` on the node looks at it")).into();
    };
    if let Some(status) = status {
        return vec![full(status.disks.as_deref()), runs(status.k3s.as_ref())];
    }
    let here = Here { root, node: target::node(root).ok(), backups: backup::folder(settings) };
    let (disks, k3s) = node_alone(here).await;
    vec![full(Some(&disks)), runs(k3s.as_ref())]
}

/// The worst of them, with all that are as bad or cannot be seen.
fn full(disks: Option<&[Answer<Disk>]>) -> Check {
    let Some(disks) = disks else {
        return DISK.not_asked("`--node` on the node looks at it");
    };
    let seen = |answer: &Answer<Disk>| match answer {
        Answer::Found(disk) => Ok(disk.clone()),
        Answer::CouldNotLook(why) => Err(why.clone()),
    };
    let (found, silent): (Vec<_>, Vec<_>) = disks.iter().map(seen).partition(Result::is_ok);
    let found: Vec<Disk> = found.into_iter().flatten().collect();
    let silent: Vec<String> = silent.into_iter().filter_map(Result::err).collect();
    let Some(worst) = found.iter().max_by_key(|disk| disk.percent) else {
        return DISK.cannot_tell(silent.join("; "));
    };
    let bad = |disk: &&Disk| disk.level == worst.level;
    let told = found
        .iter()
        .filter(bad)
        .map(|disk| format!("{} % of the disk of {} is used", disk.percent, disk.named()));
    let told = told.chain(silent.iter().cloned()).collect::<Vec<String>>().join("; ");
    let todo = "find out what takes the room; `sudo kwo node cleanup` shows what of k3s nothing needs";
    let folder =
        worst.folders.first().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
    let command = format!("sudo du -xhd1 {}", word(&folder));
    match worst.level {
        Level::Ok if !silent.is_empty() => DISK.cannot_tell(told),
        Level::Ok => DISK.ok(told),
        Level::Warning => DISK.warning(told).todo(todo, command),
        Level::Critical => DISK.failed(told).todo(todo, command),
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
        let disk = |percent| {
            found(Disk {
                folders: vec![format!("/{percent}").into()],
                used_bytes: 0,
                available_bytes: 0,
                percent,
                level: kwo_planner::upkeep::fullness(percent),
            })
        };
        let came = |all: &[Answer<Disk>]| full(Some(all));
        assert_eq!(came(&[disk(1), disk(69)]).outcome, Outcome::Ok);
        let warned = came(&[disk(1), disk(70)]);
        assert_eq!(
            (warned.outcome, warned.found.as_str()),
            (Outcome::Warning, "70 % of the disk of /70 is used")
        );
        let both = came(&[disk(90), disk(1), silent(), disk(85)]);
        assert_eq!(both.outcome, Outcome::Failed);
        assert!(
            both.found.contains("/90") && both.found.ends_with("no answer") && both.found.contains("/85")
        );
        assert_eq!(both.todo.unwrap().command, "sudo du -xhd1 /90");
        assert_eq!(came(&[disk(1), silent()]).outcome, Outcome::CannotTell);
        assert_eq!((came(&[]).outcome, full(None).outcome), (Outcome::CannotTell, Outcome::NotAsked));
        assert_eq!(runs(Some(&found(None))).outcome, Outcome::Failed);
        assert_eq!(runs(Some(&found(Some(Timestamp::now())))).outcome, Outcome::Ok);
        assert_eq!(runs(Some(&silent())).outcome, Outcome::CannotTell);
    }

    #[tokio::test]
    async fn the_node_is_looked_at_where_no_cluster_can_be_asked() {
        let settings = Path::new("/nowhere/kwo.yaml");
        let not_asked = node(None, None, settings).await;
        assert!(not_asked.iter().all(|check| check.outcome == Outcome::NotAsked));
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("var/lib/kwo")).unwrap();
        let [disk, k3s]: [Check; 2] = node(None, Some(root.path()), settings).await.try_into().unwrap();
        assert!(disk.found.contains("% of the disk of /var/lib is used"), "{disk:?}");
        // It runs on another machine, if at all.
        assert_eq!(k3s.outcome, Outcome::NotAsked);
    }
}
