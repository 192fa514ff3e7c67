//! What was found on a machine. Nothing here is trusted for more than what it says.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::texts::{UNIT, unit};
use crate::plain::shell_word;
use crate::roster::{K3sVersion, NodeName};
use crate::tree::SmolStr;

/// The architectures that k3s is released for, and kwo installs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arch {
    /// `x86_64`.
    Amd64,
    /// `aarch64`.
    Arm64,
    /// `armv7l`.
    Arm,
}

impl Arch {
    /// By what `uname -m` says.
    #[must_use]
    pub fn of(machine: &str) -> Option<Arch> {
        match machine {
            "x86_64" => Some(Arch::Amd64),
            "aarch64" => Some(Arch::Arm64),
            "armv7l" => Some(Arch::Arm),
            _ => None,
        }
    }

    /// As k3s calls it in the names of its files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
            Arch::Arm => "arm",
        }
    }

    /// The name of the program among the files of a release.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Arch::Amd64 => "k3s",
            Arch::Arm64 => "k3s-arm64",
            Arch::Arm => "k3s-armhf",
        }
    }
}

/// Room on a disk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Space {
    /// The folder.
    pub folder: SmolStr,
    /// How many bytes are free; nothing where nobody knows.
    pub free: Option<u64>,
}

/// A program of k3s that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Program {
    /// Where, from the root.
    pub path: SmolStr,
    /// SHA-256 of it.
    pub sha256: SmolStr,
    /// What it says of itself.
    pub version: Option<K3sVersion>,
}

/// A unit of k3s that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unit {
    /// Where, from the root.
    pub path: SmolStr,
    /// What is in it.
    pub text: SmolStr,
}

/// What kwo noted when it began to install k3s.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Which k3s.
    #[serde(serialize_with = "text", deserialize_with = "version")]
    #[schemars(with = "String")]
    pub version: K3sVersion,
    /// SHA-256 of the program.
    pub sha256: SmolStr,
    /// Where it comes from.
    pub from: SmolStr,
    /// The name of the node.
    #[serde(serialize_with = "text", deserialize_with = "name")]
    #[schemars(with = "String")]
    pub node: NodeName,
    /// The node was ready once.
    pub installed: bool,
    /// A digest of the saved plan that installs it, until its first apply has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<SmolStr>,
}

/// What there is of k3s.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Here {
    /// What kwo noted, if it began to install it.
    pub record: Option<Record>,
    /// Its program.
    pub program: Option<Program>,
    /// Its unit, or that of an agent.
    pub unit: Option<Unit>,
    /// That unit is empty or leads to `/dev/null`, and systemd starts no such unit.
    pub masked: bool,
    /// There is data of it.
    pub data: bool,
    /// The file with the settings of the installation, and what is in it.
    pub drop_in: Option<SmolStr>,
    /// The files of images that k3s loads when it starts, by their names, with their SHA-256.
    pub images: BTreeMap<SmolStr, SmolStr>,
    /// Its unit is started at boot.
    pub enabled: bool,
    /// Its unit runs.
    pub active: bool,
    /// Its node is ready.
    pub ready: bool,
    /// Those of its files, or of the folders for them, that somebody else than root may change, and a program that cannot be run.
    pub loose: BTreeSet<SmolStr>,
}

/// Whose k3s it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found<'f> {
    /// There is none.
    Nothing,
    /// kwo installs it, or has.
    Own(&'f Record),
    /// Somebody else's.
    Others,
}

impl Here {
    /// Whose k3s it is.
    #[must_use]
    pub fn found(&self) -> Found<'_> {
        let is_there = self.program.is_some() || self.unit.is_some() || self.data;
        match &self.record {
            Some(record) if self.is_by(record) => Found::Own(record),
            // It was begun, and nothing of it is there yet.
            Some(record) if !is_there && !record.installed => Found::Own(record),
            _ if is_there => Found::Others,
            _ => Found::Nothing,
        }
    }

    /// Is something there that only kwo wrote? A record outlives a k3s that somebody took away and installed anew.
    fn is_by(&self, record: &Record) -> bool {
        self.program.as_ref().is_some_and(|program| program.sha256 == record.sha256)
            || self.unit.as_ref().is_some_and(|found| found.path == UNIT && found.text == unit())
    }
}

/// What was found on a machine.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// The root is that of a machine that runs; otherwise it is that of an image.
    pub live: bool,
    /// That root, where it is not `/`.
    pub root: SmolStr,
    /// Whoever looks is root, or need not be.
    pub may_write: bool,
    /// As `uname -m` says.
    pub machine: SmolStr,
    /// What the system calls itself, and its `ID`.
    pub os: Option<(SmolStr, SmolStr)>,
    /// systemd runs it.
    pub systemd: bool,
    /// SELinux enforces its rules.
    pub selinux: bool,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Where k3s keeps its data.
    pub data: Space,
    /// Where the program goes.
    pub programs: Space,
    /// The TCP ports that something listens at.
    pub ports: Option<BTreeSet<u16>>,
    /// The controllers of cgroup v2; nothing where it is not v2.
    pub cgroup: Option<BTreeSet<SmolStr>>,
    /// What time it is, in seconds.
    pub now: i64,
    /// What time it is for who gave the release.
    pub elsewhere: Option<i64>,
    /// The name of the machine.
    pub host: SmolStr,
    /// The node's name by the configuration that is there.
    pub said_name: Option<SmolStr>,
    /// What makes k3s a part of another cluster.
    pub joins: Vec<Joins>,
    /// Units of systemd of another Kubernetes, which need not run.
    pub others: BTreeSet<SmolStr>,
    /// Container runtimes, kubelets and the like that run.
    pub running: BTreeSet<SmolStr>,
    /// What there is of k3s.
    pub here: Here,
}

/// Something that makes k3s a part of another cluster. Its value may be secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Joins {
    /// Otherwise it is the place of its objects.
    pub server: bool,
    /// The word that says so, as it stands in the file: a key, an option or a variable.
    pub word: SmolStr,
    /// The file, as the machine calls it.
    pub file: SmolStr,
}

impl Facts {
    /// A file of the machine, by the path that leads to it from here.
    pub(super) fn path(&self, file: &str) -> String {
        format!("{}/{}", self.root.trim_end_matches('/'), file.trim_start_matches('/'))
    }

    /// The same as a word of a command.
    pub(super) fn word(&self, file: &str) -> String {
        shell_word(&self.path(file)).into_owned()
    }
}

pub(super) fn text<T: std::fmt::Display, S: serde::Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

pub(super) fn version<'de, D: serde::Deserializer<'de>>(from: D) -> Result<K3sVersion, D::Error> {
    SmolStr::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

pub(super) fn name<'de, D: serde::Deserializer<'de>>(from: D) -> Result<NodeName, D::Error> {
    SmolStr::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}
