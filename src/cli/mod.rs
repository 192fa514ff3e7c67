//! The command line: what can be typed. What it means is in `commands`.

mod command;
mod commands;
mod daily;
mod sections;
mod shared;
mod values;

pub use command::{Cli, Command};
pub use commands::{
    Apply, Completion, Explain, Init, Logs, LogsOf, Man, Plan, Render, Schema, Status, Validate,
};
pub use daily::{Hook, Install, Watch};
pub use sections::{
    Dns, DnsCheck, DnsList, Encrypt, Keygen, Kubeconfig, Registry, RegistryCredentials, RegistryStatus,
    Secrets, Tls, TlsCheck,
};
pub use shared::{AgeArgs, ClusterArgs, KubeArgs, RosterArgs, TargetArgs};
pub use values::{PlanFormat, SchemaOf, TextOrJson, YamlOrJson};
