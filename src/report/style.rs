//! The colours of a page, each with one meaning, and how a value is written.

use anstyle::{AnsiColor, Style};
use kwo_planner::plain::one_line;
use kwo_planner::tree::Tree;

pub(crate) const CREATE: Style = AnsiColor::Green.on_default();
pub(crate) const CHANGE: Style = AnsiColor::Yellow.on_default();
pub(crate) const HOLD: Style = AnsiColor::Red.on_default();
pub(crate) const LEFT: Style = AnsiColor::Magenta.on_default();
pub(super) const QUIET: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// A value as a person reads it: strings without quotes, the rest as JSON.
pub(crate) fn shown(value: &Tree) -> String {
    match value {
        Tree::Text(text) if !text.is_empty() => one_line(text).into_owned(),
        other => one_line(&other.to_string()).into_owned(),
    }
}
