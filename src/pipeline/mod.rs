//! Pipelines: which system kwo runs under, for what, and how a finding is shown there. Speaks to nobody.

mod annotations;
mod recognise;
mod settings;

pub use annotations::{Note, code_quality, findings, holds, workflow_command};
pub use recognise::{Event, Pipeline, System, Unknown, Variables, recognise};
pub use settings::{SETTINGS, setting, tokens};
