//! Values of several lines, such as files and documents in them: what changes in one is shown line by line. Each line goes
//! through the same door as all text of strangers, and no value has more of them than a person reads.

use kwo_planner::plain::counted;
use std::borrow::Cow;

use kwo_planner::plain::one_line;
use kwo_planner::tree::Tree;
use similar::{ChangeTag, TextDiff};

use super::style::{CHANGE, CREATE, QUIET};

/// How many lines around a change are shown.
const AROUND: usize = 2;

/// How many lines of one value are shown.
const MOST: usize = 40;

/// How much of one line is shown, in characters.
const LONGEST: usize = 160;

/// Two lists or maps that are no longer than this together stand on one line, in characters.
const ONE_LINE: usize = 100;

/// Texts with more lines than that are not compared: it takes the one times the other.
const COMPARED: usize = 2000;

/// The lines of a text that has several.
fn several(value: &Tree) -> Option<&str> {
    value.as_text().map(|text| text.as_str()).filter(|text| has_several(text))
}

fn has_several(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
}

/// The lines to compare: those of a text, or of a list or a map that is long, as YAML.
fn compared<'t>(from: &'t Tree, to: &'t Tree) -> Option<[Cow<'t, str>; 2]> {
    if let (Some(from), Some(to)) = (from.as_text(), to.as_text()) {
        return Some([Cow::Borrowed(from.as_str()), Cow::Borrowed(to.as_str())]);
    }
    let short = from.to_string().chars().count() + to.to_string().chars().count() <= ONE_LINE;
    let yaml = |tree: &Tree| Some(Cow::Owned(serde_yaml::to_string(tree).ok()?));
    if short { None } else { Some([yaml(from)?, yaml(to)?]) }
}

/// What changes between two values, where one of them has several lines: how much it is, and the lines.
pub(super) fn revised(from: &Tree, to: &Tree) -> Option<(String, Vec<String>)> {
    let texts = compared(from, to)?;
    let [from, to] = [&*texts[0], &*texts[1]];
    if ![from, to].into_iter().any(has_several) {
        return None;
    }
    let counts = [from, to].map(|text| text.lines().count());
    if counts.iter().any(|count| *count > COMPARED) {
        let [from, to] = counts;
        let [from, to] = [from, to].map(|lines| counted(lines, "line", "lines"));
        return Some((format!("{from} → {to}"), Vec::new()));
    }
    let diff = TextDiff::from_lines(from, to);
    let (mut lines, mut removed, mut added) = (Vec::new(), 0, 0);
    for (at, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if at > 0 {
            lines.push(format!("{QUIET}…{QUIET:#}"));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = line(change.value(), change.missing_newline());
            lines.push(match change.tag() {
                ChangeTag::Equal => format!("{QUIET}  {line}{QUIET:#}"),
                ChangeTag::Delete => {
                    removed += 1;
                    format!("{CHANGE}-{CHANGE:#} {line}")
                }
                ChangeTag::Insert => {
                    added += 1;
                    format!("{CREATE}+{CREATE:#} {line}")
                }
            });
        }
    }
    let counted = |count: usize| counted(count, "line", "lines");
    let what = match (removed, added) {
        (0, added) => format!("{} more", counted(added)),
        (removed, 0) => format!("{} less", counted(removed)),
        (removed, added) => format!("{} → {}", counted(removed), counted(added)),
    };
    Some((what, bounded(lines, MOST)))
}

/// What changes in the text of a file, with the numbers of the lines and all that is changed; `None` where it is too much to
/// compare.
#[must_use]
pub fn edited(from: &str, to: &str) -> Option<String> {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (from.split_inclusive('\n').collect(), to.split_inclusive('\n').collect());
    // An edit is small, and the file may be long.
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let first = start.saturating_sub(AROUND);
    let shown = |lines: &[&str]| lines[first..(lines.len() - end + AROUND).min(lines.len())].concat();
    let [from, to] = [shown(&old), shown(&new)];
    if [&from, &to].iter().any(|text| text.lines().count() > COMPARED) {
        return None;
    }
    let diff = TextDiff::from_lines(&from, &to);
    let mut out = String::new();
    for (at, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if at > 0 {
            out.push_str(&format!("{QUIET}   …{QUIET:#}\n"));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end_matches('\n');
            let text = one_line(text.strip_suffix('\r').unwrap_or(text));
            let open = if change.missing_newline() {
                format!(" {QUIET}(no end of line){QUIET:#}")
            } else {
                String::new()
            };
            let number = first + 1 + change.new_index().or(change.old_index()).unwrap_or_default();
            out.push_str(&match change.tag() {
                ChangeTag::Equal => format!("{QUIET}{number:>5}   {text}{QUIET:#}{open}\n"),
                ChangeTag::Delete => format!("{CHANGE}      - {text}{CHANGE:#}{open}\n"),
                ChangeTag::Insert => format!("{CREATE}{number:>5} + {text}{CREATE:#}{open}\n"),
            });
        }
    }
    Some(out)
}

