//! Who can read, or write, what only its owner should: the kubeconfig in use, kwo's settings and its key, the kubeconfigs and records
//! that kwo keeps on a node, and the kubeconfig of k3s.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kwo_planner::endings::word;

use super::check::{Check, FILES, KUBECONFIG, Outcome, Topic, few};
use crate::trust::loose_settings;

/// What is private below the root of a node: a file, or a folder with all that is in it.
const OF_THE_NODE: [&str; 6] = [
    "etc/rancher/k3s/k3s.yaml",
    "etc/rancher/k3s/registries.yaml",
    "var/lib/kwo/archive",
    "var/lib/kwo/kubeconfigs",
    "var/lib/kwo/node",
    "var/lib/kwo/sync",
];

/// The key of the age files, where none is named.
const KEY: &str = "/etc/kwo/age.key";

/// No more files of a folder are looked at.
const MOST: usize = 10_000;

/// Everybody may read it, or the group may.
const OTHERS: u32 = 0o004;
const GROUP: u32 = 0o040;
/// Somebody else may write it.
const WRITTEN: u32 = 0o022;

pub(super) async fn modes(
    kubeconfigs: &[PathBuf],
    settings: &Path,
    age_identity: Option<&Path>,
    node: Option<&Path>,
) -> Vec<Check> {
    let (kubeconfigs, settings) = (kubeconfigs.to_vec(), settings.to_owned());
    let (age_identity, node) = (age_identity.map(Path::to_owned), node.map(Path::to_owned));
    // A folder on a disk that is gone must not hold up the others.
    let looked = tokio::task::spawn_blocking(move || {
        let mut files = vec![settings.clone(), age_identity.unwrap_or_else(|| PathBuf::from(KEY))];
        files.extend(node.iter().flat_map(|root| OF_THE_NODE.map(|path| root.join(path))));
        let todo = "let only its owner read it";
        vec![
            judged(KUBECONFIG, &kubeconfigs, "no file is in use as a kubeconfig", todo),
            with_settings(judged(FILES, &files, "none of them is here", todo), &settings),
        ]
    });
    let late = std::time::Duration::from_secs(10);
    match tokio::time::timeout(late, looked).await {
        Ok(Ok(checks)) => checks,
        _ => [KUBECONFIG, FILES].map(|topic| topic.cannot_tell("the disk does not answer")).into(),
    }
}

fn judged(topic: Topic, paths: &[PathBuf], none: &str, todo: &str) -> Check {
    let (mut looked, mut open, mut half, mut unseen) = (0, Vec::new(), Vec::new(), Vec::new());
    let mut written = Vec::new();
    for path in paths.iter().flat_map(|path| below(path)) {
        match fs::metadata(&path) {
            // What is missing nobody reads, and what is in a closed folder nobody else does.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => unseen.push(format!("{}: {error}", path.display())),
            // A device or a pipe keeps nothing, and other programs need its mode as it is.
            Ok(found) if !found.is_file() => {}
            Ok(found) => {
                looked += 1;
                let mode = found.permissions().mode();
                if mode & WRITTEN != 0 && passable(&path) {
                    written.push(path);
                } else if mode & OTHERS != 0 && passable(&path) {
                    open.push(path);
                } else if mode & GROUP != 0 && passable(&path) {
                    half.push(path);
                }
            }
        }
    }
    let names =
        |paths: &[PathBuf]| few(&paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>());
    let command = |paths: &[PathBuf]| {
        let words: Vec<String> = paths.iter().take(20).map(|path| word(&path.to_string_lossy())).collect();
        format!("chmod go-rwx {}", words.join(" "))
    };
    if !written.is_empty() {
        return topic
            .failed(format!("others than the owner can write to: {}", names(&written)))
            .todo("see whether somebody changed it, and let only its owner write it", command(&written));
    }
    match (open.as_slice(), half.as_slice(), unseen.as_slice()) {
        ([], [], []) if looked == 0 => topic.not_asked(none),
        ([], [], []) => topic.ok(format!("only their owners read them: {looked}")),
        ([], [], unseen) => topic.cannot_tell(few(unseen)),
        ([], half, _) => {
            topic.warning(format!("its group can read: {}", names(half))).todo(todo, command(half))
        }
        (open, ..) => topic
            .failed(format!("everybody on this machine can read: {}", names(open)))
            .todo(todo, command(open)),
    }
}

