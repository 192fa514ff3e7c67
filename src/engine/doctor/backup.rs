//! How old the newest backup of the node is, by the same answer as that of `kwo status --node`.

use std::path::Path;

use jiff::Timestamp;
use kwo_planner::endings::word;
use kwo_planner::units::moment;
use kwo_planner::upkeep::age;

use super::Outcome;
use super::check::{BACKUP, Check};
use crate::source;
use crate::status::patient::patient;
use crate::status::{Answer, Backup, Level, backup};

/// The newest backup in the folder that the settings name. On a node it is looked for in the usual folder where they name none.
pub(super) async fn newest(settings: &Path, node: Option<&Path>) -> Check {
    if node.is_none() {
        let named = match settings.exists().then(|| source::settings(settings)) {
            Some(Ok(read)) => read.backups.is_some(),
            Some(Err(_)) => return BACKUP.not_asked("the settings cannot be used"),
            None => false,
        };
        if !named {
            return BACKUP
                .not_asked("no settings name a folder of backups; `--node` looks in /var/lib/kwo/backups");
        }
    }
    let (root, folder) = (node.unwrap_or(Path::new("/")).to_owned(), backup::folder(settings));
    let shown = folder.clone().map_or_else(|why| why, |folder| folder.display().to_string());
    let found = patient(move || backup::look(&root, &folder, Timestamp::now())).await;
    let silent = || Answer::CouldNotLook(format!("{shown}: it gives no answer; its server may be away"));
    match found.unwrap_or_else(silent) {
        Answer::Found(found) => ahead(aged(&found), &found),
        Answer::CouldNotLook(why) => {
            BACKUP.cannot_tell(why).todo("look as root", format!("sudo ls -l {}", word(&shown)))
        }
    }
}

/// Warns of a time that is still to come, where nothing worse is to be said.
fn ahead(check: Check, backup: &Backup) -> Check {
    let folder = backup.folder.to_string_lossy();
    match backup.ahead.filter(|_| check.outcome == Outcome::Ok) {
        None => check,
        Some(time) => BACKUP
            .warning(format!(
                "{}; one has a time that is still to come ({}), so the clock was wrong, and it does not count",
                check.found,
                moment(time)
            ))
            .todo("see that the clock is right, and remove that one", format!("sudo ls -l {}", word(&folder))),
    }
}

fn aged(backup: &Backup) -> Check {
    let Some((made, hours)) = backup.made.zip(backup.hours) else {
        return BACKUP
            .failed(format!("there is none in {}", backup.folder.display()))
            .todo("see what the service says that makes them", "journalctl -n 30 -u kwo-backup");
    };
    let found = format!("the newest one was made at {}, {} ago", moment(made), age(hours));
    let why = ("see why there is no newer one", "journalctl -n 30 -u kwo-backup");
    match backup.level {
        Level::Critical => BACKUP.failed(found).todo(why.0, why.1),
        Level::Warning => BACKUP.warning(found).todo(why.0, why.1),
        Level::Ok => BACKUP.ok(found),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Outcome as Came;
    use super::*;

    #[test]
    fn an_old_backup_is_told_with_its_age_and_one_that_is_missing() {
        let backup = |made: Option<(&str, i64)>, level| {
            aged(&Backup {
                folder: "/b".into(),
                made: made.map(|(made, _)| made.parse().unwrap()),
                hours: made.map(|(_, hours)| hours),
                ahead: None,
                level,
            })
        };
        let came = |level| backup(Some(("2026-11-28T13:00:00Z", 5)), level);
        assert_eq!(came(Level::Ok).outcome, Came::Ok);
        assert_eq!(came(Level::Ok).found, "the newest one was made at 2026-11-28 13:00:00 UTC, 5 hours ago");
        assert_eq!(
            (came(Level::Warning).outcome, came(Level::Critical).outcome),
            (Came::Warning, Came::Failed)
        );
        let none = backup(None, Level::Critical);
        assert_eq!((none.outcome, none.found.as_str()), (Came::Failed, "there is none in /b"));
        assert_eq!(none.todo.unwrap().command, "journalctl -n 30 -u kwo-backup");
    }

    #[tokio::test]
    async fn the_settings_name_the_folder_and_a_node_has_the_usual_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, root) = (folder.path().join("kwo.yaml"), folder.path().join("root"));
        assert_eq!(newest(&path, None).await.outcome, Came::NotAsked);
        // A node has one without settings, and where they do not name it.
        let usual = root.join("var/lib/kwo/backups");
        fs::create_dir_all(&usual).unwrap();
        let none = newest(&path, Some(&root)).await;
        assert_eq!(
            (none.outcome, none.found.as_str()),
            (Came::Failed, "there is none in /var/lib/kwo/backups")
        );
        let text = "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /none}\n";
        fs::write(&path, text).unwrap();
        assert_eq!(newest(&path, None).await.outcome, Came::NotAsked);
        assert_eq!(newest(&path, Some(&root)).await.outcome, Came::Failed);
        let name = format!("kwo-node-n-{}.tar.zst.age", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
        fs::write(usual.join(&name), "x").unwrap();
        assert_eq!(newest(&path, Some(&root)).await.outcome, Came::Ok);
        fs::write(&path, "kind: Settings\n").unwrap();
        assert_eq!(newest(&path, None).await.outcome, Came::NotAsked);
        assert_eq!(newest(&path, Some(&root)).await.outcome, Came::CannotTell);

        let said = async |folder: &Path| {
            fs::write(&path, format!("{text}backups: {}\n", folder.display())).unwrap();
            newest(&path, None).await.outcome
        };
        assert_eq!(said(&folder.path().join("nothing")).await, Came::Failed);
        assert_eq!(said(&path).await, Came::CannotTell);
        // Of a clock that was wrong, alone and beside another one.
        fs::write(folder.path().join("kwo-node-n-20990101T000000Z.tar.zst.age"), "x").unwrap();
        assert_eq!(said(folder.path()).await, Came::Failed);
        fs::write(folder.path().join(name), "x").unwrap();
        assert_eq!(said(folder.path()).await, Came::Warning);
        fs::remove_file(folder.path().join("kwo-node-n-20990101T000000Z.tar.zst.age")).unwrap();
        assert_eq!(said(folder.path()).await, Came::Ok);
    }
}
