//! One file a command; wiring only.

mod apply;
mod ci;
mod completion;
mod consent;
mod dns;
mod entrust;
mod explain;
mod history;
mod hook;
mod import;
mod init;
mod install;
mod kubeconfig;
mod load;
mod logs;
mod look;
mod man;
mod plan;
mod print;
mod rbac;
mod registry;
mod render;
mod rotate;
mod run;
mod saved;
mod schema;
mod secrets;
mod status;
mod stop;
mod sync;
mod tls;
mod validate;
mod watch;

pub use print::lost;
pub use run::run;