/// The lines of a new value that has several.
pub(super) fn new(value: &Tree, whole: bool) -> Option<Vec<String>> {
    let text = several(value)?;
    let lines = text.split_inclusive('\n');
    let lines = lines.map(|text| format!("{CREATE}+{CREATE:#} {}", line(text, !text.ends_with('\n'))));
    Some(bounded(lines.collect(), if whole { usize::MAX } else { MOST }))
}

fn line(text: &str, open: bool) -> String {
    let text = one_line(text.trim_end_matches('\n'));
    let more = text.chars().count().saturating_sub(LONGEST);
    let text = match more {
        0 => text.into_owned(),
        more => {
            text.chars().take(LONGEST).collect::<String>()
                + &format!("… ({} more)", counted(more, "character", "characters"))
        }
    };
    if open { format!("{text} {QUIET}(no end of line){QUIET:#}") } else { text }
}

fn bounded(mut lines: Vec<String>, most: usize) -> Vec<String> {
    let more = lines.len().saturating_sub(most);
    lines.truncate(most);
    match more {
        0 => {}
        some => lines.push(format!("{QUIET}… and {} more{QUIET:#}", counted(some, "line", "lines"))),
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(from: &str, to: &str) -> Option<(String, String)> {
        let (what, lines) = revised(&Tree::from(from.to_owned()), &Tree::from(to.to_owned()))?;
        Some((what, anstream::adapter::strip_str(&lines.join("\n")).to_string()))
    }

    #[test]
    fn only_what_changes_is_shown_and_what_is_around_it() {
        let from = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let (what, lines) = plain(from, "a\nb\nc\nD\ne\nf\ng\nh\n").unwrap();
        assert_eq!((what.as_str(), lines.as_str()), ("1 line → 1 line", "  b\n  c\n- d\n+ D\n  e\n  f"));
        let (what, lines) = plain(from, &format!("0\n{from}z")).unwrap();
        assert_eq!(what, "2 lines more");
        assert_eq!(lines, "+ 0\n  a\n  b\n…\n  g\n  h\n+ z (no end of line)");
        assert_eq!(plain("a", "b\n"), None);
        assert_eq!(plain("a", "a\nb").unwrap().0, "1 line → 2 lines");
    }

    #[test]
    fn an_edit_is_shown_with_the_numbers_of_its_lines() {
        let from: String = (1..9).map(|at| format!("l{at}\n")).collect();
        let plain =
            |from: &str, to: &str| anstream::adapter::strip_str(&edited(from, to).unwrap()).to_string();
        let shown = "    3   l3\n    4   l4\n      - l5\n    5 + l5 \n    6   l6\n    7   l7\n";
        assert_eq!(plain(&from, &from.replace("l5", "l5 ")), shown);
        assert_eq!(plain("", "a\n"), "    1 + a\n");
        assert_eq!(plain("a\nb", "a\nb\n"), "    1   a\n      - b (no end of line)\n    2 + b\n");
        assert_eq!(plain(&from, &from), "");
        let long: String = (0..9000).map(|at| format!("{at}\n")).collect();
        assert_eq!(plain(&long, &long.replace("8000\n", "")).lines().count(), 5);
        assert_eq!(edited(&long, &long.replace("\n", " \n")), None);
    }

    #[test]
    fn a_long_list_is_compared_as_yaml_and_a_short_one_stays_on_its_line() {
        let list = |count: usize| Tree::texts((0..count).map(|at| format!("10.0.{at}.0/24")));
        assert_eq!(revised(&list(2), &list(3)), None);
        let (what, lines) = revised(&list(9), &list(10)).unwrap();
        let lines = anstream::adapter::strip_str(&lines.join("\n")).to_string();
        let shown = "  - 10.0.7.0/24\n  - 10.0.8.0/24\n+ - 10.0.9.0/24";
        assert_eq!((what.as_str(), lines.as_str()), ("1 line more", shown));
    }

    #[test]
    fn text_of_strangers_stays_on_its_line_and_has_an_end() {
        let (_, lines) = plain("a\n\u{1b}[2J\r\n", &format!("a\n{}\n", "x".repeat(500))).unwrap();
        let shown = format!("  a\n- \\u{{1b}}[2J\\u{{d}}\n+ {}… (340 characters more)", "x".repeat(160));
        assert_eq!(lines, shown);
        let many: String = (0..100).map(|at| format!("{at}\n")).collect();
        let (what, lines) = plain("", &many).unwrap();
        assert_eq!((what.as_str(), lines.lines().count()), ("100 lines more", 41));
        assert!(lines.ends_with("\n… and 60 lines more"));
        assert_eq!(plain(&many.repeat(30), "").unwrap(), ("3000 lines → 0 lines".to_owned(), String::new()));
    }
}
