//! What is said of a run, for people who read it on a telephone: what changed and for whom, who wanted it, what went
//! wrong and what to do.

use std::fmt::Write as _;

use kwo_planner::plain::acts;
use kwo_planner::units::moment;

use crate::history::{Action, Commit, Entry, Outcome};

/// In characters: what takes Slack's webhooks may take no more than 2000.
const LONGEST: usize = 1500;

/// In characters, of one line.
const LINE: usize = 160;

/// How many of a kind are told one by one.
const FEW: usize = 3;

/// One message; every channel has its own form for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Message {
    /// What it came to, in a few words.
    pub(super) summary: String,
    /// That, and what it is about.
    pub(super) title: String,
    /// A few lines more.
    pub(super) text: String,
    /// The last word was that something failed, and now nothing does.
    pub(super) recovered: bool,
    pub(super) tone: Tone,
}

/// How it sounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tone {
    /// Something changed, or is well again.
    Good,
    /// Something is held.
    Waiting,
    /// Something failed or was refused.
    Bad,
}

impl Message {
    pub(super) fn of(entry: &Entry, before: Option<&Entry>) -> Message {
        if let Some(offboarded) = &entry.offboarded {
            let summary = line(&offboarded.told(), LINE);
            let text = format!(
                "{}, {}\n{}, run {} on {}",
                moment(entry.began),
                offboarded.told(),
                entry.target,
                entry.number,
                entry.host
            );
            let text = text.lines().map(|text| line(text, LINE)).collect::<Vec<_>>().join("\n");
            return Message {
                title: line(&format!("kwo: {summary}"), LINE),
                text: clipped(&text, LONGEST),
                summary,
                recovered: false,
                tone: Tone::Waiting,
            };
        }
        let was_bad = before.is_some_and(|before| tone(before.outcome) == Tone::Bad);
        let recovered = was_bad && tone(entry.outcome) != Tone::Bad;
        let head = match entry.outcome {
            _ if recovered => "kwo recovered".to_owned(),
            Outcome::Converged | Outcome::AccessLeft | Outcome::Held => "kwo".to_owned(),
            Outcome::Failed => "kwo failed".to_owned(),
            Outcome::AccessDiffers => "kwo found access that differs".to_owned(),
            Outcome::Refused => match &entry.refused {
                Some(commit) => format!("kwo refused {}", short(commit)),
                None => "kwo refused".to_owned(),
            },
        };
        let summary = line(&summary(entry), LINE);
        Message {
            title: line(&format!("{head}: {summary}"), LINE),
            text: clipped(&lines(entry).join("\n"), LONGEST),
            summary,
            recovered,
            tone: tone(entry.outcome),
        }
    }
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Converged => Tone::Good,
        Outcome::AccessLeft | Outcome::Held => Tone::Waiting,
        Outcome::AccessDiffers | Outcome::Refused | Outcome::Failed => Tone::Bad,
    }
}

fn summary(entry: &Entry) -> String {
    if tone(entry.outcome) == Tone::Bad {
        return match entry.problems.first() {
            Some(problem) => line(&problem.text, LINE),
            None => format!("{} not done", counted(entry.not_done().count(), "change")),
        };
    }
    let done = entry.done().count();
    let mut said = match done {
        0 if entry.remains().is_some() => String::new(),
        0 => "nothing had to be changed".to_owned(),
        _ => format!("{}{}", counted(done, "change"), tenants(entry)),
    };
    let mut add = |count: usize, what: &str| {
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = write!(said, ", {}{what}", counted(count, "object"));
        }
    };
    add(entry.drift.len(), " changed by others");
    add(entry.held.len(), " held");
    let ways = entry.foreign_access.iter().filter(|foreign| foreign.is_opening()).count();
    let rights = entry.foreign_access.len() - ways;
    for (count, what, of) in [(rights, "right", ""), (ways, "way", " through the network")] {
        if count > 0 {
            let _ = write!(said, ", {}{of} not kwo's", counted(count, what));
        }
    }
    match entry.remains() {
        None => said,
        // First, because a channel may cut what it shows.
        Some(remains) if said.is_empty() => remains,
        Some(remains) => format!("{remains}; {}", said.trim_start_matches(", ")),
    }
}

