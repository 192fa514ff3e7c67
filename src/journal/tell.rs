//! Where the lines go: to the journal with their fields, where standard error goes there too, and otherwise to standard
//! error as they are.

use std::io::{self, Write};
use std::path::Path;

use super::lines::lines;
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
    let journal = is_read().then(|| Journal::below(root).ok()).flatten();
    for line in lines(entry, before) {
        // What the journal does not take is better read without its fields than not at all.
        if journal.as_ref().is_none_or(|journal| journal.write(&line).is_err()) {
            writeln!(anstream::stderr(), "{}", plain::text(&line.text))?;
        }
    }
    Ok(())
}

/// Is standard error the stream that systemd names by its device and inode? It was passed on to somebody else
/// otherwise.
fn leads_to(stream: &str) -> bool {
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let Ok(found) = rustix::fs::fstat(io::stderr()) else { return false };
    device.parse() == Ok(found.st_dev) && inode.parse() == Ok(found.st_ino)
}
