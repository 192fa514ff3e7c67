//! Removes what the planner says, after another look at each. k3s takes a folder that is there for a whole one: half of a folder
//! would keep it from starting. So a folder is moved aside in one step before anything in it is removed, and a run that is killed
//! leaves nothing of that name.

use std::collections::BTreeSet;
use std::fs::{self, TryLockError};
use std::io;

use kwo_planner::cleanup::{ASIDE, Besides, Fate, Item, cleanup};
use kwo_planner::plain::one_line;
use rustix::fs::{AtFlags, RenameFlags, fsync, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;
use smol_str::SmolStr;
use tokio::sync::watch;

use super::images::Runtime;
use super::processes::Running;
use super::unpacked::Data;
use crate::failure::{Exit, Failure};
use crate::file_lock::FileLock;
use crate::regular;

/// The file that k3s locks while it unpacks itself.
const LOCK: &str = ".lock";

/// What is to be removed.
pub struct Removal<'r> {
    /// Where k3s unpacks itself.
    pub data: &'r Data,
    /// The container runtime, if images go as well.
    pub runtime: Option<&'r Runtime>,
    /// What goes.
    pub items: &'r [Item],
    /// What somebody wanted to go besides.
    pub besides: Besides,
    /// Turns true when the run is to end.
    pub stop: &'r watch::Receiver<bool>,
}

/// What happens, as it happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// It is gone.
    Done(&'e Item),
    /// It stays after all, and this is why.
    Kept(&'e Item, &'e str),
}

