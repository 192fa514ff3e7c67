//! What runs from a folder. A container goes on while k3s restarts or becomes another version, and its shim runs from the folder
//! of the k3s that began it, so a folder that no link leads to may well be in use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use smol_str::{SmolStr, format_smolstr};

/// No text of a process is read further. Where one is longer, nobody can tell what it uses.
const LONGEST: u64 = 64 << 20;

/// What runs.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// The processes that use a folder, by its name.
    pub(super) by: BTreeMap<SmolStr, BTreeSet<SmolStr>>,
    /// The program of one of them is in a folder: it is one of k3s itself, and no command that somebody typed.
    pub(super) runs: bool,
    /// Why nobody can tell what all of them use.
    pub(super) blind: Option<SmolStr>,
}

/// Looks for these names in what each process runs, has in its memory, or was started with. A name is a SHA-256, so no other
/// text has it. `all`: one that may not be looked at counts.
pub(super) fn running(process: &Path, names: &BTreeSet<SmolStr>, all: bool) -> Running {
    let mut running = Running::default();
    let cannot = |what: &str, error: &io::Error| Some(format_smolstr!("kwo cannot read {what}: {error}"));
    let listed = match fs::read_dir(process) {
        Ok(listed) => listed,
        Err(error) => return Running { blind: cannot(&process.display().to_string(), &error), ..running },
    };
    for entry in listed {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                return Running { blind: cannot(&process.display().to_string(), &error), ..running };
            }
        };
        let folder = entry.path();
        let number = entry.file_name().into_string().unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        match uses(&folder, names) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                let exe =
                    fs::read_link(folder.join("exe")).map(|exe| exe.into_os_string().into_encoded_bytes());
                running.runs |= exe.is_ok_and(|exe| !within(&exe, names).is_empty());
                let called = text(&folder.join("comm")).unwrap_or_default();
                let called = String::from_utf8_lossy(&called).trim().to_owned();
                for name in found {
                    let by = running.by.entry(name).or_default();
                    by.insert(format_smolstr!("{called} ({number})"));
                }
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !all => {}
            Err(error) => {
                running.blind = cannot(&folder.display().to_string(), &error);
            }
        }
    }
    running
}

/// The names that a process has to do with. A process that has ended has none.
fn uses(folder: &Path, names: &BTreeSet<SmolStr>) -> io::Result<BTreeSet<SmolStr>> {
    let mut found = BTreeSet::new();
    let links = ["exe", "cwd", "root"].map(|link| {
        fs::read_link(folder.join(link)).map(|leads| leads.into_os_string().into_encoded_bytes())
    });
    // What is mounted in a container may be of a folder whose name no program in there says.
    let texts = ["maps", "environ", "cmdline", "mountinfo"].map(|file| text(&folder.join(file)));
    for said in links.into_iter().chain(texts) {
        match said {
            Ok(said) => found.extend(within(&said, names)),
            // What belongs to the kernel runs no program.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The names that a text has in it.
pub(super) fn within(text: &[u8], names: &BTreeSet<SmolStr>) -> BTreeSet<SmolStr> {
    let text = String::from_utf8_lossy(text);
    names.iter().filter(|name| text.contains(name.as_str())).cloned().collect()
}

/// All of a text of the kernel, which has no length before it is read.
pub(super) fn text(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = File::open(file)?.take(LONGEST + 1).read_to_end(&mut text)?;
    if read as u64 > LONGEST {
        return Err(io::Error::other("it is too long"));
    }
    Ok(text)
}

fn is_gone(error: &io::Error) -> bool {
    // One that has ended, and that nobody has waited for yet, has no mounts any more.
    let ended = [rustix::io::Errno::SRCH, rustix::io::Errno::INVAL].map(|ended| Some(ended.raw_os_error()));
    error.kind() == ErrorKind::NotFound || ended.contains(&error.raw_os_error())
}

/// Does this run among the processes of the machine, and not among those of a container? The kernel numbers their namespace so.
pub(super) fn among_all(process: &Path) -> bool {
    fs::read_link(process.join("self/ns/pid")).is_ok_and(|leads| leads.as_os_str() == "pid:[4026531836]")
}

/// Has the container runtime of k3s run since the machine started? Its sockets are in a folder that no start keeps.
pub(super) fn has_run(root: &Path) -> bool {
    fs::symlink_metadata(root.join("run/k3s/containerd")).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn whatever_a_process_has_of_a_folder_counts() {
        let proc = tempfile::tempdir().unwrap();
        let other = "f".repeat(64);
        let names: BTreeSet<SmolStr> = [SHA.into(), other.as_str().into()].into();
        let path = format!("/d/data/{SHA}/bin/x");
        let play = |number: &str, file: &str, says: &str| {
            let folder = proc.path().join(number);
            fs::create_dir_all(&folder).unwrap();
            for text in ["maps", "environ", "cmdline"] {
                fs::write(folder.join(text), "").unwrap();
            }
            fs::write(folder.join("comm"), "shim\n").unwrap();
            match file {
                "exe" | "cwd" | "root" => symlink(says, folder.join(file)).unwrap(),
                _ => fs::write(folder.join(file), says).unwrap(),
            }
        };
        for (number, file) in [("1", "exe"), ("2", "cwd"), ("3", "maps"), ("4", "environ"), ("5", "root")] {
            play(number, file, &path);
        }
        // As one whose folder was moved aside, and one that is not UTF-8.
        play("6", "cmdline", &format!("x\0/d/data/.kwo-cleanup-{SHA}/bin/x"));
        fs::write(proc.path().join("6/environ"), b"A=\xff\xfe").unwrap();
        play("7", "environ", "PATH=/usr/bin");
        // A container that has a folder of it mounted, and knows nothing of its name.
        let mount = format!(
            "61 50 254:1 /var/lib/rancher/k3s/data/{SHA}/bin /host/opt/cni/bin rw - ext4 /dev/vda rw\n"
        );
        play("9", "mountinfo", &mount);
        fs::create_dir(proc.path().join("8")).unwrap();
        fs::write(proc.path().join("uptime"), SHA).unwrap();
        let running = running(proc.path(), &names, true);
        assert!(running.blind.is_none(), "{running:?}");
        let by: Vec<&str> = running.by[SHA].iter().map(SmolStr::as_str).collect();
        assert_eq!(by, ["shim (1)", "shim (2)", "shim (3)", "shim (4)", "shim (5)", "shim (6)", "shim (9)"]);
        assert!(running.runs);
        assert_eq!(running.by.len(), 1);
    }

    #[test]
    fn a_process_that_nobody_can_look_at_is_not_one_that_uses_nothing() {
        let proc = tempfile::tempdir().unwrap();
        // As a text that the kernel gives to nobody.
        fs::create_dir_all(proc.path().join("9/maps")).unwrap();
        assert!(running(proc.path(), &BTreeSet::new(), true).blind.unwrap().contains("/9: "));
        assert!(running(&proc.path().join("nowhere"), &BTreeSet::new(), false).blind.is_some());
    }

    #[test]
    fn the_processes_of_this_machine_can_be_read() {
        let names: BTreeSet<SmolStr> = [SHA.into()].into();
        let running = running(Path::new("/proc"), &names, false);
        assert!(running.blind.is_none(), "{running:?}");
        // This one has the name in its memory, and none of it comes from a file.
        let own = format!("({})", std::process::id());
        assert!(!running.by.values().flatten().any(|by| by.ends_with(&own)), "{running:?}");
    }
}
