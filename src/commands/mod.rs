//! One file a command; wiring only.

mod apply;
mod completion;
mod dns;
mod entrust;
mod explain;
mod init;
mod load;
mod look;
mod man;
mod plan;
mod print;
mod registry;
mod render;
mod run;
mod schema;
mod secrets;
mod stop;
mod tls;
mod validate;

pub use run::run;
