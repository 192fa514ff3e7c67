//! Changes to a document by span: a value is replaced, a key or an entry is added, and every byte that is not part of
//! that stays. What cannot be changed so is refused, with the line and the reason; what was changed is read again.

use kwo_planner::tree::{SmolStr, Tree, tokens};

use super::emit::{self, Style};
use super::node::{Document, Node, Value, documents};
use super::spot::{after_colon, column, dash, end, is_block, line_start, rest_of_line};
use super::{law, scalar, styles};

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
pub fn edit(text: &str, json: bool, edits: &[Edit]) -> Result<String, String> {
    let mut text = text.to_owned();
    for Edit { pointer, value } in edits {
        let tokens: Vec<SmolStr> = tokens(pointer).map(SmolStr::from).collect();
        text = one(&text, json, &tokens, value)?;
    }
    Ok(text)
}

/// A part of the text and what takes its place.
struct Splice {
    from: usize,
    to: usize,
    text: String,
}

fn one(text: &str, json: bool, tokens: &[SmolStr], value: &Tree) -> Result<String, String> {
    if tokens.iter().any(|token| token.len() > LONGEST_KEY) {
        return Err("a key is too long for some readers".to_owned());
    }
    // Between values JSON takes tabs, which YAML does not; in its texts there are none.
    let readable = if json { text.replace('\t', " ") } else { text.to_owned() };
    let mut found = documents(&readable)?;
    if found.len() > 1 {
        return Err(format!("it holds {} documents, expected one", found.len()));
    }
    let found = found.pop();
    let newline = styles::line_end(text);
    let candidates = match &found {
        None if text.lines().any(|line| line.starts_with("...")) => {
            return Err("it ends with `...`, after which nothing can be added".to_owned());
        }
        None => empty(text, json, tokens, value),
        Some(document) => {
            let style = styles::style(text, document, json);
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
    Err(format!(
        "line {line}: what kwo would write there cannot be put between what is there without changing it"
    ))
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
fn empty(text: &str, json: bool, tokens: &[SmolStr], value: &Tree) -> Vec<Splice> {
    let style = Style { quoted: json, steps: (2, 2) };
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

/// The value with what it takes to get there.
fn whole(tokens: &[SmolStr], value: &Tree) -> Tree {
    tokens.iter().rev().fold(value.clone(), |value, token| match token.as_str() {
        "-" => Tree::list([value]),
        key => Tree::map([(key, value)]),
    })
}

struct Place<'d> {
    /// Without tabs, where they are space only.
    text: &'d str,
    original: &'d str,
    document: &'d Document,
    style: Style,
}

impl Place<'_> {
    /// The ways in which it could be done, the best one first.
    fn candidates(&self, tokens: &[SmolStr], value: &Tree) -> Result<Vec<Splice>, String> {
        let start = self.text.len() - self.text.trim_start_matches('\u{feff}').len();
        let (mut node, mut slot, mut flow, mut left) = (&self.document.root, start, false, tokens);
        // The column that what stands below the node is moved in from.
        let mut outer = 0;
        loop {
            self.free(node)?;
            let line = node.line;
            let Some((token, rest)) = left.split_first() else {
                return self.replace(node, slot, flow, outer, value);
            };
            match &node.value {
                Value::Map { entries, flow: own } => {
                    flow |= *own;
                    let mut below = None;
                    for (key, value) in entries {
                        let (old, new) = (key.key(), key.key_by(scalar::new));
                        if key.merges() {
                            return Err(format!("line {}: a map is merged in there with `<<`", key.line));
                        }
                        let written = match &key.value {
                            Value::Scalar { text, .. } => Some(text.clone()),
                            _ => None,
                        };
                        let readings = [&old, &new, &written];
                        if readings.contains(&&Some(token.clone())) && readings.iter().any(|key| **key != old)
                        {
                            return Err(format!(
                                "line {}: YAML 1.1 and YAML 1.2 read the key there as different ones",
                                key.line
                            ));
                        }
                        if old.as_ref() == Some(token) {
                            below = Some((key, value));
                        }
                    }
                    let Some((key, value_there)) = below else {
                        return self.add(node, entries, *own, flow, token, &whole(rest, value));
                    };
                    self.free(key)?;
                    slot = after_colon(self.text, key).ok_or_else(|| odd(key.line))?;
                    outer = column(self.text, key.at.start).ok_or_else(|| tab(key.line))?;
                    (node, left) = (value_there, rest);
                }
                Value::List { items, flow: own } => {
                    flow |= *own;
                    if token == "-" {
                        return self.append(node, items, *own, flow, &whole(rest, value));
                    }
                    let item = token.parse().ok().and_then(|index: usize| items.get(index));
                    let item = item.ok_or_else(|| format!("line {line}: the list is not that long"))?;
                    let dash = dash(self.text, item);
                    slot = if *own { item.at.start } else { dash.map_or(item.at.start, |dash| dash + 1) };
                    outer = dash.and_then(|dash| column(self.text, dash)).unwrap_or(outer);
                    (node, left) = (item, rest);
                }
                Value::Scalar { .. } if node.is_null() => {
                    return self.replace(node, slot, flow, outer, &whole(left, value));
                }
                Value::Scalar { .. } if token == "-" && rest.is_empty() => {
                    return self.wrap(node, value);
                }
                Value::Scalar { .. } => {
                    return Err(format!(
                        "line {line}: there is a single value where a map or a list is wanted"
                    ));
                }
                Value::Alias(_) => return Err(odd(line)),
            }
        }
    }

    /// Nothing may hang on this value that a change would change elsewhere or otherwise.
    fn free(&self, node: &Node) -> Result<(), String> {
        let line = node.line;
        let scalar = matches!(node.value, Value::Scalar { .. });
        match &node.value {
            Value::Alias(_) => Err(format!("line {line}: what is there is an alias of something elsewhere")),
            _ if node.tag.is_some() => Err(format!("line {line}: what is there has a tag")),
            _ if node.anchor > 0 && (scalar || is_aliased(&self.document.root, node.anchor)) => {
                Err(format!("line {line}: what is there has an anchor, and stands elsewhere too"))
            }
            _ => Ok(()),
        }
    }

    fn replace(
        &self,
        node: &Node,
        slot: usize,
        flow: bool,
        outer: usize,
        value: &Tree,
    ) -> Result<Vec<Splice>, String> {
        let (text, style) = (self.text, self.style);
        let inline = emit::inline(value, style);
        let part = |from, to, text| vec![Splice { from, to, text }];
        if node.at.is_empty() && matches!(node.value, Value::Scalar { .. }) && !is_block(node) {
            let tight = flow || style.quoted || !matches!(value, Tree::Map(_) | Tree::List(_));
            let new = if tight { format!(" {inline}") } else { emit::block(value, style, outer, false) };
            let comment = text[slot..rest_of_line(text, slot)].trim();
            // A comment after the key stays where it is.
            let new = if comment.is_empty() { new } else { format!(" {inline}") };
            return Ok(part(slot, slot, new));
        }
        let single = match &node.value {
            Value::Scalar { .. } => !is_block(node),
            Value::List { flow, .. } | Value::Map { flow, .. } => *flow,
            Value::Alias(_) => false,
        };
        if single {
            self.quiet(node, node.at.start, node.at.end)?;
            return Ok(part(node.at.start, node.at.end, inline));
        }
        let (from, to) = (slot, end(text, node, slot));
        self.quiet(node, from, to)?;
        let indent = is_block(node).then(|| column(text, text[..node.at.start].len()).unwrap_or(outer + 2));
        let as_block = match (value, indent) {
            (Tree::Text(text), Some(indent)) => emit::literal(text, indent).map(|block| format!(" {block}")),
            (Tree::Map(_) | Tree::List(_), _) if !flow => Some(emit::block(value, style, outer, false)),
            _ => None,
        };
        let tight = Splice { from, to, text: format!(" {inline}") };
        Ok(as_block.map(|text| Splice { from, to, text }).into_iter().chain([tight]).collect())
    }

    /// There may be no comment in what is replaced.
    fn quiet(&self, node: &Node, from: usize, to: usize) -> Result<(), String> {
        match self.document.comments.iter().any(|comment| comment.start >= from && comment.start < to) {
            true => Err(format!("line {}: there is a comment within what kwo would replace", node.line)),
            false => Ok(()),
        }
    }

    /// A single value that is to be a list of two.
    fn wrap(&self, node: &Node, value: &Tree) -> Result<Vec<Splice>, String> {
        if is_block(node) {
            return Err(format!(
                "line {}: there is a text over several lines where a list is wanted",
                node.line
            ));
        }
        let (from, to) = (node.at.start, node.at.end);
        let text = format!("[{}, {}]", &self.text[from..to], emit::inline(value, self.style));
        Ok(vec![Splice { from, to, text }])
    }

    fn add(
        &self,
        map: &Node,
        entries: &[(Node, Node)],
        own_flow: bool,
        flow: bool,
        key: &SmolStr,
        value: &Tree,
    ) -> Result<Vec<Splice>, String> {
        let style = Style { quoted: self.style.quoted || flow && styles::quotes(entries), ..self.style };
        let key = emit::word(key, style);
        if own_flow {
            let entry = format!("{key}: {}", emit::inline(value, style));
            let nothing = entries.last().is_some_and(|(_, value)| value.at.is_empty());
            let last = entries.last().map(|(key, value)| {
                let slot = after_colon(self.text, key).unwrap_or(key.at.end);
                (key.at.start, if nothing { slot } else { value.at.end })
            });
            // A comma right after a colon would belong to the key.
            let splices =
                in_brackets(self.original, map, last, &entry).into_iter().map(|splice| match nothing {
                    true if Some(splice.from) == last.map(|(_, end)| end) => {
                        Splice { text: format!(" {}", splice.text), ..splice }
                    }
                    _ => splice,
                });
            return Ok(splices.collect());
        }
        let column = column(self.text, map.at.start).ok_or_else(|| tab(map.line))?;
        let entry = format!("{:column$}{key}:{}", "", emit::block(value, style, column, false));
        Ok(self.after(map, &entry))
    }

    fn append(
        &self,
        list: &Node,
        items: &[Node],
        own_flow: bool,
        flow: bool,
        value: &Tree,
    ) -> Result<Vec<Splice>, String> {
        if own_flow || flow {
            let last = items.last().map(|item| (item.at.start, item.at.end));
            return Ok(in_brackets(self.original, list, last, &emit::inline(value, self.style)));
        }
        let dash = items.iter().rev().find_map(|item| dash(self.text, item)).ok_or_else(|| odd(list.line))?;
        let column = column(self.text, dash).ok_or_else(|| tab(list.line))?;
        let entry = format!("{:column$}-{}", "", emit::block(value, self.style, column, true));
        Ok(self.after(list, &entry).into_iter().filter(|splice| splice.from > dash).collect())
    }

    /// These lines after a list or map in block style, or before it.
    fn after(&self, node: &Node, entry: &str) -> Vec<Splice> {
        let text = self.text;
        let close = rest_of_line(text, end(text, node, node.at.start));
        let mut splices = vec![Splice { from: close, to: close, text: format!("\n{entry}") }];
        // After the empty lines that belong to a text.
        let mut last = node.at.end;
        last = text[..last].rfind('\n').map_or(last, |end| end + 1).max(close);
        if text[..last].ends_with('\n') {
            splices.push(Splice { from: last, to: last, text: format!("{entry}\n") });
        }
        if let Some(start) = line_start(text, node.at.start) {
            let bom = text[start..].starts_with('\u{feff}');
            let start = if bom { start + '\u{feff}'.len_utf8() } else { start };
            splices.push(Splice { from: start, to: start, text: format!("{entry}\n") });
        }
        splices
    }
}

/// An entry in brackets: after the last one, on a line of its own where that has one.
fn in_brackets(text: &str, node: &Node, last: Option<(usize, usize)>, entry: &str) -> Vec<Splice> {
    let open = node.at.start + 1;
    let Some((start, end)) = last else {
        return vec![Splice { from: open, to: open, text: entry.to_owned() }];
    };
    let line = text[..start].rfind('\n').map_or(0, |end| end + 1);
    let between = match &text[line..start] {
        space if line > node.at.start && space.trim_start().is_empty() => format!(",\n{space}"),
        _ => ", ".to_owned(),
    };
    vec![
        Splice { from: end, to: end, text: format!("{between}{entry}") },
        Splice { from: open, to: open, text: format!("{entry}, ") },
    ]
}

fn is_aliased(node: &Node, anchor: usize) -> bool {
    match &node.value {
        Value::Alias(id) => *id == anchor,
        Value::Scalar { .. } => false,
        Value::List { items, .. } => items.iter().any(|item| is_aliased(item, anchor)),
        Value::Map { entries, .. } => {
            entries.iter().any(|(key, value)| is_aliased(key, anchor) || is_aliased(value, anchor))
        }
    }
}

fn odd(line: usize) -> String {
    format!("line {line}: kwo cannot change what is written in this way")
}

fn tab(line: usize) -> String {
    format!("line {line}: there is a tab before what kwo would change")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &str) -> Tree {
        serde_json::from_str(value).unwrap()
    }

    fn set(text: &str, pointer: &str, value: &str) -> Result<String, String> {
        edit(text, false, &[Edit { pointer: pointer.to_owned(), value: json(value) }])
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
            ("a: 1\na: 2\n", "/a", "line 2: the key stands there for the second time"),
            ("on: 1\n", "/true", "line 1: YAML 1.1 and YAML 1.2 read the key"),
            ("on: 1\n", "/on", "line 1: YAML 1.1 and YAML 1.2 read the key"),
            ("a:\n  - b # why\n  - c\n", "/a", "line 2: there is a comment"),
            ("a: b\n", "/a/c", "line 1: there is a single value"),
        ] {
            let said = set(text, pointer, "\"w\"").unwrap_err();
            assert!(said.starts_with(why), "{text}: {said}");
        }
    }
}