/// ` for alice, bob`.
fn tenants(entry: &Entry) -> String {
    let all: Vec<&str> = entry.tenants().into_iter().collect();
    match all.as_slice() {
        [] => String::new(),
        few if few.len() <= FEW => format!(" for {}", few.join(", ")),
        many => format!(" for {}", counted(many.len(), "tenant")),
    }
}

fn lines(entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    let actions = counts(entry);
    if !actions.is_empty() {
        lines.push(format!("{actions}{}", tenants(entry)));
    }
    if let Some(commit) = &entry.refused {
        lines.push(format!("not applied: {}", whose(commit)));
    }
    if let Some(commit) = &entry.commit {
        let stands = if entry.refused.is_some() { "still at" } else { "applied" };
        lines.push(format!("{stands}: {}", whose(commit)));
    }
    for problem in entry.problems.iter().take(FEW) {
        lines.push(problem.text.clone());
        lines.extend(Some(&problem.hint).filter(|hint| !hint.is_empty()).map(|hint| format!("→ {hint}")));
    }
    more(&mut lines, entry.problems.len());
    let because = |id: &str, why: &str| if why.is_empty() { id.to_owned() } else { format!("{id}: {why}") };
    let open = entry.not_done().map(|step| format!("not done: {}", because(&step.id, &step.why)));
    few(&mut lines, open.collect());
    let left = entry.access_left.iter().chain(&entry.in_force);
    few(&mut lines, left.map(|left| format!("left: {}; to end it: {}", left.what, left.command)).collect());
    let foreign = entry.foreign_access.iter();
    let foreign =
        foreign.map(|foreign| format!("not kwo's: {}; to look at it: {}", foreign.what, foreign.command));
    few(&mut lines, foreign.collect());
    let drift = entry.drift.iter().map(|drift| format!("changed by others: {}: {}", drift.id, drift.what));
    few(&mut lines, drift.collect());
    let held = entry.held.iter().map(|held| format!("held: {}", because(&held.id, &held.why)));
    few(&mut lines, held.collect());
    lines.push(format!("{}, run {} on {}", entry.target, entry.number, entry.host));
    lines.iter().map(|text| line(text, LINE)).collect()
}

/// `2 created, 1 revised`, of what was done.
fn counts(entry: &Entry) -> String {
    let count = |action| entry.done().filter(|step| step.action == action).count();
    let said = Action::ALL.map(|action| (count(action), action));
    let said = said.into_iter().filter(|(count, _)| *count > 0);
    said.map(|(count, action)| format!("{count} {action}")).collect::<Vec<_>>().join(", ")
}

/// The first few, and how many more there are.
fn few(lines: &mut Vec<String>, all: Vec<String>) {
    let count = all.len();
    lines.extend(all.into_iter().take(FEW));
    more(lines, count);
}

fn more(lines: &mut Vec<String>, count: usize) {
    if count > FEW {
        lines.push(format!("… and {} more", count - FEW));
    }
}

/// `1a2b3c4 by Alice: Add bob`.
fn whose(commit: &Commit) -> String {
    let name = commit.author.split(" <").next().unwrap_or_default();
    format!("{} by {name}: {}", short(commit), commit.subject)
}

/// As git shortens it.
pub(super) fn short(commit: &Commit) -> String {
    commit.id.chars().take(7).collect()
}

fn counted(count: usize, what: &str) -> String {
    kwo_planner::plain::counted(count, what, &format!("{what}s"))
}

/// One line of at most so many characters.
pub(super) fn line(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|char| if acts(char) { ' ' } else { char }).collect();
    clipped(&plain, most)
}

/// At most so many characters.
pub(super) fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// `https://example.com` of an address: what follows may be a secret.
pub(super) fn host(address: &str) -> &str {
    let begin = address.find("://").map_or(0, |at| at + 3);
    let end = address[begin..].find(['/', '?', '#']).map_or(address.len(), |at| begin + at);
    &address[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_all_that_is_shown_of_an_address() {
        assert_eq!(host("https://a.b:8/c?token=x"), "https://a.b:8");
        assert_eq!(host("https://a.b?token=x"), "https://a.b");
        assert_eq!(host("https://a.b"), "https://a.b");
    }

    #[test]
    fn a_line_is_one_line_and_not_too_long() {
        assert_eq!(line("a\nb\u{7}", 9), "a b ");
        assert_eq!(clipped("häuser", 4), "häu…");
    }
}
