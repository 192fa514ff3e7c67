//! How old the newest backup of the node is. `kwo doctor` judges by the same answer.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kwo_planner::plain::one_line;
use kwo_planner::upkeep::{self, Level};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use crate::backup::{Machine, Newest, newest};
use crate::providers::{Astray, machine_folder};
use crate::source;

/// Where backups are, if nobody says otherwise.
const FOLDER: &str = "/var/lib/kwo/backups";

/// The newest backup of the node, by the names of the files alone.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Backup {
    /// The folder that was looked at.
    pub folder: PathBuf,
    /// When the newest one was made; nothing where there is none.
    #[schemars(with = "Option<String>")]
    pub made: Option<Timestamp>,
    /// How old it is, in whole hours.
    pub hours: Option<i64>,
    /// A time that is still to come: a clock was wrong when that one was made. It does not count.
    #[schemars(with = "Option<String>")]
    pub ahead: Option<Timestamp>,
    /// How bad that is.
    pub level: Level,
}

/// The folder of the backups by kwo's settings, or the usual one where they name none; or why they do not say.
///
/// # Errors
/// When there are settings that cannot be used.
pub fn folder(settings: &Path) -> Result<PathBuf, String> {
    if !settings.exists() {
        return Ok(FOLDER.into());
    }
    let read = source::settings(settings);
    let shown = one_line(&settings.to_string_lossy()).into_owned();
    let read = read.map_err(|_| format!("kwo's settings in {shown} cannot be used"))?;
    Ok(read.backups.as_ref().map_or_else(|| FOLDER.into(), |folder| folder.as_str().into()))
}

/// The newest one in a folder, which need not be there. Several nodes may share it: where the machine below this root is one, only
/// its own count.
///
/// # Errors
/// When it cannot be read.
fn of(root: &Path, folder: &Path, now: Timestamp) -> io::Result<Backup> {
    let node = Machine { root: root.to_owned(), data_dir: None }.node();
    match newest(folder, node.as_deref(), now) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(judged(folder, Newest::default(), now)),
        found => Ok(judged(folder, found?, now)),
    }
}

fn judged(folder: &Path, Newest { made, ahead }: Newest, now: Timestamp) -> Backup {
    Backup {
        folder: folder.to_owned(),
        made,
        hours: made.map(|made| now.duration_since(made).as_hours().max(0)),
        ahead,
        level: upkeep::backup(made.map(Timestamp::as_second), now.as_second()),
    }
}

/// The newest one of the node below this root, in the folder as the machine calls it.
pub(crate) fn look(root: &Path, folder: &Result<PathBuf, String>, now: Timestamp) -> Answer<Backup> {
    let folder = match folder {
        Ok(folder) => folder,
        Err(why) => return Answer::CouldNotLook(why.clone()),
    };
    let cannot = |error: &dyn std::fmt::Display| {
        Answer::CouldNotLook(format!("{}: {error}", one_line(&folder.to_string_lossy())))
    };
    let seen = match machine_folder(root, &folder.join("x")) {
        Ok(inside) => of(root, inside.parent().unwrap_or(root), now),
        Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound => {
            Ok(judged(folder, Newest::default(), now))
        }
        Err(astray) => return cannot(&astray),
    };
    match seen {
        Ok(backup) => Answer::Found(Backup { folder: folder.clone(), ..backup }),
        Err(error) => cannot(&error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_newest_backup_of_a_node_is_told_with_its_age() {
        let root = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-29T12:30:00Z".parse().unwrap();
        let told = |folder: &str| match look(root.path(), &Ok(folder.into()), now) {
            Answer::Found(found) => (found.made.map(|made| made.to_string()), found.hours, found.level),
            Answer::CouldNotLook(why) => panic!("{why}"),
        };
        assert_eq!(told(FOLDER), (None, None, Level::Critical));
        let folder = root.path().join("var/lib/kwo/backups");
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(told(FOLDER), (None, None, Level::Critical));
        let put = |name: &str| fs::write(folder.join(name), "x").unwrap();
        put("kwo-node-n-20261126T120000Z.tar.zst.age");
        assert_eq!(told(FOLDER), (Some("2026-11-26T12:00:00Z".to_owned()), Some(72), Level::Warning));
        put("kwo-node-n-20261129T120000Z.tar.zst.age");
        put("kwo-node-n-20261129T122000Z-lacking.tar.zst.age");
        assert_eq!(told(FOLDER), (Some("2026-11-29T12:00:00Z".to_owned()), Some(0), Level::Ok));
        // Another node has its backups in the same folder. Its own are what counts for a server of k3s.
        put("kwo-node-other-20261129T122500Z.tar.zst.age");
        assert_eq!(told(FOLDER).0.as_deref(), Some("2026-11-29T12:25:00Z"));
        let server = root.path().join("var/lib/rancher/k3s/server");
        fs::create_dir_all(server.join("db")).unwrap();
        fs::write(server.join("db/state.db"), "").unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/hostname"), "n\n").unwrap();
        assert_eq!(told(FOLDER), (Some("2026-11-29T12:00:00Z".to_owned()), Some(0), Level::Ok));
        // So do those of one on etcd.
        fs::remove_file(server.join("db/state.db")).unwrap();
        assert_eq!(told(FOLDER).0.as_deref(), Some("2026-11-29T12:25:00Z"));
        fs::create_dir_all(server.join("db/etcd/member/wal")).unwrap();
        assert_eq!(told(FOLDER), (Some("2026-11-29T12:00:00Z".to_owned()), Some(0), Level::Ok));
        // By way of a link below the root, and not out of it.
        std::os::unix::fs::symlink("/var/lib/kwo/backups", root.path().join("link")).unwrap();
        assert_eq!(told("/link").1, Some(0));
        assert!(matches!(look(root.path(), &Err("why".to_owned()), now), Answer::CouldNotLook(_)));
        fs::write(root.path().join("file"), "").unwrap();
        assert!(matches!(look(root.path(), &Ok("/file".into()), now), Answer::CouldNotLook(_)));
    }

    #[test]
    fn the_settings_name_the_folder_or_the_usual_one_counts() {
        let root = tempfile::tempdir().unwrap();
        let settings = root.path().join("kwo.yaml");
        assert_eq!(folder(&settings), Ok(FOLDER.into()));
        let text = "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /none}\n";
        fs::write(&settings, text).unwrap();
        assert_eq!(folder(&settings), Ok(FOLDER.into()));
        fs::write(&settings, format!("{text}backups: /mnt/b\n")).unwrap();
        assert_eq!(folder(&settings), Ok("/mnt/b".into()));
        fs::write(&settings, "kind: x\n").unwrap();
        assert!(folder(&settings).unwrap_err().contains("cannot be used"));
    }
}
