//! A saved plan as it is read: bounded, and with nothing of it shown that could be more than text.

use std::io::Read as _;
use std::path::Path;

use kwo_planner::plain::one_line;
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::saved::SavedPlan;

use super::unfit::{undecoded, unfit, unread};
use crate::failure::Failure;
use crate::regular;

/// The longest plan that is read; one for a thousand tenants is a tenth of it.
const LONGEST: u64 = 512 * 1024 * 1024;
/// The command that saves them.
const COMMAND: &str = "kwo plan";

/// A saved plan, of which nobody knows yet who wrote it.
#[derive(Debug)]
pub struct Opened {
    /// The file, byte for byte: this is what a signature is for.
    pub bytes: Vec<u8>,
    /// What it says.
    pub plan: SavedPlan,
}

/// Reads a saved plan.
///
/// # Errors
/// When it cannot be read, is none, has a form that this kwo does not know, or was cut short.
pub fn open(path: &Path) -> Result<Opened, Failure> {
    let name = path.display();
    let cannot = |error: std::io::Error| unread(path, &error, COMMAND);
    let mut bytes = Vec::new();
    let file = regular::open(path).map_err(cannot)?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST {
        return Err(unfit(path, format!("it is over {} MiB", LONGEST >> 20), COMMAND));
    }
    let plan: SavedPlan =
        serde_json::from_slice(&bytes).map_err(|error| undecoded(path, &bytes, &error, COMMAND))?;
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&plan.plan.format_version) != major(FORMAT_VERSION) {
        let version = plain(&plan.plan.format_version);
        return Err(Failure::new(format!(
            "{name} has the format {version}, but this kwo reads {FORMAT_VERSION}"
        ))
        .hint("plan again with this version of kwo"));
    }
    if !plan.plan.is_intact() {
        return Err(Failure::new(format!(
            "{name} was changed after it was saved: its digest does not match"
        ))
        .hint("plan again"));
    }
    Ok(Opened { bytes, plan })
}

/// A stranger's text on one line, without anything that a terminal, a log or a pipeline could take for a command.
#[must_use]
pub fn plain(text: &str) -> String {
    let kept: String = text.chars().take(300).collect();
    one_line(&kept).into_owned()
}
