//! How plans, reports and findings are shown: text, Markdown, JSON.

mod agreement;
pub mod counts;
pub mod diagnostic;
pub mod dns;
pub mod explain;
mod folded;
mod foreign;
mod gains;
pub mod history;
pub mod hits;
pub mod import;
pub mod markdown;
mod objects;
pub mod plain;
pub mod plan;
pub mod run;
pub mod status;
mod tenants;
mod tightens;
pub mod tls;
mod unseen;
