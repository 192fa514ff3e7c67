//! Whether a machine can be a node: each check by its name, what was found, what was expected, what to do.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::WRITTEN;
use super::facts::{Arch, Facts, Space};
use crate::plain::{counted, one_line};
use crate::units::size;

/// k3s does not start with less.
const LEAST_MEMORY: u64 = 512 << 20;
/// With less there is no room for tenants. The kernel keeps some of what a machine is said to have.
const GOOD_MEMORY: u64 = 1_800 << 20;
/// The images and the database of an empty node.
pub(super) const LEAST_DATA: u64 = 2_048 << 20;
/// The program, which is there twice for a moment.
pub(super) const LEAST_PROGRAM: u64 = 200 << 20;
/// Certificates are valid from the time at which they are made, so clocks may differ little.
const MOST_SECONDS: i64 = 600;
/// What k3s listens at, and cannot do without.
const PORTS: [(u16, &str); 2] = [(6443, "the API server"), (10250, "the kubelet")];

/// What runs containers and is no Kubernetes.
const RUNTIMES: [&str; 4] = ["containerd", "crio", "dockerd", "podman"];

/// What is looked at.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Whether whoever runs kwo may write.
    Root,
    /// The architecture.
    Arch,
    /// The operating system.
    Os,
    /// The memory.
    Memory,
    /// The room on the disks.
    Disk,
    /// The ports that k3s listens at.
    Ports,
    /// The controllers of cgroups.
    Cgroup,
    /// The clock.
    Clock,
    /// The name of the node.
    Name,
    /// What else runs containers.
    Runtime,
    /// The configuration that is there.
    Config,
    /// The k3s that is there.
    K3s,
    /// From which version to which.
    Version,
    /// Where k3s keeps its objects.
    Datastore,
    /// The nodes of the cluster.
    Nodes,
    /// The backup, and the copy that leads back.
    Backup,
    /// What runs in the cluster.
    Workloads,
    /// The APIs that are asked for.
    Apis,
}

/// Each by its name.
const NAMES: [(Check, &str); 18] = [
    (Check::Root, "root"),
    (Check::Arch, "arch"),
    (Check::Os, "os"),
    (Check::Memory, "memory"),
    (Check::Disk, "disk"),
    (Check::Ports, "ports"),
    (Check::Cgroup, "cgroup"),
    (Check::Clock, "clock"),
    (Check::Name, "name"),
    (Check::Runtime, "runtime"),
    (Check::Config, "config"),
    (Check::K3s, "k3s"),
    (Check::Version, "version"),
    (Check::Datastore, "datastore"),
    (Check::Nodes, "nodes"),
    (Check::Backup, "backup"),
    (Check::Workloads, "workloads"),
    (Check::Apis, "apis"),
];

/// What a person may say does not count for an installation.
pub const INSTALL_IGNORES: [Check; 7] =
    [Check::Os, Check::Memory, Check::Disk, Check::Ports, Check::Cgroup, Check::Clock, Check::Runtime];

impl Check {
    /// The one of these that has this name.
    ///
    /// # Errors
    /// When none has; it says which names there are.
    pub fn named(text: &str, these: &[Check]) -> Result<Check, String> {
        these.iter().find(|check| check.to_string() == text).copied().ok_or_else(|| {
            let names: Vec<String> = these.iter().map(ToString::to_string).collect();
            format!("expected one of: {}", names.join(", "))
        })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(check, _)| check == self);
        out.write_str(name.map_or("", |(_, name)| name))
    }
}

/// How bad something is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// kwo installs all the same.
    Warning,
    /// kwo installs nothing.
    Stop,
}

/// Something that a person has to know.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Noticed {
    /// Which check.
    pub check: Check,
    /// How bad it is.
    pub grade: Grade,
    /// What was found and what was expected.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Noticed {
    /// Something that keeps kwo from installing.
    pub(super) fn stop(check: Check, what: impl Into<String>, hint: impl Into<String>) -> Noticed {
        Noticed { check, grade: Grade::Stop, what: what.into(), hint: hint.into() }
    }

    /// Something else.
    pub(super) fn warning(check: Check, what: impl Into<String>, hint: impl Into<String>) -> Noticed {
        Noticed { grade: Grade::Warning, ..Noticed::stop(check, what, hint) }
    }
}

/// All that is wrong with a machine for a k3s that has not started yet.
#[must_use]
pub fn preflight(facts: &Facts, ignored: &BTreeSet<Check>) -> Vec<Noticed> {
    let mut found = Vec::new();
    system(facts, &mut found);
    room(facts, &mut found);
    around(facts, &mut found);
    for noticed in &mut found {
        if ignored.contains(&noticed.check) && INSTALL_IGNORES.contains(&noticed.check) {
            noticed.grade = Grade::Warning;
            noticed.hint = "`--ignore` says that it does not count".to_owned();
        }
    }
    found
}

