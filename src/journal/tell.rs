//! Where the lines go: to the journal with their fields, where standard error goes there too, and otherwise to standard
//! error as they are.

use std::io::{self, Write};
use std::path::Path;

use super::lines::{Line, lines};
use super::socket::Journal;
use crate::report::plain;
use kwo_engine::history::Entry;

/// Does what is said on standard error go to the journal?
#[must_use]
pub fn is_read() -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| leads_to(&stream))
}

/// Says what came of a run. `before` is the run before it, and `root` the folder that the system lies below: `/`.
///
/// # Errors
/// When nothing can be written to standard error.
pub fn tell(root: &Path, entry: &Entry, before: Option<&Entry>) -> io::Result<()> {
    let mut journal = is_read().then(|| Journal::below(root).ok()).flatten();
    for line in lines(entry, before) {
        // What the journal does not take is better read without its fields than not at all.
        if !taken(&mut journal, &line) {
            writeln!(anstream::stderr(), "{}", plain::text(&line.text))?;
        }
    }
    Ok(())
}

/// Has the journal this line? One that hangs is not waited for again: a run has many lines.
fn taken(journal: &mut Option<Journal>, line: &Line) -> bool {
    let Some(to) = journal else { return false };
    match to.write(line) {
        Ok(()) => true,
        Err(error) => {
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
                *journal = None;
            }
            false
        }
    }
}

/// Is standard error the stream that systemd names by its device and inode? It was passed on to somebody else
/// otherwise.
fn leads_to(stream: &str) -> bool {
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let Ok(found) = rustix::fs::fstat(io::stderr()) else { return false };
    device.parse() == Ok(found.st_dev) && inode.parse() == Ok(found.st_ino)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::{Duration, Instant};

    use super::super::lines::Priority;
    use super::*;

    #[test]
    fn a_journal_that_hangs_is_waited_for_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("run/systemd/journal");
        std::fs::create_dir_all(&folder).unwrap();
        // It listens and reads nothing.
        let _hung = UnixDatagram::bind(folder.join("socket")).unwrap();
        let mut journal = Some(Journal::below(root.path()).unwrap());
        let line = Line { priority: Priority::Info, text: "x".repeat(1000), fields: Vec::new() };
        assert!(taken(&mut journal, &line));
        let began = Instant::now();
        let refused = (0..10_000).filter(|_| !taken(&mut journal, &line)).count();
        assert!(refused > 1000 && journal.is_none(), "{refused}");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}