/// Whoever can change the settings chooses what a run applies, also by way of the folder.
fn with_settings(check: Check, settings: &Path) -> Check {
    match loose_settings(settings).filter(|_| check.outcome != Outcome::Failed) {
        None => check,
        Some(loose) => FILES
            .failed(format!("`kwo sync` refuses the settings: {}", loose.what))
            .todo("see whether somebody changed them, and let only their owner do so", loose.command),
    }
}

/// The file itself, or the files in a folder and one level below.
fn below(path: &Path) -> Vec<PathBuf> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let found = fs::read_dir(folder).into_iter().flatten().flatten();
        found
            .take(MOST)
            .filter(|found| found.file_type().is_ok_and(|kind| !kind.is_symlink()))
            .map(|found| found.path())
            .collect()
    };
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let first = inside(path);
    let second =
        first.iter().filter(|path| path.is_dir()).flat_map(|folder| inside(folder)).collect::<Vec<_>>();
    first.into_iter().chain(second).filter(|path| path.is_file()).collect()
}

/// Can everybody get as far as to this file? One folder that is closed on the way is enough to keep them out.
fn passable(path: &Path) -> bool {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let open =
        |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o011 != 0);
    path.ancestors().skip(1).all(open)
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_everybody_reads_fails_and_what_a_closed_folder_keeps_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's a kubeconfig");
        let judge = || judged(KUBECONFIG, std::slice::from_ref(&file), "none", "close it");
        assert_eq!(judge().outcome, Outcome::NotAsked);
        fs::write(&file, "x").unwrap();
        set(folder.path(), 0o755);
        for (mode, outcome) in [
            (0o600, Outcome::Ok),
            (0o640, Outcome::Warning),
            (0o644, Outcome::Failed),
            (0o604, Outcome::Failed),
            (0o620, Outcome::Failed),
            (0o602, Outcome::Failed),
        ] {
            set(&file, mode);
            assert_eq!(judge().outcome, outcome, "{mode:o}");
        }
        // The command works as it stands, whatever the name is.
        let command = judge().todo.unwrap().command;
        assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
        assert_eq!(judge().outcome, Outcome::Ok);
        set(&file, 0o644);
        set(folder.path(), 0o700);
        assert_eq!(judge().outcome, Outcome::Ok);
    }

    #[test]
    fn what_others_can_write_is_told_as_such_and_so_is_the_folder_of_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("kwo.yaml");
        fs::write(&settings, "x").unwrap();
        let judge = || {
            let files = std::slice::from_ref(&settings);
            with_settings(judged(FILES, files, "none", "close it"), &settings)
        };
        set(folder.path(), 0o755);
        set(&settings, 0o666);
        let found = judge();
        assert!(found.found.contains("can write to"), "{}", found.found);
        assert!(std::process::Command::new("sh").args(["-c", &found.todo.unwrap().command]).status().is_ok());
        assert_eq!(judge().outcome, Outcome::Ok);
        set(folder.path(), 0o777);
        let found = judge();
        assert_eq!(found.outcome, Outcome::Failed);
        assert!(found.found.contains("refuses the settings"), "{}", found.found);
        assert!(std::process::Command::new("sh").args(["-c", &found.todo.unwrap().command]).status().is_ok());
        assert_eq!(judge().outcome, Outcome::Ok);
    }

    #[test]
    fn only_the_mode_of_a_regular_file_is_judged() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), 0o755);
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [pipe, PathBuf::from("/dev/null")] {
            let check = judged(KUBECONFIG, std::slice::from_ref(&path), "none", "close it");
            assert_eq!(
                (check.outcome, check.todo.is_none()),
                (Outcome::NotAsked, true),
                "{}",
                path.display()
            );
        }
    }

    #[tokio::test]
    async fn the_files_of_a_node_are_looked_at_below_its_root() {
        let root = tempfile::tempdir().unwrap();
        set(root.path(), 0o755);
        let kept = root.path().join("var/lib/kwo/kubeconfigs");
        fs::create_dir_all(&kept).unwrap();
        fs::write(kept.join("alice-kubeconfig.yaml"), "token").unwrap();
        let none = root.path().join("none");
        let looked = async |node| {
            let checks = modes(&[], &none, Some(&none), node).await;
            checks.iter().find(|check| check.name == "files").unwrap().clone()
        };
        assert_eq!(looked(None).await.outcome, Outcome::NotAsked);
        let found = looked(Some(root.path())).await;
        assert_eq!(found.outcome, Outcome::Failed);
        assert!(found.found.contains("alice-kubeconfig.yaml"), "{}", found.found);
        set(&kept.join("alice-kubeconfig.yaml"), 0o600);
        assert_eq!(looked(Some(root.path())).await.outcome, Outcome::Ok);
    }
}
