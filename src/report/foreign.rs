//! What gives access or opens the network and is not kwo's: as parts of a plan's text, as lines for a comment, and as the
//! end of a run.

use std::fmt::Write as _;

use anstyle::Style;
use kwo_planner::change::Hold;
use kwo_planner::foreign::ForeignAccess;
use kwo_planner::plain::OneLine;
use kwo_planner::plan::Plan;
use kwo_planner::refused::Refused;
use kwo_planner::tree::SmolStr;

use super::part::MOST_LEFT;
use super::style::{HOLD, LEFT};

const QUIET: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// What is told here, part by part: its title in a text and in a comment, and whether it is about the network.
const PARTS: [(&str, &str, bool); 2] = [
    ("not kwo's, gives access", "Not kwo's, gives access", false),
    ("not kwo's, opens the network", "Not kwo's, opens the network", true),
];

/// The parts of a plan's text; nothing where there is nothing of it.
pub(super) fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for (title, _, openings) in PARTS {
        let (told, rest) = part(plan, openings);
        if told.is_empty() && rest.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{STRONG}{title}{STRONG:#}");
        for ForeignAccess { id, tenant: _, who: _, role: _, grants, command } in told {
            let (grants, command) = (OneLine(grants), OneLine(command));
            let _ = writeln!(
                out,
                "  {LEFT}*{LEFT:#} {grants}\n      {QUIET}by {id}; kwo does not remove it; to look at it: {command}{QUIET:#}"
            );
        }
        for line in rest {
            let _ = writeln!(out, "  {HOLD}{line}{HOLD:#}");
        }
    }
    out
}

/// The parts with a line a right or a way, for a comment.
pub(super) fn lines(plan: &Plan) -> Vec<(&'static str, Vec<String>)> {
    let lines = PARTS.into_iter().map(|(_, title, openings)| {
        let (told, rest) = part(plan, openings);
        let told =
            told.into_iter().map(|foreign| format!("* {}, by {}", OneLine(&foreign.grants), foreign.id));
        (title, told.chain(rest).collect())
    });
    lines.collect()
}

/// What one part tells one by one, and the lines behind it.
fn part(plan: &Plan, openings: bool) -> (Vec<&ForeignAccess>, Vec<String>) {
    let mut told: Vec<&ForeignAccess> =
        plan.foreign_access.iter().filter(|foreign| foreign.is_opening() == openings).collect();
    let more = told.len().saturating_sub(MOST_LEFT);
    told.truncate(MOST_LEFT);
    let more = (more > 0).then(|| format!("* and {more} more; `kwo plan -o json` has them all"));
    let unseen = (!openings).then(|| unseen(plan)).into_iter().flatten();
    (told, more.into_iter().chain(unseen).collect())
}

/// What could not be looked at.
fn unseen(plan: &Plan) -> impl Iterator<Item = String> {
    // A right that is missing hides what is wanted, too, and its reason was given there.
    let (told, untold): (Vec<&SmolStr>, Vec<&SmolStr>) =
        plan.unseen_access.iter().partition(|why| hides_more(plan, why));
    let told = above(&told).into_iter();
    let untold =
        untold.into_iter().map(|why| format!("! kwo does not know what others gave: {}", OneLine(why)));
    told.chain(untold)
}

/// The lines for reasons that were told in full above.
fn above(reasons: &[&SmolStr]) -> Vec<String> {
    // Only what was refused has words for what was tried.
    let (tried, others): (Vec<&SmolStr>, Vec<&SmolStr>) =
        reasons.iter().copied().partition(|why| Refused::of(why).is_some());
    let tried: Vec<&str> = tried.into_iter().filter_map(|why| Some(Refused::of(why)?.tried)).collect();
    let tried = (!tried.is_empty()).then(|| format!("could not {}", tried.join(", ")));
    let all = tried.into_iter().chain(others.into_iter().map(ToString::to_string));
    all.map(|why| format!("! kwo does not know what others gave: {}, as said above", OneLine(why))).collect()
}

/// Is this why something that is wanted could not be looked at?
fn hides_more(plan: &Plan, reason: &SmolStr) -> bool {
    plan.held.iter().any(|held| matches!(&held.hold, Hold::NotObserved { why } if why == reason))
}

/// The last line of a run about it; nothing where there is nothing of it.
#[must_use]
pub(super) fn end(plan: &Plan) -> String {
    let Some(others) = plan.others() else { return String::new() };
    format!("{LEFT}*{LEFT:#} {}; `kwo plan` shows how to look at it\n", OneLine(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_was_told_is_a_sentence_whoever_gave_it() {
        let reasons: [SmolStr; 3] = [
            "list rolebindings was refused: forbidden".into(),
            "/d cannot be searched: Permission denied".into(),
            "list roles was refused: forbidden".into(),
        ];
        let lines = above(&reasons.iter().collect::<Vec<_>>());
        let start = "! kwo does not know what others gave: ";
        assert_eq!(
            lines,
            [
                format!("{start}could not list rolebindings, list roles, as said above"),
                format!("{start}/d cannot be searched: Permission denied, as said above"),
            ]
        );
        assert!(above(&[]).is_empty());
    }
}
