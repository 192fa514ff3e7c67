//! Changes to a document by span: a value is replaced, a key or an entry is added, and every byte that is not part of
//! that stays. What cannot be changed so is refused, with the line and the reason; what was changed is read again.

use kwo_planner::tree::{SmolStr, Tree, tokens};

use super::emit::{self, Habit, Style};
use super::fault::Fault;
use super::node::{Document, Node, Value, documents};
use super::place::{Place, Splice, whole};
use super::{law, styles};

/// No key of a document may be longer for every reader.
const LONGEST_KEY: usize = 400;

/// One change: this value at this pointer, where `-` adds an entry to a list.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is to stand there.
    pub value: Tree,
}

/// The text with the changes in it. JSON stays JSON.
///
/// # Errors
/// When a change cannot be made without changing something else: which line, and why.
pub fn edit(text: &str, json: bool, edits: &[Edit]) -> Result<String, Fault> {
    edit_by(text, json, Habit::default(), edits)
}

/// The same, where people have habits in how they write it.
///
/// # Errors
/// When a change cannot be made without changing something else: which line, and why.
pub fn edit_by(text: &str, json: bool, habit: Habit, edits: &[Edit]) -> Result<String, Fault> {
    let mut text = text.to_owned();
    for Edit { pointer, value } in edits {
        let tokens: Vec<SmolStr> = tokens(pointer).map(SmolStr::from).collect();
        text = one(&text, json, habit, &tokens, value)?;
    }
    Ok(text)
}

/// What is in the text, if all readers take it alike, and the text as it was read.
pub(super) fn understood(text: &str, json: bool) -> Result<(Option<Document>, String), Fault> {
    if let Some(line) = styles::lone_return(text).filter(|_| !json) {
        let why = "some programs read the line end there as more than one line";
        return Err(Fault::at(line, why));
    }
    if let Some(line) = styles::open_blank(text).filter(|_| !json) {
        let why = "the last line has only blanks and no line end, and programs read that differently";
        return Err(Fault::at(line, why));
    }
    // Between values JSON takes tabs, which YAML does not; in its texts there are none.
    let readable = if json { text.replace('\t', " ") } else { text.to_owned() };
    let mut found = documents(&readable)?;
    if found.len() > 1 {
        return Err(Fault::whole(format!("it holds {} documents, expected one", found.len())));
    }
    Ok((found.pop(), readable))
}

fn one(text: &str, json: bool, habit: Habit, tokens: &[SmolStr], value: &Tree) -> Result<String, Fault> {
    if tokens.iter().any(|token| token.len() > LONGEST_KEY) {
        return Err(Fault::whole("a key is too long for some readers"));
    }
    let (found, readable) = understood(text, json)?;
    let newline = styles::line_end(text);
    let candidates = match &found {
        None if text.lines().any(|line| line.starts_with("...")) => {
            return Err(Fault::whole("it ends with `...`, after which nothing can be added"));
        }
        None => empty(text, json, habit, tokens, value),
        Some(document) => {
            let style = styles::style(text, document, json, habit);
            Place { text: &readable, original: text, document, style }.candidates(tokens, value)?
        }
    };
    let before = found.as_ref().map(|document| &document.root);
    for Splice { from, to, text: new } in candidates {
        let (Some(head), Some(tail)) = (text.get(..from), text.get(to..)) else { continue };
        let new = if newline == "\n" { new } else { new.replace('\n', newline) };
        let edited = format!("{head}{new}{tail}");
        let read = if json { documents(&edited.replace('\t', " ")) } else { documents(&edited) };
        if let Ok([after]) = read.as_deref()
            && law::holds(before, &after.root, tokens, value)
            && (!json || serde_json::from_str::<Tree>(&edited).is_ok_and(|json| json == *after.tree()))
        {
            return Ok(edited);
        }
    }
    let line = found.as_ref().map_or(1, |document| nearest(&document.root, tokens).line);
    Err(Fault::at(line, "kwo cannot insert its text there without changing what is there"))
}

