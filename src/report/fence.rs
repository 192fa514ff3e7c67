//! A code block of Markdown: what strangers wrote stands in it as it is, and cannot end it.

use kwo_planner::plain::counted;
use kwo_planner::plain::{acts, spelled};

/// Forges refuse longer comments; GitHub's limit is 65 536 characters.
pub(super) const LONGEST: usize = 64_000;

/// Longer runs of backticks are spelled out, so that no fence has to be longer.
const LONGEST_FENCE: usize = 16;

/// A text for people, as it is.
#[must_use]
pub(super) fn fenced(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    block(plain.trim_end(), LONGEST, "`-o text` shows all of it")
}

/// A code block of at most so many characters, whose fence is longer than any run of backticks inside it. What does not
/// fit is counted.
pub(super) fn block(text: &str, longest: usize, rest: &str) -> String {
    let mut kept = spelled(text, |char| acts(char) && !matches!(char, '\n' | '\t'));
    let run = |text: &str| text.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    if run(&kept) > LONGEST_FENCE {
        kept = spelled(&kept, |char| char == '`').into_owned().into();
    }
    let fence = "`".repeat(run(&kept).max(2) + 1);
    let room = longest.saturating_sub(2 * fence.len() + rest.len() + 60);
    let cut = kept.char_indices().nth(room).map(|(at, _)| at);
    let kept = match cut {
        None => kept.into_owned(),
        Some(at) => {
            // Whole lines, unless there is not even one.
            let (fits, _) = kept.split_at(at);
            let fits = fits.rfind('\n').and_then(|end| fits.get(..end)).unwrap_or(fits);
            let more = kept.lines().count() - fits.lines().count();
            let more = match more {
                0 => "… and more".to_owned(),
                some => format!("… and {} more", counted(some, "line", "lines")),
            };
            format!("{fits}\n{more}; {rest}")
        }
    };
    format!("{fence}diff\n{kept}\n{fence}\n")
}
