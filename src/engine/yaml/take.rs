//! Something that goes out of a document: its lines, or its part of a line, and nothing else. It is deleted, or stays as
//! a comment; where comments are in it, it always stays as one.

use kwo_planner::tree::{SmolStr, tokens};

use super::edit::understood;
use super::fault::Fault;
use super::law;
use super::node::{Document, Node, Value, documents};
use super::place::Splice;
use super::spot::{after_colon, column, dash, end, line_start, rest_of_line};
use super::styles;

/// The text without what stands at the pointer. `keep` says that it stays as a comment below the note, which is one line.
///
/// # Errors
/// When it cannot go without something else: which line, and why.
pub fn take(text: &str, json: bool, pointer: &str, note: &str, keep: bool) -> Result<String, Fault> {
    let tokens: Vec<SmolStr> = tokens(pointer).map(SmolStr::from).collect();
    let (Some(document), readable) = understood(text, json)? else {
        return Err(Fault::whole("there is nothing in it"));
    };
    if keep && json {
        return Err(Fault::whole("it is JSON, in which there are no comments"));
    }
    let Some(entry) = entry(&readable, &document.root, &tokens)? else {
        return Err(Fault::whole("the part to remove is not there"));
    };
    let leaving = Leaving { text, document: &document, entry, note, json };
    let newline = styles::line_end(text);
    for splices in leaving.ways(keep) {
        let mut edited = text.to_owned();
        for Splice { from, to, text: new } in splices.into_iter().rev() {
            let new = if newline == "\n" { new } else { new.replace("\r\n", "\n").replace('\n', newline) };
            if edited.is_char_boundary(from) && edited.is_char_boundary(to) && from <= to {
                edited.replace_range(from..to, &new);
            }
        }
        let read = if json { documents(&edited.replace('\t', " ")) } else { documents(&edited) };
        if let Ok([after]) = read.as_deref()
            && law::gone(&document.root, &after.root, &tokens)
            && law::keeps((text, &document), (&edited, after))
            && (!json || serde_json::from_str::<serde_json::Value>(&edited).is_ok())
        {
            return Ok(edited);
        }
    }
    Err(Fault::at(leaving.entry.line, "kwo cannot remove what is there without changing something else"))
}

/// What is to go, and what is around it.
struct Entry {
    /// From its key or its dash to its end.
    from: usize,
    to: usize,
    line: usize,
    /// The brackets around it, where it stands in some.
    brackets: Option<(usize, usize)>,
    /// The end of the one before it.
    before: Option<usize>,
    /// The beginning of the one after it.
    after: Option<usize>,
}

/// The entry that the tokens lead to.
fn entry(text: &str, root: &Node, tokens: &[SmolStr]) -> Result<Option<Entry>, Fault> {
    let Some((last, way)) = tokens.split_last() else { return Ok(None) };
    let Some(parent) = root.find(way) else { return Ok(None) };
    let odd = |line| Fault::at(line, "kwo cannot change what is written in this way");
    let parts = match &parent.value {
        Value::Map { entries, flow } => {
            let Some(at) = entries.iter().position(|(key, _)| key.key().as_ref() == Some(last)) else {
                return Ok(None);
            };
            let mut parts = Vec::new();
            for (key, value) in entries {
                let slot =
                    after_colon(text, key).or(flow.then_some(key.at.end)).ok_or_else(|| odd(key.line))?;
                parts.push((key.at.start, ended(text, value, slot), key.line));
            }
            Some((parts, at, *flow))
        }
        Value::List { items, flow } => {
            let Some(at) = last.parse().ok().filter(|at: &usize| *at < items.len()) else { return Ok(None) };
            let mut parts = Vec::new();
            for item in items {
                let start = if *flow { Some(item.at.start) } else { dash(text, item) };
                let start = start.ok_or_else(|| odd(item.line))?;
                let slot = if *flow { item.at.end } else { start + 1 };
                parts.push((start, ended(text, item, slot), item.line));
            }
            Some((parts, at, *flow))
        }
        Value::Scalar { .. } | Value::Alias(_) => None,
    };
    let Some((parts, at, flow)) = parts else { return Ok(None) };
    let Some(&(from, to, line)) = parts.get(at) else { return Ok(None) };
    Ok(Some(Entry {
        from,
        to,
        line,
        brackets: flow.then_some((parent.at.start, parent.at.end)),
        before: at.checked_sub(1).and_then(|at| parts.get(at)).map(|(_, end, _)| *end),
        after: parts.get(at + 1).map(|(start, _, _)| *start),
    }))
}