/// What is there on the way to a place, as far as there is something.
fn nearest<'n>(node: &'n Node, tokens: &[SmolStr]) -> &'n Node {
    let Some((token, rest)) = tokens.split_first() else { return node };
    let below = match &node.value {
        Value::Map { entries, .. } => {
            entries.iter().find(|(key, _)| key.key().as_ref() == Some(token)).map(|(_, value)| value)
        }
        Value::List { items, .. } => token.parse().ok().and_then(|index: usize| items.get(index)),
        Value::Scalar { .. } | Value::Alias(_) => None,
    };
    below.map_or(node, |below| nearest(below, rest))
}

/// Where nothing but comments is.
fn empty(text: &str, json: bool, habit: Habit, tokens: &[SmolStr], value: &Tree) -> Vec<Splice> {
    let style = Style { quoted: json, steps: (2, 2), habit };
    let value = whole(tokens, value);
    let new = match &value {
        _ if json => emit::inline(&value, style),
        Tree::Map(entries) if !entries.is_empty() => {
            let lines = entries.iter().map(|(key, value)| {
                format!("{}:{}\n", emit::word(key, style), emit::block(value, style, 0, false))
            });
            lines.collect()
        }
        value => format!("{}\n", emit::inline(value, style)),
    };
    let at = text.len();
    let start = if text.is_empty() || text.ends_with('\n') || text == "\u{feff}" { "" } else { "\n" };
    vec![Splice { from: at, to: at, text: format!("{start}{new}") }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &str) -> Tree {
        serde_json::from_str(value).unwrap()
    }

    fn set(text: &str, pointer: &str, value: &str) -> Result<String, String> {
        edit(text, false, &[Edit { pointer: pointer.to_owned(), value: json(value) }]).map_err(String::from)
    }

    #[test]
    fn what_is_no_list_gets_no_entry() {
        let map = "there is a map where a list is wanted";
        let text = "there is one text where a list is wanted; write it as a list, in `[` and `]`";
        for (document, line, why) in [
            ("a: {b: c}\n", 1, map),
            ("a: {}\n", 1, map),
            ("a:\n  b: c\n", 2, map),
            ("a:\n  \"-\": c\n", 2, map),
            ("a: b,c\n", 1, text),
        ] {
            assert_eq!(set(document, "/a/-", r#""x""#), Err(format!("line {line}: {why}")), "{document}");
        }
        assert_eq!(set("a: 'b,c'\n", "/a/-", r#""x""#).as_deref(), Ok("a: ['b,c', x]\n"));
    }

    #[test]
    fn every_byte_that_is_not_changed_stays() {
        for (text, pointer, value, edited) in [
            ("a: 0644 # c\nb: on\n", "/c", r#""x""#, "a: 0644 # c\nb: on\nc: x\n"),
            ("a: 0644 # c\r\nb: on\r\n", "/c", r#""x""#, "a: 0644 # c\r\nb: on\r\nc: x\r\n"),
            ("\u{feff}a: no", "/c", r#""no""#, "\u{feff}a: no\nc: \"no\""),
            ("a: 1 # c\n\n# end\n", "/b", "true", "a: 1 # c\nb: true\n\n# end\n"),
            ("a: 'x' # c\n", "/a", r#""0123""#, "a: \"0123\" # c\n"),
            ("a:   # c\nb: 1\n", "/a", r#"["x"]"#, "a: [x]   # c\nb: 1\n"),
            ("a:\nb: 1\n", "/a/-", r#""x""#, "a:\n  - x\nb: 1\n"),
            ("a: [] # c\n", "/a/-", r#""--x=y""#, "a: [\"--x=y\"] # c\n"),
            ("a: [p, q , ] # c\n", "/a/-", r#""x""#, "a: [p, q, x , ] # c\n"),
            ("a:\n- p # c\n# d\nb: 1\n", "/a/-", r#""x""#, "a:\n- p # c\n- x\n# d\nb: 1\n"),
            (
                "a:\n    - p\n    - q",
                "/a/-",
                r#"{"k":"v","l":["m"]}"#,
                "a:\n    - p\n    - q\n    - k: v\n      l:\n          - m",
            ),
            ("a: {b: {c: no}}\n", "/a/b/d", "false", "a: {b: {c: no, d: false}}\n"),
            (
                "a:\n    b:\n        c: 1\nx: y\n",
                "/a/b/d",
                r#"{"e":"f"}"#,
                "a:\n    b:\n        c: 1\n        d:\n            e: f\nx: y\n",
            ),
            ("a: old # c\n", "/a/-", r#""new""#, "a: [old, new] # c\n"),
            ("t: |\n  x\n\n\nb: 1\n", "/t", r#""y\nz\n""#, "t: |\n  y\n  z\n\n\nb: 1\n"),
            ("t: |+\n  x\n\n", "/b", "1", "t: |+\n  x\n\nb: 1\n"),
            ("t: |-\n  x", "/b", "1", "t: |-\n  x\nb: 1"),
            ("- - a\n  - b\n- c\n", "/0/-", r#""d""#, "- - a\n  - b\n  - d\n- c\n"),
            ("# only\n", "/a/b", "1", "# only\na:\n  b: 1\n"),
            ("", "/a/-", "1", "a:\n  - 1\n"),
            ("---\na: 1\n", "/b", "2", "---\na: 1\nb: 2\n"),
            ("a:\n- n: x\n  v: 1\n", "/a/0/v", "2", "a:\n- n: x\n  v: 2\n"),
            ("a:\n- n: x\n", "/a/0/v", "2", "a:\n- n: x\n  v: 2\n"),
            ("? a\n: b\n", "/a", r#""c""#, "? a\n: c\n"),
            ("a: x\n  y\nb: 1\n", "/a", r#""z""#, "a: z\nb: 1\n"),
            ("a: &x {b: 1}\n", "/a/b", "2", "a: &x {b: 2}\n"),
        ] {
            assert_eq!(set(text, pointer, value).as_deref(), Ok(edited), "{text:?} {pointer}");
        }
    }

    #[test]
    fn json_stays_json() {
        let set = |text: &str, pointer: &str, value: &str| {
            edit(text, true, &[Edit { pointer: pointer.to_owned(), value: json(value) }]).unwrap()
        };
        assert_eq!(
            set("{\n\t\"a\": [\"b\"]\n}\n", "/c", "{\"d\":[\"e\"]}"),
            "{\n\t\"a\": [\"b\"],\n\t\"c\": {\"d\": [\"e\"]}\n}\n"
        );
        assert_eq!(set("{\"a\":[\"b\"]}", "/a/-", "\"c\""), "{\"a\":[\"b\", \"c\"]}");
        assert_eq!(set("{}", "/a", "\"c\""), "{\"a\": \"c\"}");
    }

    #[test]
    fn what_cannot_be_changed_alone_is_refused_with_its_line() {
        for (text, pointer, why) in [
            ("b: 1\na: &x v\nc: *x\n", "/a", "line 2: what is there has an anchor"),
            ("b: &x {k: v}\na: *x\n", "/a/k", "line 2: what is there is an alias"),
            ("b: &x {k: v}\na: *x\n", "/b/k", "line 1: what is there has an anchor"),
            ("b: &x {k: v}\na:\n  <<: *x\n", "/a/k", "line 3: a map is merged in"),
            ("a: !!str v\n", "/a", "line 1: what is there has a tag"),
            ("a: 1\n---\na: 2\n", "/a", "it holds 2 documents"),
            ("a: 1\na: 2\n", "/a", "line 2: the key is there for the second time"),
            ("on: 1\n", "/true", "line 1: YAML 1.1 and YAML 1.2 read the key"),
            ("on: 1\n", "/on", "line 1: YAML 1.1 and YAML 1.2 read the key"),
            ("a:\n  - b # why\n  - c\n", "/a", "line 2: there is a comment"),
            ("a: b\n", "/a/c", "line 1: there is a single value"),
            // In the text of `v` some see an empty line, and some none.
            ("v: |+\n \r", "/b", "line 2: some programs read the line end there as more than one line"),
        ] {
            let said = set(text, pointer, "\"w\"").unwrap_err();
            assert!(said.starts_with(why), "{text}: {said}");
        }
    }
}