/// The machine itself.
fn system(facts: &Facts, found: &mut Vec<Noticed>) {
    if !facts.may_write {
        found.push(Noticed::stop(Check::Root, "kwo does not run as root", "run it with sudo"));
    }
    if Arch::of(&facts.machine).is_none() {
        found.push(Noticed::stop(
            Check::Arch,
            format!("the machine is `{}`; expected x86_64, aarch64 or armv7l", one_line(&facts.machine)),
            "use a machine that k3s is released for",
        ));
    }
    match &facts.os {
        Some((_, id)) if matches!(id.as_str(), "debian" | "ubuntu") => {}
        os => {
            let name = os.as_ref().map_or("unknown", |(name, _)| name.as_str());
            found.push(Noticed::warning(
                Check::Os,
                format!("the system is {}; kwo is tested on Debian alone", one_line(name)),
                "read what k3s says of this system: https://docs.k3s.io/installation/requirements",
            ));
        }
    }
    if facts.live && !facts.systemd {
        found.push(Noticed::stop(
            Check::Os,
            "systemd does not run this machine, and kwo starts k3s by a unit of systemd",
            "use a machine with systemd",
        ));
    }
    if facts.selinux {
        found.push(Noticed::warning(
            Check::Os,
            "SELinux enforces its rules, and kwo installs no policy for k3s",
            "install the package `k3s-selinux` first",
        ));
    }
}

/// What it has.
fn room(facts: &Facts, found: &mut Vec<Noticed>) {
    match facts.memory {
        Some(memory) if memory < LEAST_MEMORY => found.push(Noticed::stop(
            Check::Memory,
            format!("the machine has {} of memory; expected at least {}", size(memory), size(LEAST_MEMORY)),
            "give it more",
        )),
        Some(memory) if memory < GOOD_MEMORY => found.push(Noticed::warning(
            Check::Memory,
            format!("the machine has {} of memory; a server of k3s asks for 2 GiB", size(memory)),
            "give it more before tenants come",
        )),
        _ => {}
    }
    found.extend(tight(&[(&facts.data, LEAST_DATA), (&facts.programs, LEAST_PROGRAM)]));
    // An image has no cgroups of its own.
    if facts.live {
        let missing = match &facts.cgroup {
            None => Some("the machine has no cgroup v2".to_owned()),
            Some(have) => {
                let lacks: Vec<&str> =
                    ["cpu", "memory"].into_iter().filter(|name| !have.contains(*name)).collect();
                (!lacks.is_empty()).then(|| format!("cgroup v2 lacks the controllers: {}", lacks.join(", ")))
            }
        };
        if let Some(missing) = missing {
            found.push(Noticed::stop(
                Check::Cgroup,
                format!("{missing}; the kubelet needs cpu and memory of cgroup v2"),
                "let the kernel's command line have `cgroup_enable=memory` and no `systemd.unified_cgroup_hierarchy=0`, and restart the machine; on a Raspberry Pi it is /boot/firmware/cmdline.txt, which needs `cgroup_memory=1` too; in a container, its host has to allow them",
            ));
        }
    }
}

/// The folders that have too little room.
pub(super) fn tight(wanted: &[(&Space, u64)]) -> Vec<Noticed> {
    let lacks = wanted.iter().filter_map(|(space, least)| {
        let free = space.free.filter(|free| free < least)?;
        Some(Noticed::stop(
            Check::Disk,
            format!("{} is free for {}; expected at least {}", size(free), space.folder, size(*least)),
            "free some space, or mount another disk there",
        ))
    });
    lacks.collect()
}

/// What stands beside it.
fn around(facts: &Facts, found: &mut Vec<Noticed>) {
    for (port, whose) in PORTS {
        if facts.ports.as_ref().is_some_and(|taken| taken.contains(&port)) {
            found.push(Noticed::stop(
                Check::Ports,
                format!("something listens at port {port}, which {whose} needs"),
                format!("`ss -ltnp sport = :{port}` says what it is; end it"),
            ));
        }
    }
    let names = |kubelet: bool| {
        let these = facts.running.iter().filter(|name| RUNTIMES.contains(&name.as_str()) != kubelet);
        let names: Vec<&str> = these.map(|name| name.as_str()).collect();
        (!names.is_empty()).then(|| one_line(&names.join(", ")).into_owned())
    };
    if let Some(names) = names(true) {
        found.push(Noticed::stop(
            Check::Runtime,
            format!("another Kubernetes runs here ({names}), with the same ports, network rules and cgroups"),
            "use another machine, or remove it first",
        ));
    }
    if !facts.others.is_empty() {
        let units: Vec<String> =
            facts.others.iter().map(|unit| one_line(&facts.path(unit)).into_owned()).collect();
        found.push(Noticed::stop(
            Check::Runtime,
            format!("another Kubernetes is installed here ({})", units.join(", ")),
            "use another machine, or remove it first",
        ));
    }
    if let Some(names) = names(false) {
        found.push(Noticed::warning(
            Check::Runtime,
            format!("other containers run here ({names}), and their rules for the network meet those of k3s"),
            "k3s brings a containerd of its own, and needs none of them",
        ));
    }
    if facts.now < WRITTEN {
        found.push(Noticed::stop(
            Check::Clock,
            "the clock says a time from before kwo was written, and certificates made now would not be valid",
            "set it: `timedatectl set-ntp true`",
        ));
    } else if let Some(there) = facts.elsewhere.filter(|there| (there - facts.now).abs() > MOST_SECONDS) {
        let minutes = counted((there - facts.now).unsigned_abs() / 60, "minute", "minutes");
        let way = if there < facts.now { "ahead of" } else { "behind" };
        found.push(Noticed::stop(
            Check::Clock,
            format!("the clock is {minutes} {way} that of the release server; expected at most 10"),
            "set it: `timedatectl set-ntp true`",
        ));
    }
}