/// The end of a value that may be none.
fn ended(text: &str, value: &Node, slot: usize) -> usize {
    match &value.value {
        Value::Map { flow: true, .. } | Value::List { flow: true, .. } => value.at.end,
        _ => end(text, value, slot).max(slot),
    }
}

struct Leaving<'t> {
    text: &'t str,
    document: &'t Document,
    entry: Entry,
    note: &'t str,
    json: bool,
}

impl Leaving<'_> {
    /// The ways in which it could go, the best one first.
    fn ways(&self, keep: bool) -> Vec<Vec<Splice>> {
        let mut ways = Vec::new();
        if let Some((from, to)) = self.lines() {
            if !keep && !self.comments(from, to) {
                ways.push(vec![self.without(from, to)]);
            }
            if !self.json {
                ways.push(vec![self.as_comment(from, to)]);
            }
        }
        for (from, to) in self.parts() {
            let gone = Splice { from, to, text: String::new() };
            match keep || self.comments(from, to) {
                false => ways.push(vec![gone]),
                true if !self.json => ways.extend(self.above().map(|above| vec![above, gone])),
                true => {}
            }
        }
        ways
    }

    fn comments(&self, from: usize, to: usize) -> bool {
        self.document.comments.iter().any(|comment| comment.start >= from && comment.start < to)
    }

    /// The lines that are its own, where they are, without the last line end.
    fn lines(&self) -> Option<(usize, usize)> {
        let Entry { from, to, brackets, .. } = self.entry;
        let start = line_start(self.text, from)?;
        let close = rest_of_line(self.text, to);
        let rest = self.text.get(to..close)?.trim_start();
        let rest =
            if brackets.is_some() { rest.strip_prefix(',').unwrap_or(rest).trim_start() } else { rest };
        (rest.is_empty() || rest.starts_with('#')).then_some((start, close))
    }

    /// The lines, gone.
    fn without(&self, from: usize, to: usize) -> Splice {
        let text = String::new();
        if let Some(next) = self.text[to..].find('\n') {
            return Splice { from, to: to + next + 1, text };
        }
        // The last one has no end, and then the one before it has none.
        let from = self.text[..from].trim_end_matches(['\n', '\r']).len();
        Splice { from, to, text }
    }

    /// The lines as comments.
    fn as_comment(&self, from: usize, to: usize) -> Splice {
        let indent = column(self.text, self.entry.from).unwrap_or(0);
        Splice { from, to, text: commented(&self.text[from..to], indent, self.note) }
    }

    /// What it is, as a comment above its line.
    fn above(&self) -> Option<Splice> {
        let Entry { from, to, .. } = self.entry;
        let start = self.text[..from].rfind('\n').map_or(0, |end| end + 1);
        let start =
            if self.text[start..].starts_with('\u{feff}') { start + '\u{feff}'.len_utf8() } else { start };
        let indent = self.text[start..].len() - self.text[start..].trim_start_matches(' ').len();
        let comment = commented(self.text.get(from..to)?, indent, self.note);
        Some(Splice { from: start, to: start, text: format!("{comment}\n") })
    }

    /// Its part of a line in brackets, with one of the commas beside it.
    fn parts(&self) -> Vec<(usize, usize)> {
        let Entry { from, to, line: _, brackets, before, after } = self.entry;
        let Some((open, close)) = brackets else { return Vec::new() };
        let plain = |from: usize, to: usize| {
            self.text.get(from..to).is_some_and(|between| !between.contains(['\n', '#']))
        };
        let mut parts = Vec::new();
        if let Some(after) = after.filter(|after| plain(to, *after)) {
            parts.push((from, after));
        }
        if let Some(before) = before {
            parts.push((before, to));
        }
        if before.is_none() && after.is_none() && plain(open, from) && plain(to, close) {
            parts.push((open + 1, close.saturating_sub(1)));
        }
        let comma = self.text[to..].find(',').filter(|comma| plain(to, to + comma));
        if let Some(comma) = comma {
            parts.push((from, to + comma + 1));
        }
        parts.push((from, to));
        parts
    }
}

