//! When the files of a roster have settled after an edit. Folders are watched, not files: editors put a new file in the
//! place of the old one.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use kwo_planner::domains::includes;

use kwo_planner::roster::Sources;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

/// How long nothing may happen before the files have settled.
const QUIET: Duration = Duration::from_millis(300);

/// How long to wait for that where something happens all the time.
const PATIENCE: Duration = Duration::from_secs(5);

/// When to try again to watch a folder that is not there.
const AGAIN: Duration = Duration::from_secs(1);

/// What watches the files.
pub struct Watcher {
    watcher: RecommendedWatcher,
    events: UnboundedReceiver<()>,
    watched: Vec<PathBuf>,
    blind: bool,
}

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the system cannot watch files.
    pub fn new() -> Result<Watcher, notify::Error> {
        let (told, events) = unbounded_channel();
        let tell = move |event: notify::Result<notify::Event>| {
            // Reading is no edit, and kwo reads.
            let read = |kind| matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write));
            if !event.is_ok_and(|event| read(event.kind)) {
                let _ = told.send(());
            }
        };
        // What lies behind a link is no part of the roster.
        let watcher = RecommendedWatcher::new(tell, Config::default().with_follow_symlinks(false))?;
        Ok(Watcher { watcher, events, watched: Vec::new(), blind: false })
    }

    /// Watches the files of this roster, and the folders in which files could become part of it. What is edited after
    /// this call is noticed.
    pub fn follow(&mut self, roster: &Path, sources: &Sources) {
        for folder in self.watched.drain(..) {
            // It may be gone.
            let _ = self.watcher.unwatch(&folder);
        }
        for (folder, mode) in folders(roster, sources) {
            if self.watcher.watch(&folder, mode).is_ok() {
                self.watched.push(folder);
            }
        }
        self.blind = !self.watched.contains(&parent(roster));
    }

    /// Waits until something was edited, and for some time nothing is any more.
    pub async fn settled(&mut self) {
        if self.blind {
            return sleep(AGAIN).await;
        }
        let _ = self.events.recv().await;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && timeout(QUIET, self.events.recv()).await.is_ok() {}
    }
}

/// The folder that a file is in.
fn parent(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// The folders of the files, and of those that the patterns of `include` could find.
fn folders(roster: &Path, sources: &Sources) -> BTreeMap<PathBuf, RecursiveMode> {
    let mut folders = BTreeMap::from([(parent(roster), RecursiveMode::NonRecursive)]);
    for file in sources.files().iter().map(|file| Path::new(&file.name)) {
        folders.insert(parent(file), RecursiveMode::NonRecursive);
    }
    for pattern in sources.files().first().and_then(|file| includes(file).ok()).unwrap_or_default() {
        let mut below = Path::new(&*pattern.value).parent().unwrap_or(Path::new("")).components().peekable();
        let plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let mut folder = parent(roster);
        while let Some(part) = below.next_if(plain) {
            folder.push(part);
        }
        if below.peek().is_some() {
            folders.insert(folder, RecursiveMode::Recursive);
        } else {
            folders.entry(folder).or_insert(RecursiveMode::NonRecursive);
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use kwo_planner::roster::SourceFile;

    use super::*;

    #[test]
    fn folders_in_which_a_file_could_become_part_of_the_roster_are_watched() {
        let of = |include: &str| {
            let text = format!("{{apiVersion: kwo/v1, kind: Roster, include: {include}}}");
            let file = SourceFile { name: "here/roster.yaml".to_owned(), text };
            folders(Path::new("here/roster.yaml"), &Sources::new(vec![file]))
                .into_iter()
                .map(|(folder, mode)| {
                    format!(
                        "{}{}",
                        folder.display(),
                        if mode == RecursiveMode::Recursive { "/**" } else { "" }
                    )
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(of("[]"), ["here"]);
        assert_eq!(of("[people.yaml, 'tenants/*.yaml']"), ["here", "here/tenants"]);
        assert_eq!(of("['tenants/*/roster.yaml']"), ["here", "here/tenants/**"]);
        assert_eq!(of("['**/*.yaml']"), ["here/**"]);
    }
}