/// Removes it.
///
/// # Errors
/// When something cannot be removed. What was removed before stays so, and the same command goes on.
pub async fn remove(work: &Removal<'_>, mut told: impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let Removal { data, runtime, items, besides, stop } = work;
    if let Some(runtime) = runtime {
        images(runtime, items, stop, &mut told).await?;
    }
    let wanted: Vec<(&Item, &str)> =
        items.iter().filter_map(|item| Some((item, item.id.strip_prefix("node:Data/")?))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    // Nothing is unpacked, and no link changes, until this ends.
    let _lock = lock(data)?;
    let cannot = |error: io::Error| {
        Failure::new(format!("cannot look into {}", one_line(&data.folder().to_string_lossy())))
            .because(&error)
    };
    for (item, name) in wanted {
        if *stop.borrow() {
            return Err(Failure::new("interrupted; the same command goes on from there"));
        }
        // Since the person was asked, k3s may have been upgraded or restarted.
        let seen = cleanup(&data.stale().map_err(cannot)?, *besides);
        match seen.items.iter().find(|seen| seen.id == item.id) {
            Some(Item { fate: Fate::Remove, .. }) => {}
            Some(Item { why, .. }) => {
                told(Event::Kept(item, why));
                continue;
            }
            None => {
                told(Event::Kept(item, "it is not there any more"));
                continue;
            }
        }
        match folder(data, name).map_err(|error| unremoved(data, name, &error))? {
            None => told(Event::Done(item)),
            Some(why) => told(Event::Kept(item, &why)),
        }
    }
    Ok(())
}

/// Takes the lock of k3s.
fn lock(data: &Data) -> Result<FileLock, Failure> {
    let path = data.folder().join(LOCK);
    let cannot = |error: io::Error| {
        Failure::new(format!("cannot lock {}", one_line(&path.to_string_lossy()))).because(&error).hint_for(
            &error,
            "k3s locks this file while it unpacks itself: move away what is there, and k3s makes a new one",
        )
    };
    let file = regular::open_own_lock(&data.path(LOCK)).map_err(cannot)?;
    match FileLock::take(file) {
        Ok(lock) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure {
            exit: Exit::Locked,
            ..Failure::new("k3s is unpacking itself; nothing was removed")
        }
        .hint("wait until it has started")),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// Removes a folder, or says why it stays.
fn folder(data: &Data, name: &str) -> io::Result<Option<String>> {
    let aside = if name.len() == 64 { format!("{ASIDE}{name}") } else { name.to_owned() };
    if aside != name {
        match rename(data, name, &aside) {
            Err(Errno::EXIST) => {
                return Ok(Some(format!("{aside} is still there from an earlier run, and stays for now")));
            }
            renamed => renamed?,
        }
        fsync(&data.held)?;
        // What began to run from it since the last look has its name all the same.
        let names: BTreeSet<SmolStr> = [name.into()].into();
        let Running { by, runs: _, blind } = data.running(&names);
        let first = by.get(name).and_then(|by| by.first());
        let why = first.map(|first| format!("{} runs from it", one_line(first)));
        if let Some(why) = why.or(blind.map(|why| why.to_string())) {
            return match rename(data, &aside, name) {
                Ok(()) => Ok(Some(why)),
                // k3s has unpacked itself once more. What was moved aside goes with a later run.
                Err(Errno::EXIST) => Ok(Some(format!("{why}; it is called {aside} now"))),
                Err(error) => Err(error.into()),
            };
        }
    }
    fs::remove_dir_all(data.path(&aside))?;
    if data.leads("previous").is_some_and(|leads| leads.ends_with(name)) {
        unlinkat(&data.held, "previous", AtFlags::empty())?;
    }
    fsync(&data.held)?;
    Ok(None)
}

/// Gives a folder another name, which nothing has yet.
fn rename(data: &Data, from: &str, to: &str) -> Result<(), Errno> {
    match renameat_with(&data.held, from, &data.held, to, RenameFlags::NOREPLACE) {
        // Not every file system can do both in one step. Nobody else gives names while this run has the lock.
        Err(Errno::INVAL) => match statat(&data.held, to, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => renameat(&data.held, from, &data.held, to),
            Err(error) => Err(error),
        },
        done => done,
    }
}

/// Removes images that still no container has.
async fn images(
    runtime: &Runtime,
    items: &[Item],
    stop: &watch::Receiver<bool>,
    told: &mut impl FnMut(Event<'_>),
) -> Result<(), Failure> {
    for item in items {
        let Some(id) = item.id.strip_prefix("node:Image/") else { continue };
        if *stop.borrow() {
            return Err(Failure::new("interrupted; the same command goes on from there"));
        }
        let seen = match runtime.images().await {
            Ok(seen) => seen,
            Err(why) => {
                told(Event::Kept(item, &why));
                continue;
            }
        };
        match seen.iter().find(|image| image.id == id) {
            None => told(Event::Kept(item, "it is not there any more")),
            Some(image) if image.used || image.pinned => told(Event::Kept(item, "a container has it by now")),
            Some(_) => match runtime.remove(id).await {
                Ok(()) => told(Event::Done(item)),
                // The next ones may go all the same, and the folders, too.
                Err(why) => told(Event::Kept(item, &why)),
            },
        }
    }
    Ok(())
}

fn unremoved(data: &Data, name: &str, error: &io::Error) -> Failure {
    let path = data.folder().join(name);
    Failure::new(format!("cannot remove {}", one_line(&path.to_string_lossy())))
        .because(error)
        .hint("k3s needs nothing of it; the same command goes on from there")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::super::unpacked::look;
    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const RUN: &str = "3333333333333333333333333333333333333333333333333333333333333333";
    const NEW: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    /// A node with an old k3s and the current one.
    fn node() -> (tempfile::TempDir, Data) {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("var/lib/rancher/k3s/data");
        for name in [OLD, NEW] {
            fs::create_dir_all(data.join(name).join("bin/aux")).unwrap();
            fs::write(data.join(name).join("bin/k3s"), vec![7; 5_000]).unwrap();
        }
        symlink(Path::new("/var/lib/rancher/k3s/data").join(NEW), data.join("current")).unwrap();
        let data = look(root.path(), None).unwrap().unwrap();
        (root, data)
    }

    async fn removed(data: &Data, items: &[Item]) -> (Result<(), Failure>, Vec<String>) {
        let (_told, stop) = watch::channel(false);
        let besides = Besides::default();
        let work = Removal { data, runtime: None, items, besides, stop: &stop };
        let mut said = Vec::new();
        let ended = remove(&work, |event| {
            said.push(match event {
                Event::Done(_) => "done".to_owned(),
                Event::Kept(_, why) => why.to_owned(),
            });
        });
        (ended.await, said)
    }

    #[tokio::test]
    async fn what_changed_since_the_question_stays() {
        let (root, data) = node();
        let folder = root.path().join("var/lib/rancher/k3s/data");
        let planned = cleanup(&data.stale().unwrap(), Besides::default());
        let items: Vec<Item> = planned.to_do().cloned().collect();
        assert_eq!(items.len(), 1);
        assert!(items[0].bytes >= 5_000);
        // k3s was rolled back meanwhile, and the link of its plugins leads there.
        fs::create_dir(folder.join("cni")).unwrap();
        symlink(format!("/d/{OLD}/bin/cni"), folder.join("cni/bridge")).unwrap();
        let (ended, said) = removed(&data, &items).await;
        ended.unwrap();
        assert_eq!(said, ["the link cni/bridge leads to it"]);
        fs::remove_dir_all(folder.join("cni")).unwrap();
        // k3s unpacks itself.
        let lock = FileLock::take(fs::File::create(folder.join(LOCK)).unwrap()).unwrap();
        let (ended, said) = removed(&data, &items).await;
        assert_eq!((ended.unwrap_err().exit, said.len()), (Exit::Locked, 0));
        drop(lock);
        // Somebody puts a link in its place.
        fs::rename(folder.join(OLD), root.path().join("elsewhere")).unwrap();
        symlink(root.path().join("elsewhere"), folder.join(OLD)).unwrap();
        let (ended, said) = removed(&data, &items).await;
        ended.unwrap();
        assert_eq!(said, ["it is not there any more"]);
        assert!(root.path().join("elsewhere/bin/k3s").exists());
        fs::remove_file(folder.join(OLD)).unwrap();
        fs::rename(root.path().join("elsewhere"), folder.join(OLD)).unwrap();
        // The folder itself is moved away: what is held is what was looked at.
        fs::rename(&folder, root.path().join("moved")).unwrap();
        fs::create_dir_all(folder.join(OLD)).unwrap();
        let (ended, said) = removed(&data, &items).await;
        ended.unwrap();
        assert_eq!(said, ["done"]);
        assert!(folder.join(OLD).exists() && !root.path().join("moved").join(OLD).exists());
        assert!(root.path().join("moved").join(NEW).join("bin/k3s").exists());
    }

    #[test]
    fn what_begins_to_run_from_a_folder_brings_it_back() {
        let (root, data) = node();
        // Processes are known by this name, and another test has the other one.
        let all = root.path().join("var/lib/rancher/k3s/data");
        let path = all.join(RUN);
        fs::rename(all.join(OLD), &path).unwrap();
        // Another process writes it: what this one has open, others inherit, and then nobody can run it.
        let copied = std::process::Command::new("cp").arg("/bin/sleep").arg(path.join("bin/shim")).status();
        assert!(copied.unwrap().success());
        let mut child = std::process::Command::new(path.join("bin/shim")).arg("60").spawn().unwrap();
        let why = folder(&data, RUN).unwrap().unwrap();
        assert!(why.starts_with("shim (") && why.ends_with(" runs from it"), "{why}");
        assert!(path.join("bin/shim").exists());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(folder(&data, RUN).unwrap(), None);
        assert!(!path.exists());
    }
}
