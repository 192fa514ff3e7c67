//! How plans, reports and findings are shown: text, Markdown, JSON.

mod agreement;
pub mod diagnostic;
pub mod dns;
pub mod explain;
mod foreign;
pub mod history;
pub mod hits;
pub mod import;
pub mod markdown;
pub mod plain;
pub mod plan;
pub mod run;
pub mod status;
mod tightens;
pub mod tls;
mod unseen;
