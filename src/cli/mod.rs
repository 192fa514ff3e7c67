//! The command line: what can be typed. What it means is in `commands`.

mod access;
mod again;
mod alone;
mod archive;
mod capacity;
mod cleanup;
mod command;
mod commands;
mod daily;
mod doctor;
mod edits;
mod examples;
mod groups;
mod node;
mod offboard;
mod options;
mod own;
mod pipeline;
mod roster;
mod sections;
mod shared;
mod systems;
mod unattended;
mod values;

pub use access::{Access, AccessArgs, AccessDiff, AccessGraph, AccessOf, AccessWhoCan};
pub use again::{option_with, roster_again};
pub use archive::{Archive, ArchiveFile, ArchiveImport, ArchiveList, ArchiveVerify};
pub use capacity::Capacity;
pub use cleanup::NodeCleanup;
pub use command::{Cli, Command};
pub use commands::{
    Apply, Completion, Diff, Explain, Import, Init, Logs, LogsOf, Man, Plan, Render, Schema, Shell, Status,
    Validate,
};
pub use daily::{Hook, Install, SelfUpdate, Watch};
pub use doctor::Doctor;
pub use edits::{
    EditArgs, Fmt, Level, Member, MemberAdd, MemberRemove, Tenant, TenantAdd, TenantNamed, TenantSet,
};
pub use groups::GROUPS;
pub use node::{Node, NodeBackup, NodeInstall, NodeRestore, NodeSavedArgs, NodeUpgrade, ReleaseArgs};
pub use offboard::{Offboard, OffboardStage};
pub use options::{ApplyOptions, Target, folder};
pub use own::fits;
pub use pipeline::{Ci, Rbac, RightsFor};
pub use roster::{PerhapsRosterArgs, RosterArgs};
pub use sections::{
    Dns, DnsCheck, DnsList, Encrypt, Keygen, Kubeconfig, Registry, RegistryCredentials, RegistryRotate,
    RegistryStatus, RegistryUsage, Secrets, Tls, TlsCheck,
};
pub use shared::{AgeArgs, ClusterArgs, KubeArgs, ShownArgs, TargetArgs};
pub use systems::{Systems, SystemsCheck};
pub use unattended::{History, HistoryList, HistoryShow, HistoryThen, HistoryVerify, SettingsArgs, Sync};
pub use values::{Format, SchemaOf};
