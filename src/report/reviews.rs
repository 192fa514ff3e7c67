//! What the API server says of the access that the roster promises, as lines below a report.

use kwo_planner::plain::counted;
use std::fmt::Write as _;

use kwo_engine::run::Access;
use kwo_planner::plain::OneLine;
use kwo_planner::reviews::{Counted, Difference};

use super::style::{CREATE, HOLD};

/// So many differences are told one by one.
const MOST: usize = 20;

/// About whom it was asked, and how often.
#[must_use]
pub(super) fn asked(access: &Access) -> String {
    let Access { about, answers, requests, .. } = access;
    format!(
        "the API server about {} ({}, {})",
        people(about),
        counted(*answers, "answer", "answers"),
        counted(*requests, "request", "requests")
    )
}

/// The lines.
#[must_use]
pub(super) fn text(access: &Access) -> String {
    let Access { about, answers: _, requests: _, differences, more, unverified } = access;
    let wrong = differences.len() + more;
    let mut out = match (wrong, unverified.len()) {
        // About those who are in the roster: others may have access, too.
        (0, 0) => format!(
            "{CREATE}Everybody in the roster may do what it promises{CREATE:#}, and nothing else that kwo asked about"
        ),
        (0, _) => format!("{HOLD}Access could not be verified{HOLD:#}"),
        (_, _) => format!(
            "{HOLD}Access differs from what the roster promises{HOLD:#}: {}",
            counted(wrong, "answer", "answers")
        ),
    };
    let _ = writeln!(out, "; kwo asked {}", asked(access));
    for difference in differences.iter().take(MOST) {
        let Difference { why, command, .. } = difference;
        let _ = writeln!(out, "  {HOLD}!{HOLD:#} {}", OneLine(difference.sentence()));
        let _ = writeln!(out, "      {}; to look at it: {}", OneLine(why), OneLine(command));
    }
    if wrong > MOST {
        let _ = writeln!(out, "  {HOLD}!{HOLD:#} and {} more; `-o json` has more of them", wrong - MOST);
    }
    for why in unverified {
        let _ = writeln!(out, "  {HOLD}!{HOLD:#} could not be verified: {}", OneLine(why));
    }
    if about.sampled > 0 {
        let _ = writeln!(
            out,
            "  {} of them have so many namespaces that kwo asked about a sample",
            about.sampled
        );
    }
    out
}

/// `2 people, 1 group and 3 service accounts`.
fn people(about: &Counted) -> String {
    let Counted { people, groups, accounts, sampled: _ } = *about;
    format!(
        "{}, {} and {}",
        counted(people, "person", "people"),
        counted(groups, "group", "groups"),
        counted(accounts, "service account", "service accounts")
    )
}
