//! How plans, reports and findings are shown: text, Markdown, JSON.

pub mod diagnostic;
pub mod dns;
pub mod explain;
pub mod history;
pub mod import;
pub mod markdown;
pub mod plain;
pub mod plan;
pub mod run;
pub mod status;
pub mod tls;
mod unseen;
