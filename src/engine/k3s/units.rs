//! Units of systemd with other names than k3s has by itself: of a k3s that somebody called otherwise, and of RKE2. What counts is
//! the program that they start.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use smol_str::{SmolStr, format_smolstr};

use crate::providers::in_root;
use crate::regular;
use kwo_planner::k3s::Unit;

/// Where units are; the first one of a name counts.
const FOLDERS: [&str; 4] =
    ["etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
/// No unit is longer.
const LONGEST: u64 = 1 << 20;

/// A unit that starts k3s.
pub(super) fn of_k3s(root: &Path) -> Option<Unit> {
    that_start(root, "k3s").into_iter().next()
}

/// The units that start RKE2.
pub(super) fn of_others(root: &Path) -> BTreeSet<SmolStr> {
    that_start(root, "rke2").into_iter().map(|unit| unit.path).collect()
}

/// The units whose name begins with this and that start the program of this name as a server or an agent.
fn that_start(root: &Path, program: &str) -> Vec<Unit> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let Ok(inside) = in_root(root, Path::new(&format!("{folder}/x")), None) else { continue };
        let listed = inside.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
        let names = listed.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with(program) && name.ends_with(".service")).collect();
        names.sort();
        for name in names {
            let mut text = Vec::new();
            let read = regular::open(&inside.with_file_name(&name))
                .and_then(|file| file.take(LONGEST).read_to_end(&mut text));
            let text = String::from_utf8_lossy(&text);
            if read.is_ok() && starts(&text, program) {
                found.push(Unit { path: format_smolstr!("{folder}/{name}"), text: text.as_ref().into() });
            }
        }
    }
    found
}

/// Does a unit start this program as a server or an agent?
fn starts(text: &str, program: &str) -> bool {
    let whole = text.replace("\\\n", " ");
    whole.lines().filter_map(|line| line.trim().strip_prefix("ExecStart=")).any(|line| {
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).collect();
        words.windows(2).any(|pair| {
            let name = pair[0].rsplit('/').next().unwrap_or_default();
            name.trim_start_matches(['-', '@', ':', '+', '!']) == program
                && matches!(pair[1], "server" | "agent")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_counts_by_the_program_that_it_starts() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDERS[0]);
        fs::create_dir_all(&folder).unwrap();
        let put =
            |name: &str, line: &str| fs::write(folder.join(name), format!("[Service]\n{line}\n")).unwrap();
        put("k3s-backup.service", "ExecStart=/usr/local/bin/k3s etcd-snapshot save");
        put("k3s-old.service.bak", "ExecStart=/usr/local/bin/k3s server");
        put("my.service", "ExecStart=/usr/local/bin/k3s server");
        put("rke2-killall.service", "ExecStart=/usr/local/bin/rke2-killall.sh");
        assert_eq!((of_k3s(root.path()), of_others(root.path()).len()), (None, 0));
        // As k3s' installer writes it.
        put("k3s-web.service", "ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--disable' \\\n");
        put("rke2-server.service", "ExecStart=/usr/local/bin/rke2 server");
        put("rke2-agent.service", "ExecStart=-/opt/rke2/bin/rke2 agent");
        assert_eq!(of_k3s(root.path()).unwrap().path, "etc/systemd/system/k3s-web.service");
        let others = of_others(root.path());
        assert_eq!(
            others.iter().map(SmolStr::as_str).collect::<Vec<_>>(),
            ["etc/systemd/system/rke2-agent.service", "etc/systemd/system/rke2-server.service"]
        );
    }
}