/// Lines as comments that are moved in so far, below a note.
fn commented(lines: &str, indent: usize, note: &str) -> String {
    let mut out = format!("{:indent$}# {note}", "");
    for line in lines.split('\n') {
        let bare = line.strip_suffix('\r').unwrap_or(line);
        if bare.trim().is_empty() {
            out.push('\n');
            out.push_str(bare);
            continue;
        }
        let own = bare.len() - bare.trim_start_matches(' ').len();
        out.push_str(&format!("\n{:indent$}# {}", "", &bare[own.min(indent)..]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deleted(text: &str, pointer: &str) -> Result<String, String> {
        take(text, false, pointer, "gone", false).map_err(String::from)
    }

    fn kept(text: &str, pointer: &str) -> Result<String, String> {
        take(text, false, pointer, "gone", true).map_err(String::from)
    }

    #[test]
    fn what_goes_takes_nothing_else_along() {
        for (text, pointer, edited) in [
            ("a: 1\nb: 2 \n# c\nd: 3\n", "/b", "a: 1\n# c\nd: 3\n"),
            ("a: 1\r\nb:\r\n  c: 2\r\n\r\nd: 3\r\n", "/b", "a: 1\r\n\r\nd: 3\r\n"),
            ("a: 1\nb: 2", "/b", "a: 1"),
            ("a:\n  - p\n  - q\nb: 1\n", "/a/0", "a:\n  - q\nb: 1\n"),
            ("a:\n  - p\nb: 1\n", "/a/0", "a:\nb: 1\n"),
            ("a: [p, q, r] # c\n", "/a/1", "a: [p, r] # c\n"),
            ("a: [p, q, r] # c\n", "/a/2", "a: [p, q] # c\n"),
            ("a: [ p ] # c\n", "/a/0", "a: [] # c\n"),
            ("a: {b: 1, c: {d: 2}}\n", "/a/c", "a: {b: 1}\n"),
            ("a: {\n  b: 1, # x\n  c: 2,\n}\n", "/a/c", "a: {\n  b: 1, # x\n}\n"),
            ("a: [\n  p, # x\n  q\n]\n", "/a/1", "a: [\n  p, # x\n]\n"),
            ("a:\n  b: |\n    x\n\n    y\n\n  c: 1\n", "/a/b", "a:\n\n  c: 1\n"),
        ] {
            assert_eq!(deleted(text, pointer).as_deref(), Ok(edited), "{text:?} {pointer}");
        }
    }

    #[test]
    fn a_comment_never_goes() {
        for (text, pointer, edited) in [
            ("a: 1\nb: 2 # c\nd: 3\n", "/b", "a: 1\n# gone\n# b: 2 # c\nd: 3\n"),
            (
                "a:\n  - p: 1\n    # c\n    q: 2\n  - r\n",
                "/a/0",
                "a:\n  # gone\n  # - p: 1\n  #   # c\n  #   q: 2\n  - r\n",
            ),
            ("a: [\n  p, # x\n  q\n]\n", "/a/0", "a: [\n  # gone\n  # p, # x\n  q\n]\n"),
        ] {
            assert_eq!(deleted(text, pointer).as_deref(), Ok(edited), "{text:?} {pointer}");
        }
    }

    #[test]
    fn what_stays_as_a_comment_can_be_brought_back_from_it() {
        for (text, pointer, edited) in [
            (
                "t:\n  a:\n    b: 1\n\n    c: [\n  x]\n  d: 2\n",
                "/t/a",
                "t:\n  # gone\n  # a:\n  #   b: 1\n\n  #   c: [\n  # x]\n  d: 2\n",
            ),
            ("t: {a: {b: 1}, d: 2} # c\n", "/t/a", "# gone\n# a: {b: 1}\nt: {d: 2} # c\n"),
            ("\u{feff}{t: {a: 1}}\n", "/t/a", "\u{feff}# gone\n# a: 1\n{t: {}}\n"),
            ("t:\n  a: 1", "/t/a", "t:\n  # gone\n  # a: 1"),
            ("t:\r\n  a: 1\r\n", "/t/a", "t:\r\n  # gone\r\n  # a: 1\r\n"),
        ] {
            assert_eq!(kept(text, pointer).as_deref(), Ok(edited), "{text:?} {pointer}");
        }
    }

    #[test]
    fn what_cannot_go_alone_is_refused() {
        for (text, pointer) in [
            ("a: &x {k: 1}\nb: *x\n", "/a"),
            ("? a\n: 1\nb: 2\n", "/a"),
            ("a: 1\n---\nb: 1\n", "/a"),
            ("a: 1\n", "/b"),
        ] {
            assert!(deleted(text, pointer).is_err() && kept(text, pointer).is_err(), "{text:?}");
        }
        assert!(take("{\"a\": 1}", true, "/a", "gone", true).is_err());
        let json = take("{\n\t\"a\": 1,\n\t\"b\": 2\n}", true, "/b", "gone", false);
        assert_eq!(json.as_deref(), Ok("{\n\t\"a\": 1\n}"));
    }
}
