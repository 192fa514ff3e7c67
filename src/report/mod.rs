//! How plans, reports and findings are shown: text, Markdown, JSON.

mod agreement;
pub mod diagnostic;
pub mod diff;
pub mod dns;
pub mod explain;
pub mod failure;
mod folded;
mod foreign;
mod gains;
pub mod history;
pub mod hits;
pub mod import;
mod lines;
pub mod manual;
pub mod markdown;
mod objects;
pub mod plain;
pub mod plan;
pub mod printed;
pub mod run;
pub mod status;
pub mod sync;
mod tenants;
mod tightens;
pub mod tls;
mod unseen;
