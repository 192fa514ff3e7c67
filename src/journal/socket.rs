//! The journal's own protocol: a datagram an entry, a line a field. A value of several lines follows its length. What
//! is too long for one datagram would have to be sent as a file, so it is cut.

use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use super::lines::Line;

/// Where the journal listens, below the root folder.
const SOCKET: &str = "run/systemd/journal/socket";

/// Says in which unit this process runs, below the root folder.
const CGROUP: &str = "proc/self/cgroup";

/// In bytes, of one value. The smallest buffer that a system gives a socket takes several of them.
const LONGEST: usize = 16 * 1024;

/// A journal that hangs must not hang the run.
const PATIENCE: Duration = Duration::from_secs(1);

/// A way to the journal.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    /// The unit that this process runs in.
    unit: Option<String>,
}

impl Journal {
    /// The journal of the system below this folder, which outside of tests is `/`.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn below(root: &Path) -> io::Result<Journal> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect(root.join(SOCKET))?;
        let unit = fs::read_to_string(root.join(CGROUP)).ok().and_then(|text| unit(&text));
        Ok(Journal { socket, unit })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub fn write(&self, line: &Line) -> io::Result<()> {
        let priority = (line.priority as u8).to_string();
        let own = [("MESSAGE", line.text.as_str()), ("PRIORITY", &priority), ("SYSLOG_IDENTIFIER", "kwo")];
        // The journal asks the kernel for the unit of the sender when it reads an entry. If it is late, the process has
        // ended and has none any more. `journalctl --unit` also takes the word of root for it.
        let unit = self.unit.as_deref().map(|unit| ("OBJECT_SYSTEMD_UNIT", unit));
        let more = line.fields.iter().map(|(name, value)| (*name, value.as_str()));
        let mut datagram = Vec::new();
        for (name, value) in own.into_iter().chain(unit).chain(more) {
            field(&mut datagram, name, value);
        }
        self.socket.send(&datagram).map(drop)
    }
}

/// The unit whose cgroup this is.
fn unit(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.rsplit('/').find(|part| part.ends_with(".service")).map(str::to_owned)
}

fn field(datagram: &mut Vec<u8>, name: &str, value: &str) {
    let ends = value.char_indices().map(|(at, char)| at + char.len_utf8());
    let value = &value[..ends.take_while(|end| *end <= LONGEST).last().unwrap_or(0)];
    datagram.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        datagram.push(b'\n');
        datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value.as_bytes());
    datagram.push(b'\n');
}
