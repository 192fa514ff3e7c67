//! One file a command; wiring only.

mod apply;
mod completion;
mod dns;
mod entrust;
mod explain;
mod hook;
mod init;
mod install;
mod kubeconfig;
mod load;
mod logs;
mod look;
mod man;
mod plan;
mod print;
mod registry;
mod render;
mod run;
mod schema;
mod secrets;
mod status;
mod stop;
mod tls;
mod validate;
mod watch;

pub use run::run;
