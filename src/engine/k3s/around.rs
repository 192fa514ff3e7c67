//! What the kernel and the disks say of a machine: its memory, who listens, what runs, and how much is free.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::fs::statvfs;
use smol_str::{SmolStr, format_smolstr};

use super::machine::Machine;
use crate::providers::in_root;
use kwo_planner::k3s::Space;

/// What runs containers or is a Kubernetes, as the kernel shortens their names.
const RUNTIMES: [&str; 11] = [
    "containerd",
    "crio",
    "dockerd",
    "podman",
    "kubelet",
    "kubelite",
    "k0s",
    "rke2",
    "k3s-agent",
    "k3s-server",
    "kube-apiserver",
];
impl Machine {
    /// How much memory it has.
    pub(super) fn memory(&self) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// The ports that something listens at, by what the kernel says.
    pub(super) fn ports(&self) -> Option<BTreeSet<u16>> {
        let texts: Vec<String> =
            ["proc/net/tcp", "proc/net/tcp6"].iter().filter_map(|file| self.text(file)).collect();
        if texts.is_empty() {
            return None;
        }
        let lines = texts.iter().flat_map(|text| text.lines().skip(1));
        let ports = lines.filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (_, port) = words.next()?.rsplit_once(':')?;
            // 0A is LISTEN.
            let listens = words.nth(1) == Some("0A");
            u16::from_str_radix(port, 16).ok().filter(|_| listens)
        });
        Some(ports.collect())
    }

    /// What runs containers or is a Kubernetes.
    pub(super) fn running(&self) -> BTreeSet<SmolStr> {
        let listed = in_root(&self.root, Path::new("proc/x"), None).ok();
        let listed =
            listed.and_then(|path| fs::read_dir(path.parent()?).ok()).into_iter().flatten().flatten();
        let numbers = listed.filter_map(|found| found.file_name().into_string().ok());
        let numbers = numbers.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        let names = numbers.filter_map(|number| self.text(&format!("proc/{number}/comm")));
        names
            .filter_map(|name| {
                RUNTIMES.iter().find(|known| **known == name.trim()).map(|name| SmolStr::new_static(name))
            })
            .collect()
    }

    /// How much is free where a folder is or will be.
    pub(super) fn space(&self, folder: &Path) -> Space {
        let below = folder.strip_prefix("/").unwrap_or(folder);
        let mut there = self.root.join(below);
        while !there.exists() && there.pop() {}
        let free = statvfs(&there).ok().map(|found| found.f_bavail.saturating_mul(found.f_frsize));
        let named = if self.live { folder.to_owned() } else { self.root.join(below) };
        Space { folder: format_smolstr!("{}", named.display()), free }
    }
}
